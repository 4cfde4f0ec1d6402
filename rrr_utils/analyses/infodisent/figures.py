"""The disentangled head: one decision and its two sides, prototypes and their places, channels of a decision."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.figures.grids import cell_grid, outline, overlay, show
from rrr_utils.figures.style import CHANCE, INK, bars, check, legend_below, percent, theme

_HEADS = {
    "plain": ("plain head", "#D55E00", "o", "-"),
    "average": ("linear layer on means", "#56B4E9", "s", (0, (5, 1))),
    "disentangled": ("disentangled head", "#000000", "D", (0, (3, 1, 1, 1))),
}
_SIDES = {"positive": ("for (positive extreme)", "#0072B2", "o"), "negative": ("against (negative)", "#E69F00", "s")}


def two_sided(
    picture: NDArray,
    mask: NDArray,
    heats: Sequence[NDArray],
    places: Sequence[tuple[int, int]],
    titles: Sequence[str],
    prototypes: Sequence[Sequence[NDArray]],
    prototype_places: Sequence[Sequence[tuple[int, int]]],
    cells: int,
) -> Figure:
    """Return the reasons of one decision: a row each, the image with the channel's map, then the channel's prototypes.

    Parameters
    ----------
    picture, mask
        ``(S, S, 3)`` RGB from 0 to 255 and ``(S, S)``; the object is outlined.
    heats, places, titles
        For each reason a map ``(h, w)`` in [0, 1], the cell ``(row, column)`` that was pooled, and what stands beside
        the row.
    prototypes, prototype_places
        For each reason, pictures ``(S, S, 3)`` and the cell of each.
    cells
        How many cells a side of an image has; the pooled cell is framed.
    """
    columns = 1 + max(len(row) for row in prototypes)
    side = len(picture) / cells
    with theme():
        figure, grid = cell_grid(len(heats), columns)
        figure.set_dpi(100)  # dozens of photographs: a page of two such figures stays below 1.5 MB
        for line, heat, place, title, pictures, at in zip(
            grid, heats, places, titles, prototypes, prototype_places, strict=True
        ):
            large = np.kron(heat, np.ones((-(-len(picture) // len(heat)),) * 2))[: len(picture), : len(picture)]
            show(line[0], overlay(large, picture))
            outline(line[0], mask)
            _frame(line[0], place, side)
            line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize="small")
            for axes, each, cell in zip(line[1:], pictures, at):
                show(axes, each)
                _frame(axes, cell, side)
            for axes in line[1 + len(pictures) :]:
                axes.set_visible(False)
        grid[0, 0].set_title("this image", fontsize="medium")
        if columns > 1:
            grid[0, 1].set_title("prototypes", fontsize="medium")
    return figure


def prototypes_by_run(table: pd.DataFrame) -> Figure:
    """Return the share of prototypes' cells that is object: dots with intervals, one row a run, a colour a side.

    Parameters
    ----------
    table
        ``run``, ``side``, ``on_object`` with ``_low`` and ``_high``, ``chance`` and ``same_place``: rows of
        ``statistics.prototype_table`` of one choice of channels; one row for each of the first two.
    """
    check(table, ["on_object", "on_object_low", "on_object_high", "chance", "same_place"], ["run", "side"])
    runs = list(dict.fromkeys(table["run"]))
    sides = [side for side in _SIDES if (table["side"] == side).any()]
    for side in table["side"].unique():
        one_of("side", side, _SIDES)
    with theme():
        figure, axes = plt.subplots(figsize=(7.2, 1.6 + 0.6 * len(runs)), layout="constrained")
        for number, side in enumerate(sides):
            label, colour, marker = _SIDES[side]
            part = table[table["side"] == side].set_index("run").reindex(runs)
            dots = part.rename(columns={"on_object": "mean", "on_object_low": "low", "on_object_high": "high"})
            y = np.arange(len(runs)) + 0.34 * (number - (len(sides) - 1) / 2)
            look: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none"}
            axes.errorbar(dots["mean"], y, xerr=bars(dots), label=label, markersize=6, elinewidth=1.6, **look)
            axes.vlines(part["chance"], y - 0.15, y + 0.15, color=INK, linewidth=1.8, zorder=2)
            axes.scatter(part["same_place"], y, marker="x", color="#882255", s=28, zorder=4)
        axes.plot([], [], color=INK, linewidth=1.8, label="chance: a random cell")
        axes.scatter([], [], marker="x", color="#882255", label="the same cell of other images")
        axes.set_yticks(range(len(runs)), runs)
        axes.set_ylim(len(runs) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the prototypes' cells that is object")
        axes.grid(axis="y", visible=False)
        percent(axes.xaxis)
        legend_below(figure, axes, columns=2)
    return figure


def channels_needed(decisions: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Return how many channels carry a decision, as the share of images that need at most so many; a panel each.

    Parameters
    ----------
    decisions
        ``of``, ``head``, ``needed`` and ``channels``: rows of the table ``decisions`` of one run.
    titles
        The values of ``of`` that are drawn, and what stands above them.
    """
    panels_of = list(titles)
    with theme():
        figure, panels = plt.subplots(
            1, len(panels_of), sharey=True, squeeze=False, figsize=(3.7 * len(panels_of), 3.2), layout="constrained"
        )
        for axes, of in zip(panels[0], panels_of):
            part = decisions[decisions["of"] == of]
            for head, rows in part.groupby("head", sort=False):
                label, colour, _, line = _HEADS[str(head)]
                needed = np.sort(rows["needed"].to_numpy())
                share = np.arange(1, len(needed) + 1) / len(needed)
                axes.step(needed, share, where="post", color=colour, linestyle=line, linewidth=1.8, label=label)
            axes.axvline(float(part["channels"].max()), label="all channels", **CHANCE)
            axes.set_title(titles[of], fontsize="medium")
            axes.set_xlabel("channels that carry nine tenths")
            axes.set_xlim(0, None)
            percent(axes.yaxis)
        panels[0, 0].set_ylabel("images that need at most so many")
        legend_below(figure, panels[0, 0], columns=3)
    return figure


