"""Training to be right for the right reason: losses, data transforms and callbacks for `model.fit`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.analyses.remedies.base import Guided, calibrate
    from rrr_utils.analyses.remedies.batches import GuidedBatches
    from rrr_utils.analyses.remedies.cam_energy import CamEnergy
    from rrr_utils.analyses.remedies.cgc import GradCamConsistency
    from rrr_utils.analyses.remedies.counterexamples import Corrections, Counterexamples
    from rrr_utils.analyses.remedies.explanation_guided import ExplanationGuided
    from rrr_utils.analyses.remedies.flat_ensemble import joined
    from rrr_utils.analyses.remedies.right_reasons import RightReasons

# Where each name lives; imported on first use, because Keras takes ten seconds and a plan reads the options alone.
_HOMES = {
    "CamEnergy": "cam_energy",
    "Corrections": "counterexamples",
    "Counterexamples": "counterexamples",
    "ExplanationGuided": "explanation_guided",
    "GradCamConsistency": "cgc",
    "Guided": "base",
    "GuidedBatches": "batches",
    "RightReasons": "right_reasons",
    "calibrate": "base",
    "joined": "flat_ensemble",
}

__all__ = [
    "CamEnergy",
    "Corrections",
    "Counterexamples",
    "ExplanationGuided",
    "GradCamConsistency",
    "Guided",
    "GuidedBatches",
    "RightReasons",
    "calibrate",
    "joined",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.analyses.remedies.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.analyses.remedies' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
