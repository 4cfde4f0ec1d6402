"""Figures of reliability draw what their tables hold."""

import numpy as np
import pandas as pd
from plots import dots, spread

from rrr_utils.analyses.reliability import figures


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
