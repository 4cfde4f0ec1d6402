"""The score against hand-worked numbers, and its properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rrr_utils import avg_score, chance, score

MASK = np.array([[[1, 1, 0], [0, 0, 0]]], dtype=np.float32)
MAP = np.array([[[3, 1, 0], [2, 0, 2]]], dtype=np.float32)  # 4 of 8 units of relevance lie on the object

positive_maps = hnp.arrays(np.float64, (2, 4, 5), elements=st.just(0.0) | st.floats(1e-6, 1e6))
hard_masks = hnp.arrays(np.bool_, (2, 4, 5)).filter(lambda mask: mask.any(axis=(1, 2)).all())


def test_score_by_hand():
    """Four of eight units of relevance on the object score one half."""
    np.testing.assert_array_equal(score(MASK, MAP), [0.5])


def test_score_of_a_soft_mask_by_hand():
    """A pixel that belongs to the object by a quarter contributes a quarter of its relevance."""
    soft = np.array([[[0.25, 0, 0], [1, 0, 0]]])
    np.testing.assert_allclose(score(soft, MAP), [(0.25 * 3 + 2) / 8])


def test_chance_by_hand():
    """Two of six pixels are object."""
    np.testing.assert_allclose(chance(MASK), [1 / 3])


@given(hard_masks, positive_maps)
def test_score_stays_in_range_or_is_nan_for_a_zero_map(mask, relevance):
    """The score lies in [0, 1], and is NaN exactly where the map is zero everywhere."""
    values = score(mask, relevance)
    zero = ~(relevance > 0).any(axis=(1, 2))
    assert np.isnan(values[zero]).all()
    assert ((values[~zero] >= 0) & (values[~zero] <= 1)).all()


@given(hard_masks, positive_maps, st.sampled_from([1e-30, 1e-8, 0.5, 3.0, 1e3]))
def test_score_does_not_depend_on_the_scale_of_the_map(mask, relevance, factor):
    """A map and its multiple score the same."""
    np.testing.assert_allclose(score(mask, relevance * factor), score(mask, relevance), atol=1e-9)


@given(hard_masks)
def test_a_uniform_map_scores_chance(mask):
    """Relevance spread evenly scores the mask's share of the image."""
    np.testing.assert_allclose(score(mask, np.full(mask.shape, 0.3)), chance(mask))


@given(hard_masks, positive_maps)
def test_object_and_background_share_the_relevance(mask, relevance):
    """The score of a mask and of its complement add up to one."""
    whole = mask.all(axis=(1, 2))
    mask[whole, 0, 0] = False
    inside, outside = score(mask, relevance), score(~mask, relevance)
    known = ~np.isnan(inside)
    np.testing.assert_allclose(inside[known] + outside[known], 1)


def test_zero_map_is_nan_and_leaves_its_neighbours_alone():
    """A zero map has no score; other maps of the same batch keep theirs."""
    values = score(np.repeat(MASK, 2, axis=0), np.concatenate([np.zeros_like(MAP), MAP]))
    np.testing.assert_array_equal(values, [np.nan, 0.5])


def test_mask_everywhere_one_scores_one():
    """If everything is object, any relevance lies on it and chance is one."""
    assert score(np.ones((2, 3)), MAP).tolist() == [1.0]
    assert chance(np.ones((2, 3))).tolist() == [1.0]


@pytest.mark.parametrize("form", [np.uint8, bool, np.float64, np.int64])
def test_masks_are_taken_in_every_documented_form(form):
    """Types, a trailing axis, and 0 and 255 all mean the same object."""
    expected = score(MASK, MAP)
    np.testing.assert_array_equal(score(MASK.astype(form), MAP), expected)
    np.testing.assert_array_equal(score(MASK.astype(form)[..., None], MAP), expected)
    np.testing.assert_array_equal(score((MASK * 255).astype(np.uint8), MAP), expected)


def test_tiny_and_huge_relevance_do_not_overflow():
    """Maps at the ends of float32's range keep their score."""
    for factor in (1e-38, 1e38):
        np.testing.assert_allclose(score(MASK, (MAP / 3 * factor).astype(np.float32)), [0.5], rtol=1e-5)


