"""What a classifier's last step is, told by numbers: the logits that it makes probabilities of, or their logarithm."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.common.logits import softmax

OUTPUTS = ("logits", "probabilities")
#: By how much a probability may be off: of numbers in full precision, and in half.
TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-2
# How far from affine the last step may be and still give logits: layers of 8 bits round what they take in.
_ROUNDING = 0.05
_SMALLEST = 1e-30  # of a probability whose logarithm is taken
_STEPS = 12  # how many operations before the output are looked at


@keras.saving.register_keras_serializable("rrr_utils")
class Linear(keras.layers.Layer):
    """A Dense layer without its activation, on the same weights."""

    def __init__(self, dense: keras.layers.Dense, **options: Any) -> None:
        super().__init__(**{"dtype": "float32", **options})
        self.dense = dense

    def call(self, x: Any) -> Any:
        x = keras.ops.matmul(x, self.dense.kernel)
        return x if self.dense.bias is None else x + keras.ops.cast(self.dense.bias, x.dtype)

    # Said and not traced, here and below: Keras takes a tensor that was multiplied by a number for a sparse one.
    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*shape[:-1], self.dense.kernel.shape[-1])

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

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (shape[0], 2)


@keras.saving.register_keras_serializable("rrr_utils")
class LogProbabilities(keras.layers.Layer):
    """(N, classes) probabilities become their logarithms, whose softmax they are; (N, 1) p those of (1 - p, p)."""

    def call(self, p: Any) -> Any:
        p = keras.ops.concatenate([1 - p, p], axis=-1) if p.shape[-1] == 1 else p
        return keras.ops.log(keras.ops.maximum(p, _SMALLEST))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (shape[0], max(2, shape[1] or 0))


def explained(model: keras.Model) -> str:
    """Return what the last layer of a flat model gives: ``"logit"``, or ``"log p"`` where no logits were found."""
    return "log p" if isinstance(model.layers[-1], LogProbabilities) else "logit"


def tolerance(model: keras.Model) -> float:
    """Return by how much a probability of ``model`` may be off, by the precision of its layers."""
    half = any(getattr(layer, "compute_dtype", "") in ("float16", "bfloat16") for layer in model._flatten_layers())
    return HALF_TOLERANCE if half else TOLERANCE


def probabilities(values: NDArray, outputs: str) -> NDArray[np.float64]:
    """Return the probabilities ``(N, classes)`` of a model's outputs, a single unit's as those of both classes."""
    values = np.asarray(values, np.float64)
    if outputs == "logits":
        return softmax(np.concatenate([-values / 2, values / 2], axis=1) if values.shape[1] == 1 else values)
    return np.concatenate([1 - values, values], axis=1) if values.shape[1] == 1 else values


def logits(flat: keras.Model, answers: NDArray, outputs: str | None, name_of: Callable[[str], str]) -> tuple[Any, str]:
    """Return the tensor of logits ``(N, classes)`` behind ``flat``, named by its last layer, and what its outputs were.

    Parameters
    ----------
    answers
        What the model says of images of noise, ``(N, units)``.
    outputs
        One of ``OUTPUTS``, or None: told by ``answers`` and by what the last step makes of random features.
    name_of
        Returns a name that no layer has.

    Raises ``ValueError`` with the remedy for what is neither logits nor probabilities of exclusive classes.
    """
    x, near = flat.output, tolerance(flat)
    affine, values = _last_step(flat)
    values = np.concatenate([np.asarray(answers, np.float64), values])
    single, name = values.shape[1] == 1, flat.name
    within = bool((values >= -near).all() and (values <= 1 + near).all())
    exclusive = within and (single or _sums_to_one(values, near))
    if single and np.ptp(values) <= near:
        affine &= not 0 < values[0, 0] < 1  # a head that was started with zeros: 0.5 is a sigmoid's
    if single and (np.abs(values - 1) <= near).all():
        raise ValueError(
            f"{name!r} has one output that is always 1: a softmax over one unit. Give it a sigmoid, "
            "keras.layers.Dense(1, activation='sigmoid'), and train it again."
        )
    if outputs is None:
        outputs = "probabilities" if exclusive and not (single and affine) else "logits"
        if outputs == "logits" and not affine:
            _refuse_others(flat, values, within, near)
    one_of("outputs", outputs, OUTPUTS)
    if outputs == "probabilities":
        if not exclusive:
            raise ValueError(
                f"The outputs of {name!r} go from {values.min():.3g} to {values.max():.3g} and sum to "
                f"{values.sum(axis=1).mean():.3g}; expected probabilities of exclusive classes. Leave `outputs` out."
            )
        found = next(_behind(flat, near, name_of), None)
        if found is None:
            return LogProbabilities(name="logits", dtype="float32")(x), outputs
        x = found
    if single:
        return TwoLogits(name="logits", dtype="float32")(x), outputs
    if x._keras_history.operation.name == "logits":
        return x, outputs
    return keras.layers.Identity(name="logits", dtype="float32")(x), outputs


def _refuse_others(flat: keras.Model, values: NDArray[np.float64], within: bool, near: float) -> None:
    name, last = flat.name, flat.operations[-1]
    inside = hasattr(last, "activation") and getattr(last, "weights", None)
    remedy = (
        "If softmax of them is what the model was trained with, say outputs='logits'. Else take that step off: "
        + ("model.layers[-1].activation = None." if inside else "keras.Model(model.input, model.layers[-1].input).")
    )
    if values.max() <= near and _sums_to_one(np.exp(values), near):
        raise ValueError(f"The outputs of {name!r} are logarithms of probabilities (log_softmax). {remedy}")
    if within:
        raise ValueError(
            f"The {values.shape[1]} outputs of {name!r} lie between 0 and 1 and do not sum to 1, as independent "
            "sigmoids do; expected exclusive classes. Examine one of them, here the first, as its presence or absence: "
            "keras.Model(model.input, model.output[:, :1])."
        )
    if values.min() >= -near:
        raise ValueError(f"The outputs of {name!r} are never below 0, as behind a relu, and do not sum to 1. {remedy}")


def _sums_to_one(values: NDArray[np.float64], near: float) -> bool:
    return bool((np.abs(values.sum(axis=1) - 1) <= near * np.sqrt(values.shape[1])).all())


def _steps(flat: keras.Model) -> Iterator[tuple[Any, Any]]:
    """Yield the last operations and what each takes in, the nearest to the output first, up to those with weights."""
    waiting, seen = [flat.output], set[int]()
    while waiting and len(seen) < _STEPS:
        history = waiting.pop(0)._keras_history
        operation = history.operation
        node = operation._inbound_nodes[history.node_index]
        if id(node) in seen or node.is_input:
            continue
        seen.add(id(node))
        for tensor in node.input_tensors:
            yield operation, tensor
        if not getattr(operation, "weights", None):
            waiting += node.input_tensors


def _from(start: Any, end: Any) -> Callable[[NDArray], NDArray[np.float64]] | None:
    """Return the function from one tensor of a model to another; None where something goes round the first."""
    try:
        part = keras.Model(start, end)
    except ValueError:
        return None
    return lambda x: np.asarray(
        keras.ops.convert_to_numpy(part(keras.ops.cast(x, start.dtype), training=False)), np.float64
    )


def _random(tensor: Any, rows: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, *tensor.shape[1:])).astype(np.float32)


def _last_step(flat: keras.Model) -> tuple[bool, NDArray[np.float64]]:
    """Return whether what follows the last weights' input is affine in it, and outputs for random numbers there."""
    empty = np.zeros((0, flat.output.shape[-1]))
    for operation, start in _steps(flat):
        run = _from(start, flat.output) if getattr(operation, "weights", None) else None
        if run is None:
            continue
        affine, outputs = True, [empty]
        for scale in (1.0, 30.0):
            one, other = scale * _random(start, 2, 0), scale * _random(start, 2, 1)
            parts = [run(x) for x in (one, other, one + other, 0 * one)]
            off = np.abs(parts[0] + parts[1] - parts[2] - parts[3]).max()
            affine &= bool(off <= _ROUNDING * max(np.abs(part - parts[3]).max() for part in parts))
            outputs += parts
        return affine, np.concatenate(outputs)
    return False, empty


def _behind(flat: keras.Model, near: float, name_of: Callable[[str], str]) -> Iterator[Any]:
    """Yield tensors of which the model's output is the softmax, or of one unit the sigmoid, on random numbers too."""
    units = flat.output.shape[-1]
    for operation, start in _steps(flat):
        kernel = getattr(operation, "kernel", None) if hasattr(operation, "bias") else None
        dense = kernel is not None and tuple(kernel.shape) == (start.shape[-1], units)
        if len(start.shape) != 2 or not (dense or start.shape[1] == units):
            continue
        run = _from(start, flat.output)
        if run is None:
            continue
        linear = Linear(operation, name=name_of(f"{operation.name}_linear")) if dense else None
        x = _random(start, 4, 0)
        z = x if linear is None else keras.ops.convert_to_numpy(linear(x))
        x = np.concatenate([x * np.float32(scale / (z.std() or 1.0)) for scale in (0.3, 1, 3)])
        z = x if linear is None else keras.ops.convert_to_numpy(linear(x))
        if np.abs(probabilities(z, "logits") - probabilities(run(x), "probabilities")).max() <= near:
            yield start if linear is None else linear(start)
