"""Figures: each is a function of a table (or of images, masks and maps) and computes nothing else."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.figures.data import area_histogram, background_strip, picture_row
    from rrr_utils.figures.designs import DESIGN_STYLE, error_by_samples
    from rrr_utils.figures.dots import accuracy_by_background, score_by_explainer
    from rrr_utils.figures.epochs import accuracy_over_epochs, score_over_epochs
    from rrr_utils.figures.first_page import story, story_in_words
    from rrr_utils.figures.grids import explanation_grid, mask_grid
    from rrr_utils.figures.style import BACKGROUND_LABELS, STYLE, Style

# Where each name lives; imported on first use.
_HOMES = {
    "BACKGROUND_LABELS": "style",
    "DESIGN_STYLE": "designs",
    "STYLE": "style",
    "Style": "style",
    "accuracy_by_background": "dots",
    "accuracy_over_epochs": "epochs",
    "area_histogram": "data",
    "background_strip": "data",
    "error_by_samples": "designs",
    "explanation_grid": "grids",
    "mask_grid": "grids",
    "picture_row": "data",
    "score_by_explainer": "dots",
    "score_over_epochs": "epochs",
    "story": "first_page",
    "story_in_words": "first_page",
}

__all__ = [
    "BACKGROUND_LABELS",
    "DESIGN_STYLE",
    "STYLE",
    "Style",
    "accuracy_by_background",
    "accuracy_over_epochs",
    "area_histogram",
    "background_strip",
    "error_by_samples",
    "explanation_grid",
    "mask_grid",
    "picture_row",
    "score_by_explainer",
    "score_over_epochs",
    "story",
    "story_in_words",
]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
