"""What the published comparisons of remedies say together, and what follows for somebody who has a network to mend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rrr_utils.analyses.remedies import statistics
from rrr_utils.tables import parquet

_FOLDER = "11-remedies--"


@dataclass(frozen=True)
class Compared:
    """The published tables of one comparison; ``scores`` are of test images."""

    scores: pd.DataFrame
    shift: pd.DataFrame
    fits: pd.DataFrame
    sweeps: pd.DataFrame
    reach: pd.DataFrame


def read(folders: Sequence[Path | str]) -> dict[str, Compared]:
    """Return every comparison below the published folders of some studies, by run: ``data/network``.

    Raises ``FileNotFoundError`` where there is none, with the remedy.
    """
    found = {}
    for place in sorted(path for folder in folders for path in Path(folder).glob(f"{_FOLDER}*")):
        _, data, network, *_ = place.name.split("--")
        names = ("scores", "shift", "fits", "sweeps", "reach")
        parts = {name: parquet.read(place / f"{name}.parquet", name) for name in names}
        parts["scores"] = parts["scores"][parts["scores"]["split"] == "test"].reset_index(drop=True)
        found[f"{data}/{network}"] = Compared(**parts)
    if not found:
        raise FileNotFoundError(
            f"There is no {_FOLDER}* below {[str(folder) for folder in folders]}. Run `make study STUDY=remedies` and "
            "`make publish STUDY=remedies`."
        )
    return found


def differences(runs: Mapping[str, Compared], taught: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return :func:`rrr_utils.analyses.remedies.statistics.differences` of every run, with the column ``run`` first."""
    parts = [statistics.differences(each.scores, each.shift, taught).assign(run=run) for run, each in runs.items()]
    table = pd.concat(parts, ignore_index=True)
    return table[["run", *(name for name in table.columns if name != "run")]]


def verdicts(runs: Mapping[str, Compared], table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a remedy and run of :func:`differences`: what ``told.judged`` says, and ``times``."""
    parts = []
    for run, each in runs.items():
        judged = statistics.judged(table[table["run"] == run])
        parts.append(judged.merge(statistics.time_ratios(each.fits)[["remedy", "times"]], on="remedy").assign(run=run))
    found = pd.concat(parts, ignore_index=True)
    first = ["remedy", "run", "helps", "shifted", "shifted_low", "shifted_high", "kept", "original", "times"]
    order = {remedy: place for place, remedy in enumerate(dict.fromkeys(found["remedy"]))}
    found = found[[*first, *(name for name in found.columns if name not in first)]]
    return found.sort_values("remedy", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def board(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`verdicts` at a glance: one row a remedy, a column a run, each with the gain and what it says."""
    words = table["helps"].where(table["kept"] != statistics.LOWERS, table["helps"] + ", less accurate")
    cells = table.assign(cell=[f"{gain:+.1%}: {word}" for gain, word in zip(table["shifted"], words)])
    return cells.pivot(index="remedy", columns="run", values="cell").reindex(list(dict.fromkeys(table["remedy"])))


def witnesses(table: pd.DataFrame, explainers: Sequence[str]) -> pd.DataFrame:
    """Return, by explainer, how often its score saw, missed, contradicted and praised falsely, of all verdicts.

    Only remedies that were not taught that score count, and only where accuracy decides whether they help. ``right`` is
    the share of what was seen among these; the most trustworthy explainer comes first.
    """
    rows = []
    for name in explainers:
        said = table[name][~table[name].str.startswith("(")]
        counts = {
            what: int((said == what).sum())
            for what in (statistics.SEES, statistics.MISSES, statistics.CONTRARY, statistics.FALSE_ALARM)
        }
        asked = sum(counts.values())
        rows.append({"explainer": name, **counts, "right": counts[statistics.SEES] / asked if asked else float("nan")})
    return pd.DataFrame(rows).sort_values("right", ascending=False, kind="stable").reset_index(drop=True)


def images_needed(runs: Mapping[str, Compared]) -> pd.DataFrame:
    """Return ``told.images_needed`` of every run, one row an explainer and the column ``most`` over the runs."""
    parts = {run: statistics.images_needed(each.scores).set_index("explainer")["images"] for run, each in runs.items()}
    found = pd.DataFrame(parts)
    return found.assign(most=found.max(axis=1)).reset_index()


def sentences(table: pd.DataFrame, explainers: pd.DataFrame, needed: pd.DataFrame) -> list[str]:
    """Return the advice in words, each sentence from :func:`verdicts`, :func:`witnesses` and :func:`images_needed`."""
    said = []
    for run, part in table.groupby("run", sort=False):
        said.append(_of_run(str(run), part))
    helped = table[(table["helps"] == statistics.HELPS) & (table["kept"] != statistics.LOWERS)]
    harmed = set(
        table.loc[
            table["helps"].isin([statistics.HARMS, statistics.MIXED]) | (table["kept"] == statistics.LOWERS), "remedy"
        ]
    )
    safe = [name for name in dict.fromkeys(helped["remedy"]) if name not in harmed]
    if safe:
        said.append(
            f"Which remedy: {_listed(safe)}. They help somewhere and are shown to harm nowhere. Each gain is averaged "
            "over the backgrounds that the remedy was not taught, so the gains do not rank them."
        )
    else:
        said.append("Which remedy: none helped in one comparison without a loss in it or in another.")
    judged = explainers.dropna(subset=["right"])
    if judged.empty:
        said.append("Which explainer: no remedy was judged clearly enough to tell.")
        return said
    first = judged[judged["right"] == judged["right"].max()]
    images = needed.set_index("explainer")["most"]
    asked = first[[statistics.SEES, statistics.MISSES, statistics.CONTRARY, statistics.FALSE_ALARM]].sum(axis=1)
    cases = [
        f"{name} about {right} of {all_}"
        for name, right, all_ in zip(first["explainer"], first[statistics.SEES], asked)
    ]
    said.append(
        f"Which explainer: {'none stands out; ' if len(first) > 1 else ''}of the cases that accuracy decides the "
        f"scores were right by {_listed(cases)}, which is the best here."
    )
    said.append(
        f"How many images, scored before and after, tell a difference of {statistics.SCORE_MARGIN:g} in a score from "
        f"none: {_listed([f'{name} {int(count)}' for name, count in images.items()])}. A score that hardly moves "
        "needs few, and tells nothing by it."
    )
    return said


def _of_run(run: str, part: pd.DataFrame) -> str:
    words = []
    for verdict in (statistics.HELPS, statistics.MIXED, statistics.HARMS, statistics.NOTHING):
        names = part.loc[part["helps"] == verdict, "remedy"].tolist()
        if names:
            words.append(f"{verdict}: {_listed(names)}")
    open_ones = part[~part["helps"].isin([statistics.HELPS, statistics.MIXED, statistics.HARMS, statistics.NOTHING])][
        "remedy"
    ].tolist()
    if open_ones:
        words.append(f"undecided: {_listed(open_ones)}")
    lost = part.loc[part["kept"] == statistics.LOWERS, "remedy"].tolist()
    cost = f" Less accurate on images as they are: {_listed(lost)}." if lost else ""
    return f"{run}: {'; '.join(words)}.{cost}"


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(str(name) for name in names)
