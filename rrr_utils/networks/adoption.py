"""Any Keras image classifier as a flat network of logits, which is held against the classifier itself."""

import itertools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from rrr_utils.engine.graph import node_of
from rrr_utils.networks import output_layer, self_check
from rrr_utils.networks.network import Network
from rrr_utils.networks.preprocessing import NEUTRAL, Preprocess, mode_of

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
# Layers behind the last convolution that change where or how much is seen, not what: Grad-CAM reads before them.
NOT_FEATURES = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.UpSampling2D,
    keras.layers.GaussianNoise,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.Identity,
)
# What may stand before the first weights and maps a pixel's colour by an affine map alone: scaling, plain arithmetic
# and another order of the channels (`preprocess_input` called on the input leaves both in the model), and augmentation,
# which does nothing in inference.
_SCALING = (keras.layers.Rescaling, keras.layers.Normalization, Preprocess)
_ARITHMETIC = ("TrueDivide", "Divide", "Subtract", "Add", "Multiply", "GetItem")


def adopt(
    model: keras.Model, preprocess: str | None = None, size: int | None = None, outputs: str | None = None
) -> Network:
    """Return ``model`` as a flat :class:`~rrr_utils.networks.Network` that shares its layers and weights.

    Nested backbones and ``Sequential`` models are inlined, to any depth; a layer whose name another one has is called
    otherwise in the flat network. A subclassed model stays one layer. A final softmax is taken off where numbers show
    that its softmax is what the model gives; probabilities of another origin become their logarithms. A single output
    with a sigmoid of z becomes the two logits (-z/2, z/2). ``model`` itself still works as before. A
    ``training=False`` with which a nested model was called is forgotten: freeze its layers instead.

    On four images of noise the network's probabilities are those of ``model`` to 1e-4, with layers of half precision
    to 1e-2, or it is refused.

    Parameters
    ----------
    model
        A Keras classifier: one RGB image in, one row of exclusive classes out.
    preprocess
        What has to be done to raw RGB before ``model``: ``None`` (nothing: the model does it itself), ``"unit"``
        (division by 255), ``"caffe"``, ``"tf"`` or ``"torch"``, the modes of ``keras.applications``, or the name of
        one of its modules (``"mobilenet"``).
    size
        Side of the input in pixels; needed only where the model leaves it open.
    outputs
        What the model gives, ``"logits"`` or ``"probabilities"``; by default that is told by numbers: rows of
        probabilities are not negative and sum to one.

    Its blocks are ``conv`` (up to the last convolution's activation, which Grad-CAM reads) and ``dense`` (behind
    it). A model without any convolution has ``grad_cam_layer`` "" and ``dense`` alone: LIME and Occlusion work on it.
    Where the model scales its input with layers of its own, the neutral colour is read from them; else it is black.

    Raises ``ValueError`` with the remedy for an unbuilt model, several inputs or outputs, an input that is not square
    RGB, outputs that are neither logits nor probabilities of exclusive classes, and a model that answers otherwise
    than its graph of layers.
    """
    preprocess = preprocess if preprocess == "unit" else mode_of(preprocess)
    side = _check(model, size)
    images = keras.Input((side, side, 3), name="images")
    before = _preprocessing(preprocess)
    x = images if before is None else before(images)
    noise = self_check.noise(side)
    own = self_check.answers(model, noise if before is None else before(noise))
    names = {"images"} if before is None else {"images", "preprocess"}
    # The last layer is called "logits": one of that name that turns out to be another gets a new one.
    for last in (_last_operation(model), None):
        flattening = _Flattening(names, last)
        flat = keras.Model(images, _row(flattening, model, x), name=model.name)
        logits, given = output_layer.logits(flat, own, outputs, flattening.name_of)
        if logits._keras_history.operation in flat.operations or "logits" not in flattening.taken:
            break
    flat = keras.Model(images, logits, name=model.name)
    neutral = NEUTRAL[preprocess] if preprocess in NEUTRAL else _neutral(flat)
    layer = _last_features(flat)
    network = Network(
        model.name, flat, side, logits.shape[-1], _blocks(flat, layer), layer, neutral, given, preprocess or ""
    )
    self_check.hold(network, model, noise, "noise", own)
    return network


def _row(flattening: "_Flattening", model: keras.Model, x: Any) -> Any:
    try:
        made = keras.tree.flatten(flattening.inline(model, x))
    except Exception as error:  # a call of its own may ask for numbers where there are only shapes
        raise ValueError(
            f"{model.name!r} cannot be called on symbolic images ({str(error).strip()[:300]}). {self_check.AS_FUNCTION}"
        ) from error
    if len(made) != 1 or len(made[0].shape) != 2:
        raise ValueError(
            f"{model.name!r} gives {[tuple(each.shape) for each in made]}; expected one row of classes (None, classes)"
            ". Pool or flatten its output."
        )
    return made[0]


