"""The page of one topic: its words, its visual domains, what lies near it, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from gram_core import plots
from gram_core.plots.strips import Side
from ui import edits, gallery, resources, topics
from ui.places import go_to
from ui.words import count, escaped

if TYPE_CHECKING:
    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy, Topic
    from gram_core.workspace import Workspace

PICTURES = 12
CAPTIONS = 3
SIDES: dict[Side, str] = {"central": "Most central", "typical": "Most typical"}


def draw(workspace: Workspace, hierarchy: Hierarchy, id: int) -> None:
    """The topic from its name to its neighbours."""
    topic = hierarchy.topics[id]
    corpus = resources.corpus(hierarchy)
    st.button(
        "Back to all topics", icon=":material/arrow_back:", on_click=go_to, args=(None,),
        shortcut="Escape", type="tertiary",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(escaped(topic.word), anchor=False)
        st.space("stretch")
        edits.tools(workspace, hierarchy, topic)
    edits.parts(workspace, hierarchy, topic)
    _facts(topic)
    _domains(topic, corpus)
    with st.grid(min_column_width=420, gap="medium"):
        with st.container():
            st.markdown("##### How well pictures and captions agree")
            similarity = hierarchy.similarity[topic.members]
            kept = np.ones(len(topic), dtype=bool)
            figure = plots.similarity_histogram(similarity, kept, height=220)
            st.plotly_chart(figure, key="topic-similarity", config={"displayModeBar": False})
        with st.container():
            st.markdown("##### Nearest topics")
            _nearest(hierarchy, corpus, id)


def _facts(topic: Topic) -> None:
    best = topic.words[0][1] if topic.words else 1.0
    st.markdown(
        " ".join(f":gray-badge[{escaped(word)} {score / best:.0%}]" for word, score in topic.words),
        help="The topic's words, and how each scores beside the best one",
    )
    facts = [count(len(topic), "pair"), count(len(topic.domains), "visual domain")]
    if topic.coherence is not None:
        facts.append(f"coherence {topic.coherence:.2f}")
    if topic.silhouette is not None:
        facts.append(f"silhouette of its domains {topic.silhouette:.2f}")
    st.caption(" · ".join(facts))
    if topic.reason:
        st.info(f"Not used for tasks: {escaped(topic.reason)}", icon=":material/info:")


@st.fragment
def _domains(topic: Topic, corpus: Corpus) -> None:
    side: Side = "central"
    if topic.descriptions:
        side = st.segmented_control(
            "Pictures", list(SIDES), default="central", required=True, key="side",
            format_func=SIDES.__getitem__, label_visibility="collapsed",
            help="The nearest to the middle of the domain, or those that tell it best from the "
            "topic's other domains",
        )  # fmt: skip
    for domain in range(len(topic.domains)):
        pictures = topics.domain_pictures(corpus, topic, domain, PICTURES, side)
        said = list(dict.fromkeys(words.split("\n", 1)[0] for _, words in pictures))[:CAPTIONS]
        gallery.described(*_about(topic, domain), pictures, said)


def _about(topic: Topic, domain: int) -> tuple[str, str, str, Sequence[str]]:
    """Name, size, looks and colours of a domain; the last two are empty where not described."""
    name, size = f"Domain {domain + 1}", count(len(topic.domains[domain]), "picture")
    if domain >= len(topic.descriptions):
        return name, size, "", ()
    from gram_core.hierarchy.descriptions import in_words

    description = topic.descriptions[domain]
    return name, size, in_words(description), description.colours


def _nearest(hierarchy: Hierarchy, corpus: Corpus, id: int) -> None:
    near = topics.nearest_topics(hierarchy, id)
    if not near:
        st.caption("It is the only one.")
    for topic, cosine in near:
        button, pictures = st.columns([2, 3], vertical_alignment="center")
        button.button(
            escaped(topic.word), key=f"near-{topic.id}", on_click=go_to, args=(topic.id,),
            width="stretch", help=f"{count(len(topic), 'pair')}; cosine {cosine:.2f}",
        )  # fmt: skip
        with pictures:
            gallery.strip(topics.domain_pictures(corpus, topic, 0, 6), size=36)
