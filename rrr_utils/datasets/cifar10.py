"""CIFAR-10: 60,000 photographs of 32 x 32 pixels in ten classes, without outlines (Krizhevsky 2009)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from rrr_utils.common.choices import one_of
from rrr_utils.common.ranges import Range, Seed
from rrr_utils.datasets import options as checks
from rrr_utils.datasets.dataset import Dataset, Record, draw, folder_of
from rrr_utils.datasets.images import BadImage, Decoded

# By class the object's name in PASCAL VOC, which DeepLab looks for; what VOC lacks keeps its own.
OBJECTS = {
    "airplane": "aeroplane",
    "automobile": "car",
    "bird": "bird",
    "cat": "cat",
    "deer": "deer",
    "dog": "dog",
    "frog": "frog",
    "horse": "horse",
    "ship": "boat",
    "truck": "truck",
}
FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
LICENCE = "none is stated: no pictures are shown"
SIDE = 32
_BYTES = 1 + 3 * SIDE * SIDE
_FOLDER = "cifar-10-batches-bin"


@dataclass(frozen=True)
class Options:
    """Which ``classes`` (None: all ten), and how many ``images`` of them, dealt to the classes in turn (None: all)."""

    classes: tuple[str, ...] | None = None
    images: Annotated[int, Range(2, 1_000_000)] | None = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        checks.names("classes", self.classes)
        for name in self.classes or ():
            one_of("class", name, tuple(OBJECTS))


@dataclass(frozen=True)
class Cifar10(Dataset):
    """CIFAR-10 in its binary version: a label's byte, then 1,024 each of red, green and blue, row by row."""

    def image(self, record: Record) -> Decoded:
        """Return the picture, uint8 ``(32, 32, 3)``; ``BadImage`` if its file has become shorter."""
        if record.path is None:
            return super().image(record)
        with record.path.open("rb") as file:
            file.seek(int(record.id.rpartition("/")[2]) * _BYTES + 1)
            found = file.read(_BYTES - 1)
        if len(found) < _BYTES - 1:
            raise BadImage(record.path, f"it ends before image {record.id}")
        return Decoded(np.frombuffer(found, np.uint8).reshape(3, SIDE, SIDE).transpose(1, 2, 0).copy())


def about(options: Mapping[str, Any]) -> int:
    """Return about how many images these options give, for a plan; no image is opened."""
    return options.get("images") or 60000


def open_dataset(data_dir: Path | str | None, options: Mapping[str, Any]) -> Cifar10:
    """Return the data set in ``data_dir / "cifar10" / "cifar-10-batches-bin"``; options: see :class:`Options`.

    Training and test files are read as one; ids are ``data_batch_1/00000``. The version for Python, which Keras
    downloads, is a pickle and is not read. A file of another layout raises ``ValueError`` that names it.
    """
    chosen = checks.build(Options, options, "cifar10")
    folder = folder_of("cifar10", data_dir, _FOLDER) / _FOLDER
    classes = tuple(name for name in OBJECTS if chosen.classes is None or name in chosen.classes)
    numbers = {list(OBJECTS).index(name): label for label, name in enumerate(classes)}
    records = []
    for path in (folder / name for name in FILES):
        records += [
            Record(f"{path.stem}/{place:05d}", numbers[number], path)
            for place, number in enumerate(_labels(path).tolist())
            if number in numbers
        ]
    return Cifar10(
        name="cifar10",
        classes=classes,
        records=draw(records, chosen.images, chosen.seed, "cifar10"),
        objects=tuple(OBJECTS[name] for name in classes),
        licence=LICENCE,
        pictures=False,
    )


def _labels(path: Path) -> np.ndarray:
    """Return the labels of a file of pictures, uint8, after a look at its size and at all labels."""
    remedy = "`rrr fetch cifar10` gets the archive; unpack it again."
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. {remedy}")
    size = path.stat().st_size
    if size == 0 or size % _BYTES or size > 10_000 * _BYTES:
        raise ValueError(
            f"{path} must hold up to 10,000 pictures of {_BYTES} bytes, but it has {size} bytes: it is not a file of "
            f"CIFAR-10's binary version, or damaged. {remedy}"
        )
    labels = np.array(np.memmap(path, np.uint8, "r").reshape(-1, _BYTES)[:, 0])
    if labels.max() >= len(OBJECTS):
        raise ValueError(f"{path} has the label {labels.max()}, but CIFAR-10 has 0 to 9. {remedy}")
    return labels
