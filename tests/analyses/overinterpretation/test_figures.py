"""Figures of overinterpretation draw what their tables hold."""

import numpy as np
import pandas as pd
import pytest
from plots import dots, spread

from rrr_utils.analyses.overinterpretation import figures


def test_confidence_and_place_of_each_kind():
    """One dot a kind and share in both panels; an unknown kind is refused."""
    table = pd.DataFrame(
        [
            {"kind": kind, "share": share, "chance": 0.2}
            | spread("confidence", 0.5 + share + 0.1 * number)
            | spread("on_object", 0.1 + share)
            for number, kind in enumerate(("selected", "random"))
            for share in (0.05, 0.1)
        ]
    )
    rows = {"selected": "those", "random": "any"}
    left, right = figures.confidence_by_subset(table, rows).axes
    np.testing.assert_allclose(dots(left)["5% of the pixels"], [0.55, 0.65])
    np.testing.assert_allclose(dots(right)["10% of the pixels"], [0.2, 0.2])
    assert [text.get_text() for text in left.get_yticklabels()] == ["those", "any"]
    with pytest.raises(ValueError, match="`kind` must be one of"):
        figures.confidence_by_subset(table.replace("random", "randon"), rows)


def test_a_grid_has_the_images_and_their_pixels():
    """One row an image, the image first, captions below what is kept."""
    images, masks = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8))
    masks[:, 2:5, 2:5] = 1
    figure = figures.subset_grid(images, masks, {"few": images + 9}, {"few": ["a", "b"]})
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "a", "", "b"]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["image", "few"]
