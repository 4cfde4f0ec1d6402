"""Confidence intervals: the bootstrap over images and seeds, and proportions."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rrr_utils.common import seeds


class Interval(NamedTuple):
    """The two ends of a confidence interval, ``low <= high``; NaN where it cannot be computed."""

    low: float
    high: float


def proportion_interval(k: float, n: float, confidence: float = 0.95) -> Interval:
    """Return Wilson's interval for ``k`` of ``n``, within [0, 1]; unlike the plain one it is not empty at 0 or n.

    The shares that a score test would not refuse (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Raises ``ValueError`` unless ``0 <= k <= n`` and ``n > 0``.
    """
    if not (n > 0 and 0 <= k <= n):
        raise ValueError(f"`k` of `n` must satisfy 0 <= k <= n and n > 0, but k={k} and n={n} were passed.")
    return _wilson(k, n, confidence)


def drop_interval(k1: float, n1: float, k2: float, n2: float, confidence: float = 0.95) -> Interval:
    """Return Newcombe's interval for ``k1 / n1 - k2 / n2``, taking the two samples as independent.

    Each end joins the ends of two Wilson intervals (Newcombe 1998, method 10,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).
    """
    one, other = _wilson(k1, n1, confidence), _wilson(k2, n2, confidence)
    first, second = k1 / n1, k2 / n2
    down = np.sqrt((first - one.low) ** 2 + (other.high - second) ** 2)
    up = np.sqrt((second - other.low) ** 2 + (one.high - first) ** 2)
    return Interval(float(first - second - down), float(first - second + up))


def _wilson(k: float, n: float, confidence: float) -> Interval:
    share, z = k / n, stats.norm.isf((1 - confidence) / 2)
    stretch = 1 + z**2 / n
    middle = (share + z**2 / (2 * n)) / stretch
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / stretch
    return Interval(float(max(middle - half, 0)), float(min(middle + half, 1)))


def in_words(value: pd.Series, low: pd.Series, high: pd.Series, digits: int = 2) -> pd.Series:
    """Return numbers with their intervals as texts, as in "0.85 (0.72 to 0.92)"; what is not known (NaN) is empty.

    A number without an interval stands alone.
    """
    words = []
    for number, *ends in zip(value, low, high, strict=True):
        told = f"{number:.{digits}f}"
        if not np.isnan(ends).any():
            told += f" ({' to '.join(f'{end:.{digits}f}' for end in ends)})"
        words.append("" if np.isnan(number) else told)
    return pd.Series(words, value.index)


def bootstrap(matrix: NDArray[np.float64], confidence: float = 0.95, resamples: int = 1999, seed: int = 0) -> Interval:
    """Return a bootstrap interval for the mean of a (seeds, images) matrix, NaN where a cell is missing.

    With one seed the images are drawn again (BCa); with several, whole seeds and whole images are, independently
    of each other (percentile: with a handful of seeds BCa's acceleration would be noise). A matrix without spread
    has the interval of its one value, one with fewer than two images has none (NaN).
    """
    known = ~np.isnan(matrix)
    n_seeds, n_images = matrix.shape
    if n_images < 2:
        return Interval(float("nan"), float("nan"))
    values = matrix[known]
    if np.ptp(values) < 1e-12:  # a constant has no spread but its rounding, and BCa would divide by it
        return Interval(float(values[0]), float(values[0]))
    draw = {"confidence_level": confidence, "n_resamples": resamples, "rng": seeds.generator("bootstrap", seed)}
    # SciPy warns and returns NaN where the interval cannot be computed (a drawing without any score): as promised.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        if n_seeds == 1:
            found = stats.bootstrap((matrix[0],), np.mean, method="BCa", **draw)
        else:
            batch = max(1, 2_000_000 // matrix.size)  # bounds the memory of one batch of drawings to tens of MB
            places = (np.arange(n_seeds), np.arange(n_images))
            found = stats.bootstrap(
                places, _pooled_mean(matrix), method="percentile", vectorized=True, batch=batch, **draw
            )
    return Interval(float(found.confidence_interval.low), float(found.confidence_interval.high))


def _pooled_mean(matrix: NDArray[np.float64]) -> Callable[..., NDArray[np.float64]]:
    """Return the statistic that averages the known cells where drawn rows and drawn columns of ``matrix`` cross."""
    n_images = matrix.shape[1]
    known = ~np.isnan(matrix)
    values, weights = np.where(known, matrix, 0.0).ravel(), known.astype(float).ravel()

    def mean(rows: NDArray, columns: NDArray, axis: int = -1) -> NDArray[np.float64]:
        cells = rows.astype(int)[..., :, None] * n_images + columns.astype(int)[..., None, :]
        with np.errstate(invalid="ignore"):
            return values[cells].sum(axis=(-2, -1)) / weights[cells].sum(axis=(-2, -1))

    return mean
