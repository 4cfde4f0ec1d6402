"""A zoo of models as its tables, and the predictors and outcomes of each model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.analyses.zoo import hypotheses, statistics
from rrr_utils.common import seeds
from rrr_utils.tables import parquet

# A common cohort of fewer images decides nothing.
LEAST_COMMON = 20
# What less of is expected to mean a more robust model: predictors and outcomes are turned, so that more is better.
_TURNED = ("entropy", "loss", "accuracy_removed", "deletion", hypotheses.KNOWN, "removed")


@dataclass(frozen=True)
class Zoo:
    """All models of a study: its table ``models``, and its predictors and outcomes, one row a model in the same order.

    Predictors and outcomes are turned so that more of each is expected to mean a more robust model. An outcome is
    missing (NaN) for a model that was trained on it.
    """

    models: pd.DataFrame
    predictors: pd.DataFrame
    outcomes: pd.DataFrame
    maps: pd.DataFrame = field(repr=False)
    resamples: int = statistics.RESAMPLES

    def eligible(self, outcome: str) -> pd.Series:
        """Return which models count for an outcome: it exists in their data, and they were not trained on it."""
        return self.outcomes[outcome].notna()

    def cells(self, outcome: str, over: str = "groups") -> tuple[statistics.Cell, ...]:
        """Return the models that are compared for an outcome: of each group, or of each kind inside each group."""
        where = np.flatnonzero(self.eligible(outcome))
        rows = self.models.iloc[where]
        kinds = rows["trained_on"].tolist() if over == "kinds" else None
        found = statistics.cells(rows["group"].tolist(), rows["training"].tolist(), kinds)
        # Two trainings tell nothing of a rank.
        return tuple(cell._replace(places=where[cell.places]) for cell in found if len(np.unique(cell.trainings)) > 2)


def read(folder: Path | str) -> Zoo:
    """Return the zoo that a study published under ``folder``; raises ``FileNotFoundError`` where there is none."""
    places = sorted(Path(folder).glob("10-zoo--*"))
    if not places:
        raise FileNotFoundError(
            f"There is no zoo in {folder}. Run `make study STUDY=zoo` and `make publish STUDY=zoo`."
        )
    models, maps = (
        pd.concat([parquet.read(place / f"{name}.parquet", name) for place in places], ignore_index=True)
        for name in ("zoo_models", "zoo_maps")
    )
    return of(models, maps)


def of(models: pd.DataFrame, maps: pd.DataFrame, resamples: int = statistics.RESAMPLES) -> Zoo:
    """Return the zoo of the two tables."""
    models = models.reset_index(drop=True)
    return Zoo(models, _predictors(models, maps), _outcomes(models), maps, resamples)


def turned(name: str) -> bool:
    """Return whether less of a predictor or an outcome is expected to mean a more robust model."""
    parts = name.split("/")
    if name.startswith("drop_"):
        # A model that is lost without the object is right for the right reason.
        return name != "drop_removed"
    return any(part in _TURNED for part in parts)


def _predictors(models: pd.DataFrame, maps: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, NDArray[np.float64]] = {
        "test_accuracy": models["accuracy_original"].to_numpy(float),
        hypotheses.KNOWN: models["known_tie"].to_numpy(float),
        **{name: models[name].to_numpy(float) for name in hypotheses.PLAIN[1:]},
    }
    for explainer in maps["explainer"].drop_duplicates():
        for measure in hypotheses.MEASURES:
            values, right = matrix(maps, models, explainer, measure)
            for cohort, counted in cohorts(models, right).items():
                columns[f"{explainer}/{measure}/{cohort}"] = means(values, counted)
    randomised = maps[maps["variant"] == hypotheses.RANDOMISED]
    for explainer in randomised["explainer"].drop_duplicates():
        for measure in ("score", "above"):
            values, right = matrix(maps, models, explainer, measure, hypotheses.RANDOMISED)
            columns[f"{hypotheses.RANDOMISED}/{explainer}/{measure}/all"] = means(values, np.ones_like(right))
            columns[f"{hypotheses.RANDOMISED}/{explainer}/{measure}/own"] = means(values, right)
    order = seeds.generator("shuffled models").permutation(len(models))
    for explainer in maps["explainer"].drop_duplicates():
        columns[f"{hypotheses.SHUFFLED}/{explainer}/above/own"] = columns[f"{explainer}/above/own"][order]
    found = pd.DataFrame(columns, index=models.index)
    return found * [-1.0 if turned(name) else 1.0 for name in columns]


def _outcomes(models: pd.DataFrame) -> pd.DataFrame:
    seen = models["seen"].str.split()
    found: dict[str, pd.Series] = {}
    for background in hypotheses.CHANGES:
        there = ~seen.map(lambda names, background=background: background in names)
        found[background] = models[f"accuracy_{background}"].where(there)
        found[f"drop_{background}"] = models["accuracy_original"] - found[background]
    return pd.DataFrame({name: -values if turned(name) else values for name, values in found.items()})


def matrix(
    maps: pd.DataFrame, models: pd.DataFrame, explainer: str, measure: str, variant: str = ""
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return a measure of an explainer's maps and what is correct, both ``(models, images)``; NaN: there is none."""
    rows = maps[(maps["explainer"] == explainer) & (maps["variant"] == variant)]
    column = rows["score"] - rows["chance"] if measure == "above" else rows[measure]
    # Data sets have images of other names: what counts is the place in the draw of each model.
    table = pd.DataFrame({"model": rows["model"], "value": column.astype(float), "correct": rows["correct"]})
    table["place"] = table.groupby("model").cumcount()
    values = table.pivot(index="model", columns="place", values="value").reindex(models["model"])
    right = table.pivot(index="model", columns="place", values="correct").reindex(models["model"])
    return values.to_numpy(float), right.eq(True).to_numpy(bool)


def cohorts(models: pd.DataFrame, right: NDArray[np.bool_]) -> Mapping[str, NDArray[np.bool_]]:
    """Return which images count for each model: its own correct ones, those that all of its group get right, all."""
    common = np.zeros_like(right)
    for places in models.groupby(["group", "seed"]).indices.values():
        agreed = right[places].all(axis=0)
        common[places] = agreed if agreed.sum() >= LEAST_COMMON else False
    return {"own": right, "common": common, "all": np.ones_like(right)}


def means(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each row's mean, ``(models,)``, of the values that are known and ``counted``; NaN where there is none."""
    known = ~np.isnan(values) & counted
    n = known.sum(axis=1)
    return np.asarray(np.where(n > 0, np.where(known, values, 0.0).sum(axis=1) / np.maximum(n, 1), np.nan), np.float64)
