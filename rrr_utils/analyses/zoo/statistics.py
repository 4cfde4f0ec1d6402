"""Does one number of a model foretell another? Rank correlations, regret, alarms and predictions, group by group."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rrr_utils.common import seeds

RESAMPLES = 1999

Floats = NDArray[np.float64]


class Cell(NamedTuple):
    """Models that are compared with one another: their places in the table, and the group and trainings they are of."""

    places: NDArray[np.int64]
    group: str
    trainings: NDArray[np.int64]


class Draws(NamedTuple):
    """Models drawn anew: for each cell and replicate places inside it, and for each replicate which groups count."""

    inside: tuple[NDArray[np.int64], ...]
    groups: NDArray[np.int64]
    rows: NDArray[np.int64]


def cells(groups: Sequence[str], trainings: Sequence[str], kinds: Sequence[str] | None = None) -> tuple[Cell, ...]:
    """Return the models of each group, or with ``kinds`` those of each kind inside each group; places count from 0."""
    keys = list(zip(groups, kinds if kinds is not None else groups, strict=True))
    numbers = np.unique(np.asarray(trainings), return_inverse=True)[1]
    found = []
    for key in sorted(set(keys)):
        places = np.array([place for place, other in enumerate(keys) if other == key], np.int64)
        found.append(Cell(places, key[0], numbers[places]))
    return tuple(found)


def draw(of: Sequence[Cell], resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Return a bootstrap that draws groups, and then trainings inside each cell, with replacement.

    All checkpoints of a training go together, because they are not independent of each other; so do all cells of a
    group. A replicate in which a group is drawn twice sees two draws of its trainings. The draws follow from ``seed``.
    """
    names = sorted({cell.group for cell in of})
    rng = seeds.generator("foretelling", seed)
    inside = []
    for cell in of:
        members = [np.flatnonzero(cell.trainings == training) for training in np.unique(cell.trainings)]
        # As many models of each training; of one that has fewer checkpoints they come again.
        table = np.stack([np.resize(member, max(map(len, members))) for member in members])
        chosen = rng.integers(len(members), size=(resamples, len(members)))
        inside.append(table[chosen].reshape(resamples, -1))
    groups = rng.integers(len(names), size=(resamples, len(names)))
    return Draws(tuple(inside), groups, rng.integers(resamples, size=groups.shape))


def over_groups(of: Sequence[Cell], draws: Draws, each: Sequence[Floats]) -> Floats:
    """Return the mean over the drawn groups' cells of a statistic, ``(resamples, ...)``.

    ``each`` holds for each cell its statistic on every drawing inside it, ``(resamples, ...)``; missing ones (NaN) do
    not count.
    """
    names = sorted({cell.group for cell in of})
    members = [[place for place, cell in enumerate(of) if cell.group == name] for name in names]
    values = np.stack(each)  # (cells, resamples, ...)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    totals = np.stack([filled[member].sum(axis=0) for member in members])
    counts = np.stack([known[member].sum(axis=0) for member in members])
    drawn = totals[draws.groups, draws.rows].sum(axis=1), counts[draws.groups, draws.rows].sum(axis=1)
    return np.asarray(np.where(drawn[1] > 0, drawn[0] / np.maximum(drawn[1], 1), np.nan), np.float64)


def spearman(predictors: ArrayLike, outcome: ArrayLike) -> Floats:
    """Return Spearman's rank correlation of each predictor with the outcome, ``(..., P)``.

    Of predictors ``(..., n, P)`` and outcome ``(..., n)``. A missing predictor ranks its model last: it has nothing to
    say for it. NaN where a predictor or the outcome is the same for all models.
    """
    x, y = _ranks(predictors), _ranks(np.asarray(outcome, np.float64)[..., None])
    return _correlation(x, y)


def partial(predictors: ArrayLike, outcome: ArrayLike, given: ArrayLike) -> Floats:
    """Return the rank correlation of each predictor with the outcome at equal ``given``, ``(..., P)``.

    The partial correlation of the ranks; arguments as in :func:`spearman`, ``given`` like the outcome. NaN where the
    given number orders the models just as the predictor or the outcome does.
    """
    x, y, z = _ranks(predictors), *(_ranks(np.asarray(each, np.float64)[..., None]) for each in (outcome, given))
    xy, xz, yz = _correlation(x, y), _correlation(x, z), _correlation(y, z)
    rest = (1 - xz**2) * (1 - yz**2)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(rest > 1e-9, (xy - xz * yz) / np.sqrt(np.maximum(rest, 1e-12)), np.nan), np.float64)


