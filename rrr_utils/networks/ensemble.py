"""Remedies against overinterpretation: several networks asked as one. (Input dropout is an augmentation.)"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from rrr_utils.networks.network import Network


@dataclass(frozen=True)
class Ensemble:
    """Networks asked as one: the mean of their logits, as in Carter et al. (2021).

    It has the ``model``, ``size``, ``classes`` and ``neutral`` colour of a network, but no blocks: it can be asked, and
    differentiated with respect to its images, and not be cut or trained by strategies.
    """

    name: str
    model: keras.Model
    size: int
    classes: int
    neutral: np.ndarray = field(repr=False)


def ensemble(networks: Sequence[Network]) -> Ensemble:
    """Return the ensemble of ``networks``, which shares their weights.

    Raises ``ValueError`` unless there are two or more of one size, with the same classes and neutral colour.
    """
    kinds = {(each.size, each.classes, tuple(each.neutral.tolist())) for each in networks}
    if len(networks) < 2 or len(kinds) > 1:
        raise ValueError(
            "An ensemble needs two networks or more of one size, number of classes and neutral colour, but was given "
            f"{len(networks)} with {sorted(kinds)}."
        )
    first = networks[0]
    images = keras.Input((first.size, first.size, 3), name="images")
    # Under names of their own, which the members of a model must have.
    members = [
        keras.Model(each.model.inputs, each.model.outputs[0], name=f"member_{number}")
        for number, each in enumerate(networks)
    ]
    mean = keras.layers.Average(name="logits")([member(images) for member in members])
    return Ensemble(
        f"{len(networks)} x {first.name}", keras.Model(images, mean), first.size, first.classes, first.neutral
    )
