"""Caltech 101: pictures of objects with hand-drawn outlines (Li, Andreeto, Ranzato and Perona)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy import io
from skimage.draw import polygon

from rrr_utils.common.choices import one_of
from rrr_utils.common.ranges import Range, Seed
from rrr_utils.datasets import images, splits
from rrr_utils.datasets import options as checks
from rrr_utils.datasets.dataset import Dataset, NoOutline, Record, files_of, folder_of

# Folders of annotations that are not called like their images' folders.
ODD_NAMES = {
    "airplanes": "Airplanes_Side_2",
    "Faces": "Faces_2",
    "Faces_easy": "Faces_3",
    "Motorbikes": "Motorbikes_16",
}
NOT_A_CATEGORY = "BACKGROUND_Google"
BYTE_LIMIT = 64 * 2**10  # an annotation has about 1 kB; compressed data may grow a thousandfold
FARTHEST = 1e5  # pixels; no coordinate of a picture is larger


@dataclass(frozen=True)
class Options:
    """At most ``cap`` images a class (60 in the paper, 85 in its code), of these ``categories``; None is all."""

    cap: Annotated[int, Range(2, 1_000_000)] | None = None
    categories: tuple[str, ...] | None = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        checks.names("categories", self.categories)


@dataclass(frozen=True)
class Caltech101(Dataset):
    """Caltech 101, whose outlines are polygons in MATLAB files."""

    def outline(self, record: Record) -> NDArray[np.float32]:
        """Return the pixels whose centres lie inside the outline, float32 ``(H, W)``, at the image's own size.

        Raises ``NoOutline`` that names the annotation if it is missing, damaged, too large, or not two rows of
        coordinates and a box.
        """
        path, annotation = files_of(record)
        height, width = images.shape(path)
        across, down = _contour(record, annotation)
        mask = np.zeros((height, width), np.float32)
        rows, columns = polygon(down, across, shape=mask.shape)
        mask[rows, columns] = 1.0
        return mask


def about(options: Mapping[str, Any]) -> int:
    """Return about how many images these options give, for a plan; no image is opened."""
    return len(options.get("categories") or range(101)) * min(options.get("cap") or 90, 90)


def open_dataset(data_dir: Path | str | None, options: Mapping[str, Any]) -> Caltech101:
    """Return the data set in ``data_dir / "caltech101"``; options: see :class:`Options`.

    Image and annotation are paired by the number in their names. ``BACKGROUND_Google`` is no category.
    """
    chosen = checks.build(Options, options, "caltech101")
    root = folder_of("caltech101", data_dir, "101_ObjectCategories")
    pictures = root / "101_ObjectCategories"
    there = sorted(folder.name for folder in pictures.iterdir() if folder.is_dir() and folder.name != NOT_A_CATEGORY)
    for name in chosen.categories or ():
        one_of("categories", name, there)
    classes = tuple(name for name in there if chosen.categories is None or name in chosen.categories)
    records: list[Record] = []
    small = []
    for label, category in enumerate(classes):
        members = _members(root, category, label)
        if chosen.cap is not None and len(members) < chosen.cap:
            small.append(f"{category} {len(members)}")
        if chosen.cap is not None:
            ids = [record.id for record in members]
            kept = splits.balanced(ids, [label] * len(ids), chosen.cap, chosen.seed, "cap of caltech101")
            members = [members[place] for place in kept]
        records += members
    records.sort(key=lambda record: record.id)
    bare = sum(not files_of(record)[1].is_file() for record in records)
    notes = []
    if small:
        notes.append(f"{len(small)} categories have fewer than {chosen.cap} images: {', '.join(small)}")
    if bare:
        notes.append(f"{bare} images have no annotation")
    return Caltech101(
        name="caltech101",
        classes=classes,
        records=tuple(records),
        objects=tuple(name.replace("_", " ") for name in classes),
        licence="Caltech 101 (Li, Andreeto, Ranzato and Perona), CC BY 4.0",
        pictures=True,
        notes=tuple(notes),
    )


def _members(root: Path, category: str, label: int) -> list[Record]:
    """Return the records of a category, by name; an annotation that is expected need not be there."""
    annotations = root / "Annotations" / category
    if not annotations.is_dir() and category in ODD_NAMES:
        annotations = root / "Annotations" / ODD_NAMES[category]
    records = []
    for path in sorted((root / "101_ObjectCategories" / category).iterdir()):
        match = re.fullmatch(r"image_(\d+)\.jpg", path.name)
        if match:
            outline = annotations / f"annotation_{match[1]}.mat"
            records.append(Record(f"{category}/{path.stem}", label, path, outline))
    return records


def _contour(record: Record, path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the outline's x and y in pixels of the image, where pixel centres are whole numbers from 0."""
    if not path.is_file():
        raise NoOutline(record, f"there is no annotation {path}")
    if path.stat().st_size > BYTE_LIMIT:
        raise NoOutline(record, f"annotation {path} has {path.stat().st_size} bytes, more than {BYTE_LIMIT}")
    try:
        found = io.loadmat(path, variable_names=["obj_contour", "box_coord"])
        contour = np.asarray(found["obj_contour"], dtype=np.float64)
        box = np.asarray(found["box_coord"], dtype=np.float64)
    except Exception as error:  # a damaged file meets SciPy's reader with errors of every kind
        raise NoOutline(record, f"annotation {path} cannot be read ({type(error).__name__}: {error})") from error
    if contour.ndim != 2 or contour.shape[0] != 2 or contour.shape[1] < 3 or box.shape != (1, 4):
        raise NoOutline(
            record,
            f"annotation {path} must hold obj_contour of shape (2, n), n >= 3, and box_coord of shape (1, 4), but they "
            f"have {contour.shape} and {box.shape}",
        )
    if not (np.abs(contour) < FARTHEST).all() or not (np.abs(box) < FARTHEST).all():
        raise NoOutline(record, f"annotation {path} holds coordinates that no picture has")
    # The contour counts from the box, the box from 1; box_coord is y0, y1, x0, x1.
    return contour[0] + box[0, 2] - 1.0, contour[1] + box[0, 0] - 1.0
