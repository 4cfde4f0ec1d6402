"""How many times faster: the ratios of the benchmark beside what was aimed at."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from rrr_utils.figures.style import CHANCE, check, legend_below, theme


def speed_ratios(table: pd.DataFrame) -> Figure:
    """Return a figure of one dot a comparison, on a logarithmic axis, with a tick at its target.

    Parameters
    ----------
    table
        Rows of the benchmark with ``what``, ``against``, ``ratio`` (plain time over quick time) and ``target``; one row
        for each ``what`` and ``against``. A dot is filled where the target is reached.

    Raises
    ------
    ValueError
        If a column is missing, there is no row, or two rows are the same comparison.
    """
    check(table, ["ratio", "target"], ["what", "against"])
    places = list(range(len(table)))
    with theme():
        figure, axes = plt.subplots(figsize=(8, 0.9 + 0.62 * len(table)), layout="constrained")
        axes.axvline(1, **CHANCE)
        reached = (table["ratio"] >= table["target"]).tolist()
        for place, ratio, full in zip(places, table["ratio"], reached, strict=True):
            axes.plot(ratio, place, "o", color="#0072B2", markerfacecolor="#0072B2" if full else "white", markersize=8)
            axes.annotate(f"{ratio:.1f}", (ratio, place), (0, 8), textcoords="offset points", ha="center", fontsize=8)
        axes.plot(table["target"], places, "|", color="#D55E00", markersize=18, markeredgewidth=2)
        axes.plot([], [], "|", color="#D55E00", markersize=12, markeredgewidth=2, label="target")
        axes.plot([], [], "o", color="#0072B2", label="measured (hollow: below the target)")
        axes.plot([], [], label="as fast", **CHANCE)
        names = [
            textwrap.fill(f"{what}, against {against}", 48) for what, against in zip(table["what"], table["against"])
        ]
        axes.set_yticks(places, names, fontsize=8)
        axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.set_xscale("log")
        axes.set_xlim(0.8, 1.3 * max(table["ratio"].max(), table["target"].max()))
        ticks = [value for value in (1, 2, 5, 10, 20, 50, 100) if value <= axes.get_xlim()[1]]
        axes.set_xticks(ticks, [f"{value}x" for value in ticks])
        axes.minorticks_off()
        axes.set_xlabel("times faster (ratio of median times)")
        legend_below(figure, axes, columns=3)
    return figure
