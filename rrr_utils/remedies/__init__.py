"""Training to be right for the right reason: losses, data transforms and callbacks for `model.fit`."""

from rrr_utils.remedies.base import Guided, calibrate
from rrr_utils.remedies.batches import GuidedBatches
from rrr_utils.remedies.cam_energy import CamEnergy
from rrr_utils.remedies.cgc import GradCamConsistency
from rrr_utils.remedies.counterexamples import Corrections, Counterexamples
from rrr_utils.remedies.ensembling import joined
from rrr_utils.remedies.explanation_guided import ExplanationGuided
from rrr_utils.remedies.right_reasons import RightReasons

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
