"""Arrays that several trainings of a study need: made by the first, kept on disk for the others."""

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import files, memory_limits

# A group of arrays that was not used for so long (seconds) belongs to no training under way, and may give way.
IDLE = 3600.0


def shared(
    folder: Path,
    group: Mapping[str, Any],
    name: str,
    shape: tuple[int, ...],
    parts: Callable[[], Iterable[NDArray[np.float32]]],
) -> NDArray[np.float32] | None:
    """Return the float32 array ``name`` of ``group``, read-only, or None where there is no room for it.

    ``group`` and ``name`` must say all that decides what the array holds. ``parts()`` gives its rows in pieces, and is
    called only where ``folder`` does not have them. A file is checked against a digest of its name and content: one
    that is torn, or another's, is made anew. Of two processes that need the same array, one makes it and one waits.

    All arrays in ``folder`` take what ``RRR_SHARED_GB`` allows and the disk has, see
    :mod:`rrr_utils.common.memory_limits`; where room is needed, groups that were idle for an hour are deleted. The
    folder may be deleted at any time.
    """
    digest = hashlib.sha256(json.dumps(group, sort_keys=True).encode()).hexdigest()
    file, nbytes = folder / digest / f"{name}.float32", int(np.prod(shape)) * 4
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.touch()  # in use
    start = hashlib.sha256(f"{digest} {name} {shape}".encode())
    # Whoever comes second waits. The lock of a process that dies is free.
    with file.with_name(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_whole(file, nbytes, start.copy()):
            if not _makes_room(folder, file.parent, nbytes):
                return None
            with files.atomic(file) as temporary, temporary.open("wb") as stream:
                for part in parts():
                    rows = np.ascontiguousarray(part, np.float32)
                    stream.write(rows.data)
                    start.update(rows.data)
                stream.write(start.digest())
    return np.memmap(file, np.float32, "r", shape=shape)


def _is_whole(file: Path, nbytes: int, digest: "hashlib._Hash") -> bool:
    if not file.is_file() or file.stat().st_size != nbytes + digest.digest_size:
        return False
    content = np.memmap(file, np.uint8, "r")
    digest.update(content[:nbytes].data)
    return digest.digest() == content[nbytes:].tobytes()


def _makes_room(folder: Path, own: Path, nbytes: int) -> bool:
    """Return whether ``nbytes`` more may be written, after idle groups but ``own`` gave way, the oldest first."""
    allowed, now = memory_limits.nbytes("RRR_SHARED_GB"), time.time()

    def fits() -> bool:
        taken = sum(_state(path)[1] for path in folder.glob("*/*.float32"))
        return taken + nbytes <= allowed and nbytes < shutil.disk_usage(folder).free

    groups = sorted((_state(group)[0], group) for group in folder.iterdir() if group != own)
    idle = [group for used, group in groups if now - used > IDLE]
    while not fits() and idle:
        shutil.rmtree(idle.pop(0), ignore_errors=True)
    return fits()


def _state(path: Path) -> tuple[float, int]:
    """Return when ``path`` was changed and its bytes; 0 of each where another process has just taken it away."""
    try:
        return path.stat().st_mtime, path.stat().st_size
    except FileNotFoundError:
        return 0.0, 0
