"""The paper's own arrangement of its curves: accuracy above, the score below, one column a kind of training."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from rrr_utils.common.choices import one_of
from rrr_utils.figures.style import CHANCE, INK, STYLE, Style, bars, check, percent, present, theme

# As the paper letters them; the two kinds of training in its Figure 5 have no letters.
_LETTERS = {"dense": "(a) ", "blocks4-5": "(b) ", "blocks1-3": "(c) ", "all": "(d) "}
_ACCURACY = Style("accuracy", INK, "o", "-")


def as_printed(accuracy: pd.DataFrame, scores: pd.DataFrame, *, classes: int, column: str = "strategy") -> Figure:
    """Return accuracy and score over epochs as Figures 3 and 5 of the paper arrange them.

    One column a value of ``column``; above the accuracy, below the score of each explainer with chance. Test images are
    drawn filled and with their intervals, training images hollow and without, so that the curves can be told apart.

    Parameters
    ----------
    accuracy
        Rows of ``statistics.accuracy_table``: ``column``, ``split``, ``epoch``, ``mean``, ``low``, ``high``.
    scores
        Rows of ``statistics.average``: ``column``, ``explainer``, ``split``, ``epoch``, ``mean``, ``low``, ``high``,
        ``chance``.
    classes
        How many classes there are: a line is drawn where guessing is.
    column
        "strategy" (Figure 3) or "trained_on" (Figure 5).

    Raises
    ------
    ValueError
        If a column is missing, a value has no style, or two rows would be drawn in one place.
    """
    one_of("column", column, ("strategy", "trained_on"))
    check(accuracy, ["mean", "low", "high"], [column, "split", "epoch"])
    check(scores, ["mean", "low", "high", "chance"], [column, "explainer", "split", "epoch"])
    kinds = present(pd.concat([accuracy[[column]], scores[[column]]]), column, list(STYLE[column]))
    with theme():
        figure, grid = plt.subplots(
            2,
            len(kinds),
            sharex=True,
            sharey="row",
            squeeze=False,
            figsize=(1.6 + 2.1 * max(len(kinds), 2), 5.0),
            layout="constrained",
        )
        for (above, below), kind in zip(grid.T, kinds, strict=True):
            own = accuracy[accuracy[column] == kind]
            above.axhline(1 / classes, **CHANCE)
            _both(above, own, _ACCURACY)
            above.set_title(_LETTERS.get(kind, "") + STYLE[column][kind].label, loc="left", fontsize=9)
            mine = scores[scores[column] == kind]
            chance = mine[mine["split"] == "test"].groupby("epoch")["chance"].mean()
            below.plot(chance.index, chance, **CHANCE)
            drawn = present(mine, "explainer", list(STYLE["explainer"]))
            for place, explainer in enumerate(drawn):
                # Side by side, so that intervals at one epoch do not cover each other.
                step = 0.12 * (place - (len(drawn) - 1) / 2)
                _both(below, mine[mine["explainer"] == explainer], STYLE["explainer"][explainer], step)
            below.set_xlabel("epoch")
        _axes(grid, sorted(set(scores["epoch"])))
        _legend(figure, grid, scores)
    return figure


def _both(axes: Axes, table: pd.DataFrame, style: Style, step: float = 0.0) -> None:
    common: dict[str, Any] = {"color": style.colour, "marker": style.marker, "markersize": 4, "zorder": 3}
    test, train = (table[table["split"] == split].sort_values("epoch") for split in ("test", "train"))
    if len(test):
        axes.errorbar(
            test["epoch"] + step, test["mean"], yerr=bars(test), linestyle="-", linewidth=1.4, elinewidth=0.9, **common
        )
    if len(train):
        axes.plot(train["epoch"] + step, train["mean"], linestyle=":", linewidth=1.1, fillstyle="none", **common)


def _axes(grid: Any, epochs: list[int]) -> None:
    for axes in grid.ravel():
        axes.xaxis.set_major_locator(FixedLocator(epochs) if len(epochs) <= 4 else MaxNLocator(6, integer=True))
        axes.grid(axis="x", visible=False)
        percent(axes.yaxis)
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("score: relevance on object")
    grid[0, 0].set_ylim(top=1.02)


def _legend(figure: Figure, grid: Any, scores: pd.DataFrame) -> None:
    handles = [
        plt.Line2D([], [], color=style.colour, marker=style.marker, markersize=5, label=style.label)
        for style in (STYLE["explainer"][name] for name in present(scores, "explainer", list(STYLE["explainer"])))
    ]
    splits = set(scores["split"])
    ink: dict[str, Any] = {"color": INK, "marker": "o", "markersize": 5}
    handles.append(plt.Line2D([], [], label="test images, with interval", **ink))
    if "train" in splits:
        handles.append(plt.Line2D([], [], label="training images", linestyle=":", fillstyle="none", **ink))
    handles.append(plt.Line2D([], [], label="guessing; chance", **CHANCE))
    figure.legend(handles=handles, loc="outside lower center", ncols=int(np.ceil(len(handles) / 2)), frameon=False)
