"""Maps that are made without any network: what a score is held against."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, optimize

from rrr_utils import metric

# Maps that are made without any network; "none" takes the explainer's place in the tables.
TRIVIAL = ("gaussian", "edges")

NONE = "none"


def gaussian(masks: ArrayLike) -> NDArray[np.float32]:
    """Return for each mask ``(N, H, W)`` a Gaussian in the middle of the image, maximum 1, that has the mask's mean.

    It knows how large the object is and that photographers put objects in the middle, and nothing else. Each side has
    the same width in shares of it. For a mask that is 1 everywhere the map is flat; an empty one raises ``ValueError``.
    """
    shares = metric.chance(masks)
    high, wide = np.asarray(masks).shape[1:3]
    rows, columns = ((np.arange(side) + 0.5) / side - 0.5 for side in (high, wide))

    def bell(width: float) -> NDArray[np.float64]:
        down, across = (-0.5 * (place / width) ** 2 for place in (rows, columns))
        return np.outer(np.exp(down - down.max()), np.exp(across - across.max()))

    narrow, flat = 1e-3, 1e4  # shares of a side: less than a pixel, and wider than float32 can tell from flat
    maps = []
    for place, share in enumerate(shares):
        if share == 0:
            raise ValueError(f"Mask {place} is empty: no Gaussian has its mean. Leave images without an object out.")
        if bell(narrow).mean() < share < bell(flat).mean():
            width = optimize.brentq(lambda width, share=share: bell(width).mean() - share, narrow, flat, xtol=1e-6)
        else:
            width = narrow if share < 0.5 else flat
        maps.append(bell(width))
    return np.asarray(maps, np.float32).reshape(len(shares), high, wide)


def edges(images: ArrayLike) -> NDArray[np.float32]:
    """Return the edges of images ``(N, H, W, 3)``: the length of the grey image's gradient (Sobel), maximum 1.

    It knows the image and no network: what an explainer that only finds edges would show (Adebayo et al. 2018). An
    image of one colour has a zero map.
    """
    grey = np.asarray(images, np.float64) @ np.array([0.299, 0.587, 0.114])
    slopes = np.hypot(ndimage.sobel(grey, axis=1), ndimage.sobel(grey, axis=2))
    slopes[slopes < 1e-9 * 255] = 0.0  # rounding of a flat image
    largest = slopes.max(axis=(1, 2), keepdims=True, initial=0.0)
    return (slopes / np.where(largest > 0, largest, 1.0)).astype(np.float32)
