"""Means with intervals, paired tests and summary tables, from the per-image tables of a study."""

from rrr_utils.statistics.cohorts import COHORTS, cohort
from rrr_utils.statistics.controls import (
    against_authors,
    against_trivial,
    against_variants,
    on_correct,
    ranking,
    variant_table,
)
from rrr_utils.statistics.convergence import needed, precision_table, running_means, settled
from rrr_utils.statistics.intervals import Interval, proportion_interval
from rrr_utils.statistics.means import average, holm, paired
from rrr_utils.statistics.proportions import accuracy_table, shift_table
from rrr_utils.statistics.summaries import summary, write_summary

__all__ = [
    "COHORTS",
    "Interval",
    "accuracy_table",
    "against_authors",
    "against_trivial",
    "against_variants",
    "average",
    "cohort",
    "holm",
    "needed",
    "on_correct",
    "paired",
    "precision_table",
    "proportion_interval",
    "ranking",
    "running_means",
    "settled",
    "shift_table",
    "summary",
    "variant_table",
    "write_summary",
]
