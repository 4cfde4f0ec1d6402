"""Explainers: from a network, images and classes to relevance maps."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common.choices import nearest
from rrr_utils.common.names import EXPLAINERS
from rrr_utils.common.registry import member, own
from rrr_utils.explainers.base import Explainer
from rrr_utils.explainers.grad_cam import CAM, GradCAM, GradCAMPlusPlus, together
from rrr_utils.explainers.integrated_gradients import IntegratedGradients
from rrr_utils.explainers.layer_cam import LayerCAM
from rrr_utils.explainers.lime import LIME
from rrr_utils.explainers.occlusion import Occlusion
from rrr_utils.explainers.rise import RISE
from rrr_utils.explainers.score_cam import ScoreCAM
from rrr_utils.explainers.sedc import SEDC
from rrr_utils.explainers.sise import SISE
from rrr_utils.explainers.smooth_grad import SmoothGrad

if TYPE_CHECKING:  # TensorFlow takes ten seconds to import
    from rrr_utils.networks.stack import Stack

__all__ = [
    "EXPLAINERS",
    "LIME",
    "RISE",
    "SEDC",
    "SISE",
    "Explainer",
    "GradCAM",
    "GradCAMPlusPlus",
    "IntegratedGradients",
    "LayerCAM",
    "Occlusion",
    "ScoreCAM",
    "SmoothGrad",
    "explain",
    "explainer",
    "options",
]


def options(name: str) -> list[str]:
    """Return the parameters that the explainer called ``name`` takes; an unknown name raises ``ValueError``."""
    return list(inspect.signature(_class(name)).parameters)


def explainer(name: str, **parameters: Any) -> Explainer:
    """Return the explainer called ``name`` with its parameters, for example ``explainer("lime", samples=200)``.

    ``name`` is one of ``EXPLAINERS``, or ``package.module:Name``, a subclass of :class:`Explainer` of one's own. Raises
    ``ValueError`` for an unknown name or parameter, with the nearest one that exists.
    """
    known = options(name)
    for parameter in parameters:
        if parameter not in known:
            raise ValueError(f"{name} has no parameter {parameter!r}; it has {known}.{nearest(parameter, known)}")
    return _class(name)(**parameters)


def _class(name: str) -> type[Explainer]:
    found: type[Explainer] = member("name", name, EXPLAINERS, Explainer)
    # Tables know an explainer by this.
    if own(name) and getattr(found, "name", EXPLAINERS) in (EXPLAINERS, *EXPLAINERS):
        raise ValueError(f"{name} must have a `name` of its own, other than {list(EXPLAINERS)}.")
    return found


def explain(
    asked: Sequence[Explainer],
    stack: "Stack",
    images: ArrayLike,
    classes: ArrayLike,
    ids: Sequence[str] | None = None,
) -> list[NDArray[np.float32]]:
    """Return the maps of each explainer for every checkpoint, ``(checkpoints, N, H, W)``, with nothing computed twice.

    What checkpoints share is computed once, and so is what explainers share: Grad-CAM and Grad-CAM++ read the same
    activations and gradients. The maps are those of :meth:`Explainer.of_each`.
    """
    cams = [each for each in asked if isinstance(each, CAM)]
    read = [together(cams, network, images, classes, ids) for network in stack.networks()] if cams else []
    shared = {id(each): np.stack([maps[place] for maps in read]) for place, each in enumerate(cams)}
    return [shared[id(each)] if isinstance(each, CAM) else each.of_each(stack, images, classes, ids) for each in asked]
