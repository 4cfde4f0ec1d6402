"""Images of one's own: a folder of a subfolder for each class, and masks in a folder of the same layout."""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import paths
from rrr_utils.datasets import images as files
from rrr_utils.datasets import options as checks
from rrr_utils.datasets.dataset import Dataset, NoOutline, Record, files_of, same_size

# What is white in a mask file, by its kind: the lowest of these that no pixel exceeds.
_WHITE = (1, 255, 65_535)
# A level is an area, and not the soft edge of one, if so large a share of a mask has it along with all neighbours.
_AREA = 0.005
# Lossy formats spread black and white over levels nearby.
_LOSSY, _NEARBY = (".jpg", ".jpeg", ".webp"), 32


@dataclass(frozen=True)
class Options:
    """The folder of the ``images`` and that of the ``masks`` (None: no outlines); their ``licence``; may they be shown?

    Relative paths count as :func:`rrr_utils.common.paths.given` has it.
    """

    images: str
    masks: str | None = None
    licence: str = "not stated"
    pictures: bool = False

    def __post_init__(self) -> None:
        for name in ("images", "masks"):
            value = getattr(self, name)
            if not isinstance(value, str | Path) and not (name == "masks" and value is None):
                raise ValueError(f"`{name}` must be the path of a folder, but {value!r} was passed.")
        checks.switch("pictures", self.pictures)


@dataclass(frozen=True)
class Folder(Dataset):
    """Images by class, each with the mask of the same name."""

    masks: Path | None = None

    def outline(self, record: Record) -> NDArray[np.float32]:
        """Return the image's mask, float32 ``(H, W)``, 0 or 1.

        A mask file is white (255, or 1; of 16 bits also 65,535) on black: a pixel is of the object from half of white
        upwards. Raises ``NoOutline`` that names the file which is missing or damaged, and ``ValueError`` for a mask of
        another size than its image, one that is transparent in places, and one with other levels, such as a label
        image that numbers objects or marks their borders.
        """
        if self.masks is None:
            raise NoOutline(record, "no folder of masks was given; set the option `masks`")
        if record.outline is None:
            raise NoOutline(record, f"there is no mask {self.masks / record.id}.png (or any other image suffix)")
        path, mask = files_of(record)
        try:
            values = files.mask_levels(mask)
        except files.BadImage as error:
            raise NoOutline(record, f"mask {mask}: {error.reason}") from error
        same_size(record, values.shape, files.shape(path))
        highest = int(values.max())
        white = next((level for level in _WHITE if highest <= level), _WHITE[-1])
        half = (white + 1) // 2
        if 0 < highest < half:
            raise ValueError(
                f"The mask {mask} has values up to {highest}; expected 0 and 255, or 0 and 1, or 0 and 65,535. If it "
                "numbers several objects, write one black and white mask of the object that the class names."
            )
        areas = _areas(values // _NEARBY * _NEARBY if mask.suffix.lower() in _LOSSY else values)
        if len(areas) > 2 or 0 < max(areas, default=0) < half <= highest:
            raise ValueError(
                f"The mask {mask} has areas of the levels {', '.join(map(str, areas))} and values up to {highest}; "
                "expected black and white. It seems to number objects or to mark their borders: write one mask of the "
                "object that the class names, np.where(labels == number, 255, 0)."
            )
        return (values >= half).astype(np.float32)


def about(options: Mapping[str, Any]) -> int:
    """Return about how many images these options give, for a plan; no image is opened."""
    folder = paths.given(str(options.get("images", "")), paths.data_dir())
    return sum(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else 1000


def open_dataset(data_dir: Path | str | None, options: Mapping[str, Any]) -> Folder:
    """Return the data set that the options describe (see :class:`Options`).

    Each subfolder is a class, images may lie deeper; ids are paths without suffix, such as ``cat/tom``. An image's
    mask has the same path in the folder of masks, with any image suffix. Two files that would share an id or a mask
    raise ``ValueError`` that names both.
    """
    chosen = checks.build(Options, options, "folder")
    root = _existing("images", chosen.images, data_dir)
    masks = _existing("masks", chosen.masks, data_dir) if chosen.masks is not None else None
    if masks is not None and masks.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"The masks {masks} lie among the images {root}, where they would be a class. Move them out.")
    pictures = _by_name(root)
    outlines = _by_name(masks) if masks is not None else {}
    classes = _classes(root, pictures)
    records = tuple(
        Record(name, classes.index(name.split("/")[0]), path, outlines.get(name))
        for name, path in sorted(pictures.items())
    )
    return Folder(
        name="folder",
        classes=classes,
        records=records,
        objects=classes,
        licence=str(chosen.licence),
        pictures=chosen.pictures,
        notes=_notes(root, pictures, outlines, masks),
        masks=masks,
    )


def _areas(values: NDArray[np.int64]) -> list[int]:
    """Return the levels that each fill more than a little of a mask, the darkest first."""
    middle = values[1:-1, 1:-1]
    neighbours = (values[:-2, 1:-1], values[2:, 1:-1], values[1:-1, :-2], values[1:-1, 2:])
    inside = np.logical_and.reduce([middle == each for each in neighbours])
    levels, counts = np.unique(middle[inside], return_counts=True)
    return [int(level) for level in levels[counts > _AREA * values.size]]


def _existing(option: str, value: str, data_dir: Path | str | None) -> Path:
    path = paths.given(value, data_dir)
    if not path.is_dir():
        raise FileNotFoundError(
            f"Option `{option}` of data set 'folder' names {path}, which is not a folder. Give its whole path, or a "
            "path from RRR_DATA_DIR."
        )
    return path


def _by_name(root: Path) -> dict[str, Path]:
    """Return the image files below the subfolders of ``root`` by their relative path without suffix."""
    found: dict[str, Path] = {}
    for path in sorted(root.glob("*/**/*")):
        inside = path.relative_to(root)
        if path.suffix.lower() not in files.SUFFIXES or any(part.startswith(".") for part in inside.parts):
            continue
        # macOS takes an accented letter apart where others write one sign: the same name, also of a class or a mask.
        name = unicodedata.normalize("NFC", inside.with_suffix("").as_posix())
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"The name of {str(path)!r} is not UTF-8, as from an old archive. Rename it: results name images by "
                "their files."
            ) from error
        if name in found:
            raise ValueError(
                f"{found[name]} and {path} have the same name but for the suffix, or for how accents are stored. "
                "Rename or remove one."
            )
        found[name] = path
    return found


