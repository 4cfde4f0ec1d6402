"""LayerCAM: activations weighted, each at its own place, by the positive gradient of a class's logit."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.explainers import base, feature_layers, grad_cam, relevance

LAYERS = ("last", "all")
# The paper's factor of shallow layers, within the hyperbolic tangent.
_STRETCH = 2.0


class LayerCAM(base.Explainer):
    r"""LayerCAM (Jiang, Zhang, Hou, Cheng and Wei 2021).

    :math:`L_{ij} = \mathrm{ReLU}(\sum_k \mathrm{ReLU}(g^k_{ij}) A^k_{ij})` with
    :math:`g = \partial z_c / \partial A`, then half-pixel bilinear interpolation: where Grad-CAM gives a channel one
    weight, each place has its own. That makes sense for shallow layers too. ``signed`` leaves the outer ReLU out: below
    0 is only what comes from activations below 0, which a ReLU layer does not have.

    Parameters
    ----------
    layers
        ``"last"``: the layer that Grad-CAM reads. ``"all"``: the last layer of every resolution, each map but the
        deepest as the hyperbolic tangent of twice its share of its maximum, and of all these maps the largest value at
        every pixel (the paper's fusion, our reading); without signed maps.
    batch
        How many images the network sees at once.
    """

    name = "layer_cam"
    reads_layer = True

    def __init__(self, layers: str = "last", batch: int = 16) -> None:
        super().__init__(batch=batch)
        one_of("layers", layers, LAYERS)
        self.layers = layers
        self.design = "" if layers == "last" else "all layers"

    def passes(self, size: int, channels: Sequence[int]) -> int:
        return 3 * (len(channels) if self.layers == "all" else 1)

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        grad_cam.check_reads(network, self.name)
        if signed and self.layers == "all":
            raise ValueError(f"{self.name} has no signed maps with layers='all'. Use layers='last'.")
        names = [network.grad_cam_layer] if self.layers == "last" else feature_layers.of(network)
        read = [grad_cam.read(network, layer, images, classes, ids, self.name, self.batch) for layer in names]
        for parts in zip(*read, strict=True):
            found = []
            for activations, slopes in parts:
                maps = (np.maximum(slopes, 0.0) * activations).sum(axis=-1)
                found.append(relevance.upsample(maps if signed else np.maximum(maps, 0.0), images.shape[1:3]))
            yield found[0] if len(found) == 1 else fuse(found)


def fuse(maps: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the largest value at every pixel of maps ``(n, H, W)``, from the shallowest layer's to the deepest's.

    Each is first divided by its own maximum; of all but the deepest the hyperbolic tangent of twice that is taken.
    """
    tops = [each.max(axis=(1, 2), keepdims=True) for each in maps]
    shares = [each / np.where(top > 0, top, 1.0) for each, top in zip(maps, tops)]
    return np.max([*(np.tanh(_STRETCH * each) for each in shares[:-1]), shares[-1]], axis=0)
