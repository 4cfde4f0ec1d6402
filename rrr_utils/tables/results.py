"""The tables of all runs of a study, read together and written together."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from rrr_utils.tables import parquet as tables
from rrr_utils.tables import schemas


@dataclass(frozen=True)
class Results:
    """The tables of a study, one data frame for each schema, the rows of all runs below one another.

    ``answers`` are of those runs that have them: what was scored before this table existed has none.
    """

    masks: pd.DataFrame
    history: pd.DataFrame
    scores: pd.DataFrame
    shift: pd.DataFrame
    answers: pd.DataFrame


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

    answered = [run for run in runs if (folder / run / "answers.parquet").exists()]
    empty = pd.DataFrame(columns=schemas.SCHEMAS["answers"].names)
    return Results(
        masks=together("masks", data),
        history=together("history", runs),
        scores=together("scores", runs),
        shift=together("shift", runs),
        answers=together("answers", answered) if answered else empty,
    )


def write(found: Results, folder: Path | str) -> None:
    """Write each table that has rows to ``<folder>/<name>.parquet``: a whole study in a few files, to be published."""
    for field in fields(found):
        if len(table := getattr(found, field.name)):
            tables.write(table, Path(folder) / f"{field.name}.parquet", field.name)
