"""Dots with intervals: accuracy by background, and score by explainer beside chance."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrr_utils.common.choices import one_of
from rrr_utils.figures.style import (
    BACKGROUND_LABELS,
    CHANCE,
    HEADINGS,
    INK,
    STYLE,
    bars,
    check,
    legend_below,
    percent,
    present,
    theme,
)

_REACH = 0.7  # how much of the room between two ticks the dots of one tick take


def accuracy_by_background(table: pd.DataFrame, *, classes: int, hue: str = "trained_on") -> Figure:
    """Return a figure of the accuracy under each background, dots with intervals, one colour a value of ``hue``.

    Parameters
    ----------
    table
        Rows of ``statistics.shift_table`` with ``background``, ``hue`` ("trained_on" or "strategy"), ``mean``,
        ``low`` and ``high``; one row for each background and ``hue``.
    classes
        How many classes there are: guessing is right once in so many times, and that line is drawn.

    Raises
    ------
    ValueError
        If a column is missing, a value has no style, or two rows would be drawn in one place.
    """
    one_of("hue", hue, [column for column in STYLE if column != "explainer"])
    check(table, ["mean", "low", "high"], ["background", hue])
    backgrounds = present(table, "background", list(BACKGROUND_LABELS))
    with theme():
        figure, axes = plt.subplots(figsize=(1.5 + 1.25 * max(len(backgrounds), 3), 3.8), layout="constrained")
        axes.axhline(1 / classes, **CHANCE)
        _dots(axes, table, "background", backgrounds, hue)
        axes.plot([], [], label="guessing", **CHANCE)
        axes.set_xticks(range(len(backgrounds)), [BACKGROUND_LABELS[value] for value in backgrounds])
        axes.set_xlabel("background behind the objects of the test images")
        axes.set_ylabel("accuracy on test images")
        axes.set_ylim(0, 1.03)
        legend_below(figure, axes, columns=2, title=HEADINGS[hue])
    return figure


def score_by_explainer(table: pd.DataFrame, *, hue: str = "trained_on") -> Figure:
    """Return a figure of the score by explainer, dots with intervals beside ticks at chance, a colour for each ``hue``.

    Parameters
    ----------
    table
        Rows of ``statistics.average`` with ``explainer``, ``hue`` ("trained_on" or "strategy"), ``mean``, ``low``,
        ``high`` and ``chance``; one row for each explainer and ``hue``.

    Raises
    ------
    ValueError
        As :func:`accuracy_by_background` does.
    """
    one_of("hue", hue, [column for column in STYLE if column != "explainer"])
    check(table, ["mean", "low", "high", "chance"], ["explainer", hue])
    explainers = present(table, "explainer", list(STYLE["explainer"]))
    with theme():
        figure, axes = plt.subplots(figsize=(1.5 + 1.45 * max(len(explainers), 3), 3.8), layout="constrained")
        _dots(axes, table, "explainer", explainers, hue, chance=True)
        axes.set_xticks(range(len(explainers)), [STYLE["explainer"][value].label for value in explainers])
        axes.set_ylabel("relevance on the object (score)")
        top = np.nanmax(table[["mean", "high", "chance"]].to_numpy(float), initial=0.05)
        axes.set_ylim(0, min(1.02, 1.08 * top))
        legend_below(figure, axes, columns=2, title=HEADINGS[hue])
    return figure


def _dots(axes: Axes, table: pd.DataFrame, column: str, order: list[str], hue: str, chance: bool = False) -> None:
    values = present(table, hue, list(STYLE[hue]))
    step = _REACH / len(values)
    for place, value in enumerate(values):
        part = table[table[hue] == value].set_index(column).reindex(order)
        style = STYLE[hue][value]
        x = np.arange(len(order)) + step * (place - (len(values) - 1) / 2)
        axes.errorbar(
            x,
            part["mean"],
            yerr=bars(part),
            label=style.label,
            color=style.colour,
            marker=style.marker,
            markersize=6.5,
            linestyle="none",
            elinewidth=1.6,
            zorder=3,
        )
        if chance:
            axes.hlines(part["chance"], x - 0.42 * step, x + 0.42 * step, color=INK, linewidth=1.6, zorder=2)
    if chance:
        axes.plot([], [], color=INK, linewidth=1.6, label="chance: share of the image that is object")
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.grid(axis="x", visible=False)
    percent(axes.yaxis)