def regret(predictors: ArrayLike, outcome: ArrayLike) -> Floats:
    """Return how much of the outcome is lost by picking the model that each predictor ranks first, ``(..., P)``.

    The best model's outcome minus that of the pick; of several first ones, their mean. Arguments as in
    :func:`spearman`. 0 is an oracle.
    """
    x, y = _last(predictors), np.asarray(outcome, np.float64)
    first = x == x.max(axis=-2, keepdims=True)
    picked = (first * y[..., None]).sum(axis=-2) / first.sum(axis=-2)
    return np.asarray(y.max(axis=-1)[..., None] - picked, np.float64)


def roc_area(predictors: ArrayLike, alarm: ArrayLike) -> Floats:
    """Return the area under the ROC curve of "the predictor is low" for the alarms, ``(..., P)``.

    The chance that a model with alarm has a lower predictor than one without; equal ones count half. Predictors as in
    :func:`spearman`, ``alarm`` ``(..., n)`` bool. NaN without a model of either kind.
    """
    ranks, there = _ranks(predictors), np.asarray(alarm, bool)[..., None]
    n, bad = there.shape[-2], there.sum(axis=-2)
    good = n - bad
    below = np.where(there, 0.0, ranks).sum(axis=-2) - good * (good + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where((bad > 0) & (good > 0), below / (bad * good), np.nan), np.float64)


class Alarm(NamedTuple):
    """An alarm on groups that did not choose its threshold: counts of models, and the thresholds of all groups."""

    sensitivity: float
    false_alarms: float
    with_drop: int
    without: int
    low: float
    high: float


def alarm_elsewhere(predictor: ArrayLike, alarm: ArrayLike, groups: Sequence[str]) -> Alarm:
    """Return how well "predictor below t" tells the models with ``alarm`` in groups that did not choose t.

    For each group t is chosen on all others: where the share of alarms that are raised exceeds that of false ones the
    most (Youden 1950), the lowest such t. A missing predictor raises the alarm. A group whose others have no drop, or
    only drops, or no predictor, is not tried and not counted. NaN where there is nothing to tell.
    """
    x, bad = _last(np.asarray(predictor, np.float64)[:, None])[:, 0], np.asarray(alarm, bool)
    names = np.asarray(groups)
    raised, tested, thresholds = np.zeros(len(x), bool), np.zeros(len(x), bool), []
    for name in np.unique(names):
        here = names == name
        others, truth = x[~here], bad[~here]
        levels = np.unique(others[np.isfinite(others)])
        if not 0 < truth.sum() < len(truth) or not len(levels):
            continue
        # Between two values that occur, and above all of them.
        tried = np.append((levels[1:] + levels[:-1]) / 2, levels[-1:] + 1e-9)
        below = others[:, None] < tried
        gain = below[truth].mean(axis=0) - below[~truth].mean(axis=0)
        threshold = float(tried[int(gain.argmax())])
        thresholds.append(threshold)
        raised[here], tested[here] = x[here] < threshold, True
    drops, others = tested & bad, tested & ~bad
    counts = int(drops.sum()), int(others.sum())
    if not all(counts):
        nan = float("nan")
        return Alarm(nan, nan, *counts, nan, nan)
    shares = float(raised[drops].mean()), float(raised[others].mean())
    return Alarm(*shares, *counts, min(thresholds), max(thresholds))


