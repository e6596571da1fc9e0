"""The pairs that are measured, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks import peers
from benchmarks.measure import Case
from benchmarks.work import (
    META_RATE,
    Bench,
    EngineTraining,
    PeerTraining,
    Tasks,
    build_tasks,
    class_names,
    coop_tasks,
    mean_of,
    names_of,
    peer_steps,
    shots,
    vpt_peer,
    vpt_tasks,
)
from gram_core.prompts import ImageBank, build_method


def training(bench: Bench, ways: int, cached: bool, aim: float) -> Case:
    """One training step of CoOp."""
    method = build_method("coop", tokens=bench.sizes.tokens)
    count, names = bench.sizes.batch, class_names(ways)
    if cached:
        bank = ImageBank(features=bench.features(count))
    else:
        pixels = bench.pixels(count)
        bank = ImageBank(pixels, bench.backbone.encode_images(pixels))
    constants = method.constants(bench.backbone, names, bank)
    assert bank.features is not None
    images = bank.features if bank.pixels is None else bench.prepared(bank.pixels)
    (context,) = method.initial(bench.backbone).values()
    model = bench.coop(names, context, second_order=False, images=not cached)
    labels = torch.arange(count, device=bench.backbone.device) % ways
    return Case(
        what=f"CoOp training step, K={ways}, batch {count}",
        against="official structure, image features cached"
        if cached
        else "official structure, images encoded every step",
        engine=EngineTraining(method, constants, ways, count),
        other=PeerTraining(model, peers.Shots(images, labels)),
        aim=aim,
    )


def meta_plain(bench: Bench, ways: int, aim: float) -> Case:
    """One meta-step against plain autograd on texts of full length."""
    tasks = coop_tasks(bench, ways, max(ways, bench.sizes.images))
    (step,) = peer_steps(bench, tasks)
    return Case(
        f"GRAM meta-step, second order, K={ways}",
        "plain autograd.grad, image features cached",
        tasks,
        step,
        aim,
    )


def meta_maml(bench: Bench, ways: int, aim: float) -> Case:
    """One meta-step against learn2learn's MAML on texts of full length."""
    what = f"GRAM meta-step, second order, K={ways}"
    against = "learn2learn's MAML, image features cached"
    tasks = coop_tasks(bench, ways, max(ways, bench.sizes.images))
    if bench.learn2learn is None:
        missing = "learn2learn is not here; docs/performance.md says how to get it"
        return Case(what, against, tasks, tasks, aim, missing=missing)
    (context,) = tasks.theta.values()
    model = bench.coop(names_of(tasks, 0), context, second_order=True)
    maml = bench.learn2learn.MAML(model, lr=META_RATE)
    update, regulator = bench.learn2learn.maml_update, peers.Regulator(tasks.phi, "text")
    support, query = shots(bench, tasks, 0, images=False)
    step = partial(peers.maml_step, maml, update, regulator, support, query)
    return Case(what, against, tasks, step, aim)


def meta_images(bench: Bench, aim: float) -> Case:
    """One meta-step against a peer that encodes its images."""
    ways, count = bench.sizes.few, bench.sizes.images
    pixels = bench.pixels(2 * count)
    bank = ImageBank(pixels, bench.backbone.encode_images(pixels))
    method = build_method("coop", tokens=bench.sizes.tokens)
    constants = method.constants(bench.backbone, class_names(ways), bank)
    tasks = build_tasks(method, constants, bench, 1, ways, count)
    (step,) = peer_steps(bench, tasks, images=True)
    return Case(
        f"GRAM meta-step, second order, K={ways}",
        f"plain autograd.grad, {count} + {count} images encoded every step",
        tasks,
        step,
        aim,
    )


def tasks_loop(bench: Bench, aim: float | None) -> Case:
    """Tasks side by side against the engine's own loop over them."""
    count, ways = bench.sizes.tasks, bench.sizes.few
    tasks = coop_tasks(bench, ways, bench.sizes.images, count)
    single = [_one_of(tasks, task) for task in range(count)]
    return Case(
        f"{count} tasks side by side, K={ways}",
        "the same one after another",
        tasks,
        partial(mean_of, single),
        aim,
    )


def _one_of(tasks: Tasks, task: int) -> Tasks:
    one = slice(task, task + 1)
    return replace(tasks, support=tasks.support.of(one), query=tasks.query.of(one))


def tasks_peer(bench: Bench, aim: float) -> Case:
    """Tasks side by side against a loop of peers."""
    count, ways = bench.sizes.tasks, bench.sizes.few
    tasks = coop_tasks(bench, ways, bench.sizes.images, count)
    return Case(
        f"{count} tasks side by side, K={ways}",
        "plain autograd.grad, one task after another",
        tasks,
        partial(mean_of, peer_steps(bench, tasks)),
        aim,
    )


