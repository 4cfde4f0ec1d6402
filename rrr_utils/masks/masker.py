"""The contract of every masker: one record and its image in, one hard mask of the image's size out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rrr_utils.common.choices import nearest

if TYPE_CHECKING:
    from rrr_utils.datasets import Dataset, Record


@dataclass(frozen=True)
class Found:
    """What a masker found in one image.

    ``mask`` is float32 (H, W), 0 or 1, of the image's own size. ``objects`` counts what the mask is made of:
    see the masker. Where nothing was found the mask is zero and ``objects`` is 0. ``note`` is for the reader
    of the masks table, and mostly empty.
    """

    mask: np.ndarray
    objects: int
    note: str = ""


class Masker(ABC):
    """A source of object masks for the records of one data set.

    ``source`` is its name in every table; ``provenance`` says which file made the masks (``file``,
    ``sha256``) and is empty where no network was involved.
    """

    source: str
    provenance: Mapping[str, str]

    def __init__(self, dataset: "Dataset", data_dir: Path | str | None = None) -> None:
        self.dataset = dataset
        self.provenance = {}

    def __call__(self, record: "Record", image: np.ndarray) -> Found:
        """Return what was found for ``record`` in its ``image``, uint8 (H, W, 3) RGB as stored.

        Another dtype or shape raises ``ValueError`` that names the record; so does a mask of another size
        than the image. An empty result is not an error: the mask is zero and ``objects`` is 0.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"Image {record.id} must be uint8 of shape (height, width, 3), RGB from 0 to 255, but "
                f"{image.dtype} of shape {image.shape} was passed. Pass what `images.decode` returns."
            )
        found = self._find(record, image)
        if found.mask.shape != image.shape[:2]:
            raise ValueError(
                f"The {self.source} mask of image {record.id} has shape {found.mask.shape}, but the image has "
                f"{image.shape[:2]}. An outline must be drawn on the stored pixels of its image: mend or remove "
                "the outline, or restore the original image."
            )
        mask = (found.mask >= 0.5).astype(np.float32)
        return Found(mask, found.objects if mask.any() else 0, found.note)

    def object_name(self, record: "Record") -> str:
        """Return the plain name of the object that ``record`` shows, for example "cat" for an Abyssinian."""
        return self.dataset.objects[record.label]

    @abstractmethod
    def _find(self, record: "Record", image: np.ndarray) -> Found:
        """Return what was found; the caller has checked ``image`` and will check the mask."""


def class_numbers(dataset: "Dataset", names: Sequence[str], model: str) -> dict[str, int]:
    """Return the number of every object name of ``dataset`` in ``names``, the classes of ``model`` from 1.

    Number 0 is the background, which is no object. Names that the model was not trained on raise
    ``ValueError`` with the whole list, before any work.
    """
    unknown = sorted(set(dataset.objects) - set(names))
    if unknown:
        raise ValueError(
            f"{model} cannot find {unknown} of data set {dataset.name!r}: it knows {list(names)}."
            f"{nearest(unknown[0], names)} Take the masks from `outlines`, or keep only classes that it knows."
        )
    return {name: list(names).index(name) + 1 for name in dataset.objects}
