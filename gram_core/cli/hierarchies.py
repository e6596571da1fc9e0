"""`hierarchies`, `edit`, `tasks`: look at what clustering found, correct it, draw tasks from it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gram_core import sheets
from gram_core.cli.console import Console, columns
from gram_core.errors import GramError
from gram_core.workspace import Artefact, Workspace

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy, Topic
    from gram_core.meta import Task, TaskSampler

FORMS = ("zip", "parquet", "csv", "folders", "atlas")
WHICH = "its id, or the name of a corpus for its newest one"


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    verb = verbs.add_parser(
        "hierarchies",
        parents=[common],
        help="the hierarchies of the workspace: list, show, history, delete, export",
    )
    verb.add_argument("action", nargs="?", default="list", choices=list(ACTIONS))
    verb.add_argument("id", nargs="?", metavar="HIERARCHY", help=f"{WHICH}; to delete: its id")
    verb.add_argument(
        "--as",
        choices=FORMS,
        default="zip",
        dest="form",
        help="export: the artefact, a table, a folder for each topic, or for Embedding Atlas",
    )
    verb.add_argument("--to", type=Path, help="export: where to (default: ID and an ending)")
    verb.set_defaults(handle=_handle, usage=verb)

    verb = verbs.add_parser("edit", parents=[common], help="correct a hierarchy: makes a new one")
    verb.add_argument("hierarchy", metavar="HIERARCHY", help=WHICH)
    late = argparse.ArgumentParser(add_help=False)  # the common options may also come last
    late.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    late.add_argument("--workspace", metavar="DIR", default=argparse.SUPPRESS)
    kinds = verb.add_subparsers(title="corrections", dest="kind", required=True)
    topic = {"metavar": "TOPIC", "help": "its number or its word"}
    kind = kinds.add_parser("rename", parents=[late], help="call a topic by another word")
    kind.add_argument("topic", **topic)
    kind.add_argument("word")
    kind = kinds.add_parser("merge", parents=[late], help="make several topics one")
    kind.add_argument("topics", nargs="+", **topic)
    kind.add_argument("--word", help="its name (default: by its words)")
    kind = kinds.add_parser("split", parents=[late], help="make one topic several, by its captions")
    kind.add_argument("topic", **topic)
    kind.add_argument("--parts", type=int, default=2)
    kind = kinds.add_parser("drop", parents=[late], help="leave the pairs of a topic in none")
    kind.add_argument("topic", **topic)
    kind = kinds.add_parser(
        "move", parents=[late], help="make a visual domain one of another topic"
    )
    kind.add_argument("topic", **topic)
    kind.add_argument("domain", type=int, help="its number, from 1")
    kind.add_argument("--to", required=True, metavar="TOPIC")
    kinds.add_parser("undo", parents=[late], help="go back to what was before the last correction")
    verb.set_defaults(handle=_edit)

    verb = verbs.add_parser(
        "tasks", parents=[common], help="draw tasks, and tell how many there are"
    )
    verb.add_argument("hierarchy", metavar="HIERARCHY", help=WHICH)
    verb.add_argument("--ways", type=int, default=5, help="classes that the support shows")
    verb.add_argument("--unseen-ways", type=int, default=5, help="classes that only the query has")
    verb.add_argument("--fewest-ways", type=int, help="default: as many as --ways")
    verb.add_argument("--shots", type=int, default=8, help="support pictures of a class")
    verb.add_argument("--queries", type=int, default=8, help="query pictures of a class")
    verb.add_argument("--no-domain-shift", action="store_true", help="support from all domains")
    verb.add_argument("--kinship", type=float, default=0.0, help="how often classes are neighbours")
    verb.add_argument(
        "--exclude", nargs="+", default=[], metavar="WORD", help="no class is called so"
    )
    verb.add_argument("--count", type=int, default=1, help="how many tasks")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--sheet", type=Path, metavar="FILE", help="the pictures of the first task")
    verb.set_defaults(handle=_tasks)


def find_hierarchy(workspace: Workspace, name: str) -> Hierarchy:
    """The hierarchy of that id, or the newest one of the corpus of that name.

    Raises GramError if there is neither.
    """
    from gram_core.cli.work import newest_hierarchy
    from gram_core.hierarchy import Hierarchy

    if not workspace.exists("hierarchies", name):
        of_corpus = any(
            artefact.about.get("corpus") == name for artefact in workspace.list("hierarchies")
        )
        if of_corpus or name == "bundled" or workspace.exists("corpora", name):
            name = newest_hierarchy(workspace, name)
    return Hierarchy.open(workspace, name)


def find_topic(hierarchy: Hierarchy, name: str) -> int:
    """The number of a topic that is named by it or by its word. Raises GramError for none."""
    from gram_core.names import compared

    for topic in hierarchy.topics:
        if compared(topic.word) == compared(name):
            return topic.id
    if name.isdecimal():
        return int(name)
    like = ", ".join(topic.word for topic in hierarchy.search(name)[:5])
    raise GramError(
        f"There is no topic {name!r} in {hierarchy.id}"
        + (f"; near it are: {like}" if like else "; `hierarchies show` lists them")
    )


def _handle(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    if (options.action == "list") != (options.id is None):
        options.usage.error(f"{options.action} takes {'no' if options.id else 'a'} hierarchy")
    ACTIONS[options.action](options, workspace, console)


def _list(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    rows = [_row(artefact) for artefact in workspace.list("hierarchies")]
    short = [{name: value for name, value in row.items() if name != "quality"} for row in rows]
    console.answer(rows, columns(short))


def _row(artefact: Artefact) -> dict[str, Any]:
    about = artefact.about
    names = ("corpus", "backbone", "pairs", "topics", "usable", "quality")
    return {
        "id": artefact.id,
        "created": artefact.created.isoformat("T", "seconds"),
        **{name: about.get(name) for name in names},
        "made by": about.get("edit", {}).get("said", about.get("problem", "clustering")),
    }


def _show(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    hierarchy = find_hierarchy(workspace, options.id)
    answer = {
        "id": hierarchy.id,
        "corpus": hierarchy.corpus,
        "backbone": hierarchy.backbone_name,
        "parent": hierarchy.parent,
        "edit": hierarchy.edit,
        "quality": hierarchy.quality,
        "config": hierarchy.config,
        "topics": [_topic(topic) for topic in hierarchy.topics],
        "path": str(workspace.path("hierarchies", hierarchy.id)),
    }
    lines = [f"{hierarchy.id}: {len(hierarchy.topics)} topics of {len(hierarchy):,} pairs"]
    if hierarchy.edit:
        lines.append(f"made of {hierarchy.parent or 'an undone one'}: {hierarchy.edit.get('said')}")
    lines += ["", *(f"{name:20} {value:8.3f}" for name, value in hierarchy.quality.items())]
    for topic in hierarchy.topics:
        words = ", ".join(word for word, _ in topic.words[1:6])
        reason = f"; no class of tasks: {topic.reason}" if topic.reason else ""
        lines += ["", f"{topic.id} {topic.word} ({len(topic):,} pairs): {words}{reason}"]
        lines += [f"    {line}" for line in _domains(topic)]
    console.answer(answer, "\n".join(lines))


def _topic(topic: Topic) -> dict[str, Any]:
    domains = [
        {"pairs": len(domain), "looks": looks}
        for domain, looks in zip(topic.domains, _looks(topic), strict=True)
    ]
    return topic.head() | {"pairs": len(topic), "domains": domains}


def _domains(topic: Topic) -> list[str]:
    return [
        f"domain {number}: {len(domain):,} pairs" + (f"; {looks}" if looks else "")
        for number, (domain, looks) in enumerate(
            zip(topic.domains, _looks(topic), strict=True), start=1
        )
    ]


def _looks(topic: Topic) -> list[str]:
    from gram_core.hierarchy.descriptions import in_words

    return [in_words(each) for each in topic.descriptions] or [""] * len(topic.domains)


def _history(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.hierarchy.edits import history

    steps = history(find_hierarchy(workspace, options.id), workspace)
    rows = [
        {"id": step.id, "created": step.created.isoformat("T", "seconds"), "done": step.said}
        for step in steps
    ]
    console.answer(rows, columns(rows))


def _delete(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    workspace.delete("hierarchies", options.id)
    console.answer({"deleted": options.id}, f"deleted hierarchy {options.id}")


def _export(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.hierarchy import export

    hierarchy, form = find_hierarchy(workspace, options.id), options.form
    endings = {"folders": "", "atlas": "-atlas.parquet"}
    target = options.to or Path(hierarchy.id + endings.get(form, f".{form}"))
    target.parent.mkdir(parents=True, exist_ok=True)
    if form == "zip":
        target.write_bytes(workspace.export("hierarchies", hierarchy.id))
    else:
        corpus = hierarchy.open_corpus(workspace)
        if form == "folders":
            console.follow(export.write_folders(hierarchy, corpus, target))
        elif form == "atlas":
            console.follow(export.write_atlas(hierarchy, corpus, target))
        else:
            if target.suffix.lower() != f".{form}":
                raise GramError(f"a {form} table is a .{form} file, not {target.name!r}")
            export.write_table(hierarchy, corpus, target)
    answer = {"exported": hierarchy.id, "as": form, "to": str(target)}
    hint = ""
    if form == "atlas":
        hint = (
            f"\nopen it: embedding-atlas {target} --x x --y y --text caption --image image "
            "--neighbors neighbors"
        )
    console.answer(answer, f"wrote {target}{hint}")


ACTIONS = {
    "list": _list,
    "show": _show,
    "history": _history,
    "delete": _delete,
    "export": _export,
}


def _edit(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.backbones import open_backbone
    from gram_core.hierarchy import edits

    before = find_hierarchy(workspace, options.hierarchy)
    if options.kind == "undo":
        after = edits.undo(before, workspace)
    else:
        corpus = before.open_corpus(workspace)
        backbone = open_backbone(before.backbone_name)
        after = edits.apply(before, _wanted(options, before), corpus, backbone)
    after.store(workspace)
    answer = {
        "hierarchy": after.id,
        "parent": after.parent,
        "edit": after.edit,
        "topics": len(after.topics),
    }
    said = after.edit.get("said", "")
    console.answer(answer, f"hierarchy {after.id}: {said}; {len(after.topics)} topics")


def _wanted(options: argparse.Namespace, hierarchy: Hierarchy) -> Any:
    """The edit that the command line names."""
    from gram_core.hierarchy import edits

    if options.kind == "merge":
        topics = tuple(find_topic(hierarchy, name) for name in options.topics)
        return edits.Merge(topics, options.word)
    topic = find_topic(hierarchy, options.topic)
    if options.kind == "rename":
        return edits.Rename(topic, options.word)
    if options.kind == "split":
        return edits.Split(topic, options.parts)
    if options.kind == "drop":
        return edits.Drop(topic)
    return edits.Move(topic, options.domain - 1, find_topic(hierarchy, options.to))


def _tasks(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.meta import TaskConfig, TaskSampler
    from gram_core.meta.statistics import statistics

    sheets.check_suffix(options.sheet)
    if options.count < 1:
        raise GramError(f"count is at least 1, not {options.count}")
    config = TaskConfig(
        ways=options.ways,
        unseen_ways=options.unseen_ways,
        fewest_ways=options.ways if options.fewest_ways is None else options.fewest_ways,
        shots=options.shots,
        queries=options.queries,
        domain_shift=not options.no_domain_shift,
        kinship=options.kinship,
        exclude=tuple(options.exclude),
    )
    hierarchy = find_hierarchy(workspace, options.hierarchy)
    sampler = TaskSampler(hierarchy, config, options.seed)
    drawn = [sampler.sample() for _ in range(options.count)]
    found = statistics(sampler)
    if options.sheet:
        _write_sheet(options.sheet, hierarchy, workspace, sampler, drawn[0])
        console.note(f"wrote {options.sheet}")
    answer = {
        "hierarchy": hierarchy.id,
        "statistics": vars(found) | {"in_words": found.in_words()},
        "tasks": [_as_json(task, sampler) for task in drawn],
    }
    lines = [f"{hierarchy.id}: {found.in_words()}"]
    lines += [f"  no class: {word} ({reason})" for word, reason in found.left_out.items()]
    for number, task in enumerate(drawn, start=1):
        lines += ["", f"task {number}", *(f"  {line}" for line in _told(task, sampler))]
    console.answer(answer, "\n".join(lines))


def _as_json(task: Task, sampler: TaskSampler) -> dict[str, Any]:
    def names(rows: Any) -> list[str]:
        return [sampler.names[row] for row in rows]

    return {
        "seen": names(task.seen),
        "unseen": names(task.unseen),
        "support_domains": (task.support_domains + 1).tolist(),
        "support": task.support.tolist(),
        "query_seen": task.query_seen.tolist(),
        "query_unseen": task.query_unseen.tolist(),
    }


def _told(task: Task, sampler: TaskSampler) -> list[str]:
    lines = []
    for row, topic in enumerate(task.seen):
        domain = int(task.support_domains[row])
        source = f"domain {domain + 1} of {len(sampler.topics[topic].domains)}"
        place = "all domains" if domain < 0 else source
        pairs = " ".join(map(str, task.support[row]))
        lines.append(f"{sampler.names[topic]}: support from {place}: {pairs}")
    unseen = ", ".join(sampler.names[topic] for topic in task.unseen)
    return [*lines, f"only in the query: {unseen}"] if unseen else lines


def _write_sheet(
    path: Path, hierarchy: Hierarchy, workspace: Workspace, sampler: TaskSampler, task: Task
) -> None:
    """The support and the query of each class, side by side."""
    corpus = hierarchy.open_corpus(workspace)

    def pictures(pairs: Any) -> list[bytes]:
        return [corpus.image_bytes(int(pair)) for pair in pairs]

    rows: list[tuple[str, list[bytes], list[bytes]]] = []
    for row, topic in enumerate(task.seen):
        domain = int(task.support_domains[row])
        name = sampler.names[topic] + (f"\ndomain {domain + 1}" if domain >= 0 else "")
        rows.append((name, pictures(task.support[row]), pictures(task.query_seen[row])))
    for row, topic in enumerate(task.unseen):
        rows.append((f"{sampler.names[topic]}\nunseen", [], pictures(task.query_unseen[row])))
    sheets.save(sheets.table(rows), path)
