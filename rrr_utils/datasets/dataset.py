"""What a data set is: a list of records with class names, and how to get a record's image and outline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rrr_utils.datasets import splits
from rrr_utils.datasets.images import Decoded, decode


@dataclass(frozen=True)
class Record:
    """One image: a stable id, its class, its file, and the file of its outline where there is one."""

    id: str
    label: int
    path: Path | None = None
    outline: Path | None = None


class NoOutline(ValueError):
    """A record without a usable outline; ``reason`` says which file is missing or what is wrong with it."""

    def __init__(self, record: Record, reason: str) -> None:
        self.record, self.reason = record, reason
        super().__init__(f"Image {record.id} has no outline: {reason}.")


@dataclass(frozen=True)
class Dataset:
    """Images of several classes.

    ``records`` are sorted by id. ``objects`` holds, for each class, the plain name of the object that a masker looks
    for ("cat" for the breed Abyssinian). ``pictures`` says whether the licence lets pictures be shown. ``notes``
    say what was left out and why, with counts.
    """

    name: str
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    objects: tuple[str, ...]
    licence: str
    pictures: bool
    notes: tuple[str, ...] = ()

    def image(self, record: Record) -> Decoded:
        """Return the image as stored, uint8 ``(H, W, 3)``; raises ``images.BadImage`` if it cannot be decoded."""
        if record.path is None:
            raise ValueError(f"Record {record.id} of data set {self.name!r} has no file. Give it a `path`.")
        return decode(record.path)

    def outline(self, record: Record) -> NDArray[np.float32]:
        """Return the object as float32 ``(H, W)``, 0 or 1, at the image's own size.

        Raises ``NoOutline`` if there is none or it cannot be read, and ``ValueError`` naming both files if it was
        drawn for another size than the image's.
        """
        raise NoOutline(record, f"data set {self.name!r} has no outlines; take the masks from `deeplab` or `mask_rcnn`")

    def shifted(self, record: Record) -> NDArray[np.uint8] | None:
        """Return the same object before a freely drawn background, uint8 ``(H, W, 3)``; None for photographs."""
        return None


def same_size(record: Record, mask_shape: tuple[int, ...], image_shape: tuple[int, int]) -> None:
    """Raise ``ValueError`` that names both files unless a record's mask and image have the same height and width."""
    if mask_shape != image_shape:
        raise ValueError(
            f"The mask {record.outline} has {mask_shape[0]} x {mask_shape[1]} pixels (height x width), but its image "
            f"{record.path} has {image_shape[0]} x {image_shape[1]}. A mask is drawn on the stored pixels of its "
            "image: restore the original image or mask, or remove the mask."
        )


def files_of(record: Record) -> tuple[Path, Path]:
    """Return a record's image file and outline file, whether or not they exist; ``ValueError`` if it names none."""
    if record.path is None or record.outline is None:
        raise ValueError(f"Record {record.id} must have a `path` and an `outline`. Take records from `open_dataset`.")
    return record.path, record.outline


def folder_of(source: str, data_dir: Path | str | None, *expected: str) -> Path:
    """Return ``data_dir / source`` if it holds at least one of the folders ``expected``.

    Raises ``FileNotFoundError`` that names the folder and says how to get the data.
    """
    remedy = f"`rrr fetch {source} --into FOLDER/{source}` gets it; data/README.md says more."
    if data_dir is None:
        raise FileNotFoundError(
            f"Data set {source!r} needs a data folder, but none was given. Set RRR_DATA_DIR to it. {remedy}"
        )
    root = Path(data_dir) / source
    if not any((root / name).is_dir() for name in expected):
        raise FileNotFoundError(
            f"Data set {source!r} is not in {root}: expected the folder {' or '.join(expected)} in it. Is RRR_DATA_DIR "
            f"right? {remedy.replace('FOLDER', str(data_dir))}"
        )
    return root


def draw(records: Sequence[Record], n: int | None, seed: int, source: str) -> tuple[Record, ...]:
    """Return ``n`` of ``records``, drawn by seed and dealt to the classes in turn, in the given order; None is all.

    Raises ``ValueError`` if there are fewer than ``n``.
    """
    if n is None:
        return tuple(records)
    chosen = splits.balanced(
        [record.id for record in records], [record.label for record in records], n, seed, f"images of {source}"
    )
    if len(chosen) < n:
        raise ValueError(
            f"`images` asks for {n} images of {source!r}, but there are {len(records)}. Ask for fewer, or get the "
            "whole data set (see data/README.md)."
        )
    return tuple(records[place] for place in chosen)
