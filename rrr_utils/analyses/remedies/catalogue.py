"""The remedies that a study compares: how each trains, what it needs, and which outcome it has already been taught."""

from dataclasses import dataclass

from rrr_utils.analyses.remedies.base import Guided
from rrr_utils.analyses.remedies.cam_energy import CamEnergy
from rrr_utils.analyses.remedies.cgc import STRENGTH, GradCamConsistency
from rrr_utils.analyses.remedies.counterexamples import Counterexamples
from rrr_utils.analyses.remedies.explanation_guided import ExplanationGuided
from rrr_utils.analyses.remedies.right_reasons import RightReasons
from rrr_utils.common.registry import Registry, member

# Networks that are asked as one.
MEMBERS = 3


@dataclass(frozen=True)
class Remedy:
    """One way to train.

    ``trained_on`` and ``augment`` are those of :class:`rrr_utils.training.batches.Batches`; ``guided`` is the loss.
    ``strength`` is the weight of the penalty, None where it is chosen: ``factor`` times what makes both terms alike at
    the start. ``masks`` says whether training images need object masks. ``taught`` names the outcomes that training
    itself aims at, backgrounds and explainers: they are shown, and do not decide whether the remedy helps. (Backgrounds
    that are drawn freely are those of other images.)
    """

    name: str
    trained_on: str = "original"
    augment: str = "none"
    guided: type[Guided] = Guided
    strength: float | None = 1.0
    masks: bool = False
    members: int = 1
    taught: tuple[str, ...] = ()


CATALOGUE: Registry[Remedy] = {
    "plain": Remedy("plain"),
    "masked": Remedy("masked", trained_on="masked", masks=True, taught=("random",)),
    "swapped": Remedy("swapped", trained_on="swapped", masks=True, taught=("other", "free")),
    "right-reasons": Remedy("right-reasons", guided=RightReasons, strength=None, masks=True),
    "cam-energy": Remedy("cam-energy", guided=CamEnergy, strength=None, masks=True, taught=("grad_cam",)),
    "cgc": Remedy("cgc", guided=GradCamConsistency, strength=STRENGTH),
    "explanation-guided": Remedy("explanation-guided", guided=ExplanationGuided),
    "input-dropout": Remedy("input-dropout", augment="input-dropout"),
    "ensemble": Remedy("ensemble", members=MEMBERS),
    "counterexamples": Remedy("counterexamples", guided=Counterexamples, masks=True, taught=("other", "free")),
}


def remedy(name: str) -> Remedy:
    """Return the remedy called ``name``; an unknown name raises ``ValueError`` with the nearest one."""
    found: Remedy = member("remedy", name, CATALOGUE)
    return found
