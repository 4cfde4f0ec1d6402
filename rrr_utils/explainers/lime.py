"""LIME: a linear model of a class's logit in which superpixels are shown or hidden."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common import progress, seeds
from rrr_utils.common.choices import one_of
from rrr_utils.common.logits import softmax
from rrr_utils.common.names import DESIGNS, PRECISIONS
from rrr_utils.common.registry import member
from rrr_utils.explainers import base

# Superpixels are cut at this size, so that networks of other sizes see the same perturbations.
SIZE = 224
_KERNEL_WIDTH = 0.25
_RIDGE = 1.0
_SHOWN_BY_AUTHORS = 5
# 512 label maps of 224 x 224 two-byte numbers are 51 MB: more images than a study scores at a checkpoint.
_REMEMBERED = 512


class LIME(base.Perturbing):
    """LIME for images (Ribeiro, Singh and Guestrin 2016), as the package lime 0.2.0.1 computes it.

    Superpixels by quickshift (kernel size 4, largest distance 200, ratio 0.2) at 224 pixels; an image of another size
    is resized for them, and the labels brought back by nearest neighbour. A perturbation hides each superpixel by the
    toss of a coin behind its mean colour (in whole grey levels, as lime does on 8-bit images); the first hides none.
    A ridge regression (alpha 1, with intercept) of the class's logit on what is shown, weighted by a kernel of width
    0.25 on the cosine distance to the whole image, gives each superpixel a weight, and its pixels get the positive part
    of it. ``signed`` gives the weight itself.

    Perturbations follow from ``seed`` and the image's id alone: neither from the network nor from the order of calls.

    Parameters
    ----------
    samples
        Perturbations an image, at least 2. Too few pull the score towards chance, because the positive part of a noisy
        weight is positive.
    seed
        The study's seed.
    protocol
        ``"authors"``: the probability in place of the logit, and 1 on the five superpixels of the largest positive
        weights, 0 elsewhere.
    batch
        How many images the network sees at once.
    design
        How perturbations are drawn: ``"coin flips"``, or ``"orthogonal"``, which reaches the same error with fewer
        samples: see :func:`rrr_utils.explainers.designs.orthogonal`.
    control
        0, or a number of samples from ``samples`` up: then the checkpoint from which a training starts is asked about
        that many perturbations, and every later one about the first ``samples`` of them, which say how its weights
        differ. A regression is linear in the logits, so both ways aim at the same weights; the difference is small and
        needs few samples. Only :meth:`of_each` knows which checkpoint is the first; a network by itself has none to
        lean on and is asked as a first one is.
    precision
        Of the products in the passes of the perturbations: ``"float32"``, or ``"bfloat16"``, of eight significant bits:
        see ``"openvino-bfloat16"`` of :func:`rrr_utils.engine.forward`. A plain function has its own.

    Attributes
    ----------
    design
        In the words of the tables, for example ``"orthogonal, control 1,000, bfloat16"``.
    """

    name = "lime"
    design = "coin flips"

    def __init__(
        self,
        samples: int = 1000,
        seed: int = 0,
        protocol: str = "ours",
        batch: int = 32,
        design: str = "coin flips",
        control: int = 0,
        precision: str = "float32",
    ) -> None:
        super().__init__(protocol, batch)
        one_of("design", design, DESIGNS)
        one_of("precision", precision, PRECISIONS)
        self.precision = precision
        self.samples, self.seed, self._rows = base.at_least("samples", samples, 2), seed, design
        self.control = base.at_least("control", control, 0)
        if self.control and self.control < self.samples:
            raise ValueError(
                f"`control` must be 0 or at least `samples` ({self.samples}), because the first checkpoint is asked "
                f"about more perturbations than the others, but {control!r} was passed."
            )
        leans = f"control {self.control:,}" if self.control else ""
        self.design = ", ".join(filter(None, [design, leans, precision if precision != "float32" else ""]))
        # Quickshift takes 0.3 s an image and every checkpoint asks for the same images.
        self._remembered: OrderedDict[str, NDArray[np.integer]] = OrderedDict()

    def __call__(
        self,
        network: Any,
        images: ArrayLike,
        classes: ArrayLike,
        ids: Sequence[str] | None = None,
        signed: bool = False,
        segments: Sequence[ArrayLike] | None = None,
    ) -> NDArray[np.float32]:
        """Return one relevance map an image; see :meth:`Explainer.__call__`.

        ``segments`` takes the place of quickshift: one array ``(h, w)`` of integers an image, each number a superpixel.
        Where its size is not the image's it is resized by nearest neighbour.
        """
        return self._finished(network, images, classes, ids, signed, segments=segments)

    def superpixels_of(self, image: NDArray) -> NDArray[np.integer]:
        """Return :func:`superpixels` of an image ``(H, W, 3)`` of any range, remembered by its pixels."""
        pixels = _bytes(image)
        key = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        if key not in self._remembered:
            self._remembered[key] = superpixels(pixels).astype(np.uint16)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(key)
        return self._remembered[key]

    def _explain(
        self,
        network: Any,
        images: NDArray,
        classes: NDArray[np.int64],
        ids: tuple[str, ...],
        signed: bool,
        segments: Sequence[ArrayLike] | None = None,
    ) -> Iterator[NDArray]:
        if segments is not None and len(segments) != len(images):
            raise ValueError(
                f"`segments` must hold one array an image, but {len(segments)} were passed for images of shape "
                f"{images.shape}."
            )
        leans = self.control > 0 and base.is_stack(network)
        number = max(self.samples, self.control)
        asked = self.samples if leans else number
        batch = base.even(asked, network.batch if base.is_stack(network) else self.batch)
        forward = base.as_forward(network, batch, self.precision)
        for place in progress.track(range(len(images)), self.name):
            own, name = int(classes[place]), ids[place]
            labels = self.superpixels_of(images[place]) if segments is None else _checked(segments[place], name)
            rows, labels = perturbations(labels, images.shape[1:3], number, self.seed, name, self._rows)
            few, more = rows[:asked], rows[asked:]
            outputs = self._outputs(forward, images[place], own, name, few, labels, batch)
            if leans:
                first = sorted(set(network.starts))
                rest = self._outputs(forward, images[place], own, name, more, labels, batch, first)
                weights = list(controlled(rows, outputs, rest, network.starts))
            else:
                weights = list(coefficients(rows, outputs))
            if self.protocol == "authors":
                weights = [_largest(each) for each in weights]
            yield np.stack([each[labels] for each in weights])

    def _outputs(
        self,
        forward: base.Forward,
        image: NDArray,
        own: int,
        name: str,
        rows: NDArray[np.bool_],
        labels: NDArray[np.intp],
        batch: int,
        places: Sequence[int] | None = None,
    ) -> NDArray[np.float64]:
        """Return the class's logit (or probability) of every perturbation, ``(checkpoints, samples)``.

        With ``places`` only these checkpoints of a stack are asked.
        """
        colours = mean_colours(image, labels)
        parts = []
        for start in range(0, len(rows), batch):
            images = compose(rows[start : start + batch], labels, image, colours)
            logits = base.checked(base.stacked(forward, images, places), own, name, self.name)
            parts.append((softmax(logits) if self.protocol == "authors" else logits)[..., own])
        return np.concatenate(parts, axis=1) if parts else np.empty((len(places or ()), 0))


def superpixels(image: NDArray) -> NDArray[np.int64]:
    """Return quickshift's superpixels of an image ``(H, W, 3)`` uint8, ``(224, 224)`` integers from 0 without gaps.

    Parameters and random tie-breaking are those of lime: the same labels for the same image on every call. An image of
    another size is first resized to 224 x 224 by PIL's bilinear filter.
    """
    # Imported here: only this explainer needs them.
    from PIL import Image
    from skimage.segmentation import quickshift

    if image.shape[:2] != (SIZE, SIZE):
        image = np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    return quickshift(image, kernel_size=4, max_dist=200, ratio=0.2)


def perturbations(
    labels: NDArray[np.integer],
    size: tuple[int, int],
    samples: int,
    seed: int,
    name: str,
    design: str = "coin flips",
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return which superpixels each perturbation shows, ``(samples, K)`` bool, and their labels 0 to K - 1 at ``size``.

    Rows are drawn for the superpixels of ``labels``, whatever ``size`` is, so that networks of all sizes see the same
    draws; a superpixel that vanishes at ``size`` loses its column. The first row shows everything. Fewer samples are
    the first of more.
    """
    numbers, dense = np.unique(labels, return_inverse=True)
    # The plain draw keeps the names that it had when it was the only one.
    names = (seed, "lime", name) if design == "coin flips" else (seed, "lime", design, name)
    rows = member("design", design, DESIGNS)(len(numbers), samples, seeds.generator(*names))
    kept, brought = np.unique(_nearest(dense.reshape(labels.shape), size), return_inverse=True)
    return rows[:, kept], brought.reshape(size)


