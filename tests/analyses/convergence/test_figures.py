"""Figures of convergence: what is drawn is what the table says."""

import numpy as np
from numpy.testing import assert_allclose

from rrr_utils.analyses.convergence import figures, statistics


def test_running_means_are_drawn_to_the_last_image():
    """Single orders, a band, the mean of all, the paper's number and the precisions."""
    table = statistics.running_means(np.random.default_rng(0).random(80), 8, seed=0)
    left, right = figures.running_means(table, marked=50, half_widths=[0.05]).axes
    whole = table.loc[table["n"] == 80, "mean"].iloc[0]
    orders = [line for line in left.lines if len(line.get_xdata()) == 71]
    assert len(orders) == 5
    for number, line in enumerate(orders):
        expected = table[(table["order"] == number) & (table["n"] >= 10)]
        assert_allclose(line.get_ydata(), expected["mean"])
    assert any(np.allclose(line.get_ydata(), whole) for line in left.lines if len(line.get_ydata()) == 2)
    assert any(list(line.get_xdata()) == [50, 50] for line in left.lines)
    assert [text.get_text() for text in right.texts] == ["± 0.05"]
