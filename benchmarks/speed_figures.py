"""How many times faster: the ratios of the benchmark beside what was aimed at; and how cost grows."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rrr_utils.figures.style import CHANCE, check, legend_below, theme


def speed_ratios(table: pd.DataFrame) -> Figure:
    """Return a figure of one dot a comparison, on a logarithmic axis, with a tick at its target.

    Parameters
    ----------
    table
        Rows of the benchmark with ``what``, ``against``, ``ratio`` (plain time over quick time) and ``target``; one row
        for each ``what`` and ``against``. A dot is filled where the target is reached; a NaN ratio, of a comparison
        that was not run, has none.

    Raises
    ------
    ValueError
        If a column is missing, there is no row, or two rows are the same comparison.
    """
    check(table, ["ratio", "target"], ["what", "against"])
    places = list(range(len(table)))
    with theme():
        figure, axes = plt.subplots(figsize=(8, 1.0 + 0.55 * len(table)), layout="constrained")
        axes.axvline(1, **CHANCE)
        reached = (table["ratio"] >= table["target"]).tolist()
        for place, ratio, full in zip(places, table["ratio"], reached, strict=True):
            if np.isnan(ratio):
                axes.annotate("not run", (1, place), (6, 0), textcoords="offset points", va="center", fontsize=8)
                continue
            axes.plot(ratio, place, "o", color="#0072B2", markerfacecolor="#0072B2" if full else "white", markersize=8)
            axes.annotate(f"{ratio:.1f}", (ratio, place), (0, 8), textcoords="offset points", ha="center", fontsize=8)
        axes.plot(table["target"], places, "|", color="#D55E00", markersize=18, markeredgewidth=2)
        axes.plot([], [], "|", color="#D55E00", markersize=12, markeredgewidth=2, label="target")
        axes.plot([], [], "o", color="#0072B2", label="measured (hollow: below the target)")
        axes.plot([], [], label="as fast", **CHANCE)
        names = [
            textwrap.fill(f"{what}, against {against}", 60) for what, against in zip(table["what"], table["against"])
        ]
        axes.set_yticks(places, names, fontsize=8)
        axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.set_xscale("log")
        axes.set_xlim(min(0.8, 0.8 * table["ratio"].min()), 1.3 * max(table["ratio"].max(), table["target"].max()))
        ticks = [value for value in (0.5, 1, 2, 5, 10, 20, 50, 100) if np.prod(np.subtract(axes.get_xlim(), value)) < 0]
        axes.set_xticks(ticks, [f"{value:g}x" for value in ticks])
        axes.minorticks_off()
        axes.set_xlabel("times faster (ratio of median times)")
        legend_below(figure, axes, columns=3)
    return figure


def speed_growth(table: pd.DataFrame) -> Figure:
    """Return one panel for each thing that was varied: seconds over how many there are, on logarithmic axes.

    Parameters
    ----------
    table
        ``varied``, ``value`` and ``seconds``, one row for each ``varied`` and ``value``. A broken line through the
        first point of a panel is what would be in proportion.

    Raises
    ------
    ValueError
        If a column is missing, there is no row, or two rows are of the same size.
    """
    check(table, ["seconds"], ["varied", "value"])
    kinds = list(dict.fromkeys(table["varied"]))
    with theme():
        figure, panels = plt.subplots(1, len(kinds), figsize=(8, 2.9), sharey=True, squeeze=False, layout="constrained")
        for axes, kind in zip(panels[0], kinds, strict=True):
            part = table[table["varied"] == kind].sort_values("value")
            values, seconds = part["value"].to_numpy(float), part["seconds"].to_numpy(float)
            axes.plot(values, seconds, "o-", color="#0072B2", label="measured")
            axes.plot(values, seconds[0] * values / values[0], label="in proportion", **CHANCE)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xticks(values, [f"{value:,g}" for value in values])
            axes.minorticks_off()
            axes.set_xlabel(kind)
        low, high = panels[0][0].get_ylim()
        ticks = [value for value in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low <= value <= high]
        panels[0][0].set_yticks(ticks, [f"{value:g}" for value in ticks])
        panels[0][0].set_ylabel("seconds")
        legend_below(figure, panels[0][0], columns=2)
    return figure
