r"""The score: the share of a relevance map that lies on the object (Nguyen, Oberföll, Färber 2020)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Average(NamedTuple):
    """AvgScore with what it rests on: ``mean`` (NaN if ``n`` is 0), ``n`` scores, ``zero_maps`` left out."""

    mean: float
    n: int
    zero_maps: int


def score(mask: ArrayLike, relevance: ArrayLike) -> NDArray[np.float64]:
    r"""Return the share of relevance that lies on the object, one number an image.

    Equation 1 of the paper: :math:`\mathrm{score}(a, b) = \sum_{ij} a_{ij} b_{ij} / \sum_{ij} b_{ij}` for a mask
    :math:`a` and a relevance map :math:`b`. The same quantity is known as the energy-based pointing game (with a
    silhouette in place of the box) and as relevance mass accuracy.

    Parameters
    ----------
    mask
        ``(N, H, W)``, ``(N, H, W, 1)``, ``(N, 1, H, W)`` or ``(H, W)``; float in [0, 1], bool, or integer 0 and 1 (0
        and 255 too).
    relevance
        ``(N, H, W)`` or ``(H, W)``, at least 0. Any positive scale: the score does not depend on it. Arrays as captum
        and Quantus have them, ``(N, C, H, W)`` or ``(N, H, W, C)``, are summed over their channels first.

    Returns
    -------
    ``(N,)`` float64 in [0, 1]; NaN where a map is zero everywhere, because no relevance has no place.

    Raises
    ------
    ValueError
        If the shapes differ, if a mask is empty or leaves [0, 1], or if a map has a NaN, infinite or negative value.
        The message names the image by its position.
    """
    masks = _masks(mask)
    maps = _maps(relevance, masks.shape)
    if masks.shape != maps.shape:
        raise ValueError(
            f"`mask` and `relevance` must have the same shape, but {masks.shape} and {maps.shape} were passed. "
            "Resize the mask to the map's size."
        )
    _refuse(masks.reshape(len(masks), -1).max(axis=1) == 0, "mask", "is empty", "Leave images without an object out.")
    # Dividing by the maximum first keeps the sums finite and exact for maps of any scale.
    largest = maps.reshape(len(maps), -1).max(axis=1)
    scaled = maps / np.where(largest > 0, largest, 1.0)[:, None, None]
    total = scaled.sum(axis=(1, 2))
    inside = (masks * scaled).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        # Rounding of the two sums may leave [0, 1] by one unit in the last place.
        return np.where(total > 0, np.clip(inside / np.where(total > 0, total, 1.0), 0.0, 1.0), np.nan)


def chance(mask: ArrayLike) -> NDArray[np.float64]:
    """Return the mean of each mask, ``(N,)`` float64 in [0, 1]: what a map that is the same everywhere scores.

    Masks are taken in the same forms as by :func:`score`; one outside [0, 1] raises ``ValueError``.
    """
    return _masks(mask).mean(axis=(1, 2))


def avg_score(scores: ArrayLike, correct: ArrayLike) -> Average:
    """Return the mean score over the correctly classified images (equation 2 of the paper).

    Parameters
    ----------
    scores
        ``(N,)`` float, NaN for a zero map, as :func:`score` returns them.
    correct
        ``(N,)`` bool.

    Returns
    -------
    :class:`Average`. Zero maps are left out of the mean and counted beside it; with no image left the mean is NaN.

    Raises
    ------
    ValueError
        If the lengths differ or a score lies outside [0, 1].
    """
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(correct)
    if right.dtype != bool:
        raise ValueError(f"`correct` must be of type bool, but an array of {right.dtype} was passed.")
    if values.ndim != 1 or values.shape != right.shape:
        raise ValueError(
            f"`scores` and `correct` must have the same length, but {values.shape} and {right.shape} were passed."
        )
    known = ~np.isnan(values)
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise ValueError("`scores` must lie in [0, 1] or be NaN for a zero map; pass what `score` returned.")
    counted = known & right
    n = int(counted.sum())
    return Average(float(values[counted].mean()) if n else float("nan"), n, int((~known & right).sum()))


def _masks(mask: ArrayLike) -> NDArray[np.float64]:
    """Return masks as ``(N, H, W)`` float64 in [0, 1]."""
    array = np.asarray(mask)
    if array.ndim == 4 and 1 in (array.shape[-1], array.shape[1]):
        array = array[..., 0] if array.shape[-1] == 1 else array[:, 0]
    array = _three_dimensions("mask", array)
    values = array.astype(np.float64)
    if np.issubdtype(array.dtype, np.integer) and np.isin(array, (0, 255)).all() and (array == 255).any():
        values /= 255.0
    outside = ~((values >= 0) & (values <= 1)).reshape(len(values), -1).all(axis=1)
    _refuse(outside, "mask", "has values outside [0, 1] or NaN", "Divide it by its largest possible value.")
    return values


def _maps(relevance: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return relevance maps of masks of ``shape`` as ``(N, H, W)`` float64, finite and at least 0."""
    array = np.asarray(relevance)
    if array.ndim == 4:
        # The channels are the axis whose absence leaves the masks' shape; PyTorch's place where both would do.
        axis = next((axis for axis in (1, 3) if (*array.shape[:axis], *array.shape[axis + 1 :]) == shape), None)
        if axis is None:
            raise ValueError(
                f"`relevance` with channels must have the shape (N, C, H, W) or (N, H, W, C) for masks of shape "
                f"{shape}, but {array.shape} was passed. Resize the masks to the maps' size."
            )
        array = array.sum(axis=axis, dtype=np.float64)
    maps = _three_dimensions("relevance", array).astype(np.float64)
    flat = maps.reshape(len(maps), -1)
    _refuse(~np.isfinite(flat).all(axis=1), "relevance", "has a NaN or infinite value", "Look at the explainer.")
    _refuse((flat < 0).any(axis=1), "relevance", "has a negative value", "Take its positive part, np.maximum(map, 0).")
    return maps


def _three_dimensions(name: str, array: NDArray) -> NDArray:
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise ValueError(f"`{name}` must have the shape (N, H, W) or (H, W), but {array.shape} was passed.")
    return array


def _refuse(bad: ArrayLike, name: str, what: str, remedy: str) -> None:
    places = np.flatnonzero(np.asarray(bad))
    if len(places):
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        raise ValueError(f"`{name}` of image {places[0]}{more} {what}. {remedy}")
