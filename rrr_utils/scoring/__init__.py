"""Scores of a network's relevance on masks, image by image."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.scoring.answers import answers_run
    from rrr_utils.scoring.callback import AvgScore
    from rrr_utils.scoring.scores import score_run
    from rrr_utils.scoring.shift import shift_run

# Where each name lives; imported on first use.
_HOMES = {
    "AvgScore": "callback",
    "answers_run": "answers",
    "score_run": "scores",
    "shift_run": "shift",
}

__all__ = ["AvgScore", "answers_run", "score_run", "shift_run"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.scoring.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.scoring' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
