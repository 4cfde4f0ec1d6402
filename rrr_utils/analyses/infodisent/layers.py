"""The two layers of the disentangled head: an orthogonal map of the channels, and pooling to their extremes."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


@keras.saving.register_keras_serializable("rrr_utils")
class OrthogonalChannels(keras.layers.Layer):
    r"""Map the channels at every pixel by one orthogonal matrix: ``(N, h, w, K)`` to the same shape.

    :math:`y_k = \sum_j U_{kj} x_j` with Cayley's :math:`U = (I + S)^{-1} (I - S)` of the skew
    :math:`S = A - A^\top`, where the square weight ``skew`` is :math:`A`. Whatever :math:`A` becomes in training, U is
    orthogonal up to rounding: it is solved for in float64 where the backend has it. Every rotation without the
    eigenvalue -1 can be reached; lengths and angles between pixels stay as they are, so nothing is lost and nothing is
    made up. The start, :math:`A = 0`, leaves the channels alone.

    Cayley's map is also the first diagonal Pade approximant of :math:`\exp(-2S)`; the paper's own parameterisation was
    not at hand.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weight; ``ValueError`` unless the input is a map of a known number of channels."""
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                f"{self.name} maps the channels of (N, height, width, channels), but its input is "
                f"{tuple(input_shape)}. Put it behind a convolution, before the map is pooled as a whole or flattened."
            )
        channels = input_shape[-1]
        self.skew = self.add_weight(name="skew", shape=(channels, channels), initializer="zeros")

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, keras.ops.transpose(self._rotation()))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def matrix(self) -> NDArray[np.float32]:
        """Return U, ``(K, K)``; row k is what channel k of the output is made of."""
        return np.asarray(keras.ops.convert_to_numpy(self._rotation()))

    def _rotation(self) -> Any:
        ops = keras.ops
        free = ops.cast(self.skew, "float64")
        skew = free - ops.transpose(free)
        one = ops.eye(self.skew.shape[0], dtype=skew.dtype)
        return ops.cast(ops.linalg.solve(one + skew, one - skew), self.compute_dtype)


@keras.saving.register_keras_serializable("rrr_utils")
class ExtremePooling(keras.layers.Layer):
    r"""Pool each channel to its largest positive minus its largest negative value: ``(N, h, w, K)`` to ``(N, K)``.

    :math:`\max(\mathrm{relu}(x)) - \max(\mathrm{relu}(-x))` over all pixels: one pixel speaks for a channel, and at
    most one against it. That is the bottleneck: whatever else the map holds does not reach the logits.
    """

    def call(self, x: Any) -> Any:
        ops = keras.ops
        above, below = ops.max(ops.relu(x), axis=(1, 2)), ops.max(ops.relu(-x), axis=(1, 2))
        return above - below

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape[0], input_shape[-1]
