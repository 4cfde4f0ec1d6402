"""SISE: channels of several layers as masks of the image, and their maps fused from the shallowest to the deepest."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import progress
from rrr_utils.common.choices import one_of
from rrr_utils.explainers import base, feature_layers, grad_cam, soft_masks


class SISE(base.Explainer):
    r"""SISE (Sattarzadeh et al. 2021, arXiv 2010.00672): input sampling by channels, aggregated block by block.

    Our reading of its four steps:

    1. Layers: the last one of every resolution, before the next pooling or strided convolution.
    2. Channels: in each layer those whose mean gradient of the class's logit is above 0 and above ``threshold`` times
       the layer's largest.
    3. A map of each layer: :math:`V = \sum_k w_k\, m_k / |m_k|`, where :math:`m_k` is channel k enlarged and scaled to
       0 to 1, :math:`|m_k|` its sum over all pixels, and :math:`w_k` what the network makes of the image behind it. V
       is then scaled to 0 to 1 by its lowest and highest value; where no channel is chosen or V is flat, it is 0.
    4. Fusion: from the shallowest layer on, the next layer's map is added, and the sum is kept where that next map
       exceeds its Otsu threshold, and set to 0 elsewhere. (The authors' code has a steep sigmoid in place of the cut.)

    The deepest layer therefore says where, and the shallow ones draw it finely. No value is below 0, so ``signed`` maps
    are the same.

    Parameters
    ----------
    output
        What :math:`w_k` is: the increase of the class's ``"logit"`` over the plain ``fill``, or 0 where there is none;
        or the class's ``"probability"``, as the authors have it, which is nearly the same for all masks where a network
        is sure.
    threshold
        A share in [0, 1), 0 in the paper.
    channels
        At most so many channels a layer, those of the largest mean gradient; by default all that are chosen.
    fill
        What is blended in: a number or RGB from 0 to 255. Default: the network's neutral colour, which its
        preprocessing maps to 0, as the authors' product with the mask does.
    batch
        How many images the network sees at once.
    """

    name = "sise"
    reads_layer = True

    def __init__(
        self,
        output: str = "logit",
        threshold: float = 0.0,
        channels: int | None = None,
        fill: float | Sequence[float] | None = None,
        batch: int = 32,
    ) -> None:
        super().__init__(batch=batch)
        one_of("output", output, soft_masks.OUTPUTS)
        if not 0 <= threshold < 1:
            raise ValueError(f"`threshold` must be a share from 0 to below 1, but {threshold!r} was passed.")
        self.output, self.threshold, self.fill = output, threshold, base.fill_of(fill)
        self.channels = None if channels is None else base.at_least("channels", channels, 1)
        parts = [f"threshold {threshold:g}"] if threshold else []
        parts += [f"{channels} channels"] if channels else []
        self.design = ", ".join(parts + ([output] if output != "logit" else []))

    def passes(self, size: int, channels: Sequence[int]) -> int:
        # Half of the channels have a gradient above 0.
        return 3 + sum(min(round(count / 2), self.channels or count) for count in channels)

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        grad_cam.check_reads(network, self.name)
        forward, colour = base.as_forward(network, self.batch), base.colour_of(network, self.fill)
        read = [
            grad_cam.read(network, layer, images, classes, ids, self.name, 1) for layer in feature_layers.of(network)
        ]
        for place in progress.track(range(len(images)), self.name):
            own, name, image = int(classes[place]), ids[place], images[place]
            maps = []
            for each in read:
                activations, slopes = (array[0] for array in next(each))
                chosen = activations[..., self._chosen(slopes.mean(axis=(0, 1)))]
                total = np.zeros(image.shape[:2])
                for masks, values in soft_masks.asked(
                    forward, image, chosen, colour, own, name, self.name, self.batch, self.output
                ):
                    total += layer_map(masks, np.maximum(values, 0.0))
                span = np.ptp(total)
                maps.append((total - total.min()) / span if span > 0 else np.zeros_like(total))
            yield fuse(maps)[None]

    def _chosen(self, slopes: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the places of the channels that are used, by their mean gradients ``(K,)``."""
        places = np.flatnonzero((slopes > 0) & (slopes > self.threshold * slopes.max()))
        order = np.argsort(-slopes[places], kind="stable")
        return np.sort(places[order[: self.channels]])


def layer_map(masks: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum ``(H, W)`` of masks ``(n, H, W)``, each divided by its own sum and times its value (n,)."""
    areas = masks.sum(axis=(1, 2))
    return np.asarray(np.tensordot(values / np.where(areas > 0, areas, 1.0), masks, axes=1))


def fuse(maps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return maps ``(H, W)`` in [0, 1], from the shallowest to the deepest, added and cut one after the other."""
    # Imported here: only this explainer needs it.
    from skimage.filters import threshold_otsu

    fused = maps[0]
    for each in maps[1:]:
        # A flat map has no threshold: it keeps nothing.
        kept = each > threshold_otsu(each) if np.ptp(each) > 0 else np.zeros(each.shape, bool)
        fused = (fused + each) * kept
    return fused
