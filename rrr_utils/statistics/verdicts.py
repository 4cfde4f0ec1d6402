"""Verdicts in words and numbers by name, from the summary tables: what the pages of the book quote."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

_RUN = ["data", "network", "strategy", "trained_on"]


def against_chance(low: float, high: float) -> str:
    """Return the verdict on an interval of score minus chance.

    ``above chance`` or ``below chance`` if the interval leaves zero out on that side, ``not told from chance`` if it
    holds zero, and ``not measured`` if there is no interval.
    """
    if pd.isna(low) or pd.isna(high):
        return "not measured"
    if low > 0:
        return "above chance"
    if high < 0:
        return "below chance"
    return "not told from chance"


def last_scores(summary: Mapping[str, pd.DataFrame], cohort: str = "common", split: str = "test") -> pd.DataFrame:
    """Return the scores of the last scored epoch of each run, one row a run and an explainer, with their verdict.

    A verdict that rests on one seed is called undecided, because the seed alone moves a score by more than most
    remedies do.
    """
    scores = summary["scores"]
    chosen = scores[(scores["cohort"] == cohort) & (scores["split"] == split)]
    chosen = chosen[chosen["epoch"] == chosen.groupby(_RUN)["epoch"].transform("max")].reset_index(drop=True)
    words = [
        against_chance(low, high) if seeds > 1 else "undecided (one seed)"
        for low, high, seeds in zip(chosen["above_low"], chosen["above_high"], chosen["seeds"], strict=True)
    ]
    return chosen.assign(verdict=words)


def last_shift(summary: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the accuracy under each background at the last scored epoch of each run."""
    shift = summary["shift"]
    return shift[shift["epoch"] == shift.groupby(_RUN)["epoch"].transform("max")].reset_index(drop=True)


class Panel(NamedTuple):
    """Runs that are compared in one figure: their ``title``, and the column ``hue`` in which they differ.

    ``ending`` tells a study's panels apart in names; empty where there is only one.
    """

    title: str
    hue: str
    where: Mapping[str, str]
    ending: str = ""

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of ``table`` that belong to these runs."""
        chosen = pd.Series(True, index=table.index)
        for column, value in self.where.items():
            chosen &= table[column] == value
        return table[chosen]


def panels(table: pd.DataFrame) -> list[Panel]:
    """Return the comparisons that a study's runs allow, from any of its tables.

    The kinds of training images are compared where a network was trained on several, separately for each strategy;
    otherwise the strategies are compared.
    """
    found = []
    for (data, network), part in table.groupby(["data", "network"], sort=True):
        where = {"data": str(data), "network": str(network)}
        if part["trained_on"].nunique() == 1:
            found.append(Panel(f"{network} on {data}", "strategy", where))
            continue
        for strategy in sorted(part["strategy"].unique()):
            found.append(Panel(f"{network} on {data}, {strategy}", "trained_on", {**where, "strategy": strategy}))
    if len(found) == 1:
        return found
    return [panel._replace(ending="_" + "_".join(panel.where.values())) for panel in found]


def numbers(summary: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Return the numbers that the pages quote, by name.

    ``accuracy_<trained on>_<background>`` and ``score_<trained on>_<explainer>`` with ``_low`` and ``_high`` beside
    each; ``above_...`` for score minus chance; ``chance``, ``n_images``, ``n_test`` and ``n_seeds``. In a study of
    several data sets, networks or strategies a name begins with these, joined by underscores, and ``n_images_...``,
    ``n_test_...`` and ``n_seeds_...`` end so. Where some runs compare kinds of training, the others, which compare
    strategies, are left to the page of claims: their numbers are hundreds, and no page quotes them.
    """
    shift, scores = last_shift(summary), last_scores(summary)
    totals: dict[str, float] = {
        "chance": float(scores["chance"].mean()),
        "n_images": int(scores["images"].max()),
        "n_test": int(shift["n"].max()),
        "n_seeds": int(shift["seeds"].max()),
    }
    found: dict[str, float] = {}
    places = shift[_RUN[:3]].drop_duplicates()
    several = len(places) > 1
    compared = [panel for panel in panels(shift) if panel.hue == "trained_on"]
    if compared:
        shift, scores = (
            table.loc[sorted(place for panel in compared for place in panel.rows(table).index)]
            for table in (shift, scores)
        )
    for row in shift.to_dict("records"):
        name = f"accuracy_{_place(row, several)}{row['trained_on']}_{row['background']}"
        found |= {name: row["mean"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        if several:
            found |= {
                f"n_test_{_place(row, several)[:-1]}": row["n"],
                f"n_seeds_{_place(row, several)[:-1]}": row["seeds"],
            }
    for row in scores.to_dict("records"):
        ending = f"{_place(row, several)}{row['trained_on']}_{row['explainer']}"
        if several:
            name = f"n_images_{_place(row, several)[:-1]}"
            found[name] = max(found.get(name, 0), row["images"])
        found |= {
            f"score_{ending}": row["mean"],
            f"score_{ending}_low": row["low"],
            f"score_{ending}_high": row["high"],
        }
        found |= {f"above_{ending}": row["above"], f"above_{ending}_low": row["above_low"]}
        found |= {f"above_{ending}_high": row["above_high"]}
    return found | totals


def _place(row: Mapping[Any, object], several: bool) -> str:
    return f"{row['data']}_{row['network']}_{row['strategy']}_" if several else ""
