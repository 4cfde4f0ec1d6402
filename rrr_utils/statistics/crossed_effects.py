"""Seeds and images as crossed random effects: variance components of a matrix of differences, and intervals from them.

A difference under seed s on image i is taken as the sum of the mean difference, an effect of the seed, one of the image
and a rest. All three are drawn anew where another training is asked about other images, and that is what the interval
is for. Components are those of the analysis of variance of two crossed factors with one value a cell
(Searle, Casella and McCulloch 1992, Variance Components, doi:10.1002/9780470316856).
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rrr_utils.statistics.intervals import Interval


class Components(NamedTuple):
    """What a (seeds, images) matrix holds: its ``mean``, its shape, and its mean squares, each of one cell.

    ``between_seeds`` is the variance of the seeds' means, which a rest that is averaged over images is part of; NaN
    with one seed. ``of_images`` and ``of_rest`` are the mean squares of images and of the rest.
    """

    mean: float
    seeds: int
    images: int
    between_seeds: float
    of_images: float
    of_rest: float

    @property
    def image_variance(self) -> float:
        """The variance component of images; 0 where they differ by less than the rest makes them."""
        return max(0.0, self.of_images - self.of_rest) / self.seeds


class SeedVariance(NamedTuple):
    """How far seeds alone move a mean difference: its variance from seed to seed, with its degrees of freedom."""

    variance: float
    df: float


class Estimate(NamedTuple):
    """A mean difference with its standard error, and the degrees of freedom of Student's t for it."""

    mean: float
    error: float
    df: float

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the confidence interval of the mean."""
        half = self.error * float(stats.t.ppf((1 + confidence) / 2, self.df))
        return Interval(self.mean - half, self.mean + half)

    def p(self, margin: float = 0.0) -> float:
        """Return the p value against a mean within ``margin`` of 0, two-sided: below 5% where the 95% interval lies
        wholly beyond the margin, on either side."""  # fmt: skip
        beyond = abs(self.mean) - margin
        if self.error == 0:
            return float(beyond <= 0)
        return min(1.0, 2 * float(stats.t.sf(beyond / self.error, self.df)))


def components(matrix: NDArray[np.float64]) -> Components:
    """Return the components of a (seeds, images) matrix without missing cells, of one seed and two images at least.

    Raises ``ValueError`` for another shape, or if a cell is NaN: then take the images that every seed has.
    """
    if matrix.ndim != 2 or matrix.shape[0] < 1 or matrix.shape[1] < 2:
        raise ValueError(f"`matrix` must be (seeds, images) of at least (1, 2), but it has the shape {matrix.shape}.")
    if np.isnan(matrix).any():
        raise ValueError("A cell of `matrix` is NaN. Leave out the images that a seed has no value of.")
    n_seeds, n_images = matrix.shape
    mean, of_seed, of_image = matrix.mean(), matrix.mean(axis=1), matrix.mean(axis=0)
    squares_images = n_seeds * float(of_image.var(ddof=1))
    if n_seeds == 1:
        return Components(float(mean), 1, n_images, float("nan"), squares_images, 0.0)
    rest = matrix - of_seed[:, None] - of_image + mean
    squares_rest = float((rest**2).sum()) / ((n_seeds - 1) * (n_images - 1))
    return Components(float(mean), n_seeds, n_images, float(of_seed.var(ddof=1)), squares_images, squares_rest)


def pooled(parts: Iterable[Components]) -> SeedVariance | None:
    """Return the variance between seeds that ``parts`` share, weighted by their degrees of freedom, which add up.

    It is not lowered by the rest that it holds, so it is 0 only where no seed ever differs from another. ``None`` if
    no part has two seeds.
    """
    several = [part for part in parts if part.seeds > 1]
    df = sum(part.seeds - 1 for part in several)
    if not df:
        return None
    return SeedVariance(sum((part.seeds - 1) * part.between_seeds for part in several) / df, df)


def estimate(part: Components, between: SeedVariance) -> Estimate:
    """Return the mean of ``part`` with its standard error where seeds move it by ``between``.

    The error is that of the mean of other seeds and other images: the variance between seeds over their number, and
    the component of images over theirs. The degrees of freedom are Satterthwaite's (1946, doi:10.2307/3002019).
    """
    cells = part.seeds * part.images
    seeds, images, rest = between.variance / part.seeds, part.of_images / cells, part.of_rest / cells
    # The rest is in the variance between seeds already. Images that differ by less than it have no component.
    terms = [(seeds, between.df)]
    if images > rest:
        terms += [(images, part.images - 1), (-rest, max(1, (part.seeds - 1) * (part.images - 1)))]
    variance = sum(value for value, _ in terms)
    spread = sum(value**2 / df for value, df in terms)
    df = variance**2 / spread if spread else between.df
    return Estimate(part.mean, float(np.sqrt(variance)), float(df))


def images_needed(
    part: Components, between: SeedVariance, half: float, seeds: int = 0, confidence: float = 0.95
) -> float:
    """Return how many images of the kind of ``part`` make half the interval as long as ``half``.

    Under ``seeds`` seeds, by default those of ``part``, with the degrees of freedom of ``between``. NaN where no number
    of images does, because seeds alone move the mean by more.
    """
    seeds = seeds or part.seeds
    t = float(stats.t.ppf((1 + confidence) / 2, between.df))
    of_seed = max(0.0, between.variance - part.of_rest / part.images)
    left = (half / t) ** 2 - of_seed / seeds
    return float(np.ceil((part.image_variance + part.of_rest / seeds) / left)) if left > 0 else float("nan")


def seeds_needed(part: Components, between: SeedVariance, half: float, confidence: float = 0.95) -> float:
    """Return how many seeds make half the interval as long as ``half``, on as many images; NaN where 50 do not.

    The degrees of freedom of ``between`` grow with the number of seeds.
    """
    seeds = np.arange(2, 51)
    df = (seeds - 1) * between.df / max(1, part.seeds - 1)
    error = np.sqrt(between.variance / seeds + part.image_variance / part.images)
    enough = stats.t.ppf((1 + confidence) / 2, df) * error <= half
    return float(seeds[enough][0]) if enough.any() else float("nan")
