"""How a study is described, run, kept and published."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.study.study_file import Data, Model, Scoring, Stage, Study, StudyError, load

# Where each name lives; imported on first use.
_HOMES = {
    "Data": "study_file",
    "Model": "study_file",
    "Scoring": "study_file",
    "Stage": "study_file",
    "Study": "study_file",
    "StudyError": "study_file",
    "load": "study_file",
}

__all__ = ["Data", "Model", "Scoring", "Stage", "Study", "StudyError", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.study.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.study' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
