"""The small tables that are published beside the large ones of a study."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from rrr_utils.common import files, spreadsheets
from rrr_utils.statistics.cohorts import COHORTS, FIXED, Ignored
from rrr_utils.statistics.means import average
from rrr_utils.statistics.proportions import accuracy_table, shift_table


def summary(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    shift: pd.DataFrame,
    masks: pd.DataFrame,
    *,
    confidence: float = 0.95,
    resamples: int = 1999,
    seed: int = 0,
    ignore_epochs: Ignored = (),
) -> dict[str, pd.DataFrame]:
    """Return the three small tables that are published beside a study's large ones.

    ``scores``: :func:`average` of every data set, network, strategy, trained_on, epoch, split and explainer, over
    each of the three cohorts. ``accuracy``: :func:`accuracy_table`. ``shift``: :func:`shift_table`.
    """
    by = [column for column in FIXED if column in scores.columns]
    means = [
        average(
            scores, by, cohort=kind, confidence=confidence, resamples=resamples, seed=seed, ignore_epochs=ignore_epochs
        )
        for kind in COHORTS
    ]
    return {
        "scores": pd.concat(means, ignore_index=True),
        "accuracy": accuracy_table(history, masks, confidence=confidence),
        "shift": shift_table(shift, confidence=confidence),
    }


def write_summary(tables: Mapping[str, pd.DataFrame], folder: Path | str) -> list[Path]:
    """Write each table to ``folder/<name>.csv``, six decimals, atomically; the same rows give the same bytes."""
    paths = []
    for name, table in tables.items():
        path = Path(folder) / f"{name}.csv"
        files.write_text(path, spreadsheets.csv(table))
        paths.append(path)
    return paths
