"""One file from one address: resumed where it broke off, checked against its hash, whole or not there."""

import errno
import hashlib
import http.client
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rrr_utils.common import files

ATTEMPTS = 5
PAUSE = 1.0  # seconds before the second attempt; doubled before each further one
CHUNK = 2**20
TIMEOUT = 60.0  # seconds without a byte
BYTE_LIMIT = 8 * 2**30  # of a file whose size is not known beforehand
ALGORITHMS = ("sha256", "md5")
# How a network that goes away reports in the middle of a file, where no class of Python's stands for the number.
AWAY = (errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH)


class DownloadFailed(RuntimeError):
    """A file that could not be fetched; the message names address and file, and what to do."""


class WrongHash(ValueError):
    """A file whose bytes are not the published ones; the message names the file, the expected and the actual hash."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to another address, but neither to another kind of server nor out of an encrypted connection."""

    def redirect_request(self, req: urllib.request.Request, *args: Any) -> urllib.request.Request | None:
        target = args[-1]
        kinds = ("https",) if req.type == "https" else ("http", "https")
        if urllib.parse.urlsplit(target).scheme not in kinds:
            raise DownloadFailed(
                f"{req.full_url} leads to {target}, but only {' and '.join(kinds)} are followed from there. Nothing "
                "was fetched: is the address in data/sources.yaml still right?"
            )
        return super().redirect_request(req, *args)


_OPENER = urllib.request.build_opener(_Redirects)


def download(address: str, target: Path, check: str | None, size: int | None = None) -> None:
    """Fetch ``address`` to ``target``, showing a progress bar on a terminal.

    Bytes go to ``target`` + ``.part``; a broken connection is taken up again, up to five times, from where it broke,
    and so is what an earlier, interrupted call left, if the server allows it. ``check`` is ``"sha256:..."`` or
    ``"md5:..."``. Without one nothing would notice two versions joined, so an earlier call's part is not used.
    ``size``, in bytes, is what is accepted at most.

    Raises
    ------
    WrongHash
        If the bytes are not the expected ones; the download is deleted, ``target`` is not written.
    DownloadFailed
        If the server refuses, or leads elsewhere than by http or https (from https: by https alone); if the connection
        keeps breaking, the file is larger than expected, or the disk has too little room for it. What has arrived stays
        in the ``.part`` for the next call, unless it is too large.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if check is None:
        part.unlink(missing_ok=True)
    for attempt in range(ATTEMPTS):
        try:
            _continue(address, part, size)
            break
        except urllib.error.HTTPError as error:
            if error.code not in (408, 429) and error.code < 500:
                raise DownloadFailed(
                    f"{address} answered {error.code} ({error.reason}). If the file has moved, fetch {target.name} by "
                    f"hand, put it into {target.parent} and run the same command again: it is checked there too."
                ) from error
            _pause(address, target, attempt, error)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            _pause(address, target, attempt, error)
        except OSError as error:
            if error.errno in files.FULL:
                raise DownloadFailed(
                    f"The disk of {target.parent} is full. What has arrived of {address} is kept: free some space and "
                    "run the same command again."
                ) from error
            if error.errno not in AWAY:
                raise
            _pause(address, target, attempt, error)
    if check is not None:
        try:
            verify(part, check)
        except WrongHash as error:
            part.unlink()
            raise WrongHash(f"{address}: {error} The download was deleted; run the same command again.") from error
    part.replace(target)


def verify(path: Path, check: str) -> None:
    """Raise ``WrongHash`` with both hashes unless the file's bytes have the hash ``"algorithm:digits"``."""
    algorithm, _, expected = check.partition(":")
    got = digest(path, algorithm)
    if got != expected.lower():
        raise WrongHash(f"{path} has {algorithm} {got}, but {expected} was expected.")


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's hash as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _continue(address: str, part: Path, size: int | None) -> None:
    """Append what is missing to ``part``; raises ``ConnectionError`` if the server hangs up too early."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        return  # the hash decides
    headers = {"User-Agent": "rrr-utils", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = _OPENER.open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            return  # nothing comes after what is here; the hash decides
        raise
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise ConnectionError("the server sent another part than was asked for")
        start = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        _room(address, part, total, size)
        arrived = start
        with (
            part.open("ab" if resumed else "wb") as stream,
            tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.read(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
                arrived += len(chunk)
                if arrived > (size or BYTE_LIMIT):
                    break
    if arrived > (size or BYTE_LIMIT):
        part.unlink()
        raise DownloadFailed(f"{address} sends more than the {size or BYTE_LIMIT:,} bytes expected; it was deleted.")
    if total is not None and arrived < total:
        raise ConnectionError(f"{arrived:,} of {total:,} bytes arrived")


def _room(address: str, part: Path, total: int | None, size: int | None) -> None:
    if total is None:
        return
    if total > (size or BYTE_LIMIT):
        raise DownloadFailed(
            f"{address} has {total:,} bytes, but {size or BYTE_LIMIT:,} were expected at most. Nothing was fetched: "
            "the file there is another one."
        )
    missing = total - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise DownloadFailed(
            f"{part.parent} has {free:,} bytes left, but {address} needs {missing:,} more. Free some space, or choose "
            "a folder on another disk, and run the same command again."
        )


def _pause(address: str, target: Path, attempt: int, error: Exception) -> None:
    """Wait before the next attempt; after the last one raise ``DownloadFailed``."""
    if attempt == ATTEMPTS - 1:
        raise DownloadFailed(
            f"{address} could not be fetched in {ATTEMPTS} attempts ({error}). What has arrived is kept; run the same "
            f"command again to continue, or put {target.name} into {target.parent} by hand."
        ) from error
    time.sleep(PAUSE * 2**attempt)
