"""What is claimed of disentangled heads, and what we ask of them, judged from the published tables by rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rrr_utils.analyses.infodisent import statistics
from rrr_utils.tables import parquet
from rrr_utils.tables.schemas import HEAD_TABLES

# How much accuracy a head may lose and still be called as accurate.
LOST = 0.02

PAPER, OURS = "Struski et al. 2024 (our reading of the abstract)", "our question"


class Sentence(NamedTuple):
    """One claim or question: whose it is, what it says in our words, and the rule by which it is judged here."""

    whose: str
    words: str
    rule: str


SENTENCES = {
    "accurate": Sentence(
        PAPER,
        "the head is as accurate as the usual one on the same features",
        f"accuracy on test images minus another head's, against -{LOST}: above it, the claim holds",
    ),
    "short": Sentence(
        PAPER,
        "a decision is a sum of few channels",
        "channels that carry nine tenths of the margin, minus those of a linear layer on means, against 0: below",
    ),
    "object": Sentence(
        OURS,
        "the prototypes of the channels that are used are on the object",
        "share of the positive side's prototype cells that is object, minus a random cell's and minus the same cell's "
        "of the other images, each against 0: above",
    ),
    "truth": Sentence(
        OURS,
        "where the truth is known, the prototypes are where the class is",
        "the same minus a random cell's, against 0: below it for the network that was trained on images as they are, "
        "whose background tells the class, above it for the one trained on swapped backgrounds",
    ),
    "maps": Sentence(
        OURS,
        "the head's own maps are on the object",
        "score of the heat maps minus chance, and minus a Gaussian in the middle, each against 0: above",
    ),
    "grad_cam": Sentence(
        OURS,
        "the head's own maps are more on the object than Grad-CAM of the same network",
        "score of the heat maps minus Grad-CAM's on the same images, against 0: above",
    ),
}


@dataclass(frozen=True)
class Found:
    """The published tables of one run."""

    history: pd.DataFrame
    answers: pd.DataFrame
    decisions: pd.DataFrame
    prototypes: pd.DataFrame
    scores: pd.DataFrame


def read(folder: Path | str) -> dict[str, Found]:
    """Return what a study published about disentangled heads, by run: ``data/network/trained on``."""
    found = {}
    for place in sorted(Path(folder).glob("12-infodisent--*")):
        _, data, network, _, trained_on = place.name.split("--")
        found[f"{data}/{network}/{trained_on}"] = Found(
            *(parquet.read(place / f"{name}.parquet", name) for name in HEAD_TABLES)
        )
    return found


def verdicts(runs: Mapping[str, Found]) -> pd.DataFrame:
    """Return one row a sentence, a run and what was compared, in the order of ``SENTENCES``.

    Columns ``key``, ``whose``, ``sentence``, ``run``, ``what``, ``value`` with ``low`` and ``high``, ``against``,
    ``seeds``, ``n`` (images; prototypes for those), and ``verdict``: "holds", "does not hold", "undecided" where the
    interval reaches both sides, or "undecided (one seed)".
    """
    rows: list[dict[str, Any]] = []
    for run, found in runs.items():
        rows += _of_answers(run, found.answers)
        rows += _of_decisions(run, found.decisions)
        rows += _of_prototypes(run, found.prototypes)
        rows += _of_maps(run, found.scores)
    order = {key: place for place, key in enumerate(SENTENCES)}
    rows.sort(key=lambda row: order[row["key"]])
    sentences = [SENTENCES[row["key"]] for row in rows]
    table = pd.DataFrame(rows).assign(
        whose=[each.whose for each in sentences], sentence=[each.words for each in sentences]
    )
    columns = ["key", "whose", "sentence", "run", "what", "value", "low", "high", "against", "n", "seeds", "verdict"]
    return table[columns]


def per_run(runs: Mapping[str, Found], what: str) -> pd.DataFrame:
    """Return a summary table of all runs below one another, with the column ``run`` in front.

    ``what`` is "heads", "decisions", "prototypes" or "maps": the tables of :mod:`rrr_utils.statistics` by these names.
    """
    parts = []
    for run, found in runs.items():
        table = {
            "heads": lambda found: statistics.head_table(found.answers),
            "decisions": lambda found: statistics.decision_table(found.decisions),
            "prototypes": lambda found: statistics.prototype_table(found.prototypes),
            "maps": lambda found: statistics.map_table(found.scores),
        }[what](found)
        table.insert(0, "run", run)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _of_answers(run: str, answers: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for other in ("average", "plain"):
        # The table takes its differences from the head that is called plain.
        renamed = answers[answers["head"].isin(["disentangled", other])].replace({"head": {other: "plain"}})
        table = statistics.head_table(renamed[renamed["split"] == "test"])
        row = table[table["head"] == "disentangled"].iloc[0]
        rows.append(_row("accurate", run, f"minus {other} head", row, "above_plain", -LOST))
    return rows


def _of_decisions(run: str, decisions: pd.DataFrame) -> list[dict[str, Any]]:
    table = statistics.decision_table(decisions)
    row = table[(table["of"] == "margin") & (table["head"] == "disentangled")].iloc[0]
    return [_row("short", run, f"of {row['channels']}", row, "fewer", 0.0, above=False)]


def _of_prototypes(run: str, prototypes: pd.DataFrame) -> list[dict[str, Any]]:
    table = statistics.prototype_table(prototypes)
    row = table[(table["side"] == "positive") & (table["channels"] == "used")].iloc[0]
    rows = [
        _row("object", run, "minus a random cell", row, "above", 0.0),
        _row("object", run, "minus the same cell elsewhere", row, "beyond", 0.0),
    ]
    trained_on = run.rsplit("/", 1)[1]
    if run.startswith("confounded") and trained_on in ("original", "swapped"):
        rows.append(_row("truth", run, "minus a random cell", row, "above", 0.0, above=trained_on == "swapped"))
    return rows


def _of_maps(run: str, scores: pd.DataFrame) -> list[dict[str, Any]]:
    table = statistics.map_table(scores)
    own = table[(table["explainer"] == "infodisent") & (table["design"] == "heat maps")].iloc[0].copy()
    own["n"] = own["images"]
    rows = [_row("maps", run, "minus chance", own, "above", 0.0)]
    against = statistics.maps_against(scores)
    against = against.rename(columns={"low": "difference_low", "high": "difference_high"})
    for key, what, chosen in (
        ("maps", "minus a Gaussian", against["variant"] == "gaussian"),
        ("grad_cam", "minus Grad-CAM", (against["explainer"] == "grad_cam") & (against["variant"] == "")),
    ):
        rows += [_row(key, run, what, row, "difference", 0.0) for _, row in against[chosen].iterrows()]
    return rows


def _row(
    key: str, run: str, what: str, row: "pd.Series[Any]", name: str, against: float, above: bool = True
) -> dict[str, Any]:
    """Return a row whose sentence holds where the whole interval lies above ``against``, or below it."""
    low, high = float(row[f"{name}_low"]), float(row[f"{name}_high"])
    words = ("holds", "does not hold") if above else ("does not hold", "holds")
    said = words[0] if low > against else words[1] if high < against else "undecided"
    found = {"key": key, "run": run, "what": what, "value": float(row[name]), "low": low, "high": high}
    found |= {"against": against, "n": int(row["n"]), "seeds": int(row["seeds"])}
    return found | {"verdict": said if row["seeds"] > 1 else "undecided (one seed)"}
