"""What all explainers share: parameters in the constructor, images in the call, maps that keep the contract."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.common.ranges import Range
from rrr_utils.explainers import relevance

if TYPE_CHECKING:  # TensorFlow takes ten seconds to import, and a plain function does not need it
    from rrr_utils.networks.stack import Stack

PROTOCOLS = ("ours", "authors")
# What covers parts of an image where a plain function is explained, whose neutral colour is not known.
GREY = 127.5
# What any number of samples, steps or pixels is at most: an image takes days by then.
MOST = 1_000_000

# images (N, H, W, 3) -> logits (N, classes); of a Stack (checkpoints, N, classes)
Forward = Callable[[NDArray], NDArray]

# The compiled passes of each model that is alive, by batch.
_passes: "WeakKeyDictionary[Any, dict[int, Forward]]" = WeakKeyDictionary()


class Explainer(ABC):
    """An explainer: ``Explainer(parameters)(network, images, classes) -> relevance``.

    Attributes
    ----------
    name
        What it is called in tables.
    protocol
        ``"ours"``, or ``"authors"`` for what the code of Nguyen, Oberföll and Färber (2020) computes.
    design
        In words, what else tells two settings of the explainer apart; may be empty.
    samples
        How many perturbations are drawn for an image; 0 where nothing is drawn.
    control
        0, or how many are drawn for the first checkpoint of a training, on which the others then lean.
    reads_layer
        Whether it reads a layer's output, and so needs a convolution.
    """

    name: ClassVar[str]
    design: str = ""
    samples: int = 0
    control: int = 0
    reads_layer: ClassVar[bool] = False
    # Whether all checkpoints are asked about the same images, so that what they share of a pass runs once.
    alike: ClassVar[bool] = False

    def __init__(self, protocol: str = "ours", batch: int = 32) -> None:
        one_of("protocol", protocol, PROTOCOLS)
        self.protocol, self.batch = protocol, at_least("batch", batch, 1)

    def __call__(
        self,
        network: Any,
        images: ArrayLike,
        classes: ArrayLike,
        ids: Sequence[str] | None = None,
        signed: bool = False,
    ) -> NDArray[np.float32]:
        """Return one relevance map an image.

        Parameters
        ----------
        network
            A :class:`~rrr_utils.networks.Network`; for LIME, Occlusion, RISE and SEDC also any function from
            images ``(n, H, W, 3)`` float32 to logits ``(n, classes)``.
        images
            ``(N, H, W, 3)`` RGB from 0 to 255, uint8 or float, at the network's size.
        classes
            ``(N,)`` integers: the class whose logit is explained, image by image.
        ids
            Names of the images, from which perturbations follow and which errors name; by default a hash of the pixels.
        signed
            Return maps of both signs, divided by their largest absolute value; not with ``protocol="authors"``, whose
            maps have none.

        Returns
        -------
        ``(N, H, W)`` float32 in [0, 1]: the positive part of each map divided by its maximum. A map with no positive
        relevance is all zero. Besides the result, memory does not grow with N.

        Raises
        ------
        ValueError
            If shapes do not fit, a class is out of range, or a map turns out NaN or infinite; images are named.
        """
        return self._finished(network, images, classes, ids, signed)

    def of_each(
        self,
        stack: "Stack",
        images: ArrayLike,
        classes: ArrayLike,
        ids: Sequence[str] | None = None,
        signed: bool = False,
    ) -> NDArray[np.float32]:
        """Return the maps of every checkpoint of ``stack``, ``(checkpoints, N, H, W)`` float32.

        They equal those of each checkpoint alone to rounding; explainers that perturb images make each perturbation
        once, and run the blocks that the checkpoints share once.
        """
        return np.stack([self(network, images, classes, ids, signed) for network in stack.networks()])

    def passes(self, size: int, channels: Sequence[int]) -> int:
        """Return about how many passes one map takes at ``size`` pixels, of which a gradient counts as two, for a plan.

        ``channels`` are those of the last layer of every resolution. By default a pass and a gradient.
        """
        return 3

    def check(self, size: int) -> None:  # noqa: B027, most have nothing to refuse
        """Raise ``ValueError`` where these parameters do not go with images of ``size`` pixels, for a study's check."""

    @abstractmethod
    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        """Yield raw maps ``(n, H, W)`` of the images in order, some at a time."""

    def _finished(
        self,
        network: Any,
        images: ArrayLike,
        classes: ArrayLike,
        ids: Sequence[str] | None,
        signed: bool,
        **options: Any,
    ) -> NDArray[np.float32]:
        pictures, labels, names = relevance.check(images, classes, ids)
        check_fit(network, pictures, labels, names)
        if signed and self.protocol == "authors":
            raise ValueError(f"{self.name} has no signed maps under protocol='authors'. Use protocol='ours'.")
        maps = np.zeros(pictures.shape[:3], dtype=np.float32)
        done = 0
        for raw in self._explain(network, pictures, labels, names, signed, **options) if len(pictures) else ():
            here = slice(done, done + len(raw))
            maps[here] = relevance.finish(raw, names[here], self.name, signed)
            done = here.stop
        return maps


class Perturbing(Explainer):
    """An explainer that asks for the logits of changed images, and nothing else of a network."""

    alike = True

    def passes(self, size: int, channels: Sequence[int]) -> int:
        return self.samples

    def of_each(
        self,
        stack: "Stack",
        images: ArrayLike,
        classes: ArrayLike,
        ids: Sequence[str] | None = None,
        signed: bool = False,
    ) -> NDArray[np.float32]:
        pictures, labels, names = relevance.check(images, classes, ids)
        check_fit(stack.network, pictures, labels, names)
        maps = np.zeros((len(stack), *pictures.shape[:3]), dtype=np.float32)
        for place, raw in enumerate(self._explain(stack, pictures, labels, names, signed) if len(pictures) else ()):
            maps[:, place] = relevance.finish(raw, [names[place]] * len(raw), self.name, signed)
        return maps


