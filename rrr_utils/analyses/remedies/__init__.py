"""Training to be right for the right reason: losses, data transforms and callbacks for `model.fit`."""

from rrr_utils.analyses.remedies.base import Guided, calibrate
from rrr_utils.analyses.remedies.batches import GuidedBatches
from rrr_utils.analyses.remedies.cam_energy import CamEnergy
from rrr_utils.analyses.remedies.cgc import GradCamConsistency
from rrr_utils.analyses.remedies.counterexamples import Corrections, Counterexamples
from rrr_utils.analyses.remedies.explanation_guided import ExplanationGuided
from rrr_utils.analyses.remedies.flat_ensemble import joined
from rrr_utils.analyses.remedies.right_reasons import RightReasons

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
