"""Is an image classifier right for the right reason? The public face; everything is imported on first use."""

import importlib
from typing import TYPE_CHECKING, Any

from rrr_utils.common.extras import needed

if TYPE_CHECKING:
    from rrr_utils import explainers, figures, networks, statistics, tables
    from rrr_utils.metric import Average, avg_score, chance, score
    from rrr_utils.own_model.examination import examine
    from rrr_utils.own_model.triage import Triage
    from rrr_utils.scoring.callback import AvgScore

__version__ = "0.1.0"

# Where each public name lives. TensorFlow takes ten seconds to import, so nothing is imported before its use.
_HOMES = {
    "score": "metric",
    "chance": "metric",
    "avg_score": "metric",
    "Average": "metric",
    "AvgScore": "scoring.callback",
    "Triage": "own_model.triage",
    "examine": "own_model.examination",
}
_MODULES = {
    "analyses": "analyses",
    "datasets": "datasets",
    "engine": "engine",
    "example": "own_model.example",
    "explainers": "explainers",
    "figures": "figures",
    "images": "datasets.images",
    "masks": "masks",
    "metric": "metric",
    "mosaics": "analyses.reliability.mosaics",
    "networks": "networks",
    "own_model": "own_model",
    "preprocessing": "networks.preprocessing",
    "relatives": "scoring.quantus",
    "report": "own_model.report",
    "saved_models": "own_model.saved_models",
    "scoring": "scoring",
    "shift": "scoring.shift",
    "sources": "datasets.sources",
    "statistics": "statistics",
    "study": "study",
    "sufficient_subsets": "analyses.overinterpretation.sufficient_subsets",
    "tables": "tables",
    "training": "training",
    "triage": "own_model.triage",
    "viewer": "study.viewer",
}

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
    with needed(f"rrr_utils.{name}"):
        if name in _HOMES:
            return getattr(importlib.import_module(f"rrr_utils.{_HOMES[name]}"), name)
        if name in _MODULES:
            return importlib.import_module(f"rrr_utils.{_MODULES[name]}")
    raise AttributeError(f"module 'rrr_utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