def unseen_errors(features: ArrayLike, outcome: ArrayLike, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Return each model's squared error where its group was not looked at, and that of the others' mean, both ``(n,)``.

    A straight line through ``features`` ``(n, F)`` is fitted to all other groups (least squares). A missing feature
    takes the others' lowest value. NaN where there is one group.
    """
    x, y, names = np.asarray(features, np.float64), np.asarray(outcome, np.float64), np.asarray(groups)
    errors, plain = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for name in np.unique(names) if len(np.unique(names)) > 1 else ():
        here = names == name
        lowest = np.nanmin(np.where(np.isfinite(x[~here]), x[~here], np.nan), axis=0)
        filled = np.where(np.isnan(x), lowest, x)
        design = np.column_stack([np.ones(len(y)), filled])
        weights = np.linalg.lstsq(design[~here], y[~here], rcond=None)[0]
        errors[here] = (y[here] - design[here] @ weights) ** 2
        plain[here] = (y[here] - y[~here].mean()) ** 2
    return errors, plain


def pairs_right(
    scores: ArrayLike, outcome: ArrayLike, apart: float, counts: Sequence[int], draws: int = 40, seed: int = 0
) -> Floats:
    """Return how often the mean of so many images ranks two models right, ``(counts,)``; half for equal means.

    Of scores ``(models, images)``, NaN where an image has none, and an outcome ``(models,)``. Pairs whose outcomes are
    less than ``apart`` from each other do not count. Images are drawn without replacement, the same for all models,
    ``draws`` times, out of those that any model has. NaN without a pair, and for more images than there are.
    """
    values, y = np.asarray(scores, np.float64), np.asarray(outcome, np.float64)
    values = values[:, ~np.isnan(values).all(axis=0)]
    one, other = np.nonzero(y[:, None] - y >= apart)
    found = np.full(len(counts), np.nan)
    if not len(one):
        return found
    rng = seeds.generator("pairs", seed)
    orders = np.stack([rng.permutation(values.shape[1]) for _ in range(draws)])
    for place, count in enumerate(counts):
        if count > values.shape[1]:
            continue
        taken = values[:, orders[:, :count]]  # (models, draws, count)
        known = ~np.isnan(taken)
        means = np.where(known, taken, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
        means[~known.any(axis=2)] = -np.inf
        better, equal = means[one] > means[other], means[one] == means[other]
        found[place] = better.mean() + 0.5 * equal.mean()
    return found


def within(
    of: Sequence[Cell], draws: Draws, statistic: Callable[..., Floats], *columns: ArrayLike, alike: bool = False
) -> tuple[Floats, Floats]:
    """Return a statistic averaged over cells, ``(P,)``, and over each bootstrap's cells, ``(resamples, P)``.

    ``columns`` are what ``statistic`` takes, each with one row a model: all models, of which each cell has its own.
    ``alike`` averages all predictors over the same cells, those in which each is known, as their difference needs.
    """
    arrays = [np.asarray(column) for column in columns]
    here, drawn = [], []
    for cell, places in zip(of, draws.inside, strict=True):
        own = [array[cell.places] for array in arrays]
        here.append(statistic(*own))
        drawn.append(statistic(*(array[places] for array in own)))
    if alike:
        here, drawn = (
            [np.where(np.isnan(v).any(axis=-1, keepdims=True), np.nan, v) for v in each] for each in (here, drawn)
        )
    with np.errstate(invalid="ignore"):
        values = np.stack(here)
        known = ~np.isnan(values)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return np.asarray(mean, np.float64), over_groups(of, draws, drawn)


def pooled(
    of: Sequence[Cell], draws: Draws, statistic: Callable[..., Floats], *columns: ArrayLike
) -> tuple[Floats, Floats]:
    """Return a statistic of all models at once, ``(P,)``, and of each bootstrap's, ``(resamples, P)``.

    As :func:`within`; ``of`` must have one cell a group.
    """
    arrays = [np.asarray(column) for column in columns]
    everyone = np.concatenate([cell.places for cell in of])
    replicates = []
    for groups, rows in zip(draws.groups, draws.rows, strict=True):
        places = np.concatenate([of[group].places[draws.inside[group][row]] for group, row in zip(groups, rows)])
        replicates.append(statistic(*(array[places] for array in arrays)))
    return statistic(*(array[everyone] for array in arrays)), np.stack(replicates)


def two_sided(replicates: Floats, margin: float) -> Floats:
    """Return the bootstrap's p-value of a statistic against ``margin``, along the first axis; NaN without any."""
    known = (~np.isnan(replicates)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        least = np.minimum((replicates <= margin).sum(axis=0), (replicates >= margin).sum(axis=0))
    return np.asarray(np.where(known > 0, np.minimum(2 * (least + 1) / (known + 1), 1.0), np.nan), np.float64)


def percentile(replicates: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % percentile interval along the first axis; NaN where no replicate is known."""
    known = (~np.isnan(replicates)).any(axis=0)
    filled = np.where(known, replicates, 0.0)
    low, high = np.nanpercentile(filled, [2.5, 97.5], axis=0)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _last(predictors: ArrayLike) -> Floats:
    values = np.asarray(predictors, np.float64)
    return np.where(np.isnan(values), -np.inf, values)


def _ranks(values: ArrayLike) -> Floats:
    """Return ranks along the axis of models, the last but one; equal ones share their mean rank."""
    return np.asarray(stats.rankdata(_last(values), axis=-2), np.float64)


def _correlation(x: Floats, y: Floats) -> Floats:
    """Return Pearson's correlation along the last axis but one, NaN where one of the two is constant."""
    a, b = x - x.mean(axis=-2, keepdims=True), y - y.mean(axis=-2, keepdims=True)
    spread = np.sqrt((a**2).sum(axis=-2) * (b**2).sum(axis=-2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 1e-9, (a * b).sum(axis=-2) / spread, np.nan), np.float64)
