"""Contrastive Grad-CAM consistency (Pillai et al. 2022, arXiv 2110.00527): maps move as images do; needs no masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from rrr_utils.analyses.remedies.base import Guided, Targets
from rrr_utils.analyses.remedies.network_halves import cut
from rrr_utils.common import seeds
from rrr_utils.engine import resampling
from rrr_utils.networks.network import Network

STRENGTH, TEMPERATURE = 0.5, 0.5
# A crop keeps this share of the image's area at least. (Usual is a twelfth, which would lose small objects.)
LEAST = 0.5
_RATIOS = (3 / 4, 4 / 3)
_EPSILON = 1e-8


class GradCamConsistency(Guided):
    r"""Three cross-entropies, and how badly the map of a changed image is told by the changed map of the image.

    .. math:: \mathrm{CE}(T'x) + \mathrm{CE}(x) + \mathrm{CE}(Tx) + \lambda P, \quad
        P = -\frac{1}{N} \sum_i \log \frac{e^{s_{ii} / t}}{e^{s_{ii} / t} + \sum_{j \ne i} e^{s_{ij} / t}}

    with :math:`s_{ii} = \langle G(Tx_i), T G(x_i) \rangle` and :math:`s_{ij} = \langle G(Tx_i), G(Tx_j) \rangle` of
    flattened maps of unit length. T, T' are random crops, brought back to the image's size, and flips. G is
    :math:`\mathrm{ReLU}(\sum_k A^k \, \partial z_c / \partial A^k)`, cell by cell and without Grad-CAM's mean over
    positions, brought to the image's size and divided by its sum; c is the class that is predicted on the whole image.
    The authors train ImageNet's classes from the start, with crops of other sizes; lambda and t are theirs.
    """

    needs = ("crops",)
    penalised = True

    def __init__(self, network: Network, strength: float = STRENGTH, temperature: float = TEMPERATURE) -> None:
        super().__init__(network, strength)
        self.temperature = temperature
        self._halves = cut(network)

    def fit_term(self, x: Any, y: Targets, y_pred: Any) -> Any:
        changed = (change(self.raw(x), y["crops"][:, number]) for number in range(2))
        return super().fit_term(x, y, y_pred) + sum(
            super(GradCamConsistency, self).fit_term(x, y, self(each, training=True)) for each in changed
        )

    def penalty(self, x: Any, y: Targets) -> Any:
        crops = y["crops"][:, 1]
        classes = ops.argmax(self(x, training=False), axis=1)
        anchors = self.maps(change(x, crops), classes)
        positives = change(self.maps(x, classes)[..., None], crops)[..., 0]
        return info_nce(anchors, positives, self.temperature)

    def maps(self, x: Any, classes: Any) -> Any:
        """Return G of each image ``(n, H, W)``; its sum is 1, or 0 where nothing is relevant."""
        activations, slopes = self._halves.slopes(x, classes)
        maps = ops.relu(ops.sum(slopes * activations, axis=3))[..., None]
        maps = ops.cast(ops.image.resize(maps, x.shape[1:3], data_format="channels_last"), x.dtype)[..., 0]
        return maps / (_EPSILON + ops.sum(maps, axis=(1, 2), keepdims=True))


def info_nce(anchors: Any, positives: Any, temperature: float) -> Any:
    """Return the InfoNCE loss of maps ``(n, H, W)``, a scalar: each anchor's own positive against all other anchors."""
    own, others = _unit(anchors), _unit(positives)
    place = ops.arange(ops.shape(own)[0])
    same = place[:, None] == place[None, :]
    alike = ops.where(same, ops.sum(own * others, axis=1)[:, None], ops.matmul(own, ops.transpose(own)))
    logs = ops.log_softmax(alike / temperature)
    return -ops.mean(ops.sum(ops.where(same, logs, ops.zeros_like(logs)), axis=1))


def change(x: Any, crops: Any) -> Any:
    """Return images ``(n, H, W, C)`` cut to boxes, brought back to H x W, and mirrored; see :func:`draw_crops`."""
    boxes, mirrored = ops.cast(crops[:, :4], "float32"), ops.convert_to_tensor(crops[:, 4]) > 0.5
    moved = resampling.crop_and_resize(x, boxes)
    return ops.cast(ops.where(mirrored[:, None, None, None], ops.flip(moved, axis=2), moved), x.dtype)


def _unit(maps: Any) -> Any:
    """Return maps ``(n, H, W)`` as rows of length 1; a map of zeros stays one, and its gradient is a number."""
    rows = ops.reshape(maps, (ops.shape(maps)[0], -1))
    return rows * ops.rsqrt(ops.maximum(ops.sum(ops.square(rows), axis=1, keepdims=True), 1e-12))


def draw_crops(ids: Sequence[str], seed: int, epoch: int) -> NDArray[np.float32]:
    """Return two random changes of every image, ``(n, 2, 5)`` float32, by (``seed``, id, ``epoch``).

    Top, left, bottom and right of a box as shares of the image, of ``LEAST`` to all of its area and with sides of 3 : 4
    to 4 : 3; and 1 to mirror it, else 0.
    """
    found = np.empty((len(ids), 2, 5), np.float32)
    for place, name in enumerate(ids):
        generator = seeds.generator(seed, "crop", epoch, name)
        for number in range(2):
            area, ratio = generator.uniform(LEAST, 1), np.exp(generator.uniform(*np.log(_RATIOS)))
            high, wide = min(1.0, np.sqrt(area / ratio)), min(1.0, np.sqrt(area * ratio))
            top, left = generator.uniform(0, 1 - high), generator.uniform(0, 1 - wide)
            found[place, number] = top, left, top + high, left + wide, generator.integers(2)
    return found