def is_network(network: Any) -> bool:
    """Whether ``network`` is a Network, rather than a plain function from images to logits."""
    return hasattr(network, "model") and hasattr(network, "grad_cam_layer")


def check_fit(network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...]) -> None:
    """Raise unless ``network`` is one, takes images of this size and has these classes."""
    if not is_network(network):
        if hasattr(network, "get_layer") or not callable(network):
            raise TypeError(
                f"`network` must be a Network or a function from images to logits, but {type(network).__name__} was "
                "passed. Make a Keras model a Network with rrr_utils.networks.adopt(model)."
            )
        return
    if len(images) and images.shape[1:] != (network.size, network.size, 3):
        raise ValueError(
            f"`images` must have the shape (N, {network.size}, {network.size}, 3) for {network.name}, but "
            f"{images.shape} was passed. Resize them with rrr_utils.datasets.images.squash."
        )
    _check_range(classes, network.classes, ids)


def slopes_of(network: Any, explainer: str) -> Callable[[NDArray[np.float32], NDArray], NDArray[np.float32]]:
    """Return the function from images and classes to the gradients of the logits, ``(n, H, W, 3)``.

    Raises ``TypeError`` for a plain function, which has none.
    """
    if not is_network(network):
        raise TypeError(
            f"{explainer} needs a Network, because it takes gradients, but a {type(network).__name__} was passed. "
            "LIME, Occlusion, RISE and SEDC take any function from images to logits."
        )
    # Imported here because TensorFlow takes ten seconds to import, and a plain function does not need it.
    from rrr_utils.engine import gradients

    return lambda images, classes: gradients.input_gradients(network, images, classes)[1]


def stacked(forward: Forward, images: NDArray[np.float32], places: Sequence[int] | None = None) -> NDArray:
    """Return ``forward(images)`` as ``(checkpoints, n, classes)``; a single network is one checkpoint.

    Of a stack, with ``places``, only these checkpoints. Raises ``ValueError`` if it has another shape.
    """
    outputs = np.asarray(forward(images) if places is None else forward(images, places))  # type: ignore[call-arg]
    outputs = outputs if is_stack(forward) else outputs[None]
    if outputs.ndim != 3 or outputs.shape[1] != len(images):
        raise ValueError(
            f"`network` must return logits of shape ({len(images)}, classes) for images of shape {images.shape}, but "
            f"returned {outputs.shape[1:]}."
        )
    return outputs


def checked(outputs: NDArray, own: int, name: str, explainer: str) -> NDArray[np.float64]:
    """Return logits ``(checkpoints, n, classes)`` of versions of the image called ``name``, as float64.

    Raises ``ValueError`` if there are too few classes for the class ``own``, or NaN or infinite values.
    """
    _check_range([own], outputs.shape[2], [name])
    relevance.refuse_broken("network's output", outputs, [name] * len(outputs), explainer)
    return np.asarray(outputs, np.float64)


def is_stack(network: Any) -> bool:
    """Whether ``network`` is a Stack of checkpoints."""
    return hasattr(network, "networks")


def as_forward(network: Any, batch: int, precision: str = "float32") -> Forward:
    """Return the function from images to logits: the network's pass in batches of ``batch``, or what was passed.

    A network's pass is compiled once for each ``batch`` and sees later changes of its weights; in ``"bfloat16"`` it is
    converted anew each time. A stack's is its own in this ``precision``; a plain function has the one that it has.
    """
    if not is_network(network):
        return network.at(precision) if is_stack(network) and precision != "float32" else network
    # Imported here because TensorFlow takes ten seconds to import, and a plain function does not need it.
    import keras

    from rrr_utils.engine import passes as engine

    if precision != "float32":
        return engine.forward(network, engine.fastest(network.model, precision), batch)
    passes = _passes.setdefault(network.model, {})
    if batch not in passes:
        # A second model of the same layers: a pass that held the key itself would keep it from being forgotten.
        passes[batch] = engine.forward(keras.Model(network.model.inputs, network.model.outputs), batch=batch)
    return passes[batch]


def fill_of(fill: float | Sequence[float] | None) -> NDArray[np.float32] | None:
    """Return the colour ``fill``, a number or RGB, as float32 ``(3,)``; None where it is left to the network."""
    if fill is not None and not np.all((np.asarray(fill) >= 0) & (np.asarray(fill) <= 255)):
        raise ValueError(f"A colour is a number from 0 to 255, or three of them, but {fill!r} was passed.")
    return None if fill is None else np.broadcast_to(np.asarray(fill, np.float32), (3,))


def colour_of(network: Any, fill: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return ``fill``, or the neutral colour of a network or of a stack's, float32 ``(3,)``; grey for functions."""
    neutral = getattr(getattr(network, "network", network), "neutral", GREY)
    return np.broadcast_to(np.asarray(neutral if fill is None else fill, np.float32), (3,))


def even(count: int, batch: int) -> int:
    """Return the size of equal batches of at most ``batch`` that hold ``count`` with the least to pad."""
    return -(-count // -(-count // batch))


def at_least(name: str, value: int, least: int) -> int:
    """Return ``value`` if it is a whole number from ``least`` to a million, or raise ``ValueError``."""
    Range(least, MOST).check(name, value, int)
    return int(value)


def _check_range(classes: Iterable[int], count: int, ids: Sequence[str]) -> None:
    for label, name in zip(classes, ids):
        if label >= count:
            raise ValueError(
                f"The class of image {name!r} must be from 0 to {count - 1}, because the network has {count} classes, "
                f"but {label} was passed."
            )
