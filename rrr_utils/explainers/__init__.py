"""Explainers: from a network, images and classes to relevance maps."""

import inspect
from typing import Any

from rrr_utils.choices import nearest, one_of
from rrr_utils.explainers.base import Explainer
from rrr_utils.explainers.grad_cam import GradCAM, GradCAMPlusPlus
from rrr_utils.explainers.lime import LIME
from rrr_utils.explainers.occlusion import Occlusion

_CLASSES: dict[str, type[Explainer]] = {each.name: each for each in (GradCAM, GradCAMPlusPlus, LIME, Occlusion)}

EXPLAINERS = tuple(_CLASSES)

__all__ = ["EXPLAINERS", "LIME", "Explainer", "GradCAM", "GradCAMPlusPlus", "Occlusion", "explainer"]


def explainer(name: str, **parameters: Any) -> Explainer:
    """Return the explainer called ``name`` with its parameters, for example ``explainer("lime", samples=200)``.

    Raises ``ValueError`` for an unknown name or parameter, with the nearest one that exists.
    """
    one_of("name", name, EXPLAINERS)
    known = list(inspect.signature(_CLASSES[name].__init__).parameters)[1:]
    for parameter in parameters:
        if parameter not in known:
            raise ValueError(f"{name} has no parameter {parameter!r}; it has {known}.{nearest(parameter, known)}")
    return _CLASSES[name](**parameters)
