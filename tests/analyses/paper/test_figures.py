"""Figures of the paper's claims: what is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plots import EXPLAINERS, chance_lines, columns_of, drawn, filled

from rrr_utils.analyses.paper import figures
from rrr_utils.analyses.paper.printed import as_printed


def test_differences_draws_the_table():
    """A marker at each difference with its interval: filled where it supports, a cross where it contradicts."""
    about = {"data": "pets", "network": "small", "a": "all", "b": "dense"}
    rows = [("lime", 0.2, "supported"), ("occlusion", -0.1, "undecided"), ("accuracy", 0.05, "supported")]
    table = pd.DataFrame(
        [
            {**about, "what": what, "difference": value, "low": value - 0.01, "high": value + 0.02, "finding": finding}
            for what, value, finding in rows
        ]
    )
    (axes,) = figures.differences(table, margin=0.03).axes
    dots = [line for line in axes.lines if line.get_marker() in "^DP" and len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in dots] == [0.2, -0.1, 0.05]
    assert [line.get_markerfacecolor() == "white" for line in dots] == [False, True, False]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["LIME", "Occlusion", "accuracy"]
    bars = [bar.get_segments()[0][:, 0] for bar in axes.collections]
    assert_allclose(sorted(map(tuple, bars)), [(-0.11, -0.08), (0.04, 0.07), (0.19, 0.22)])
    assert [text.get_text() for text in axes.texts] == ["pets, small: all less dense"]
    (axes,) = figures.differences(table.assign(network="", finding=["supported", "contradicted", "undecided"])).axes
    crosses = [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in crosses] == [-0.1]
    assert [text.get_text() for text in axes.texts] == ["pets: all less dense"]
    with pytest.raises(ValueError, match="no rows"):
        figures.differences(table[:0])


def test_many_differences_of_several_networks_stand_in_columns():
    """A column a network, each line at one height in all of them, also where a network lacks a comparison."""
    rows = [
        {"data": "pets", "network": network, "a": a, "b": "start", "what": "lime", "difference": value, "finding": ""}
        for value, (network, a) in enumerate([("n", "w"), *((n, a) for n in ("m", "k") for a in "wxyz")])
    ]
    table = pd.DataFrame(rows)
    columns = figures.differences(table.assign(low=table["difference"], high=table["difference"])).axes
    assert [axes.get_title(loc="left") for axes in columns] == ["pets,\nn", "pets,\nm", "pets,\nk"]
    heights = [[line.get_ydata()[0] for line in axes.lines if line.get_marker() == "^"] for axes in columns]
    assert heights[0] == heights[1][:1]
    assert heights[1] == heights[2] == sorted(set(heights[1]))
    assert [text.get_text() for text in columns[0].texts] == [f"{a} less start" for a in "wxyz"]
    assert len(figures.differences(table[:5].assign(low=0, high=9)).axes) == 1


def test_curves_are_arranged_as_the_paper_prints_them():
    """A column a strategy, accuracy above and scores below; test images with intervals, training images without."""
    strategies, epochs = ("dense", "all"), (0, 5, 10)
    accuracy = filled(strategy=strategies, split=("train", "test"), epoch=epochs)
    scores = filled(strategy=strategies, explainer=EXPLAINERS[:2], split=("train", "test"), epoch=epochs)
    figure = as_printed(accuracy, scores, classes=4)
    above, below = np.reshape(figure.axes, (2, 2))
    assert [axes.get_title(loc="left") for axes in above] == ["(a) dense layers", "(d) all layers"]
    for axes, strategy in zip(above, strategies, strict=True):
        own = accuracy[accuracy["strategy"] == strategy]
        ((values, lows, highs),) = drawn(axes).values()
        for shown, expected in zip((values, lows, highs), columns_of(own[own["split"] == "test"]), strict=True):
            assert_allclose(shown, expected)
        hollow = [line for line in axes.lines if line.get_fillstyle() == "none"]
        assert_allclose(hollow[0].get_ydata(), own.loc[own["split"] == "train", "mean"])
        (guess,) = chance_lines(axes)
        assert_allclose(guess.get_ydata(), 0.25)
    for axes, strategy in zip(below, strategies, strict=True):
        own = scores[(scores["strategy"] == strategy) & (scores["split"] == "test")]
        for container, explainer in zip(axes.containers, EXPLAINERS[:2], strict=True):
            assert_allclose(
                container.lines[0].get_ydata().astype(float), own.loc[own["explainer"] == explainer, "mean"]
            )
        (chance,) = chance_lines(axes)
        assert_allclose(chance.get_ydata(), own.groupby("epoch")["chance"].mean())
    with pytest.raises(ValueError, match="column"):
        as_printed(accuracy, scores, classes=2, column="seed")
