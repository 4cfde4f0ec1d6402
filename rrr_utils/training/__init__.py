"""Training by stages, a checkpoint an epoch."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.training.fit import train
    from rrr_utils.training.runs import Run

# Where each name lives; imported on first use.
_HOMES = {
    "Run": "runs",
    "train": "fit",
}

__all__ = ["Run", "train"]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
