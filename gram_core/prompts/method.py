"""A method: a text part and a visual part, composed into one pure function to logits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from gram_core.errors import GramError
from gram_core.names import compared, spoken
from gram_core.prompts.images import ImageBank
from gram_core.prompts.params import Params

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
    """What does not depend on the prompts, prepared once: by the text part and the visual part."""

    backbone: Backbone
    class_names: tuple[str, ...]
    images: ImageBank
    text: Any
    visual: Any


class TextPart(Protocol):
    """How class names become class features."""

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """The parameters at the start, without a task axis."""
        ...

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> Any:
        """What of the classes does not depend on the parameters."""
        ...

    def features(self, params: Params, constants: Constants, classes: Tensor | None) -> Tensor:
        """Normalised class features `(B, K, e)`, or `(1, K, e)` where every task has the same."""
        ...


class VisualPart(Protocol):
    """How images become image features."""

    @property
    def images_at_once(self) -> int | None:
        """How many images a differentiable pass may hold in memory; None where it is no matter."""
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


@dataclass(frozen=True)
class Method:
    """A way of prompting: `logits` is a pure function of the parameters.

    `options` are those that `build_method` was given, so that the method can be written down.
    """

    name: str
    text: TextPart
    visual: VisualPart
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def initial(self, backbone: Backbone, seed: int = 0) -> Params:
        """The parameters at the start, without a task axis: `"text.context"` `(M, d)` and so on."""
        return self.text.initial(backbone, seed) | self.visual.initial(backbone, seed)

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
        )

    def with_classes(self, constants: Constants, class_names: Sequence[str]) -> Constants:
        """The same images with other classes."""
        names = check_names(class_names)
        text = self.text.constants(constants.backbone, names)
        return replace(constants, class_names=names, text=text)

    def with_images(self, constants: Constants, images: ImageBank) -> Constants:
        """The same classes with other images."""
        visual = self.visual.constants(constants.backbone, images)
        return replace(constants, images=images, visual=visual)

    def class_features(
        self, params: Params, constants: Constants, classes: Tensor | None = None
    ) -> Tensor:
        """Normalised class features `(B, K, e)`; `(1, K, e)` where all tasks share them."""
        return self.text.features(params, constants, classes)

    def image_features(self, params: Params, constants: Constants, images: Tensor) -> Tensor:
        """Normalised features `(B, N, e)` of the bank rows `images` `(B, N)`."""
        return self.visual.features(params, constants, images)

    def logits(self, params: Params, constants: Constants, batch: Batch) -> Tensor:
        """Logits `(B, N, K)`: cosine × the backbone's logit scale, −1e4 for padding classes.

        `params` has the task axis: `(B, M, d)`.
        """
        images = self.image_features(params, constants, batch.images)
        classes = self.class_features(params, constants, batch.classes)
        logits = constants.backbone.logit_scale * (images @ classes.transpose(-1, -2))
        if batch.mask is None:
            return logits
        return logits.masked_fill(~batch.mask[:, None], MASKED)


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


def check_params(params: Params, like: Params, lead: tuple[int, ...] = ()) -> None:
    """GramError unless `params` have the keys and shapes of `like`, after the axes `lead`."""
    wanted = {key: (*lead, *value.shape) for key, value in like.items()}
    if {key: tuple(value.shape) for key, value in params.items()} != wanted:
        raise GramError(
            f"Prompts of {_shapes(params)} do not fit the method, which learns {_shapes(like)}; "
            "use prompts of this method, with these options, on this backbone."
        )


def _shapes(params: Params) -> str:
    return ", ".join(f"{key} {tuple(value.shape)}" for key, value in params.items()) or "nothing"
