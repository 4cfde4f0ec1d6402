"""Where data and weights come from: fetched by name, checked, unpacked; and arrays read without trust."""

import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rrr_utils.common import files, paths
from rrr_utils.common.choices import one_of
from rrr_utils.common.files import safe_load_npy
from rrr_utils.datasets import downloads
from rrr_utils.datasets.archives import BadArchive, extract
from rrr_utils.datasets.downloads import DownloadFailed, WrongHash

__all__ = [
    "BadArchive",
    "DownloadFailed",
    "File",
    "LoginNeeded",
    "Source",
    "WrongHash",
    "extract",
    "fetch",
    "load",
    "safe_load_npy",
]


class LoginNeeded(RuntimeError):
    """A source that asks for an account; the message holds the exact line to type."""


@dataclass(frozen=True)
class File:
    """One file of a source: its address, its name here, its hash, and what it unpacks to.

    ``hash`` is ``"sha256:..."``, ``"md5:..."`` or None where none is published. ``gives`` names the folders that an
    archive unpacks to; empty for a file that is used as it is. ``inside`` holds the hashes of archives in the archive,
    ``also`` those of copies that hold the same numbers in other bytes.
    """

    address: str
    name: str
    hash: str | None = None
    bytes: int | None = None
    gives: tuple[str, ...] = ()
    inside: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set or a network's weights; ``into`` is its folder in the data folder, ``login`` what to type instead."""

    name: str
    title: str
    into: str
    licence: str
    citation: str
    page: str
    files: tuple[File, ...] = ()
    login: str | None = None


def load(listing: Path | str | None = None) -> dict[str, Source]:
    """Return the sources by name, from ``data/sources.yaml`` or another ``listing``.

    A key that is missing or unknown, an address that is not http(s), a name that is more than a file's name, or a
    hash of another kind raises ``ValueError`` that names the file and the entry.
    """
    path = Path(listing) if listing is not None else paths.root() / "data" / "sources.yaml"
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {name: _source(name, entry) for name, entry in entries.items()}
    except (yaml.YAMLError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a list of sources: {error}.") from error


def fetch(name: str, folder: Path | str | None = None, listing: Path | str | None = None) -> Path:
    """Fetch the source ``name`` into ``folder``, unpack and check it, and return ``folder``.

    By default it goes where a study looks for it: into the source's own folder in ``$RRR_DATA_DIR``.

    Folder names are the originals' (``caltech101/101_ObjectCategories``). What is already there is kept: a file after
    its hash was checked, an archive's folders as they are. A file without a published hash has its own recorded beside
    it (``<file>.sha256``) at the first download, and is held to that ever after.

    Raises
    ------
    LoginNeeded
        With the exact line to type, if the source asks for an account.
    WrongHash
        With the expected and the actual hash. A download is deleted; a file that was there before is left alone.
    DownloadFailed, BadArchive
        Nothing is left half-written or half-unpacked; a download that broke off is taken up by the next call.
    RuntimeError
        If another process is fetching into this folder.
    """
    known = load(listing)
    one_of("source", name, known)
    source = known[name]
    folder = Path(folder) if folder is not None else _home(source)
    if source.login is not None:
        line = source.login.replace("FOLDER", shlex.quote(str(folder)))
        raise LoginNeeded(f"{source.title} needs an account at {source.page}. Type:\n{line}")
    folder.mkdir(parents=True, exist_ok=True)
    with files.exclusive_lock(folder / ".fetching.lock", f"Fetching into {folder}"):
        for leftover in folder.glob(".unpacking-*"):
            shutil.rmtree(leftover)
        for file in source.files:
            if file.gives and all((folder / entry).is_dir() for entry in file.gives):
                continue
            _bring(file, folder / file.name)
            if file.gives:
                _unpack(file, folder)
    return folder


def source_of(name: str) -> Source | None:
    """Return the source of the file that is called ``name``; None of one that no source has, or without a list."""
    try:
        known = load()
    except FileNotFoundError:  # the package alone, outside a clone of the project
        return None
    return next((source for source in known.values() for file in source.files if file.name == name), None)


def known_hashes(path: Path) -> tuple[str, ...]:
    """Return the hashes that a source's file ``path`` may have: the published one, the recorded one, those of copies.

    None where neither is published nor recorded: then nothing is known of the file itself.
    """
    source = source_of(path.name)
    listed = [file for file in source.files if file.name == path.name] if source is not None else []
    known = (*(file.hash for file in listed if file.hash), *_recorded(path))
    return (*known, *(check for file in listed for check in file.also)) if known else ()


def _recorded(path: Path) -> tuple[str, ...]:
    record = path.with_name(f"{path.name}.sha256")
    return (f"sha256:{record.read_text(encoding='utf-8').split()[0]}",) if record.is_file() else ()


def _source(name: str, entry: Any) -> Source:
    values = dict(entry)
    parts = [
        File(**{**part, **{key: tuple(part.get(key, ())) for key in ("gives", "also")}})
        for part in values.pop("files", ())
    ]
    for part in parts:
        if not part.address.startswith(("https://", "http://")):
            raise ValueError(f"{name}: the address {part.address!r} must start with https://")
        for label in (part.name, *part.gives, *part.inside):
            if Path(label).name != label:
                raise ValueError(f"{name}: {label!r} must be a plain name")
        for check in (*([part.hash] if part.hash else []), *part.inside.values(), *part.also):
            one_of(f"hash of {name}", check.partition(":")[0], downloads.ALGORITHMS)
    return Source(name=name, files=tuple(parts), **values)


def _bring(file: File, target: Path) -> None:
    """Make sure that ``target`` is there and right: verify it, or download it."""
    record = target.with_name(f"{target.name}.sha256")
    check = file.hash or next(iter(_recorded(target)), None)
    if target.exists() and f"sha256:{downloads.digest(target)}" in file.also:
        return
    if not target.exists():
        downloads.download(file.address, target, check, file.bytes)
    elif check is not None:
        try:
            downloads.verify(target, check)
        except WrongHash as error:
            raise WrongHash(f"{error} It was there before and is left alone: move it away to fetch it anew.") from error
    if check is None:
        text = f"{downloads.digest(target)}  {target.name}\n"
        files.write_text(record, text)
        print(f"No hash of {target.name} is published. This one's sha256 was recorded in {record}: {text.split()[0]}")


def _unpack(file: File, folder: Path) -> None:
    """Unpack a checked archive in ``folder``, move the folders it gives into place and delete it."""
    archive = folder / file.name
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as name:
        staging = Path(name)
        extract(archive, staging / "0")
        for place, (inner, check) in enumerate(file.inside.items(), start=1):
            found = sorted(path for path in (staging / "0").rglob(inner) if path.is_file())
            if len(found) != 1:
                raise BadArchive(archive, f"expected one {inner!r} in it, but found {len(found)}")
            try:
                downloads.verify(found[0], check)
            except WrongHash as error:
                raise BadArchive(archive, f"{inner!r} in it is not the published one ({error})") from error
            extract(found[0], staging / str(place))
        origins = {entry: next(iter(sorted(staging.glob(f"*/{entry}"))), None) for entry in file.gives}
        for entry, origin in origins.items():
            if origin is None:
                raise BadArchive(archive, f"expected the folder {entry!r} in it")
        for entry, origin in origins.items():
            if origin is not None and not (folder / entry).exists():
                origin.rename(folder / entry)
    archive.unlink()


def _home(source: Source) -> Path:
    data = paths.data_dir()
    if data is None:
        raise ValueError("Name a folder, or set RRR_DATA_DIR to your data folder.")
    return data / source.into
