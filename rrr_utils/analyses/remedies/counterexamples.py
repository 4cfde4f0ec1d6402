"""Counterexamples, in the manner of Schramowski et al. (2020): what explains wrongly is replaced, the label kept."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.analyses.remedies.base import Guided, Targets
from rrr_utils.explainers import GradCAM
from rrr_utils.networks.network import Network

# From this share of a map's maximum a pixel counts as one that explains the answer.
LEVEL = 0.5


class Counterexamples(Guided):
    """Cross-entropy on images whose marked pixels are replaced by those of ``other``, another image's background.

    Nothing is marked at the start. :class:`Corrections` marks, in the course of ``fit``, what the explanation shows
    outside the object. Schramowski et al. have a person look at an explanation and add corrected copies to the
    training images; here the mask stands for the person, and a corrected image takes the place of its own, so that an
    epoch has as many images as that of every other remedy.
    """

    needs = ("place", "other")

    def __init__(self, network: Network, images: int) -> None:
        super().__init__(network)
        # Under JAX a step is compiled with all that it reads but its state, and would never see a later mark.
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(f"Counterexamples need TensorFlow, but Keras runs on {keras.backend.backend()}.")
        self.network = network
        start = np.zeros((images, network.size, network.size), bool)
        self._marks = _Marks(keras.Variable(start, dtype="bool", trainable=False))

    @property
    def marks(self) -> NDArray[np.bool_]:
        """Which pixels of each training image are replaced, ``(images, H, W)``."""
        return keras.ops.convert_to_numpy(self._marks.variable)

    def mark(self, marks: NDArray[np.bool_]) -> None:
        """Replace also the pixels of ``marks``, ``(images, H, W)``, from now on."""
        self._marks.variable.assign(self.marks | marks)

    def train_step(self, data: Any) -> Any:
        """Take a step on the corrected images; Keras calls this for every batch of ``fit``."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        return super().train_step((self.corrected(x, y), y))

    def corrected(self, x: Any, y: Targets) -> Any:
        """Return images ``(n, H, W, 3)`` with their marked pixels replaced."""
        marked = keras.ops.take(self._marks.variable, y["place"], axis=0)[..., None]
        return keras.ops.where(marked, keras.ops.cast(y["other"], x.dtype), x)


class Corrections(keras.callbacks.Callback):
    """Looks at Grad-CAM of every training image after each ``every`` epochs and marks what lies beside the object.

    A pixel is marked where the label's map reaches ``LEVEL`` of its maximum and the mask does not reach a half.
    ``images``, ``masks`` and ``labels`` are those of training, in the order of ``place``.
    """

    def __init__(self, images: NDArray, masks: NDArray, labels: NDArray, every: int = 2) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be at least 1, but {every} was passed.")
        self.images, self.masks, self.labels, self.every = images, masks, labels, every

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every == 0 and epoch + 1 < self.params["epochs"]:
            maps = GradCAM()(self.model.network, self.images, self.labels)
            self.model.mark((maps >= LEVEL) & (np.asarray(self.masks) < 0.5))


class _Marks:
    """Holds a variable that Keras must not count among the model's weights."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