def order(bench: Bench, ways: int, aim: float) -> Case:
    """What exactness costs; loss and the regulator's gradient are the same in both orders."""
    tasks = coop_tasks(bench, ways, max(ways, bench.sizes.images))
    first, second = tasks("first_order"), tasks()
    apart = float((first["theta"] - second["theta"]).abs().max() / second["theta"].abs().max())
    return Case(
        f"exact second order, K={ways}",
        "own first order",
        tasks,
        partial(tasks, "first_order"),
        aim,
        cost=True,
        compare=tuple(key for key in first if key != "theta"),
        note=f"the first-order gradient of θ is off by {apart:.0%}",
    )


def replay(bench: Bench, aim: float | None) -> Case:
    """What it costs to keep less: the exact meta-gradient without a graph of the whole step."""
    tasks = coop_tasks(bench, bench.sizes.few, bench.sizes.images)
    return Case(
        f"exact second order by replay, K={bench.sizes.few}",
        "by one graph",
        partial(tasks, "replay"),
        tasks,
        aim,
        cost=True,
    )


def half(bench: Bench, ways: int, aim: float | None) -> Case:
    """What products in bfloat16 gain, and how far off they are: not exact, a choice."""
    tasks = coop_tasks(bench, ways, max(ways, bench.sizes.images))
    learner = tasks.learner
    constants = learner.method.constants(
        bench.backbone.bfloat16(), learner.constants.class_names, learner.constants.images
    )
    return Case(
        f"meta-step, products in bfloat16, K={ways}",
        "own float32",
        replace(tasks, learner=replace(learner, constants=constants)),
        tasks,
        aim,
        tolerance=1.0,
        note="not exact: the deviation is that of bfloat16",
    )


def scale_ways(bench: Bench, aim: float) -> Case:
    """What more classes cost."""
    few, many = bench.sizes.few, bench.sizes.many
    small, large = (coop_tasks(bench, ways, max(many, bench.sizes.images)) for ways in (few, many))
    return _scaling(f"meta-step, K={many}", f"K={few}", large, small, aim)


def scale_tokens(bench: Bench, aim: float) -> Case:
    """What more context tokens cost."""
    ways, count = bench.sizes.ways_of_tokens, bench.sizes.many_tokens
    small, large = (coop_tasks(bench, ways, ways, tokens=tokens) for tokens in (1, count))
    return _scaling(f"meta-step, K={ways}, M={count}", "M=1", large, small, aim)


def scale_shots(bench: Bench, aim: float) -> Case:
    """What more images cost where their features are cached."""
    few, many, ways = bench.sizes.few_shots, bench.sizes.many_shots, bench.sizes.few
    small, large = (coop_tasks(bench, ways, images) for images in (few, many))
    what = f"meta-step, K={ways}, {many} + {many} images"
    return _scaling(what, f"{few} + {few} images", large, small, aim)


def _scaling(what: str, against: str, large: Tasks, small: Tasks, aim: float) -> Case:
    return Case(what, against, large, small, aim, cost=True, compare=())


def vpt(bench: Bench, aim: float) -> Case:
    """One meta-step of visual prompts."""
    count = bench.sizes.visual_images
    tasks = vpt_tasks(bench, count)
    return Case(
        f"VPT meta-step, second order, {count} + {count} images",
        "plain autograd.grad",
        tasks,
        vpt_peer(bench, tasks),
        aim,
    )


def _few(build: Callable[..., Case], *arguments: Any) -> Callable[[Bench], Case]:
    return lambda bench: build(bench, bench.sizes.few, *arguments)


def _many(build: Callable[..., Case], *arguments: Any) -> Callable[[Bench], Case]:
    return lambda bench: build(bench, bench.sizes.many, *arguments)


#: The cases by name, with their aims at full size on a CPU.
CASES: dict[str, Callable[[Bench], Case]] = {
    "coop-few": _few(training, False, 200),
    "coop-many": _many(training, False, 60),
    "coop-cached-few": _few(training, True, 11),
    "coop-cached-many": _many(training, True, 20),
    "meta-maml-few": _few(meta_maml, 10),
    "meta-maml-many": _many(meta_maml, 25),
    "meta-plain-few": _few(meta_plain, 10),
    "meta-plain-many": _many(meta_plain, 25),
    "meta-images": partial(meta_images, aim=60),
    "tasks-loop": partial(tasks_loop, aim=None),
    "tasks-peer": partial(tasks_peer, aim=20),
    "order-few": _few(order, 1.6),
    "order-many": _many(order, 1.6),
    "replay": partial(replay, aim=None),
    "bfloat16-few": _few(half, None),
    "bfloat16-many": _many(half, None),
    "ways": partial(scale_ways, aim=4.5),
    "tokens": partial(scale_tokens, aim=1.2),
    "shots": partial(scale_shots, aim=1.1),
    "vpt": partial(vpt, aim=1.8),
}
