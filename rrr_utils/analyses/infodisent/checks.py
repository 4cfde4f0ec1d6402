"""What must hold of a trained head exactly: its rotation, its weights, its sums, and the backbone that it stands on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rrr_utils.analyses.infodisent import contributions, fit
from rrr_utils.analyses.infodisent.heads import CHANNELS
from rrr_utils.engine import passes
from rrr_utils.networks.network import Network


class Exactness(NamedTuple):
    """Of a disentangled head: by how much each promise is missed; ``backbone`` is true where no bit of it moved.

    ``rotation``: the largest absolute entry of U U^T - I. ``smallest``: the smallest weight of the last layer.
    ``sums``: the largest absolute difference between a logit and the sum of what the channels contribute to it, as a
    share of the largest logit.
    """

    rotation: float
    smallest: float
    sums: float
    backbone: bool


def exactness(network: Network, before: Network, features: NDArray) -> Exactness:
    """Check a trained head on the features ``(N, h, w, K)`` of some images against the network that it was put on."""
    rotation = network.model.get_layer(CHANNELS).matrix().astype(np.float64)
    kernel, pooled = contributions.class_weights(network), contributions.extremes(network, features).pooled
    logits = passes.forward(network.split("dense")[1])(features)
    gaps = [
        np.abs(
            contributions.contributions(pooled, kernel, np.full(len(features), label)).sum(axis=1) - logits[:, label]
        )
        for label in range(network.classes)
    ]
    return Exactness(
        rotation=float(np.abs(rotation @ rotation.T - np.eye(len(rotation))).max()),
        smallest=float(kernel.min()),
        sums=float(np.max(gaps) / np.abs(logits).max()),
        backbone=fit.backbone_digest(network) == fit.backbone_digest(before),
    )
