"""Occlusion: how far a class's logit falls when a patch of the image is covered."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import progress
from rrr_utils.explainers import base, relevance


class Occlusion(base.Perturbing):
    r"""Occlusion (Zeiler and Fergus 2014), measured against the whole image.

    A square of ``patch`` pixels is put at every multiple of ``stride`` and, where these do not end at the border, at
    the last position too. Relevance of a position is :math:`\max(0, z_c(\text{whole}) - z_c(\text{covered}))`; each
    pixel gets the mean over the patches that cover it, so a network that reacts everywhere alike has a flat map, and
    one that does not react has a zero map. ``signed`` gives the mean of the drops of both signs.

    Parameters
    ----------
    patch, stride
        In pixels; the defaults are the paper's for 224, a seventh and a fourteenth of the side. For 64 pixels take 12
        and 6. ``stride`` must not exceed ``patch``, or pixels between the patches would never be covered.
    fill
        What covers: a number or RGB from 0 to 255. Default: the network's neutral colour, which its preprocessing maps
        to 0; mid-grey 127.5 for plain functions.
    protocol
        ``"authors"``: multiples of the stride alone; the map of logits is zoomed by a cubic spline, shifted and scaled
        to [0, 1] and taken from 1. Its zero is the highest logit, not "no change". A constant map becomes zero.
    batch
        How many images the network sees at once.
    incremental
        Compute only what a patch reaches, where a network begins with a chain of convolutions and poolings (VGG16) and
        is large enough for it to pay: the same logits to rounding. ``False``: whole passes everywhere.
    """

    name = "occlusion"

    def __init__(
        self,
        patch: int = 32,
        stride: int = 16,
        fill: float | Sequence[float] | None = None,
        protocol: str = "ours",
        batch: int = 32,
        incremental: bool = True,
    ) -> None:
        super().__init__(protocol, batch)
        self.incremental = incremental
        self.patch, self.stride = base.at_least("patch", patch, 1), base.at_least("stride", stride, 1)
        if self.stride > self.patch:
            raise ValueError(f"`stride` must not exceed `patch` ({patch}), but {stride} was passed.")
        self.fill = base.fill_of(fill)
        self.design = f"patch {patch}, stride {stride}"

    def passes(self, size: int, channels: Sequence[int]) -> int:
        return (math.ceil((size - self.patch) / self.stride) + 1) ** 2

    def check(self, size: int) -> None:
        if self.patch > size:
            raise ValueError(
                f"`patch` must not exceed the image, but {self.patch} was passed for images of {size} pixels. "
                "A seventh of the side is the paper's."
            )

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        size = images.shape[1:3]
        self.check(min(size))
        rows, columns = (covered(length, self.patch, self.stride, self.protocol == "ours") for length in size)
        batch = base.even(1 + len(rows) * len(columns), network.batch if base.is_stack(network) else self.batch)
        answers = self._incremental(network) or _whole_passes(base.as_forward(network, batch), batch)
        colour = base.colour_of(network, self.fill)
        for place in progress.track(range(len(images)), self.name):
            parts = [
                base.checked(logits, int(classes[place]), ids[place], self.name)[..., classes[place]]
                for logits in answers(images[place].astype(np.float32), colour, rows, columns)
            ]
            outputs = np.concatenate(parts, axis=1)
            if self.protocol == "authors":
                # Differences from one position, so that the spline leaves a constant map exactly constant.
                moved = (outputs[:, 1:] - outputs[:, 1:2]).reshape(-1, len(rows), len(columns))
                yield np.stack([_inverted(relevance.zoom(each, size)) for each in moved])
                continue
            drops = (outputs[:, :1] - outputs[:, 1:]).reshape(-1, len(rows), len(columns))
            yield np.stack([spread(each if signed else np.maximum(each, 0.0), rows, columns) for each in drops])

    def _incremental(self, network: Any) -> "Answers | None":
        """Return the incremental way, or None where the whole network has to be run for every position."""
        model = getattr(getattr(network, "network", network), "model", None)
        if model is None or not self.incremental:
            return None
        # Imported here because TensorFlow takes ten seconds to import, and a plain function does not need it.
        from rrr_utils.explainers import incremental

        return incremental.answers(network, self.patch, self.batch)


# image (H, W, 3), colour (3,), rows and columns of the positions -> parts of the logits (checkpoints, n, classes): of
# the whole image, then of every position, row by row
Answers = Callable[[NDArray, NDArray, NDArray, NDArray], Iterator[NDArray]]


def _whole_passes(forward: base.Forward, batch: int) -> Answers:
    """Return the plain way: every position is an image of its own."""

    def answers(image: NDArray, colour: NDArray, rows: NDArray, columns: NDArray) -> Iterator[NDArray]:
        corners = [
            (slice(top, top + high), slice(left, left + wide))
            for top, high in zip(rows.argmax(axis=1), rows.sum(axis=1))
            for left, wide in zip(columns.argmax(axis=1), columns.sum(axis=1))
        ]
        whole: list[tuple[slice, slice]] = [(slice(0), slice(0))]  # nothing is covered
        patches = whole + corners
        for start in range(0, len(patches), batch):
            images = np.repeat(image[None], len(patches[start : start + batch]), axis=0)
            for each, patch in zip(images, patches[start : start + batch]):
                each[patch] = colour
            yield base.stacked(forward, images)

    return answers


def covered(length: int, patch: int, stride: int, to_border: bool = True) -> NDArray[np.bool_]:
    """Return which pixels of a side of ``length`` each position covers, ``(positions, length)`` bool.

    Positions are the multiples of ``stride`` and, with ``to_border``, the last one that fits if it is none of them.
    """
    starts = list(range(0, length - patch + 1, stride))
    if to_border and starts[-1] != length - patch:
        starts.append(length - patch)
    pixel, start = np.arange(length), np.array(starts)[:, None]
    return (pixel >= start) & (pixel < start + patch)


def spread(values: NDArray[np.float64], rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the patches that cover each pixel, ``(H, W)``, of the positions' values ``(rows, columns)``.

    A pixel that no patch covers gets 0.
    """
    total = rows.T.astype(float) @ values @ columns.astype(float)
    count = np.outer(rows.sum(axis=0), columns.sum(axis=0))
    return total / np.maximum(count, 1)


def _inverted(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 minus the values scaled to [0, 1]; zero where they are all the same."""
    span = np.ptp(values)
    if span == 0:
        return np.zeros_like(values)
    return 1.0 - (values - values.min()) / span
