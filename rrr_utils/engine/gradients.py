"""Activations of a layer and gradients of a class's output with respect to them: the backend's own differentiation."""

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.engine.graph import node_of

TARGETS = ("logit", "probability")
# Of an input pixel also the logarithm of p / (1 - p): its gradient has the direction of the probability's, and does not
# vanish where p is 1 to rounding.
INPUT_TARGETS = (*TARGETS, "log odds")
BATCH = 16

# (images, classes) -> (activations, gradients), all NumPy
Pass = Callable[[NDArray[np.float32], NDArray[np.int32]], tuple[NDArray[np.float32], NDArray[np.float32]]]

# One compiled pass a model, layer and target. The compiled passes hold the layers, not the model, so that an entry
# goes when its model goes.
_passes: "WeakKeyDictionary[keras.Model, dict[tuple[str, str], Pass]]" = WeakKeyDictionary()

# The passes of `input_gradients`, by model and target.
_input_passes: "WeakKeyDictionary[keras.Model, dict[str, Pass]]" = WeakKeyDictionary()


def activations_and_gradients(
    network: Any, layer: str, images: ArrayLike, classes: ArrayLike, target: str = "logit"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what a layer puts out and how each image's own class depends on it, in inference mode.

    Parameters
    ----------
    network
        A :class:`~rrr_utils.networks.Network`. Its pass is compiled once for each layer and target; later
        changes of the weights are seen, no other layer or variable is touched.
    layer
        Name of a layer of ``network.model`` with an output of shape ``(N, h, w, K)`` that the logits depend on.
    images, classes
        ``(N, H, W, 3)`` RGB from 0 to 255 and ``(N,)`` class numbers.
    target
        What is differentiated: the class's ``"logit"``, or its softmax ``"probability"`` in float32, which loses the
        gradient where the network is sure (at a margin of about 17 it is exactly 1).

    Returns
    -------
    Activations ``(N, h, w, K)`` and gradients of the same shape, float32. Both grow with N: pass some images at a time.

    Raises
    ------
    ValueError
        If there is no such layer, if its output has another number of axes, if the logits do not depend on it, or if
        Keras runs on a backend other than TensorFlow and JAX.
    """
    one_of("target", target, TARGETS)
    pictures, labels = np.asarray(images), np.asarray(classes, dtype=np.int32)
    compiled = _passes.setdefault(network.model, {})
    if (layer, target) not in compiled:
        one_of("layer", layer, [each.name for each in network.model.layers])
        compiled[layer, target] = _compile(network.model, layer, target)
    parts = [
        compiled[layer, target](pictures[start : start + BATCH].astype(np.float32), labels[start : start + BATCH])
        for start in range(0, max(len(pictures), 1), BATCH)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def input_gradients(
    network: Any, images: ArrayLike, classes: ArrayLike, target: str = "logit"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the logits of images and how each image's own class depends on its pixels, in inference mode.

    Parameters
    ----------
    network
        What has a Keras ``model`` from images to logits: a :class:`~rrr_utils.networks.Network`, or an ensemble
        of them. Its pass is compiled once for each target; later changes of the weights are seen.
    images, classes
        ``(N, H, W, 3)`` RGB from 0 to 255 and ``(N,)`` class numbers.
    target
        What is differentiated: the class's ``"logit"``, its softmax ``"probability"``, or its ``"log odds"``, the
        logarithm of p / (1 - p). The last two order the pixels alike, but the probability's gradient is lost to
        rounding where the network is sure.

    Returns
    -------
    Logits ``(N, classes)`` and gradients ``(N, H, W, 3)`` for each grey level of raw RGB, float32.
    """
    one_of("target", target, INPUT_TARGETS)
    pictures, labels = np.asarray(images), np.asarray(classes, dtype=np.int32)
    compiled = _input_passes.setdefault(network.model, {})
    if target not in compiled:
        backend = keras.backend.backend()
        one_of("KERAS_BACKEND", backend, _ON_INPUTS)
        # A second model of the same layers: a pass that held the key itself would keep it from being forgotten.
        copy = keras.Model(network.model.inputs, network.model.outputs[0])
        compiled[target] = _ON_INPUTS[backend](copy, target)
    parts = [
        compiled[target](pictures[start : start + BATCH].astype(np.float32), labels[start : start + BATCH])
        for start in range(0, max(len(pictures), 1), BATCH)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def with_slope(function: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    """Return what ``function``, made of ``keras.ops``, says of a tensor, and the gradient of its sum by that tensor.

    For losses of gradients: inside ``compute_loss``, where Keras differentiates what comes back once more. The gradient
    is a tensor of the type and shape of ``x``. Raises ``ValueError`` as :func:`activations_and_gradients` does.
    """
    backend = keras.backend.backend()
    one_of("KERAS_BACKEND", backend, _SLOPES)
    return _SLOPES[backend](function, x)


def hold(variables: Iterable[Any]) -> None:
    """Let a loss see what its step has assigned to ``variables`` and not be differentiated by it.

    So it is under TensorFlow, where an assignment ends a gradient. Under JAX new values are part of the function that a
    step differentiates: a second pass in inference mode would change weights by way of moving statistics.
    """
    if keras.backend.backend() == "jax":
        for variable in variables:
            variable.assign(keras.ops.stop_gradient(variable.value))


def _compile(model: keras.Model, layer: str, target: str) -> Pass:
    # The call inside this model: an adopted network shares its layers with the model that it was made from.
    output = node_of(model, model.get_layer(layer)).outputs[0]
    if len(output.shape) != 4:
        raise ValueError(
            f"Layer {layer!r} must put out (N, h, w, K), but its output has the shape {tuple(output.shape)}. "
            "Name a convolution or its activation."
        )
    if not _reaches(output, model.outputs[0]):
        raise ValueError(
            f"The logits do not depend on layer {layer!r}, so they have no gradient there. "
            "Name a layer between the images and the logits."
        )
    backend = keras.backend.backend()
    one_of("KERAS_BACKEND", backend, _BACKENDS)
    return _BACKENDS[backend](model, output, target)


def _reaches(tensor: Any, end: Any) -> bool:
    """Return whether ``end`` is computed from ``tensor``, by the graph of the layers' calls."""
    seen, waiting = set(), [end]
    while waiting:
        one = waiting.pop()
        if one is tensor:
            return True
        if id(one) not in seen:
            seen.add(id(one))
            history = one._keras_history
            waiting += history.operation._inbound_nodes[history.node_index].input_tensors
    return False


def _tensorflow(model: keras.Model, output: Any, target: str) -> Pass:
    # Imported here, so that the module loads on another backend.
    import tensorflow as tf

    both = keras.Model(model.inputs, [output, model.outputs[0]])

    # A free number of images: one trace serves every batch, with no padding to compute in vain.
    @tf.function(input_signature=[tf.TensorSpec(both.inputs[0].shape, tf.float32), tf.TensorSpec([None], tf.int32)])
    def run(images: Any, classes: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            activations, logits = both(images, training=False)
            chosen = _chosen(logits, classes, target)
        gradients = tape.gradient(chosen, activations, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.cast(activations, tf.float32), tf.cast(gradients, tf.float32)

    def compiled(
        images: NDArray[np.float32], classes: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        activations, gradients = run(tf.constant(images), tf.constant(classes))
        return activations.numpy(), gradients.numpy()

    compiled.traces = run.experimental_get_tracing_count  # type: ignore[attr-defined]
    return compiled


def _jax(model: keras.Model, output: Any, target: str) -> Pass:
    import jax

    before, behind = _halves(model, output)

    @jax.jit
    def run(images: Any, classes: Any, states: Any) -> Any:
        activations = before.stateless_call(*states[0], images, training=False)[0]

        def chosen(activations: Any) -> Any:
            logits = behind.stateless_call(*states[1], [images, activations], training=False)[0]
            return keras.ops.sum(_chosen(logits, classes, target))  # an image's output depends on no other image

        return activations.astype("float32"), jax.grad(chosen)(activations).astype("float32")

    def compiled(
        images: NDArray[np.float32], classes: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # Another number of images would be compiled anew, which takes longer than the images that are added.
        count, missing = len(images), BATCH - len(images)
        images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        states = [
            [[variable.value for variable in part] for part in (half.trainable_variables, half.non_trainable_variables)]
            for half in (before, behind)
        ]
        activations, gradients = run(images, np.concatenate([classes, np.zeros(missing, classes.dtype)]), states)
        return np.asarray(activations)[:count], np.asarray(gradients)[:count]

    compiled.traces = run._cache_size  # type: ignore[attr-defined]
    return compiled


def _tensorflow_inputs(model: keras.Model, target: str) -> Pass:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec(model.inputs[0].shape, tf.float32), tf.TensorSpec([None], tf.int32)])
    def run(images: Any, classes: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            logits = model(images, training=False)
            chosen = _chosen(logits, classes, target)
        return tf.cast(logits, tf.float32), tape.gradient(chosen, images)

    def compiled(
        images: NDArray[np.float32], classes: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, gradients = run(tf.constant(images), tf.constant(classes))
        return logits.numpy(), gradients.numpy()

    return compiled


def _jax_inputs(model: keras.Model, target: str) -> Pass:
    import jax

    @jax.jit
    def run(images: Any, classes: Any, state: Any) -> Any:
        def chosen(images: Any) -> Any:
            logits = model.stateless_call(*state, images, training=False)[0]
            return keras.ops.sum(_chosen(logits, classes, target)), logits

        gradients, logits = jax.grad(chosen, has_aux=True)(images)
        return logits.astype("float32"), gradients

    def compiled(
        images: NDArray[np.float32], classes: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        count, missing = len(images), BATCH - len(images)
        images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        parts = (model.trainable_variables, model.non_trainable_variables)
        state = [[variable.value for variable in part] for part in parts]
        logits, gradients = run(images, np.concatenate([classes, np.zeros(missing, classes.dtype)]), state)
        return np.asarray(logits)[:count], np.asarray(gradients)[:count]

    return compiled


def _tensorflow_slope(function: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value = function(x)
    return value, tape.gradient(value, x)


def _jax_slope(function: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    import jax

    def total(x: Any) -> Any:
        value = function(x)
        return keras.ops.sum(value), value

    slope, value = jax.grad(total, has_aux=True)(keras.ops.convert_to_tensor(x))
    return value, slope


def _halves(model: keras.Model, output: Any) -> tuple[keras.Model, keras.Model]:
    """Return the models from images to a layer's ``output``, and from images and that output to the logits.

    The second needs the images for what goes round the layer, as a shortcut does; the rest of them is not computed.
    """
    return keras.Model(model.inputs, output), keras.Model([*model.inputs, output], model.outputs[0])


def _chosen(logits: Any, classes: Any, target: str) -> Any:
    """Return each image's output (N,) for its own class."""
    if target == "log odds":
        own = keras.ops.one_hot(classes, logits.shape[-1], dtype=logits.dtype)
        # Not minus infinity, whose gradient would be NaN; exp() of this is 0.
        others = keras.ops.logsumexp(logits - 1e30 * own, axis=1)
        return keras.ops.sum(own * logits, axis=1) - others
    outputs = keras.ops.softmax(logits) if target == "probability" else logits
    return keras.ops.take_along_axis(outputs, keras.ops.expand_dims(classes, 1), axis=1)[:, 0]


_BACKENDS: dict[str, Callable[[keras.Model, Any, str], Pass]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
}

_ON_INPUTS: dict[str, Callable[[keras.Model, str], Pass]] = {
    "tensorflow": _tensorflow_inputs,
    "jax": _jax_inputs,
}

_SLOPES: dict[str, Callable[[Callable[[Any], Any], Any], tuple[Any, Any]]] = {
    "tensorflow": _tensorflow_slope,
    "jax": _jax_slope,
}
