"""What the data are like: the size of the objects, and one image before several backgrounds."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from rrr_utils.common.extras import needed
from rrr_utils.figures.style import BACKGROUND_LABELS, CHANCE, check, percent, theme

_MANY = 6  # classes beyond which one histogram is drawn for all of them


def area_histogram(table: pd.DataFrame) -> Figure:
    """Return a histogram of the objects' share of their image, one colour a class, the mean marked.

    ``table`` holds rows of the masks table with ``area`` and ``class``; the mean is what chance scores on average.
    Raises ``ValueError`` if there is no row or a column is missing.
    """
    with needed("A histogram"):
        import seaborn as sns

    check(table, ["area", "class"], ["image"])
    classes = sorted(table["class"].unique())
    with theme():
        figure, axes = plt.subplots(figsize=(6.2, 3.2), layout="constrained")
        sns.histplot(
            table,
            x="area",
            hue="class" if len(classes) <= _MANY else None,
            hue_order=classes if len(classes) <= _MANY else None,
            bins=np.linspace(0, min(1.0, 1.05 * float(table["area"].max())), 26),
            palette="colorblind" if len(classes) <= _MANY else None,
            element="step",
            alpha=0.35,
            ax=axes,
        )
        mean = float(table["area"].mean())
        axes.axvline(mean, **CHANCE)
        axes.annotate(
            "mean = chance", (mean, 1), (4, -4), xycoords=("data", "axes fraction"), textcoords="offset points"
        )
        axes.texts[-1].set_va("top")
        percent(axes.xaxis)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("object's share of the image")
        axes.set_ylabel("images")
    return figure


def background_strip(pictures: Mapping[str, ArrayLike]) -> Figure:
    """Return one image before several backgrounds, side by side: name of the background to ``(H, W, 3)`` RGB."""
    return picture_row(list(pictures.values()), [BACKGROUND_LABELS.get(name, name) for name in pictures])


def picture_row(pictures: Sequence[ArrayLike], titles: Sequence[str]) -> Figure:
    """Return pictures ``(H, W, 3)``, RGB from 0 to 255, side by side, each under its title."""
    if not len(pictures) or len(pictures) != len(titles):
        raise ValueError(f"Expected pictures and as many titles, but {len(pictures)} and {len(titles)} were passed.")
    with theme():
        figure, panels = plt.subplots(
            1, len(pictures), squeeze=False, figsize=(1.5 * len(pictures), 2.0), layout="constrained", dpi=110
        )
        for axes, picture, title in zip(panels[0], pictures, titles):
            axes.imshow(np.clip(np.asarray(picture), 0, 255).astype(np.uint8), interpolation="nearest")
            axes.set_title(title, fontsize="small")
            axes.set_axis_off()
    return figure
