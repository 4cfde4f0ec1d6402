"""How good masks are: the distribution of their overlap, both masks on the picture, and what the score makes of it."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rrr_utils.common.extras import needed
from rrr_utils.figures.grids import cell_grid, outline, pictures_of, show
from rrr_utils.figures.style import CHANCE, INK, STYLE, bars, check, legend_below, present, theme

# The automatic mask beside the white line of the hand-made one.
_FOUND = "#E69F00"


def overlap_histogram(table: pd.DataFrame, thresholds: Sequence[float] = ()) -> Figure:
    """Return the distribution of the overlap (intersection over union), one panel a masker, thresholds marked.

    ``table`` holds rows of ``mask_quality`` with ``image``, ``source`` and ``iou``, one for each image and source.
    """
    with needed("A histogram"):
        import seaborn as sns

    check(table, ["iou"], ["source", "image"])
    sources = present(table, "source", list(STYLE["mask_source"]))
    with theme():
        figure, panels = plt.subplots(
            1, len(sources), squeeze=False, sharey=True, figsize=(1.2 + 3.1 * len(sources), 3.0), layout="constrained"
        )
        for axes, source in zip(panels[0], sources):
            style = STYLE["mask_source"][source]
            part = table.loc[table["source"] == source, "iou"]
            sns.histplot(x=part, bins=np.linspace(0, 1, 41), color=style.colour, element="step", alpha=0.45, ax=axes)
            axes.axvline(float(part.median()), color=INK, linewidth=1.6)
            for threshold in thresholds:
                axes.axvline(threshold, **CHANCE)
            axes.set_xlim(0, 1)
            axes.grid(axis="x", visible=False)
            axes.set_title(style.label, loc="left", fontweight="bold")
            axes.set_xlabel("overlap with the hand-made mask (IoU)")
        panels[0, 0].set_ylabel("images")
        panels[0, 0].plot([], [], color=INK, linewidth=1.6, label="median")
        if thresholds:
            panels[0, 0].plot([], [], label="thresholds", **CHANCE)
        legend_below(figure, panels[0, 0], columns=2)
    return figure


def mask_pairs(
    images: ArrayLike, masks: ArrayLike, others: ArrayLike, titles: Sequence[str], *, columns: int = 6
) -> Figure:
    """Return pictures with two outlines each: the hand-made mask in white, the other one in orange, under their titles.

    ``images`` is ``(N, H, W, 3)`` RGB from 0 to 255, ``masks`` and ``others`` are ``(N, H, W)`` in [0, 1]. Raises
    ``ValueError`` if the shapes or the number of titles do not agree.
    """
    first, second = np.asarray(masks, np.float32), np.asarray(others, np.float32)
    if first.shape != second.shape or len(titles) != len(first):
        raise ValueError(
            f"`masks`, `others` and `titles` must belong together, but {first.shape}, {second.shape} and {len(titles)} "
            "were passed."
        )
    pictures = pictures_of(images, first.shape)
    columns = min(columns, len(first))
    with theme():
        figure, grid = cell_grid(-(-len(first) // columns), columns)
        for place, axes in enumerate(grid.ravel()):
            axes.set_visible(place < len(first))
            if place < len(first):
                # A few levels of colour are enough to recognise an animal by, and compress to a third.
                show(axes, pictures[place] // 32 * 32 + 16)
                outline(axes, first[place])
                outline(axes, second[place], _FOUND)
                axes.set_title(titles[place], fontsize="small")
    return figure


def score_differences(tables: Mapping[str, pd.DataFrame], *, hue: str, label: str) -> Figure:
    """Return paired differences of scores by explainer, dots with intervals about zero, one colour a value of ``hue``.

    Parameters
    ----------
    tables
        A panel's title to rows of ``statistics.paired`` with ``explainer``, ``hue`` (a column that ``STYLE`` knows),
        ``difference``, ``low`` and ``high``; one row for each explainer and ``hue``. The panels share their axis.
    label
        What is subtracted from what, for the axis.
    """
    if not tables:
        raise ValueError("`tables` must hold at least one table, but it is empty.")
    for table in tables.values():
        check(table, ["difference", "low", "high"], ["explainer", hue])
    together = pd.concat(tables.values())
    explainers = present(together, "explainer", list(STYLE["explainer"]))
    values = present(together, hue, list(STYLE[hue]))
    step = 0.5 / len(values)
    with theme():
        figure, panels = plt.subplots(
            1, len(tables), squeeze=False, sharey=True, figsize=(1.2 + 3.4 * len(tables), 3.4), layout="constrained"
        )
        for axes, (title, table) in zip(panels[0], tables.items()):
            axes.axhline(0, color=INK, linewidth=1.2)
            for place, value in enumerate(values):
                part = table[table[hue] == value].set_index("explainer").reindex(explainers)
                style = STYLE[hue][value]
                axes.errorbar(
                    np.arange(len(explainers)) + step * (place - (len(values) - 1) / 2),
                    part["difference"],
                    yerr=bars(part.assign(mean=part["difference"])),
                    label=style.label,
                    color=style.colour,
                    marker=style.marker,
                    markersize=6.5,
                    linestyle="none",
                    elinewidth=1.6,
                )
            axes.set_title(title, loc="left", fontweight="bold")
            axes.set_xticks(range(len(explainers)), [STYLE["explainer"][value].label for value in explainers])
            axes.set_xlim(-0.5, len(explainers) - 0.5)
            axes.grid(axis="x", visible=False)
        panels[0, 0].set_ylabel(label)
        legend_below(figure, panels[0, 0], columns=len(values))
    return figure
