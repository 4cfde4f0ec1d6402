"""The error of a LIME score over the number of samples, one line a design of the perturbations."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from rrr_utils.figures.style import Style, bars, check, legend_below, present, theme

DESIGN_STYLE = {
    "coin flips": Style("coin flips", "#000000", "o", "-"),
    "orthogonal": Style("orthogonal", "#0072B2", "s", (0, (5, 1))),
    "coin flips, control 1,000": Style("coin flips, control", "#CC79A7", "^", (0, (3, 1, 1, 1))),
    "orthogonal, control 1,000": Style("orthogonal, control", "#E69F00", "D", (0, (1, 1))),
}


def error_by_samples(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Return a figure of the error over the number of samples, one axes a network, one line a design; both axes log.

    Parameters
    ----------
    table
        Rows with ``network``, ``design`` (a key of ``DESIGN_STYLE``), ``samples``, ``mean`` (the rms error), ``low``
        and ``high``; one row for each network, design and number of samples.
    titles
        The title of each network, in the order of the axes.

    Raises
    ------
    ValueError
        If a column is missing, a design has no style, or two rows would be drawn in one place.
    """
    check(table, ["mean", "low", "high"], ["network", "design", "samples"])
    designs = present(table, "design", list(DESIGN_STYLE))
    with theme():
        figure, panels = plt.subplots(
            1, len(titles), figsize=(3.1 * len(titles), 3.6), sharey=True, squeeze=False, layout="constrained"
        )
        for axes, (network, title) in zip(panels[0], titles.items(), strict=True):
            for place, design in enumerate(designs):
                part = table[(table["network"] == network) & (table["design"] == design)].sort_values("samples")
                look = DESIGN_STYLE[design]
                axes.errorbar(
                    # Side by side, so that intervals can be told apart.
                    part["samples"] * 1.04 ** (place - (len(designs) - 1) / 2),
                    part["mean"],
                    bars(part),
                    label=look.label,
                    color=look.colour,
                    marker=look.marker,
                    linestyle=look.line,
                    markersize=5,
                    elinewidth=1,
                )
            axes.set_xscale("log")
            axes.set_yscale("log")
            ticks = sorted(table["samples"].unique())
            axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
            axes.minorticks_off()
            axes.set_xlabel("samples a checkpoint")
            axes.set_title(title, loc="left", fontweight="bold")
        heights = [0.01, 0.02, 0.05, 0.1, 0.2]
        panels[0][0].set_yticks(heights, [f"{height:g}" for height in heights])
        panels[0][0].set_ylabel("rms error of an image's score")
        legend_below(figure, panels[0][0], columns=len(designs))
    return figure
