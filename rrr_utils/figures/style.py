"""One look for all figures: a colour, a marker and a line for each thing, wherever it is drawn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from zlib import crc32

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rrr_utils.common.choices import one_of
from rrr_utils.common.extras import needed

DPI = 130
INK = "#333333"
CHANCE: dict[str, Any] = {"color": "#777777", "linestyle": (0, (4, 2)), "linewidth": 1.2, "zorder": 1}


class Style(NamedTuple):
    """How one value of a column is named and drawn."""

    label: str
    colour: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]


class _Looks(dict[str, Style]):
    """Looks by value; a value of one's own is called what it is, in a look that follows from its name."""

    def __missing__(self, value: str) -> Style:
        number = crc32(value.encode())
        return Style(value, ("#777777", "#999999", "#555555")[number % 3], "hHd8"[number % 4], (0, (7, 1 + number % 5)))


# Colours of Okabe and Ito, which people with any colour vision can tell apart; within a column they also differ in
# lightness, and markers and lines differ, so that a figure can be read in grey.
STYLE: dict[str, dict[str, Style]] = {
    "explainer": {
        "grad_cam": Style("Grad-CAM", "#000000", "o", "-"),
        "grad_cam_plus_plus": Style("Grad-CAM++", "#56B4E9", "s", (0, (5, 1))),
        "lime": Style("LIME", "#CC79A7", "^", (0, (3, 1, 1, 1))),
        "occlusion": Style("Occlusion", "#0072B2", "D", (0, (1, 1))),
        # Tol's wine and Okabe and Ito's yellow: of theirs none else is left that differs enough in lightness.
        "integrated_gradients": Style("integrated gradients", "#661144", "v", (0, (6, 2, 1, 2, 1, 2))),
        "smooth_grad": Style("SmoothGrad", "#F0E442", "P", (0, (2, 2))),
        # Placed in the gaps of lightness that these leave; the eleven are seven apart at least.
        "rise": Style("RISE", "#D35B00", "X", (0, (8, 2))),
        "score_cam": Style("Score-CAM", "#1F1A5C", "<", (0, (4, 1, 1, 1, 1, 1))),
        "layer_cam": Style("LayerCAM", "#8FD6A0", ">", (0, (1, 2))),
        "sise": Style("SISE", "#0B5323", "p", (0, (6, 1, 3, 1))),
        "sedc": Style("SEDC", "#A23000", "*", (0, (3, 3, 1, 3))),
    },
    "strategy": {
        "dense": Style("dense layers", "#E69F00", "o", "-"),
        "blocks4-5": Style("blocks 4 and 5", "#0072B2", "s", (0, (5, 1))),
        "blocks1-3": Style("blocks 1 to 3", "#009E73", "^", (0, (3, 1, 1, 1))),
        "all": Style("all layers", "#000000", "D", (0, (1, 1))),
        # Wine, of Tol's muted colours: of Okabe and Ito's none is left that differs enough in lightness.
        "head": Style("a new head (stage 1)", "#882255", "v", (0, (6, 2, 1, 2, 1, 2))),
    },
    "trained_on": {
        "original": Style("images as they are", "#D55E00", "o", "-"),
        "masked": Style("random pixels behind the object", "#56B4E9", "s", (0, (5, 1))),
        "swapped": Style("another image's background", "#0072B2", "D", (0, (3, 1, 1, 1))),
        "both": Style("original and swapped by halves", "#000000", "^", (0, (1, 1))),
        "right-reasons": Style("as they are, slopes outside penalised", "#882255", "v", (0, (6, 2))),
        "cam-energy": Style("as they are, Grad-CAM outside penalised", "#999933", "P", (0, (4, 1, 1, 1))),
    },
    "mask_source": {
        "outlines": Style("hand-made outlines", "#000000", "o", "-"),
        "deeplab": Style("DeepLab", "#0072B2", "s", (0, (5, 1))),
        "mask_rcnn": Style("Mask R-CNN", "#CC79A7", "^", (0, (3, 1, 1, 1))),
        "box": Style("box around the outline", "#E69F00", "D", (0, (1, 1))),
    },
}

