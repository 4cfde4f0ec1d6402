"""AvgScore with its interval, and paired tests of one kind of run against another."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rrr_utils.statistics.cohorts import FIRST, Ignored, check_scores, groups, members, need, refuse_mixed, select
from rrr_utils.statistics.intervals import bootstrap


def average(
    scores: pd.DataFrame,
    by: Sequence[str],
    *,
    cohort: str = "common",
    confidence: float = 0.95,
    resamples: int = 1999,
    seed: int = 0,
    ignore_epochs: Ignored = (),
    first: int = FIRST,
) -> pd.DataFrame:
    """Return AvgScore with its interval for each group of rows that agree in ``by``.

    The interval is a bootstrap (SciPy). With one seed, images are drawn again (BCa). With several, the same images
    were scored under every seed, so seeds and images are *both* drawn again, each as a whole (percentile): an image
    that is easy for one run is easy for the next, and drawing images anew within each seed would hide that. Three
    seeds are few, and the spread over seeds is then understated. The draws follow from ``seed`` alone; neither the
    order of rows nor the other groups matter. ``cohort``, ``ignore_epochs`` and ``first`` as in :func:`cohort`.

    Returns
    -------
    One row a group, sorted by ``by``, with the columns of ``by`` and ``cohort``; ``mean``, ``low``, ``high`` of the
    score; ``n`` scores in the mean, on ``images`` images under ``seeds`` seeds; ``zero_maps`` left out of it;
    ``chance``, the mean over the same rows; and ``above``, ``above_low``, ``above_high``, score minus chance. A
    group whose cohort is empty has ``n`` 0 and NaN for the means; with fewer than two images there is no interval.

    Raises
    ------
    ValueError
        If a group mixes scores that do not compare (for example two explainers), which then belong into ``by``; if
        an image stands twice in a group, or a score lies outside [0, 1] or is NaN without being a zero map.
    """
    check_scores(scores)
    member = members(scores, cohort, ignore_epochs=ignore_epochs, first=first)
    rows = []
    for key, part in groups(scores, by):
        refuse_mixed(part, by)
        counted = part[member[part.index]]
        zero = counted["zero_map"].to_numpy(bool)
        kept = counted[~zero]
        score, chance = image_matrix(kept, kept["score"]), image_matrix(kept, kept["chance"])
        low, high = bootstrap(score, confidence, resamples, seed)
        above_low, above_high = bootstrap(score - chance, confidence, resamples, seed)
        rows.append(
            key
            | {
                "cohort": cohort,
                "mean": _mean(score),
                "low": low,
                "high": high,
                "n": len(kept),
                "images": int(kept["image"].nunique()),
                "seeds": int(kept["seed"].nunique()),
                "zero_maps": int(zero.sum()),
                "chance": _mean(chance),
                "above": _mean(score - chance),
                "above_low": above_low,
                "above_high": above_high,
            }
        )
    return pd.DataFrame(rows)


def paired(
    scores: pd.DataFrame,
    a: Mapping[str, object],
    b: Mapping[str, object],
    *,
    by: Sequence[str] = ("explainer",),
    cohort: str = "common",
    confidence: float = 0.95,
    resamples: int = 1999,
    seed: int = 0,
    ignore_epochs: Ignored = (),
    corrected: bool = True,
) -> pd.DataFrame:
    """Return a paired test of ``a`` against ``b`` on the same images, one row for each group of ``by``.

    ``a`` and ``b`` name rows by column and value: ``{"strategy": "blocks4-5"}`` against ``{"strategy": "dense"}``.
    An image counts where both have a score (no zero map) under the same seed; its differences are first averaged
    over seeds, because the image is the unit of the test and more seeds are not more images. The test is Wilcoxon's
    signed rank test, two-sided; where no image differs ``p`` is 1, without images it is NaN. ``cohort`` and
    ``ignore_epochs`` as in :func:`cohort`, of all rows that are passed.

    Returns
    -------
    Columns of ``by``, ``a``, ``b``, ``cohort``, ``n`` images, of which each seed has at least ``fewest``, ``seeds``,
    ``mean_a``, ``mean_b``, ``difference`` (a minus b) with its bootstrap interval ``low``, ``high`` as in
    :func:`average`, ``p``, and, unless ``corrected`` is False, ``p_holm``, corrected for the number of rows (see
    :func:`holm` for several tables at once).

    Raises
    ------
    ValueError
        If ``a`` or ``b`` names no row or the same rows, or if a side mixes scores that do not compare.
    """
    check_scores(scores)
    chosen = scores[members(scores, cohort, ignore_epochs=ignore_epochs)]
    sides = []
    for name, wanted in (("a", a), ("b", b)):
        need(scores, wanted, f"`{name}`")
        if not select(scores, wanted).any():
            raise ValueError(f"`{name}` names no row of the table: {dict(wanted)} was passed.")
        sides.append(chosen[select(chosen, wanted)])
    if dict(a) == dict(b):
        raise ValueError(f"`a` and `b` must differ, but {dict(a)} was passed as both.")
    rows = []
    for key, _ in groups(scores[select(scores, a) | select(scores, b)], by):
        left, right = (side[select(side, key)] for side in sides)
        for part in (left, right):
            refuse_mixed(part, by)
        both = side_by_side(left, right)
        difference = image_matrix(both, both["score_a"] - both["score_b"])
        low, high = bootstrap(difference, confidence, resamples, seed)
        rows.append(
            key
            | {
                "a": _name(a),
                "b": _name(b),
                "cohort": cohort,
                "n": int(both["image"].nunique()),
                "fewest": int(both.groupby("seed")["image"].nunique().min()) if len(both) else 0,
                "seeds": int(both["seed"].nunique()),
                "mean_a": float(both["score_a"].mean()),
                "mean_b": float(both["score_b"].mean()),
                "difference": _mean(difference),
                "low": low,
                "high": high,
                "p": signed_rank(difference),
            }
        )
    # Where several tables are corrected together, doing so for each of them takes longer than the tests.
    return holm(pd.DataFrame(rows)) if corrected else pd.DataFrame(rows)


def holm(*tests: pd.DataFrame) -> pd.DataFrame:
    """Return the tables of :func:`paired` one below the other, ``p_holm`` corrected for all rows together.

    Holm's method (1979) holds the chance of even one false alarm among all rows at the level of a single test. Rows
    whose ``p`` is NaN were not tested, do not count, and stay NaN.
    """
    table = pd.concat(tests, ignore_index=True)
    p = table["p"].to_numpy(float)
    corrected = np.full(len(p), np.nan)
    tested = ~np.isnan(p)
    order = np.argsort(p[tested])
    times = p[tested][order] * np.arange(len(order), 0, -1)
    corrected[np.flatnonzero(tested)[order]] = np.minimum(np.maximum.accumulate(times), 1.0)
    return table.assign(p_holm=corrected)


def side_by_side(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Return ``seed``, ``image``, ``score_a`` and ``score_b`` where two parts of a scores table both have a score."""
    # The other columns are texts: to carry them along takes longer than the test.
    columns = ["seed", "image", "score"]
    both = left[columns].merge(right[columns], on=["seed", "image"], suffixes=("_a", "_b"))
    return both.dropna(subset=["score_a", "score_b"])


def image_matrix(part: pd.DataFrame, values: "pd.Series[float]") -> NDArray[np.float64]:
    """Return ``values`` as (seeds, images), both sorted, NaN where an image was not scored under a seed."""
    table = pd.DataFrame({"seed": part["seed"], "image": part["image"], "value": values.astype(float)})
    return table.pivot(index="seed", columns="image", values="value").sort_index().sort_index(axis=1).to_numpy(float)


def _mean(matrix: NDArray[np.float64]) -> float:
    known = matrix[~np.isnan(matrix)]
    return float(known.mean()) if known.size else float("nan")


def signed_rank(difference: NDArray[np.float64]) -> float:
    """Return the p value of Wilcoxon's test of differences (seeds, images) averaged over seeds; NaN without any."""
    if not difference.size:
        return float("nan")
    an_image = np.nanmean(difference, axis=0)
    return float(stats.wilcoxon(an_image).pvalue) if an_image.any() else 1.0


def _name(wanted: Mapping[str, object]) -> str:
    return ", ".join(f"{column}={value}" for column, value in wanted.items())


def variant_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean score of every explainer, protocol and variant with its interval and chance."""
    return average(scores, ["explainer", "protocol", "variant"], cohort="all")
