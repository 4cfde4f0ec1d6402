"""Generated images built to confound: the object is the class, and the background predicts it too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import seeds
from rrr_utils.common.choices import one_of
from rrr_utils.common.ranges import Range, Seed, Share
from rrr_utils.datasets import options as checks
from rrr_utils.datasets.dataset import Dataset, Record
from rrr_utils.datasets.images import Decoded

CLASSES = ("disk", "cross")
KINDS = ("noise", "stripes")
TINTS = np.array([[152.0, 128.0, 104.0], [104.0, 128.0, 152.0]])  # RGB of class 0 and 1
RADIUS = (12, 18)  # pixels at size 64, both included
COLOUR = (64, 255)
APART = 80.0  # levels between an object's colour and either tint, Euclidean
NOISE = 56.0  # standard deviation of `noise`, in levels of 255
STRIPE = 40.0  # half the difference between a light and a dark stripe
GRAIN = 8.0  # standard deviation on `stripes`, so that no two pictures repeat
PERIOD = (6, 10)  # pixels of a light and a dark stripe together at size 64, both included


@dataclass(frozen=True)
class Options:
    """How many ``images`` of which ``size``, before which ``background``, tied to the class with probability ``p``."""

    images: Annotated[int, Range(4, 1_000_000)] = 1600
    size: Annotated[int, Range(16, 2048)] = 64
    background: str = "noise"
    p: Share = 0.98
    seed: Seed = 0

    def __post_init__(self) -> None:
        one_of("background", self.background, KINDS)


@dataclass(frozen=True)
class Confounded(Dataset):
    """A disk (class 0) or a cross (class 1) before a background that is tied to the class.

    Built to confound, and fixed before any result was looked at. The object has a radius of 12 to 18 pixels in a
    picture of 64 x 64 (other sizes in proportion), lies anywhere inside it, and has one plain colour: channels uniform
    from 64 to 255, redrawn while the colour is within 80 levels of the tint of either background, so that every object
    can be seen before every background. With probability ``p`` the background is that of the object's own class, else
    that of the other: ``noise`` scatters 56 levels around a warm (class 0) or a cool tint (class 1); ``stripes`` run
    across (class 0) or down (class 1) in that tint. Training and test images are alike in this; :meth:`shifted` shows
    the same object before a background whose class a fair coin decides.

    Every picture is drawn when it is asked for. Object, tie, background, coin and shifted background have random
    streams of their own, from the seed and the record's id alone.
    """

    options: Options = field(default_factory=Options)

    def image(self, record: Record) -> Decoded:
        """Return the picture, uint8 ``(size, size, 3)``: the object before a background tied to its class."""
        return Decoded(self._draw(record, self.background_class(record), "background"))

    def outline(self, record: Record) -> NDArray[np.float32]:
        """Return exactly the object's pixels, float32 ``(size, size)``, 0 or 1."""
        return self._object(record)[0].astype(np.float32)

    def shifted(self, record: Record) -> NDArray[np.uint8]:
        """Return the same object before another background, whose class a fair coin decides."""
        return self._draw(record, int(seeds.generator(self.options.seed, record.id, "coin").integers(2)), "shifted")

    def background_class(self, record: Record) -> int:
        """Return the class whose background the picture has: the label with probability p, else the other."""
        tied = seeds.generator(self.options.seed, record.id, "tie").random() < self.options.p
        return record.label if tied else 1 - record.label

    def _draw(self, record: Record, background_class: int, stream: str) -> NDArray[np.uint8]:
        inside, colour = self._object(record)
        rng = seeds.generator(self.options.seed, record.id, stream)
        paint = _noise if self.options.background == "noise" else _stripes
        picture = paint(background_class, self.options.size, rng)
        return np.where(inside[..., np.newaxis], colour, picture)

    def _object(self, record: Record) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Return the object's pixels, bool ``(size, size)``, and its colour, uint8 ``(3,)``."""
        size, rng = self.options.size, seeds.generator(self.options.seed, record.id, "object")
        radius = int(rng.integers(_scaled(RADIUS[0], size), _scaled(RADIUS[1], size) + 1))
        row, column = rng.integers(radius, size - radius, 2)
        colour = rng.integers(COLOUR[0], COLOUR[1] + 1, 3)
        while np.linalg.norm(colour - TINTS, axis=1).min() < APART:
            colour = rng.integers(COLOUR[0], COLOUR[1] + 1, 3)
        down, across = np.abs(np.arange(size) - row)[:, np.newaxis], np.abs(np.arange(size) - column)[np.newaxis]
        if record.label == 0:
            return down**2 + across**2 <= radius**2, colour.astype(np.uint8)
        # The arms are half a radius wide.
        inside = np.maximum(down, across) <= radius
        return inside & (np.minimum(down, across) <= radius / 4), colour.astype(np.uint8)


def about(options: Mapping[str, Any]) -> int:
    """Return about how many images these options give, for a plan; no image is opened."""
    return checks.build(Options, options, "confounded").images


def open_dataset(data_dir: Path | str | None, options: Mapping[str, Any]) -> Confounded:
    """Return the data set described by ``options`` (see :class:`Options`); nothing is read from ``data_dir``."""
    chosen = checks.build(Options, options, "confounded")
    return Confounded(
        name="confounded",
        classes=CLASSES,
        records=tuple(Record(f"confounded-{number:05d}", number % 2) for number in range(chosen.images)),
        objects=CLASSES,
        licence="generated by this project, CC BY 4.0",
        pictures=True,
        notes=(),
        options=chosen,
    )


def generate(
    **options: Any,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64], NDArray[np.uint8], tuple[str, ...]]:
    """Return all at once, for N images of side S: images, masks, labels, shifted images and ids.

    Images and shifted images are uint8 ``(N, S, S, 3)``, masks float32 ``(N, S, S)``, labels int64 ``(N,)``; at the
    default size an image and its companions take 40 kB.
    """
    dataset = open_dataset(None, options)
    records = dataset.records
    return (
        np.stack([dataset.image(record).array for record in records]),
        np.stack([dataset.outline(record) for record in records]),
        np.array([record.label for record in records], dtype=np.int64),
        np.stack([dataset.shifted(record) for record in records]),
        tuple(record.id for record in records),
    )


def _noise(background_class: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    return _levels(TINTS[background_class] + rng.normal(0.0, NOISE, (size, size, 3)))


def _stripes(background_class: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    period = int(rng.integers(_scaled(PERIOD[0], size), _scaled(PERIOD[1], size) + 1))
    phase = int(rng.integers(period))
    light = (np.arange(size) + phase) % period < period / 2
    wave = np.where(light, STRIPE, -STRIPE)
    pattern = np.broadcast_to(wave[:, np.newaxis] if background_class == 0 else wave[np.newaxis], (size, size))
    grain = rng.normal(0.0, GRAIN, (size, size, 3))
    return _levels(TINTS[background_class] + pattern[..., np.newaxis] + grain)


def _levels(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _scaled(pixels: int, size: int) -> int:
    return max(round(pixels * size / 64), 1)
