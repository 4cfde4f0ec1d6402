"""Grad-CAM's energy outside the object as a penalty: what the score misses of 1, at the size of the map's cells."""

from typing import Any

from keras import ops

from rrr_utils.analyses.remedies.base import Guided, Targets
from rrr_utils.analyses.remedies.network_halves import cut
from rrr_utils.engine import resampling
from rrr_utils.networks.network import Network

_EPSILON = 1e-8


class CamEnergy(Guided):
    r"""Cross-entropy and the share of the label's Grad-CAM that lies outside the object.

    .. math:: P = 1 - \frac{1}{N} \sum_n \frac{\sum_{ij} G_{nij} \, a_{nij}}{\sum_{ij} G_{nij}}

    with G the map of :class:`~rrr_utils.explainers.GradCAM` before its interpolation, and a the share of each of its
    cells that is object. 1 - P is the score at that size, so such a network is trained on what Grad-CAM's AvgScore
    measures: other explainers and accuracy have to judge it. A map without positive relevance
    counts as 1: to explain nothing is no way out.
    """

    needs = ("mask",)
    penalised = True

    def __init__(self, network: Network, strength: float = 1.0) -> None:
        super().__init__(network, strength)
        self._halves = cut(network)

    def penalty(self, x: Any, y: Targets) -> Any:
        activations, slopes = self._halves.slopes(x, y["label"])
        weights = ops.mean(slopes, axis=(1, 2), keepdims=True)
        maps = ops.relu(ops.sum(weights * activations, axis=3))
        inside = maps * ops.cast(cells(y["mask"], maps.shape[1:3]), maps.dtype)
        return 1 - ops.mean(ops.sum(inside, axis=(1, 2)) / (_EPSILON + ops.sum(maps, axis=(1, 2))))


def cells(masks: Any, size: tuple[int, int]) -> Any:
    """Return masks ``(n, H, W)`` brought down to ``(n, h, w)``: the share of each cell that is object."""
    return resampling.area(ops.expand_dims(masks, -1), size)[..., 0]
