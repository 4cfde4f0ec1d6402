"""The tables of all runs of a study, read together and written together."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from rrr_utils import tables


@dataclass(frozen=True)
class Results:
    """The tables of a study, one data frame for each schema, the rows of all runs below one another."""

    masks: pd.DataFrame
    history: pd.DataFrame
    scores: pd.DataFrame
    shift: pd.DataFrame


def read(folder: Path | str, runs: Sequence[str]) -> Results:
    """Return the tables of ``runs``, folders ``<data>/<network>/<strategy>/<trained on>`` below ``folder``.

    Only the runs that are named are read: what an earlier version of the study left in the folder does not mix in.
    Raises ``FileNotFoundError`` if a table is missing.
    """
    folder = Path(folder)
    if not runs:
        raise ValueError(f"`runs` must name at least one run below {folder}, but it is empty.")
    data = sorted({run.split("/")[0] for run in runs})

    def together(name: str, parents: Sequence[str]) -> pd.DataFrame:
        parts = [tables.read(folder / parent / f"{name}.parquet", name) for parent in parents]
        return pd.concat(parts, ignore_index=True)

    return Results(
        masks=together("masks", data),
        history=together("history", runs),
        scores=together("scores", runs),
        shift=together("shift", runs),
    )


def write(found: Results, folder: Path | str) -> None:
    """Write the four tables to ``<folder>/<name>.parquet``: a whole study in four files, ready to be published."""
    for field in fields(found):
        tables.write(getattr(found, field.name), Path(folder) / f"{field.name}.parquet", field.name)
