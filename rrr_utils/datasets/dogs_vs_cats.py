"""Dogs vs. Cats (Asirra): photographs without outlines, in Kaggle's layout or that of the public copy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from rrr_utils.common.choices import one_of
from rrr_utils.common.ranges import Range, Seed
from rrr_utils.datasets import options as checks
from rrr_utils.datasets.dataset import Dataset, Record, draw, folder_of

CLASSES = ("cat", "dog")
LICENCE = "research use (Asirra, Microsoft Research), no open licence: no pictures are shown"


@dataclass(frozen=True)
class Options:
    """How many ``images`` (None: all), and which: ``drawn`` by seed, or as the paper's ``authors`` took them.

    The authors took the first half from the cats and the second from the dogs, in the order of the file names as text.
    """

    images: Annotated[int, Range(2, 1_000_000)] | None = None
    choice: str = "drawn"
    seed: Seed = 0

    def __post_init__(self) -> None:
        one_of("choice", self.choice, ("drawn", "authors"))


def about(options: Mapping[str, Any]) -> int:
    """Return about how many images these options give, for a plan; no image is opened."""
    return options.get("images") or 3000  # as many as the paper takes


def open_dataset(data_dir: Path | str | None, options: Mapping[str, Any]) -> Dataset:
    """Return the data set in ``data_dir / "dogs_vs_cats"``; options: see :class:`Options`.

    Kaggle's layout is ``train/cat.N.jpg``, that of the public copy ``PetImages/Cat/N.jpg``; ids are ``cat.N`` in both.
    Where both are there, Kaggle's is read.
    """
    chosen = checks.build(Options, options, "dogs_vs_cats")
    root = folder_of("dogs_vs_cats", data_dir, "train", "PetImages")
    records, others = _kaggle(root / "train") if (root / "train").is_dir() else _public(root / "PetImages")
    records.sort(key=lambda record: record.id)
    if chosen.choice == "authors":
        taken = _first(records, chosen.images or len(records))
    else:
        taken = draw(records, chosen.images, chosen.seed, "dogs_vs_cats")
    return Dataset(
        name="dogs_vs_cats",
        classes=CLASSES,
        records=taken,
        objects=CLASSES,
        licence=LICENCE,
        pictures=False,
        notes=(f"{others} files are not named like photographs and were left out",) if others else (),
    )


def _kaggle(folder: Path) -> tuple[list[Record], int]:
    """Return the records of ``train/cat.N.jpg`` and how many other files there are."""
    records, others = [], 0
    for path in folder.iterdir():
        match = re.fullmatch(r"(cat|dog)\.\d+\.jpg", path.name)
        if match:
            records.append(Record(path.stem, CLASSES.index(match[1]), path))
        else:
            others += 1
    return records, others


def _public(folder: Path) -> tuple[list[Record], int]:
    """Return the records of ``PetImages/Cat/N.jpg`` and how many other files there are."""
    records, others = [], 0
    for label, name in enumerate(CLASSES):
        inside = folder / name.capitalize()
        if not inside.is_dir():
            raise FileNotFoundError(
                f"There is no folder {inside}. Unpack the whole archive again (see data/README.md)."
            )
        for path in inside.iterdir():
            if re.fullmatch(r"\d+\.jpg", path.name):
                records.append(Record(f"{name}.{path.stem}", label, path))
            else:
                others += 1
    return records, others


def _first(records: list[Record], n: int) -> tuple[Record, ...]:
    """Return the first half of ``n`` from the cats and the rest from the dogs, in the order of their ids as text."""
    taken: list[Record] = []
    for label, count in enumerate((n - n // 2, n // 2)):
        members = [record for record in records if record.label == label]
        if len(members) < count:
            raise ValueError(
                f"`images` asks for {count} images of {CLASSES[label]!r}, but there are {len(members)}. Ask for fewer, "
                "or get the whole data set (see data/README.md)."
            )
        taken += members[:count]
    return tuple(taken)
