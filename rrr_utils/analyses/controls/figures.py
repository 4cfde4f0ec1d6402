"""The controls of the score: what varied maps and randomised networks score, and how far their maps stay the same."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rrr_utils.common.choices import one_of
from rrr_utils.figures.style import CHANCE, INK, STYLE, bars, check, legend_below, percent, present, theme


def scores_by_variant(table: pd.DataFrame, rows: Mapping[str, str]) -> Figure:
    """Return scores by variant, one panel an explainer, one row a variant, dots with intervals beside chance.

    Parameters
    ----------
    table
        ``explainer``, ``variant``, ``mean``, ``low``, ``high`` and ``chance`` as ``statistics.average`` gives them, one
        row for each explainer and variant. Rows of the explainer "none" (no network made them) stand in every panel.
    rows
        The variants to be drawn, from top to bottom, and what each is called; random weights are named as such.
    """
    check(table, ["mean", "low", "high", "chance"], ["explainer", "variant"])
    for variant in table["variant"].unique():
        one_of("variant", variant, rows)
    own = table[table["explainer"] != "none"]
    explainers = present(own, "explainer", list(STYLE["explainer"]))
    with theme():
        figure, panels = plt.subplots(
            1,
            len(explainers),
            squeeze=False,
            sharey=True,
            sharex=True,
            figsize=(2.0 + 1.75 * len(explainers), 1.4 + 0.3 * len(rows)),
            layout="constrained",
        )
        for axes, explainer in zip(panels[0], explainers):
            style = STYLE["explainer"][explainer]
            part = table[table["explainer"].isin([explainer, "none"])].set_index("variant").reindex(list(rows))
            axes.axvline(float(part["chance"].mean()), **CHANCE)
            for place, (_, row) in enumerate(part.iterrows()):
                axes.errorbar(
                    row["mean"],
                    place,
                    xerr=bars(row.to_frame().T),
                    color=style.colour if row["explainer"] == explainer else "#888888",
                    marker=style.marker if row["explainer"] == explainer else "x",
                    markersize=5.5,
                    elinewidth=1.4,
                    zorder=3,
                )
            axes.set_title(style.label, loc="left", fontweight="bold")
            axes.set_xlabel("score")
            axes.grid(axis="y", visible=False)
            percent(axes.xaxis)
        top = float(np.nanmax(table[["mean", "high", "chance"]].to_numpy(float)))
        panels[0, 0].set_xlim(0, min(1.02, 1.1 * top))
        labels = [f"random: {name}" if variant.startswith("randomised") else name for variant, name in rows.items()]
        panels[0, 0].set_yticks(range(len(rows)), labels)
        panels[0, 0].set_ylim(len(rows) - 0.5, -0.5)
        panels[0, 0].plot([], [], label="chance: share of the image that is object", **CHANCE)
        legend_below(figure, panels[0, 0], columns=1)
    return figure


def survival(table: pd.DataFrame, stages: Mapping[str, str]) -> Figure:
    """Return how similar maps stay while weights are drawn anew, one line an explainer, from the head downwards.

    Parameters
    ----------
    table
        ``explainer``, ``variant``, ``mean``, ``low`` and ``high`` of the similarity, one row for each of the first two.
    stages
        The variants in order, and what each is called.
    """
    check(table, ["mean", "low", "high"], ["explainer", "variant"])
    for variant in table["variant"].unique():
        one_of("variant", variant, stages)
    explainers = present(table, "explainer", list(STYLE["explainer"]))
    with theme():
        figure, axes = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
        axes.axhline(0, color=INK, linewidth=1.0)
        for place, explainer in enumerate(explainers):
            part = table[table["explainer"] == explainer].set_index("variant").reindex(list(stages))
            style = STYLE["explainer"][explainer]
            axes.errorbar(
                np.arange(len(stages)) + 0.06 * (place - (len(explainers) - 1) / 2),
                part["mean"],
                yerr=bars(part),
                label=style.label,
                color=style.colour,
                marker=style.marker,
                linestyle=style.line,
                markersize=5.5,
                linewidth=1.5,
                elinewidth=1.2,
            )
        axes.set_xticks(range(len(stages)), list(stages.values()))
        axes.set_xlabel("weights drawn anew")
        axes.set_ylabel("rank correlation with the\nmap of the trained network")
        axes.grid(axis="x", visible=False)
        legend_below(figure, axes, columns=len(explainers))
    return figure
