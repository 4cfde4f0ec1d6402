"""Sufficient input subsets: few pixels on which a network is as sure as on the whole image."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, special

from rrr_utils.common import progress, seeds
from rrr_utils.common.choices import one_of
from rrr_utils.common.logits import log_odds
from rrr_utils.common.names import FILLS
from rrr_utils.engine import gradients

# Images that advance together, which bounds memory; a step's gradients are those of so many images.
_AT_ONCE = 64

# images (n, H, W, 3) -> (n,) the logarithm of p / (1 - p) for a class
Odds = Callable[[NDArray[np.float32]], NDArray]


@dataclass(frozen=True)
class Selection:
    """In which order the pixels of one image were masked, and how sure the network was meanwhile.

    Attributes
    ----------
    order
        ``(P,)`` numbers of the pixels, counted row by row, the first masked first.
    masked
        ``(S + 1,)`` how many of them were masked before each step and after the last: from 0, rising.
    confidence
        ``(S + 1,)`` the class's probability then.
    shape
        ``(H, W)`` of the image. Pixels that are not in ``order`` were masked from the beginning.
    """

    order: NDArray[np.int64]
    masked: NDArray[np.int64]
    confidence: NDArray[np.float64]
    shape: tuple[int, int] = field(compare=False)

    def kept(self, count: int) -> NDArray[np.bool_]:
        """Return which pixels ``(H, W)`` are the last ``count`` that were masked, or never were.

        Raises ``ValueError`` where ``count`` is more than there are, or fewer than the selection has put in order.
        """
        least = len(self.order) - int(self.masked[-1])
        if not least <= count <= len(self.order):
            raise ValueError(f"`count` must be from {least} to {len(self.order)} pixels, but {count} was passed.")
        chosen = np.zeros(self.shape[0] * self.shape[1], bool)
        chosen[self.order[len(self.order) - count :]] = True
        return chosen.reshape(self.shape)

    def sufficient(self, threshold: float) -> NDArray[np.bool_] | None:
        """Return the sufficient input subset ``(H, W)``, or None where the network is not that sure of the image.

        The last pixels that were masked are added back, the last one first, until the probability reaches
        ``threshold`` (FindSIS of Carter et al. 2019). So it is the *last* step at which the network was sure that
        counts; before, the probability may have gone up and down. An empty subset says that the network is as sure of
        the plain colour. Where the selection ended early the subset may be larger than it had to be.
        """
        if not 0 < threshold < 1:
            raise ValueError(f"`threshold` must be a probability between 0 and 1, but {threshold!r} was passed.")
        if self.confidence[0] < threshold:
            return None
        last = int(np.flatnonzero(self.confidence >= threshold)[-1])
        return self.kept(len(self.order) - int(self.masked[last]))


def backward_selection(
    odds: Odds, image: ArrayLike, fill: ArrayLike, *, alive: NDArray[np.bool_] | None = None, cell: int = 1
) -> Selection:
    """Mask one pixel after another, each time the one whose masking leaves the class most probable (BackSelect).

    Exact: every pixel that is left is tried at every step, P (P + 1) / 2 passes for P pixels. Of several that are
    equal the first, row by row, is masked.

    Parameters
    ----------
    odds
        From images ``(n, H, W, 3)`` to the class's log odds ``(n,)``, or anything else that rises with its probability.
        The confidence is its logistic function.
    image, fill
        ``(H, W, 3)`` RGB from 0 to 255, and the colour ``(3,)`` that masks.
    alive
        ``(H, W)`` bool: only these pixels are there at all, the others are masked from the beginning.
    cell
        Squares of so many pixels a side are masked as one, where single pixels would take too long.
    """
    picture, colour = np.asarray(image, np.float32), np.broadcast_to(np.asarray(fill, np.float32), (3,))
    shape = picture.shape[:2]
    there = np.ones(shape, bool) if alive is None else np.asarray(alive, bool)
    rows, columns = (np.arange(side) // cell for side in shape)
    numbers = np.where(there, rows[:, None] * (columns[-1] + 1) + columns, -1)
    left = [int(number) for number in np.unique(numbers) if number >= 0]
    now = np.where(there[..., None], picture, colour)
    order: list[int] = []
    masked, confidence = [0], [float(odds(now[None])[0])]
    while left:
        found = np.concatenate([odds(tried) for tried in _one_less(now, colour, numbers, left)])
        best = int(np.argmax(found))
        gone = numbers == left.pop(best)
        now[gone] = colour
        order.extend(np.flatnonzero(gone))
        masked.append(len(order))
        confidence.append(float(found[best]))
    return Selection(np.array(order, np.int64), np.array(masked), special.expit(confidence), (shape[0], shape[1]))


def batched_gradient(
    network: Any,
    images: ArrayLike,
    classes: ArrayLike,
    ids: Sequence[str],
    *,
    pixels: int,
    fill: ArrayLike,
    alive: NDArray[np.bool_] | None = None,
    keep: float = 0.0,
    seed: int = 0,
) -> list[Selection]:
    r"""Mask ``pixels`` pixels at a time, those whose masking costs least by the gradient (Batched Gradient BackSelect).

    With m in [0, 1] as the mask and :math:`(1 - m) x + m f` as the masked image, the pixels of the largest
    :math:`\partial p_c / \partial m` are masked (Carter et al. 2021). Here the log odds of the class are
    differentiated, which orders the pixels as its probability does and still does so where that is 1 to rounding.
    Equal pixels go in an order that follows from ``seed`` and the image's id.

    Parameters
    ----------
    network
        A :class:`~rrr_utils.networks.Network`, or an ensemble of them: what has a Keras ``model``.
    images, classes, ids
        ``(N, H, W, 3)`` RGB from 0 to 255, ``(N,)`` the class whose probability counts, N names.
    fill
        The colour that masks, ``(3,)``, or ``(N, 3)`` for one an image.
    alive
        ``(N, H, W)`` bool: only these pixels are there at all.
    keep
        Stop when at most this share of the image's pixels is left; those that are left stand in no order.
    """
    pictures, labels = np.asarray(images), np.asarray(classes, np.int64)
    if pixels < 1 or not 0 <= keep < 1:
        raise ValueError(f"`pixels` must be at least 1 and `keep` in [0, 1), but {pixels} and {keep} were passed.")
    colours = np.broadcast_to(np.asarray(fill, np.float32), (len(pictures), 3))
    there = np.ones(pictures.shape[:3], bool) if alive is None else np.asarray(alive, bool)
    found: list[Selection] = []
    starts = range(0, len(pictures), _AT_ONCE)
    for start in progress.track(starts, "gradients") if len(starts) > 1 else starts:
        here = slice(start, start + _AT_ONCE)
        found += _together(
            network, pictures[here], labels[here], ids[here], colours[here], there[here], pixels, keep, seed
        )
    return found


def disjoint(
    select: Callable[[NDArray[np.int64], NDArray[np.bool_]], Sequence[Selection]],
    shape: tuple[int, int, int],
    threshold: float,
    most: int | None = None,
) -> list[list[NDArray[np.bool_]]]:
    """Return the disjoint sufficient subsets of each image, at most ``most`` (SIScollection).

    A subset that was found is masked, and the next one is looked for in what is left, until the network is no longer
    that sure, or nothing is left. ``select(places, alive)`` returns the selections of the images at ``places`` that
    have the pixels ``alive`` ``(n, H, W)``; ``shape`` is ``(N, H, W)``.
    """
    alive = np.ones(shape, bool)
    subsets: list[list[NDArray[np.bool_]]] = [[] for _ in range(shape[0])]
    going = np.arange(shape[0])
    while len(going) and (most is None or max(map(len, subsets)) < most):
        again = []
        for place, selection in zip(going, select(going, alive[going]), strict=True):
            subset = selection.sufficient(threshold)
            if subset is None:
                continue
            subsets[place].append(subset)
            alive[place] &= ~subset
            if subset.any() and alive[place].any():
                again.append(place)
        going = np.array(again, np.int64)
    return subsets


def fill_colours(name: str, images: ArrayLike, neutral: ArrayLike) -> NDArray[np.float32]:
    """Return the colour that masks each image, ``(N, 3)``, by its name in ``names.FILLS``."""
    one_of("fill", name, FILLS)
    pictures = np.asarray(images)
    if name == "mean":
        return pictures.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    colour = {"neutral": np.asarray(neutral, np.float32), "black": np.float32(0), "white": np.float32(255)}[name]
    return np.array(np.broadcast_to(np.asarray(colour), (len(pictures), 3)), np.float32)


def show(images: ArrayLike, kept: ArrayLike, fill: ArrayLike) -> NDArray[np.float32]:
    """Return images ``(N, H, W, 3)`` with only the pixels ``kept`` ``(N, H, W)``, the colour ``fill`` elsewhere."""
    colours = np.broadcast_to(np.asarray(fill, np.float32), (len(np.asarray(images)), 3))[:, None, None]
    return np.where(np.asarray(kept, bool)[..., None], np.asarray(images, np.float32), colours)


def random_subset(shape: tuple[int, int], count: int, *names: object) -> NDArray[np.bool_]:
    """Return ``count`` pixels ``(H, W)`` drawn at random by ``names``."""
    drawn = seeds.generator("random pixels", *names).permutation(shape[0] * shape[1])[:count]
    chosen = np.zeros(shape[0] * shape[1], bool)
    chosen[drawn] = True
    return chosen.reshape(shape)


def with_neighbours(subsets: ArrayLike) -> NDArray[np.bool_]:
    """Return subsets ``(N, H, W)`` with the eight neighbours of each of their pixels: a superset.

    A network that had understood the subset would be no less sure of it (an objection raised against the method).
    """
    return ndimage.binary_dilation(np.asarray(subsets, bool), np.ones((1, 3, 3), bool))


def _one_less(
    now: NDArray[np.float32], colour: NDArray[np.float32], numbers: NDArray, left: Sequence[int]
) -> Iterator[NDArray[np.float32]]:
    """Yield batches of the image with one more cell masked, for each of the cells that are left."""
    for start in range(0, len(left), _AT_ONCE):
        part = left[start : start + _AT_ONCE]
        tried = np.repeat(now[None], len(part), axis=0)
        for one, number in zip(tried, part):
            one[numbers == number] = colour
        yield tried


def _together(
    network: Any,
    pictures: NDArray,
    labels: NDArray[np.int64],
    ids: Sequence[str],
    colours: NDArray[np.float32],
    there: NDArray[np.bool_],
    pixels: int,
    keep: float,
    seed: int,
) -> list[Selection]:
    count, (high, wide) = len(pictures), pictures.shape[1:3]
    total = high * wide
    # In a random order of its pixels an image's first of several equals is a random one of them.
    shuffled = np.stack([seeds.generator(seed, "ties", name).permutation(total) for name in ids])
    flat = pictures.reshape(count, total, 3).astype(np.float32)
    here = there.reshape(count, total).copy()
    steps_to = colours[:, None] - flat  # what masking a pixel changes
    now = np.where(here[..., None], flat, colours[:, None])
    orders: list[list[NDArray]] = [[] for _ in range(count)]
    masked = [[0] for _ in range(count)]
    odds: list[list[float]] = [[] for _ in range(count)]
    least = int(keep * total)
    going = np.arange(count)
    while len(going):
        logits, slopes = gradients.input_gradients(
            network, now[going].reshape(-1, high, wide, 3), labels[going], "log odds"
        )
        for place, value in zip(going, log_odds(logits, labels[going])):
            odds[place].append(float(value))
        gains = (slopes.reshape(len(going), total, 3) * steps_to[going]).sum(axis=-1)
        again = []
        for place, gain in zip(going, gains):
            remaining = int(here[place].sum())
            if remaining <= least:
                continue
            chosen = _largest(gain, here[place], shuffled[place], min(pixels, remaining - least))
            here[place, chosen] = False
            now[place, chosen] = colours[place]
            orders[place].append(chosen)
            masked[place].append(masked[place][-1] + len(chosen))
            again.append(place)
        going = np.array(again, np.int64)
    return [
        Selection(
            np.concatenate([*orders[place], np.flatnonzero(here[place])]).astype(np.int64),
            np.array(masked[place]),
            special.expit(odds[place]),
            (high, wide),
        )
        for place in range(count)
    ]


def _largest(gain: NDArray, here: NDArray[np.bool_], shuffled: NDArray, count: int) -> NDArray[np.int64]:
    """Return the ``count`` pixels that are still here and gain most, the best first; equals in shuffled order."""
    candidates = shuffled[here[shuffled]]
    values = gain[candidates]
    if count < len(values):
        # All that are as good as the last one that is taken, in their order: the partition's own choice is arbitrary.
        limit = np.partition(values, len(values) - count)[len(values) - count]
        candidates, values = candidates[values >= limit], values[values >= limit]
    return candidates[np.argsort(-values, kind="stable")[:count]]
