"""A blob in the middle of the image, as large as the object: a map that knows no network."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from rrr_utils import metric


def gaussian(masks: ArrayLike) -> NDArray[np.float32]:
    """Return for each mask ``(N, H, W)`` a Gaussian in the middle of the image, maximum 1, that has the mask's mean.

    It knows how large the object is and that photographers put objects in the middle, and nothing else. Each side has
    the same width in shares of it. For a mask that is 1 everywhere the map is flat; an empty one raises ``ValueError``.
    """
    shares = metric.chance(masks)
    high, wide = np.asarray(masks).shape[1:3]
    rows, columns = ((np.arange(side) + 0.5) / side - 0.5 for side in (high, wide))

    def bell(width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        down, across = (-0.5 * (place / width) ** 2 for place in (rows, columns))
        return np.exp(down - down.max()), np.exp(across - across.max())

    def mean(width: float) -> float:
        down, across = bell(width)
        return float(down.mean() * across.mean())

    narrow, flat = 1e-3, 1e4  # shares of a side: less than a pixel, and wider than float32 can tell from flat
    maps = []
    for place, share in enumerate(shares):
        if share == 0:
            raise ValueError(f"Mask {place} is empty: no Gaussian has its mean. Leave images without an object out.")
        if mean(narrow) < share < mean(flat):
            width = optimize.brentq(lambda width, share=share: mean(width) - share, narrow, flat, xtol=1e-6)
        else:
            width = narrow if share < 0.5 else flat
        maps.append(np.outer(*bell(width)))
    return np.asarray(maps, np.float32).reshape(len(shares), high, wide)
