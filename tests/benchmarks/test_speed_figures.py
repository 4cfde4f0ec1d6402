"""The figures of the speed page: what is drawn is what the table says."""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import speed_figures


@pytest.fixture(autouse=True)
def _close():
    mpl.use("Agg")
    yield
    plt.close("all")


def test_speed_ratios_draws_the_table():
    """A dot at each ratio, hollow below its target, and a tick at the target, in the order of the table."""
    table = pd.DataFrame(
        {"what": ["a", "a", "b"], "against": ["x", "y", "x"], "ratio": [4.0, 1.5, 0.9], "target": [3.0, 2.0, 8.0]}
    )
    (axes,) = speed_figures.speed_ratios(table).axes
    dots = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(4.0, 0), (1.5, 1), (0.9, 2)]
    assert [line.get_markerfacecolor() == "white" for line in dots] == [False, True, True]
    (ticks,) = [line for line in axes.lines if line.get_marker() == "|" and len(line.get_xdata())]
    assert_allclose(ticks.get_xdata(), table["target"])
    assert axes.get_xlim()[0] < 0.9
    assert axes.get_xlim()[1] > 8
    with pytest.raises(ValueError, match="one row for each"):
        speed_figures.speed_ratios(pd.concat([table, table]))


def test_a_comparison_that_was_not_run_has_no_dot():
    """It keeps its line, its name and its target."""
    table = pd.DataFrame({"what": ["a", "b"], "against": "x", "ratio": [2.0, np.nan], "target": [3.0, 2.0]})
    (axes,) = speed_figures.speed_ratios(table).axes
    dots = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [line.get_ydata()[0] for line in dots] == [0]
    assert "not run" in [text.get_text() for text in axes.texts]


def test_speed_growth_draws_the_table_beside_what_is_in_proportion():
    """A panel for each thing that was varied, and a line through its first point: 4 times as many, 4 times as long."""
    table = pd.DataFrame(
        {"varied": ["images"] * 2 + ["samples"] * 2, "value": [2, 8, 100, 200], "seconds": [1.0, 3.0, 0.5, 2.0]}
    )
    panels = speed_figures.speed_growth(table).axes
    assert [axes.get_xlabel() for axes in panels] == ["images", "samples"]
    measured, proportion = panels[0].lines
    assert_allclose(measured.get_ydata(), [1.0, 3.0])
    assert_allclose(proportion.get_ydata(), [1.0, 4.0])
    with pytest.raises(ValueError, match="one row for each"):
        speed_figures.speed_growth(pd.concat([table, table]))
