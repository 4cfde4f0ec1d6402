"""A model of one's own: examined, judged, reported."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.own_model.examination import examine
    from rrr_utils.own_model.triage import Triage

# Where each name lives; imported on first use.
_HOMES = {
    "Triage": "triage",
    "examine": "examination",
}

__all__ = ["Triage", "examine"]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
