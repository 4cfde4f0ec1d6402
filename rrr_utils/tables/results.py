"""The tables of all runs of a study, read together and written together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from rrr_utils.tables import parquet

_RUN = ["data", "network", "strategy", "trained_on"]
_NONE: Mapping[str, Sequence[int]] = {}


@dataclass(frozen=True)
class Results:
    """The tables of a study, one data frame for each schema, the rows of all runs below one another.

    ``answers`` and ``end_scores`` are of those runs that have them, the others of all.
    """

    masks: pd.DataFrame
    history: pd.DataFrame
    scores: pd.DataFrame
    shift: pd.DataFrame
    answers: pd.DataFrame
    end_scores: pd.DataFrame


def read(
    folder: Path | str,
    runs: Sequence[str],
    published: Mapping[str, Sequence[int]] = _NONE,
    results: Path | str | None = None,
) -> Results:
    """Return the tables of ``runs``, folders ``<data>/<network>/<strategy>/<trained on>`` below ``folder``.

    Only the runs that are named are read: what an earlier version of the study left in the folder does not mix in.
    ``published`` names seeds of runs that are not in ``folder``: their rows are taken from the study's published tables
    in the folder ``results``. Raises ``FileNotFoundError`` if a table is missing.
    """
    folder = Path(folder)
    if not runs:
        raise ValueError(f"`runs` must name at least one run below {folder}, but it is empty.")

    def rows_of(run: str, name: str) -> pd.DataFrame:
        file, seeds = folder / run / f"{name}.parquet", published.get(run, ())
        here = parquet.read(file, name) if file.exists() or not seeds else None
        if not seeds or results is None:
            return parquet.read(file, name)
        taken = _published(Path(results), run, name)
        taken = taken[taken["seed"].isin(seeds)]
        if here is None:
            return taken
        # In the order of a table that was made whole: intervals are drawn in the order of rows.
        return pd.concat([taken, here[~here["seed"].isin(seeds)]]).sort_values("seed", kind="stable")

    def together(name: str, which: Sequence[str] = runs) -> pd.DataFrame:
        return pd.concat([rows_of(run, name) for run in which], ignore_index=True)

    def masks(data: str) -> pd.DataFrame:
        file = folder / data / "masks.parquet"
        if results is None or file.exists() or not any(run.split("/")[0] == data for run in published):
            return parquet.read(file, "masks")
        rows = parquet.read(Path(results) / "masks.parquet", "masks")
        return rows[rows["data"] == data]

    def of_some(name: str) -> pd.DataFrame:
        there = results is not None and (Path(results) / f"{name}.parquet").exists()
        some = [run for run in runs if (folder / run / f"{name}.parquet").exists() or (there and run in published)]
        return together(name, some) if some else parquet.empty(name)

    return Results(
        masks=pd.concat([masks(data) for data in sorted({run.split("/")[0] for run in runs})], ignore_index=True),
        history=together("history"),
        scores=together("scores"),
        shift=together("shift"),
        answers=of_some("answers"),
        end_scores=of_some("end_scores"),
    )


def restore(results: Path, run: str, name: str, file: Path) -> None:
    """Write the rows that are published of one run in the folder ``results`` to its own table ``name``, ``file``."""
    parquet.write(_published(results, run, name), file, name)


def _published(results: Path, run: str, name: str) -> pd.DataFrame:
    rows = parquet.read(results / f"{name}.parquet", name)
    return rows[(rows[_RUN] == run.split("/")).all(axis=1)]


def write(found: Results, folder: Path | str) -> None:
    """Write each table that has rows to ``<folder>/<name>.parquet``: a whole study in a few files, to be published."""
    for field in fields(found):
        if len(table := getattr(found, field.name)):
            parquet.write(table, Path(folder) / f"{field.name}.parquet", field.name)
