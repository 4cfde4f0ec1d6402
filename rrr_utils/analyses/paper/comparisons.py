"""The comparisons that the paper's claims ask for, from the tables of a study."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.analyses.paper.rules import ACCURACY, Asked, Claim, Network, Rules, load
from rrr_utils.common import seeds
from rrr_utils.statistics.cohorts import check_scores, need, refuse_mixed
from rrr_utils.statistics.crossed_effects import (
    Components,
    SeedVariance,
    components,
    estimate,
    images_needed,
    pooled,
    seeds_needed,
)

COLUMNS = (
    *("claim", "network", "data", "run", "primary", "expected", "what", "a", "b", "difference", "low", "high"),
    *("n", "seeds", "tested", "loss", "seed_sd", "image_sd", "borrowed", "mean", "error", "df"),
    *("other", "other_error", "other_df", "share", "images_needed", "seeds_needed"),
)
_RUN = ["network", "data", "strategy", "trained_on"]
_Values = Mapping[tuple[str, ...], pd.DataFrame]


def measured(
    scores: pd.DataFrame, history: pd.DataFrame, answers: pd.DataFrame, rules: Rules | None = None
) -> pd.DataFrame:
    """Return every comparison that the claims ask for and the tables hold, one row each.

    Parameters
    ----------
    scores, history, answers
        The tables of studies (see ``rrr_utils.tables.parquet``). Of the scores those of test images at the first and
        the last epoch of a run count, without a ``variant`` and by our protocol; of the answers those in front of the
        original background, which are all where there is no column ``background``.
    rules
        What is asked, and of which runs; by default what ``claims.yaml`` says.

    Returns
    -------
    Columns ``claim``, ``network`` (as the rules name it), ``data`` and ``run`` (as the tables do), whether it is
    ``primary``, what is ``expected``, ``what`` (an explainer, or "accuracy"), ``a``, ``b``, ``difference`` (a less b,
    on the images that count under every seed) with its interval ``low``, ``high``, ``n`` images, ``seeds``; whether the
    training was ``tested``, that is, had something to learn, and its least ``loss`` before stage 2 (NaN of heads);
    ``seed_sd`` of the mean, as pooled or ``borrowed``, and ``image_sd``; ``mean``, ``error`` and ``df``, from which the
    interval comes; of explainers that should agree also those of the mean of the others (``other``, ``other_error``,
    ``other_df``); of settling the ``share`` of draws. With ``images_needed`` under as many seeds, or ``seeds_needed``
    on as many images, half the interval would be as long as the margin. What is not known is NaN.

    Raises
    ------
    ValueError
        If scores of different kinds would be mixed, or the history lacks the start of a run of stage 2.
    """
    rules = rules or load()
    values = by_run(scores, answers)
    starts = stage_2(history, rules)
    cells = [
        cell
        for network in rules.networks
        for claim in rules.claims
        if claim.of in network.runs
        for cell in _cells(network, claim, values, starts)
    ]
    pools = _pools(cells)
    return pd.DataFrame([_row(cell, pools, rules) for cell in cells], columns=list(COLUMNS))


def stage_2(history: pd.DataFrame, rules: Rules | None = None) -> pd.DataFrame:
    """Return each run of stage 2 and seed with its mean ``loss`` on the original training images before its first
    epoch, and whether it is ``tested``: whether there was anything left to learn."""  # fmt: skip
    rules = rules or load()
    start = history[(history["split"] == "train") & (history["epoch"] == 0) & (history["strategy"] != "head")]
    start = start[[*_RUN, "seed", "loss"]].reset_index(drop=True)
    return start.assign(tested=start["loss"] >= rules.untested_below)


def differences(values: _Values, run: Mapping[str, str], asked: Asked) -> pd.DataFrame:
    """Return a less b as a table with a row a seed and a column an image, NaN where an image does not count."""
    sides = []
    for side in (asked.a, asked.b):
        rows = values.get((run["network"], run["data"], side["strategy"], side["trained_on"], asked.outcome))
        if rows is None or rows["epoch"].min() == rows["epoch"].max():
            return pd.DataFrame()
        rows = rows[rows["epoch"] == (rows["epoch"].max() if side["epoch"] == "last" else rows["epoch"].min())]
        refuse_mixed(rows, ())
        sides.append(rows[rows["counts"]][["seed", "image", "value"]])
    both = sides[0].merge(sides[1], on=["seed", "image"], suffixes=("_a", "_b"))
    both = both.assign(difference=both["value_a"] - both["value_b"])
    return both.pivot(index="seed", columns="image", values="difference")


def padded(matrix: NDArray[np.float64], outcome: str) -> NDArray[np.float64]:
    """Return a (seeds, images) matrix as the interval of ``outcome`` takes it.

    Answers are padded by an image that a alone gets right and one that b alone does, so that no interval is empty
    where all answers agree (Bonett and Price 2012, doi:10.3102/1076998611411915).
    """
    if outcome != ACCURACY:
        return matrix
    ones = np.ones((len(matrix), 1))
    return np.hstack([matrix, ones, -ones])


class _Cell(NamedTuple):
    """A comparison: what its row says of it, its differences, and those of the mean of the other explainers."""

    about: dict[str, Any]
    table: pd.DataFrame
    others: pd.DataFrame
    key: tuple[Any, ...]
    sister: tuple[Any, ...]


def by_run(scores: pd.DataFrame, answers: pd.DataFrame) -> _Values:
    """Return scores and answers by run and outcome, with the columns ``value`` and ``counts``."""
    check_scores(scores)
    plain = scores[(scores["split"] == "test") & (scores["variant"] == "") & (scores["protocol"] == "ours")]
    # The score of an empty map is missing, and leaves its image out of every comparison.
    plain = plain.assign(outcome=plain["explainer"], value=plain["score"], counts=plain["correct"].astype(bool))
    need(answers, ["image", "correct"], "the answers table")
    if "background" in answers:
        answers = answers[answers["background"].fillna("original") == "original"]
    given = answers.assign(outcome=ACCURACY, value=answers["correct"].astype(float), counts=True)
    return {
        tuple(map(str, key)): part
        for table in (plain, given)
        for key, part in table.groupby([*_RUN, "outcome"], sort=False, observed=True)
    }


def _cells(network: Network, claim: Claim, values: _Values, starts: pd.DataFrame) -> Iterator[_Cell]:
    run = network.runs[claim.of]
    every = [*claim.primary, *claim.shown]
    tables = [differences(values, run, asked) for asked in every]
    for place, (asked, table) in enumerate(zip(every, tables, strict=True)):
        if table.empty:
            continue
        others = [
            other
            for each, other in zip(every, tables, strict=True)
            if (each.a, each.b) == (asked.a, asked.b) and each.outcome != asked.outcome and not other.empty
        ]
        rest = _mean(others) if claim.expected == "together" and others else pd.DataFrame()
        start = _starts(starts, run, asked)
        untested = start.index[~start["tested"]]
        tested = not table.index.isin(untested).all()
        if tested:
            table, rest = table.drop(index=untested, errors="ignore"), rest.drop(index=untested, errors="ignore")
        about = {
            "claim": claim.key,
            "network": network.key,
            "data": run["data"],
            "run": run["network"],
            "primary": place < len(claim.primary),
            "expected": claim.expected,
            "what": asked.outcome,
            **dict(zip("ab", words(asked), strict=True)),
            "tested": tested,
            "loss": start["loss"].min(),
        }
        key = (claim.of, claim.pool, asked.outcome, tested)
        yield _Cell(about, table, rest, (network.key, *key), (network.sister, *key))


def _starts(starts: pd.DataFrame, run: Mapping[str, str], asked: Asked) -> pd.DataFrame:
    """Return the least loss before stage 2 of both sides' runs by seed, and whether both were tested."""
    found = []
    for strategy, trained_on in {(side["strategy"], side["trained_on"]) for side in (asked.a, asked.b)}:
        if strategy == "head":
            continue
        mine = starts[(starts[_RUN] == [run["network"], run["data"], strategy, trained_on]).all(axis=1)]
        if mine.empty:
            raise ValueError(
                f"The history has no loss on training images at epoch 0 of {run}, {strategy}. Pass it all."
            )
        found.append(mine.set_index("seed")[["loss", "tested"]])
    if not found:
        return pd.DataFrame({"loss": pd.Series(dtype=float), "tested": pd.Series(dtype=bool)})
    return pd.concat(found).groupby(level=0).agg({"loss": "min", "tested": "all"})


