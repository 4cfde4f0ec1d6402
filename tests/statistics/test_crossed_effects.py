"""Crossed effects of seeds and images against a hand-worked table, SciPy's t tests and statsmodels' mixed model."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

from rrr_utils.statistics import crossed_effects as crossed
from rrr_utils.statistics.crossed_effects import Estimate, SeedVariance


def drawn(seed_sd, seeds=4, images=30):
    rng = np.random.default_rng(1)
    of_seed, of_image = rng.normal(0, seed_sd, (seeds, 1)), rng.normal(0, 0.1, (1, images))
    return 0.05 + of_seed + of_image + rng.normal(0, 0.05, (seeds, images))


def own(matrix):
    """Return the estimate with the variance between this matrix's own seeds."""
    part = crossed.components(matrix)
    return crossed.estimate(part, crossed.pooled([part]))


def test_a_small_table_by_hand():
    """Two seeds, three images. Means 4: seeds 3 and 5, images 2, 4 and 6; the rests are -1, 0, 1 and their negatives.

    Mean squares: images 2 * (4 + 0 + 4) / 2 = 8; the rest (1 + 0 + 1) * 2 / 2 = 2; between the seeds' means 2.
    The variance of the mean is 2 / 2 + 8 / 6 - 2 / 6 = 2, and Satterthwaite's degrees of freedom are
    2 ** 2 / (1 ** 2 / 1 + (8 / 6) ** 2 / 2 + (2 / 6) ** 2 / 2) = 4 / (1 + 68 / 72).
    """
    matrix = np.array([[0.0, 3.0, 6.0], [4.0, 5.0, 6.0]])
    part = crossed.components(matrix)
    assert part == pytest.approx((4.0, 2, 3, 2.0, 8.0, 2.0))
    assert part.image_variance == pytest.approx(3.0)
    found = own(matrix)
    assert found == pytest.approx((4.0, np.sqrt(2.0), 4 / (1 + 68 / 72)))
    half = stats.t.ppf(0.975, found.df) * np.sqrt(2.0)
    assert found.interval() == pytest.approx((4 - half, 4 + half))


def test_a_balanced_table_gives_the_mixed_models_answer():
    """statsmodels fits both variances by restricted likelihood: the same components, and the same error of the mean."""
    matrix = drawn(0.08)
    long = pd.DataFrame(matrix).melt(ignore_index=False, var_name="image").reset_index(names="seed")
    columns = [pd.get_dummies(long[name], dtype=float) for name in ("image", "seed")]
    effects = VCSpec(["image", "seed"], [[list(each)] for each in columns], [[each.to_numpy()] for each in columns])
    ones = np.ones(len(long))
    fitted = MixedLM(long["value"].to_numpy(), ones[:, None], groups=ones, exog_vc=effects).fit(method=["powell"])
    image, seed = fitted.vcomp
    part = crossed.components(matrix)
    assert part.image_variance == pytest.approx(image, rel=0.01)
    assert part.between_seeds == pytest.approx(seed + fitted.scale / 30, rel=0.01)
    assert own(matrix).error == pytest.approx(float(fitted.bse_fe[0]), rel=0.01)


def test_one_seed_whose_like_never_differ_is_the_paired_t_test():
    """With images alone, interval and p value are SciPy's."""
    matrix = drawn(0.0, seeds=1)
    found = crossed.estimate(crossed.components(matrix), SeedVariance(0.0, 2))
    test = stats.ttest_1samp(matrix[0], 0)
    assert found.interval() == pytest.approx(tuple(test.confidence_interval()))
    assert found.p() == pytest.approx(test.pvalue)


def test_images_that_do_not_differ_leave_the_t_test_of_seeds():
    """Many images alike: what is left is Student's t of the seeds' means."""
    means = np.array([0.01, 0.05, 0.02])
    found = own(np.repeat(means[:, None], 40, axis=1))
    test = stats.ttest_1samp(means, 0)
    assert found.interval() == pytest.approx(tuple(test.confidence_interval()))
    assert found.p() == pytest.approx(test.pvalue)