def _classes(root: Path, pictures: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the names of the subfolders with images, in the order of the names on the disk, as Keras has it."""
    stored = {(name.split("/")[0], path.relative_to(root).parts[0]) for name, path in pictures.items()}
    twice = [name for name, count in Counter(name for name, _ in stored).items() if count > 1]
    if twice:
        raise ValueError(
            f"{root} has two folders that are called {twice[0]!r}, with its accents stored in two ways. Put them into "
            "one, or rename one."
        )
    return tuple(name for name, _ in sorted(stored, key=lambda pair: pair[1]))


def _notes(root: Path, pictures: dict[str, Path], outlines: dict[str, Path], masks: Path | None) -> tuple[str, ...]:
    loose = sum(path.suffix.lower() in files.SUFFIXES for path in root.iterdir() if path.is_file())
    notes = [f"{loose} images lie beside the class folders and were left out"] if loose else []
    kinds = Counter(
        path.suffix
        for path in root.glob("*/**/*")
        if path.is_file() and path.suffix.lower() not in files.SUFFIXES and not path.name.startswith(".")
    )
    notes += [f"{count} files that end in {suffix or 'nothing'} were left out" for suffix, count in kinds.items()]
    if masks is not None:
        bare, strays = len(pictures.keys() - outlines.keys()), len(outlines.keys() - pictures.keys())
        notes += [f"{bare} images have no mask"] if bare else []
        notes += [f"{strays} masks have no image"] if strays else []
    return tuple(notes)
