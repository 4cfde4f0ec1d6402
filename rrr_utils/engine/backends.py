"""What the engine asks of a Keras backend: its start, and functions and networks compiled by it; one class for each.

Arrays go in and come out as NumPy. Nothing is imported before it is asked for: importing a backend takes seconds, and
its threads are set before that.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rrr_utils.common.choices import one_of

Pass = Callable[[np.ndarray], np.ndarray]

# A network's trainable and other variables, in this order, or arrays in their place.
Parts = Sequence[Sequence[Any]]


def current() -> "type[TensorFlow | Jax]":
    """Return the compiler of the backend that Keras runs on; ``ValueError`` for a backend that has none here."""
    import keras

    name = keras.backend.backend()
    one_of("KERAS_BACKEND", name, _ALL)
    return _ALL[name]


class TensorFlow:
    """``tf.function``, without XLA, which is several times slower than TensorFlow's own kernels on a processor."""

    @staticmethod
    def start(threads: int) -> None:
        """Set the number of threads and deterministic operations; ``RuntimeError`` where it runs with others."""
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        # Each checkpoint's network is a new one to compile, which TensorFlow would warn of in the notebooks.
        tf.get_logger().setLevel("ERROR")
        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(0)  # deterministic operations refuse to draw without; `fit` shuffles by it
        tf.constant(0)  # TensorFlow reports on the processor when it first runs

    @staticmethod
    def network(model: Any, shape: tuple[int, ...]) -> Pass:
        """Return the inference pass for inputs of ``shape``, with whatever weights the model has when it is called."""
        traced = TensorFlow.traced(model, shape)
        return lambda inputs: traced(inputs).numpy()

    @staticmethod
    def traced(model: Any, shape: tuple[int, ...]) -> Any:
        """Return the inference pass as a ``tf.function``."""
        import tensorflow as tf

        signature = [tf.TensorSpec(shape, tf.float32)]
        return tf.function(lambda images: model(images, training=False), input_signature=signature)

    @staticmethod
    def stateless(model: Any, shape: tuple[int, ...]) -> Callable[[Parts], Pass]:
        """Return the function from values of the variables to the pass with them; it is compiled once."""
        import tensorflow as tf

        parts = [model.trainable_variables, model.non_trainable_variables]
        specs = [[tf.TensorSpec(variable.shape, variable.dtype) for variable in part] for part in parts]

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32), *specs])
        def run(inputs: Any, trained: Any, fixed: Any) -> Any:
            return model.stateless_call(trained, fixed, inputs, training=False)[0]

        def bind(values: Parts) -> Pass:
            held = [[tf.constant(value) for value in part] for part in values]
            return lambda inputs: run(inputs, *held).numpy()

        return bind

    @staticmethod
    def function(function: Callable[[Any], Any], shape: tuple[int | None, ...], variables: Sequence[Any]) -> Pass:
        """Return ``function`` compiled for float32 arrays of ``shape``; ``variables`` are those that it reads."""
        import tensorflow as tf

        traced = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)])
        return lambda array: traced(array).numpy()


class Jax:
    """``jax.jit``; variables are arguments of what it compiles, because it would keep their values as constants."""

    @staticmethod
    def start(threads: int) -> None:
        """Set the number of threads and deterministic operations; ``RuntimeError`` where JAX runs already."""
        import jax

        jax.config.update("jax_num_cpu_devices", 1)  # the usual; refused where JAX runs already
        os.environ["NPROC"] = str(threads)  # what XLA's client for processors reads when it is made
        flags = os.environ.get("XLA_FLAGS", "")
        if "xla_gpu_deterministic_ops" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
        jax.devices()

    @staticmethod
    def network(model: Any, shape: tuple[int, ...]) -> Pass:
        """Return the inference pass for inputs of ``shape``, with whatever weights the model has when it is called."""
        bind = Jax.stateless(model, shape)
        return lambda inputs: bind(_values(model))(inputs)

    @staticmethod
    def stateless(model: Any, shape: tuple[int, ...]) -> Callable[[Parts], Pass]:
        """Return the function from values of the variables to the pass with them; it is compiled once."""
        import jax

        @jax.jit
        def run(inputs: Any, trained: Any, fixed: Any) -> Any:
            return model.stateless_call(trained, fixed, inputs, training=False)[0]

        def bind(values: Parts) -> Pass:
            held = [[jax.numpy.asarray(value) for value in part] for part in values]
            return lambda inputs: np.asarray(run(inputs, *held))

        return bind

    @staticmethod
    def function(function: Callable[[Any], Any], shape: tuple[int | None, ...], variables: Sequence[Any]) -> Pass:
        """Return ``function`` compiled for float32 arrays of ``shape``; ``variables`` are those that it reads."""
        import jax
        import keras

        @jax.jit
        def run(array: Any, values: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(array)

        return lambda array: np.asarray(run(array, [variable.value for variable in variables]))


_ALL: "dict[str, type[TensorFlow | Jax]]" = {"tensorflow": TensorFlow, "jax": Jax}


def _values(model: Any) -> Parts:
    parts = [model.trainable_variables, model.non_trainable_variables]
    return [[variable.value for variable in part] for part in parts]
