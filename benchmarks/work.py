"""What is measured: the engine's and the peers' steps on the same weights and data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import peers
from benchmarks.measure import Results, Work
from gram_core.adaptation import AdaptConfig, Measured, Support, adapt
from gram_core.backbones import Backbone
from gram_core.backbones.visual import normalise_pixels
from gram_core.events import Event
from gram_core.gradients import Raw, initial_regulator
from gram_core.meta.gradient import MetaGradient, Strategy, meta_gradient
from gram_core.meta.learner import Learner
from gram_core.meta.tasks import Examples, examples
from gram_core.prompts import Constants, ImageBank, Method, Params, build_method

#: Training moves the prompt far, so that in float32 its movement can be compared; a meta-step less,
#: so that the second-order part of its gradient is of the size that it has in practice.
TRAIN_RATE, META_RATE = 1.0, 0.1

NOUNS = """dog cat horse bird car boat house tree flower chair table clock lamp ship train bridge
castle tower garden river mountain beach forest street market kitchen bottle guitar piano camera
""".split()
QUALITIES = "red green blue black white old new small large wooden golden wild".split()


@dataclass(frozen=True)
class Sizes:
    """How large the cases are: classes, context tokens, images of a minibatch or a set, tasks."""

    few: int = 5
    many: int = 50
    tokens: int = 4
    batch: int = 32
    images: int = 16
    tasks: int = 8
    ways_of_tokens: int = 20
    many_tokens: int = 16
    few_shots: int = 5
    many_shots: int = 2000
    visual_images: int = 2


QUICK = Sizes(
    few=3,
    many=8,
    batch=4,
    images=8,
    tasks=2,
    ways_of_tokens=4,
    many_tokens=8,
    many_shots=50,
)


class Bench:
    """What the cases share: the backbone, the peers' towers with its weights, the data."""

    def __init__(
        self, backbone: Backbone, sizes: Sizes | None = None, learn2learn: Any | None = None
    ) -> None:
        self.backbone = backbone
        self.sizes = sizes or Sizes()
        self.learn2learn = learn2learn

    @cached_property
    def text_encoder(self) -> peers.TextEncoder:
        """The peers' text tower."""
        return peers.TextEncoder(self.backbone)

    @cached_property
    def image_encoder(self) -> peers.ImageEncoder:
        """The peers' image tower."""
        return peers.ImageEncoder(self.backbone)

    def pixels(self, count: int) -> Tensor:
        """Pictures of soft colours, uint8 `(n, 3, H, W)`, the same ones every time."""
        generator = torch.Generator().manual_seed(1)
        coarse = torch.rand(count, 3, 4, 4, generator=generator)
        size = self.backbone.image_size
        fine = functional.interpolate(coarse, size=(size, size), mode="bilinear")
        return (255 * fine).to(torch.uint8).to(self.backbone.device)

    def features(self, count: int) -> Tensor:
        """Normalised image features `(n, e)` of no pictures, the same ones every time."""
        generator = torch.Generator().manual_seed(2)
        drawn = torch.randn(count, self.backbone.embed_dim, generator=generator)
        drawn = drawn.to(self.backbone.device, self.backbone.dtype)
        return functional.normalize(drawn, dim=-1)

    def prepared(self, pixels: Tensor) -> Tensor:
        """Pixels as a data loader hands them to a peer: normalised `(n, 3, H, W)`."""
        return normalise_pixels(pixels, self.backbone.mean, self.backbone.std)

    def phi(self, params: Params) -> Params:
        """A regulator that is not the identity."""
        generator = torch.Generator().manual_seed(3)
        phi = initial_regulator(params)
        return {
            key: value + 0.02 * torch.randn(value.shape, generator=generator).to(value)
            for key, value in phi.items()
        }

    def coop(
        self, names: Sequence[str], context: Tensor, second_order: bool, images: bool = False
    ) -> peers.CoOp:
        """The peer of CoOp, with or without the image tower in front."""
        encoder = self.image_encoder if images else None
        text = self.text_encoder
        return peers.CoOp(self.backbone, names, context, text, encoder, second_order)


def class_names(count: int) -> list[str]:
    """Different names of one, two and three words in turn, each word a token of CLIP."""
    kinds: list[Iterator[tuple[str, ...]]] = [
        product(NOUNS),
        product(QUALITIES, NOUNS),
        product(QUALITIES[:6], QUALITIES[6:], NOUNS),
    ]
    names: list[str] = []
    while len(names) < count:
        for kind in kinds:
            names += [" ".join(words) for words in islice(kind, 1)]
    return names[:count]


@dataclass(frozen=True, eq=False)
class Tasks:
    """Tasks side by side for the engine: their constants, support and query of bank rows."""

    learner: Learner
    theta: Params
    phi: Params
    support: Examples
    query: Examples

    def __call__(self, strategy: Strategy = "create_graph") -> Results:
        """Loss and meta-gradients, by the names that the peers use."""
        learner, theta, phi = self.learner, self.theta, self.phi
        supports = [self.support]
        return results(meta_gradient(learner, theta, phi, supports, self.query, strategy=strategy))


def results(outcome: MetaGradient) -> Results:
    """`loss`, `theta` and `phi.…` of a meta-gradient of one prompt in one tower."""
    (theta,) = outcome.theta.values()
    phi = {f"phi.{key.split('.', 1)[1]}": value for key, value in (outcome.phi or {}).items()}
    return {"loss": torch.tensor(outcome.loss, dtype=theta.dtype), "theta": theta, **phi}


