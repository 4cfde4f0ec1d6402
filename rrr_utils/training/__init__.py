"""Training by stages, a checkpoint an epoch."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.training.fit import train
    from rrr_utils.training.runs import Run

# Where each name lives; imported on first use.
_HOMES = {
    "Run": "runs",
    "train": "fit",
}

__all__ = ["Run", "train"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
