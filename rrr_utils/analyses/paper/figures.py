"""Differences with intervals, a row each: what the paper's claims rest on."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rrr_utils.figures.style import CHANCE, INK, STYLE, bars, check, theme

# Filled: this row supports the claim; a cross: it contradicts it; hollow: it does neither.
_FILLED, _CROSSED = "supported", "contradicted"
# So many comparisons can be read below each other.
_BELOW = 6
_NAMES = {**{name: style.label for name, style in STYLE["explainer"].items()}, "accuracy": "accuracy"}


def differences(table: pd.DataFrame, *, margin: float | None = None) -> Figure:
    """Return a figure of differences, one row of ``table`` a line, with intervals and a line at zero.

    Many comparisons of several networks stand in columns, a network each, so that a line can be followed from one to
    the next; few stand below each other.

    Parameters
    ----------
    table
        Rows of ``claims.judged`` of one claim: ``data``, ``network``, ``a``, ``b``, ``what``, ``difference``, ``low``,
        ``high`` and ``finding``. A filled marker says that the row supports the claim, a cross that it contradicts it.
    margin
        Differences that count as none are shaded, from minus this to this.

    Raises
    ------
    ValueError
        If a column is missing or there is no row.
    """
    columns = ["data", "network", "a", "b", "what", "difference", "low", "high", "finding"]
    check(table, columns, columns)
    networks = table["data"] + (",\n" + table["network"]).where(table["network"] != "", "")
    compared = table["a"] + " less " + table["b"]
    wide = networks.nunique() > 1 and (networks + compared).nunique() > _BELOW
    heads = compared if wide else networks.str.replace("\n", " ") + ": " + compared
    sides = networks if wide else pd.Series("", table.index)
    table = table.assign(head=heads)
    places, lines = _heights(table)
    with theme():
        figure, several = plt.subplots(
            1,
            sides.nunique(),
            figsize=(8.2, 1.2 + 0.32 * len(lines) + 0.3 * len(places) + 0.3 * wide),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axes, (side, rows) in zip(several[0], table.groupby(sides, sort=False), strict=True):
            axes.axvline(0, **CHANCE)
            if margin is not None:
                axes.axvspan(-margin, margin, color="#DDDDDD", zorder=0)
            for _, row in rows.iterrows():
                _draw(axes, lines[row["head"], row["what"]], row)
            axes.grid(axis="y", visible=False)
            axes.set_title(side, loc="left")
            if wide:
                axes.xaxis.set_major_locator(MaxNLocator(3))
        # A head may be longer than a column is wide: it lies over the next one.
        several[0, 0].set_zorder(1)
        several[0, 0].patch.set_visible(False)
        for head, height in places.items():
            several[0, 0].text(
                0.005,
                height,
                head,
                transform=several[0, 0].get_yaxis_transform(),
                va="center",
                fontweight="bold",
                # Over the grid, so that it can be read.
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                zorder=4,
                in_layout=False,
            )
        several[0, 0].set_yticks(list(lines.values()), [_NAMES.get(what, what) for _, what in lines])
        several[0, 0].set_ylim(max(lines.values()) + 0.7, -0.7)
        figure.supxlabel("difference (score or accuracy, 0 to 1), with 95% interval", fontsize="medium")
    return figure


def _heights(table: pd.DataFrame) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    """Return how far down each head stands and, by head and what was compared, each line below it."""
    places: dict[str, float] = {}
    lines: dict[tuple[str, str], float] = {}
    height = 0.0
    for head, rows in table.groupby("head", sort=False):
        places[str(head)] = height
        height += 0.9
        for name in rows["what"].unique():
            lines[str(head), name] = height
            height += 1.0
    return places, lines


def _draw(axes: Axes, height: float, row: pd.Series) -> None:
    style = STYLE["explainer"].get(row["what"])
    colour = style.colour if style else INK
    one = pd.DataFrame({"low": [row["low"]], "mean": [row["difference"]], "high": [row["high"]]})
    axes.errorbar(
        [row["difference"]],
        [height],
        xerr=bars(one),
        color=colour,
        marker="x" if row["finding"] == _CROSSED else style.marker if style else "P",
        markerfacecolor=colour if row["finding"] == _FILLED else "white",
        markersize=6.5,
        markeredgewidth=2 if row["finding"] == _CROSSED else None,
        elinewidth=1.6,
        linestyle="none",
        zorder=3,
    )
