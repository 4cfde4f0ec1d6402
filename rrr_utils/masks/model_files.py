"""What both networks that make masks share: their file is found, bounded and named; threads are set."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

SIZE_LIMIT = 512 * 2**20  # bytes; the largest file in use has 170 MB


class BadModel(ValueError):
    """A file that is not the network it should be; the message names file, expectation and remedy."""


def locate(model: Path | str | None, data_dir: Path | str | None, name: str, fetch: str) -> Path:
    """Return the path of a network's file: ``model`` if given, else ``data_dir / "masks" / name``.

    A missing file raises ``FileNotFoundError`` with the line that fetches it (``fetch`` is its name in
    data/sources.yaml); a file that is empty or larger than ``SIZE_LIMIT`` raises ``BadModel``.
    """
    if model is None and data_dir is None:
        raise FileNotFoundError(
            f"{name} is looked for in the folder `masks` of the data folder, but no data folder was given. Set "
            f"RRR_DATA_DIR to it, or pass the file itself as the option `model`."
        )
    path = Path(model) if model is not None else Path(data_dir or "") / "masks" / name
    line = f"`rrr fetch {fetch} --into {shlex.quote(str(path.parent))}`"
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}. Fetch {name} with {line}, or pass another place as the option `model`."
        )
    size = path.stat().st_size
    if not 0 < size <= SIZE_LIMIT:
        raise BadModel(
            f"{path} has {size} bytes; a network's file has between 1 and {SIZE_LIMIT}. Delete it and fetch it again "
            f"with {line}."
        )
    return path


def threads() -> int | None:
    """Return how many threads an engine may use: OMP_NUM_THREADS, or None (the engine's choice) if unset."""
    text = os.environ.get("OMP_NUM_THREADS", "").strip()
    if not text:
        return None
    # OpenMP allows a list, one number for each level of nesting; the first is the outermost.
    first = text.split(",")[0].strip()
    if not first.isdecimal() or int(first) < 1:
        raise ValueError(f"OMP_NUM_THREADS must be a positive integer, but it is {text!r}.")
    return int(first)


def same_shape(got: Sequence[object], expected: Sequence[object]) -> bool:
    """Return whether a declared shape agrees with ``expected``, where None and text stand for any size."""
    return len(got) == len(expected) and all(
        one == other for one, other in zip(got, expected) if isinstance(one, int) and isinstance(other, int)
    )
