"""How a study is described, run, kept and published."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

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


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