def accuracy_by_head(table: pd.DataFrame) -> Figure:
    """Return the accuracy of each head on each run's test images, dots with intervals; a row a run, a colour a head.

    ``table`` has ``run``, ``head``, ``accuracy`` with ``_low`` and ``_high``, as ``statistics.head_table`` gives them
    for one split; one row for each of the first two.
    """
    check(table, ["accuracy", "accuracy_low", "accuracy_high"], ["run", "head"])
    runs = list(dict.fromkeys(table["run"]))
    heads = [head for head in _HEADS if (table["head"] == head).any()]
    with theme():
        figure, axes = plt.subplots(figsize=(7.2, 1.5 + 0.6 * len(runs)), layout="constrained")
        for number, head in enumerate(heads):
            label, colour, marker, _ = _HEADS[head]
            part = table[table["head"] == head].set_index("run").reindex(runs)
            part = part.rename(columns={"accuracy": "mean", "accuracy_low": "low", "accuracy_high": "high"})
            y = np.arange(len(runs)) + 0.24 * (number - (len(heads) - 1) / 2)
            look: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none"}
            axes.errorbar(part["mean"], y, xerr=bars(part), label=label, markersize=6, elinewidth=1.6, **look)
        axes.set_yticks(range(len(runs)), runs)
        axes.set_ylim(len(runs) - 0.5, -0.5)
        axes.set_xlabel("accuracy on test images")
        axes.grid(axis="y", visible=False)
        percent(axes.xaxis)
        legend_below(figure, axes, columns=3)
    return figure


def _frame(axes: Axes, place: tuple[int, int], side: float) -> None:
    row, column = place
    corner = (column * side - 0.5, row * side - 0.5)
    for colour, width in (("black", 2.8), ("#F0E442", 1.4)):
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=width))
