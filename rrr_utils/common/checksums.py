"""Lists of files and their SHA-256, as `sha256sum` writes and checks them."""

import re
from collections.abc import Mapping
from pathlib import Path

from rrr_utils.common import files

NAME = "SHA256SUMS"
# So far above a table lies the list of a study's published tables: <results>/<study>/<analysis>/<name>.parquet.
_HIGHEST = 3


def read(file: Path) -> dict[str, str]:
    """Return the hash of each file that the list ``file`` names, the later of two; none where there is no list.

    What is no line of a list is left out: a file that it named counts as one that is not listed.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    found = (re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in lines)
    return {each[2]: each[1] for each in found if each}


def note(file: Path) -> None:
    """Write the hash of ``file`` to the list in its folder, in the order of names; a file that is gone leaves it."""
    listed = read(file.parent / NAME)
    found = {file.name: files.sha256(file)} if file.exists() else {}
    _write(file.parent, {name: of for name, of in listed.items() if name != file.name} | found)


def holds(file: Path) -> bool:
    """Return whether ``file`` is there and is, to the bit, what the list in its folder says."""
    return file.is_file() and read(file.parent / NAME).get(file.name) == files.sha256(file)


def record(folder: Path, part: str) -> None:
    """Write the hashes of all files in ``folder/part`` to the list in ``folder``, sorted; other lines of it stay."""
    others = {name: of for name, of in read(folder / NAME).items() if not name.startswith(f"{part}/")}
    _write(folder, others | {f"{part}/{name}": files.sha256(path) for name, path in _below(folder / part).items()})


def faults(folder: Path) -> list[str]:
    """Return what is wrong with the files in ``folder`` by its list: changed, missing, not listed."""
    listed, there = read(folder / NAME), _below(folder)
    changed = [name for name in listed.keys() & there.keys() if files.sha256(there[name]) != listed[name]]
    lines = {**dict.fromkeys(changed, "is not the file that is listed")}
    lines |= dict.fromkeys(listed.keys() - there.keys(), "is missing")
    lines |= dict.fromkeys(there.keys() - listed.keys(), "is not listed")
    return [f"{name} {lines[name]}" for name in sorted(lines)]


def fault(path: Path) -> str:
    """Return how ``path`` differs from what a list in one of the three folders above it says; "" where none does."""
    for folder in path.absolute().parents[:_HIGHEST]:
        expected = read(folder / NAME).get(path.absolute().relative_to(folder).as_posix())
        if expected is not None and (got := files.sha256(path)) != expected:
            return f"it has sha256 {got}, but {folder / NAME} says {expected}"
    return ""


def _write(folder: Path, found: Mapping[str, str]) -> None:
    files.write_text(folder / NAME, "".join(f"{found[name]}  {name}\n" for name in sorted(found)))


def _below(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    shown = {inside: path for inside, path in found.items() if not any(part.startswith(".") for part in inside.parts)}
    return {inside.as_posix(): path for inside, path in shown.items() if inside.as_posix() != NAME}
