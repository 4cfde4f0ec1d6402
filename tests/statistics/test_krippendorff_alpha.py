"""Krippendorff's alpha: his example worked out by hand, what it must be by its nature, and another's code."""

import krippendorff
import numpy as np
import pytest

from rrr_utils.common import seeds
from rrr_utils.statistics.krippendorff_alpha import LEVELS, alpha

NAN = float("nan")

# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011): four observers, twelve units. The last unit has one
# rating and does not count, which leaves 40: 9, 13, 10, 5 and 3 of the values 1 to 5. He prints their coincidences:
# 1 and 2: 4/3, 2 and 3: 4/3; 1 and 3, 1 and 4, 2 and 4, 3 and 4: 1/3 each; on the diagonal 7, 10, 8, 4 and 3.
PRINTED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]
BY_HAND = {
    # ((40 - 1) (7 + 10 + 8 + 4 + 3) - 344) / (40 (40 - 1) - 344), where 344 = 9 * 8 + 13 * 12 + 10 * 9 + 5 * 4 + 3 * 2
    "nominal": (0.743, 904 / 1216),
    # Observed (4 + 4 + 9 + 4 + 4 + 1) / 3 = 26 / 3; expected 117 + 360 + 405 + 432 + 130 + 260 + 351 + 50 + 120 + 15.
    "interval": (0.849, 1 - 39 * (26 / 3) / 2240),
    # The same with the middles of the ranks, 4.5, 15.5, 27, 34.5 and 38.5, in place of 1 to 5.
    "ordinal": (0.815, 1 - 39 * 945.5 / 199740),
}


def ratings_of(draw, raters=5, units=9, values=6, missing=0.3):
    """Return random whole numbers, of which about a share ``missing`` is not there."""
    ratings = draw.integers(0, values, (raters, units)).astype(float)
    ratings[draw.random(ratings.shape) < missing] = NAN
    return ratings


@pytest.mark.parametrize("level", BY_HAND)
def test_his_example_by_hand(level):
    """His coincidences and the squared differences of each level give the number that he prints."""
    printed, worked_out = BY_HAND[level]
    assert alpha(PRINTED, level) == pytest.approx(worked_out, abs=1e-14)
    assert round(worked_out, 3) == printed


@pytest.mark.parametrize("level", LEVELS)
def test_raters_who_agree_have_1_and_raters_at_odds_less_than_0(level):
    """Full agreement is 1 exactly, also where a rating is missing; two raters who swap two values are below chance."""
    same = np.tile([1.0, 2.0, 4.0, 2.0], (3, 1))
    same[0, 1] = NAN
    assert alpha(same, level) == 1
    # Ten ratings, five of each value, none together: 1 - 9 * 10 / 50.
    assert alpha([[1, 2, 1, 2, 1], [2, 1, 2, 1, 2]], level) == pytest.approx(-0.8, abs=1e-14)


@pytest.mark.parametrize("level", LEVELS)
def test_neither_the_order_nor_a_rating_without_another_matters(level):
    """Raters and units may be permuted, and units with one rating or none, and raters with none, be left out."""
    draw = seeds.generator("alpha permuted")
    ratings = ratings_of(draw)
    expected = alpha(ratings, level)
    for _ in range(5):
        shuffled = draw.permutation(draw.permutation(ratings, axis=0), axis=1)
        assert alpha(shuffled, level) == pytest.approx(expected, abs=1e-12)
    single = np.full((5, 2), NAN)
    single[2, 0] = 99.0
    silent = np.full((1, 11), NAN)
    assert alpha(np.vstack([np.hstack([ratings, single]), silent]), level) == pytest.approx(expected, abs=1e-14)


def test_levels_ask_of_the_values_no_more_than_they_say():
    """Nominal values may be swapped, ordinal ones bent, intervals moved, ratios stretched, and no more than that."""
    ratings = ratings_of(seeds.generator("alpha levels"))
    swapped = np.where(
        np.isnan(ratings), NAN, np.array([3.0, 5.0, 0.0, 4.0, 1.0, 2.0])[np.nan_to_num(ratings).astype(int)]
    )
    assert alpha(swapped, "nominal") == pytest.approx(alpha(ratings, "nominal"), abs=1e-12)
    assert alpha(swapped, "ordinal") != pytest.approx(alpha(ratings, "ordinal"), abs=1e-3)
    assert alpha(np.exp(ratings), "ordinal") == pytest.approx(alpha(ratings, "ordinal"), abs=1e-12)
    assert alpha(np.exp(ratings), "interval") != pytest.approx(alpha(ratings, "interval"), abs=1e-3)
    assert alpha(5 - 2 * ratings, "interval") == pytest.approx(alpha(ratings, "interval"), abs=1e-12)
    assert alpha(ratings + 5, "ratio") != pytest.approx(alpha(ratings, "ratio"), abs=1e-3)
    assert alpha(2.5 * ratings, "ratio") == pytest.approx(alpha(ratings, "ratio"), abs=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_another_implementation_gives_the_same(level):
    """The package `krippendorff` (which computes in another way) to 1e-12: ties, gaps, ranks of many images, reals."""
    draw = seeds.generator("alpha compared")
    cases = [ratings_of(draw, *shape) for shape in ((2, 3), (3, 40), (8, 5, 3), (40, 4, 9), (300, 11, 22, 0.1))]
    cases += [ratings_of(draw, missing=missing) for missing in (0, 0.6)] + [np.abs(draw.normal(size=(6, 12)))]
    for ratings in cases:
        known = krippendorff.alpha(reliability_data=ratings, level_of_measurement=level)
        assert alpha(ratings, level) == pytest.approx(known, abs=1e-12), ratings.shape


@pytest.mark.parametrize("level", LEVELS)
def test_without_variation_there_is_nothing_to_agree_on(level):
    """NaN, and no warning, where all ratings that count are equal or none has another beside it."""
    for ratings in (
        [[2, 2], [2, 2]],
        [[1, NAN], [NAN, 2]],
        [[2, 2, 5], [2, 2, NAN]],
        np.full((2, 2), NAN),
        np.ones((3, 0)),
    ):
        assert np.isnan(alpha(ratings, level))


def test_what_is_no_rating_is_refused():
    """An unknown level, another shape, infinite numbers, and ratios of negative ones."""
    with pytest.raises(ValueError, match="Did you mean 'ordinal'"):
        alpha(PRINTED, "ordinals")
    with pytest.raises(ValueError, match=r"\(raters, units\), but an array of shape \(3,\)"):
        alpha([1, 2, 3])
    with pytest.raises(ValueError, match="finite"):
        alpha([[1, np.inf], [1, 2]])
    with pytest.raises(ValueError, match=r"ratios, but -1\.0 was passed"):
        alpha([[1, -1], [1, 2]], "ratio")
    assert alpha([[1, -1], [1, -1]], "interval") == 1
