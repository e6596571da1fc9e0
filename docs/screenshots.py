"""The pictures of every page in docs/images: `python -m docs.screenshots [WORKSPACE]`.

The workspace (default: "workspace") should hold clusters, a finished meta-training run and a race.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.studio import browsing, serving, settled

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).with_name("images")
PAGES = {
    "start": "/",
    "clusters": "/clusters",
    "topic": "/clusters",
    "meta-train": "/meta_train",
    "few-shot": "/few_shot",
    "runs": "/runs",
}


def main(workspace: Path) -> None:
    """Takes all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(workspace, Path(folder) / "server.log") as url,
        browsing() as page,
    ):
        for name, path in PAGES.items():
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(url + path)
            settled(page)
            PREPARED.get(name, settled)(page)
            take(page, name)


def look_into_a_topic(page: Page) -> None:
    """Opens the first topic that speaks of tents."""
    finder = page.get_by_role("combobox", name="Find a topic")
    finder.fill("tent")
    finder.press("Enter")
    page.get_by_role("button", name="Back to all topics").wait_for()
    settled(page)


def race_the_samples(page: Page) -> None:
    """Races the sample pictures and tries the classifiers on one of them."""
    page.get_by_role("button", name="Take the sample pictures").click()
    settled(page)
    page.get_by_role("button", name="Start the race").click()
    running = page.get_by_test_id("stSidebar").get_by_text("Few-shot race")
    running.wait_for()
    running.wait_for(state="detached")
    settled(page)
    page.get_by_test_id("stButtonGroup").get_by_role("radio").last.click()
    page.locator(".st-key-ranking-raw .bars path").first.wait_for()
    settled(page)


def select_a_run(page: Page) -> None:
    """Selects the newest run, the race."""
    page.get_by_test_id("stDataFrame").first.click(position={"x": 18, "y": 53})
    settled(page)


PREPARED = {"topic": look_into_a_topic, "few-shot": race_the_samples, "runs": select_a_run}


def take(page: Page, name: str) -> None:
    """One picture, as tall as the page."""
    page.wait_for_timeout(1500)
    script = "document.querySelector('[data-testid=stMain]').scrollHeight"
    height = max(900, int(page.evaluate(script)))
    page.set_viewport_size({"width": 1440, "height": height})
    page.wait_for_timeout(2500)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "workspace"))
