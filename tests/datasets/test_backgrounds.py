"""Backgrounds are replaced, objects are not touched, and draws follow from ids alone."""

import numpy as np
import pytest

from rrr_utils.common import seeds
from rrr_utils.common.names import COMPOSED
from rrr_utils.datasets import images

IDS = ["a", "b", "c", "d"]


@pytest.fixture
def pictures():
    return seeds.generator("pictures").integers(0, 256, (4, 9, 11, 3), dtype=np.uint8)


@pytest.fixture
def masks():
    return seeds.generator("masks").random((4, 9, 11)) < 0.4


def changed(name, pictures, masks):
    if name == "random":
        return images.random_pixels(pictures, masks, IDS, seed=0)
    if name == "mean":
        return images.mean_colour(pictures, masks, (10, 20, 30))
    return images.swap_backgrounds(pictures, masks, images.fill_holes(pictures, masks)[[1, 2, 3, 0]])


@pytest.mark.parametrize("name", COMPOSED)
def test_object_pixels_are_unchanged_and_the_others_are_not(name, pictures, masks):
    """To the bit inside, another picture outside, and the argument is as it was."""
    before = pictures.copy()
    made = changed(name, pictures, masks)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made[masks], pictures[masks])
    assert (made[~masks] != pictures[~masks]).any(axis=-1).mean() > 0.9
    np.testing.assert_array_equal(pictures, before)


@pytest.mark.parametrize("kind", [np.uint8, bool, np.float32, np.float64])
def test_masks_of_every_kind_mean_the_same(kind, pictures, masks):
    """uint8, bool, float and a trailing axis give the same picture."""
    expected = images.random_pixels(pictures, masks, IDS, 0)
    np.testing.assert_array_equal(images.random_pixels(pictures, masks.astype(kind), IDS, 0), expected)
    np.testing.assert_array_equal(images.random_pixels(pictures, masks.astype(kind)[..., None], IDS, 0), expected)


def test_random_pixels_follow_from_id_and_seed_not_from_order(pictures, masks):
    """One image alone, or all reversed: the same pixels; another seed or id: others."""
    made = images.random_pixels(pictures, masks, IDS, seed=3)
    np.testing.assert_array_equal(images.random_pixels(pictures[::-1], masks[::-1], IDS[::-1], seed=3), made[::-1])
    np.testing.assert_array_equal(images.random_pixels(pictures[2:3], masks[2:3], ["c"], seed=3), made[2:3])
    assert (images.random_pixels(pictures, masks, IDS, seed=4) != made).any()
    assert (images.random_pixels(pictures[2:3], masks[2:3], ["x"], seed=3) != made[2:3]).any()


def test_random_pixels_are_uniform_from_0_to_255():
    """Over 30,000 values: both ends occur, and mean and spread are those of a uniform draw (127.5 and 73.9)."""
    made = images.random_pixels(np.zeros((1, 100, 100, 3), np.uint8), np.zeros((1, 100, 100)), ["a"], 0)
    assert (made.min(), made.max()) == (0, 255)
    assert made.mean() == pytest.approx(127.5, abs=2)
    assert made.std() == pytest.approx(73.9, abs=1)


def test_mean_colour_is_rounded(pictures, masks):
    """Background pixels become (10, 20, 30) from (10.4, 19.5, 30.0)."""
    made = images.mean_colour(pictures, masks, (10.4, 19.5, 30.0))
    assert (made[~masks] == (10, 20, 30)).all()


def test_a_hole_is_filled_with_the_nearest_background_pixel_by_hand():
    """Row 1 2 [ ] [ ] 5 becomes 1 2 2 5 5; a pixel inside a 3 x 3 hole takes the side that it is nearest to."""
    row = np.array([[1, 2, 99, 99, 5]], np.uint8)[np.newaxis, ..., np.newaxis].repeat(3, axis=-1)
    filled = images.fill_holes(row, np.array([[[0, 0, 1, 1, 0]]]))
    assert filled[0, 0, :, 0].tolist() == [1, 2, 2, 5, 5]
    square = np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1).repeat(3, axis=-1)
    hole = np.zeros((1, 5, 5))
    hole[0, 1:4, 1:3] = 1
    # Rows 1 to 3, columns 1 and 2 are the hole; its left column is next to column 0, its right one to column 3.
    expected = np.arange(25).reshape(5, 5)
    expected[2, 1:3] = [10, 13]
    got = images.fill_holes(square, hole)[0, :, :, 0]
    np.testing.assert_array_equal(got[2], expected[2])
    assert got[1, 1] in (1, 5)  # one pixel from the row above and from the column to the left
    assert got[3, 2] in (22, 18)


