"""What the abstracts of two neighbouring papers claim, judged from the published tables by rules that can fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rrr_utils.analyses.overinterpretation import statistics
from rrr_utils.analyses.reliability import mosaics
from rrr_utils.analyses.reliability.statistics import reliability_table, score_rows
from rrr_utils.statistics.intervals import bootstrap
from rrr_utils.tables import parquet

# From here on a network is called sure; the share of the pixels that the abstract leaves; and how close an accuracy has
# to come to that on whole images to be called enough.
SURE, KEPT, ENOUGH = 0.9, 0.05, 0.05
# Differences of probabilities and accuracies whose whole interval is within this count as none.
ALIKE = 0.01

CARTER, FRESZ = "Carter et al. 2021", "Fresz et al. 2024"


class Sentence(NamedTuple):
    """One claim: whose it is, in our words what the abstract says, and the rule by which it is judged here."""

    paper: str
    words: str
    rule: str


SENTENCES = {
    "sure": Sentence(
        CARTER,
        "networks are sure of images of which 95% are masked",
        "mean probability of the predicted class on the selected 5% of the pixels, against 0.9",
    ),
    "choice": Sentence(
        CARTER,
        "and it is these pixels that matter",
        "the same, minus on as many random pixels, against 0",
    ),
    "superset": Sentence(
        "an objection raised against it",
        "a network that had understood these pixels would be as sure of them with their neighbours",
        "selected minus with neighbours, against 0: above it, the objection holds",
    ),
    "meaningless": Sentence(
        CARTER,
        "what is left is on the object less than by chance",
        "share of sufficient subsets on the object minus chance, against 0: above it, the claim fails",
    ),
    "suffices": Sentence(
        CARTER,
        "these patterns alone suffice to reach a high test accuracy",
        "accuracy when trained and tested on selected pixels: at most 5 points below whole images, above random ones",
    ),
    "ensemble": Sentence(
        CARTER, "ensembles mitigate it", "probability on selected pixels, ensemble minus its members, against 0: below"
    ),
    "dropout": Sentence(
        CARTER,
        "input dropout mitigates it",
        "probability on selected pixels, with input dropout minus without, against 0: below",
    ),
    "unreliable": Sentence(
        FRESZ,
        "metrics of explanations, built on intuition, are possibly unreliable",
        "Krippendorff's alpha over images: unreliable below 0.667, reliable from 0.8",
    ),
}


@dataclass(frozen=True)
class Found:
    """The published tables of one run; None where an analysis was not asked for."""

    kept: pd.DataFrame | None = None
    sufficient: pd.DataFrame | None = None
    retrained: pd.DataFrame | None = None
    mosaics: pd.DataFrame | None = None
    scores: pd.DataFrame | None = field(default=None)


def read(folder: Path | str) -> dict[str, Found]:
    """Return what a study published about overinterpretation and reliability, by run: ``data/network/trained on``."""
    parts: dict[str, dict[str, pd.DataFrame]] = {}
    for place in sorted(Path(folder).glob("0[0-9]-*--*")):
        kind, data, network, _, trained_on = place.name.split("--")
        names = {
            "overinterpretation": {
                "kept": "pixel_subsets",
                "sufficient": "sufficient_subsets",
                "retrained": "subset_accuracy",
            },
            "reliability": {"mosaics": "mosaics", "scores": "scores"},
        }.get(kind.split("-", 1)[1], {})
        for name, table in names.items():
            if (place / f"{table}.parquet").exists():
                found = parquet.read(place / f"{table}.parquet", table)
                parts.setdefault(f"{data}/{network}/{trained_on}", {})[name] = found
    return {run: Found(**found) for run, found in parts.items()}


def verdicts(runs: Mapping[str, Found]) -> pd.DataFrame:
    """Return one row a claim and a run that can judge it, in the order of ``SENTENCES``.

    Columns ``key``, ``paper``, ``claim``, ``run``, ``what`` was compared where a claim has several numbers, ``value``
    with ``low`` and ``high``, ``against``, and ``verdict``: "holds", "does not hold", "no difference" (the whole
    interval is within ``ALIKE`` of 0), "undecided" (it reaches both sides) or "undecided (one seed)"; for the
    reliability of a measure "reliable", "tentative", "unreliable" or "undecided", which is said of the one
    network whose explanations were ranked, over images.
    """
    rows: list[dict[str, Any]] = []
    for run, found in runs.items():
        if found.kept is not None and found.sufficient is not None:
            rows += _of_pixels(run, found.kept, found.sufficient)
        if found.retrained is not None:
            rows += _of_training(run, found.retrained)
        if found.mosaics is not None and found.scores is not None:
            rows += _of_measures(run, found.mosaics, found.scores)
    plain, dropout = ([name for name in runs if ("-dropout/" in name) is wanted] for wanted in (False, True))
    for name in dropout:
        before = name.replace("-dropout/", "/")
        if before in plain:
            rows += _of_dropout(name, runs[before], runs[name])
    order = {key: place for place, key in enumerate(SENTENCES)}
    rows.sort(key=lambda row: order[row["key"]])
    sentences = [SENTENCES[row["key"]] for row in rows]
    table = pd.DataFrame(rows).assign(
        paper=[each.paper for each in sentences], claim=[each.words for each in sentences]
    )
    return table[["key", "paper", "claim", "run", "what", "value", "low", "high", "against", "verdict"]]


def places(runs: Mapping[str, Found]) -> pd.DataFrame:
    """Return how large the first sufficient subsets of single networks are in each run, and how many lie on the object.

    Also the verdict on the score against chance: "on the object", "beside the object" or "undecided".
    """
    rows = []
    for run, found in runs.items():
        if found.sufficient is None:
            continue
        table = statistics.sufficient_table(found.sufficient)
        row = table[(table["voters"] == 1) & (table["answers"] == "all")].iloc[0].to_dict()
        said = _side(row["above_low"], row["above_high"], 0.0, "on the object", "beside the object")
        rows.append({"run": run, **row, "verdict": said})
    names = ["asked", "found", "empty", "subsets", "share", "share_low", "share_high"]
    names += ["score", "score_low", "score_high", "chance", "above", "above_low", "above_high", "verdict"]
    return pd.DataFrame(rows)[["run", *names]]


def _of_pixels(run: str, kept: pd.DataFrame, sufficient: pd.DataFrame) -> list[dict[str, Any]]:
    plain = kept[(kept["fill"] == "neutral") & (kept["shown"] == "neutral") & (kept["share"] == KEPT)]
    table = statistics.subset_table(plain)
    single = table[(table["voters"] == 1) & (table["kind"] == "selected")].iloc[0]
    rows = [_row("sure", run, "", _three(single, "confidence"), SURE)]
    against = statistics.selected_against(plain)
    for key, kind in (("choice", "random"), ("superset", "neighbours")):
        row = against[(against["voters"] == 1) & (against["kind"] == kind)].iloc[0]
        rows.append(_row(key, run, "", (row["difference"], row["low"], row["high"]), 0.0, alike=ALIKE))
    sizes = statistics.sufficient_table(sufficient)
    first = sizes[(sizes["voters"] == 1) & (sizes["answers"] == "all")].iloc[0]
    rows.append(_row("meaningless", run, "", _three(first, "above"), 0.0, above=False))
    together = plain[(plain["voters"] > 1) & (plain["kind"] == "selected")]
    if len(together):
        members = plain[(plain["voters"] == 1) & (plain["kind"] == "selected")]
        # The one ensemble minus each of its members, so that the interval is over these as well.
        change = _confidences(members).rsub(together.set_index("image")["confidence"], axis="columns")
        rows.append(_row("ensemble", run, "", _mean(change), 0.0, above=False, alike=ALIKE))
    return _with_seeds(rows, plain.loc[plain["voters"] == 1, "seed"].nunique())


def _of_training(run: str, retrained: pd.DataFrame) -> list[dict[str, Any]]:
    accuracy = retrained.pivot(index="seed", columns=["trained", "tested"], values="accuracy")
    few, whole = accuracy["selected", "selected"], accuracy["whole", "whole"]
    drawn = accuracy["random", "random"]
    lost = few - whole
    rows = []
    for what, each, against in (("minus whole images", lost, -ENOUGH), ("minus random pixels", few - drawn, 0.0)):
        # A handful of seeds: their range stands for the interval.
        measured = float(each.mean()), float(each.min()), float(each.max())
        rows.append(_row("suffices", run, what, measured, against, alike=0.0 if against else ALIKE))
    return _with_seeds(rows, len(accuracy))


def _of_dropout(run: str, before: Found, after: Found) -> list[dict[str, Any]]:
    if before.kept is None or after.kept is None:
        return []
    means = []
    for kept in (after.kept, before.kept):
        chosen = kept[(kept["fill"] == "neutral") & (kept["shown"] == "neutral") & (kept["share"] == KEPT)]
        chosen = chosen[(chosen["voters"] == 1) & (chosen["kind"] == "selected")]
        means.append(_confidences(chosen))
    change = (means[0] - means[1]).dropna(how="all").dropna(axis="columns", how="all")
    return _with_seeds([_row("dropout", run, "", _mean(change), 0.0, above=False, alike=ALIKE)], len(change))


def _of_measures(run: str, values: pd.DataFrame, scores: pd.DataFrame) -> list[dict[str, Any]]:
    both = pd.concat([values, score_rows(scores)], ignore_index=True)
    table = reliability_table(both, mosaics.LOWER_IS_BETTER)
    rows = []
    for row in table[table["methods"] > 1].to_dict("records"):
        made = _row("unreliable", run, row["measure"], _three(row, "alpha"), np.nan)
        rows.append(made | {"verdict": row["verdict"]})
    return rows


def _row(
    key: str,
    run: str,
    what: str,
    measured: tuple[float, float, float],
    against: float,
    above: bool = True,
    alike: float = 0.0,
) -> dict[str, Any]:
    """Return a row whose claim holds where the whole interval lies above ``against``, or below it.

    Where it lies within ``alike`` of 0 there is no difference.
    """
    value, low, high = measured
    words = ("holds", "does not hold") if above else ("does not hold", "holds")
    found = {"key": key, "run": run, "what": what, "value": value, "low": low, "high": high}
    same = -alike < low <= high < alike
    return found | {"against": against, "verdict": "no difference" if same else _side(low, high, against, *words)}


def _three(row: Any, name: str) -> tuple[float, float, float]:
    return float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"])


def _side(low: float, high: float, against: float, above: str, below: str) -> str:
    return above if low > against else below if high < against else "undecided"


def _confidences(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the confidence by seed (rows) and image (columns)."""
    return rows.pivot(index="seed", columns="image", values="confidence")


def _mean(change: pd.DataFrame) -> tuple[float, float, float]:
    """Return the mean of a difference by seed and image, and its interval over both."""
    values = change.to_numpy(np.float64)
    low, high = bootstrap(values)
    return float(np.nanmean(values)), low, high


def _with_seeds(rows: list[dict[str, Any]], seeds: int) -> list[dict[str, Any]]:
    """Return the rows, which decide nothing if they rest on one seed."""
    return rows if seeds > 1 else [row | {"verdict": "undecided (one seed)"} for row in rows]
