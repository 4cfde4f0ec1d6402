"""The disentangled head explains itself: where the channels that made up a logit are, as relevance maps."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.analyses.infodisent.heads import CHANNELS
from rrr_utils.common.choices import one_of
from rrr_utils.explainers import relevance
from rrr_utils.explainers.base import Explainer, is_network

DESIGNS = ("heat maps", "places")


class InfoDisent(Explainer):
    r"""The relevance that a disentangled head itself gives: no gradient of the backbone, no perturbation.

    Channel k contributes :math:`c_k = w_k p_k` to the logit, with :math:`p_k` its largest positive minus its largest
    negative value and :math:`w_k \ge 0`.

    Parameters
    ----------
    design
        ``"heat maps"``: :math:`\sum_k c_k h_k`, where :math:`h_k` is the positive part of the channel's map where
        :math:`c_k > 0`, and the positive part of its negative where :math:`c_k < 0`, divided by its maximum.
        ``"places"``: the bottleneck itself. All that a channel adds stands in the one cell, or the two cells, that were
        pooled, so that the signed map adds up to the logit and nothing is shown that did not count.

    Both as coarse as the backbone's last map, then the positive part and half-pixel bilinear interpolation, like
    Grad-CAM. ``signed`` leaves the positive part out.
    """

    name = "infodisent"

    def __init__(self, design: str = "heat maps", batch: int = 16) -> None:
        one_of("design", design, DESIGNS)
        super().__init__("ours", batch)
        self.design = design

    def coarse(self, network: Any, images: NDArray, classes: NDArray) -> NDArray[np.float64]:
        """Return the signed map at the backbone's own resolution ``(n, h, w)``, not divided by its maximum.

        That of ``"places"`` sums to the logit of the class. Raises ``ValueError`` where the network has no such head.
        """
        known = [layer.name for layer in network.model.layers] if is_network(network) else []
        if CHANNELS not in known:
            raise ValueError(
                f"{self.name} reads the layer {CHANNELS!r} of a disentangled head, but "
                f"{getattr(network, 'name', type(network).__name__)!r} has none. Make one with "
                f"infodisent.attach(network, 'disentangled', seed) and train it."
            )
        # Imported here because TensorFlow takes ten seconds to import.
        from rrr_utils.engine import gradients

        found = gradients.activations_and_gradients(network, CHANNELS, images, classes)
        channels, slopes = (array.astype(np.float64) for array in found)
        # Of a channel's map only the pooled cells have a gradient, which is the class's weight.
        counted = channels * slopes
        if self.design == "places":
            return counted.sum(axis=-1)
        added = counted.sum(axis=(1, 2))
        maps = np.maximum(channels * np.sign(added)[:, None, None], 0.0)
        peaks = maps.max(axis=(1, 2))
        return np.einsum("nhwk,nk->nhw", maps, added / np.where(peaks > 0, peaks, 1.0))

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        for start in range(0, len(images), self.batch):
            here = slice(start, start + self.batch)
            maps = self.coarse(network, images[here], classes[here])
            yield relevance.upsample(maps if signed else np.maximum(maps, 0.0), images.shape[1:3])
