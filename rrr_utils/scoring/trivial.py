"""Maps that are made without any network: what a score is held against."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from rrr_utils.masks.centre_blob import gaussian

__all__ = ["NONE", "TRIVIAL", "edges", "gaussian"]

# Maps that are made without any network; "none" takes the explainer's place in the tables.
TRIVIAL = ("gaussian", "edges")

NONE = "none"


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
