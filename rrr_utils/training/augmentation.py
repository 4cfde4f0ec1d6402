"""Augmentation: each image turned, moved, stretched and mirrored, or freed of some pixels, anew in every epoch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rrr_utils.common import seeds
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import AUGMENTATIONS

# Input dropout keeps this share of the pixels; the others become grey, which most networks' preprocessing maps to 0.
KEPT, GREY = 0.8, 127


class Change(NamedTuple):
    """One random change: ``angle`` and ``shear`` in degrees, ``down`` and ``across`` as shares of the side, ``high``
    and ``wide`` as factors of zoom (below 1 enlarges), and whether left and right change places."""

    angle: float = 0.0
    down: float = 0.0
    across: float = 0.0
    shear: float = 0.0
    high: float = 1.0
    wide: float = 1.0
    mirrored: bool = False


def augment(images: NDArray[np.uint8], ids: Sequence[str], seed: int, epoch: int, kind: str) -> NDArray[np.uint8]:
    """Return changed copies of ``images`` ``(N, H, W, 3)`` uint8; ``"none"`` returns them as they are.

    ``"authors"`` is what the code of Nguyen, Oberföll and Färber (2020) asks of Keras' ``ImageDataGenerator``:
    rotation by up to 40 degrees, shifts by up to a fifth of the side, shear of up to 0.2 (which Keras reads in
    degrees), zoom of each axis between 0.8 and 1.2, mirrored half of the time; what comes from outside is the nearest
    pixel of the border.
    ``"input-dropout"`` is the remedy of Carter et al. (2021): each pixel, with all its channels, is kept by a chance of
    0.8 and otherwise grey. Theirs also drops pixels when the network is asked, ours in training alone.
    The change follows from (``seed``, id, ``epoch``) alone.
    """
    one_of("augmentation", kind, AUGMENTATIONS)
    if kind == "none":
        return images
    if kind == "input-dropout":
        changed = [drop_pixels(image, seed, name, epoch) for image, name in zip(images, ids, strict=True)]
        return np.stack(changed) if changed else images
    changed = [apply(image, draw(seed, name, epoch)) for image, name in zip(images, ids, strict=True)]
    return np.stack(changed) if changed else images


def draw(seed: int, name: str, epoch: int) -> Change:
    """Return the change of the image called ``name`` in ``epoch``."""
    generator = seeds.generator(seed, "augmentation", epoch, name)
    angle, down, across, shear = generator.uniform(-1, 1, 4) * (40.0, 0.2, 0.2, 0.2)
    high, wide = generator.uniform(0.8, 1.2, 2)
    return Change(angle, down, across, shear, high, wide, bool(generator.integers(2)))


def drop_pixels(image: NDArray[np.uint8], seed: int, name: str, epoch: int) -> NDArray[np.uint8]:
    """Return one image ``(H, W, 3)`` with each pixel kept by a chance of ``KEPT`` and ``GREY`` otherwise."""
    kept = seeds.generator(seed, "input dropout", epoch, name).random(image.shape[:2]) < KEPT
    return np.where(kept[..., None], image, np.uint8(GREY))


def apply(image: NDArray[np.uint8], change: Change) -> NDArray[np.uint8]:
    """Return one image ``(H, W, 3)`` under ``change``: rotation, shift, shear and zoom about its middle, bilinear."""
    height, width = image.shape[:2]
    angle, shear = np.deg2rad([change.angle, change.shear])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # From a pixel of the result to the pixel of the image that it shows: zoomed and sheared, shifted, then turned.
    matrix = turn @ np.array([[np.cos(shear), 0.0], [-np.sin(shear), 1.0]]) @ np.diag([change.high, change.wide])
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    offset = middle - matrix @ middle + turn @ (change.down * height, change.across * width)
    moved = np.stack(
        [
            ndimage.affine_transform(image[..., channel].astype(np.float32), matrix, offset, order=1, mode="nearest")
            for channel in range(image.shape[-1])
        ],
        axis=-1,
    )
    if change.mirrored:
        moved = moved[:, ::-1]
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8)
