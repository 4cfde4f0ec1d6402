"""Means with intervals, paired tests and summary tables, from the per-image tables of a study."""

from rrr_utils.statistics.cohorts import COHORTS, cohort
from rrr_utils.statistics.controls import (
    against_authors,
    against_trivial,
    against_variants,
    control_numbers,
    on_correct,
    ranking,
    similarity_table,
    variant_table,
)
from rrr_utils.statistics.convergence import after, needed, precision_table, running_means, settled
from rrr_utils.statistics.infodisent import (
    decision_table,
    head_numbers,
    head_table,
    map_table,
    maps_against,
    prototype_table,
)
from rrr_utils.statistics.intervals import Interval, in_words, paired_interval, proportion_interval
from rrr_utils.statistics.masks import by_masks, drift_by_overlap, excellent_numbers, mask_numbers, overlap_table
from rrr_utils.statistics.means import average, holm, paired
from rrr_utils.statistics.mixed import mixed
from rrr_utils.statistics.overinterpretation import (
    overinterpretation_numbers,
    retrained_table,
    selected_against,
    subset_table,
    sufficient_table,
)
from rrr_utils.statistics.proportions import accuracy_table, paired_accuracies, shift_table
from rrr_utils.statistics.reliability import (
    alpha,
    inter_method,
    inter_rater,
    method_table,
    reliability_numbers,
    reliability_table,
    score_rows,
    stability_table,
    within_ranks,
)
from rrr_utils.statistics.summaries import summary, write_summary

__all__ = [
    "COHORTS",
    "Interval",
    "accuracy_table",
    "after",
    "against_authors",
    "against_trivial",
    "against_variants",
    "alpha",
    "average",
    "by_masks",
    "cohort",
    "control_numbers",
    "decision_table",
    "drift_by_overlap",
    "excellent_numbers",
    "head_numbers",
    "head_table",
    "holm",
    "in_words",
    "inter_method",
    "inter_rater",
    "map_table",
    "maps_against",
    "mask_numbers",
    "method_table",
    "mixed",
    "needed",
    "on_correct",
    "overinterpretation_numbers",
    "overlap_table",
    "paired",
    "paired_accuracies",
    "paired_interval",
    "precision_table",
    "proportion_interval",
    "prototype_table",
    "ranking",
    "reliability_numbers",
    "reliability_table",
    "retrained_table",
    "running_means",
    "score_rows",
    "selected_against",
    "settled",
    "shift_table",
    "similarity_table",
    "stability_table",
    "subset_table",
    "sufficient_table",
    "summary",
    "variant_table",
    "within_ranks",
    "write_summary",
]