def test_filled_pixels_are_nearest_by_exhaustive_search(masks):
    """Every filled pixel has the number of a background pixel at the smallest distance; the background stays."""
    numbers = np.arange(99, dtype=np.uint8).reshape(1, 9, 11, 1).repeat(3, axis=-1)
    for inside in masks:
        filled = images.fill_holes(numbers, inside[np.newaxis])[0, :, :, 0]
        places = np.argwhere(~inside)
        for row, column in np.ndindex(9, 11):
            distances = ((places - (row, column)) ** 2).sum(axis=1)
            nearest = {int(numbers[0, r, c, 0]) for r, c in places[distances == distances.min()]}
            assert int(filled[row, column]) in nearest


def test_an_image_that_is_all_object_cannot_be_filled(pictures, masks):
    """The message has the position and the remedy."""
    full = masks.copy()
    full[2] = True
    with pytest.raises(ValueError, match=r"mask at position 2 covers its whole image.*Leave the image out"):
        images.fill_holes(pictures, full)


def test_an_empty_mask_leaves_nothing_to_fill(pictures, masks):
    """Without an object, filling changes nothing."""
    np.testing.assert_array_equal(images.fill_holes(pictures, np.zeros_like(masks)), pictures)


def test_swapped_background_is_the_donors():
    """A grey object before a donor of 7s: object where the mask is, 7 elsewhere."""
    image, donor = np.full((1, 2, 2, 3), 50, np.uint8), np.full((1, 2, 2, 3), 7, np.uint8)
    assert images.swap_backgrounds(image, [[[1, 0], [0, 0]]], donor)[0, :, :, 0].tolist() == [[50, 7], [7, 7]]


def test_no_image_lends_to_itself_and_every_other_does():
    """Of 5 images over 400 draws: never itself, each other about a quarter of the time."""
    ids = list("abcde")
    counts = np.zeros((5, 5), int)
    for epoch in range(400):
        counts[np.arange(5), images.draw_donors(ids, ids, 0, "swap", epoch)] += 1
    assert (np.diag(counts) == 0).all()
    others = counts[~np.eye(5, dtype=bool)]
    assert others.min() > 60
    assert others.max() < 145


def test_donors_follow_from_ids_not_from_order():
    """Images or donors shuffled: every image keeps its donor; another epoch draws others."""
    ids = [f"image-{number}" for number in range(30)]
    named = dict(zip(ids, (ids[place] for place in images.draw_donors(ids, ids, 0, 1)), strict=True))
    shuffled, donors = ids[::-1], ids[7:] + ids[:7]
    again = dict(zip(shuffled, (donors[place] for place in images.draw_donors(shuffled, donors, 0, 1)), strict=True))
    assert again == named
    assert images.draw_donors(ids[3:4], ids, 0, 1).tolist() == [ids.index(named["image-3"])]
    assert dict(zip(ids, (ids[place] for place in images.draw_donors(ids, ids, 0, 2)), strict=True)) != named


def test_an_image_from_elsewhere_may_take_any_donor():
    """An id that is no donor is not excluded from any."""
    drawn = {int(images.draw_donors(["x"], ["a", "b", "c"], seed)[0]) for seed in range(50)}
    assert drawn == {0, 1, 2}


def test_donors_that_cannot_be_drawn_are_refused():
    """An only donor that is the image itself, no donor, and repeated donors."""
    with pytest.raises(ValueError, match="Image a has no donor but itself"):
        images.draw_donors(["a"], ["a"], 0)
    with pytest.raises(ValueError, match="Image a has no donor"):
        images.draw_donors(["a"], [], 0)
    with pytest.raises(ValueError, match="1 of the ids are repeated"):
        images.draw_donors(["a"], ["b", "b"], 0)


def test_shapes_that_do_not_fit_are_refused_with_both(pictures, masks):
    """A mask of another size, float images, and donors of another size."""
    with pytest.raises(ValueError, match=r"\(4, 9, 11\), but \(4, 9, 10\)"):
        images.random_pixels(pictures, masks[..., :-1], IDS, 0)
    with pytest.raises(ValueError, match=r"must be uint8.*float64"):
        images.mean_colour(pictures / 255, masks, (0, 0, 0))
    with pytest.raises(ValueError, match=r"expected shape \(4, 9, 11, 3\), but the donors have \(3, 9, 11, 3\)"):
        images.swap_backgrounds(pictures, masks, pictures[:3])
