"""What every relevance map must be, and how a coarse map becomes one."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finish(
    maps: ArrayLike, ids: Sequence[str], explainer: str = "the explainer", signed: bool = False
) -> NDArray[np.float32]:
    """Return maps that keep the contract: the one door through which every explainer's result leaves.

    Parameters
    ----------
    maps
        ``(N, H, W)`` raw relevance of any scale and sign.
    ids
        Names of the N images, for the error.
    explainer
        Name of the explainer, for the error.
    signed
        Keep both signs.

    Returns
    -------
    ``(N, H, W)`` float32: the positive part of each map divided by its maximum, hence in [0, 1]; a map without positive
    relevance is all zero, never NaN. With ``signed`` each map divided by its largest absolute value, in [-1, 1].

    Raises
    ------
    ValueError
        If a map has a NaN or infinite value; the message names the image and the explainer.
    """
    raw = np.asarray(maps)
    if raw.ndim != 3 or len(raw) != len(ids):
        raise ValueError(f"`maps` must have the shape ({len(ids)}, H, W), but {raw.shape} was passed.")
    refuse_broken("relevance map", raw, ids, explainer)
    # Tiny gradients make subnormal float32 numbers, whose quotients are coarse.
    values64 = raw.astype(np.float64)
    kept = values64 if signed else np.maximum(values64, 0.0)
    largest = np.abs(kept).max(axis=(1, 2), keepdims=True, initial=0.0)
    return (kept / np.where(largest > 0, largest, 1.0)).astype(np.float32)


def refuse_broken(what: str, values: NDArray, ids: Sequence[str], explainer: str) -> None:
    """Raise ``ValueError`` naming explainer and image if ``values`` ``(N, ...)`` has a NaN or infinity."""
    broken = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if broken.any():
        place = int(np.flatnonzero(broken)[0])
        kind = "NaN" if np.isnan(values[place]).any() else "infinite"
        raise ValueError(
            f"{explainer}, image {ids[place]!r}: the {what} holds {kind} values, and must be finite. Look at the "
            "network: its weights may have become NaN in training, or its images be in another range than it takes."
        )


def upsample(maps: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return coarse maps ``(N, h, w)`` at ``size = (H, W)``, half-pixel bilinear, ``(N, H, W)`` float64.

    Cell i of h covers the pixels from i H / h to (i + 1) H / h, and its value stands at the middle of them: with 7
    cells on 224 pixels at 15.5, 47.5, ... Beyond the outermost middles the map is constant. Weights are at least 0
    and sum to 1, so a flat map stays flat and no value leaves the range of the map.
    """
    coarse = np.asarray(maps, dtype=np.float64)
    rows, columns = (_interpolation(cells, pixels) for cells, pixels in zip(coarse.shape[1:], size))
    return rows @ coarse @ columns.T


def zoom(coarse: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return one coarse map ``(h, w)`` at ``size = (H, W)`` as the authors' code does: SciPy's cubic spline zoom.

    It puts the first cell on the first pixel and the last on the last, so the map is stretched outwards (by up to 15.5
    pixels for 7 x 7 at 224), and it undershoots. For ``protocol="authors"`` alone.
    """
    from scipy import ndimage

    values = np.asarray(coarse, dtype=np.float64)
    return ndimage.zoom(values, [pixels / cells for pixels, cells in zip(size, values.shape)], order=3)


def check(
    images: ArrayLike, classes: ArrayLike, ids: Sequence[str] | None
) -> tuple[NDArray, NDArray[np.int64], tuple[str, ...]]:
    """Return images, class numbers and ids as an explainer wants them, or raise what is wrong with them.

    ``ids=None`` gives every image the hash of its pixels (the same for uint8 and float32). Raises ``ValueError`` for
    other shapes, with both, for class numbers that are no integers or below 0, and for images with NaN.
    """
    pictures, labels = np.asarray(images), np.asarray(classes)
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or 0 in pictures.shape[1:]:
        raise ValueError(
            f"`images` must have the shape (N, H, W, 3), but {pictures.shape} was passed."
            + (" Pass one image as images[None]." if pictures.ndim == 3 else "")
        )
    if pictures.dtype != np.uint8 and not np.issubdtype(pictures.dtype, np.floating):
        raise ValueError(f"`images` must be uint8 or float, but {pictures.dtype} was passed. Convert to float32.")
    if labels.ndim != 1 or len(labels) != len(pictures):
        raise ValueError(
            f"`classes` must hold one class number an image, but its shape {labels.shape} does not fit images of shape "
            f"{pictures.shape}."
        )
    if len(labels) and not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"`classes` must be integers, but an array of {labels.dtype} was passed.")
    names = identify(pictures) if ids is None else tuple(str(name) for name in ids)
    if len(names) != len(pictures):
        raise ValueError(
            f"`ids` must name every image, but {len(names)} names were passed for images of shape {pictures.shape}."
        )
    for name, picture, label in zip(names, pictures, labels):
        if not np.isfinite(picture).all():
            raise ValueError(f"Image {name!r} has NaN or infinite pixels. Images are RGB from 0 to 255.")
        if label < 0:
            raise ValueError(f"The class of image {name!r} must be at least 0, but {label} was passed.")
    return pictures, labels.astype(np.int64), names


def identify(images: NDArray) -> tuple[str, ...]:
    """Return the hash of each image's pixels and shape, 16 characters, the same for uint8 and float32."""
    return tuple(
        hashlib.sha256(f"{image.shape}".encode() + image.astype(np.float32).tobytes()).hexdigest()[:16]
        for image in images
    )


def _interpolation(cells: int, pixels: int) -> NDArray[np.float64]:
    """Return the ``(pixels, cells)`` matrix of half-pixel linear interpolation along one axis."""
    place = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    lower = np.minimum(place.astype(int), max(cells - 2, 0))
    matrix = np.zeros((pixels, cells))
    matrix[np.arange(pixels), lower] = 1.0 - (place - lower)
    matrix[np.arange(pixels), np.minimum(lower + 1, cells - 1)] += place - lower
    return matrix
