"""Tasks drawn from a hierarchy, as meta-training would draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui import gallery, resources, topics
from ui.frame import plain_errors
from ui.words import count

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy
    from gram_core.meta import TaskSampler


@st.fragment
def draw(hierarchy: Hierarchy) -> None:
    """What a task looks like, one of them, and how many there are."""
    st.markdown(
        "Each class of a task is a topic. The support of a class shares one visual domain, drawn "
        "for each class; the query has all of them, and classes that the support never shows."
    )
    row = st.container(horizontal=True, vertical_alignment="bottom")
    ways = row.number_input("Ways", 2, 50, 5, key="task-ways", width=110)
    unseen = row.number_input(
        "Unseen ways", 0, 50, 3, key="task-unseen", width=110, help="0, or at least 2"
    )
    shots = row.number_input("Shots", 1, 64, 8, key="task-shots", width=110)
    queries = row.number_input("Queries", 1, 64, 8, key="task-queries", width=110)
    seed = row.number_input("Seed", 0, value=0, key="task-seed", width=110)
    shift = row.toggle(
        "Domain shift", True, key="task-shift", help="Off: the support comes from all domains too"
    )
    row.button("Show me a task", icon=":material/casino:", type="primary", on_click=_next_seed)
    with plain_errors(), st.spinner("Drawing a task …"):
        from gram_core.meta import TaskConfig, TaskSampler

        config = TaskConfig(
            ways=int(ways), unseen_ways=int(unseen), fewest_ways=int(ways), shots=int(shots),
            queries=int(queries), domain_shift=shift,
        )  # fmt: skip
        sampler = TaskSampler(hierarchy, config, int(seed))
        gallery.task_table(topics.task_rows(sampler, resources.corpus(hierarchy)))
        _statistics(sampler)


def _next_seed() -> None:
    st.session_state["task-seed"] += 1


def _statistics(sampler: TaskSampler) -> None:
    from gram_core.meta.statistics import statistics

    found = statistics(sampler)
    st.caption(
        f"One of {found.in_words()}, drawn from {count(found.topics, 'topic')} with "
        f"{count(found.pairs, 'pair')}."
    )
    if found.left_out:
        with st.expander(f"{count(len(found.left_out), 'topic')} left out, and why"):
            st.dataframe({"Topic": list(found.left_out), "Reason": list(found.left_out.values())})
