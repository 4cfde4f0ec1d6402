"""The claims of the paper, each beside what a study's tables say about it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rrr_utils.statistics import holm, mixed, paired
from rrr_utils.statistics.intervals import drop_interval

# Smaller than this, two scores or two accuracies are alike: about what another start of the head alone moves them by.
SCORE_MARGIN, ACCURACY_MARGIN = 0.03, 0.02
# The chance of even one false alarm among all tests of a table.
LEVEL = 0.05
# A mean over fewer images that all compared runs get right decides nothing.
FEWEST = 20

HOLDS, PART, NOT, OPEN, ONE_SEED = "holds", "holds in part", "does not hold", "undecided", "undecided (one seed)"
ABSENT = "not testable here"


class Claim(NamedTuple):
    """A claim: its name in the tables, in words, where in the paper (version 1) it stands, why nothing may test it."""

    key: str
    words: str
    place: str
    why: str = "its runs are not published yet"

    @property
    def anchor(self) -> str:
        """The name by which a link on the page finds the claim's figure."""
        return "claim-" + "".join(letter if letter.isalnum() else "-" for letter in self.key)


CLAIMS = (
    Claim("flat", "Accuracy does not change over ten epochs of fine-tuning, whatever is trained", "3.3, Figure 3"),
    Claim(
        "late above dense", "Training blocks 4 and 5 raises the score above training the dense layers", "3.3, Figure 3"
    ),
    Claim("all like late", "Training all layers is like training blocks 4 and 5", "3.3, Figure 3"),
    Claim("early like dense", "Training blocks 1 to 3 is like training the dense layers", "3.3, Figure 3"),
    Claim("explainers agree", "The score changes in the same direction under every explainer", "3.3"),
    Claim("masked: accuracy", "Training on masked images lowers the accuracy", "3.3, Figure 5"),
    Claim("masked: score", "Training on masked images raises the score", "3.3, Figure 5"),
    Claim("settles", "The mean score has settled after 50 images", "3.2", "no study of convergence is published yet"),
    Claim(
        "masks",
        "Of 200 automatic masks 182 are excellent",
        "3.1",
        "it was judged by eye; the page on automatic masks has their overlap with outlines drawn by hand",
    ),
    Claim(
        "within one network",
        "Scores compare within one network and one explainer only",
        "2",
        "it is a rule of reading; the pages on the zoo go beyond it, and rank models of one network and of several",
    ),
)
# After so many images the paper says that the mean has settled.
SETTLED = 50

_RUN = ["strategy", "trained_on"]
_GROUP = ["study", "data", "network"]


def measured(scores: pd.DataFrame, history: pd.DataFrame, masks: pd.DataFrame) -> pd.DataFrame:
    """Return every comparison that the claims ask for and the tables hold, one row each.

    Scores are compared on test images at the last scored epoch, image by image, on the images that all compared runs
    get right (:func:`rrr_utils.statistics.paired`); p values are corrected by Holm's method for all rows together.
    Accuracies are compared on all test images by Newcombe's interval, stretched over the seeds.

    Parameters
    ----------
    scores, history, masks
        The tables of a study (see ``rrr_utils.tables``). Rows with a ``variant`` or the authors' protocol do not count.

    Returns
    -------
    Columns ``claim``, ``data``, ``network``, ``what`` (an explainer, or "accuracy"), ``a``, ``b``, ``difference`` (a
    minus b), ``low``, ``high``, ``n`` images, ``seeds``, ``p``, ``p_holm``, ``expected`` ("above", "below", "alike" or
    "as one") and ``finding``: holds, does not hold, undecided, or undecided (one seed). Of scores also what a mixed
    model with seeds and images as random effects says (:func:`rrr_utils.statistics.mixed`), which decides nothing:
    ``mixed_low``, ``mixed_high``, ``seed_sd``, ``image_sd``. No row where nothing can be compared.
    """
    plain = _plain(scores)
    parts = []
    for key, part in plain.groupby(_GROUP, sort=True):
        own = history[(history[_GROUP] == list(key)).all(axis=1)]
        n = _test_images(masks, key)
        parts += [
            rows.assign(data=str(key[1]), network=str(key[2]))
            for rows in (*_strategies(part), *_masked(part, own, n), *_flat(own, n))
            if len(rows)
        ]
    if not parts:
        return pd.DataFrame(columns=[*_COLUMNS])
    table = holm(pd.concat(parts, ignore_index=True))
    spread = seed_spread(plain)
    table = table.reindex(columns=list(_COLUMNS[:-1]))
    return table.assign(finding=[finding(row, spread) for row in table.to_dict("records")])


