"""Finished pieces of a long computation on disk, which count only while they are asked for in the same way."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rrr_utils.common import checksums, files
from rrr_utils.tables import parquet

if TYPE_CHECKING:
    from rrr_utils.networks.stack import Stack
    from rrr_utils.training.runs import Run

# Named so that no other folder has one: with it a folder may be emptied.
_FILE = ".settings-of-these-pieces.json"
_PIECES = (".parquet", ".json")


def keep(folder: Path, run: "Run", seeds: Sequence[int], **settings: Any) -> None:
    """Make ``folder`` ready for pieces that ``settings`` lead to; pieces that others led to are removed.

    Settings are the arguments that a piece depends on; the run's images, what its name says, and the training of each
    of ``seeds`` whose checkpoints are read (none, where pieces are trained themselves) are among them.
    Whoever runs a notebook by hand with another parameter thus never gets an old number. ``make`` removes pieces by
    itself where a notebook or its code has changed. A piece that is not, to the bit, what was written under its name is
    removed too, to be made anew. Raises ``ValueError`` for a folder that holds other things, which are not for us to
    remove.
    """
    trained = [_hash(run.checkpoints(seed) / "record.json") for seed in seeds]
    asked = {"run": run, "images": _hash(run.folder.parents[2] / "masks.parquet"), "trained": trained, **settings}
    text = json.dumps(asked, default=_plain, sort_keys=True, indent=1) + "\n"
    file = folder / _FILE
    if not file.exists() and folder.exists() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} has no {_FILE}, so what it holds are not known to be pieces. Delete it, or name another."
        )
    if file.exists() and file.read_text(encoding="utf-8") != text:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(file, text)
    listed = checksums.read(folder / checksums.NAME)
    for piece in folder.glob("[!.]*.*"):
        if (piece.name in listed or piece.suffix in _PIECES) and not checksums.holds(piece):
            piece.unlink()


def write(rows: pd.DataFrame, piece: Path, name: str) -> None:
    """Write a finished piece of the table ``name``, and its hash: without that it does not count."""
    parquet.write(rows, piece, name)
    checksums.note(piece)


def by_checkpoint(
    run: "Run",
    name: str,
    seeds: Sequence[int],
    epochs: Sequence[int],
    make: "Callable[[Stack, list[int]], Sequence[pd.DataFrame]]",
    *,
    start_is_scored: bool = False,
    kind: str = "",
    **settings: Any,
) -> pd.DataFrame:
    """Return the rows of the table ``name`` at every seed and epoch of a run, each checkpoint a piece.

    Parameters
    ----------
    make
        Called as ``make(stack, epochs)`` for checkpoints whose pieces are missing, and returns the rows of each,
        without the columns that name the run.
    start_is_scored
        Whether epoch 0 is not computed: it is the last epoch of stage 1, and its rows are those of that run's table.
    kind
        The name of the pieces, where a table has several; default: the table's.
    settings
        The arguments that the rows depend on, see :func:`keep`.

    Raises
    ------
    FileNotFoundError
        If the table of stage 1 is missing and ``start_is_scored``.
    """
    computed = [epoch for epoch in epochs if epoch or not start_is_scored]
    kind = kind or name
    found = {(seed, epoch): run.piece(seed, f"{kind}-{epoch:02d}") for seed in seeds for epoch in computed}
    for seed in seeds:
        keep(run.pieces(seed, kind), run, [seed], **settings)
    if not all(file.exists() for file in found.values()):
        for members, stack in run.stacks(seeds, computed):
            for (seed, epoch), rows in zip(members, make(stack, [epoch for _, epoch in members]), strict=True):
                write(run.label(rows, seed), found[seed, epoch], name)
    parts = []
    for seed in seeds:
        for epoch in epochs:
            if epoch in computed:
                parts.append(parquet.read(found[seed, epoch], name))
            else:
                rows = parquet.read(run.stage1().folder / f"{name}.parquet", name)
                rows = rows[(rows["seed"] == seed) & (rows["epoch"] == run.head_epochs)]
                parts.append(run.label(rows.assign(epoch=0), seed))
    return pd.concat(parts, ignore_index=True)


def _hash(file: Path) -> str:
    return files.sha256(file) if file.exists() else ""


def _plain(value: Any) -> Any:
    """Return what JSON can say of a value: of an object its class and its public attributes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"is": type(value).__name__, **{f.name: getattr(value, f.name) for f in dataclasses.fields(value)}}
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__dict__"):
        public = {name: of for name, of in vars(value).items() if not name.startswith("_") and not callable(of)}
        return {"is": type(value).__name__, **public}
    return str(value)
