"""The comparisons that the paper's claims ask for, from the tables of a study."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rrr_utils.analyses.paper.claims import COLUMNS, HOLDS, finding, verdicts
from rrr_utils.statistics import holm, mixed, paired
from rrr_utils.statistics.cohorts import select
from rrr_utils.statistics.intervals import drop_interval
from rrr_utils.statistics.proportions import paired_accuracies

_RUN = ["strategy", "trained_on"]
_GROUP = ["study", "data", "network"]
# The claim in which an explainer is asked to move as the mean does.
_TOGETHER = "explainers agree"
# Drawings of the bootstrap: with fewer, an end that lies near zero depends on the drawing.
_RESAMPLES = 4999


class Rules(NamedTuple):
    """What a verdict may hang on, and what it is here unless another choice is asked for.

    ``cohort``: the images that are compared: ``"common"``, which all compared trainings of a network get right at every
    scored epoch; ``"compared"``, which the two sides get right at the epoch of the comparison; ``"all"``, right or
    wrong. ``family``: Holm's method corrects all rows together (``"table"``) or those of each claim (``"claim"``).
    ``others``: whether an explainer is held against the direction of the *other* explainers, not against that of all.
    """

    cohort: str = "common"
    family: str = "table"
    others: bool = False


HERE = Rules()
# Other choices that could have been made, by the name that a table gives them.
OTHERWISE = {
    "right at the epochs compared": Rules(cohort="compared"),
    "right or wrong": Rules(cohort="all"),
    "corrected within the claim": Rules(family="claim"),
    "against the other explainers": Rules(others=True),
}


def measured(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    masks: pd.DataFrame,
    answers: pd.DataFrame,
    rules: Rules = HERE,
    random_effects: bool = True,
) -> pd.DataFrame:
    """Return every comparison that the claims ask for and the tables hold, one row each.

    Scores are compared on test images at the last scored epoch, image by image, on the images that all compared runs
    get right (:func:`rrr_utils.statistics.paired`); p values are corrected by Holm's method for all rows together.
    Accuracies are compared on all test images, image by image (:func:`rrr_utils.statistics.paired_accuracies`) where
    both sides have answers under the same seeds; where they have not, by Newcombe's interval for two samples, which is
    wider, stretched over the seeds.

    Parameters
    ----------
    scores, history, masks, answers
        The tables of a study (see ``rrr_utils.tables.parquet``). Rows with a ``variant`` or the authors' protocol do
        not count. Answers may lack runs, or all of them.
    rules
        Other choices than those.
    random_effects
        Whether the columns of the mixed model are computed, which takes most of the time.

    Returns
    -------
    Columns ``claim``, ``data``, ``network``, ``what`` (an explainer, or "accuracy"), ``a``, ``b``, ``difference`` (a
    minus b), ``low``, ``high``, ``n`` images, of which each seed has at least ``fewest``, ``seeds``, ``p``, ``p_holm``,
    ``expected`` ("above", "below" or "alike") and ``finding``: holds, does not hold, undecided, or undecided (one
    seed). Of accuracies also ``by_image``: whether they were compared image by image. Of scores also what a mixed model
    with seeds and images as random effects says (:func:`rrr_utils.statistics.mixed`), which decides nothing:
    ``mixed_low``, ``mixed_high``, ``seed_sd``, ``image_sd``. No row where nothing can be compared.
    """
    rows = _rows(scores, history, masks, answers, rules.cohort, random_effects)
    return _judged(rows, scores, history, rules)


def otherwise(
    table: pd.DataFrame, scores: pd.DataFrame, history: pd.DataFrame, masks: pd.DataFrame, answers: pd.DataFrame
) -> pd.DataFrame:
    """Return how each verdict would read had another choice of :data:`OTHERWISE` been made.

    ``table`` is what :func:`measured` returns for the others. One row for each claim and run that a comparison tests,
    by ``claim`` and ``run``, with the columns ``here`` and one for each choice, which is empty where it changes
    nothing.
    """
    rows = {HERE.cohort: table}
    for cohort in sorted({rules.cohort for rules in OTHERWISE.values()} - set(rows)):
        rows[cohort] = _rows(scores, history, masks, answers, cohort, random_effects=False)

    def read(rules: Rules) -> pd.Series:
        found = verdicts(_judged(rows[rules.cohort], scores, history, rules))
        found = found[found["asked"] > 0]
        run = found["data"] + ", " + found["network"]
        words = found["verdict"] + ", " + found["held"].astype(str) + " of " + found["asked"].astype(str)
        return words.set_axis(pd.MultiIndex.from_arrays([found["claim"], run], names=["claim", "run"]))

    here = read(HERE)
    others = {name: read(rules).reindex(here.index) for name, rules in OTHERWISE.items()}
    return pd.DataFrame({"here": here, **{name: words.where(words != here, "") for name, words in others.items()}})


def alike(scores: pd.DataFrame) -> pd.DataFrame:
    """Return how many of all pairs of strategies are alike under an explainer, by the rule of the claims.

    One row for each data set and network, with ``pairs`` (times explainers) and ``alike``: where nearly all are, that
    two strategies are alike says little about them.
    """
    rows = []
    for (_, data, network), part in _plain(scores).groupby(_GROUP, sort=True):
        plain = part[(part["trained_on"] == "original") & (part["strategy"] != "head")]
        last = plain["epoch"].max()
        asked = []
        for a, b in combinations(sorted(plain["strategy"].unique()), 2):
            sides = ({"strategy": a, "epoch": last}, {"strategy": b, "epoch": last})
            asked.append(_compared(_Wanted(plain, "", *sides, "alike"), "common", random_effects=False))
        if asked:
            each = pd.concat(asked).assign(p_holm=np.nan)
            # Seeds have a part in verdicts, and none in the question whether the rule can tell strategies apart.
            same = sum(finding({**row, "seeds": 2}, 0.0) == HOLDS for row in each.to_dict("records"))
            rows.append({"data": data, "network": network, "pairs": len(each), "alike": same})
    return pd.DataFrame(rows, columns=["data", "network", "pairs", "alike"])


def seed_spread(scores: pd.DataFrame) -> float:
    """Return how far seeds alone move a mean score: the largest range over seeds of any run, explainer and epoch.

    Of the rows that :func:`measured` compares: all test images count, right or wrong; a head that was not trained yet
    does not. Infinite where no run has several seeds: then one seed decides nothing.
    """
    by = [*_GROUP, *_RUN, "explainer", "design", "samples", "epoch"]
    plain = _plain(scores)
    trained = plain[(plain["strategy"] != "head") | (plain["epoch"] > 0)]
    means = trained.groupby([*by, "seed"])["score"].mean().groupby(by)
    several = means.count() > 1
    spread = (means.max() - means.min())[several]
    return float(spread.max()) if len(spread) else float("inf")


def accuracy_spread(history: pd.DataFrame) -> float:
    """Return how far seeds alone move a test accuracy: the largest range over seeds of any run and epoch.

    A head that was not trained yet does not count. Infinite where no run has several seeds.
    """
    by = [*_GROUP, *_RUN, "epoch"]
    trained = history[(history["split"] == "test") & ((history["strategy"] != "head") | (history["epoch"] > 0))]
    accuracies = trained.groupby(by)["accuracy"]
    spread = (accuracies.max() - accuracies.min())[accuracies.count() > 1]
    return float(spread.max()) if len(spread) else float("inf")


class _Wanted(NamedTuple):
    """A comparison of scores: the rows that decide on the common images, the claim, both sides, what it expects.

    Where explainers are asked whether they move together, what it expects follows from what they do.
    """

    scores: pd.DataFrame
    claim: str
    a: dict[str, object]
    b: dict[str, object]
    expected: str


class _Tested(NamedTuple):
    """What is known of a network's test accuracy: the history, the answers, and how many test images there are."""

    history: pd.DataFrame
    answers: pd.DataFrame
    n: int


