"""Reliability, as psychometrics has it: do images agree on the order of methods, and methods on the order of images?"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rrr_utils.common import seeds
from rrr_utils.statistics.intervals import Interval, bootstrap
from rrr_utils.statistics.krippendorff_alpha import alpha

# Krippendorff's own limits: from 0.8 a measure is taken as reliable, from 0.667 for tentative conclusions.
RELIABLE, TENTATIVE = 0.8, 0.667

_RESAMPLES = 499


def within_ranks(values: ArrayLike, lower_is_better: bool = False) -> NDArray[np.float64]:
    """Return the ranks of methods within each image, of values ``(methods, images)``; 1 is the best, equals share.

    A missing value has no rank (NaN), and the others are ranked without it.
    """
    numbers = np.asarray(values, np.float64)
    return stats.rankdata(numbers if lower_is_better else -numbers, axis=0, nan_policy="omit")


def inter_rater(values: ArrayLike, lower_is_better: bool = False) -> float:
    """Return how far images agree on the order of methods, of values ``(methods, images)``.

    Ordinal alpha with images as raters and methods as units, over the ranks of :func:`within_ranks` (Fresz et al. 2024,
    after Tomsett et al. 2020).
    """
    return alpha(within_ranks(values, lower_is_better).T)


def inter_method(values: ArrayLike) -> NDArray[np.float64]:
    """Return Spearman's rank correlation over images of every two methods, ``(methods, methods)``.

    Of values ``(methods, images)``, over the images that both have; NaN where there are fewer than three or one of
    the two is constant.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.shape[1] >= 3 and not np.isnan(numbers).any() and np.ptp(numbers, axis=1).all():
        return np.atleast_2d(np.corrcoef(stats.rankdata(numbers, axis=1)))
    found = np.eye(len(numbers))
    for one in range(len(numbers)):
        for other in range(one):
            both = ~np.isnan(numbers[[one, other]]).any(axis=0)
            found[one, other] = found[other, one] = _spearman(numbers[one, both], numbers[other, both])
    return found


def verdict(low: float, high: float) -> str:
    """Return what an alpha's interval says by Krippendorff's limits: reliable, tentative, unreliable or undecided."""
    if np.isnan(low) or np.isnan(high):
        return "undecided"
    if low >= RELIABLE:
        return "reliable"
    if low >= TENTATIVE:
        return "tentative"
    return "unreliable" if high < TENTATIVE else "undecided"


def reliability_table(rows: pd.DataFrame, lower_is_better: Collection[str] = (), seed: int = 0) -> pd.DataFrame:
    """Return the inter-rater alpha and the mean inter-method correlation of every measure, with intervals.

    Parameters
    ----------
    rows
        ``measure``, ``explainer``, ``image`` and ``value``, and ``seed`` where there are several: images are then
        raters under each seed.
    lower_is_better
        The measures whose lowest value is the best.

    Returns
    -------
    Columns ``measure``, ``methods``, ``images``, ``missing`` values; ``alpha``, ``alpha_low``, ``alpha_high`` and
    ``verdict``; ``rho``, ``rho_low``, ``rho_high``: the mean of all pairs of methods. Intervals are 95 % percentile
    bootstraps over images, which the same draws follow for both. A measure of one method has neither.
    """
    found = []
    for measure, part in rows.groupby("measure", sort=False):
        table = part.assign(rater=[f"{row.image} {getattr(row, 'seed', '')}" for row in part.itertuples()])
        matrix = table.pivot(index="explainer", columns="rater", values="value")
        images = table.groupby("rater")["image"].first().loc[matrix.columns].to_numpy()
        values, lower = matrix.to_numpy(float), measure in lower_is_better
        record: dict[str, Any] = {"measure": measure, "methods": len(values), "images": len(set(images))}
        record |= {"missing": int(np.isnan(values).sum())}
        if len(values) > 1:
            for name, of in (("alpha", lambda drawn, lower=lower: inter_rater(drawn, lower)), ("rho", _mean_rho)):
                low, high = _over_images(of, values, images, seed)
                record |= {name: of(values), f"{name}_low": low, f"{name}_high": high}
        else:
            record |= dict.fromkeys(("alpha", "alpha_low", "alpha_high", "rho", "rho_low", "rho_high"), float("nan"))
        found.append(record | {"verdict": verdict(record["alpha_low"], record["alpha_high"])})
    order = ["measure", "methods", "images", "missing", "alpha", "alpha_low", "alpha_high", "verdict"]
    return pd.DataFrame(found)[[*order, "rho", "rho_low", "rho_high"]]


