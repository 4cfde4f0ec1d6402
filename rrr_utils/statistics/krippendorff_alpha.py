"""Krippendorff's alpha: how far raters agree, beyond what chance would give."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common.choices import one_of

LEVELS = ("nominal", "ordinal", "interval", "ratio")


def alpha(ratings: ArrayLike, level: str = "ordinal") -> float:
    """Return Krippendorff's alpha of ratings: 1 for full agreement, 0 for that of chance, below 0 for less.

    Parts C and D of K. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011),
    https://repository.upenn.edu/asc_papers/43. Of a unit with m ratings each ordered pair of them counts 1 / (m - 1)
    in the coincidences o(c, k) of values c and k; n(c) are their sums, n is the sum of these, and by chance e(c, k) is
    n(c) n(k) / (n - 1), with n(c) - 1 in place of n(k) for c = k. Then alpha is 1 - sum of o(c, k) d(c, k) / sum of
    e(c, k) d(c, k), d being the level's squared difference.

    Parameters
    ----------
    ratings
        Numbers ``(raters, units)``, NaN where a rating is missing. A unit with fewer than two ratings does not count.
    level
        What a difference between values means: ``"nominal"``, 0 or 1; ``"ordinal"``, the ratings that lie between
        them; ``"interval"``, their distance; ``"ratio"``, their distance as a share of their sum.

    Returns
    -------
    NaN where alpha is not defined: no unit has two ratings, or all ratings that count are equal, so that there is
    nothing to agree on. Memory grows with the number of units times the square of that of different values.

    Raises
    ------
    ValueError
        For an unknown level, ratings that are not ``(raters, units)``, infinite ones, and negative ones of a ratio.
    """
    one_of("level", level, LEVELS)
    numbers = np.asarray(ratings, np.float64)
    if numbers.ndim != 2:
        raise ValueError(f"`ratings` must be (raters, units), but an array of shape {numbers.shape} was passed.")
    refused = np.isinf(numbers) | ((numbers < 0) & (level == "ratio"))
    if refused.any():
        raise ValueError(
            f"`ratings` must be finite, and not below 0 at the level of ratios, but {numbers[refused][0]} was passed."
        )
    known = ~np.isnan(numbers)
    known &= known.sum(axis=0) >= 2
    values, place = np.unique(numbers[known], return_inverse=True)
    if len(values) < 2:
        return float("nan")
    counts = np.zeros((numbers.shape[1], len(values)))  # how often each unit got each value
    np.add.at(counts, (np.nonzero(known)[1], place), 1)
    counts = counts[known.any(axis=0)]
    # Each rating is paired with the others of its unit, and not with itself.
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))
    observed = (pairs / (counts.sum(axis=1) - 1)[:, None, None]).sum(axis=0)
    totals = observed.sum(axis=0)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    squares = _squared_differences(values, totals, level)
    return float(1 - (observed * squares).sum() / (expected * squares).sum())


def _squared_differences(values: NDArray[np.float64], totals: NDArray[np.float64], level: str) -> NDArray[np.float64]:
    """Return the squared difference of every two ``values``, sorted ``(V,)``, that occur ``totals`` times."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    # All ratings from c to k, less half of those that are c or k: the distance of the middles of their ranks.
    scale = np.cumsum(totals) - totals / 2 if level == "ordinal" else values
    difference = scale[:, None] - scale
    if level == "ratio":
        sums = scale[:, None] + scale
        difference = np.divide(difference, sums, out=np.zeros_like(difference), where=sums != 0)
    return difference**2
