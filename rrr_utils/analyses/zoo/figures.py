"""A zoo of models: robustness against what should foretell it, the rivals, and how many images a ranking needs."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from rrr_utils.common.names import RIVALS
from rrr_utils.figures.style import CHANCE, HEADINGS, INK, STYLE, bars, check, legend_below, percent, present, theme

# How the columns of a table of correlations are named and drawn.
_OVER = {
    "groups": ("inside groups", "#000000", "o"),
    "kinds": ("inside groups and kinds of training", "#D55E00", "D"),
    "pooled": ("all models at once", "#56B4E9", "s"),
}
# Predictors in words; those of maps as measure, explainer and, unless a model's own correct ones, images.
_PLAIN = {
    "test_accuracy": "test accuracy",
    "mean_probability": "mean probability",
    "entropy": "entropy",
    "loss": "loss",
    "accuracy_removed": "accuracy without the object",
    "random": "a random pick",
}
_MEASURES = {
    **{name: name for name in RIVALS},
    "score": "AvgScore",
    "above": "AvgScore minus chance",
    "signed": "signed score",
    "pointing": "pointing game",
    "top": "top tenth inside",
    "iou": "IoU at its best",
    "box": "energy in the box",
    "insertion": "insertion",
    "deletion": "deletion",
}
_COHORTS = {"own": "", "common": "common images", "all": "all images"}


def predictor_label(name: str) -> str:
    """Return a predictor of `claims`, such as "grad_cam/above/all", in the words of an axis or a row.

    Raises ``KeyError`` for a name that is none.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    explainer, measure, cohort = name.split("/")
    return ", ".join(filter(None, [_MEASURES[measure], STYLE["explainer"][explainer].label, _COHORTS[cohort]]))


def robustness(table: pd.DataFrame, predictors: Mapping[str, str], outcome: str, guess: float | None = 0.5) -> Figure:
    """Return a panel for each predictor: the outcome of every model against it, one marker for each kind of training.

    Parameters
    ----------
    table
        One row a model: ``trained_on``, ``seen`` (whether it was trained on the outcome; drawn hollow), ``mean``,
        ``low`` and ``high`` of the outcome, and a column for each predictor with ``_low`` and ``_high``.
    predictors
        Columns of the table, each with the words of its axis.
    outcome
        The words of the other axis.
    guess
        What guessing reaches, drawn as a line; None where that differs between the models.
    """
    check(table, ["trained_on", "seen", "mean", "low", "high", *predictors], ["model"])
    kinds = present(table, "trained_on", list(STYLE["trained_on"]))
    with theme():
        figure, panels = plt.subplots(
            1, len(predictors), sharey=True, figsize=(0.8 + 3.2 * len(predictors), 3.9), layout="constrained",
            squeeze=False,
        )  # fmt: skip
        for axes, (name, words) in zip(panels[0], predictors.items()):
            if guess is not None:
                axes.axhline(guess, label="guessing", **CHANCE)
            for kind in kinds:
                style, part = STYLE["trained_on"][kind], table[table["trained_on"] == kind]
                for seen, rows in part.groupby("seen"):
                    x, y = (rows[column].to_numpy(float) for column in (name, "mean"))
                    ends = {"mean": rows[name], "low": rows[f"{name}_low"], "high": rows[f"{name}_high"]}
                    # Pale and behind all marks: hundreds of bars would hide the marks.
                    pale = 0.25 * np.array(to_rgb(style.colour)) + 0.75
                    across = bars(pd.DataFrame(ends))
                    axes.errorbar(
                        x, y, yerr=bars(rows), xerr=across, fmt="none", ecolor=pale, elinewidth=0.5, zorder=1.5
                    )
                    axes.plot(
                        x, y, linestyle="none", color=style.colour, marker=style.marker, markersize=4.0,
                        markerfacecolor="white" if seen else style.colour,
                        label=style.label + (" (trained on this)" if seen else ""),
                    )  # fmt: skip
            axes.set_xlabel(words)
        panels[0, 0].set_ylabel(outcome)
        panels[0, 0].set_ylim(max(float(table["low"].min()) - 0.03, -0.03), 1.03)
        percent(panels[0, 0].yaxis)
        legend_below(figure, panels[0, 0], columns=2, title=HEADINGS["trained_on"])
    return figure


def rivals(table: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Return the rank correlation of each predictor with an outcome, dots with intervals, one row a predictor.

    ``table`` is as ``claims.correlations`` gives it; ``names`` says what its predictors are called, in order.
    """
    check(table, [f"{over}{end}" for over in _OVER for end in ("", "_low", "_high")], ["predictor"])
    rows = table.set_index("predictor").loc[list(names)]
    with theme():
        figure, axes = plt.subplots(figsize=(7.4, 1.6 + 0.34 * len(rows)), layout="constrained")
        axes.axvline(0, color=INK, linewidth=1.0)
        for number, (over, (label, colour, marker)) in enumerate(_OVER.items()):
            part = pd.DataFrame({"mean": rows[over], "low": rows[f"{over}_low"], "high": rows[f"{over}_high"]})
            axes.errorbar(
                part["mean"], np.arange(len(part)) + 0.22 * (number - 1), xerr=bars(part), color=colour, marker=marker,
                linestyle="none", markersize=4.5, elinewidth=1.2, label=label,
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), list(names.values()))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-1.02, 1.02)
        axes.set_xlabel("rank correlation with the outcome (Spearman's rho)")
        axes.grid(axis="y", visible=False)
        legend_below(figure, axes, columns=3)
    return figure


def images_needed(table: pd.DataFrame) -> Figure:
    """Return how often a mean over so many images ranks two models right, a line an explainer with its interval.

    ``table`` is as ``claims.images_needed`` gives it.
    """
    check(table, ["right", "low", "high"], ["explainer", "images"])
    with theme():
        figure, axes = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
        axes.axhline(0.5, label="by chance", **CHANCE)
        for name in present(table, "explainer", list(STYLE["explainer"])):
            style = STYLE["explainer"][name]
            part = table[table["explainer"] == name].rename(columns={"right": "mean"})
            axes.errorbar(
                part["images"], part["mean"], yerr=bars(part), color=style.colour, marker=style.marker,
                linestyle=style.line, label=style.label, markersize=5, elinewidth=1.2,
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        counts = sorted(table["images"].unique())
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("scored images")
        axes.set_ylabel("pairs of models ranked right")
        percent(axes.yaxis)
        legend_below(figure, axes, columns=3)
    return figure
