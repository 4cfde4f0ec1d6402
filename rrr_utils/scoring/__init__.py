"""Scores of a network's relevance on masks, image by image."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.scoring.answers import answers_run
    from rrr_utils.scoring.callback import AvgScore
    from rrr_utils.scoring.scores import score_ends, score_run
    from rrr_utils.scoring.shift import shift_run

# Where each name lives; imported on first use.
_HOMES = {
    "AvgScore": "callback",
    "answers_run": "answers",
    "score_ends": "scores",
    "score_run": "scores",
    "shift_run": "shift",
}

__all__ = ["AvgScore", "answers_run", "score_ends", "score_run", "shift_run"]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
