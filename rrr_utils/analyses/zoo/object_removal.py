"""Images without their objects: the hole is filled with another part of the same background, where it fits best."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from rrr_utils.datasets import images

# Pixels around the hole that have to agree with what is moved there.
_RIM = 2


def without_objects(pictures: NDArray[np.uint8], masks: ArrayLike) -> NDArray[np.uint8]:
    """Return ``pictures`` with each object's hole filled from its surroundings, uint8 ``(N, H, W, 3)``.

    The whole picture is moved, round its borders, to where what comes to lie in the hole holds the fewest pixels of the
    object, and among such moves to where a rim of two pixels around the hole differs the least (sum of squares). Other
    than the nearest pixels of :func:`rrr_utils.datasets.images.fill_holes`, which run together into a star that still
    shows the object's outline, what is moved is background as it is. Pixels of the object that no move can avoid are
    filled with their nearest background first. Background pixels are unchanged.

    Raises ``ValueError`` for a mask that covers its whole image, which has no surroundings.
    """
    spare = images.fill_holes(pictures, masks)
    holes = np.asarray(masks).reshape(pictures.shape[:3]) >= 0.5
    filled = np.array(pictures)
    for place, hole in enumerate(holes):
        if hole.any():
            down, across = _move(spare[place].astype(np.float64), hole)
            filled[place][hole] = np.roll(spare[place], (-down, -across), axis=(0, 1))[hole]
    return filled


def _move(picture: NDArray[np.float64], hole: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the move ``(down, across)``: pixel ``(i + down, j + across)`` comes to lie on ``(i, j)``."""
    inside = hole.astype(np.float64)
    rim = (ndimage.binary_dilation(hole, iterations=_RIM) & ~hole).astype(np.float64)
    # Object pixels that come to lie on the hole or on its rim.
    overlap = np.rint(_correlation(inside + rim, inside))
    squares = (picture**2).sum(axis=2)
    cross = sum(_correlation(rim * picture[..., channel], picture[..., channel]) for channel in range(3))
    # Whole numbers: what rounding leaves of equal sums must not choose between them.
    differs = np.rint((rim * squares).sum() - 2 * cross + _correlation(rim, squares))
    best = np.where(overlap == overlap.min(), differs, np.inf)
    down, across = np.unravel_index(int(best.argmin()), best.shape)
    return int(down), int(across)


def _correlation(fixed: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of ``fixed[i, j] * moved[i + d, j + a]`` for every ``(d, a)``, round the borders."""
    found = fft.irfft2(np.conj(fft.rfft2(fixed)) * fft.rfft2(moved), s=fixed.shape)
    return np.asarray(found, np.float64)
