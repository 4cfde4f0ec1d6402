"""Contrastive Grad-CAM consistency (Pillai et al. 2022, arXiv 2110.00527): maps move as images do; needs no masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.analyses.remedies.base import Guided, Targets
from rrr_utils.analyses.remedies.network_halves import cut
from rrr_utils.common import seeds
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
        import tensorflow as tf

        crops = y["crops"][:, 1]
        classes = tf.argmax(self(x, training=False), axis=1)
        anchors = self.maps(change(x, crops), classes)
        positives = change(self.maps(x, classes)[..., None], crops)[..., 0]
        return info_nce(anchors, positives, self.temperature)

    def maps(self, x: Any, classes: Any) -> Any:
        """Return G of each image ``(n, H, W)``; its sum is 1, or 0 where nothing is relevant."""
        import tensorflow as tf

        activations, slopes, _ = self._halves.slopes(x, classes)
        maps = tf.nn.relu(tf.reduce_sum(slopes * activations, axis=3))[..., None]
        maps = tf.cast(tf.image.resize(maps, x.shape[1:3]), x.dtype)[..., 0]
        return maps / (_EPSILON + tf.reduce_sum(maps, axis=(1, 2), keepdims=True))


def info_nce(anchors: Any, positives: Any, temperature: float) -> Any:
    """Return the InfoNCE loss of maps ``(n, H, W)``, a scalar: each anchor's own positive against all other anchors."""
    import tensorflow as tf

    own, others = (tf.reshape(maps, (tf.shape(maps)[0], -1)) for maps in (anchors, positives))
    own, others = tf.math.l2_normalize(own, axis=1), tf.math.l2_normalize(others, axis=1)
    alike = tf.linalg.set_diag(tf.matmul(own, own, transpose_b=True), tf.reduce_sum(own * others, axis=1))
    return -tf.reduce_mean(tf.linalg.diag_part(tf.nn.log_softmax(alike / temperature)))


def change(x: Any, crops: Any) -> Any:
    """Return images ``(n, H, W, C)`` cut to boxes, brought back to H x W, and mirrored; see :func:`draw_crops`."""
    import tensorflow as tf

    boxes, mirrored = tf.cast(crops[:, :4], tf.float32), crops[:, 4] > 0.5
    moved = tf.image.crop_and_resize(tf.cast(x, tf.float32), boxes, tf.range(tf.shape(x)[0]), x.shape[1:3])
    return tf.cast(tf.where(mirrored[:, None, None, None], moved[:, :, ::-1], moved), x.dtype)


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
