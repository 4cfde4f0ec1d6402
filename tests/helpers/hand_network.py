"""A network whose logits and gradients can be worked out by hand."""

import keras
import numpy as np

from rrr_utils.networks.network import Network


def hand_network():
    """Two cells of two channels, the pixels' red and green; logits are a - b and b - a of the left cell's channels."""
    inputs = keras.Input((1, 2, 3), name="images")
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="cells")(inputs)
    outputs = keras.layers.Dense(2, use_bias=False, name="logits")(keras.layers.Flatten(name="flatten")(x))
    model = keras.Model(inputs, outputs, name="hand")
    model.get_layer("cells").set_weights([np.array([[[[1.0, 0], [0, 1], [0, 0]]]])])
    model.get_layer("logits").set_weights([np.array([[1.0, -1], [-1, 1], [0, 0], [3, 3]])])
    blocks = {"conv1": ("cells",), "dense": ("flatten", "logits")}
    return Network("hand", model, 2, 2, blocks, "cells", np.zeros(3, np.float32))