def test_seeds_are_pooled_by_their_degrees_of_freedom():
    """Three seeds count twice, five four times; one seed says nothing of others, and alone has no pool."""
    parts = [crossed.components(drawn(sd, seeds)) for sd, seeds in ((0.1, 3), (0.3, 5), (9.0, 1))]
    found = crossed.pooled(parts)
    assert found.df == 6
    assert found.variance == pytest.approx((2 * parts[0].between_seeds + 4 * parts[1].between_seeds) / 6)
    assert crossed.pooled(parts[2:]) is None


def test_seeds_that_hardly_differ_keep_the_rest_in_their_means():
    """A component of seeds below 0 is not taken as 0: the error holds at least what is left in the seeds' means."""
    matrix = drawn(0.0)
    matrix -= matrix.mean(axis=1, keepdims=True)
    matrix[0] += 1e-6
    alone = crossed.estimate(crossed.components(matrix), SeedVariance(0.0, 3))
    widened = crossed.estimate(crossed.components(matrix), SeedVariance(0.01, 3))
    assert widened.error**2 - alone.error**2 == pytest.approx(0.01 / 4)
    # Where images differ by less than the rest makes them, seeds alone are left.
    rest = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
    assert crossed.estimate(crossed.components(rest), SeedVariance(0.5, 3)) == pytest.approx((0.0, 0.5, 3))


def test_swapped_sides_swap_the_interval():
    """a less b is minus b less a, with the same p value."""
    forth, back = own(drawn(0.1)), own(-drawn(0.1))
    low, high = forth.interval()
    assert back.interval() == pytest.approx((-high, -low))
    assert back.p() == pytest.approx(forth.p())


@pytest.mark.parametrize("margin", [0.0, 0.03])
def test_p_is_below_five_percent_where_the_interval_lies_beyond_the_margin(margin):
    """At the very end of the interval it is 5%, on either side of 0; within the margin it is 1."""
    half = stats.t.ppf(0.975, 7) * 0.01
    for sign in (1, -1):
        assert Estimate(sign * (margin + half), 0.01, 7).p(margin) == pytest.approx(0.05)
        assert Estimate(sign * (margin + 2 * half), 0.01, 7).p(margin) < 0.05
        assert Estimate(sign * margin / 2, 0.01, 7).p(margin) == 1
    assert (Estimate(0.05, 0.0, 7).p(margin), Estimate(margin, 0.0, 7).p(margin)) == (0.0, 1.0)


def test_what_an_interval_needs():
    """So many images or seeds make half of it as long as asked, and one fewer does not; or nothing does."""
    part, between = crossed.components(drawn(0.01)), SeedVariance(0.0004, 12)
    rest = part.of_rest

    def half(seeds, images, df):
        variance = (0.0004 - rest / 30 + rest / images) / seeds + part.image_variance / images
        return stats.t.ppf(0.975, df) * np.sqrt(variance)

    images = crossed.images_needed(part, between, 0.04)
    assert half(4, images, 12) <= 0.04 < half(4, images - 1, 12)
    images = crossed.images_needed(part, between, 0.04, seeds=6)
    assert half(6, images, 12) <= 0.04 < half(6, images - 1, 12)
    seeds = crossed.seeds_needed(part, between, 0.05)
    assert half(seeds, 30, 4 * (seeds - 1)) <= 0.05 < half(seeds - 1, 30, 4 * (seeds - 2))
    assert np.isnan([crossed.images_needed(part, between, 0.001), crossed.seeds_needed(part, between, 0.001)]).all()


@pytest.mark.parametrize(
    ("matrix", "words"), [(np.zeros((2, 1)), "at least"), (np.zeros(5), "at least"), (np.full((2, 3), np.nan), "NaN")]
)
def test_what_is_no_matrix_is_refused(matrix, words):
    with pytest.raises(ValueError, match=words):
        crossed.components(matrix)