def _plain(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that claims are about: of test images, by the explainers as they are."""
    plain = scores[(scores["split"] == "test") & (scores["variant"] == "") & (scores["protocol"] == "ours")]
    # Rows are chosen by their texts hundreds of times, which takes half as long by numbers.
    return plain.astype(dict.fromkeys(plain.select_dtypes(["object", "string"]).columns, "category"))


def _rows(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    masks: pd.DataFrame,
    answers: pd.DataFrame,
    cohort: str,
    random_effects: bool,
) -> pd.DataFrame:
    """Return all comparisons with their intervals and p values, before anything is decided."""
    parts = []
    for key, part in _plain(scores).groupby(_GROUP, sort=True):
        own, given = (table[(table[_GROUP] == list(key)).all(axis=1)] for table in (history, answers))
        tested = _Tested(own[own["split"] == "test"], given, _test_images(masks, key))
        wanted = [*_strategies(part), *_masked(part, str(key[1]))]
        rows = [_compared(each, cohort, random_effects) for each in wanted]
        rows += [*_masked_accuracies(tested, set(part["strategy"]), str(key[1])), *_flat(tested)]
        parts += [each.assign(data=str(key[1]), network=str(key[2])) for each in rows if len(each)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*COLUMNS])


def _judged(rows: pd.DataFrame, scores: pd.DataFrame, history: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return the table of :func:`measured` from the comparisons of :func:`_rows`."""
    if rows.empty:
        return rows
    table = holm(rows)
    if rules.family == "claim":
        for _, part in rows.groupby("claim"):
            table.loc[part.index, "p_holm"] = holm(part)["p_holm"].to_numpy()
    for _, part in table[table["claim"] == _TOGETHER].groupby(["data", "network", "a"]):
        table.loc[part.index, "expected"] = _direction(part["difference"], rules.others)
    table = table.reindex(columns=list(COLUMNS[:-1]))
    spreads = {True: accuracy_spread(history), False: seed_spread(scores)}
    found = [finding(row, spreads[row["what"] == "accuracy"]) for row in table.to_dict("records")]
    return table.assign(finding=found)


def _strategies(scores: pd.DataFrame) -> Iterator[_Wanted]:
    """Yield the comparisons of strategies at the last epoch, and of each strategy with its start."""
    plain = scores[scores["trained_on"] == "original"]
    last = plain["epoch"].max()
    for claim, a, b, expected in (
        ("late above dense", "blocks4-5", "dense", "above"),
        ("all like late", "all", "blocks4-5", "alike"),
        ("early like dense", "blocks1-3", "dense", "alike"),
    ):
        if {a, b} <= set(plain["strategy"]):
            sides = ({"strategy": a, "epoch": last}, {"strategy": b, "epoch": last})
            yield _Wanted(plain, claim, *sides, expected)
    tuned = plain[plain["strategy"] != "head"]
    for _, part in tuned.groupby("strategy", sort=True):
        first, end = int(part["epoch"].min()), int(part["epoch"].max())
        if first == 0 < end:
            yield _Wanted(part, _TOGETHER, {"epoch": end}, {"epoch": 0}, "")


def _masked(scores: pd.DataFrame, data: str) -> Iterator[_Wanted]:
    """Yield masked against original training, at the last epoch of each strategy that has both."""
    claim, expected = ("masked: nothing", "alike") if _said_nothing(data) else ("masked: score", "above")
    for _, part in scores.groupby("strategy", sort=True):
        if {"masked", "original"} <= set(part["trained_on"]):
            a, b = ({"trained_on": kind, "epoch": part["epoch"].max()} for kind in ("masked", "original"))
            yield _Wanted(part, claim, a, b, expected)


def _masked_accuracies(tested: _Tested, strategies: set[str], data: str) -> Iterator[pd.DataFrame]:
    """Yield the same of accuracies."""
    claim, expected = ("masked: nothing", "alike") if _said_nothing(data) else ("masked: accuracy", "below")
    for strategy, part in tested.history.groupby("strategy", sort=True):
        if strategy in strategies and {"masked", "original"} <= set(part["trained_on"]):
            end = {"strategy": strategy, "epoch": part["epoch"].max()}
            a, b = ({**end, "trained_on": kind} for kind in ("masked", "original"))
            yield _accuracies(tested, claim, a, b, expected, "masked", "original")


def _said_nothing(data: str) -> bool:
    """Return whether the paper says of these photographs that masked training changes nothing worth mentioning."""
    # What it found on Caltech 101 is asked of all others.
    return data.startswith("dogs-vs-cats")


def _flat(tested: _Tested) -> Iterator[pd.DataFrame]:
    """Yield the test accuracy of each strategy at its last epoch against its first."""
    tuned = tested.history[tested.history["trained_on"] == "original"]
    for strategy, part in tuned[tuned["strategy"] != "head"].groupby("strategy", sort=True):
        first, end = int(part["epoch"].min()), int(part["epoch"].max())
        a, b = ({"strategy": strategy, "trained_on": "original", "epoch": epoch} for epoch in (end, first))
        yield _accuracies(tested, "flat", a, b, "alike", f"{strategy}, epoch {end}", f"epoch {first}")


def _compared(wanted: _Wanted, cohort: str, random_effects: bool) -> pd.DataFrame:
    scores, claim, a, b, expected = wanted
    # An untrained head is right by luck, so its epoch 0 must not decide which images all runs get right.
    start = [0] if "head" in set(scores["strategy"]) else []
    if cohort == "compared":
        scores, start, cohort = scores[select(scores, a) | select(scores, b)], [], "common"
    asked: dict[str, Any] = {"by": ("explainer",), "cohort": cohort, "ignore_epochs": start}
    found = paired(scores, a, b, resamples=_RESAMPLES, corrected=False, **asked)
    if random_effects:
        again = mixed(scores, a, b, **asked).rename(columns={"low": "mixed_low", "high": "mixed_high"})
        found = found.merge(again[["explainer", "mixed_low", "mixed_high", "seed_sd", "image_sd"]], on="explainer")
    words = {"a": _words(a), "b": _words(b)}
    if claim == _TOGETHER:
        words["a"] = f"{scores['strategy'].iloc[0]}, {words['a']}"
    return found.assign(claim=claim, expected=expected, **words).rename(columns={"explainer": "what"})


def _direction(differences: pd.Series, others: bool) -> list[str]:
    """Return in which direction each explainer is asked to move: that of the mean over all, or over the others."""
    total, count = differences.sum(), len(differences)
    aims = total - differences if others and count > 1 else pd.Series(total, differences.index)
    return ["above" if aim >= 0 else "below" for aim in aims]


def _accuracies(
    tested: _Tested,
    claim: str,
    a: Mapping[str, object],
    b: Mapping[str, object],
    expected: str,
    name_a: str,
    name_b: str,
) -> pd.DataFrame:
    named = {"claim": claim, "what": "accuracy", "a": name_a, "b": name_b, "expected": expected}
    left, right = (tested.history[select(tested.history, side)][["seed", "accuracy"]] for side in (a, b))
    both = left.merge(right, on="seed", suffixes=("_a", "_b"))
    if both.empty or not tested.n:
        return pd.DataFrame()
    paired = paired_accuracies(tested.answers, a, b)
    if len(paired) and (paired[["seeds", "fewest"]] == [len(both), tested.n]).all(axis=None):
        return paired.assign(**named, by_image=True)
    each = both["accuracy_a"] - both["accuracy_b"]
    n = tested.n
    low, high = drop_interval(both["accuracy_a"].mean() * n, n, both["accuracy_b"].mean() * n, n)
    return pd.DataFrame(
        [
            {
                **named,
                "difference": float(each.mean()),
                "low": min(low, float(each.min())),
                "high": max(high, float(each.max())),
                "n": n,
                "fewest": n,
                "seeds": len(both),
                "p": float("nan"),
                "by_image": False,
            }
        ]
    )


def _words(wanted: Mapping[str, object]) -> str:
    """Return what tells one side of a comparison from the other: the epoch only where nothing else does."""
    told = [str(value) for column, value in wanted.items() if column != "epoch"]
    return ", ".join(told) or f"epoch {wanted['epoch']}"


def _test_images(masks: pd.DataFrame, key: tuple[Any, ...]) -> int:
    mine = (
        (masks["study"] == key[0]) & (masks["data"] == key[1]) & (masks["status"] == "ok") & (masks["split"] == "test")
    )
    return int(mine.sum())
