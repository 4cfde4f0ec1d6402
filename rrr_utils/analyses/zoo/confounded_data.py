"""Data whose background is tied to the class with a known probability: generated anew, or photographs confounded."""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils import datasets
from rrr_utils.common import seeds
from rrr_utils.datasets import images
from rrr_utils.masks.prepared import Prepared

# Textures of photographs: half the difference between a light and a dark stripe, and the grain, in levels of 255; the
# period of the stripes in shares of the side.
_STRIPE, _GRAIN, _PERIOD = 48.0, 12.0, 1 / 14
_SATURATION, _VALUE = 0.45, 0.6


@dataclass(frozen=True)
class World:
    """A data set in which the background is tied to the class with probability ``tie``.

    ``data`` holds its images, and as ``shifted`` the same objects before a background whose class is drawn freely;
    ``flipped`` holds them before that of another class, uint8 like ``data.images``. Both are None for photographs as
    they are, whose confounder nobody knows; their ``tie`` is 0.
    """

    tie: float
    data: Prepared
    flipped: NDArray[np.uint8] | None


def world(ready: Prepared, source: str, options: Mapping[str, Any], tie: float, seed: int) -> World:
    """Return ``ready`` with its backgrounds tied to the class with probability ``tie``; split and ids stay.

    ``confounded`` images are drawn again by their own generator, with ``p`` in place of that of ``options`` (0 for the
    flipped ones): the same objects for every tie. Behind the objects of photographs a texture of the class's own colour
    and direction is laid with that probability, and that of another class otherwise, by (``seed``, image id).
    """
    if source == "confounded":
        size = ready.images.shape[1]
        tied, flipped = (_generated(ready, {**options, "p": share}, size) for share in (float(tie), 0.0))
        return World(tie, replace(ready, images=tied), flipped)
    if tie == 0:
        return World(tie, replace(ready, shifted=None), None)
    count = len(ready.classes)
    own, other, free = (np.empty(len(ready.ids), np.int64) for _ in range(3))
    for place, (name, label) in enumerate(zip(ready.ids, ready.labels.tolist(), strict=True)):
        rng = seeds.generator(seed, "confounding", name)
        another = (label + 1 + int(rng.integers(count - 1))) % count
        own[place] = label if rng.random() < tie else another
        other[place], free[place] = another, int(rng.integers(count))
    return World(
        tie, replace(ready, images=_before(ready, own, seed), shifted=_before(ready, free, seed)),
        _before(ready, other, seed),
    )  # fmt: skip


def texture(label: int, classes: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the background of a class, uint8 ``(size, size, 3)``: stripes of its own direction and colour, with grain.

    Directions and hues of the classes are spread evenly; where the stripes begin is drawn.
    """
    angle = np.pi * label / classes
    place = np.arange(size) / size
    along = place[:, None] * np.cos(angle) + place[None, :] * np.sin(angle)
    light = np.where(np.sin(2 * np.pi * (along / _PERIOD + rng.random())) >= 0, _STRIPE, -_STRIPE)
    tint = 255 * np.array(colorsys.hsv_to_rgb(label / classes, _SATURATION, _VALUE))
    picture = tint + light[..., None] + rng.normal(0.0, _GRAIN, (size, size, 1))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _generated(ready: Prepared, options: Mapping[str, Any], size: int) -> NDArray[np.uint8]:
    dataset = datasets.open_dataset("confounded", None, options)
    records = {record.id: record for record in dataset.records}
    return np.stack([images.squash(dataset.image(records[name]).array, size) for name in ready.ids])


def _before(ready: Prepared, labels: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
    """Return the objects of ``ready`` before the texture of each of ``labels``."""
    size, classes = ready.images.shape[1], len(ready.classes)
    laid = np.empty(ready.images.shape, np.uint8)
    for place, (name, label) in enumerate(zip(ready.ids, labels.tolist(), strict=True)):
        laid[place] = texture(label, classes, size, seeds.generator(seed, "texture", label, name))
    return images.swap_backgrounds(np.asarray(ready.images), ready.masks, laid)
