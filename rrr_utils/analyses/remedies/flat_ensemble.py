"""Several networks as one that every explainer takes: copies of their layers side by side, the mean of their logits."""

from collections.abc import Sequence
from typing import Any

import keras

from rrr_utils.analyses.remedies.network_halves import cut
from rrr_utils.engine import weights
from rrr_utils.networks.ensemble import ensemble
from rrr_utils.networks.network import Network

CAM_LAYER = "members"


@keras.saving.register_keras_serializable("rrr_utils")
class Channels(keras.layers.Layer):
    """The channels ``start`` to ``stop`` of its input ``(n, h, w, K)``."""

    def __init__(self, start: int, stop: int, **options: Any) -> None:
        super().__init__(**options)
        self.start, self.stop = start, stop

    def call(self, x: Any) -> Any:
        return x[:, :, :, self.start : self.stop]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start, "stop": self.stop}


def joined(networks: Sequence[Network]) -> Network:
    """Return the ensemble of ``networks`` as one flat network with *copies* of their weights.

    Its logits are those of :func:`rrr_utils.networks.ensemble.ensemble`, which asks the members themselves and is no
    flat network. Layers are called ``member<i>_<name>``. Grad-CAM reads all members' last activations, one behind the
    other as channels, so that its map is the ReLU of the sum of theirs. Raises ``ValueError`` as :func:`ensemble` does,
    and where members differ in their blocks.
    """
    together = ensemble(networks)  # refuses what does not fit together
    first = networks[0]
    if any(each.blocks != first.blocks for each in networks):
        raise ValueError("The members of an ensemble must have the same blocks, but they differ.")
    images = keras.Input((first.size, first.size, 3), name="images")
    halves = [cut(each) for each in networks]
    own = [_copied(half.before, [images], number) for number, half in enumerate(halves)]
    side_by_side = keras.layers.Concatenate(name=CAM_LAYER)(own)
    logits, stop = [], 0
    for number, (half, activations) in enumerate(zip(halves, own, strict=True)):
        start, stop = stop, stop + activations.shape[-1]
        part = Channels(start, stop, name=f"member{number}_channels")(side_by_side)
        logits.append(_copied(half.behind, [images, part], number))
    name = together.name.replace(" ", "_")
    model = keras.Model(images, keras.layers.Average(name="logits")(logits), name=name)
    for number, each in enumerate(networks):
        arrays = {f"member{number}_{key}": array for key, array in weights.take(each.model).items()}
        weights.put(model, arrays, {key.rsplit("/", 1)[0] for key in arrays}, f"member {number}")
    return Network(name, model, first.size, first.classes, _blocks(first, len(networks)), CAM_LAYER, first.neutral)


def _copied(model: keras.Model, inputs: list[Any], number: int) -> Any:
    """Return what copies of the layers of ``model``, under names of their own, make of ``inputs``."""

    def copy(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer) or isinstance(layer, keras.layers.InputLayer):
            return layer
        return type(layer).from_config({**layer.get_config(), "name": f"member{number}_{layer.name}"})

    return keras.tree.flatten(model._run_through_graph(inputs, operation_fn=copy))[0]


def _blocks(network: Network, members: int) -> dict[str, tuple[str, ...]]:
    blocks: dict[str, tuple[str, ...]] = {}
    for block, names in network.blocks.items():
        parts = [f"member{number}_{name}" for number in range(members) for name in names]
        if network.grad_cam_layer in names:
            parts += [CAM_LAYER, *(f"member{number}_channels" for number in range(members))]
        blocks[block] = (*parts, "logits") if block == "dense" else tuple(parts)
    return blocks
