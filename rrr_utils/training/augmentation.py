"""Augmentation: each image turned, moved, stretched and mirrored, or freed of some pixels, anew in every epoch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common import seeds
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import AUGMENTATIONS

# Input dropout keeps this share of the pixels; the others become grey, which most networks' preprocessing maps to 0.
KEPT, GREY = 0.8, 127
# Drawn by the study seed, so that all trainings of a study see the same; any other kind is drawn by the run seed.
BY_STUDY = ("authors",)


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
    The change follows from (``seed``, id, ``epoch``) alone; :func:`augment_masks` makes the same of masks.
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


def augment_masks(masks: ArrayLike, ids: Sequence[str], seed: int, epoch: int, kind: str) -> NDArray[np.float32]:
    """Return ``masks`` ``(N, H, W)``, 0 to 1, as float32, moved as :func:`augment` moves their images."""
    one_of("augmentation", kind, AUGMENTATIONS)
    moved = np.array(masks, np.float32)
    if kind == "authors":
        for place, name in enumerate(ids):
            moved[place] = _moved(moved[place][..., None], draw(seed, name, epoch))[..., 0]
    return moved


def apply(image: NDArray[np.uint8], change: Change) -> NDArray[np.uint8]:
    """Return one image ``(H, W, 3)`` under ``change``: rotation, shift, shear and zoom about its middle, bilinear."""
    return np.rint(_moved(image, change)).astype(np.uint8)


def _moved(image: NDArray, change: Change) -> NDArray[np.float32]:
    """Return float32 ``(H, W, C)``. SciPy takes three times as long, because it maps the places channel by channel."""
    height, width = image.shape[:2]
    angle, shear = np.deg2rad([change.angle, change.shear])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # From a pixel of the result to the pixel of the image that it shows: zoomed and sheared, shifted, then turned.
    matrix = turn @ np.array([[np.cos(shear), 0.0], [-np.sin(shear), 1.0]]) @ np.diag([change.high, change.wide])
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    offset = middle - matrix @ middle + turn @ (change.down * height, change.across * width)
    down, across = np.arange(height)[:, None], np.arange(width)
    if change.mirrored:
        across = across[::-1]
    # What lies outside is the nearest pixel of the border; the last row and column have no pixel behind them.
    y = np.clip(matrix[0, 0] * down + matrix[0, 1] * across + offset[0], 0, height - 1)
    x = np.clip(matrix[1, 0] * down + matrix[1, 1] * across + offset[1], 0, width - 1)
    top, left = np.minimum(y.astype(np.intp), height - 2), np.minimum(x.astype(np.intp), width - 2)
    below, right = ((part - whole).astype(np.float32)[..., None] for part, whole in ((y, top), (x, left)))
    pixels, place = image.reshape(height * width, -1).astype(np.float32), top * width + left
    upper, lower = pixels.take(place, axis=0), pixels.take(place + width, axis=0)
    upper += (pixels.take(place + 1, axis=0) - upper) * right
    lower += (pixels.take(place + width + 1, axis=0) - lower) * right
    return upper + (lower - upper) * below
