"""A network cut at the layer that Grad-CAM reads, so that a loss can be made of what the layer tells."""

from dataclasses import dataclass
from typing import Any

import keras

from rrr_utils.engine.gradients import with_slope
from rrr_utils.engine.graph import node_of
from rrr_utils.networks.network import Network


@dataclass(frozen=True)
class Halves:
    """``before``: images to the activations ``(n, h, w, K)``; ``behind``: images and activations to logits.

    Both share the network's layers. They are held here and not by the model that is trained, whose layers Keras would
    otherwise count twice.
    """

    before: keras.Model
    behind: keras.Model

    def slopes(self, x: Any, classes: Any) -> tuple[Any, Any]:
        """Return activations and the gradient of each image's class logit with respect to them.

        In inference mode, and itself differentiable: training follows the gradient into the weights.
        """
        own = keras.ops.cast(classes, "int32")[:, None]

        def chosen(activations: Any) -> Any:
            return keras.ops.take_along_axis(self.behind([x, activations], training=False), own, axis=1)

        activations = self.before(x, training=False)
        return activations, with_slope(chosen, activations)[1]


def cut(network: Network) -> Halves:
    """Return ``network`` cut behind ``network.grad_cam_layer``; raises ``ValueError`` where there is no such layer."""
    output = node_of(network.model, network.model.get_layer(network.grad_cam_layer)).output_tensors[0]
    before = keras.Model(network.model.input, output)
    # The images again, for what goes round the layer, as a shortcut does.
    return Halves(before, keras.Model([*network.model.inputs, output], network.model.outputs[0]))
