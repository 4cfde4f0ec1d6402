"""Whether the grid of a layer can be laid over the image: told by the graph, and by what parts of the image move."""

from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.engine.graph import node_of
from rrr_utils.networks import self_check

#: The share of what tells the classes apart that may go round the layer.
ROUND = 0.25
# The part of the side that a strip along an edge has, and of a grid by which what it moves may lie off that edge.
_STRIP, _OFF = 20, 16
_PADS = 3  # cells, for the next convolution, which takes them off again: its kernel has at most 7 on a side
_EDGES = {"upper": (0, False), "lower": (0, True), "left": (1, False), "right": (1, True)}
_ROUNDING = {"float16": 3e-2, "bfloat16": 2e-1}  # of the largest value; in full precision 1e-5

_known: "WeakKeyDictionary[keras.Model, dict[str, str]]" = WeakKeyDictionary()


def trouble(model: keras.Model, layer: str) -> str:
    """Return why a map of ``layer`` cannot be laid over the image that the flat ``model`` gets; "" where it can.

    Four strips along the edges of an image of noise are exchanged, one at a time. What that moves must lie along the
    same edge, in the layer's output and in that of every operation before it which nothing goes round: a crop, a
    padding, a flip or exchanged axes break that, however they are written. And of what tells the classes apart no
    more than ``ROUND`` may change where the layer's output is held still.

    Crops and paddings of less than a twentieth are not seen. Each layer of a model is asked once, with the weights
    that it has then. A layer whose output is no ``(N, h, w, K)`` gives "".
    """
    known = _known.setdefault(model, {})
    if layer not in known:
        end = node_of(model, model.get_layer(layer)).outputs[0]
        known[layer] = (_misplaced(model, end) or _round(model, end)) if len(end.shape) == 4 else ""
    return known[layer]


def _passages(model: keras.Model) -> list[Any]:
    """Return the operations of a flat model through which everything passes on its way to the output, in order."""
    places = {id(operation): place for place, operation in enumerate(model.operations)}
    found, furthest, last_use = [], 0, dict.fromkeys(range(len(places)), 0)
    for place, operation in enumerate(model.operations):
        for tensor in node_of(model, operation).input_tensors:
            last_use[places[id(tensor._keras_history.operation)]] = place
    for place, operation in enumerate(model.operations):
        if furthest <= place:
            found.append(operation)
        furthest = max(furthest, last_use[place])
    return found


def _misplaced(model: keras.Model, end: Any) -> str:
    path = keras.Model(model.inputs[0], end)
    tensors = {each.name: node_of(path, each).outputs[0] for each in _passages(path)}
    tensors = {name: tensor for name, tensor in tensors.items() if len(tensor.shape) == 4}
    side = model.inputs[0].shape[1]
    one, other = self_check.noise(side)[2:]
    images, strip = np.stack([one] * 5 + [other]), max(side // _STRIP, 2)
    for image, (axis, last) in zip(images[1:5], _EDGES.values(), strict=True):
        np.moveaxis(image, axis, 0)[_part(strip, last)] = np.moveaxis(other, axis, 0)[_part(strip, last)]
    outputs = keras.Model(model.inputs[0], list(tensors.values()))(images, training=False)
    before, alive = None, dict(_EDGES)
    for name, output in zip(tensors, outputs, strict=True):
        values = np.asarray(keras.ops.convert_to_numpy(output), np.float32)
        limit = _ROUNDING.get(keras.backend.standardize_dtype(output.dtype), 1e-5) * np.abs(values).max()
        moved = np.abs(values[1:] - values[:1]).max(axis=-1) > limit
        if not moved[4].any():  # not even another image moves it: this noise tells nothing
            return ""
        for edge, cells in zip(_EDGES, moved):
            if edge not in alive:
                continue
            if not cells.any():
                assert before is not None
                if not _left_over(before[list(_EDGES).index(edge)], cells, _EDGES[edge][0]):
                    return f"{name!r} crops the image: nothing along its {edge} edge gets through"
                del alive[edge]
            elif said := _strayed(cells, *_EDGES[edge], _PADS if name != list(tensors)[-1] else 1):
                return f"{name!r} {said}: what is along the {edge} edge of the image lies elsewhere in its output"
        before = moved
    return ""


def _part(strip: int, last: bool) -> slice:
    return slice(-strip, None) if last else slice(strip)


def _left_over(before: NDArray[np.bool_], after: NDArray[np.bool_], axis: int) -> bool:
    """Whether what has gone is no more than a stride leaves over where it does not divide the side."""
    ratio = before.shape[axis] / after.shape[axis]
    return ratio >= 1.5 and before.any(axis=1 - axis).sum() < ratio


def _strayed(cells: NDArray[np.bool_], axis: int, last: bool, pads: int) -> str:
    """Return how the cells ``(h, w)`` that a strip moves lie off its edge; "" where they lie along it."""
    along, across = (np.flatnonzero(cells.any(axis=each)) for each in (1 - axis, axis))
    offsets = along[0], cells.shape[axis] - 1 - along[-1]
    near, far = offsets[::-1] if last else offsets
    allowed = max(pads, cells.shape[axis] // _OFF)
    narrow = np.ptp(across) + 1 <= cells.shape[1 - axis] / 2
    if narrow and max(near, far) <= allowed:
        return "exchanges the axes of the image (a transposition, a quarter turn, or channels first)"
    if near > allowed or narrow:
        return "turns or flips the image" if far <= allowed else "pads or moves the image"
    return ""


def _round(model: keras.Model, end: Any) -> str:
    if end._keras_history.operation in _passages(model):
        return ""
    images = keras.ops.convert_to_tensor(self_check.noise(model.inputs[0].shape[1]))
    first, second = images[::2], images[1::2]
    maps = [keras.Model(model.inputs[0], end)(each, training=False) for each in (first, second)]
    behind = keras.Model([*model.inputs, end], model.outputs[0])

    def said(pictures: Any, seen: Any) -> NDArray[np.float64]:
        logits = np.asarray(keras.ops.convert_to_numpy(behind([pictures, seen], training=False)), np.float64)
        return logits - logits.mean(axis=1, keepdims=True)

    still = said(first, maps[0])
    round_it = float(np.linalg.norm(said(second, maps[0]) - still))
    through = float(np.linalg.norm(said(first, maps[1]) - still))
    if round_it <= ROUND * (round_it + through):
        return ""
    share = round_it / (round_it + through)
    return (
        f"there are other paths from the image to the answer, and {share:.0%} of what changes its probabilities goes "
        "by them, not through this layer"
    )
