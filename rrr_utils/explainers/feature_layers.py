"""The last layer of every resolution of a network: where explainers that look at several depths read."""

from typing import Any


def of(network: Any) -> list[str]:
    """Return the names of layers from the shallowest to the deepest, whose last is the one that Grad-CAM reads.

    They are the last layers at or behind a convolution before the map becomes smaller: what the next pooling or strided
    convolution takes in, one a resolution, five in VGG16, ResNet50 and MobileNet. Layers that only pool, pad, drop or
    rename are passed over, as are maps of one cell. A layer from which nothing leads to Grad-CAM's is left out.
    """
    # Imported here because Keras takes ten seconds to import, and a plain function does not need it.
    import keras

    from rrr_utils.engine.graph import node_of
    from rrr_utils.networks.adoption import CONVOLUTIONS, NOT_FEATURES

    model, end = network.model, network.grad_cam_layer
    needed = {layer.name for layer in keras.Model(model.inputs, node_of(model, model.get_layer(end)).outputs).layers}
    found: dict[tuple[int, int], str] = {}
    convolved = False
    for layer in model.layers:
        if layer.name not in needed:
            continue
        convolved = convolved or isinstance(layer, CONVOLUTIONS)
        shape = node_of(model, layer).outputs[0].shape
        if convolved and len(shape) == 4 and min(shape[1:3]) > 1 and not isinstance(layer, NOT_FEATURES):
            found[shape[1], shape[2]] = layer.name
    names = [name for name in found.values() if name != end]
    return [*names, end]
