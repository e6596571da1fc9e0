"""A method: a text part and a visual part, composed into one pure function to logits.

A coupling may make the tokens of one part from the other's, and a cache may add its votes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.memory import BUDGET
from gram_core.names import compared, spoken
from gram_core.prompts.cache import Cache
from gram_core.prompts.coupled import Coupling
from gram_core.prompts.images import ImageBank
from gram_core.prompts.params import Params, check_params

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

MASKED = -1e4


@dataclass(frozen=True, eq=False)
class Batch:
    """Which images meet which classes, for B tasks or runs side by side.

    `images` `(B, N)` are rows of the image bank; `classes` `(B, K)` rows of the class table, None
    for the whole table; `mask` `(B, K)` is False where a class only pads, None where none does.
    """

    images: Tensor
    classes: Tensor | None = None
    mask: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Constants:
    """What does not depend on the prompts, prepared once: by the text part and the visual part.

    `codes` are those of the class names, `(C, 2)`, where there is a cache.
    """

    backbone: Backbone
    class_names: tuple[str, ...]
    images: ImageBank
    text: Any
    visual: Any
    codes: Tensor | None = None


class TextPart(Protocol):
    """How class names become class features."""

    @property
    def class_specific(self) -> bool:
        """Whether every class has parameters of its own, so that others cannot be recognised."""
        ...

    @property
    def by_image(self) -> bool:
        """Whether the class features are others for every image."""
        ...

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """The parameters at the start, without a task axis."""
        ...

    def expanded(self, params: Params, classes: int) -> Params:
        """The parameters that so many classes start from."""
        ...

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> Any:
        """What of the classes does not depend on the parameters."""
        ...

    def features(
        self, params: Params, constants: Constants, classes: Tensor | None, images: Tensor | None
    ) -> Tensor:
        """Normalised class features `(B, K, e)`, or `(1, K, e)` where every task has the same.

        `(B, N, K, e)` where they are others for each of the image features `images` `(B, N, e)`.
        """
        ...

    def memory(self, constants: Constants, classes: int) -> tuple[int, int]:
        """Bytes that a differentiable pass keeps of a task, and of each of its images."""
        ...


class VisualPart(Protocol):
    """How images become image features."""

    @property
    def reads_pixels(self) -> bool:
        """Whether images pass through the image tower at every step."""
        ...

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """The parameters at the start, without a task axis."""
        ...

    def constants(self, backbone: Backbone, images: ImageBank) -> Any:
        """What of the images does not depend on the parameters."""
        ...

    def features(self, params: Params, constants: Constants, images: Tensor) -> Tensor:
        """Normalised image features `(B, N, e)` of bank rows `(B, N)`."""
        ...

    def memory(self, constants: Constants) -> int:
        """Bytes that a differentiable pass keeps of an image."""
        ...


@dataclass(frozen=True)
class Method:
    """A way of prompting: `logits` is a pure function of the parameters.

    `options` are those that `build_method` was given, so that the method can be written down.
    """

    name: str
    text: TextPart
    visual: VisualPart
    coupling: Coupling | None = None
    cache: Cache | None = None
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def fixed(self) -> frozenset[str]:
        """The keys of the parameters that adaptation leaves as they are."""
        return frozenset() if self.cache is None else self.cache.fixed

    def initial(self, backbone: Backbone, seed: int = 0) -> Params:
        """The parameters at the start, without a task axis: `"text.context"` `(M, d)` and so on.

        They are the same for all classes and images: what meta-training learns.
        """
        if self.coupling is not None:
            return self.coupling.initial(backbone, seed)
        return self.text.initial(backbone, seed) | self.visual.initial(backbone, seed)

    def learns(self, backbone: Backbone) -> bool:
        """Whether there is anything to adapt."""
        return bool(self.initial(backbone)) or (self.cache is not None and self.cache.learned)

    @torch.no_grad()
    def prepared(
        self, params: Params, constants: Constants, images: Tensor, labels: Tensor
    ) -> Params:
        """The parameters `(R, ...)` that adaptation to these classes and images starts from.

        A context for each class and a cache are added where the method has them. `images`
        `(R, n)` are bank rows, or `(R, n, V)` of V views, and `labels` `(R, n)` rows of the class
        table.
        """
        params = self.text.expanded(params, len(constants.class_names))
        if self.cache is None:
            return params
        assert constants.codes is not None  # made by this method
        features = self.image_features(params, constants, images.flatten(1))
        features = features.view(*labels.shape, -1, features.shape[-1])
        return params | self.cache.filled(features, constants.codes, labels)

    def check(
        self, params: Params, backbone: Backbone, classes: int, lead: tuple[int, ...] = ()
    ) -> None:
        """GramError unless `params` are those of so many classes, after the axes `lead`."""
        like = self.text.expanded(self.initial(backbone), classes)
        if self.cache is not None:
            like |= self.cache.like(params, backbone)
        check_params(params, like, lead)

    def constants(
        self, backbone: Backbone, class_names: Sequence[str], images: ImageBank
    ) -> Constants:
        """Everything that stays the same while the parameters change.

        Raises GramError for names that are empty or that two classes share.
        """
        names = check_names(class_names)
        return Constants(
            backbone,
            names,
            images,
            self.text.constants(backbone, names),
            self.visual.constants(backbone, images),
            self._codes(backbone, names),
        )

    def _codes(self, backbone: Backbone, names: Sequence[str]) -> Tensor | None:
        return None if self.cache is None else self.cache.constants(backbone, names)

    def with_classes(self, constants: Constants, class_names: Sequence[str]) -> Constants:
        """The same images with other classes."""
        names = check_names(class_names)
        text = self.text.constants(constants.backbone, names)
        codes = self._codes(constants.backbone, names)
        return replace(constants, class_names=names, text=text, codes=codes)

    def with_images(self, constants: Constants, images: ImageBank) -> Constants:
        """The same classes with other images."""
        visual = self.visual.constants(constants.backbone, images)
        return replace(constants, images=images, visual=visual)

    def class_features(
        self, params: Params, constants: Constants, classes: Tensor | None = None
    ) -> Tensor:
        """Normalised class features `(B, K, e)`; `(1, K, e)` where all tasks share them.

        Raises GramError where they are different for every image.
        """
        return self.text.features(params, constants, classes, None)

    def image_features(self, params: Params, constants: Constants, images: Tensor) -> Tensor:
        """Normalised features `(B, N, e)` of the bank rows `images` `(B, N)`."""
        if self.coupling is not None:
            params = self.coupling.coupled(params)
        return self.visual.features(params, constants, images)

    def logits(self, params: Params, constants: Constants, batch: Batch) -> Tensor:
        """Logits `(B, N, K)`: cosine × the backbone's logit scale, −1e4 for padding classes.

        `params` has the task axis: `(B, M, d)`.
        """
        images = self.image_features(params, constants, batch.images)
        if torch.is_grad_enabled() or not self.text.by_image:
            return self._logits(params, constants, batch, images)
        count = len(constants.class_names) if batch.classes is None else batch.classes.shape[1]
        _, each = self.text.memory(constants, count)
        parts = images.split(max(1, BUDGET // (each * len(images))), dim=1)
        return torch.cat([self._logits(params, constants, batch, part) for part in parts], dim=1)

    def _logits(self, params: Params, constants: Constants, batch: Batch, images: Tensor) -> Tensor:
        classes = self.text.features(params, constants, batch.classes, images)
        if classes.ndim == 4:
            cosines = (classes @ images[..., None])[..., 0]
        else:
            cosines = images @ classes.transpose(-1, -2)
        logits = constants.backbone.logit_scale * cosines
        if self.cache is not None:
            assert constants.codes is not None  # made by this method
            logits = logits + self.cache.votes(params, constants.codes, batch.classes, images)
        if batch.mask is None:
            return logits
        return logits.masked_fill(~batch.mask[:, None], MASKED)

    def memory(self, constants: Constants, classes: int) -> tuple[int, int]:
        """Bytes that a differentiable pass keeps of a task with so many classes, and of each of its
        images."""
        task, image = self.text.memory(constants, classes)
        return task, image + self.visual.memory(constants)


def check_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """The class names, underscores as spaces; GramError where one is empty or comes twice."""
    names = tuple(spoken(name) for name in class_names)
    if not names:
        raise GramError("There are no classes; give at least one class name.")
    if "" in names:
        raise GramError(f"Class {names.index('') + 1} has no name; give every class a name.")
    twice = [name for name, count in Counter(map(compared, names)).items() if count > 1]
    if twice:
        raise GramError(
            f"Two classes have one name ({', '.join(sorted(twice))}); rename or join them."
        )
    return names
