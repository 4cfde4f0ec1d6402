"""Means with intervals, paired tests and summary tables, from the per-image tables of a study."""

from rrr_utils.statistics.cohorts import COHORTS, cohort
from rrr_utils.statistics.intervals import Interval, proportion_interval
from rrr_utils.statistics.means import average, holm, paired
from rrr_utils.statistics.proportions import accuracy_table, shift_table
from rrr_utils.statistics.summaries import summary, write_summary

__all__ = [
    "COHORTS",
    "Interval",
    "accuracy_table",
    "average",
    "cohort",
    "holm",
    "paired",
    "proportion_interval",
    "shift_table",
    "summary",
    "write_summary",
]
