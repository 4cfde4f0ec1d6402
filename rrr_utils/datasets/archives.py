"""Archives unpacked with suspicion: whole or not at all, and never a byte outside their folder."""

import errno
import lzma
import re
import reprlib
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from rrr_utils.common import progress

MEMBER_LIMIT = 200_000
BYTE_LIMIT = 8 * 2**30
CHUNK = 2**20
HEADER_LIMIT = 2**20  # bytes of a tar's extended header: a long name and a few properties
HEADERS_LIMIT = 32 * HEADER_LIMIT  # of all of them in one archive; they stay in memory
# What the readers raise on damaged bytes, on encryption and on methods that they do not know.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, NotImplementedError, ValueError, LookupError, OverflowError),
)
# What the operating system says to a name that it cannot store.
BAD_NAME = (errno.ENAMETOOLONG, errno.EILSEQ)
_EXTENDED = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_SHORT = reprlib.Repr()
_SHORT.maxstring = 200  # letters of a member's name in a message


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
        Naming the member, for an absolute path, ``..``, a link, a device, encryption, a name that comes twice, as a
        file and as a folder, or that no file can have, more than 200,000 members or more than 8 GiB; also for a tar
        with an extended header of more than 1 MiB (32 MiB in all) or with sparse members, for a damaged archive and
        for a file that is none.
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
            left -= _place(archive, name, source, target, left)
    except BadArchive:
        raise
    except DAMAGE as error:
        raise BadArchive(archive, f"it is damaged or of a kind that is not read here ({error})") from error
    except OSError as error:
        # gzip and lzma report damage as an OSError without a number, and a place before the archive's beginning is an
        # invalid argument; a full disk has another number and passes.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise BadArchive(archive, f"it is damaged ({error})") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield name and content (None for a folder) of every member; refuse links and special files."""
    tar = _tar(archive)
    if tar is None:
        yield from _zip_members(archive)
        return
    with tar:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise BadArchive(archive, f"member {_SHORT.repr(member.name)} is a link or a special file")
            yield member.name, None if member.isdir() else tar.extractfile(member)


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise BadArchive(archive, f"member {_SHORT.repr(entry.filename)} is a link or a special file")
            if entry.is_dir():
                yield entry.filename, None
                continue
            with opened.open(entry) as source:
                yield entry.filename, source


def _tar(archive: Path) -> tarfile.TarFile | None:
    """Return the archive opened as a tar, or None for one that is none and begins like a zip.

    ``zipfile.is_zipfile`` is not asked: it looks at the end, where a tar has its last member, which may be a zip.
    """
    try:
        return tarfile.open(archive, "r:*", tarinfo=_Bounded)
    except tarfile.ReadError:
        with archive.open("rb") as stream:
            if stream.read(2) == b"PK":
                return None
        raise


class _Bounded(tarfile.TarInfo):
    """A tar's header that is not read into memory where it may be long."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENDED:
            claimed = getattr(tar, "claimed", 0) + self.size
            if not 0 <= self.size <= HEADER_LIMIT or claimed > HEADERS_LIMIT:
                # A ReadError would be taken for "not this compression".
                raise tarfile.TarError(
                    f"an extended header claims {self.size:,} bytes, {claimed:,} with those before it, but "
                    f"{HEADER_LIMIT:,} and {HEADERS_LIMIT:,} in all are read"
                )
            tar.claimed = claimed  # type: ignore[attr-defined]
        return super()._proc_member(tar)  # type: ignore[misc]

    def _no_sparse(self, *_: object) -> NoReturn:
        # The map of a sparse file's pieces has no end that is known beforehand.
        raise tarfile.TarError("it has a sparse member: pack the files again without `--sparse`")

    _proc_sparse = _proc_gnusparse_10 = _no_sparse


def _safe(archive: Path, name: str) -> PurePosixPath:
    """Return a member's path inside the archive, or refuse it; backslashes count as slashes, as on Windows."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or re.match("[A-Za-z]:", name):
        raise BadArchive(archive, f"member {_SHORT.repr(name)} has an absolute path")
    if ".." in path.parts:
        raise BadArchive(archive, f"member {_SHORT.repr(name)} points outside the folder")
    if "\0" in name:
        raise BadArchive(archive, f"member {_SHORT.repr(name)} has a name that no file can have")
    return path


def _place(archive: Path, name: str, source: IO[bytes] | None, target: Path, limit: int) -> int:
    """Write a member, or make its folder, and return how many bytes it took."""
    try:
        if source is None:
            target.mkdir(parents=True, exist_ok=True)
            return 0
        target.parent.mkdir(parents=True, exist_ok=True)
        return _copy(archive, name, source, target, limit)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise BadArchive(archive, f"member {_SHORT.repr(name)} comes twice, or as a file and as a folder") from error
    except OSError as error:
        if error.errno not in BAD_NAME:
            raise
        raise BadArchive(
            archive, f"member {_SHORT.repr(name)} has a name that no file can have ({error.strerror})"
        ) from error


def _copy(archive: Path, name: str, source: IO[bytes], target: Path, limit: int) -> int:
    """Write a member and return its size, counted as it comes: an archive's own claims are not believed."""
    written = 0
    with target.open("xb") as stream:
        while chunk := source.read(CHUNK):
            written += len(chunk)
            if written > limit:
                raise BadArchive(archive, f"with {_SHORT.repr(name)} it would unpack to more than {BYTE_LIMIT:,} bytes")
            stream.write(chunk)
    return written
