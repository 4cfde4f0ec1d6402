"""Differences with intervals, a row each: what the paper's claims rest on."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from rrr_utils.figures.style import CHANCE, INK, STYLE, bars, check, theme

# Filled: the claim holds in this row; hollow: it does not, or the row does not decide.
_FILLED = "holds"


def differences(table: pd.DataFrame, *, margin: float | None = None) -> Figure:
    """Return a figure of differences, one row of ``table`` a line, with intervals and a line at zero.

    Parameters
    ----------
    table
        Rows of ``claims.measured`` of one claim: ``data``, ``network``, ``a``, ``b``, ``what``, ``difference``,
        ``low``, ``high`` and ``finding``. A filled marker says that the claim holds in that row.
    margin
        Differences that count as none are shaded, from minus this to this.

    Raises
    ------
    ValueError
        If a column is missing or there is no row.
    """
    columns = ["data", "network", "a", "b", "what", "difference", "low", "high", "finding"]
    check(table, columns, columns)
    names = {**{name: style.label for name, style in STYLE["explainer"].items()}, "accuracy": "accuracy"}
    rows = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    places = ["{data}, {network}: {a} less {b}".format(**row) for row in rows]
    order = list(dict.fromkeys(places))
    with theme():
        figure, axes = plt.subplots(figsize=(8.2, 1.2 + 0.32 * len(table) + 0.3 * len(order)), layout="constrained")
        axes.axvline(0, **CHANCE)
        if margin is not None:
            axes.axvspan(-margin, margin, color="#DDDDDD", zorder=0)
        height, ticks, labels = 0.0, [], []
        for place in order:
            axes.text(
                0.005,
                height,
                place,
                transform=axes.get_yaxis_transform(),
                va="center",
                fontweight="bold",
                # Over the grid, so that it can be read.
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                zorder=4,
            )
            height += 0.9
            for row in [row for row, own in zip(rows, places) if own == place]:
                style = STYLE["explainer"].get(row["what"])
                colour = style.colour if style else INK
                one = pd.DataFrame({"low": [row["low"]], "mean": [row["difference"]], "high": [row["high"]]})
                axes.errorbar(
                    [row["difference"]],
                    [height],
                    xerr=bars(one),
                    color=colour,
                    marker=style.marker if style else "P",
                    markerfacecolor=colour if row["finding"] == _FILLED else "white",
                    markersize=6.5,
                    elinewidth=1.6,
                    linestyle="none",
                    zorder=3,
                )
                ticks.append(height)
                labels.append(names.get(row["what"], row["what"]))
                height += 1.0
        axes.set_yticks(ticks, labels)
        axes.set_ylim(height - 0.3, -0.7)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("difference (score or accuracy, 0 to 1), with 95% interval")
    return figure
