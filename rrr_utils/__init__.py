"""Is an image classifier right for the right reason? The public face; everything is imported on first use."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils import explainers, figures, networks, statistics, tables
    from rrr_utils.metric import Average, avg_score, chance, score
    from rrr_utils.own_model import examine
    from rrr_utils.scoring import AvgScore
    from rrr_utils.triage import Triage

__version__ = "0.1.0"

# Where each public name lives. TensorFlow takes ten seconds to import, so nothing is imported before its use.
_HOMES = {
    "score": "metric",
    "chance": "metric",
    "avg_score": "metric",
    "Average": "metric",
    "AvgScore": "scoring",
    "Triage": "triage",
    "examine": "own_model",
}
_MODULES = (
    "datasets",
    "engine",
    "example",
    "explainers",
    "figures",
    "images",
    "masks",
    "metric",
    "mosaics",
    "networks",
    "own_model",
    "preprocessing",
    "relatives",
    "report",
    "saved_models",
    "scoring",
    "shift",
    "sources",
    "statistics",
    "study",
    "sufficient_subsets",
    "tables",
    "training",
    "triage",
    "viewer",
)

__all__ = [
    "Average",
    "AvgScore",
    "Triage",
    "avg_score",
    "chance",
    "examine",
    "explainers",
    "figures",
    "networks",
    "score",
    "statistics",
    "tables",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"rrr_utils.{name}")
    raise AttributeError(f"module 'rrr_utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
