"""The files of a training run: weights of the trained layers an epoch, and the state from which it goes on."""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import checksums, files
from rrr_utils.engine import weights
from rrr_utils.networks.network import Network

BYTE_LIMIT = 4 * 2**30  # far more than VGG16 takes with the state of its optimizer


def path(folder: Path | str, epoch: int) -> Path:
    """Return where the weights after ``epoch`` epochs lie."""
    return Path(folder) / f"epoch-{epoch:02d}.npz"


def restore(network: Network, folder: Path | str, epoch: int) -> None:
    """Give ``network`` the weights of the trained layers after ``epoch`` epochs of the run in ``folder``.

    The other layers are not touched. Raises ``FileNotFoundError`` where there is no such checkpoint, and ``ValueError``
    where it is damaged or belongs to another network; nothing is changed then.
    """
    file = path(folder, epoch)
    if not file.exists():
        there = sorted(int(other.stem.removeprefix("epoch-")) for other in Path(folder).glob("epoch-*.npz"))
        raise FileNotFoundError(
            f"There is no checkpoint {file}; {folder} has epochs {there}. Run the training of that folder again."
        )
    arrays = read(file)
    layers = {key.rsplit("/", 1)[0] for key in arrays}
    unknown = layers - {layer.name for layer in network.model.layers}
    if unknown:
        raise ValueError(
            f"{file} has weights of {sorted(unknown)}, which {network.name} lacks: it belongs to another network."
        )
    weights.put(network.model, arrays, sorted(layers), str(file))


def write(file: Path, arrays: Mapping[str, NDArray], record: Any = None) -> None:
    """Write ``arrays``, and ``record`` as JSON beside them, in one file, atomically; the same give the same bytes.

    The hash of arrays alone is noted in the folder, see :mod:`rrr_utils.common.checksums`; a record itself says whose
    arrays these are.
    """
    extra = {} if record is None else {"record": np.array(json.dumps(record))}
    with files.atomic(file) as temporary:
        np.savez(temporary, **arrays, **extra)  # type: ignore[arg-type]
    if record is None:
        checksums.note(file)


def read(file: Path) -> dict[str, NDArray]:
    """Return the arrays in ``file``; ``ValueError`` names a damaged one, or another in its place. Nothing is unpickled.

    One that would unpack to more than 4 GiB counts as damaged, before anything is unpacked.
    """
    try:
        if fault := checksums.fault(file):
            raise ValueError(fault)
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > BYTE_LIMIT:
            raise ValueError(f"it would unpack to {size:,} bytes, and at most {BYTE_LIMIT:,} are read")
        with np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except Exception as error:  # a damaged archive fails in many ways
        raise ValueError(
            f"{file} is damaged ({error}). Delete it and run the training of {file.parent} again."
        ) from error


def read_state(file: Path, settings: Mapping[str, Any]) -> tuple[dict[str, NDArray], dict[str, Any]] | None:
    """Return the arrays and the record of the state in ``file`` if it is one of a run with ``settings``.

    None if there is no such file, if the run had other settings, or if one of its checkpoints is gone or another.
    """
    if not file.exists():
        return None
    arrays = read(file)
    record = json.loads(str(arrays["record"]))
    there = all(checksums.holds(path(file.parent, epoch)) for epoch in range(record["epoch"] + 1))
    return (arrays, record) if there and record["settings"] == settings else None


def digest(arrays: Iterable[NDArray]) -> str:
    """Return the SHA-256 of the types, shapes and contents of ``arrays``."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype}{array.shape}".encode())
        for row in np.atleast_1d(array):  # a row at a time, so that a memory map stays on the disk
            total.update(np.ascontiguousarray(row).tobytes())
    return total.hexdigest()


def weights_digest(network: Network) -> str:
    """Return the SHA-256 of all weights of ``network``."""
    layers = (layer.name for layer in network.model.layers)
    return digest(array for name in layers for array in weights.take(network.model, [name]).values())
