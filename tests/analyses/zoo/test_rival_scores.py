"""Rivals of the score by hand."""

import numpy as np
import pytest
from sklearn.metrics import auc

from rrr_utils.analyses.zoo import rival_scores as measures

# One row of four pixels is an image.
MASK = np.array([[[1, 1, 0, 0]]], np.uint8)


def row(*values):
    return np.array([[values]], np.float64)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0, 9, 3, 1), 1.0), ((0, 1, 3, 9), 0.0), ((5, 5, 5, 1), 2 / 3), ((0, 0, 0, 0), np.nan)],
)
def test_the_pointing_game_by_hand(values, expected):
    """The highest pixel on the object is a hit; of three that are equal, two on the object are two thirds of one."""
    np.testing.assert_allclose(measures.pointing(MASK, row(*values)), [expected])


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ((9, 1, 8, 0), 0.5, 0.5),
        ((9, 8, 1, 0), 0.5, 1.0),
        # Two places: 9, and one of the three 4s, of which one is on the object.
        ((9, 4, 4, 4), 0.5, (1 + 1 / 3) / 2),
        ((0, 0, 0, 0), 0.5, np.nan),
        # A tenth of four pixels, rounded up, is one.
        ((1, 2, 3, 0), 0.1, 0.0),
    ],
)
def test_the_top_pixels_by_hand(values, share, expected):
    """Pixels that share the last place count by as much as there is room."""
    np.testing.assert_allclose(measures.top_inside(MASK, row(*values), share), [expected])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1.0, 0.6, 0.5, 0.0), 1.0),  # at 0.55 exactly the object
        ((1.0, 0.2, 0.5, 0.0), 2 / 3),  # at 0.2: three pixels, two of them right; at 0.6: 1 / 2
        ((0.0, 0.0, 0.0, 1.0), 0.0),
        ((2.0, 1.2, 1.0, 0.0), 1.0),  # the scale does not matter
    ],
)
def test_the_best_overlap_by_hand(values, expected):
    """The threshold is chosen for the map."""
    np.testing.assert_allclose(measures.best_iou(MASK, row(*values)), [expected])


def test_boxes_and_signs_by_hand():
    """The box spans what lies between the object's ends; signed relevance on the object counts against all of it."""
    cross = np.array([[[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0]]])
    np.testing.assert_array_equal(measures.boxes(cross), [[[1, 1, 1, 0]] * 3])
    np.testing.assert_allclose(measures.signed_score(MASK, row(3, -1, 2, -2)), [2 / 8])
    np.testing.assert_allclose(measures.signed_score(MASK, row(-1, 0, 0, 0)), [-1])
    np.testing.assert_allclose(measures.signed_score(MASK, row(0, 0, 0, 0)), [np.nan])


def test_insertion_and_deletion_by_hand():
    """A model that is sure as long as it sees the first pixel: deleted first, it is lost at once; last, at the end."""

    def predict(images):
        seen = images[:, 0, 0, 0] == 200
        return np.stack([np.where(seen, 50.0, -50.0), np.zeros(len(images))], axis=1)

    picture = np.zeros((1, 1, 4, 3))
    picture[0, 0, 0] = 200
    given = {"steps": 4, "seed": 0}
    for values, insertion, deletion in (((9, 3, 2, 1), [0, 1, 1, 1, 1], [1, 0, 0, 0, 0]),
                                        ((1, 9, 3, 2), [0, 0, 0, 0, 1], [1, 1, 1, 1, 0])):  # fmt: skip
        found = measures.insertion_deletion(predict, picture, np.array([0]), row(*values), 127.5, ["a"], **given)
        expected = [auc(np.linspace(0, 1, 5), curve) for curve in (insertion, deletion)]
        np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-6)


def test_equal_pixels_go_in_one_order_for_every_map():
    """Maps that rank pixels alike have the same areas whatever their scale; the order is the image's own."""
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 255, (2, 8, 8, 3))

    def predict(images):
        return np.stack([images[:, :4].mean(axis=(1, 2, 3)), images[:, 4:].mean(axis=(1, 2, 3))], axis=1) / 20

    flat = np.ones((2, 8, 8))
    given = (predict, pictures, np.array([0, 1]))
    one, other, swapped = (
        measures.insertion_deletion(*given, maps, 0, ids, steps=5)
        for maps, ids in ((flat, ["a", "b"]), (7 * flat, ["a", "b"]), (flat, ["b", "a"]))
    )
    np.testing.assert_array_equal(one, other)
    assert not np.allclose(one, swapped)


def test_masks_of_another_shape_are_refused():
    """Both shapes are named."""
    with pytest.raises(ValueError, match=r"\(1, 1, 4\) and \(1, 4, 1\)"):
        measures.pointing(MASK, np.ones((1, 4, 1)))