def score_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the undisturbed scores as a measure, ``score``, and minus chance, ``score above chance``.

    Of the rows of a scores table with an empty ``variant``. Within an image the two rank explainers alike; over images
    they do not, because large objects score more.
    """
    plain = scores[scores["variant"] == ""]
    parts = [
        plain.assign(measure=name, value=values)
        for name, values in (("score", plain["score"]), ("score above chance", plain["score"] - plain["chance"]))
    ]
    return pd.concat(parts, ignore_index=True)


def reliability_numbers(reliability: pd.DataFrame, stability: pd.DataFrame) -> dict[str, float]:
    """Return the numbers that pages quote, by name; spaces are underscores, signs and units are left out.

    ``alpha_<measure>`` and ``rho_<measure>``, ``moved_<variant>_<explainer>`` and ``same_order_<variant>_<explainer>``,
    each with ``_low`` and ``_high``, and ``spread_<explainer>``.
    """
    found: dict[str, float] = {}
    for row in reliability.to_dict("records"):
        for name in ("alpha", "rho"):
            found |= {f"{name}_{_slug(row['measure'])}{edge}": row[f"{name}{edge}"] for edge in ("", "_low", "_high")}
    for row in stability.to_dict("records"):
        end = f"{_slug(row['variant'])}_{row['explainer']}"
        for name, column in (("moved", "moved"), ("shifted", "shift"), ("same_order", "rho")):
            found |= {f"{name}_{end}{edge}": row[f"{column}{edge}"] for edge in ("", "_low", "_high")}
        found[f"spread_{row['explainer']}"] = row["spread"]
    return found


def method_table(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return :func:`inter_method` of one measure with the explainers as index and columns."""
    part = rows[rows["measure"] == measure]
    keys = [name for name in ("seed", "image") if name in part]
    matrix = part.pivot(index="explainer", columns=keys, values="value")
    return pd.DataFrame(inter_method(matrix), index=matrix.index, columns=matrix.index)


def stability_table(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return how far each disturbance moves the scores of each explainer: one row for each ``variant``.

    ``scores`` is a scores table whose rows with an empty ``variant`` are undisturbed. Compared are images that have
    both scores under the same seed. ``moved`` is the mean of the absolute differences, ``shift`` the mean of the
    differences, disturbed minus undisturbed, both with bootstrap intervals; ``rho`` is Spearman's correlation over
    images, with an interval over images; ``n`` images, ``spread`` their standard deviation, undisturbed.
    """
    plain = scores[scores["variant"] == ""]
    found = []
    for (explainer, variant), part in scores[scores["variant"] != ""].groupby(["explainer", "variant"], sort=False):
        both = plain[plain["explainer"] == explainer].merge(part, on=["seed", "image"], suffixes=("", "_now"))
        both = both.dropna(subset=["score", "score_now"])
        both = both.assign(difference=both["score_now"] - both["score"])
        matrix = both.pivot(index="seed", columns="image", values="difference").to_numpy(float)
        pair = both[["score", "score_now"]].to_numpy(float).T
        rho = _over_images(lambda drawn: _spearman(*drawn), pair, both["image"].to_numpy(), seed)
        moved, shift = bootstrap(np.abs(matrix)), bootstrap(matrix)
        found.append(
            {
                "explainer": explainer,
                "variant": variant,
                "n": int(both["image"].nunique()),
                "spread": float(both["score"].std()),
                "moved": float(both["difference"].abs().mean()),
                "moved_low": moved.low,
                "moved_high": moved.high,
                "shift": float(both["difference"].mean()),
                "shift_low": shift.low,
                "shift_high": shift.high,
                "rho": _spearman(*pair),
                "rho_low": rho.low,
                "rho_high": rho.high,
            }
        )
    return pd.DataFrame(found)


def spearman_over_images(rows: pd.DataFrame, one: str, other: str, seed: int = 0) -> tuple[float, float, float]:
    """Return Spearman's correlation of two columns, and the ends of its interval over images (column ``image``)."""
    known = rows.dropna(subset=[one, other])
    pair = known[[one, other]].to_numpy(float).T
    low, high = _over_images(lambda drawn: _spearman(*drawn), pair, known["image"].to_numpy(), seed)
    return _spearman(*pair), low, high


def _over_images(
    of: Callable[[NDArray[np.float64]], float], values: NDArray[np.float64], images: Sequence[str] | NDArray, seed: int
) -> Interval:
    """Return the percentile interval of ``of`` over images drawn again; an image comes with all of its columns."""
    names, where = np.unique(np.asarray(images), return_inverse=True)
    if len(names) < 3:
        return Interval(float("nan"), float("nan"))
    columns = [np.flatnonzero(where == number) for number in range(len(names))]
    draw = seeds.generator("reliability", seed)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([columns[number] for number in draw.integers(0, len(names), len(names))])
        drawn.append(of(values[:, chosen]))
    known = np.array(drawn)[~np.isnan(drawn)]
    if len(known) < 0.95 * _RESAMPLES:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(low), float(high))


def _mean_rho(values: NDArray[np.float64]) -> float:
    correlations = inter_method(values)[np.triu_indices(len(values), 1)]
    known = correlations[~np.isnan(correlations)]
    return float(known.mean()) if len(known) else float("nan")


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    # Pearson's correlation of the ranks: SciPy's function also computes a p-value, which takes longer than the rest.
    return float(np.corrcoef(stats.rankdata(one), stats.rankdata(other))[0, 1])


def _slug(text: str) -> str:
    return text.replace("+", "wider ").replace("-", "narrower ").replace("  ", " ").replace(" ", "_")