@pytest.mark.parametrize(
    ("mask", "relevance", "words"),
    [
        (MASK, MAP[:, :, :2], r"same shape.*\(1, 2, 3\) and \(1, 2, 2\)"),
        (MASK * 0, MAP, "`mask` of image 0 is empty"),
        (MASK * 2, MAP, r"outside \[0, 1\]"),
        (MASK - 0.5, MAP, r"outside \[0, 1\]"),
        (MASK * np.nan, MAP, r"outside \[0, 1\] or NaN"),
        (MASK, -MAP, "`relevance` of image 0 has a negative value"),
        (MASK, MAP * np.nan, "NaN or infinite"),
        (MASK, MAP + np.inf, "NaN or infinite"),
        (MASK[0, 0], MAP, r"shape \(N, H, W\)"),
    ],
)
def test_what_has_no_score_is_refused_with_its_reason(mask, relevance, words):
    """Every case outside the rules raises an error that names what is wrong."""
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=words):
        score(mask, relevance)


def test_the_error_names_the_image():
    """The second of three maps is negative, and the message says image 1."""
    maps = np.repeat(MAP, 3, axis=0)
    maps[1, 0, 0] = -1
    with pytest.raises(ValueError, match="of image 1 has"):
        score(np.repeat(MASK, 3, axis=0), maps)


def test_avg_score_by_hand():
    """Wrong answers and zero maps stay out; zero maps of correct answers are counted."""
    scores = [0.2, 0.6, 0.9, np.nan, np.nan]
    correct = np.array([True, True, False, True, False])
    mean, n, zero_maps = avg_score(scores, correct)
    assert (mean, n, zero_maps) == (pytest.approx(0.4), 2, 1)


def test_avg_score_of_nothing_is_nan():
    """With no correct answer there is no AvgScore."""
    mean, n, zero_maps = avg_score([0.5, np.nan], np.array([False, False]))
    assert np.isnan(mean)
    assert (n, zero_maps) == (0, 0)


@pytest.mark.parametrize(
    ("scores", "correct", "words"),
    [
        ([0.5], np.array([True, False]), "same length"),
        ([1.5], np.array([True]), r"\[0, 1\]"),
        ([0.5], np.array([1]), "bool"),
    ],
)
def test_avg_score_refuses_what_is_not_a_score(scores, correct, words):
    """Lengths, range and type are checked."""
    with pytest.raises(ValueError, match=words):
        avg_score(scores, correct)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("axis", [1, 3])
def test_maps_with_channels_are_summed_over_them(channels, axis):
    """Arrays as captum (N, C, H, W) and Keras (N, H, W, C) have them score as the sum over their channels."""
    parts = np.random.default_rng(0).random((2, channels, 4, 5))
    mask = np.zeros((2, 4, 5))
    mask[:, 1:3] = 1
    np.testing.assert_allclose(score(mask, np.moveaxis(parts, 1, axis)), score(mask, parts.sum(axis=1)), rtol=1e-15)
    np.testing.assert_array_equal(score(mask[:, None], parts), score(mask, parts))


def test_a_square_map_of_as_many_channels_has_them_first():
    """Where both readings fit, channels come first, as in PyTorch: 3 of 12 units lie on the object, not 1 of 12."""
    parts = np.zeros((1, 3, 3, 3))
    parts[0, :, 0, 0], parts[0, :, 2, 2] = 1, 3
    mask = np.zeros((1, 3, 3))
    mask[0, 0, 0] = 1
    np.testing.assert_allclose(score(mask, parts), [3 / 12])


def test_maps_with_channels_that_do_not_fit_are_refused():
    """A map of another size is refused with both shapes, a negative sum with the remedy."""
    mask = np.ones((2, 4, 5))
    with pytest.raises(ValueError, match=r"masks of shape \(2, 4, 5\), but \(2, 3, 5, 4\) was passed"):
        score(mask, np.ones((2, 3, 5, 4)))
    with pytest.raises(ValueError, match=r"has a negative value\. Take its positive part"):
        score(mask, -np.ones((2, 3, 4, 5)))