def _preprocessing(name: str | None) -> keras.layers.Layer | None:
    if name is None:
        return None
    if name == "unit":
        return keras.layers.Rescaling(1 / 255, name="preprocess")
    return Preprocess(name, name="preprocess")


def _check(model: keras.Model, size: int | None) -> int:
    """Return the side of the images that ``model`` takes; raise ``ValueError`` where it takes or gives other things."""
    name, seen = model.name, _is_seen(model)
    if seen and (not model.built or not getattr(model, "inputs", None)):
        raise ValueError(f"{name!r} has no input yet. Start it with keras.Input((size, size, 3)).")
    if seen and len(model.inputs) != 1:
        raise ValueError(
            f"{name!r} has {len(model.inputs)} inputs: {[tuple(each.shape) for each in model.inputs]}; expected one "
            "image. Make one input of what the others get, here the same image: images = keras.Input((size, size, 3)); "
            f"keras.Model(images, model([{', '.join(['images'] * len(model.inputs))}]))."
        )
    if seen and len(model.outputs) != 1:
        raise ValueError(
            f"{name!r} has {len(model.outputs)} outputs; expected one row of classes. Choose one, here the first: "
            "keras.Model(model.inputs, model.outputs[0])."
        )
    shape = model.inputs[0].shape if getattr(model, "inputs", None) else _called_with(model)
    if len(shape) == 4 and shape[-1] == 1:
        raise ValueError(
            f"{name!r} takes {shape}, grey images; expected RGB images. Put the conversion in front: images = "
            "keras.Input((size, size, 3)); keras.Model(images, model(keras.ops.image.rgb_to_grayscale(images)))."
        )
    if len(shape) != 4 or shape[-1] not in (3, None):
        raise ValueError(
            f"{name!r} takes {shape}; expected RGB images (None, size, size, 3). Put a layer in front that "
            f"turns RGB into what it takes."
        )
    if seen and len(model.outputs[0].shape) != 2:
        raise ValueError(
            f"{name!r} gives {model.outputs[0].shape}; expected (None, classes). Pool or flatten its output."
        )
    open_sides = [side for side in shape[1:3] if side is not None]
    if not open_sides and size is None:
        raise ValueError(f"{name!r} leaves its input's size open. Say it: size=224.")
    side = size if size is not None else open_sides[0]
    if any(other != side for other in open_sides):
        raise ValueError(
            f"{name!r} takes images of {shape[1]} x {shape[2]}; expected a square"
            + (f" of {size}, as `size` asks for. " if size is not None else ". ")
            + "Put layers in front that turn a square into what it takes: "
            "keras.Sequential([keras.Input((size, size, 3)), keras.layers.Resizing(height, width), model])."
        )
    return side


def _is_seen(layer: Any) -> bool:
    """Whether ``layer`` is a model whose call is its graph of layers, and nothing of its own."""
    call = getattr(type(layer).call, "__qualname__", "")
    return isinstance(layer, keras.Model) and call in ("Functional.call", "Sequential.call")


def _called_with(model: keras.Model) -> tuple[int | None, ...]:
    """Return the shape of the images on which a subclassed model was called first; open where it was not yet."""
    shapes = [each for each in (getattr(model, "_build_shapes_dict", None) or {}).values() if isinstance(each, tuple)]
    return shapes[0] if len(shapes) == 1 and len(shapes[0]) == 4 else (None, None, None, 3)


class _Flattening:
    """Calls layers anew so that no model is left inside another, each under a name of its own."""

    def __init__(self, own: Iterable[str], last: Any) -> None:
        self.taken, self._last = {*own}, last

    def name_of(self, wanted: str) -> str:
        """Return ``wanted``, or with a number where another layer has it, and take it."""
        numbered = (f"{wanted}_{number}" for number in itertools.count(1))
        name = next(each for each in itertools.chain([wanted], numbered) if each not in self.taken)
        self.taken.add(name)
        return name

    def inline(self, model: keras.Model, x: Any) -> Any:
        """Call every layer of ``model`` on the running tensor; a subclassed model is one layer."""
        if isinstance(model, keras.Sequential) and _is_seen(model):
            for layer in model.layers:
                x = self._call(layer, x)
            return x
        if not _is_seen(model):
            return self._call(model, x)
        # Keras' own walk over the graph, on symbolic tensors. (`clone_model` would wrap the result in a model again.)
        return model._run_through_graph(x, operation_fn=lambda layer: layer, call_fn=self._call)

    def _call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_seen(layer):
            return self.inline(layer, args[0])
        name = self.name_of(f"{layer.name}_1" if layer.name == "logits" and layer is not self._last else layer.name)
        made = (layer if name == layer.name else _twin(layer, name))(*args, **kwargs)
        if not isinstance(layer, keras.layers.Layer) and type(layer).__name__ != "Stack" and _merges(args, made):
            # Arithmetic is no layer, and Grad-CAM reads layers: a sum of branches gets one behind it.
            return keras.layers.Activation("linear", name=self.name_of(f"{name}_map"), dtype=made.dtype)(made)
        return made


