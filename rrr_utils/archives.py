"""Archives unpacked with suspicion: whole or not at all, and never a byte outside their folder."""

import lzma
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from rrr_utils import progress

MEMBER_LIMIT = 200_000
BYTE_LIMIT = 8 * 2**30
CHUNK = 2**20
# What the readers raise on damaged bytes, on encryption and on methods that they do not know.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, NotImplementedError, UnicodeDecodeError),
)


class BadArchive(ValueError):
    """An archive that was not unpacked; the message names it, the member at fault and what was expected."""

    def __init__(self, archive: Path, reason: str) -> None:
        self.archive, self.reason = archive, reason
        super().__init__(
            f"{archive}: {reason}. Nothing was unpacked. Delete the archive and get it again from where "
            "data/sources.yaml says."
        )


def extract(archive: Path | str, folder: Path | str) -> Path:
    """Unpack a zip or tar archive (plain or compressed) into ``folder``, whole or not at all, and return ``folder``.

    The archive is unpacked beside ``folder`` and moved into place when all of it is there. Only plain files and
    folders are written; permissions and owners are not taken over.

    Raises
    ------
    BadArchive
        Naming the member, for an absolute path, ``..``, a link, a device, encryption, a name that comes twice, more
        than 200,000 members or more than 8 GiB; also for a damaged archive or a file that is none.
    FileExistsError
        If ``folder`` already has an entry of the archive's; nothing is overwritten.
    """
    archive, folder = Path(archive), Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-unpacking-", dir=folder.parent))
    try:
        _unpack(archive, staging)
        staging.chmod(0o755)
        if folder.exists():
            _merge(archive, staging, folder)
        else:
            staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _merge(archive: Path, staging: Path, folder: Path) -> None:
    entries = sorted(staging.iterdir())
    taken = [entry.name for entry in entries if (folder / entry.name).exists()]
    if taken:
        raise FileExistsError(
            f"{folder} already has {taken}, which {archive} would write. Nothing was unpacked: move them away or "
            "choose another folder."
        )
    for entry in entries:
        entry.rename(folder / entry.name)


def _unpack(archive: Path, staging: Path) -> None:
    left, count = BYTE_LIMIT, 0
    try:
        for name, source in progress.track(_members(archive), f"unpacking {archive.name}"):
            count += 1
            target = staging / _safe(archive, name)
            if count > MEMBER_LIMIT:
                raise BadArchive(archive, f"it has more than {MEMBER_LIMIT:,} members")
            if source is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            left -= _copy(archive, name, source, target, left)
    except DAMAGE as error:
        raise BadArchive(archive, f"it is damaged or of a kind that is not read here ({error})") from error
    except OSError as error:
        # gzip and lzma report damage as an OSError without a number; a full disk has one and passes.
        if error.errno is not None:
            raise
        raise BadArchive(archive, f"it is damaged ({error})") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield name and content (None for a folder) of every member; refuse links and special files."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise BadArchive(archive, f"member {entry.filename!r} is a link or a special file")
                if entry.is_dir():
                    yield entry.filename, None
                    continue
                with opened.open(entry) as source:
                    yield entry.filename, source
        return
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise BadArchive(archive, f"member {member.name!r} is a link or a special file")
            yield member.name, None if member.isdir() else tar.extractfile(member)


def _safe(archive: Path, name: str) -> PurePosixPath:
    """Return a member's path inside the archive, or refuse it; backslashes count as slashes, as on Windows."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or re.match("[A-Za-z]:", name):
        raise BadArchive(archive, f"member {name!r} has an absolute path")
    if ".." in path.parts:
        raise BadArchive(archive, f"member {name!r} points outside the folder")
    return path


def _copy(archive: Path, name: str, source: IO[bytes], target: Path, limit: int) -> int:
    """Write a member and return its size, counted as it comes: an archive's own claims are not believed."""
    written = 0
    try:
        with target.open("xb") as stream:
            while chunk := source.read(CHUNK):
                written += len(chunk)
                if written > limit:
                    raise BadArchive(archive, f"with {name!r} it would unpack to more than {BYTE_LIMIT:,} bytes")
                stream.write(chunk)
    except (FileExistsError, IsADirectoryError) as error:
        raise BadArchive(archive, f"member {name!r} comes twice") from error
    return written
