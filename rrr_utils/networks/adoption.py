"""Any Keras image classifier as a flat network: nested models inlined, a final softmax or sigmoid taken off."""

from typing import Any

import keras
import numpy as np

from rrr_utils.engine.graph import node_of
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


def adopt(model: keras.Model, preprocess: str | None = None, size: int | None = None) -> Network:
    """Return ``model`` as a flat :class:`~rrr_utils.networks.Network` that shares its layers and weights.

    Nested backbones and ``Sequential`` models are inlined, to any depth. A final softmax is taken off, so that the
    outputs are logits; a single output with a sigmoid of z becomes the two logits (-z/2, z/2). A model without a final
    activation is taken to give logits already. ``model`` itself still works as before. A ``training=False`` with
    which a nested model was called is forgotten: freeze its layers instead.

    Parameters
    ----------
    model
        A built Functional or Sequential classifier: one RGB image in, one row of classes out.
    preprocess
        What has to be done to raw RGB before ``model``: ``None`` (nothing: the model does it itself), ``"caffe"``,
        ``"tf"`` or ``"torch"``, the modes of ``keras.applications``, or the name of one of its modules
        (``"mobilenet"``).
    size
        Side of the input in pixels; needed only where the model leaves it open.

    Its blocks are ``conv`` (up to the last convolution's activation, which Grad-CAM reads) and ``dense`` (behind
    it). A model without any convolution has ``grad_cam_layer`` "" and ``dense`` alone: LIME and Occlusion work on it.
    Where the model scales its input with layers of its own, the neutral colour is read from them; else it is black.

    Raises ``ValueError`` with the remedy for a subclassed or unbuilt model, several inputs or outputs, an input that
    is not square RGB, several independent sigmoids, or two layers of one name.
    """
    preprocess = mode_of(preprocess)
    side = _check(model, size)
    images = keras.Input((side, side, 3), name="images")
    x = images if preprocess is None else Preprocess(preprocess, name="preprocess")(images)
    flat = _build(images, _inline(model, x), model.name)
    flat = _build(images, _logits(flat), model.name)
    neutral = NEUTRAL[preprocess] if preprocess is not None else _neutral(flat)
    grad_cam_layer = _last_features(flat)
    return Network(
        model.name, flat, side, flat.output.shape[-1], _blocks(flat, grad_cam_layer), grad_cam_layer, neutral
    )


@keras.saving.register_keras_serializable("rrr_utils")
class Linear(keras.layers.Layer):
    """A Dense layer without its activation, on the same weights."""

    def __init__(self, dense: keras.layers.Dense, **options: Any) -> None:
        super().__init__(**options)
        self.dense = dense

    def call(self, x: Any) -> Any:
        x = keras.ops.matmul(x, self.dense.kernel)
        return x if self.dense.bias is None else x + self.dense.bias

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dense": keras.saving.serialize_keras_object(self.dense)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Linear":
        return cls(keras.saving.deserialize_keras_object(config.pop("dense")), **config)


@keras.saving.register_keras_serializable("rrr_utils")
class TwoLogits(keras.layers.Layer):
    """(N, 1) z, the logit of class 1 against class 0, becomes (N, 2): the logits (-z/2, z/2).

    Of the same probabilities as (0, z); but a logit that never moves would have no relevance at all, and what speaks
    for the first class is what speaks against the second.
    """

    def call(self, z: Any) -> Any:
        return keras.ops.concatenate([-z / 2, z / 2], axis=-1)


def _check(model: keras.Model, size: int | None) -> int:
    if not isinstance(model, keras.Sequential) and not _is_functional(model):
        raise ValueError(
            f"{model.name!r} is a {type(model).__name__}, and only Functional and Sequential models can be adopted: "
            f"the layers of a subclassed model cannot be seen. Rebuild it as keras.Model(inputs, outputs)."
        )
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(f"{model.name!r} has no input yet. Start it with keras.Input((size, size, 3)).")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"{model.name!r} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; expected one image in "
            f"and one row of classes out. Cut it: keras.Model(model.inputs[0], model.outputs[0])."
        )
    shape, classes = model.inputs[0].shape, model.outputs[0].shape
    if len(shape) != 4 or shape[-1] != 3:
        raise ValueError(
            f"{model.name!r} takes {shape}; expected RGB images (None, size, size, 3). Put a layer in front that "
            f"turns RGB into what it takes."
        )
    if len(classes) != 2:
        raise ValueError(f"{model.name!r} gives {classes}; expected (None, classes). Pool or flatten its output.")
    open_sides = [side for side in shape[1:3] if side is not None]
    if not open_sides and size is None:
        raise ValueError(f"{model.name!r} leaves its input's size open. Say it: size=224.")
    side = size if size is not None else open_sides[0]
    if any(other != side for other in open_sides):
        raise ValueError(
            f"{model.name!r} takes images of {shape[1]} x {shape[2]}; expected a square"
            + (f" of {size}, as `size` asks for. " if size is not None else ". ")
            + "Put layers in front that turn a square into what it takes: "
            "keras.Sequential([keras.Input((size, size, 3)), keras.layers.Resizing(height, width), model])."
        )
    return side


def _is_functional(model: Any) -> bool:
    return isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth")


def _inline(model: keras.Model, x: Any) -> Any:
    """Call every layer of ``model`` on the running tensor, so that no model is left inside another."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            x = _call(layer, x)
        return x
    # Keras' own walk over the graph, on symbolic tensors. (`clone_model` would wrap the result in a model again.)
    return model._run_through_graph(x, operation_fn=lambda layer: layer, call_fn=_call)


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(layer, keras.Sequential) or _is_functional(layer):
        return _inline(layer, args[0])
    return layer(*args, **kwargs)


def _build(images: Any, outputs: Any, name: str) -> keras.Model:
    try:
        return keras.Model(images, outputs, name=name)
    except ValueError as error:
        raise ValueError(
            f"{name!r} cannot be made flat: {error} Layers of nested models need names of their own: give `name=` to "
            f"those that clash."
        ) from error


def _logits(flat: keras.Model) -> Any:
    """Return the tensor of logits behind ``flat``, named by its last layer."""
    last = flat.output._keras_history.operation
    x, activation = flat.output, getattr(last, "activation", None)
    before = node_of(flat, last).input_tensors[0]
    if isinstance(last, keras.layers.Softmax):
        x, activation = before, keras.activations.softmax
    elif isinstance(last, keras.layers.Activation):
        x = before
    elif isinstance(last, keras.layers.Dense) and activation is not keras.activations.linear:
        x = Linear(last, name=f"{last.name}_linear")(before)
    units = flat.output.shape[-1]
    named = {None: "linear"}.get(activation, getattr(activation, "__name__", str(activation)))
    allowed = ("linear", "sigmoid") if units == 1 else ("linear", "softmax")
    if named not in allowed:
        raise ValueError(
            f"{flat.name!r} ends in {named!r} over {units} outputs; expected one of {list(allowed)}. Explanations of "
            f"independent outputs would need a choice between them: cut the model to logits of exclusive classes."
        )
    if units == 1:
        return TwoLogits(name="logits")(x)
    return x if x._keras_history.operation.name == "logits" else keras.layers.Identity(name="logits")(x)


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
