"""Pictures: images with their masks, and relevance maps with the object's outline."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from rrr_utils.figures.style import STYLE, theme, written

COLOURS = "inferno"  # perceptually uniform: equal steps of relevance look equal, in grey too
_CELL = 1.05  # inches; small, because a page carries many pictures and noise does not compress
_DPI = 96


def explanation_grid(
    images: ArrayLike,
    masks: ArrayLike,
    maps: Mapping[str, ArrayLike],
    titles: Sequence[str],
    *,
    scores: Mapping[str, ArrayLike] | None = None,
    photographs: bool = True,
) -> Figure:
    """Return a figure with one row an image: the image, then the relevance map of each explainer, all outlined.

    Parameters
    ----------
    images
        ``(N, H, W, 3)`` RGB, 0 to 255. Not looked at if ``photographs`` is false.
    masks
        ``(N, H, W)``, in [0, 1]; the outline is drawn where a mask crosses one half.
    maps
        Name of an explainer (or any heading) to ``(N, H, W)`` relevance in [0, 1].
    titles
        N short lines that stand beside the rows.
    scores
        The score of each map, ``(N,)`` for each name, written below it; NaN reads "no relevance".
    photographs
        False shows the masks and the maps without the pictures, for data whose licence does not let them be shown.

    Raises
    ------
    ValueError
        If the shapes do not agree, or a map leaves [0, 1].
    """
    outlines = _masks(masks)
    pictures = pictures_of(images, outlines.shape) if photographs else None
    reliefs = {name: _relevance(name, values, outlines.shape) for name, values in maps.items()}
    if len(titles) != len(outlines):
        raise ValueError(f"`titles` must have one line an image, but {len(titles)} for {len(outlines)} were passed.")
    with theme():
        figure, grid = cell_grid(len(outlines), 1 + len(reliefs))
        for row, line in enumerate(grid):
            _plain(line[0], None if pictures is None else pictures[row], outlines[row])
            line[0].set_ylabel(titles[row], rotation=0, ha="right", va="center", parse_math=False)
            for axes, (name, values) in zip(line[1:], reliefs.items()):
                show(axes, overlay(values[row], None if pictures is None else pictures[row]))
                outline(axes, outlines[row])
                if scores is not None:
                    axes.set_xlabel(_written(float(np.asarray(scores[name])[row])), labelpad=2, fontsize="small")
        for axes, name in zip(grid[0], ["image" if photographs else "object", *reliefs]):
            axes.set_title(STYLE["explainer"][name].label if name in STYLE["explainer"] else name, fontsize="medium")
        bar = figure.colorbar(
            ScalarMappable(cmap=COLOURS), ax=grid, orientation="horizontal", fraction=0.04, aspect=50, pad=0.02
        )
        bar.set_label("relevance, as a share of the map's maximum", fontsize="small")
        bar.ax.tick_params(labelsize="small")
    return figure


def mask_grid(
    images: ArrayLike, masks: ArrayLike, titles: Sequence[str], *, columns: int = 6, photographs: bool = True
) -> Figure:
    """Return a figure of images with the outline of their masks, ``columns`` to a row, each under its title.

    Arguments and errors are those of :func:`explanation_grid`; without photographs the masks alone are shown.
    """
    outlines = _masks(masks)
    pictures = pictures_of(images, outlines.shape) if photographs else None
    if len(titles) != len(outlines):
        raise ValueError(f"`titles` must have one line an image, but {len(titles)} for {len(outlines)} were passed.")
    columns = min(columns, len(outlines))
    with theme():
        figure, grid = cell_grid(-(-len(outlines) // columns), columns)
        for place, axes in enumerate(grid.ravel()):
            if place < len(outlines):
                _plain(axes, None if pictures is None else pictures[place], outlines[place])
                axes.set_title(titles[place], fontsize="small", parse_math=False)
            else:
                axes.set_visible(False)
    return figure


def overlay(relevance: NDArray, picture: NDArray | None) -> NDArray:
    """Return a map ``(H, W)`` in [0, 1] in colours, ``(H, W, 3)`` in [0, 1], over a faint grey ``picture`` if given."""
    colours = colormaps[COLOURS](np.round(relevance * 32) / 32)[..., :3]
    if picture is None:
        return colours
    grey = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    # Blurred a little and in few levels, it is enough to find one's way by, and compresses to a third.
    faint = np.round(gaussian_filter(grey, len(grey) / 60) * 6) / 6
    return 0.7 * colours + 0.3 * faint[..., None]


def cell_grid(rows: int, columns: int) -> tuple[Figure, NDArray]:
    """Return a figure of small bare axes, and the axes ``(rows, columns)``."""
    figure, grid = plt.subplots(
        rows,
        columns,
        squeeze=False,
        figsize=(0.9 + _CELL * columns, 0.5 + (_CELL + 0.25) * rows),
        layout="constrained",
        dpi=_DPI,
    )
    for axes in grid.ravel():
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure, grid


def _plain(axes: Axes, picture: NDArray | None, mask: NDArray) -> None:
    if picture is None:
        axes.imshow(mask, cmap="gray", vmin=-0.6, vmax=1.3, interpolation="nearest")
    else:
        show(axes, picture)
    outline(axes, mask)


def show(axes: Axes, picture: NDArray) -> None:
    """Draw a picture ``(H, W, 3)``."""
    # The pixels of a small generated image are worth seeing; a photograph is larger than its place and is filtered.
    axes.imshow(picture, interpolation="nearest" if len(picture) < _CELL * _DPI else "antialiased")


def outline(axes: Axes, mask: NDArray, colour: str = "white") -> None:
    """Draw the outline of a mask where it crosses one half; a mask that does not has none."""
    # White on black is seen on any picture and on any colour of a map.
    halo: list[patheffects.AbstractPathEffect] = [patheffects.withStroke(linewidth=2.6, foreground="black")]
    if mask.min() < 0.5 <= mask.max():
        axes.contour(mask, levels=[0.5], colors=colour, linewidths=1.2).set_path_effects(halo)


def _written(score: float) -> str:
    return "no relevance" if np.isnan(score) else f"score {written(score)}"


def _masks(masks: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(masks).astype(np.float32)
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"`masks` must have the shape (N, H, W), but {array.shape} was passed.")
    return array


def pictures_of(images: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return images as uint8 ``(*shape, 3)``, or raise ``ValueError`` if they have another shape."""
    array = np.asarray(images)
    if array.shape != (*shape, 3):
        raise ValueError(f"`images` must have the shape {(*shape, 3)} like the masks, but {array.shape} was passed.")
    return np.clip(array, 0, 255).astype(np.uint8)


def _relevance(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.asarray(values, dtype=np.float32)
    if array.shape != shape:
        raise ValueError(f"The maps of {name!r} must have the shape {shape} like the masks, but are {array.shape}.")
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"The maps of {name!r} must lie in [0, 1], but reach from {array.min()} to {array.max()}.")
    return array
