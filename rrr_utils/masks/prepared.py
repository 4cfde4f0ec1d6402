"""A data set made ready: every image decoded, its object masked, both brought to the networks' sizes."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from rrr_utils import datasets, masks, metric
from rrr_utils.common import files, progress
from rrr_utils.common import files as sources
from rrr_utils.datasets import images
from rrr_utils.datasets import splits as draws
from rrr_utils.masks import centre_blob
from rrr_utils.tables import parquet

TABLE = "masks.parquet"
ABOUT = "data.json"


@dataclass(frozen=True)
class Prepared:
    """The usable images of a data set at one size, in the order of the masks table.

    ``images`` is uint8 ``(N, S, S, 3)``, ``masks`` uint8 0 or 1 ``(N, S, S)``, ``shifted`` like ``images`` for
    generated data (the same objects, backgrounds drawn freely) and None elsewhere; all are memory-mapped and
    read-only. ``labels`` is int64, ``ids`` and ``splits`` are text, all of length N.
    """

    name: str
    classes: tuple[str, ...]
    pictures: bool
    licence: str
    mask_source: str
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    shifted: NDArray[np.uint8] | None

    def where(self, split: str) -> NDArray[np.int64]:
        """Return the positions of the images of ``split`` ("train" or "test")."""
        return np.flatnonzero(self.splits == split)

    def cohort(self, split: str, n: int, seed: int) -> NDArray[np.int64]:
        """Return the positions of the fixed cohort: ``n`` images of ``split``, balanced by class, drawn by seed."""
        places = self.where(split)
        chosen = draws.balanced([self.ids[place] for place in places], self.labels[places], n, seed)
        return places[chosen]


def prepare(
    study: str,
    name: str,
    dataset: datasets.Dataset,
    masker: masks.Masker,
    sizes: Sequence[int],
    folder: Path | str,
    *,
    test_share: float,
    seed: int,
) -> pd.DataFrame:
    """Decode and mask every image of ``dataset``, write the arrays and the masks table, and return the table.

    An image that does not decode, that has no annotation, or on which no object was found is listed in the table with
    its reason, counted, and left out of the arrays and of the split. One image is in memory at a time. The arrays are
    written under temporary names and renamed when whole; the table is written last.

    Raises
    ------
    ValueError
        If a class has fewer than two usable images.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    drafts = {size: _Draft(folder, size, len(dataset.records)) for size in sizes}
    try:
        rows, shifted = _masked(name, dataset, masker, drafts)
        table = pd.DataFrame(rows).assign(study=study, data=name)
        usable = (table["status"] == "ok").to_numpy()
        counts = dict(Counter(table["status"]))
        bare = sorted(set(table["class"]) - set(table.loc[usable, "class"]))
        if bare:
            first = table[~usable & table["class"].isin(bare)].iloc[0]
            raise ValueError(
                f"Data set {name!r} has no usable image of {bare}; all images: {counts}. The first of these, "
                f"{first['image']!r}: {first['note'] or first['status']}. A classifier needs images with an object "
                "mask of every class: look at the images and masks of these classes, or leave the classes out."
            )
        table.loc[usable, "split"] = draws.split(
            table.loc[usable, "image"].tolist(), table.loc[usable, "label"], test_share, seed
        )
        for draft in drafts.values():
            draft.finish(int(usable.sum()), shifted)
    finally:
        for draft in drafts.values():
            draft.drop()
    facts = {
        "classes": list(dataset.classes),
        "licence": dataset.licence,
        "pictures": dataset.pictures,
        "mask_source": masker.source,
        "mask_provenance": dict(masker.provenance),
        "notes": list(dataset.notes),
        "counts": counts,
    }
    files.write_json(folder / ABOUT, facts)
    parquet.write(table, folder / TABLE, "masks")
    return table


def load(folder: Path | str, size: int) -> Prepared:
    """Return what :func:`prepare` left in ``folder`` at one size.

    Raises ``FileNotFoundError`` that says which notebook to run if it is not there.
    """
    folder = Path(folder)
    table = parquet.read(folder / TABLE, "masks")
    usable = table[table["status"] == "ok"]
    paths = {part: folder / f"{part}-{size}.npy" for part in ("images", "masks", "shifted")}
    if not paths["images"].exists():
        raise FileNotFoundError(
            f"{folder} holds no images of {size} pixels. Run notebooks/01-masking.ipynb for this data set with "
            f"`sizes` containing {size}."
        )
    facts = about(folder)
    arrays = {part: sources.safe_load_npy(path) for part, path in paths.items() if path.exists()}
    for part, array in arrays.items():
        if len(array) != len(usable):
            raise ValueError(
                f"{paths[part]} holds {len(array)} images, but {folder / TABLE} lists {len(usable)}. "
                "Delete the folder and run notebooks/01-masking.ipynb again."
            )
    return Prepared(
        name=folder.name,
        classes=tuple(facts["classes"]),
        pictures=bool(facts["pictures"]),
        licence=facts["licence"],
        mask_source=facts["mask_source"],
        ids=tuple(usable["image"]),
        labels=usable["label"].to_numpy(np.int64),
        splits=usable["split"].to_numpy(str),
        images=arrays["images"],
        masks=arrays["masks"],
        shifted=arrays.get("shifted"),
    )