def _mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean of tables where all of them have a value."""
    total = tables[0]
    for table in tables[1:]:
        total = total.add(table)
    # An explainer may have fewer seeds than another.
    return (total / len(tables)).dropna(how="all")


def _parts(cell: _Cell) -> Iterator[tuple[str, Components]]:
    """Yield the components of a comparison ("") and of the mean of the other explainers ("other")."""
    for name, table in (("", cell.table), ("other", cell.others)):
        kept = table.dropna(axis=1).to_numpy(float)
        if kept.shape[0] and kept.shape[1] > 1:
            yield name, components(padded(kept, cell.about["what"]))


def _pools(cells: Sequence[_Cell]) -> dict[tuple[Any, ...], SeedVariance]:
    """Return the variance between seeds by what it is pooled over, each comparison once."""
    parts: dict[tuple[Any, ...], dict[tuple[str, str], Components]] = {}
    for cell in cells:
        for name, part in _parts(cell):
            parts.setdefault((*cell.key, name), {})[cell.about["a"], cell.about["b"]] = part
    return {key: found for key, each in parts.items() if (found := pooled(each.values())) is not None}


def _row(cell: _Cell, pools: Mapping[tuple[Any, ...], SeedVariance], rules: Rules) -> dict[str, Any]:
    kept = cell.table.dropna(axis=1)
    row = {**cell.about, "n": kept.shape[1], "seeds": kept.shape[0], "difference": kept.to_numpy().mean()}
    if cell.about["expected"] == "settled":
        return row | {"share": _share(kept, rules)}
    for name, part in _parts(cell):
        borrowed = part.seeds == 1 and (*cell.sister, name) in pools
        between = pools.get((*(cell.sister if borrowed else cell.key), name))
        if between is None:
            continue
        found = estimate(part, between)
        if name:
            row |= {"other": found.mean, "other_error": found.error, "other_df": found.df}
            continue
        low, high = found.interval()
        row |= {"low": low, "high": high, **found._asdict(), "borrowed": borrowed}
        row |= {
            "seed_sd": between.variance**0.5,
            "image_sd": max(0.0, (part.of_images - part.of_rest) / part.seeds) ** 0.5,
        }
        margin = rules.margin(cell.about["what"])
        row |= {
            "images_needed": images_needed(part, between, margin),
            "seeds_needed": seeds_needed(part, between, margin),
        }
    return row


def _share(kept: pd.DataFrame, rules: Rules) -> float:
    """Return the share of random draws of a few images whose mean lies within the margin of all images' mean."""
    asked = rules.settled
    if kept.shape[1] < asked.scored:
        return float("nan")
    rng = seeds.generator("settled")
    places = rng.random((asked.draws, kept.shape[1])).argpartition(asked.images, axis=1)[:, : asked.images]
    matrix = kept.to_numpy(float)
    away = matrix[:, places].mean(axis=2) - matrix.mean(axis=1, keepdims=True)
    return float((np.abs(away) <= rules.margins["score"]).mean())


def words(asked: Asked) -> tuple[str, str]:
    """Return what tells the sides apart: the strategy, what it was trained on, or the epoch."""
    a, b = asked.a, asked.b
    if a["epoch"] != b["epoch"]:
        return f"{a['strategy']}, {a['epoch']} epoch", f"{b['epoch']} epoch"
    column = "strategy" if a["strategy"] != b["strategy"] else "trained_on"
    return a[column], b[column]
