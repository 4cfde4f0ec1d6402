"""Means with intervals, paired tests and summary tables, from the per-image tables of a study."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.statistics.cohorts import COHORTS, cohort
    from rrr_utils.statistics.intervals import Interval, in_words, proportion_interval
    from rrr_utils.statistics.means import average, holm, paired, variant_table
    from rrr_utils.statistics.proportions import accuracy_table, shift_table
    from rrr_utils.statistics.summaries import summary, write_summary

# Where each name lives; imported on first use.
_HOMES = {
    "COHORTS": "cohorts",
    "Interval": "intervals",
    "accuracy_table": "proportions",
    "average": "means",
    "cohort": "cohorts",
    "holm": "means",
    "in_words": "intervals",
    "paired": "means",
    "proportion_interval": "intervals",
    "shift_table": "proportions",
    "summary": "summaries",
    "variant_table": "means",
    "write_summary": "summaries",
}

__all__ = [
    "COHORTS",
    "Interval",
    "accuracy_table",
    "average",
    "cohort",
    "holm",
    "in_words",
    "paired",
    "proportion_interval",
    "shift_table",
    "summary",
    "variant_table",
    "write_summary",
]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