for _column in ("explainer", "mask_source"):
    STYLE[_column] = _Looks(STYLE[_column])

HEADINGS = {"explainer": "explainer", "strategy": "trained layers", "trained_on": "trained on", "mask_source": "masks"}

BACKGROUND_LABELS = {
    "original": "as in the\ndata set",
    "random": "random\npixels",
    "other": "another\nimage's",
    "mean": "mean\ncolour",
    "free": "drawn\nfreely",
}


@contextmanager
def theme() -> Iterator[None]:
    """Draw with the project's theme inside the block, and leave the caller's settings as they were."""
    # Imported here because the report on a model of one's own takes names and colours from this module, and no theme.
    with needed("A figure"):
        import seaborn as sns

    look: dict[str, Any] = {"figure.dpi": DPI, "savefig.dpi": DPI, "figure.facecolor": "white", "legend.frameon": False}
    look |= {"text.color": INK, "axes.labelcolor": INK, "font.family": "DejaVu Sans"}
    with sns.axes_style("whitegrid"), sns.plotting_context("notebook", font_scale=0.8), mpl.rc_context(look):
        yield


def present(table: pd.DataFrame, column: str, allowed: Sequence[str]) -> list[str]:
    """Return the values of ``column`` in the fixed order ``allowed``; an unknown one raises ``ValueError``.

    Explainers and sources of masks may be one's own, and come last.
    """
    found = list(table[column].unique())
    if column in ("explainer", "source", "mask_source"):
        return [*(value for value in allowed if value in found), *sorted(set(found) - set(allowed))]
    for value in found:
        one_of(column, value, allowed)
    return [value for value in allowed if value in found]


def check(table: pd.DataFrame, columns: Sequence[str], unique: Sequence[str]) -> None:
    """Raise ``ValueError`` if a column is missing, there is no row, or two rows would be drawn in one place."""
    missing = [column for column in (*unique, *columns) if column not in table.columns]
    if missing:
        raise ValueError(f"The figure needs the column(s) {missing}, but the table has {list(table.columns)}.")
    if table.empty:
        raise ValueError("The table has no rows, so there is nothing to draw. Was the selection before too narrow?")
    twice = table.duplicated(list(unique), keep=False)
    if twice.any():
        first = table[twice].iloc[0]
        same = table[(table[list(unique)] == first[list(unique)]).all(axis=1)]
        differ = [column for column in same.columns if same[column].nunique(dropna=False) > 1]
        raise ValueError(
            f"The figure draws one row for each {list(unique)}, but {len(same)} rows share "
            f"{first[list(unique)].tolist()}; they differ in {differ}. Select one of them first."
        )


def bars(row: pd.DataFrame) -> Any:
    """Return what ``errorbar`` wants for the intervals ``low`` to ``high`` around ``mean``; NaN draws none."""
    low, mean, high = (row[column].to_numpy(float) for column in ("low", "mean", "high"))
    return np.maximum(np.stack([mean - low, high - mean]), 0)


def written(share: float) -> str:
    """Return a share in [0, 1] as whole per cent, as the axes write it."""
    return f"{share:.0%}"


def percent(axis: Any) -> None:
    """Write shares in [0, 1] on ``axis`` as per cent."""
    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))


def legend_below(figure: Figure, axes: Axes, columns: int, title: str | None = None) -> None:
    """Put the legend of ``axes`` below all axes of ``figure``."""
    figure.legend(*entries(axes), loc="outside lower center", ncols=columns, title=title, handlelength=2.6)


def entries(axes: Axes) -> tuple[list[Any], list[str]]:
    """Return the legend's handles and labels in the order in which they were drawn, what is chance last."""
    # matplotlib lists plain lines before lines with bars; what is measured comes first here.
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: not hasattr(handles[place], "has_yerr"))
    return [handles[place] for place in order], [labels[place] for place in order]
