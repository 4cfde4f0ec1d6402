"""The forward pass of a network, compiled; and the start of Keras' backend with a fixed number of threads."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rrr_utils.common.choices import one_of
from rrr_utils.common.extras import needed
from rrr_utils.engine import backends
from rrr_utils.engine.backends import Pass

if TYPE_CHECKING:  # Keras takes ten seconds to import, and `start` has to come before it
    import keras

    from rrr_utils.networks.network import Network

KINDS = ("compiled", "openvino", "openvino-bfloat16")

# The number of threads that `start` has set.
_started: int | None = None


def start(threads: int | None = None) -> int:
    """Import Keras and its backend quietly, fix its number of threads, make its operations deterministic.

    Returns the number of threads.

    To be called before anything else runs on the backend, because the number cannot be changed afterwards; calling it
    again with the same number does nothing. The default is the environment variable ``RRR_THREADS``, else 1: training
    gives the same bits for the same seed, number of threads and kind of processor. NumPy's and OpenVINO's threads
    follow. What the import writes to file descriptor 2 is dropped, unless the import fails.

    The backend is Keras' own choice: TensorFlow, unless ``KERAS_BACKEND`` says ``jax``.

    Raises ``ValueError`` for a number below 1 and for another backend, and ``RuntimeError`` where the backend runs with
    another number already.
    """
    global _started
    count = _threads() if threads is None else threads
    if count < 1:
        raise ValueError(f"The number of threads must be at least 1, but {count} was passed (RRR_THREADS sets it).")
    if _started == count:
        return count
    os.environ["OMP_NUM_THREADS"] = str(count)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet():
        import keras
        import threadpoolctl  # type: ignore[import-untyped]

        try:
            if _started is not None:
                raise RuntimeError(f"engine.start() set {_started}")
            backends.current().start(count)
        except RuntimeError as error:
            raise RuntimeError(
                f"{keras.backend.backend()} already runs with another number of threads than {count}, and cannot "
                f"change it ({error}). Restart the kernel and call engine.start() first."
            ) from error
    threadpoolctl.threadpool_limits(count)
    _started = count
    return count


def forward(network: "Network | keras.Model", kind: str = "compiled", batch: int = 32) -> Pass:
    """Return the network's inference pass: (N, H, W, 3) uint8 or float32 RGB to (N, classes) float32 logits.

    ``network`` may also be any Keras model with one input and one output, a prefix for example; then the output has
    that model's shape. Batches are cut inside and all have one size (the last is padded, and the padding is dropped),
    so memory is bounded, nothing is compiled twice, and an image's result does not depend on how many are passed.

    Parameters
    ----------
    kind
        ``"compiled"``: the Keras backend's compiler; weights that are changed or restored later count.
        ``"openvino"``: converted once, in memory, to OpenVINO in float32, which takes seconds and then is faster;
        later changes of the weights do not count. Both agree to rounding.
        ``"openvino-bfloat16"``: the same with products of eight significant bits, never chosen by itself. Where the
        processor has such an instruction it is several times as fast; logits drift by far more than rounding, and
        scores with them (the book's page "How fast it is" has by how much for each network). Elsewhere OpenVINO
        computes in float32 all the same.
    batch
        Images at a time, at least 1.

    Raises
    ------
    ValueError
        If the images have another shape than the network takes.
    """
    _check(kind, batch)
    model: Any = getattr(network, "model", network)
    shape = (batch, *model.input_shape[1:])
    run = _compiled(model, shape) if kind == "compiled" else _openvino(model, shape, kind)
    return _in_batches(model, run, batch)


def forward_each(
    model: "keras.Model", states: "Sequence[Mapping[str, np.ndarray]]", kind: str = "compiled", batch: int = 32
) -> list[Pass]:
    """Return one pass of ``model`` for each of ``states``, as :func:`forward` does for the weights that it has now.

    A state holds every weight of the model by the keys of ``rrr_utils.engine.weights.take``. With ``"compiled"`` one
    compiled function serves all states, which it takes as an argument; with OpenVINO each state is converted.
    The model is left with the weights of the last state. Raises ``ValueError`` for a state that lacks a weight.
    """
    from rrr_utils.engine import weights

    _check(kind, batch)
    shape = (batch, *model.input_shape[1:])
    names = [layer.name for layer in model.layers]
    make = _of_states(model, shape) if kind == "compiled" else None
    passes = []
    for state in states:
        weights.put(model, state, names, "the state")
        run = _openvino(model, shape, kind) if make is None else make(state)
        passes.append(_in_batches(model, run, batch))
    return passes


def compiled(
    function: Callable[[Any], Any], shape: tuple[int | None, ...], variables: Sequence["keras.Variable"] = ()
) -> Pass:
    """Return ``function``, made of ``keras.ops``, compiled for float32 arrays of ``shape``; None stands for any length.

    ``variables`` are the Keras variables that it reads: what they are changed to later counts. Under JAX each length is
    compiled when it first comes.
    """
    return backends.current().function(function, shape, variables)


def fastest(model: "keras.Model", precision: str = "float32") -> str:
    """Return the kind of pass that is the fastest for a model whose weights stay, one of ``KINDS``.

    Only OpenVINO has the ``precision`` ``"bfloat16"``. In float32, on a CPU, it gains where it folds batch
    normalisation into convolutions and on depthwise convolutions; without either, TensorFlow's convolutions and matrix
    products are as fast, and nothing has to be converted. On a GPU, and under another Keras backend than TensorFlow,
    the backend's compiler.
    """
    import keras

    if precision == "bfloat16":
        return "openvino-bfloat16"
    if keras.backend.backend() != "tensorflow":
        return "compiled"
    import tensorflow as tf

    gains = (keras.layers.BatchNormalization, keras.layers.DepthwiseConv2D)
    folds = any(isinstance(layer, gains) for layer in model.layers)
    return "openvino" if folds and not tf.config.list_physical_devices("GPU") else "compiled"


def _check(kind: str, batch: int) -> None:
    one_of("kind", kind, KINDS)
    if batch < 1:
        raise ValueError(f"`batch` must be at least 1, but {batch} was passed.")


def _in_batches(model: Any, run: Pass, batch: int) -> Pass:
    """Return ``run`` for any number of inputs, cut and padded to ``batch``."""
    shape, out = model.input_shape[1:], model.output_shape[1:]

    def logits(images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.ndim != len(shape) + 1 or images.shape[1:] != tuple(shape):
            raise ValueError(
                f"{model.name} takes images of shape {('N', *shape)}, but {images.shape} was passed. "
                f"Resize them with images.squash, and put a single image into a batch of one."
            )
        results = np.empty((len(images), *out), np.float32)
        for first in range(0, len(images), batch):
            # A whole batch that is float32 already goes in as it lies, without a copy.
            part = np.ascontiguousarray(images[first : first + batch], np.float32)
            count = len(part)
            if count < batch:
                part = np.concatenate([part, np.zeros((batch - count, *shape), np.float32)])
            results[first : first + count] = run(part)[:count]
        return results

    return logits


def _threads() -> int:
    text = os.environ.get("RRR_THREADS", "1")
    if not text.isdecimal():
        raise ValueError(f"RRR_THREADS must be a number of threads, at least 1, but it is {text!r}.")
    return int(text)


def openvino_settings(precision: str, threads: int | None) -> dict[str, Any]:
    """Return how OpenVINO compiles: products in ``precision``, so many ``threads``, or as many as it likes."""
    # It takes bfloat16 by itself where the processor has it, which moves logits by up to half a unit. And it ties its
    # threads to the first cores: two processes of one thread each would share one core and leave the other idle.
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    return settings if threads is None else settings | {"INFERENCE_NUM_THREADS": threads}


def _compiled(model: Any, shape: tuple[int, ...]) -> Pass:
    return backends.current().network(model, shape)


def _of_states(model: Any, shape: tuple[int, ...]) -> Callable[[Mapping[str, np.ndarray]], Pass]:
    """Return the function from a state to the model's pass with these weights; it is compiled once."""
    import keras

    from rrr_utils.engine import weights

    keys = {id(variable): key for key, variable in weights.variables(model).items()}
    parts = [model.trainable_variables, model.non_trainable_variables]
    bind = backends.current().stateless(model, shape)

    def taken(state: Mapping[str, np.ndarray]) -> Pass:
        # A variable without a key is the state of a random generator, which inference does not draw from.
        return bind(
            [[state[keys[id(v)]] if id(v) in keys else keras.ops.convert_to_numpy(v) for v in part] for part in parts]
        )

    return taken


def _openvino(model: Any, shape: tuple[int, ...], kind: str = "openvino") -> Pass:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"`kind` {kind!r} converts from TensorFlow, but Keras runs on {keras.backend.backend()}. "
            f"Set KERAS_BACKEND=tensorflow, or use 'compiled'."
        )
    # OpenVINO's converter tells its makers of every conversion, from processes that it forks for it: nothing here asks
    # another host for anything, and a fork of a large process takes longer than the conversion. Without this package
    # the converter is silent.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with needed(f"The pass {kind!r}"):
        import openvino

    # Without a copy the converted model would read the variables' memory, and change with them.
    traced = backends.TensorFlow.traced(model, shape)
    converted = openvino.convert_model(traced.get_concrete_function(), share_weights=False)
    return _request(converted, "bf16" if kind == "openvino-bfloat16" else "f32")


def _request(model: Any, precision: str = "f32") -> Pass:
    """Compile an OpenVINO model for this processor and return its pass; products are taken in ``precision``."""
    import openvino

    text = os.environ.get("OMP_NUM_THREADS", "")
    settings = openvino_settings(precision, int(text) if text.isdecimal() else None)
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    # Shared: the input is read where it lies, and the result is valid until the next call; every caller copies it.
    return lambda array: request.infer([array], share_inputs=True, share_outputs=True)[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep file descriptor 2 silent: TensorFlow's C++ writes to it past ``sys.stderr``, and nbval compares it."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        original = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(original, kept.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