def at_size(labels: NDArray[np.integer], size: tuple[int, int]) -> NDArray[np.intp]:
    """Return labels ``(h, w)`` at ``size = (H, W)`` by nearest neighbour, renumbered from 0 without gaps."""
    return np.unique(_nearest(labels, size), return_inverse=True)[1].reshape(size)


def mean_colours(image: NDArray, labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return each superpixel's mean colour, ``(K, 3)``, cut to whole grey levels if the image holds whole levels."""
    flat = labels.ravel()
    count = np.bincount(flat)
    means = np.stack([np.bincount(flat, image[..., channel].ravel()) / count for channel in range(3)], axis=1)
    return np.floor(means) if (image == np.floor(image)).all() else means


def compose(
    rows: NDArray[np.bool_], labels: NDArray[np.intp], image: NDArray, colours: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the perturbed images ``(n, H, W, 3)``: superpixels that ``rows`` (n, K) hide have their colour (K, 3)."""
    shown = image.astype(np.float32).ravel().view(np.int32)
    hidden = colours[labels].astype(np.float32).ravel().view(np.int32)
    # Chosen by bits, where a superpixel's all ones show it: to the bit what `np.where` gives, without its time. Pixels
    # and channels in one axis: along an axis of 3 it would take five times as long.
    images = np.take(-rows.astype(np.int32), np.repeat(labels.ravel(), 3), axis=1)
    images &= shown ^ hidden
    images ^= hidden
    return images.view(np.float32).reshape(-1, *image.shape)


def kernel(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each perturbation's weight ``(samples,)``: lime's kernel on the cosine distance to the whole image."""
    distance = 1.0 - np.sqrt(rows.mean(axis=1))
    return np.sqrt(np.exp(-(distance**2) / _KERNEL_WIDTH**2))


def linear_map(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the matrix ``(K, samples)`` that takes the outputs of the perturbations to the superpixels' weights.

    Weighted ridge regression with an intercept is linear in the outputs: with X the rows less their weighted mean and W
    the kernel, it is (X' W X + I)^-1 X' W.
    """
    weight = kernel(rows)
    centred = rows - np.average(rows, axis=0, weights=weight)
    weighted = centred.T * weight
    return np.asarray(np.linalg.solve(weighted @ centred + _RIDGE * np.eye(rows.shape[1]), weighted), np.float64)


def coefficients(rows: NDArray[np.bool_], outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the superpixels' weights ``(..., K)`` from the perturbations and their outputs ``(..., samples)``."""
    # Less the output of the whole image, which the intercept takes up: where a network does not react, the weights
    # are exactly zero and not its rounding.
    moved = outputs - outputs[..., :1]
    # One vector at a time: a product of matrices rounds otherwise, and a checkpoint's map would depend on its company.
    return np.apply_along_axis(linear_map(rows).__matmul__, -1, moved)


def controlled(
    rows: NDArray[np.bool_], outputs: NDArray[np.float64], rest: NDArray[np.float64], starts: Sequence[int]
) -> NDArray[np.float64]:
    """Return the weights ``(checkpoints, K)`` with each training's first checkpoint as control variate.

    ``outputs`` ``(checkpoints, samples)`` are those of the first ``samples`` rows; ``rest`` ``(first ones, n)`` those
    of the rows after them, asked of the first checkpoints alone; ``starts`` says which checkpoint is whose first. The
    weights of a first one are those of all its outputs; to them comes, for the others, what a regression of their
    difference gives. It is zero where two checkpoints agree.
    """
    first, whose = np.unique(starts, return_inverse=True)
    whole = coefficients(rows, np.concatenate([outputs[first], rest], axis=1))
    change = coefficients(rows[: outputs.shape[1]], outputs - outputs[list(starts)])
    return np.asarray(whole[whose] + change)


def _largest(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 for the five largest positive weights and 0 for all others."""
    best = np.argsort(-weights, kind="stable")[:_SHOWN_BY_AUTHORS]
    return np.where(np.isin(np.arange(len(weights)), best) & (weights > 0), 1.0, 0.0)


def _bytes(image: NDArray) -> NDArray[np.uint8]:
    """Return the image as uint8; one that leaves 0 to 255, or stays within [0, 1], is stretched to that range."""
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    if low >= 0 and high <= 1 and not (image == np.floor(image)).all():
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return np.rint((image - low) * (255.0 / (high - low or 1.0))).astype(np.uint8)


def _checked(labels: ArrayLike, name: str) -> NDArray[np.integer]:
    array = np.asarray(labels)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or 0 in array.shape:
        raise ValueError(
            f"`segments` of image {name!r} must be integers of shape (h, w), but {array.dtype} of shape {array.shape} "
            "was passed."
        )
    return array


def _nearest(labels: NDArray, size: tuple[int, int]) -> NDArray:
    """Return labels at another size, each pixel from the cell that holds its middle."""
    rows, columns = (
        ((np.arange(pixels) + 0.5) * cells / pixels).astype(int) for pixels, cells in zip(size, labels.shape)
    )
    return labels[rows][:, columns]
