"""Splits and cohorts follow from ids and the seed, never from order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_utils.common import seeds
from rrr_utils.datasets import splits as draws

IDS = [f"image-{number}" for number in range(60)]
LABELS = np.repeat([0, 1, 2], [30, 20, 10])


def test_split_is_stratified_by_hand():
    """30 % of 30, 20 and 10 images are 9, 6 and 3."""
    parts = draws.split(IDS, LABELS, 0.3, seed=0)
    assert [int(((parts == "test") & (label == LABELS)).sum()) for label in range(3)] == [9, 6, 3]


@given(st.permutations(range(60)))
def test_split_does_not_depend_on_the_order_of_the_images(order):
    """Shuffled images get the parts that they had."""
    parts = draws.split(IDS, LABELS, 0.3, seed=0)
    shuffled = draws.split([IDS[place] for place in order], LABELS[order], 0.3, seed=0)
    np.testing.assert_array_equal(shuffled, parts[order])


def test_split_depends_on_the_seed():
    """Another seed tests on other images."""
    assert (draws.split(IDS, LABELS, 0.3, seed=0) != draws.split(IDS, LABELS, 0.3, seed=1)).any()


def test_a_class_with_one_image_is_refused():
    """One image cannot be trained and tested on."""
    with pytest.raises(ValueError, match=r"Class 1 has 1 image\(s\).*at least 2"):
        draws.split(["a", "b", "c"], [0, 0, 1], 0.3, seed=0)


def test_balanced_deals_one_to_each_class_in_turn():
    """Seven of three classes are 3, 2 and 2; thirty-five are 13, 12 and all ten of the small class."""
    for n, expected in ((7, [3, 2, 2]), (35, [13, 12, 10]), (100, [30, 20, 10])):
        drawn = draws.balanced(IDS, LABELS, n, seed=0)
        assert np.bincount(LABELS[drawn], minlength=3).tolist() == expected
        assert len(set(drawn)) == len(drawn)


def test_a_larger_draw_contains_the_smaller():
    """More images are the same images and some more."""
    assert set(draws.balanced(IDS, LABELS, 10, seed=4)) < set(draws.balanced(IDS, LABELS, 20, seed=4))


def test_generators_follow_from_names_alone():
    """The same names give the same stream; joined names are other names."""
    assert seeds.generator(0, "a").random() == seeds.generator(0, "a").random()
    assert seeds.generator("a", "b").random() != seeds.generator("ab").random()
    assert 0 <= seeds.integer("x") < 2**31
