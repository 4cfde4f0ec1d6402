"""How many images a mean score needs: running means in random orders, and the precision that they reach."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rrr_utils.figures.style import CHANCE, INK, check, legend_below, theme

_BAND, _LINE, _MARK = "#56B4E9", "#0072B2", "#D55E00"
_SHOWN = 5  # orders that are drawn as lines: enough to see that they differ


def running_means(table: pd.DataFrame, *, marked: int = 50, half_widths: Sequence[float] = ()) -> Figure:
    """Return running means over the number of images, and the half-width of their interval, side by side.

    Parameters
    ----------
    table
        Rows of the table ``convergence`` with ``order``, ``n``, ``mean``, ``low``, ``high``; one for each order and n.
    marked
        A number of images that is marked by a line: the paper's 50.
    half_widths
        Precisions to be marked in the right panel.
    """
    check(table, ["mean", "low", "high"], ["order", "n"])
    table = table.assign(reach=(table["high"] - table["low"]) / 2)
    # A mean of two or three images is anywhere, and would squeeze all others.
    table = table[table["n"] >= min(10, int(table["n"].max()))]
    by_n = table.groupby("n")
    spread, reach = (
        by_n["mean"].quantile(np.array([0.025, 0.975])).unstack(),
        by_n["reach"].quantile(np.array([0.025, 0.5, 0.975])).unstack(),
    )
    with theme():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
        left.fill_between(spread.index, spread[0.025], spread[0.975], color=_BAND, alpha=0.35, linewidth=0)
        left.fill_between([], [], [], color=_BAND, alpha=0.35, label="95% of the orders")
        for order in sorted(table["order"].unique())[:_SHOWN]:
            line = table[table["order"] == order]
            left.plot(line["n"], line["mean"], color=_LINE, linewidth=0.8, alpha=0.8)
        left.plot([], [], color=_LINE, linewidth=0.8, label="single orders")
        left.axhline(float(table.sort_values("n")["mean"].iloc[-1]), color=INK, linewidth=1.2, label="all images")
        left.set_ylabel("mean score of the first n images")
        right.fill_between(reach.index, reach[0.025], reach[0.975], color=_BAND, alpha=0.35, linewidth=0)
        right.plot(reach.index, reach[0.5], color=_LINE, linewidth=1.6)
        for half_width in half_widths:
            right.axhline(half_width, **CHANCE)
            right.annotate(f"± {half_width}", (1, half_width), (-2, 3), ("axes fraction", "data"), "offset points")
            right.texts[-1].set_ha("right")
        right.set_yscale("log")
        ticks = [value for value in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if value < reach[0.975].max() * 1.2]
        right.set_yticks(ticks, [str(value) for value in ticks])
        right.minorticks_off()
        right.set_ylim(0.85 * min([reach[0.025].min(), *half_widths]), 1.1 * reach[0.975].max())
        right.set_ylabel("half-width of the 95% interval")
        for axes in (left, right):
            axes.axvline(marked, color=_MARK, linewidth=1.4, linestyle=":")
            axes.set_xlabel("number of images n")
            axes.set_xlim(0, int(np.max(table["n"])))
        left.plot([], [], color=_MARK, linewidth=1.4, linestyle=":", label=f"{marked} images")
        legend_below(figure, left, columns=4)
    return figure
