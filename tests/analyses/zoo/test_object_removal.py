"""Holes where objects were, by property."""

import numpy as np
import pytest

from rrr_utils.analyses.zoo import object_removal as fills
from rrr_utils.datasets import confounded


def test_a_hole_in_stripes_is_filled_with_stripes():
    """A pattern that repeats is restored exactly, and the background is not touched."""
    rows = np.arange(40)[:, None, None] % 8 * 30
    whole = np.broadcast_to(rows, (1, 40, 40, 3)).astype(np.uint8)
    mask = np.zeros((1, 40, 40))
    mask[0, 9:23, 11:20] = 1
    shown = np.where(mask[..., None] > 0, 255, whole).astype(np.uint8)
    np.testing.assert_array_equal(fills.without_objects(shown, mask), whole)


def test_a_hole_in_noise_shows_no_outline():
    """What fills the hole has the spread of what is around it, where the nearest pixels run together into a star."""
    made, masks, *_ = confounded.generate(images=4, size=64, background="noise", p=1.0)
    filled = fills.without_objects(made, masks)
    inside = masks > 0
    np.testing.assert_array_equal(filled[~inside], made[~inside])
    for picture, hole in zip(filled.astype(float), inside, strict=True):
        change = np.abs(np.diff(picture, axis=1)).mean(axis=2)
        within = hole[:, 1:] & hole[:, :-1]
        outside = ~hole[:, 1:] & ~hole[:, :-1]
        assert change[within].mean() == pytest.approx(change[outside].mean(), rel=0.1)


def test_an_object_that_no_move_avoids_is_filled_all_the_same():
    """Where the object is most of the picture nothing of it is left; one that is all of it has no surroundings."""
    picture = np.full((1, 10, 10, 3), 50, np.uint8)
    mask = np.zeros((1, 10, 10))
    mask[0, 1:9, 1:9] = 1
    picture[mask > 0] = 200
    assert (fills.without_objects(picture, mask) == 50).all()
    with pytest.raises(ValueError, match="covers its whole image"):
        fills.without_objects(picture, np.ones((1, 10, 10)))
