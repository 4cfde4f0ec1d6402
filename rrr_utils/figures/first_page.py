"""The one figure for the first page: is the network right, and for the right reason?"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrr_utils.figures.style import CHANCE, INK, STYLE, bars, check, entries, percent, present, theme, written

_ROWS = {
    "original": "images as they are",
    "masked": "images with random pixels\nbehind the object",
    "swapped": "images with another\nimage's background",
    "both": "images as they are and\nswapped, by halves",
}


def story(accuracy: pd.DataFrame, scores: pd.DataFrame, *, classes: int, changed: str = "other") -> Figure:
    """Return the story in one figure: accuracy as trained and on changed backgrounds, and the score against chance.

    Parameters
    ----------
    accuracy
        Rows of ``statistics.shift_table``, one for each ``trained_on`` and ``background``; only the backgrounds
        "original" and ``changed`` are drawn.
    scores
        Rows of ``statistics.average`` with ``chance``, one for each ``trained_on`` and ``explainer``.
    classes
        How many classes there are; a line is drawn where guessing is.
    changed
        The background that accuracy is compared under, by default another image's.

    Raises
    ------
    ValueError
        If a column or one of the two backgrounds is missing, or two rows would be drawn in one place.
    """
    check(accuracy, ["mean", "low", "high"], ["trained_on", "background"])
    check(scores, ["mean", "low", "high", "chance"], ["trained_on", "explainer"])
    kinds = present(pd.concat([accuracy, scores]), "trained_on", list(STYLE["trained_on"]))
    for background in ("original", changed):
        if not (accuracy["background"] == background).any():
            raise ValueError(
                f"The story needs accuracy on the background {background!r}, but the table has "
                f"{sorted(accuracy['background'].unique())}. Add it to the study's `backgrounds`, or pass `changed`."
            )
    with theme():
        figure, (left, right) = plt.subplots(
            1, 2, sharey=True, figsize=(7.8, 1.7 + 0.72 * len(kinds)), layout="constrained", width_ratios=(1, 1)
        )
        figure.get_layout_engine().set(wspace=0.06)
        _accuracy(left, accuracy, kinds, classes, changed)
        _scores(right, scores, kinds)
        left.set_yticks(range(len(kinds)), [_ROWS[kind] for kind in kinds])
        left.set_ylim(len(kinds) - 0.45, -0.55)
        left.annotate("trained on", (-0.04, 1), (0, 6), "axes fraction", "offset points", ha="right", style="italic")
        for axes in (left, right):
            axes.grid(axis="y", visible=False)
            for edge in np.arange(len(kinds) - 1) + 0.5:
                axes.axhline(edge, color="#cccccc", linewidth=0.8, zorder=0)
        for axes, columns in ((left, 2), (right, 3)):
            axes.legend(
                *entries(axes),
                loc="upper center",
                bbox_to_anchor=(0.5, -0.5 / len(kinds)),
                ncols=columns,
                columnspacing=1.2,
                handletextpad=0.5,
            )
    return figure


def story_in_words(accuracy: pd.DataFrame, scores: pd.DataFrame, *, changed: str = "other") -> str:
    """Return what :func:`story` shows from the same tables, one sentence for each kind of training."""
    sentences = []
    for kind in present(scores, "trained_on", list(STYLE["trained_on"])):
        part = accuracy[accuracy["trained_on"] == kind].set_index("background")["mean"]
        found = scores[scores["trained_on"] == kind].set_index("explainer")
        shares = ", ".join(
            f"{STYLE['explainer'][name].label} {written(float(found['mean'][name]))}"
            for name in present(scores[scores["trained_on"] == kind], "explainer", list(STYLE["explainer"]))
        )
        right, changed_right = written(float(part["original"])), written(float(part[changed]))
        sentences.append(
            f"Trained on {' '.join(_ROWS[kind].split())}, the network is right on {right} of the test images, and on "
            f"{changed_right} when the background changes; of its relevance lie on the object: {shares} "
            f"(chance {written(float(found['chance'].mean()))})."
        )
    return " ".join(sentences)


def _accuracy(axes: Axes, table: pd.DataFrame, kinds: list[str], classes: int, changed: str) -> None:
    axes.axvline(1 / classes, **CHANCE)
    drawn = {"original": ("background as in the data", INK), changed: ("background changed", "white")}
    ends = []
    for background, (label, face) in drawn.items():
        part = table[table["background"] == background].set_index("trained_on").reindex(kinds)
        ends.append(part["mean"].to_numpy(float))
        axes.errorbar(
            part["mean"],
            np.arange(len(kinds)),
            xerr=bars(part),
            label=label,
            color=INK,
            markerfacecolor=face,
            markeredgecolor=INK,
            markeredgewidth=1.6,
            marker="o",
            markersize=9,
            linestyle="none",
            elinewidth=1.6,
            zorder=4,
        )
        for place, value in enumerate(part["mean"]):
            if not np.isnan(value):
                text = axes.text(value, place + (-0.17 if face == INK else 0.3), written(value), ha="center", zorder=5)
                text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])
    axes.hlines(range(len(kinds)), *ends, color="#aaaaaa", linewidth=4, alpha=0.6, zorder=2)
    axes.plot([], [], label="guessing", **CHANCE)
    axes.set_xlim(0, 1.06)
    percent(axes.xaxis)
    axes.set_xlabel("accuracy on test images")
    axes.set_title("Is the network right?", loc="left", fontweight="bold")


def _scores(axes: Axes, table: pd.DataFrame, kinds: list[str]) -> None:
    explainers = present(table, "explainer", list(STYLE["explainer"]))
    step = 0.6 / max(len(explainers), 1)
    for place, explainer in enumerate(explainers):
        style = STYLE["explainer"][explainer]
        part = table[table["explainer"] == explainer].set_index("trained_on").reindex(kinds)
        axes.errorbar(
            part["mean"],
            np.arange(len(kinds)) + step * (place - (len(explainers) - 1) / 2),
            xerr=bars(part),
            label=style.label,
            color=style.colour,
            marker=style.marker,
            markersize=6.5,
            linestyle="none",
            elinewidth=1.6,
            zorder=3,
        )
    for place, kind in enumerate(kinds):
        chance = table.loc[table["trained_on"] == kind, "chance"]
        axes.vlines(chance, place - 0.45, place + 0.45, **CHANCE)
    axes.plot([], [], label="chance", **CHANCE)
    top = np.nanmax(table[["mean", "high", "chance"]].to_numpy(float), initial=0.05)
    axes.set_xlim(0, min(1.02, 1.08 * top))
    percent(axes.xaxis)
    axes.set_xlabel("share of relevance on the object (score)")
    axes.set_title("For the right reason?", loc="left", fontweight="bold")
