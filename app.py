"""GRAM Studio: `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st

from ui import PAGES

# no icons here: a page with a Material icon fetches its favicon from the internet
st.navigation(
    [st.Page(page.file, title=page.title, default=page is PAGES[0]) for page in PAGES],
    position="hidden",
).run()
