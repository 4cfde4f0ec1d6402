r"""Rivals of the score: other measures of a relevance map, with and without a mask."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from rrr_utils.common import seeds
from rrr_utils.common.logits import softmax

# The share of an image's pixels that count as its top ones.
TOP = 0.1
# Thresholds of a map that is at most 1, among which the best is taken.
_THRESHOLDS = np.arange(1, 20) / 20
# Standard deviation of the blur that starts an insertion, in shares of the side: 11 pixels of 224, about that of
# Petsiuk et al.
_BLUR = 0.05


def pointing(masks: ArrayLike, maps: ArrayLike) -> NDArray[np.float64]:
    """Return whether each map's highest pixel lies on the object, ``(N,)``: the pointing game (Zhang et al. 2018).

    Where several pixels are the highest, the share of them on the object: what one of them drawn at random would give.
    NaN for a map that is zero everywhere. Without the tolerance of 15 pixels that the paper allows around its boxes.
    """
    inside, flat = _flat(masks, maps)
    highest = flat.max(axis=1, keepdims=True)
    at = flat == highest
    return np.where(highest[:, 0] > 0, (at * inside).sum(axis=1) / at.sum(axis=1), np.nan)


def top_inside(masks: ArrayLike, maps: ArrayLike, share: float = TOP) -> NDArray[np.float64]:
    """Return the share of each map's top pixels that lie on the object, ``(N,)`` in [0, 1].

    The top pixels are the ``share`` of all, rounded up, of the highest relevance. Of pixels that share the lowest
    relevance among them, each counts by as much as there is room. NaN for a map that is zero everywhere.
    """
    inside, flat = _flat(masks, maps)
    count = int(np.ceil(share * flat.shape[1]))
    lowest = np.partition(flat, flat.shape[1] - count, axis=1)[:, flat.shape[1] - count, None]
    above, at = flat > lowest, flat == lowest
    room = (count - above.sum(axis=1)) / at.sum(axis=1)
    found = ((above * inside).sum(axis=1) + room * (at * inside).sum(axis=1)) / count
    return np.where(flat.max(axis=1) > 0, found, np.nan)


def best_iou(masks: ArrayLike, maps: ArrayLike) -> NDArray[np.float64]:
    """Return the overlap (intersection over union) of mask and map at its best threshold, ``(N,)`` in [0, 1].

    A pixel counts where its relevance is at least the threshold times the largest; 19 thresholds, 0.05 to 0.95, are
    tried on each image (Choe et al. 2020 choose one for all images). NaN for a map that is zero everywhere.
    """
    inside, flat = _flat(masks, maps)
    largest = flat.max(axis=1, keepdims=True)
    scaled = flat / np.where(largest > 0, largest, 1.0)
    best = np.zeros(len(flat))
    for threshold in _THRESHOLDS:
        chosen = scaled >= threshold
        both = (chosen * inside).sum(axis=1)
        best = np.maximum(best, both / (chosen.sum(axis=1) + inside.sum(axis=1) - both))
    return np.where(largest[:, 0] > 0, best, np.nan)


# (masks, maps) -> (N,), by the column of the table.
RIVALS: dict[str, Callable[[ArrayLike, ArrayLike], NDArray[np.float64]]] = {
    "pointing": pointing,
    "top": top_inside,
    "iou": best_iou,
}


def boxes(masks: ArrayLike) -> NDArray[np.float64]:
    """Return the smallest box around each object, ``(N, H, W)``, 1 inside and 0 outside.

    With it as mask the score is the energy-based pointing game (Wang et al. 2020).
    """
    there = np.asarray(masks) >= 0.5
    rows, columns = (np.asarray(there.any(axis=axis)) for axis in (2, 1))
    return (_span(rows)[:, :, None] & _span(columns)[:, None, :]).astype(np.float64)


def signed_score(masks: ArrayLike, signed: ArrayLike) -> NDArray[np.float64]:
    """Return the signed relevance on the object over all relevance without its sign, ``(N,)`` in [-1, 1].

    1 where all relevance is positive and on the object, -1 where all of it is against the class and on the object. NaN
    for a map that is zero everywhere.
    """
    inside, flat = _flat(masks, signed)
    total = np.abs(flat).sum(axis=1)
    return np.where(total > 0, (flat * inside).sum(axis=1) / np.where(total > 0, total, 1.0), np.nan)


def insertion_deletion(
    predict: Callable[[NDArray[np.float32]], NDArray],
    pictures: NDArray,
    labels: NDArray[np.int64],
    maps: NDArray,
    fill: ArrayLike,
    ids: Sequence[str],
    *,
    steps: int,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the areas under the insertion and the deletion curve of each map, both ``(N,)`` in [0, 1] (Petsiuk 2018).

    Pixels are taken in order of falling relevance, a ``steps``-th part of them at a time. Deletion covers them with the
    colour ``fill`` and asks for the label's probability: the faster it falls, the smaller its area, the better the map.
    Insertion uncovers them on a blurred image: the larger its area, the better. Areas are by the trapezoid rule.
    Pixels of equal relevance go in an order by (``seed``, image id), the same for every map of the image.

    ``predict`` turns images ``(n, H, W, 3)`` float32 into logits ``(n, classes)``.
    """
    count, high, wide = maps.shape
    originals = np.asarray(pictures, np.float32)
    blurred = ndimage.gaussian_filter(originals, (0, _BLUR * high, _BLUR * wide, 0))
    plain = np.broadcast_to(np.asarray(fill, np.float32), originals.shape)
    ranks = np.stack([_ranks(each, seed, name) for each, name in zip(maps, ids, strict=True)]).reshape(maps.shape)
    areas: list[NDArray[np.float64]] = []
    for taken, left in ((originals, blurred), (plain, originals)):
        levels = np.round(np.arange(steps + 1) * (high * wide / steps))
        shown = np.where(ranks[..., None] < levels[:, None, None, None, None], taken, left)
        logits = np.asarray(predict(shown.reshape(-1, *originals.shape[1:])), np.float64)
        curve = softmax(logits)[np.arange(len(logits)), np.tile(labels, steps + 1)].reshape(steps + 1, count)
        areas.append(np.asarray(np.trapezoid(curve, dx=1 / steps, axis=0), np.float64))
    return areas[0], areas[1]


def _ranks(relevance: NDArray, seed: int, name: str) -> NDArray[np.int64]:
    """Return each pixel's place in order of falling relevance, from 0; equal pixels by chance."""
    values = relevance.ravel()
    order = np.lexsort((seeds.generator(seed, "equal pixels", name).random(len(values)), -values))
    ranks = np.empty(len(values), np.int64)
    ranks[order] = np.arange(len(values))
    return ranks


def _flat(masks: ArrayLike, maps: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inside, values = np.asarray(masks, np.float64), np.asarray(maps, np.float64)
    if inside.shape != values.shape or values.ndim != 3:
        raise ValueError(
            f"Masks and maps must have the same shape (N, H, W), but {inside.shape} and {values.shape} were passed."
        )
    return (inside >= 0.5).reshape(len(inside), -1).astype(np.float64), values.reshape(len(values), -1)


def _span(there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what lies between the first and the last True of each row, both included."""
    return np.logical_or.accumulate(there, axis=1) & np.logical_or.accumulate(there[:, ::-1], axis=1)[:, ::-1]
