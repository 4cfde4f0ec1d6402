"""The graph of a Keras model: which call of a layer belongs to it."""

from typing import Any

import keras


def node_of(model: keras.Model, layer: keras.Layer) -> Any:
    """Return the one call of ``layer`` inside ``model``; a layer may be called in other models too.

    Raises ``ValueError`` where ``model`` calls it more than once (shared layers): such a layer has no one output.
    """
    nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes if node.operation is layer]
    if len(nodes) != 1:
        raise ValueError(
            f"{model.name!r} calls its layer {layer.name!r} {len(nodes)} times; expected once. Give each place a layer "
            f"of its own: keras.models.clone_model makes copies."
        )
    return nodes[0]
