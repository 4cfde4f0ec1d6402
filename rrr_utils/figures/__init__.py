"""Figures: each is a function of a table (or of images, masks and maps) and computes nothing else."""

from rrr_utils.figures.controls import scores_by_variant, survival
from rrr_utils.figures.convergence import running_means
from rrr_utils.figures.data import area_histogram, background_strip, picture_row
from rrr_utils.figures.designs import DESIGN_STYLE, error_by_samples
from rrr_utils.figures.differences import differences
from rrr_utils.figures.dots import accuracy_by_background, score_by_explainer
from rrr_utils.figures.epochs import accuracy_over_epochs, score_over_epochs
from rrr_utils.figures.grids import explanation_grid, mask_grid
from rrr_utils.figures.infodisent import accuracy_by_head, channels_needed, prototypes_by_run, two_sided
from rrr_utils.figures.masks import mask_pairs, overlap_histogram, score_differences
from rrr_utils.figures.overinterpretation import confidence_by_subset, subset_grid
from rrr_utils.figures.printed import as_printed
from rrr_utils.figures.reliability import alphas, stability
from rrr_utils.figures.speed import speed_growth, speed_ratios
from rrr_utils.figures.story import story, story_in_words
from rrr_utils.figures.style import BACKGROUND_LABELS, STYLE, Style
from rrr_utils.figures.zoo import images_needed, predictor_label, rivals, robustness

__all__ = [
    "BACKGROUND_LABELS",
    "DESIGN_STYLE",
    "STYLE",
    "Style",
    "accuracy_by_background",
    "accuracy_by_head",
    "accuracy_over_epochs",
    "alphas",
    "area_histogram",
    "as_printed",
    "background_strip",
    "channels_needed",
    "confidence_by_subset",
    "differences",
    "error_by_samples",
    "explanation_grid",
    "images_needed",
    "mask_grid",
    "mask_pairs",
    "overlap_histogram",
    "picture_row",
    "predictor_label",
    "prototypes_by_run",
    "rivals",
    "robustness",
    "running_means",
    "score_by_explainer",
    "score_differences",
    "score_over_epochs",
    "scores_by_variant",
    "speed_growth",
    "speed_ratios",
    "stability",
    "story",
    "story_in_words",
    "subset_grid",
    "survival",
    "two_sided",
]
