"""Images shown through soft masks, and channels of a layer as such masks: what RISE, Score-CAM and SISE share."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common.logits import softmax
from rrr_utils.explainers import base, relevance

# What the network is asked: the class's logit, of which a difference is taken, or its softmax probability as it is.
OUTPUTS = ("logit", "probability")


def blend(image: NDArray, masks: NDArray[np.float64], colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image ``(H, W, 3)`` behind each mask ``(n, H, W)`` in [0, 1], ``(n, H, W, 3)`` float32.

    A mask of 1 shows the pixel and a mask of 0 shows ``colour`` (3,), in proportion between them. In the network's
    neutral colour that is the product of mask and *preprocessed* image, because this colour becomes 0 there.
    """
    shown = masks[..., None].astype(np.float32)
    # This way round, a mask of exactly 1 or 0 leaves exactly the pixel or the colour.
    return shown * image.astype(np.float32) + (np.float32(1) - shown) * colour


def of_channels(activations: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Return channels ``(h, w, n)`` as masks ``(n, H, W)``: enlarged by half-pixel bilinear interpolation, 0 to 1.

    Each is shifted and scaled by its own lowest and highest value; a channel that is the same everywhere is all 0.
    """
    wide = relevance.upsample(np.moveaxis(activations, -1, 0), size)
    low, high = (ends(wide, axis=(1, 2), keepdims=True) for ends in (np.min, np.max))
    return (wide - low) / np.where(high > low, high - low, 1.0)


def asked(
    forward: base.Forward,
    image: NDArray,
    activations: NDArray[np.float64],
    colour: NDArray[np.float32],
    own: int,
    name: str,
    explainer: str,
    batch: int,
    output: str,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield masks ``(n, H, W)`` of the channels ``(h, w, K)`` in order, ``batch`` at a time, and their values ``(n,)``.

    A mask's value is by how much the logit of the class ``own`` behind it exceeds that of the plain ``colour`` alone,
    or, for the output ``"probability"``, the class's probability. ``name`` and ``explainer`` are for errors.
    """

    def values(masks: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = base.checked(base.stacked(forward, blend(image, masks, colour)), own, name, explainer)[0]
        return (softmax(logits) if output == "probability" else logits)[:, own]

    plain = values(np.zeros((1, *image.shape[:2])))[0] if output == "logit" else 0.0
    for start in range(0, activations.shape[-1], batch):
        masks = of_channels(activations[..., start : start + batch], image.shape[:2])
        yield masks, values(masks) - plain
