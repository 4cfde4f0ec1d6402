"""Means with intervals, paired tests and summary tables, from the per-image tables of a study."""

from typing import Any

from rrr_utils.statistics.cohorts import COHORTS, cohort
from rrr_utils.statistics.intervals import Interval, in_words, paired_interval, proportion_interval
from rrr_utils.statistics.means import average, holm, paired, variant_table
from rrr_utils.statistics.mixed import mixed
from rrr_utils.statistics.proportions import accuracy_table, paired_accuracies, shift_table
from rrr_utils.statistics.summaries import summary, write_summary

__all__ = [
    "COHORTS",
    "Interval",
    "accuracy_table",
    "average",
    "cohort",
    "holm",
    "in_words",
    "mixed",
    "paired",
    "paired_accuracies",
    "paired_interval",
    "proportion_interval",
    "shift_table",
    "summary",
    "variant_table",
    "write_summary",
]

# Names that live with their analysis now; until notebooks import them from there.
_MOVED = {
    "after": "rrr_utils.analyses.convergence.statistics",
    "against_authors": "rrr_utils.analyses.controls.statistics",
    "against_trivial": "rrr_utils.analyses.controls.statistics",
    "against_variants": "rrr_utils.analyses.controls.statistics",
    "alpha": "rrr_utils.analyses.reliability.statistics",
    "by_masks": "rrr_utils.analyses.mask_quality.statistics",
    "control_numbers": "rrr_utils.analyses.controls.statistics",
    "decision_table": "rrr_utils.analyses.infodisent.statistics",
    "drift_by_overlap": "rrr_utils.analyses.mask_quality.statistics",
    "excellent_numbers": "rrr_utils.analyses.mask_quality.statistics",
    "head_numbers": "rrr_utils.analyses.infodisent.statistics",
    "head_table": "rrr_utils.analyses.infodisent.statistics",
    "inter_method": "rrr_utils.analyses.reliability.statistics",
    "inter_rater": "rrr_utils.analyses.reliability.statistics",
    "map_table": "rrr_utils.analyses.infodisent.statistics",
    "maps_against": "rrr_utils.analyses.infodisent.statistics",
    "mask_numbers": "rrr_utils.analyses.mask_quality.statistics",
    "method_table": "rrr_utils.analyses.reliability.statistics",
    "needed": "rrr_utils.analyses.convergence.statistics",
    "on_correct": "rrr_utils.analyses.controls.statistics",
    "overinterpretation_numbers": "rrr_utils.analyses.overinterpretation.statistics",
    "overlap_table": "rrr_utils.analyses.mask_quality.statistics",
    "precision_table": "rrr_utils.analyses.convergence.statistics",
    "prototype_table": "rrr_utils.analyses.infodisent.statistics",
    "ranking": "rrr_utils.analyses.controls.statistics",
    "reliability_numbers": "rrr_utils.analyses.reliability.statistics",
    "reliability_table": "rrr_utils.analyses.reliability.statistics",
    "retrained_table": "rrr_utils.analyses.overinterpretation.statistics",
    "running_means": "rrr_utils.analyses.convergence.statistics",
    "score_rows": "rrr_utils.analyses.reliability.statistics",
    "selected_against": "rrr_utils.analyses.overinterpretation.statistics",
    "settled": "rrr_utils.analyses.convergence.statistics",
    "similarity_table": "rrr_utils.analyses.controls.statistics",
    "stability_table": "rrr_utils.analyses.reliability.statistics",
    "subset_table": "rrr_utils.analyses.overinterpretation.statistics",
    "sufficient_table": "rrr_utils.analyses.overinterpretation.statistics",
    "within_ranks": "rrr_utils.analyses.reliability.statistics",
}


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        import importlib

        return getattr(importlib.import_module(_MOVED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
