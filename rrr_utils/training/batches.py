"""The training batches of every epoch: which images, in which order, before which background."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import seeds
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import AUGMENTATIONS, TRAINED_ON
from rrr_utils.datasets import images
from rrr_utils.training import augmentation


@dataclass(frozen=True)
class TrainingData:
    """Training images: uint8 (N, H, W, 3) RGB, masks (N, H, W) in [0, 1], labels int (N,), N different ids.

    ``images`` and ``masks`` may be read-only memory maps: they are read a batch at a time and never written.
    """

    images: NDArray[np.uint8]
    masks: NDArray
    labels: NDArray[np.integer]
    ids: Sequence[str]

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3:
            raise ValueError(
                f"Training images must be uint8 of shape (N, height, width, 3), but {self.images.dtype} of shape "
                f"{shape} was passed."
            )
        if self.masks.shape != shape[:3] or self.labels.shape != shape[:1] or len(self.ids) != shape[0]:
            raise ValueError(
                f"{shape[0]} training images need masks of shape {shape[:3]}, {shape[0]} labels and ids, but masks of "
                f"{self.masks.shape}, labels of {self.labels.shape} and {len(self.ids)} ids were passed."
            )
        if len(set(self.ids)) < len(self.ids):
            raise ValueError(f"Ids must differ, but {len(self.ids) - len(set(self.ids))} of them are repeated.")


class Batches(keras.utils.PyDataset):
    """All batches of the epochs ``first`` to ``epochs - 1`` (from 0), one after another, for a single ``fit``.

    Batch ``i`` is (uint8 images, int labels) of epoch ``first + i // steps``; it follows from ``i`` and the seeds
    alone, so reading ahead changes nothing. Set ``first`` to the number of epochs that are done, and an interrupted
    run goes on with the batches that it would have had.
    The order of an epoch is a permutation by (``seed``, epoch); its last batch may be smaller.

    ``trained_on``: ``original``; ``masked``: random pixels behind the object, the same in every epoch, by
    (``study_seed``, id); ``swapped``: another training image's background, its object's hole filled with its nearest
    pixels, the donor by (``seed``, id, epoch); ``both``: one half of the images of each epoch swapped, by (``seed``,
    id, epoch), and the other as it is.

    ``augment``: one of ``names.AUGMENTATIONS``, after the background. ``input-dropout`` is drawn by (``seed``, id,
    epoch). ``authors``, and with it donors and halves, is drawn by (``study_seed``, id, ``before`` + epoch): all run
    seeds, strategies and networks of one size train on the same images. ``before`` is the number of epochs of the
    stages before this one, so that a second stage repeats no draw.

    Filled donors are made when first used and kept in an unnamed file in ``folder``, not in memory.
    Raises ``ValueError`` for a mask that is empty, which would train on pure background, and where fewer than two
    images have a background to lend.
    """

    def __init__(
        self,
        data: TrainingData,
        trained_on: str,
        *,
        seed: int,
        study_seed: int,
        batch: int,
        epochs: int,
        folder: Path,
        augment: str = "none",
        before: int = 0,
    ) -> None:
        super().__init__()
        one_of("trained_on", trained_on, TRAINED_ON)
        one_of("augmentation", augment, AUGMENTATIONS)
        self.augment = augment
        self.data, self.trained_on = data, trained_on
        self.seed, self.study_seed, self.batch, self.epochs, self.first = seed, study_seed, batch, epochs, 0
        self.steps = -(-len(data.ids) // batch)
        self._drawn_by, self.before = (study_seed, before) if augment in augmentation.BY_STUDY else (seed, 0)
        self._plans: dict[int, tuple[NDArray, NDArray, NDArray]] = {}
        if trained_on == "original":
            return
        shares = np.array([float(np.mean(mask)) for mask in data.masks])
        if not shares.all():
            empty = [name for name, share in zip(data.ids, shares) if share == 0]
            raise ValueError(
                f"The masks of {len(empty)} training images are empty, {empty[0]!r} first: without its object an image "
                f"is background alone. Leave them out, or train on 'original'."
            )
        if trained_on != "masked":
            self._donors = np.flatnonzero([not np.all(np.asarray(mask) >= 0.5) for mask in data.masks])
            if len(self._donors) < 2:
                raise ValueError(
                    f"Swapping needs two images with some background, but {len(self._donors)} of {len(shares)} "
                    f"training images have any: the masks cover everything. Train on 'original' or 'masked'."
                )
            self._filled = np.memmap(tempfile.TemporaryFile(dir=folder), np.uint8, "w+", shape=data.images.shape)  # noqa: SIM115
            self._is_filled = np.zeros(len(shares), bool)

    def __len__(self) -> int:
        return (self.epochs - self.first) * self.steps

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        places, epoch = self.places(index), self.first + index // self.steps
        return self.of(places, epoch), np.asarray(self.data.labels[places], np.int64)

    def of(self, places: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        """Return the images at ``places`` as ``epoch`` shows them."""
        _, donors, swapped = self._plan(epoch)
        pictures = self.still(places)
        if swapped[places].any():
            where = np.flatnonzero(swapped[places])
            chosen = places[where]
            backgrounds = self._fill(donors[chosen])
            pictures[where] = images.swap_backgrounds(pictures[where], self.data.masks[chosen], backgrounds)
        names = [self.data.ids[place] for place in places]
        return augmentation.augment(pictures, names, self._drawn_by, self.before + epoch, self.augment)

    def masks(self, index: int) -> NDArray[np.float32]:
        """Return the masks of batch ``index``, ``(n, H, W)``, 0 to 1, where its images have their objects."""
        places, epoch = self.places(index), self.first + index // self.steps
        names = [self.data.ids[place] for place in places]
        return augmentation.augment_masks(
            self.data.masks[places], names, self._drawn_by, self.before + epoch, self.augment
        )

    def places(self, index: int) -> NDArray[np.int64]:
        """Return which images batch ``index`` has, by their places in the data."""
        epoch, step = self.first + index // self.steps, index % self.steps
        return self._plan(epoch)[0][step * self.batch : (step + 1) * self.batch]

    def still(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images at ``places`` with what is the same in every epoch: ``masked``'s random pixels."""
        pictures = self.data.images[places]
        if self.trained_on != "masked":
            return pictures
        return images.random_pixels(
            pictures, self.data.masks[places], [self.data.ids[place] for place in places], self.study_seed
        )

    def _plan(self, epoch: int) -> tuple[NDArray, NDArray, NDArray]:
        """Return of an epoch: the order, each image's donor, and which images are swapped."""
        if epoch not in self._plans:
            number, ids, draw = len(self.data.ids), self.data.ids, self.before + epoch
            order = seeds.generator(self.seed, "order", epoch).permutation(number)
            donors, swapped = np.zeros(number, np.int64), np.zeros(number, bool)
            if self.trained_on in ("swapped", "both"):
                lenders = [ids[int(place)] for place in self._donors]
                donors = self._donors[images.draw_donors(ids, lenders, self._drawn_by, "donor", draw)]
                swapped[:] = True
            if self.trained_on == "both":
                drawn = [seeds.generator(self._drawn_by, "swapped", draw, name).random() for name in ids]
                swapped[np.argsort(drawn)[number // 2 :]] = False
            # TensorFlow reads a few batches ahead, at most into the next epoch.
            self._plans = {before: plan for before, plan in self._plans.items() if before == epoch - 1}
            self._plans[epoch] = order, donors, swapped
        return self._plans[epoch]

    def _fill(self, donors: NDArray[np.int64]) -> NDArray[np.uint8]:
        missing = np.unique(donors[~self._is_filled[donors]])
        if missing.size:
            self._filled[missing] = images.fill_holes(self.data.images[missing], self.data.masks[missing])
            self._is_filled[missing] = True
        return self._filled[donors]
