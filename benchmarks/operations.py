"""How many multiply-adds a network takes: what sets a limit to every way of running it."""

import math
from typing import Any

import keras

from rrr_utils.engine.graph import node_of

# A multiplication and an addition a value at most, against hundreds in a convolution: they are not counted.
_FREE = (
    keras.layers.InputLayer,
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.Add,
    keras.layers.ZeroPadding2D,
    keras.layers.MaxPooling2D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Dropout,
)


def multiply_adds(model: keras.Model) -> int:
    """Return the multiply-adds of one image's forward pass: those of convolutions and matrix products.

    A convolution takes height x width x filters of its output times kernel height x kernel width x channels of its
    input (one channel if it is depthwise); a dense layer inputs x outputs. Twice as many floating-point operations.
    Raises ``TypeError`` for a layer that has weights and is none of these, rather than count too few.
    """
    return sum(_of(model, layer) for layer in model.layers)


def _of(model: keras.Model, layer: Any) -> int:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return math.prod(_output(model, layer)) * math.prod(layer.kernel_size)
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(_output(model, layer)) * math.prod(layer.kernel.shape[:3])
    if isinstance(layer, keras.layers.Dense):
        return math.prod(_output(model, layer)) * int(layer.kernel.shape[0])
    if isinstance(layer, _FREE) or not layer.weights:
        return 0
    raise TypeError(f"How many multiply-adds {type(layer).__name__} ({layer.name!r}) takes is not known. Add it here.")


def _output(model: keras.Model, layer: Any) -> tuple[int, ...]:
    return tuple(int(side) for side in node_of(model, layer).outputs[0].shape[1:])


def sharing_limit(prefix: float, suffix: float, checkpoints: int) -> float:
    """Return how many times less it takes to run a shared ``prefix`` once and ``suffix`` for each checkpoint."""
    return checkpoints * (prefix + suffix) / (prefix + checkpoints * suffix)


def tuning_limit(prefix: float, suffix: float, trained: int, evaluated: int, epochs: int) -> float:
    """Return how many times less training takes where the frozen ``prefix`` runs once an image.

    A step runs forward, and through the trained part backward twice (by inputs and by weights); the ``evaluated``
    images are evaluated before the first and after every epoch.
    """
    step, look = 3 * suffix * epochs * trained, suffix * (epochs + 1) * evaluated
    whole = step + look + prefix * (epochs * trained + (epochs + 1) * evaluated)
    return whole / (step + look + prefix * (trained + evaluated))


def seeds_limit(prefix: float, suffix: float, trained: int, evaluated: int, epochs: int, seeds: int) -> float:
    """Return how many times less two stages of all seeds take where the ``prefix`` runs once on a stage's draws.

    As in :func:`tuning_limit`, with other images in every epoch, and the same ``evaluated`` in both stages.
    """
    each = 2 * seeds * suffix * (3 * epochs * trained + (epochs + 1) * evaluated)
    whole = each + 2 * seeds * prefix * (epochs * trained + (epochs + 1) * evaluated)
    return whole / (each + prefix * (2 * epochs * trained + evaluated))
