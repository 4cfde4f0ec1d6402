"""Figures of overinterpretation and reliability draw what their tables hold."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from rrr_utils import figures

ENDS = ("", "_low", "_high")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def spread(name, value):
    return {f"{name}{end}": value + step for end, step in zip(ENDS, (0, -0.05, 0.05))}


def dots(axes):
    """Return the x values of every line with bars, by its label."""
    return {bar.get_label(): np.asarray(bar[0].get_xdata(), float) for bar in axes.containers}


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


def test_alphas_leave_out_a_measure_of_one_method():
    """Two measures of several methods are drawn, with both limits as lines."""
    table = pd.DataFrame(
        [
            {"measure": name, "methods": methods} | spread("alpha", 0.5) | spread("rho", 0.2)
            for name, methods in (("precision", 6), ("score", 6), ("alone", 1))
        ]
    )
    left, right = figures.alphas(table, (0.8, 0.667)).axes
    (drawn,) = dots(left).values()
    np.testing.assert_allclose(drawn, [0.5, 0.5])
    (drawn,) = dots(right).values()
    np.testing.assert_allclose(drawn, [0.2, 0.2])
    assert [text.get_text() for text in left.get_yticklabels()] == ["precision", "score"]
    assert {0.8, 0.667} <= {line.get_xdata()[0] for line in left.lines}


def test_stability_draws_each_explainer_and_disturbance():
    """One dot each; where an explainer was not disturbed so, none."""
    table = pd.DataFrame(
        [
            {"explainer": name, "variant": variant} | spread("moved", value)
            for name, variant, value in (
                ("lime", "JPEG 50", 0.1),
                ("lime", "other draw", 0.2),
                ("grad_cam", "JPEG 50", 0.3),
            )
        ]
    )
    (axes,) = figures.stability(table).axes
    np.testing.assert_allclose(dots(axes)["LIME"], [0.1, 0.2])
    np.testing.assert_allclose(dots(axes)["Grad-CAM"], [0.3, np.nan])


def test_a_grid_has_the_images_and_their_pixels():
    """One row an image, the image first, captions below what is kept."""
    images, masks = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8))
    masks[:, 2:5, 2:5] = 1
    figure = figures.subset_grid(images, masks, {"few": images + 9}, {"few": ["a", "b"]})
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "a", "", "b"]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["image", "few"]