def _merges(args: Any, made: Any) -> bool:
    """Whether a map ``made`` comes of several tensors."""
    return len([each for each in keras.tree.flatten(args) if keras.backend.is_keras_tensor(each)]) > 1 and (
        keras.backend.is_keras_tensor(made) and len(made.shape) == 4
    )


def _last_operation(model: Any) -> Any:
    """Return the operation that makes a model's output, of nested models the innermost."""
    while _is_seen(model) and model.outputs:
        model = model.outputs[0]._keras_history.operation
    return model


def _twin(layer: Any, name: str) -> Any:
    """Return a layer that is called otherwise and in all else is ``layer``: the same weights, the same settings."""
    twin = object.__new__(type(layer))
    # Not by attribute: Keras would take what is assigned for weights of the twin's own.
    vars(twin).update(vars(layer) | {"name": name, "_name": name, "_inbound_nodes": [], "_outbound_nodes": []})
    return twin


def scaling_layers(flat: keras.Model) -> list[str]:
    """Return the names of a flat model's leading operations that scale the image and do nothing else to it."""
    return [operation.name for operation in _scaling(flat)]


def _scaling(flat: keras.Model) -> list[Any]:
    leading, reached = [], {id(flat.input)}
    # Arithmetic on a tensor is an operation of the model, but not one of its layers.
    for operation in flat.operations[1:]:
        kind = type(operation).__name__
        known = isinstance(operation, _SCALING) or kind in (*_ARITHMETIC, "Stack") or kind.startswith("Random")
        if not known:
            break
        node = node_of(flat, operation)
        if (len(node.input_tensors) != 1 and kind != "Stack") or not {*map(id, node.input_tensors)} <= reached:
            break
        leading.append(operation)
        reached |= {*map(id, node.outputs)}
    # A single channel, or a part of the image, is no image yet.
    while leading and (
        type(leading[-1]).__name__.startswith("Random")
        or node_of(flat, leading[-1]).outputs[0].shape != flat.input.shape
    ):
        leading.pop()
    return leading


def _neutral(flat: keras.Model) -> np.ndarray:
    """Return the colour that the model's own leading scaling layers map to 0: they are affine in a pixel's colour."""
    leading = _scaling(flat)
    if not leading:
        return np.zeros(3, np.float32)
    x = node_of(flat, leading[-1]).outputs[0]
    scale = keras.Model(flat.input, x)
    side = flat.input.shape[1]
    colours = 255 * np.eye(4, 3, -1)  # black, red, green and blue
    images = np.broadcast_to(colours[:, None, None].astype(np.float32), (4, side, side, 3))
    black, *others = np.asarray(scale(images), np.float64)[:, 0, 0]
    zero = np.linalg.lstsq(np.transpose(others - black), -black)[0]
    return np.clip(255 * zero, 0, 255).astype(np.float32) + np.float32(0)


def _last_features(flat: keras.Model) -> str:
    """Return the last layer with a map of more than one cell at or behind a convolution, or ""."""
    name, convolved = "", False
    for layer in flat.layers:
        convolved = convolved or isinstance(layer, CONVOLUTIONS)
        shape = node_of(flat, layer).outputs[0].shape
        if convolved and len(shape) == 4 and min(shape[1:3]) > 1 and not isinstance(layer, NOT_FEATURES):
            name = layer.name
    return name


def _blocks(flat: keras.Model, grad_cam_layer: str) -> dict[str, tuple[str, ...]]:
    names = [layer.name for layer in flat.layers if layer.name not in ("images", "preprocess")]
    if not grad_cam_layer:
        return {"dense": tuple(names)}
    cut = names.index(grad_cam_layer) + 1
    return {"conv": tuple(names[:cut]), "dense": tuple(names[cut:])}