def about(folder: Path | str) -> dict[str, Any]:
    """Return what :func:`prepare` noted about a data set: its classes, licence, masks, notes and counts.

    Raises ``FileNotFoundError`` that says which notebook to run if it is not there.
    """
    path = Path(folder) / ABOUT
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}. Run notebooks/01-masking.ipynb for this study and data set first."
        )
    facts: dict[str, Any] = files.read_json(path)
    return facts


def _masked(
    name: str, dataset: datasets.Dataset, masker: masks.Masker, drafts: "dict[int, _Draft]"
) -> tuple[list[dict[str, Any]], bool]:
    """Fill the drafts; return the rows of the masks table without split, and whether there are other backgrounds."""
    rows: list[dict[str, Any]] = []
    kept = 0
    shifted = False
    for record in progress.track(dataset.records, f"masks of {name}"):
        row = {
            "image": record.id,
            "label": record.label,
            "class": dataset.classes[record.label],
            "split": "",
            "source": masker.source,
            "area": float("nan"),
            "objects": 0,
            "status": "ok",
            "note": "",
            "blob": float("nan"),
        }
        rows.append(row)
        try:
            picture = dataset.image(record)
            found = masker(record, picture.array)
        except images.BadImage as error:
            row |= {"status": "bad image", "note": error.reason}
            continue
        except datasets.NoOutline as error:
            row |= {"status": "no annotation", "note": error.reason}
            continue
        row |= {"area": float(found.mask.mean()), "objects": found.objects, "note": _join(picture.note, found.note)}
        small = {size: images.squash_mask(found.mask, size) for size in drafts}
        if not all(mask.any() for mask in small.values()):
            row["status"] = "no object"
            continue
        largest = small[max(small)][None]
        row["blob"] = float(metric.score(largest, centre_blob.gaussian(largest))[0])
        if found.mask.all():
            row["note"] = _join(str(row["note"]), "the mask covers the whole image")
        other = dataset.shifted(record)
        for size, draft in drafts.items():
            draft.put(kept, picture.array, small[size], other)
        shifted = shifted or other is not None
        kept += 1
    return rows, shifted


class _Draft:
    """The arrays of one size while they are being filled; renamed when whole."""

    def __init__(self, folder: Path, size: int, capacity: int) -> None:
        self.folder, self.size = folder, size
        self.shapes = {
            "images": (capacity, size, size, 3),
            "masks": (capacity, size, size),
            "shifted": (capacity, size, size, 3),
        }
        self.arrays: dict[str, NDArray[np.uint8]] = {}

    def put(self, place: int, picture: NDArray, mask: NDArray, other: NDArray | None) -> None:
        self._array("images")[place] = images.squash(picture, self.size)
        self._array("masks")[place] = mask
        if other is not None:
            self._array("shifted")[place] = images.squash(other, self.size)

    def finish(self, count: int, shifted: bool) -> None:
        for part in ("images", "masks", *(["shifted"] if shifted else [])):
            with files.atomic(self.folder / f"{part}-{self.size}.npy") as temporary:
                np.save(temporary, self._array(part)[:count], allow_pickle=False)
        self.drop()

    def _array(self, part: str) -> NDArray[np.uint8]:
        if part not in self.arrays:
            self.arrays[part] = open_memmap(self._path(part), mode="w+", dtype=np.uint8, shape=self.shapes[part])
            _reserve(self._path(part))
        return self.arrays[part]

    def drop(self) -> None:
        """Remove what was not finished."""
        for part in list(self.arrays):
            del self.arrays[part]
            self._path(part).unlink(missing_ok=True)

    def _path(self, part: str) -> Path:
        return self.folder / f".{part}-{self.size}.draft.npy"


def _reserve(path: Path) -> None:
    """Take the disk space of a mapped file at once: where a page of it finds none later, the process is killed."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno not in files.FULL:
                return  # a file system that cannot; then as before
            raise OSError(
                error.errno,
                f"The disk is full: the images take {path.stat().st_size / 1e9:.2f} GB there. Free some space, or let "
                "RRR_RUNS name a folder on another disk, and run the same command again",
                str(path),
            ) from error


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
