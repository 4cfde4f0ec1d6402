"""A model of one's own: examined, judged, reported."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.own_model.examination import examine
    from rrr_utils.own_model.triage import Triage

# Where each name lives; imported on first use.
_HOMES = {
    "Triage": "triage",
    "examine": "examination",
}

__all__ = ["Triage", "examine"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.own_model.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.own_model' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
