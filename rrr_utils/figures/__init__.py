"""Figures: each is a function of a table (or of images, masks and maps) and computes nothing else."""

from typing import Any

from rrr_utils.figures.data import area_histogram, background_strip, picture_row
from rrr_utils.figures.designs import DESIGN_STYLE, error_by_samples
from rrr_utils.figures.dots import accuracy_by_background, score_by_explainer
from rrr_utils.figures.epochs import accuracy_over_epochs, score_over_epochs
from rrr_utils.figures.grids import explanation_grid, mask_grid
from rrr_utils.figures.speed import speed_growth, speed_ratios
from rrr_utils.figures.story import story, story_in_words
from rrr_utils.figures.style import BACKGROUND_LABELS, STYLE, Style

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
    "speed_growth",
    "speed_ratios",
    "story",
    "story_in_words",
]

# Names that live with their analysis now; until notebooks import them from there.
_MOVED = {
    "accuracy_by_head": "rrr_utils.analyses.infodisent.figures",
    "alphas": "rrr_utils.analyses.reliability.figures",
    "as_printed": "rrr_utils.analyses.paper.printed",
    "channels_needed": "rrr_utils.analyses.infodisent.figures",
    "confidence_by_subset": "rrr_utils.analyses.overinterpretation.figures",
    "differences": "rrr_utils.analyses.paper.figures",
    "images_needed": "rrr_utils.analyses.zoo.figures",
    "mask_pairs": "rrr_utils.analyses.mask_quality.figures",
    "overlap_histogram": "rrr_utils.analyses.mask_quality.figures",
    "predictor_label": "rrr_utils.analyses.zoo.figures",
    "prototypes_by_run": "rrr_utils.analyses.infodisent.figures",
    "rivals": "rrr_utils.analyses.zoo.figures",
    "robustness": "rrr_utils.analyses.zoo.figures",
    "running_means": "rrr_utils.analyses.convergence.figures",
    "score_differences": "rrr_utils.analyses.mask_quality.figures",
    "scores_by_variant": "rrr_utils.analyses.controls.figures",
    "stability": "rrr_utils.analyses.reliability.figures",
    "subset_grid": "rrr_utils.analyses.overinterpretation.figures",
    "survival": "rrr_utils.analyses.controls.figures",
    "two_sided": "rrr_utils.analyses.infodisent.figures",
}


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        import importlib

        return getattr(importlib.import_module(_MOVED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
