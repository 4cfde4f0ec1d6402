"""Curves over epochs: accuracy and score, with intervals and chance."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from rrr_utils.common.choices import one_of
from rrr_utils.figures.style import CHANCE, HEADINGS, STYLE, bars, check, legend_below, percent, present, theme

_SPLITS = {"train": "training images", "test": "test images"}


def score_over_epochs(table: pd.DataFrame, *, hue: str = "trained_on") -> Figure:
    """Return a figure of the score over epochs, one axes an explainer, one line a value of ``hue``.

    Parameters
    ----------
    table
        Rows of ``statistics.average`` with ``explainer``, ``hue`` ("trained_on" or "strategy"), ``epoch``, ``mean``,
        ``low``, ``high`` and ``chance``; one row for each explainer, ``hue`` and epoch.

    Raises
    ------
    ValueError
        If a column is missing, a value has no style, or two rows would be drawn in one place.
    """
    one_of("hue", hue, [column for column in STYLE if column != "explainer"])
    check(table, ["mean", "low", "high", "chance"], ["explainer", hue, "epoch"])
    explainers = present(table, "explainer", list(STYLE["explainer"]))
    with theme():
        figure, panels = _panels(len(explainers), table["epoch"], "score: relevance on object")
        for axes, explainer in zip(panels, explainers):
            part = table[table["explainer"] == explainer]
            _curves(axes, part, hue)
            for _, line in part.groupby(hue):
                line = line.sort_values("epoch")
                axes.plot(line["epoch"], line["chance"], **CHANCE)
            axes.plot([], [], label="chance: share of the image that is object", **CHANCE)
            axes.set_title(STYLE["explainer"][explainer].label, loc="left", fontweight="bold")
        top = np.nanmax(table[["mean", "high", "chance"]].to_numpy(float), initial=0.05)
        panels[0].set_ylim(0, min(1.02, 1.08 * top))
        legend_below(figure, panels[0], columns=2, title=HEADINGS[hue])
    return figure


def accuracy_over_epochs(table: pd.DataFrame, *, classes: int, hue: str = "trained_on") -> Figure:
    """Return a figure of the accuracy over epochs, one axes a split, one line a value of ``hue``.

    Parameters
    ----------
    table
        Rows of ``statistics.accuracy_table`` with ``split``, ``hue`` ("trained_on" or "strategy"), ``epoch``,
        ``mean``, ``low`` and ``high``; one row for each split, ``hue`` and epoch.
    classes
        How many classes there are: guessing is right once in so many times, and that line is drawn.

    Raises
    ------
    ValueError
        As :func:`score_over_epochs` does.
    """
    one_of("hue", hue, [column for column in STYLE if column != "explainer"])
    check(table, ["mean", "low", "high"], ["split", hue, "epoch"])
    splits = present(table, "split", list(_SPLITS))
    with theme():
        figure, panels = _panels(len(splits), table["epoch"], "accuracy")
        for axes, split in zip(panels, splits):
            axes.axhline(1 / classes, **CHANCE)
            _curves(axes, table[table["split"] == split], hue)
            axes.plot([], [], label="guessing", **CHANCE)
            axes.set_title(_SPLITS[split], loc="left", fontweight="bold")
        panels[0].set_ylim(0, 1.03)
        legend_below(figure, panels[0], columns=2, title=HEADINGS[hue])
    return figure


def _panels(count: int, epochs: "pd.Series[int]", label: str) -> tuple[Figure, list[Axes]]:
    columns = 2 if count == 4 else min(count, 3)
    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        sharex=True,
        sharey=True,
        squeeze=False,
        figsize=(1.4 + 2.4 * max(columns, 2), 1.4 + 2.1 * rows),
        layout="constrained",
    )
    scored = sorted(set(epochs))
    for place, axes in enumerate(grid.ravel()):
        axes.set_visible(place < count)
        axes.xaxis.set_major_locator(FixedLocator(scored) if len(scored) <= 6 else MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)
        percent(axes.yaxis)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    for axes in grid[:, 0]:
        axes.set_ylabel(label)
    return figure, list(grid.ravel()[:count])


def _curves(axes: Axes, table: pd.DataFrame, hue: str) -> None:
    values = present(table, hue, list(STYLE[hue]))
    # Side by side, so that intervals at one epoch do not cover each other.
    epochs = np.unique(table["epoch"])
    step = min(0.012 * max(float(np.ptp(epochs)), 1.0), 0.12 * float(np.diff(epochs).min(initial=100)))
    for place, value in enumerate(values):
        line, style = table[table[hue] == value].sort_values("epoch"), STYLE[hue][value]
        axes.errorbar(
            line["epoch"] + step * (place - (len(values) - 1) / 2),
            line["mean"],
            yerr=bars(line),
            label=style.label,
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            markersize=5,
            linewidth=1.5,
            elinewidth=1.1,
            zorder=3,
        )
