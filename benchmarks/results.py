"""The file of results, put together from pieces."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rrr_utils.common import files

KEY = ("what", "against")


def read(path: Path, machine: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Return what ``path`` has so far, or nothing yet where it is not there.

    Where all rows are made (``whole``), those of another machine, or of other versions or threads, are dropped. A
    single row may stand beside them, because both of its ways are timed on one machine; it then names its own (see
    :func:`elsewhere`).
    """
    empty = {"machine": dict(machine), "rows": [], "measures": {}}
    if not path.exists():
        return empty
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return empty if whole and found["machine"] != dict(machine) else found


def elsewhere(found: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row or table that is made on ``machine`` has to say of it: nothing where it is that of the file."""
    return {} if found["machine"] == dict(machine) else {"machine": dict(machine)}


def put_row(found: dict[str, Any], row: Mapping[str, Any]) -> bool:
    """Put a row in the place of the one with its name, else at the end; return whether it was put.

    A row that was not run never takes the place of one that was.
    """
    same = [place for place, each in enumerate(found["rows"]) if all(each[key] == row[key] for key in KEY)]
    if same and row["ratio"] is None and found["rows"][same[0]]["ratio"] is not None:
        return False
    if same:
        found["rows"][same[0]] = dict(row)
    else:
        found["rows"].append(dict(row))
    return True


def ordered(found: dict[str, Any], names: Sequence[tuple[str, str]], measures: Sequence[str]) -> dict[str, Any]:
    """Return the result with rows and measures in the given order, without those that are no longer made."""
    place = {name: number for number, name in enumerate(names)}
    rows = [row for row in found["rows"] if (row["what"], row["against"]) in place]
    rows.sort(key=lambda row: place[row["what"], row["against"]])
    kept = {name: found["measures"][name] for name in measures if name in found["measures"]}
    return {"machine": found["machine"], "rows": rows, "measures": kept}


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Write the result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(found, indent=1) + "\n")