def settling(means: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Return whether the mean score has settled after 50 images, as a row of :func:`measured` for each explainer.

    ``difference`` is how far the mean of the first 50 images lies from that of all, in the median over random orders;
    ``low`` and ``high`` hold 95% of the orders. Settled is what lies within the margin of alike scores. Seeds and p
    have no part in it.

    Parameters
    ----------
    means
        For each data set and explainer, what ``statistics.running_means`` returns.
    """
    rows = []
    for (data, explainer), orders in means.items():
        last = float(orders.loc[orders["n"] == orders["n"].max(), "mean"].iloc[0])
        away = orders.loc[orders["n"] == SETTLED, "mean"] - last
        row: dict[str, Any] = {"claim": "settles", "data": data, "network": "", "what": explainer}
        row |= {"a": f"{SETTLED} images", "b": "all images"}
        row |= {"difference": away.median(), "low": away.quantile(0.025), "high": away.quantile(0.975)}
        row |= {"n": int(orders["n"].max()), "seeds": 1, "expected": "alike", "p_holm": float("nan")}
        # One network's scores, but the question is about images, so its one seed does not make it undecided.
        rows.append({**row, "finding": finding({**row, "seeds": 2}, 0.0)})
    return pd.DataFrame(rows).reindex(columns=list(_COLUMNS))


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each claim, data set and network of :func:`measured`: ``verdict``, and what it rests on.

    ``holds`` where every comparison holds, ``does not hold`` where none does and one says the contrary, ``holds in
    part`` where some hold, else undecided. ``held`` of ``asked`` comparisons hold, ``contrary`` say the contrary;
    ``least`` and ``most`` are the ends
    of their differences, ``low`` and ``high`` those of their intervals. A claim without any comparison has one row,
    ``not testable here``, with the reason ``why``.
    """
    rows: list[dict[str, Any]] = []
    for claim in CLAIMS:
        mine = table[table["claim"] == claim.key]
        about = {"claim": claim.words, "in the paper": claim.place}
        if mine.empty:
            rows.append(
                {**about, "data": "", "network": "", "verdict": ABSENT, "held": 0, "asked": 0, "why": claim.why}
            )
        for (data, network), part in mine.groupby(["data", "network"], sort=True):
            rows.append(
                {
                    **about,
                    "data": data,
                    "network": network,
                    "verdict": _together(part["finding"].tolist()),
                    "held": int((part["finding"] == HOLDS).sum()),
                    "contrary": int((part["finding"] == NOT).sum()),
                    "asked": len(part),
                    "least": float(part["difference"].min()),
                    "most": float(part["difference"].max()),
                    "low": float(part["low"].min()),
                    "high": float(part["high"].max()),
                    "n": int(part["n"].min()),
                    "seeds": int(part["seeds"].min()),
                }
            )
    return pd.DataFrame(rows)


def board(found: pd.DataFrame) -> pd.DataFrame:
    """Return those rows of :func:`verdicts` that rest on comparisons, as a reader meets them: one row a claim and run.

    The index holds the claim, as a link to :attr:`Claim.anchor`, with its place in the paper, and the run; ``verdict``;
    how many comparisons ``hold`` and say the ``contrary``; their ``differences`` and 95% ``intervals``, from end to
    end; images and seeds.
    """
    anchors = {claim.words: claim.anchor for claim in CLAIMS}
    rows = [
        {
            "claim": f'<a href="#{anchors[row["claim"]]}">{row["claim"]}</a> ({row["in the paper"]})',
            "run": ", ".join(filter(None, [row["data"], row["network"]])),
            "verdict": row["verdict"],
            "hold": f"{row['held']} of {row['asked']}",
            "contrary": int(row["contrary"]),
            "differences": _span(row["least"], row["most"]),
            "intervals": _span(row["low"], row["high"]),
            "images": int(row["n"]),
            "seeds": int(row["seeds"]),
        }
        for row in found[found["verdict"] != ABSENT].to_dict("records")
    ]
    return pd.DataFrame(rows).set_index(["claim", "run"])


def numbers(table: pd.DataFrame) -> dict[str, float]:
    """Return what the page of claims says of :func:`measured` in its sentences, by name.

    ``directed`` comparisons of scores hold as higher or lower, of which ``small`` are smaller than the margin of alike
    scores. Of ``flats`` accuracies that should stay, the intervals are ``half_low`` to ``half_high`` wide to either
    side, ``blind`` of them wider than the margin, so that no two accuracies could have been called alike. ``decided``
    comparisons of scores hold or say the contrary by their direction and have a mixed model, whose interval holds zero
    in ``open`` of them.
    """
    scored = table[(table["what"] != "accuracy") & (table["expected"] != "alike")]
    held = scored[scored["finding"] == HOLDS]
    decided = scored[scored["finding"].isin([HOLDS, NOT]) & scored["mixed_low"].notna()]
    half = (table["high"] - table["low"])[table["claim"] == "flat"] / 2
    return {
        "directed": len(held),
        "small": int((held["difference"].abs() < SCORE_MARGIN).sum()),
        "flats": len(half),
        "half_low": float(half.min()),
        "half_high": float(half.max()),
        "blind": int((half > ACCURACY_MARGIN).sum()),
        "decided": len(decided),
        "open": int(((decided["mixed_low"] <= 0) & (decided["mixed_high"] >= 0)).sum()),
    }


def finding(row: Mapping[Any, Any], spread: float) -> str:
    """Return what one comparison says of its claim.

    ``above`` and ``below``: its interval leaves zero out and the corrected p is below 5 %. ``alike``: its interval lies
    within the margin; outside it, the claim does not hold. Fewer than 20 images decide nothing; nor does one seed,
    unless the difference exceeds ``spread``, what seeds alone do.
    """
    low, high, difference = row["low"], row["high"], row["difference"]
    if any(np.isnan(value) for value in (low, high, difference)) or row["n"] < FEWEST:
        return OPEN
    margin = ACCURACY_MARGIN if row["what"] == "accuracy" else SCORE_MARGIN
    if row["expected"] == "alike":
        found = HOLDS if -margin < low and high < margin else NOT if low > margin or high < -margin else OPEN
    else:
        sign = -1 if row["expected"] == "below" else 1
        sure = np.isnan(row["p_holm"]) or row["p_holm"] < LEVEL
        left_out = min(sign * low, sign * high) > 0 or max(sign * low, sign * high) < 0
        found = (HOLDS if sign * difference > 0 else NOT) if sure and left_out else OPEN
    if row["seeds"] == 1 and found != OPEN and abs(difference) <= spread:
        return ONE_SEED
    return found


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


_COLUMNS = (
    *("claim", "data", "network", "what", "a", "b", "difference", "low", "high"),
    *("n", "seeds", "p", "p_holm", "mixed_low", "mixed_high", "seed_sd", "image_sd", "expected", "finding"),
)


def _plain(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that claims are about: of test images, by the explainers as they are."""
    return scores[(scores["split"] == "test") & (scores["variant"] == "") & (scores["protocol"] == "ours")]


def _strategies(scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the comparisons of strategies at the last epoch, and of each strategy with its start."""
    plain = scores[scores["trained_on"] == "original"]
    last = plain["epoch"].max()
    for claim, a, b, expected in (
        ("late above dense", "blocks4-5", "dense", "above"),
        ("all like late", "all", "blocks4-5", "alike"),
        ("early like dense", "blocks1-3", "dense", "alike"),
    ):
        if {a, b} <= set(plain["strategy"]):
            yield _compared(plain, claim, {"strategy": a, "epoch": last}, {"strategy": b, "epoch": last}, expected)
    tuned = plain[plain["strategy"] != "head"]
    for strategy, part in tuned.groupby("strategy", sort=True):
        first, end = int(part["epoch"].min()), int(part["epoch"].max())
        if first == 0 < end:
            rows = _compared(part, "explainers agree", {"epoch": end}, {"epoch": 0}, "as one")
            yield _as_one(rows.assign(a=f"{strategy}, epoch {end}", b="epoch 0"))


def _masked(scores: pd.DataFrame, history: pd.DataFrame, n: int) -> Iterator[pd.DataFrame]:
    """Yield masked against original training, at the last epoch of each strategy that has both."""
    for _, part in scores.groupby("strategy", sort=True):
        if {"masked", "original"} <= set(part["trained_on"]):
            a, b = ({"trained_on": kind, "epoch": part["epoch"].max()} for kind in ("masked", "original"))
            yield _compared(part, "masked: score", a, b, "above")
    for strategy, part in history[history["split"] == "test"].groupby("strategy", sort=True):
        if strategy in set(scores["strategy"]) and {"masked", "original"} <= set(part["trained_on"]):
            end = part[part["epoch"] == part["epoch"].max()]
            a, b = (end[end["trained_on"] == kind] for kind in ("masked", "original"))
            yield _accuracies("masked: accuracy", a, b, n, "below", "masked", "original")


def _flat(history: pd.DataFrame, n: int) -> Iterator[pd.DataFrame]:
    """Yield the test accuracy of each strategy at its last epoch against its first."""
    tuned = history[(history["split"] == "test") & (history["trained_on"] == "original")]
    for strategy, part in tuned[tuned["strategy"] != "head"].groupby("strategy", sort=True):
        first, end = int(part["epoch"].min()), int(part["epoch"].max())
        a, b = (part[part["epoch"] == epoch] for epoch in (end, first))
        yield _accuracies("flat", a, b, n, "alike", f"{strategy}, epoch {end}", f"epoch {first}")


def _compared(
    scores: pd.DataFrame, claim: str, a: Mapping[str, object], b: Mapping[str, object], expected: str
) -> pd.DataFrame:
    # An untrained head is right by luck, so its epoch 0 must not decide which images all runs get right.
    start = [0] if "head" in set(scores["strategy"]) else []
    found = paired(scores, a, b, by=("explainer",), ignore_epochs=start)
    again = mixed(scores, a, b, by=("explainer",), ignore_epochs=start)
    again = again.rename(columns={"low": "mixed_low", "high": "mixed_high"})
    found = found.merge(again[["explainer", "mixed_low", "mixed_high", "seed_sd", "image_sd"]], on="explainer")
    found = found.assign(a=_words(a), b=_words(b))
    return found.rename(columns={"explainer": "what"}).assign(claim=claim, expected=expected)


def _as_one(rows: pd.DataFrame) -> pd.DataFrame:
    """Turn the claim that all explainers move alike into one sign: that of the mean change over the explainers."""
    return rows.assign(expected="above" if rows["difference"].mean() >= 0 else "below")


def _accuracies(
    claim: str, a: pd.DataFrame, b: pd.DataFrame, n: int, expected: str, name_a: str, name_b: str
) -> pd.DataFrame:
    both = a[["seed", "accuracy"]].merge(b[["seed", "accuracy"]], on="seed", suffixes=("_a", "_b"))
    if both.empty or not n:
        return pd.DataFrame()
    each = both["accuracy_a"] - both["accuracy_b"]
    low, high = drop_interval(both["accuracy_a"].mean() * n, n, both["accuracy_b"].mean() * n, n)
    return pd.DataFrame(
        [
            {
                "claim": claim,
                "what": "accuracy",
                "a": name_a,
                "b": name_b,
                "difference": float(each.mean()),
                "low": min(low, float(each.min())),
                "high": max(high, float(each.max())),
                "n": n,
                "seeds": len(both),
                "p": float("nan"),
                "expected": expected,
            }
        ]
    )


def _words(wanted: Mapping[str, object]) -> str:
    """Return what tells one side of a comparison from the other: the epoch only where nothing else does."""
    told = [str(value) for column, value in wanted.items() if column != "epoch"]
    return ", ".join(told) or f"epoch {wanted['epoch']}"


def _span(low: float, high: float) -> str:
    """Return two numbers as one text; one, where they are printed alike."""
    ends = [f"{value:+.3f}" for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _together(findings: Sequence[str]) -> str:
    held = sum(each == HOLDS for each in findings)
    if held == len(findings):
        return HOLDS
    if held:
        return PART
    if NOT in findings:
        return NOT
    return ONE_SEED if ONE_SEED in findings else OPEN


def _test_images(masks: pd.DataFrame, key: tuple[Any, ...]) -> int:
    mine = (
        (masks["study"] == key[0]) & (masks["data"] == key[1]) & (masks["status"] == "ok") & (masks["split"] == "test")
    )
    return int(mine.sum())