def build_tasks(
    method: Method, constants: Constants, bench: Bench, tasks: int, ways: int, images: int
) -> Tasks:
    """Tasks of `ways` classes with `images` support and as many query images each.

    Task t has the classes from t × ways on and the images from 2 × t × images on.
    """
    theta = method.initial(bench.backbone)
    classes = [np.arange(task * ways, (task + 1) * ways) for task in range(tasks)]
    rows = [2 * images * task + np.arange(2 * images) for task in range(tasks)]
    labels = [np.arange(images) % ways] * tasks
    device = bench.backbone.device
    return Tasks(
        Learner(method, constants, {"text": META_RATE, "visual": META_RATE}),
        theta,
        bench.phi(theta),
        examples(classes, [row[:images] for row in rows], labels, device),
        examples(classes, [row[images:] for row in rows], labels, device),
    )


def coop_tasks(
    bench: Bench, ways: int, images: int, tasks: int = 1, tokens: int | None = None
) -> Tasks:
    """Tasks of CoOp on cached image features."""
    method = build_method("coop", tokens=tokens or bench.sizes.tokens)
    bank = ImageBank(features=bench.features(2 * images * tasks))
    constants = method.constants(bench.backbone, class_names(ways * tasks), bank)
    return build_tasks(method, constants, bench, tasks, ways, images)


def shots(bench: Bench, tasks: Tasks, task: int, images: bool) -> tuple[peers.Shots, peers.Shots]:
    """Support and query of one of the tasks as a peer reads them."""

    def read(part: Examples) -> peers.Shots:
        rows, bank = part.batch.images[task], tasks.learner.constants.images
        source = bench.prepared(bank.pixels[rows]) if images and bank.pixels is not None else None
        if source is None:
            assert bank.features is not None  # a bank holds one of the two
            source = bank.features[rows]
        return peers.Shots(source, part.labels[task])

    return read(tasks.support), read(tasks.query)


def names_of(tasks: Tasks, task: int) -> list[str]:
    """The class names of one of the tasks."""
    classes = tasks.support.batch.classes
    assert classes is not None
    return [tasks.learner.constants.class_names[row] for row in classes[task].tolist()]


def peer_steps(bench: Bench, tasks: Tasks, images: bool = False) -> list[Work]:
    """The meta-step of every task by plain autograd on texts of full length."""
    (context,) = tasks.theta.values()
    regulator = peers.Regulator(tasks.phi, "text")
    steps: list[Work] = []
    for task in range(len(tasks.support.labels)):
        model = bench.coop(names_of(tasks, task), context, second_order=True, images=images)
        both = shots(bench, tasks, task, images)
        steps.append(partial(peers.meta_step, model, regulator, META_RATE, *both))
    return steps


def mean_of(steps: Sequence[Work]) -> Results:
    """The mean of the results of several pieces of work, done one after another."""
    done = [step() for step in steps]
    return {key: torch.stack([one[key] for one in done]).mean(0) for key in done[0]}


class EngineTraining:
    """Training steps of `adapt`, one a call: an epoch of one minibatch, the first rows of the bank.

    The results of the first call are its loss and how far the prompt moved.
    """

    def __init__(self, method: Method, constants: Constants, ways: int, batch: int) -> None:
        images = torch.arange(batch)[None]
        start = method.initial(constants.backbone)
        (self.before,) = start.values()
        self.after: list[Tensor] = []
        config = AdaptConfig(
            epochs=10**9, rate=TRAIN_RATE, batch=batch, momentum=0.9, evaluate_at=(1,)
        )
        support = Support(images, images % ways)
        self.events = adapt(method, Raw(), constants, support, start, config, self._keep)

    def _keep(self, params: Params) -> Measured:
        self.after += [value[0] for value in params.values()]
        return {}

    def __call__(self) -> Results:
        event: Event = next(self.events)
        loss = torch.tensor(event.values["loss"], dtype=self.before.dtype)
        return {"loss": loss, "moved": self.after[0] - self.before}


class PeerTraining:
    """Training steps of the peer by SGD with CoOp's momentum, one a call."""

    def __init__(self, model: peers.CoOp, data: peers.Shots) -> None:
        self.model, self.data = model, data
        self.optimizer = torch.optim.SGD([model.prompt_learner.ctx], lr=TRAIN_RATE, momentum=0.9)

    def __call__(self) -> Results:
        prompt = self.model.prompt_learner.ctx
        before = prompt.detach().clone()
        loss = peers.train_step(self.model, self.optimizer, self.data)
        return {"loss": loss, "moved": prompt.detach() - before}


def vpt_tasks(bench: Bench, images: int) -> Tasks:
    """One task of VPT, shallow, with `images` support and as many query images."""
    method = build_method("vpt", tokens=bench.sizes.tokens)
    bank = ImageBank(pixels=bench.pixels(2 * images))
    constants = method.constants(bench.backbone, class_names(bench.sizes.few), bank)
    return build_tasks(method, constants, bench, 1, bench.sizes.few, images)


def vpt_peer(bench: Bench, tasks: Tasks) -> Work:
    """The peer's meta-step of such a task."""
    (tokens,) = tasks.theta.values()
    texts = [f"a photo of a {name}." for name in names_of(tasks, 0)]
    classes = peers.class_features(bench.backbone, bench.text_encoder, texts)
    model = peers.Vpt(bench.backbone, classes, tokens, bench.image_encoder)
    regulator = peers.Regulator(tasks.phi, "visual")
    return partial(
        peers.meta_step, model, regulator, META_RATE, *shots(bench, tasks, 0, images=True)
    )


def adaptation_step(bench: Bench, classes: int, images: int) -> EngineTraining:
    """Training steps of CoOp for many classes, with a bank of many cached image features."""
    method = build_method("coop", tokens=bench.sizes.tokens)
    bank = ImageBank(features=bench.features(images))
    constants = method.constants(bench.backbone, class_names(classes), bank)
    return EngineTraining(method, constants, classes, bench.sizes.batch)
