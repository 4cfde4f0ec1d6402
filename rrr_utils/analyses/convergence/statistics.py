"""How many images a mean score needs: running means in random orders, and the n that a precision takes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rrr_utils.common import seeds


def running_means(scores: ArrayLike, orders: int, seed: int, confidence: float = 0.95) -> pd.DataFrame:
    """Return the mean of the first n scores and its interval, for every n from 2, in each of so many random orders.

    The interval is Student's: one that has to be computed at each of some ten thousand places cannot be a bootstrap,
    and a mean of many scores in [0, 1] is close to normal. It takes the images for a draw from endlessly many.

    Parameters
    ----------
    scores
        ``(N,)`` without NaN, at least 2.
    orders
        How many random orders, each a permutation that follows from ``seed`` and its number alone.

    Returns
    -------
    Columns ``order``, ``n``, ``mean``, ``low``, ``high``; one row an order and an n.

    Raises
    ------
    ValueError
        If there are fewer than two scores, or one of them is missing.
    """
    values = _scores(scores)
    count = np.arange(1, len(values) + 1)
    parts = []
    for order in range(orders):
        drawn = values[seeds.generator(seed, "order", order).permutation(len(values))]
        mean = np.cumsum(drawn) / count
        # The sum of squares about the running mean, without the cancellation of a difference of large sums.
        square = np.concatenate([[0.0], np.cumsum((drawn[1:] - mean[:-1]) * (drawn[1:] - mean[1:]))])
        error = np.sqrt(square[1:] / (count[1:] - 1) / count[1:])
        reach = stats.t.ppf((1 + confidence) / 2, count[1:] - 1) * error
        mean = mean[1:]
        parts.append(
            pd.DataFrame({"order": order, "n": count[1:], "mean": mean, "low": mean - reach, "high": mean + reach})
        )
    return pd.concat(parts, ignore_index=True)


def needed(scores: ArrayLike, half_width: float, confidence: float = 0.95) -> int:
    """Return the least n whose Student interval reaches ``half_width`` from the mean, for scores that scatter so.

    Raises ``ValueError`` unless ``half_width`` is positive and there are two scores.
    """
    if not half_width > 0:
        raise ValueError(f"`half_width` must be positive, but {half_width} was passed.")
    spread = float(_scores(scores).std(ddof=1))
    low, high = 2, 4
    while _reach(spread, high, confidence) > half_width:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _reach(spread, middle, confidence) <= half_width else (middle + 1, high)
    return low


def settled(means: pd.DataFrame, half_width: float) -> "pd.Series[int]":
    """Return for each order the n from which on its running mean stays within ``half_width`` of the mean of all.

    ``means`` is what :func:`running_means` returns. The mean of all contains the first n, so that near the end every
    order settles by itself: a number close to the number of all images says nothing.
    """
    last = means[means["n"] == means["n"].max()].set_index("order")["mean"]
    away = (means["mean"] - means["order"].map(last)).abs() > half_width
    outside = means[away].groupby("order")["n"].max()
    return (outside.reindex(last.index) + 1).fillna(means["n"].min()).astype(int).rename("n")


def after(means: pd.DataFrame, n: int) -> dict[str, float]:
    """Return what the mean of the first ``n`` images is worth, over the orders of :func:`running_means`.

    ``low`` and ``high`` hold the means of 95% of the orders, ``lowest`` and ``highest`` of all; ``error`` is their root
    mean square distance from the mean of all images, ``half_width`` the median of their intervals' half-widths, and
    ``covered`` the share of these intervals that hold the mean of all. Raises ``ValueError`` if there are fewer images.
    """
    if n > means["n"].max():
        raise ValueError(f"`n` must be at most {means['n'].max()}, the number of scores, but {n} was passed.")
    last = float(means.loc[means["n"] == means["n"].max(), "mean"].iloc[0])
    part = means[means["n"] == n]
    return {
        "low": float(part["mean"].quantile(0.025)),
        "high": float(part["mean"].quantile(0.975)),
        "lowest": float(part["mean"].min()),
        "highest": float(part["mean"].max()),
        "error": float(np.sqrt(((part["mean"] - last) ** 2).mean())),
        "half_width": float(((part["high"] - part["low"]) / 2).median()),
        "covered": float(((part["low"] <= last) & (last <= part["high"])).mean()),
    }


def precision_table(
    scores: ArrayLike, means: pd.DataFrame, half_widths: Sequence[float], confidence: float = 0.95
) -> pd.DataFrame:
    """Return for each half-width the n that it ``needs``, and after how many images the running means settled in it.

    ``median`` and ``most`` are over the orders; ``most`` is the n that 95% of them had settled by.
    """
    rows = []
    for half_width in half_widths:
        reached = settled(means, half_width)
        rows.append(
            {
                "half_width": half_width,
                "needed": needed(scores, half_width, confidence),
                "median": float(reached.median()),
                "most": float(reached.quantile(0.95, interpolation="higher")),
            }
        )
    return pd.DataFrame(rows)


def _reach(spread: float, n: int, confidence: float) -> float:
    return float(stats.t.ppf((1 + confidence) / 2, n - 1) * spread / np.sqrt(n))


def _scores(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or len(values) < 2 or np.isnan(values).any():
        raise ValueError(
            f"`scores` must be at least two numbers without NaN, but shape {values.shape} with "
            f"{int(np.isnan(values).sum())} missing was passed. Leave zero maps out, and count them."
        )
    return values
