"""A new head on a frozen backbone: the disentangled one, and the two plain ones that it is compared with."""

import keras
import numpy as np

from rrr_utils.analyses.infodisent.layers import ExtremePooling, OrthogonalChannels
from rrr_utils.common.choices import one_of
from rrr_utils.engine import weights
from rrr_utils.networks.network import Network

# The study's own head; the usual one of a linear layer on the channels' means; and InfoDisent's.
HEADS = ("plain", "average", "disentangled")
CHANNELS = "channels"


def attach(network: Network, head: str, seed: int, units: int | None = None) -> Network:
    """Return ``network`` with a new head on its backbone, and nothing but this head trainable.

    The backbone is everything before the block ``dense``; its layers are shared with ``network``, whose own head is
    left as it was. The result is a flat network like any other, its last layer ``logits``.

    Parameters
    ----------
    network
        What gives the backbone: a :class:`~rrr_utils.networks.Network`, built or adopted.
    head
        ``"disentangled"``: an orthogonal map of the channels (``channels``), pooling to their extremes (``extremes``)
        and a linear layer whose weights are at least 0 (InfoDisent; Struski and Tabor, arXiv 2409.10329, as we read
        its abstract). ``"average"``: the channels' means and a linear layer. Neither has a bias, so that a logit is the
        sum of what each channel contributes. ``"plain"``: Flatten, Dense with ReLU, Dense, as in ``networks.build``.
    seed
        The head's start follows from it alone; weights that have to be at least 0 start at the absolute value.
    units
        Width of the hidden layer of ``"plain"``; by default that of the network's own ``dense_1``.

    Raises
    ------
    ValueError
        If ``head`` is unknown, or the backbone does not end in a map ``(N, h, w, K)`` of more than one pixel.
    """
    one_of("head", head, HEADS)
    prefix = network.split("dense")[0]
    shape = prefix.output_shape
    if len(shape) != 4 or shape[1] * shape[2] < 2:
        raise ValueError(
            f"The backbone of {network.name} ends in {shape}, but a head needs a map (N, h, w, channels) of more than "
            f"one pixel to find places in. Cut it before its pooling: keras.Model(inputs, that layer's output)."
        )
    names, outputs = _layers(prefix.output, head, network.classes, units or _units(network))
    suffix = keras.Model(prefix.output, outputs)
    weights.draw(suffix, seed)
    if head == "disentangled":
        kernel = suffix.get_layer("logits").kernel
        kernel.assign(np.abs(weights.to_numpy(kernel)))
    model = keras.Model(network.model.input, outputs, name=f"{network.name}_{head}")
    blocks = {block: layers for block, layers in network.blocks.items() if block != "dense"} | {"dense": names}
    made = Network(model.name, model, network.size, network.classes, blocks, network.grad_cam_layer, network.neutral)
    made.set_strategy("head")
    return made


def _units(network: Network) -> int:
    known = {layer.name: layer for layer in network.model.layers}
    return int(known["dense_1"].units) if "dense_1" in known else 64


def _layers(x: keras.KerasTensor, head: str, classes: int, units: int) -> tuple[tuple[str, ...], keras.KerasTensor]:
    last = keras.layers.Dense(
        classes,
        use_bias=head == "plain",
        kernel_constraint=keras.constraints.NonNeg() if head == "disentangled" else None,
        name="logits",
    )
    layers = {
        "plain": [keras.layers.Flatten(name="flatten"), keras.layers.Dense(units, activation="relu", name="dense_1")],
        "average": [keras.layers.GlobalAveragePooling2D(name="means")],
        "disentangled": [OrthogonalChannels(name=CHANNELS), ExtremePooling(name="extremes")],
    }[head]
    for layer in [*layers, last]:
        x = layer(x)
    return tuple(layer.name for layer in [*layers, last]), x
