"""Figures of mask quality, convergence and controls: what is drawn is what the table says."""

from itertools import product

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.container import ErrorbarContainer
from numpy.testing import assert_allclose

from rrr_utils import figures, statistics
from rrr_utils.figures.style import CHANCE

EXPLAINERS = ("grad_cam", "grad_cam_plus_plus", "lime", "occlusion")


@pytest.fixture(autouse=True)
def _close():
    mpl.use("Agg")
    yield
    plt.close("all")


def filled(**columns):
    """Return a row for every combination, each with its own mean, interval and chance."""
    table = pd.DataFrame(list(product(*columns.values())), columns=list(columns))
    mean = 0.3 + 0.5 * np.random.default_rng(len(table)).random(len(table))
    return table.assign(mean=mean, low=mean - 0.05, high=mean + 0.08, chance=0.2)


def bars_of(axes, axis="y"):
    """Return label -> (values, lows, highs) of every line with error bars on ``axes``."""
    found = {}
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            line, _, (bars,) = container.lines
            ends = np.array([segment[:, 0 if axis == "x" else 1] for segment in bars.get_segments()])
            values = line.get_xdata() if axis == "x" else line.get_ydata()
            found[container.get_label()] = (np.asarray(values, float), ends.min(1), ends.max(1))
    return found


def test_overlaps_are_counted_in_their_bins():
    """Each masker's panel holds as many images as its rows; the median is marked."""
    table = pd.DataFrame({"image": list("abcd") * 2, "source": ["deeplab"] * 4 + ["box"] * 4})
    table = table.assign(iou=[0.0, 0.81, 0.82, 0.83, 0.4, 0.5, 0.6, 0.7])
    figure = figures.overlap_histogram(table, [0.5])
    for axes, median in zip(figure.axes, (0.815, 0.55)):
        heights = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert heights.max() in (1, 2)  # 0.81 and 0.82 share a bin
        assert any(np.allclose(line.get_xdata(), median) for line in axes.lines if len(line.get_xdata()))
    with pytest.raises(ValueError, match="`source` must be one of"):
        figures.overlap_histogram(table[:4].assign(source="deeplap"))


def test_both_outlines_are_drawn():
    """The hand-made mask in white, the other in orange; a mask that is empty has no line."""
    images = np.full((2, 16, 16, 3), 100, np.uint8)
    masks = np.zeros((2, 16, 16))
    masks[:, 4:12, 4:12] = 1
    others = masks.copy()
    others[1] = 0
    first, second = figures.mask_pairs(images, masks, others, ["a", "b"]).axes
    assert len(first.collections) == 2
    assert len(second.collections) == 1
    with pytest.raises(ValueError, match="must belong together"):
        figures.mask_pairs(images, masks, others[:1], ["a", "b"])


def test_differences_are_drawn_by_masker():
    """One panel a table, one colour a masker, values and intervals as given."""
    table = filled(explainer=EXPLAINERS, mask_source=("deeplab", "box")).rename(columns={"mean": "difference"})
    tables = {"one": table, "two": table.assign(difference=0.1, low=0.0, high=0.3)}
    figure = figures.score_differences(tables, hue="mask_source", label="x")
    one, two = (bars_of(axes) for axes in figure.axes)
    for source in ("deeplab", "box"):
        label = figures.STYLE["mask_source"][source].label
        part = table[table["mask_source"] == source]
        assert_allclose(one[label], [part[name] for name in ("difference", "low", "high")])
        assert_allclose(two[label], [[0.1] * 4, [0.0] * 4, [0.3] * 4], atol=1e-12)
    with pytest.raises(ValueError, match="`tables` must hold at least one"):
        figures.score_differences({}, hue="mask_source", label="x")


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


def test_scores_by_variant_draws_the_table():
    """A panel an explainer, a row a variant; a map that no network made stands in every panel; chance is marked."""
    rows = {"": "as trained", "randomised all": "all", "gaussian": "Gaussian"}
    own = filled(explainer=EXPLAINERS, variant=("", "randomised all"))
    trivial = filled(explainer=("none",), variant=("gaussian",))
    table = pd.concat([own, trivial], ignore_index=True)
    figure = figures.scores_by_variant(table, rows)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["as trained", "random: all", "Gaussian"]
    for axes, explainer in zip(figure.axes, EXPLAINERS):
        drawn = [container.lines[0].get_xdata()[0] for container in axes.containers]
        assert_allclose(drawn, [*own.loc[own["explainer"] == explainer, "mean"], *trivial["mean"]])
        assert any(
            line.get_color() == CHANCE["color"] and np.isclose(line.get_xdata()[0], 0.2)
            for line in axes.lines
            if len(line.get_xdata())
        )
    with pytest.raises(ValueError, match="`variant` must be one of"):
        figures.scores_by_variant(table, {"": "as trained"})


def test_survival_draws_the_stages_in_order():
    """One line an explainer over the stages, whatever the order of the rows."""
    stages = {"randomised head": "head", "randomised all": "all"}
    table = filled(explainer=EXPLAINERS, variant=tuple(stages))
    figure = figures.survival(table.sample(frac=1, random_state=0), stages)
    found = bars_of(figure.axes[0])
    for explainer in EXPLAINERS:
        part = table[table["explainer"] == explainer]
        assert_allclose(found[figures.STYLE["explainer"][explainer].label], [part[c] for c in ("mean", "low", "high")])
