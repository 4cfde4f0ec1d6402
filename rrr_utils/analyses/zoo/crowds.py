"""A stack of many small models, which remembers what it was asked."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rrr_utils.networks.stack import Stack

# A call of a small network costs as much as its arithmetic, so that more images go at once. An image and its 100
# occluded versions are two such batches, and LIME's 50 samples one.
_AT_ONCE = 51


class Crowd(Stack):
    """Models of one architecture that are asked together, by explainers and by ourselves, often about the same images.

    Logits ``(models, n, classes)`` of images that all models were asked about before are not computed again: signed
    maps ask for those of plain ones, accuracies for those of probabilities. What is remembered takes 8 bytes a logit.
    """

    _remembered: dict[str, NDArray[np.float32]] | None = None

    def add(self, state: Mapping[str, NDArray], starts: bool = False) -> None:
        """Take the next model: all weights of a network."""
        super().add(state, starts)
        self._remembered = None

    @property
    def batch(self) -> int:
        """How many images go at once."""
        return _AT_ONCE

    def __call__(self, images: NDArray, places: Sequence[int] | None = None) -> NDArray[np.float32]:
        if places is not None:
            return super().__call__(images, places)
        if self._remembered is None:
            self._remembered = {}
        pixels = np.ascontiguousarray(images)
        key = hashlib.blake2b(f"{self.precision}{pixels.dtype}{pixels.shape}".encode() + pixels.data).hexdigest()
        if key not in self._remembered:
            self._remembered[key] = super().__call__(images)
        return self._remembered[key]
