"""Oxford-IIIT Pet: cats and dogs of 37 breeds with trimaps (Parkhi, Vedaldi, Zisserman and Jawahar 2012)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.common.ranges import Range, Seed
from rrr_utils.datasets import images
from rrr_utils.datasets import options as checks
from rrr_utils.datasets.dataset import Dataset, NoOutline, Record, draw, files_of, folder_of, same_size

SPECIES = ("cat", "dog")
ANIMAL, BACKGROUND, BORDER = 1, 2, 3


@dataclass(frozen=True)
class Options:
    """Cat against dog (``species``) or one class a ``breed``; is the trimap's ``border`` part of the object?

    ``breeds`` keeps only these, ``images`` draws so many by seed, dealt to the classes in turn; None is all.
    """

    task: str = "species"
    border: bool = True
    breeds: tuple[str, ...] | None = None
    images: Annotated[int, Range(2, 1_000_000)] | None = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        one_of("task", self.task, ("species", "breed"))
        checks.switch("border", self.border)
        checks.names("breeds", self.breeds)


@dataclass(frozen=True)
class OxfordPets(Dataset):
    """Oxford-IIIT Pet, whose outlines are trimaps: 1 the animal, 2 the background, 3 the border between them."""

    border: bool = True

    def outline(self, record: Record) -> NDArray[np.float32]:
        """Return the animal, with its border unless ``border`` is False, float32 ``(H, W)``, 0 or 1.

        A trimap that is all background gives an empty mask. Raises ``NoOutline`` that names the trimap if it is
        missing, damaged, or holds other values than 1, 2 and 3; ``ValueError`` if it has another size than its image.
        """
        path, annotation = files_of(record)
        if not annotation.is_file():
            raise NoOutline(record, f"there is no trimap {annotation}")
        try:
            trimap = images.stored_values(annotation)
        except images.BadImage as error:
            raise NoOutline(record, f"trimap {annotation}: {error.reason}") from error
        same_size(record, trimap.shape, images.shape(path))
        values = set(np.unique(trimap).tolist())
        if not values <= {ANIMAL, BACKGROUND, BORDER}:
            raise NoOutline(record, f"trimap {annotation} must hold 1, 2 and 3, but it holds {sorted(values)}")
        return np.isin(trimap, (ANIMAL, BORDER) if self.border else (ANIMAL,)).astype(np.float32)


def about(options: Mapping[str, Any]) -> int:
    """Return about how many images these options give, for a plan; no image is opened."""
    return options.get("images") or 7390


def open_dataset(data_dir: Path | str | None, options: Mapping[str, Any]) -> OxfordPets:
    """Return the data set in ``data_dir / "oxford_pets"``; options: see :class:`Options`.

    The breed is in the file's name, and the species in its case: cats' breeds are capitalised.
    """
    chosen = checks.build(Options, options, "oxford_pets")
    root = folder_of("oxford_pets", data_dir, "images")
    breeds: dict[str, str] = {}  # of each id
    for path in (root / "images").iterdir():
        match = re.fullmatch(r"([A-Za-z][A-Za-z_]*)_\d+\.jpg", path.name)
        if match:
            breeds[path.stem] = match[1]
    there = sorted(set(breeds.values()))
    for name in chosen.breeds or ():
        one_of("breeds", name, there)
    kept = [name for name in there if chosen.breeds is None or name in chosen.breeds]
    classes = SPECIES if chosen.task == "species" else tuple(kept)
    records = [
        Record(
            stem,
            classes.index(_species(breed) if chosen.task == "species" else breed),
            root / "images" / f"{stem}.jpg",
            root / "annotations" / "trimaps" / f"{stem}.png",
        )
        for stem, breed in sorted(breeds.items())
        if breed in kept
    ]
    return OxfordPets(
        name="oxford_pets",
        classes=classes,
        records=draw(records, chosen.images, chosen.seed, "oxford_pets"),
        objects=SPECIES if chosen.task == "species" else tuple(_species(breed) for breed in kept),
        licence="Oxford-IIIT Pet (Parkhi, Vedaldi, Zisserman and Jawahar 2012), CC BY-SA 4.0",
        pictures=True,
        notes=_notes(root, set(breeds)),
        border=chosen.border,
    )


def _species(breed: str) -> str:
    return "cat" if breed[0].isupper() else "dog"


def _notes(root: Path, there: set[str]) -> tuple[str, ...]:
    """Return what the list of images says beside what is there; without a list there is nothing to say."""
    path = root / "annotations" / "list.txt"
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    listed = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
    absent, unlisted = len(listed - there), len(there - listed)
    notes = [f"{absent} of the {len(listed)} images named in list.txt are not there"] if absent else []
    return (*notes, *([f"{unlisted} images are not named in list.txt; they are used"] if unlisted else []))
