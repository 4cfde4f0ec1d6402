"""Reliability of measures, and how far disturbances move a score."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rrr_utils.figures.style import CHANCE, INK, STYLE, bars, check, legend_below, present, theme


def alphas(table: pd.DataFrame, limits: Sequence[float]) -> Figure:
    """Return the inter-rater alpha and the mean inter-method correlation of each measure, dots with intervals.

    Parameters
    ----------
    table
        As ``statistics.reliability_table`` gives it; measures of one method are left out.
    limits
        Where alpha counts as reliable and as tentative; drawn as lines.
    """
    check(table, ["alpha", "alpha_low", "alpha_high", "rho"], ["measure"])
    drawn = table[table["methods"] > 1]
    with theme():
        figure, panels = plt.subplots(1, 2, sharey=True, figsize=(7.6, 1.3 + 0.32 * len(drawn)), layout="constrained")
        titles = ("images agree on explainers\n(Krippendorff's alpha)", "explainers agree on images\n(Spearman's rho)")
        for axes, name, title in zip(panels, ("alpha", "rho"), titles):
            part = drawn.rename(columns={name: "mean", f"{name}_low": "low", f"{name}_high": "high"})
            axes.axvline(0, color=INK, linewidth=1.0)
            axes.errorbar(
                part["mean"],
                range(len(part)),
                xerr=bars(part),
                color="#0072B2",
                marker="o",
                linestyle="none",
                markersize=5.5,
                elinewidth=1.4,
            )
            axes.set_title(title, loc="left", fontsize=9)
            axes.grid(axis="y", visible=False)
        for limit in limits:
            panels[0].axvline(limit, **CHANCE)
        panels[0].set_xlim(min(-0.2, float(np.nanmin(drawn["alpha_low"])) - 0.05), 1.02)
        panels[0].set_yticks(range(len(drawn)), drawn["measure"])
        panels[0].set_ylim(len(drawn) - 0.5, -0.5)
    return figure


def stability(table: pd.DataFrame) -> Figure:
    """Return how far each disturbance moves an image's score: one row a disturbance, dots with intervals.

    ``table`` is as ``statistics.stability_table`` gives it: ``explainer``, ``variant`` and ``moved`` with its interval.
    """
    check(table, ["moved", "moved_low", "moved_high"], ["explainer", "variant"])
    explainers = present(table, "explainer", list(STYLE["explainer"]))
    variants = list(dict.fromkeys(table["variant"]))
    with theme():
        figure, axes = plt.subplots(figsize=(7.2, 1.4 + 0.5 * len(variants)), layout="constrained")
        for place, explainer in enumerate(explainers):
            part = table[table["explainer"] == explainer].set_index("variant").reindex(variants)
            part = part.rename(columns={"moved": "mean", "moved_low": "low", "moved_high": "high"})
            style = STYLE["explainer"][explainer]
            axes.errorbar(
                part["mean"],
                np.arange(len(variants)) + 0.11 * (place - (len(explainers) - 1) / 2),
                xerr=bars(part),
                label=style.label,
                color=style.colour,
                marker=style.marker,
                linestyle="none",
                markersize=5,
                elinewidth=1.3,
            )
        axes.set_xlim(left=0)
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.set_xlabel("mean absolute change of an image's score")
        axes.grid(axis="y", visible=False)
        legend_below(figure, axes, columns=3)
    return figure
