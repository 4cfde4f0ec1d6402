"""Few pixels: how sure a network is of them, and where they lie."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.figures.style import CHANCE, INK, bars, check, legend_below, percent, theme


def confidence_by_subset(table: pd.DataFrame, rows: Mapping[str, str]) -> Figure:
    """Return confidence on, and place of, each kind of pixels: two panels, one row a kind, dots with intervals.

    Parameters
    ----------
    table
        ``kind``, ``share``, ``confidence``, ``on_object`` with their ``_low`` and ``_high``, and ``chance``, as
        ``statistics.subset_table`` gives them, one row for each of the first two.
    rows
        The kinds to be drawn, from top to bottom, and what each is called.
    """
    check(table, ["confidence", "on_object", "chance"], ["kind", "share"])
    for kind in table["kind"].unique():
        one_of("kind", kind, rows)
    shares = sorted(table["share"].unique())
    with theme():
        figure, panels = plt.subplots(1, 2, sharey=True, figsize=(7.6, 1.5 + 0.42 * len(rows)), layout="constrained")
        for axes, name, label in zip(
            panels, ("confidence", "on_object"), ("probability of the class", "on the object")
        ):
            for place, share in enumerate(shares):
                part = table[table["share"] == share].set_index("kind").reindex(list(rows))
                part = part.rename(columns={name: "mean", f"{name}_low": "low", f"{name}_high": "high"})
                axes.errorbar(
                    part["mean"],
                    np.arange(len(rows)) + 0.24 * (place - (len(shares) - 1) / 2),
                    xerr=bars(part),
                    label=f"{share:.0%} of the pixels",
                    color=("#0072B2", "#E69F00", "#000000")[place % 3],
                    marker="osD"[place % 3],
                    linestyle="none",
                    markersize=5.5,
                    elinewidth=1.4,
                )
            axes.set_xlabel(label)
            axes.set_xlim(-0.02, 1.02)
            axes.grid(axis="y", visible=False)
            percent(axes.xaxis)
        panels[1].axvline(float(table["chance"].mean()), label="chance: share of the image that is object", **CHANCE)
        panels[0].set_yticks(range(len(rows)), list(rows.values()))
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        legend_below(figure, panels[1], columns=len(shares) + 1)
    return figure


def subset_grid(
    images: NDArray, masks: NDArray, columns: Mapping[str, NDArray], captions: Mapping[str, Sequence[str]]
) -> Figure:
    """Return images beside the few pixels that are kept of them, one row an image, the object's outline in white.

    Parameters
    ----------
    images, masks
        ``(N, H, W, 3)`` RGB from 0 to 255 and ``(N, H, W)``.
    columns
        By heading, the images with few pixels ``(N, H, W, 3)``.
    captions
        By heading, what is written below each of them.
    """
    shown = {"image": np.asarray(images), **columns}
    with theme():
        figure, panels = plt.subplots(
            len(images),
            len(shown),
            squeeze=False,
            figsize=(1.75 * len(shown), 2.0 * len(images)),
            layout="constrained",
        )
        for row, mask in enumerate(np.asarray(masks)):
            for axes, (heading, pictures) in zip(panels[row], shown.items()):
                axes.imshow(np.clip(pictures[row], 0, 255).astype(np.uint8))
                axes.contour(mask, [0.5], colors="white", linewidths=1.6)
                axes.contour(mask, [0.5], colors=INK, linewidths=0.7)
                axes.set_xticks([])
                axes.set_yticks([])
                axes.set_xlabel(captions.get(heading, [""] * len(images))[row], fontsize=8)
                if row == 0:
                    axes.set_title(heading, fontsize=9)
    return figure
