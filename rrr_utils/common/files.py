"""Whole files or none: atomic writes, hashes, and a lock that dies with its process."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# What the operating system says where nothing more fits.
FULL = {
    errno.ENOSPC: "The disk is full",
    errno.EDQUOT: "Your share of the disk is full",
    errno.EFBIG: "The file would be larger than this shell or disk allows (`ulimit -f`)",
}


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends well, flush it to disk and rename it.

    The temporary file keeps the suffix of ``path``, because libraries choose a format by it. If the block or
    the flush fails, the temporary file is deleted and ``path`` is left as it was. A full disk, or share of
    it, raises an ``OSError`` that names the file and says what to do.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        # mkstemp makes files private to the user; a result is readable like any other file of the project.
        temporary.chmod(0o644)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        if error.errno in FULL:
            raise OSError(
                error.errno,
                f"{FULL[error.errno]}: {path} was not written and is as it was before. "
                f"Free some space on the disk of {path.parent} and run the same command again.",
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys, atomically; the same value gives the same bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Return the JSON value in ``path``; a torn or foreign file raises ``ValueError`` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}). Delete it and run the same command again.") from error


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive_lock(path: Path | str, what: str) -> Iterator[None]:
    """Hold ``path`` as a lock while the block runs.

    The operating system releases the lock when the process ends, however it ends, so a killed run leaves
    nothing to clean up. If another process holds it, ``RuntimeError`` says so, with that process's number.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise RuntimeError(
                f"{what} is already running (process {holder} holds {path}). Nothing was started: wait for that run "
                f"to end, or stop it with `kill {holder}` and run the same command again."
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def safe_load_npy(path: Path | str) -> np.ndarray:
    """Return the array in a ``.npy`` file, memory-mapped and read-only.

    A file that holds Python objects (a pickle, which runs code when read), is damaged or is no ``.npy`` raises
    ``ValueError`` that names it and the remedy. Nothing in it is ever executed.
    """
    path = Path(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged header meets NumPy's reader with errors of every kind
        with path.open("rb") as stream:
            start = stream.read(6)
        if start != b"\x93NUMPY" or "object" in str(error).lower():
            reason = "it holds Python objects (a pickle), or is no .npy file at all; such a file is never opened"
        else:
            reason = f"it is damaged ({error})"
        raise ValueError(
            f"{path} is not a plain array: {reason}. Expected numbers saved by `numpy.save`: delete the file and run "
            "the step that makes it again."
        ) from error
