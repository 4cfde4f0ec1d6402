"""SHA-256 of files, each read once: a cache knows a file again by its path, size, times and inode, as git's index does.

It notices whatever changes a file through the file system, also where size and time of modification are put back. What
a disk loses by itself, no time tells: for that a file has to be read again.
"""

import contextlib
import functools
import hashlib
import json
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from rrr_utils.common import files

# A file that was changed so shortly before it was read may change again within the same tick of its clock (two seconds
# on the coarsest file systems): it is not believed to be the same the next time.
TICK_NS = 2_000_000_000
# Entries that are kept; those that were used longest ago go first.
MOST = 200_000
# Size, time of modification, time of any change, inode; a modification can be dated back, a change cannot.
State = tuple[int, int, int, int]


def of(paths: Iterable[Path], cache: Path) -> dict[Path, str | None]:
    """Return the SHA-256 of each file, as hexadecimal digits; None of what is no file that can be read.

    Links are followed. Files that ``cache`` does not know as they are now are read. ``cache`` is a file of this module
    that need not exist; a damaged one is made anew, and where it cannot be written the next call takes longer.
    """
    known = _read(cache, _state(cache))
    found: dict[Path, str | None] = {}
    fresh: dict[str, tuple[State, str]] = {}
    for path in paths:
        if path in found:
            continue
        state = _state(path)
        before = known.get(str(path))
        if state is not None and before is not None and before[0] == state:
            found[path] = before[1]
            continue
        began = time.time_ns()
        found[path] = digest = _digest(path) if state is not None else None
        # A clock that was set back dates the change into the future; then, too, nothing is believed.
        if state is not None and digest is not None and state[2] + TICK_NS < began and state == _state(path):
            fresh[str(path)] = state, digest
    if fresh:
        # Another process may have added to it meanwhile. What it adds after this is lost, and found out again.
        kept = {**_read(cache, _state(cache)), **fresh}
        _write(cache, dict(list(kept.items())[-MOST:]))
    return found


def _state(path: Path) -> State | None:
    """Return what tells a file from itself at another time; None of what is no regular file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _digest(path: Path) -> str | None:
    try:
        return files.sha256(path)
    except OSError:
        return None


@functools.lru_cache(maxsize=2)
def _read(cache: Path, _state: State | None) -> dict[str, tuple[State, str]]:
    """Return the entries of a cache; none if it is missing, of another form, or not what was written."""
    try:
        check, _, text = cache.read_text(encoding="ascii").partition("\n")
        if check != _hash(text):
            return {}
        return {
            path: ((size, mtime, ctime, inode), digest)
            for path, (size, mtime, ctime, inode, digest) in json.loads(text).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(cache: Path, entries: dict[str, tuple[State, str]]) -> None:
    # A name need not be text; JSON in ASCII holds it all the same.
    text = json.dumps({path: [*state, digest] for path, (state, digest) in entries.items()}, separators=(",", ":"))
    with contextlib.suppress(OSError):
        files.write_text(cache, f"{_hash(text)}\n{text}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
