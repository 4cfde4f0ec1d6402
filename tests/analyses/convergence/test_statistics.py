"""How many images a mean needs: running means by hand and by SciPy, and the n of a precision."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rrr_utils.analyses.convergence import measure as convergence
from rrr_utils.analyses.convergence import statistics


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).beta(4, 2, 400)


def test_running_means_are_scipys_of_the_first_n(scores):
    """Mean and interval of the first n in each order, as SciPy computes them from those scores alone."""
    table = statistics.running_means(scores[:30], 3, seed=1)
    assert len(table) == 3 * 29
    last = table[table["n"] == 30]
    np.testing.assert_allclose(last["mean"], scores[:30].mean())
    expected = stats.t.interval(0.95, 29, scores[:30].mean(), stats.sem(scores[:30]))
    np.testing.assert_allclose(last[["low", "high"]], [expected] * 3)
    # The order is found again from the means: n times the mean less (n - 1) times the one before is the n-th score.
    first = table[table["order"] == 0].set_index("n")["mean"]
    third = 3 * first[3] - 2 * first[2]
    pair = [value for value in scores[:30] if np.isclose(value, third)]
    assert len(pair) == 1


def test_orders_follow_from_the_seed_alone(scores):
    """The same seed gives the same orders; more orders begin with the same ones; another seed gives others."""
    few, more = (statistics.running_means(scores, count, seed=5) for count in (2, 4))
    pd.testing.assert_frame_equal(few, more[more["order"] < 2])
    other = statistics.running_means(scores, 2, seed=6)
    assert not np.allclose(other["mean"], few["mean"])


def test_the_interval_holds_the_mean_as_often_as_it_says(scores):
    """Of 400 orders, about 95% of the intervals after 50 images hold the mean of all 400."""
    found = statistics.after(statistics.running_means(scores, 400, seed=0), 50)
    assert 0.92 < found["covered"] <= 0.99
    # Drawn without replacement: the error is sqrt((1 - 50/400) / 50) of the spread.
    assert found["error"] == pytest.approx(scores.std() * np.sqrt(0.875 / 50), rel=0.1)
    assert found["lowest"] <= found["low"] < scores.mean() < found["high"] <= found["highest"]


def test_what_a_precision_needs(scores):
    """With n images the interval reaches as far as asked, with one fewer it does not."""
    spread = scores.std(ddof=1)
    for half_width in (0.01, 0.02, 0.05):
        n = statistics.needed(scores, half_width)
        reach = [stats.t.ppf(0.975, count - 1) * spread / np.sqrt(count) for count in (n - 1, n)]
        assert reach[1] <= half_width < reach[0]
    assert statistics.needed(scores, 1e6) == 2


def test_settling_by_hand():
    """Running means 0.5, 0.9, 0.6, 0.62 of order 0 end in 0.62: within 0.1 from n = 4 on; order 1 always was."""
    means = pd.DataFrame(
        {
            "order": [0] * 4 + [1] * 4,
            "n": [2, 3, 4, 5] * 2,
            "mean": [0.5, 0.9, 0.6, 0.62, 0.6, 0.6, 0.6, 0.62],
        }
    )
    assert statistics.settled(means, 0.1).tolist() == [4, 2]
    table = statistics.precision_table([0.5, 0.6, 0.7], means, [0.1])
    assert table[["median", "most"]].values.tolist() == [[3.0, 4.0]]


def test_missing_scores_are_refused():
    """NaN (a zero map), a single score and a precision of 0 have no answer."""
    with pytest.raises(ValueError, match="1 missing was passed"):
        statistics.running_means([0.1, np.nan, 0.3], 2, 0)
    with pytest.raises(ValueError, match="at least two numbers"):
        statistics.needed([0.5], 0.1)
    with pytest.raises(ValueError, match="`half_width` must be positive"):
        statistics.needed([0.5, 0.6], 0.0)
    with pytest.raises(ValueError, match="at most 3"):
        statistics.after(statistics.running_means([0.1, 0.2, 0.3], 2, 0), 4)


def test_the_first_in_the_order_of_names_by_hand():
    """Of the correct images a, c, d (b is wrong, e has a zero map) the first two: a and c."""
    rows = pd.DataFrame(
        {
            "seed": 0,
            "explainer": "grad_cam",
            "split": "test",
            "image": list("dcbae"),
            "score": [0.9, 0.3, 0.8, 0.1, np.nan],
            "correct": [True, True, False, True, True],
            "zero_map": [False, False, False, False, True],
        }
    )
    found = convergence.first_in_order(rows, 0, "grad_cam", 2).loc["test"]
    assert found["n"] == 2
    assert found["first"] == pytest.approx(0.2)
    assert found["difference"] == pytest.approx(0.2 - 1.3 / 3)
    assert found["percentile"] == 0  # the lowest of the three possible pairs
    assert convergence.correct_scores(rows, 0, "grad_cam").tolist() == [0.1, 0.3, 0.9]
