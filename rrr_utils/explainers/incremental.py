"""Occlusion without computing again what a patch does not reach: exact, for chains of convolutions and poolings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.engine import passes
from rrr_utils.engine.graph import node_of
from rrr_utils.networks.preprocessing import Preprocess

# Where the window is this share of the map, the rest of the network runs on whole maps: cutting no longer pays.
_WHOLE = 0.9
# Below this many pixels a side a whole pass takes less than the bookkeeping.
_SMALLEST = 96

_chains: "WeakKeyDictionary[keras.Model, Chain | None]" = WeakKeyDictionary()


def chain_of(model: keras.Model) -> "Chain | None":
    """Return the chain that ``model`` begins with, or None where occluding it step by step is impossible or too small.

    A chain is a sequence without branches: preprocessing pixel by pixel, then convolutions (stride 1, padding "same",
    odd kernels) and 2 x 2 max-poolings, as in VGG16. It is found once a model; later changes of the weights count.
    """
    if model not in _chains:
        steps = _steps(model)
        _chains[model] = Chain(model, steps) if any(isinstance(step, keras.layers.Conv2D) for step in steps) else None
    chain = _chains[model]
    return chain if chain is not None and min(model.input_shape[1:3]) >= _SMALLEST else None


def answers(network: Any, patch: int, batch: int) -> Any:
    """Return the function that :class:`~rrr_utils.explainers.Occlusion` asks, or None where there is no chain.

    It takes an image (H, W, 3), a colour (3,) and which pixels the positions cover by rows and by columns, and yields
    logits (checkpoints, n, classes). Checkpoints that differ in the head alone share everything before it; others are
    asked one after the other, which costs less than whole passes of what they do not share.
    """
    if not hasattr(network, "networks"):
        return _of(chain_of(network.model), patch, batch, lambda parts: (part[None] for part in parts()))
    if network.cut == "dense":
        return _of(chain_of(network.shared), patch, batch, lambda parts: (network.rest(part) for part in parts()))

    def one_by_one(parts: Callable[[], Iterator[NDArray]]) -> Iterator[NDArray]:
        yield np.stack([np.concatenate(list(parts())) for _ in network.networks()])

    return _of(chain_of(network.network.model), patch, batch, one_by_one)


def _of(chain: "Chain | None", patch: int, batch: int, gathered: Callable[[Any], Iterator[NDArray]]) -> Any:
    if chain is None:
        return None

    def ask(image: NDArray, colour: NDArray, rows: NDArray, columns: NDArray) -> Iterator[NDArray]:
        grid = np.meshgrid(rows.argmax(axis=1), columns.argmax(axis=1), indexing="ij")
        tops, lefts = (each.ravel() for each in grid)
        return gathered(lambda: chain(image, colour, tops, lefts, patch, batch))

    return ask


@dataclass(frozen=True)
class _Windows:
    """What of a layer's map may differ from that of the whole image, a window of one size for each position.

    ``values`` (n, h, w, channels); ``tops``, ``lefts`` (n,): where each window begins.
    """

    values: NDArray[np.float32]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]

    def cut(self, whole: NDArray[np.float32], tops: NDArray, lefts: NDArray, size: tuple[int, int]) -> NDArray:
        """Return windows of ``size`` from the map ``whole`` (H, W, channels) with these values pasted in."""
        height, width = size
        result = np.empty((len(tops), height, width, whole.shape[-1]), np.float32)
        for out, values, top, left, mine, own in zip(result, self.values, tops, lefts, self.tops, self.lefts):
            out[:] = whole[top : top + height, left : left + width]
            down, across = mine - top, own - left
            rows, columns = slice(max(down, 0), down + len(values)), slice(max(across, 0), across + values.shape[1])
            target = out[rows, columns]
            first = values[max(-down, 0) :, max(-across, 0) :]
            target[:] = first[: target.shape[0], : target.shape[1]]
        return result


class Chain:
    """A model that begins with a chain of layers, asked about images with one patch covered.

    Each layer computes only the window that the patch reaches (Nakandala, Kumar and Papakonstantinou 2019, "Krypton"),
    out of the map of the whole image with what changed pasted in; padding belongs to that map, so borders are exact.
    """

    def __init__(self, model: keras.Model, steps: list[Any]) -> None:
        # Nothing here may hold the model itself, or it would never be forgotten.
        self._steps = steps
        tensors = [node_of(model, step).outputs[0] for step in steps]
        self._whole = [
            passes.forward(keras.Model(before, after), batch=1)
            for before, after in zip([model.inputs[0], *tensors[:-1]], tensors, strict=True)
        ]
        self._local = [None if isinstance(step, Preprocess) else _local(step) for step in steps]
        self._shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
        self._tensors, self._output = tensors, model.outputs[0]
        self._tails: dict[tuple[int, int], passes.Pass] = {}

    def __call__(
        self, image: NDArray, fill: NDArray, tops: NDArray, lefts: NDArray, patch: int, batch: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the model's outputs ``(n, ...)``, at most ``batch`` at a time: the whole image's, then each position's.

        ``image`` is (H, W, 3); position i covers ``patch`` pixels square from (``tops[i]``, ``lefts[i]``) with the
        colour ``fill`` (3,). Equal to whole passes to rounding. Memory: the maps of one image, and windows of a batch.
        """
        maps = [np.asarray(image, np.float32)[None]]
        for run in self._whole:
            maps.append(run(maps[-1]))
        plan = self._plan(patch)
        tail = self._tail(len(plan), batch)
        yield tail(maps[len(plan)])
        covered = np.broadcast_to(np.asarray(fill, np.float32), (1, patch, patch, 3))
        for start in range(0, len(tops), batch):
            here = slice(start, start + batch)
            count = len(tops[here])
            changed = _Windows(np.repeat(covered, count, axis=0), tops[here], lefts[here])
            for number, (step, size) in enumerate(zip(self._steps, plan)):
                changed = self._advance(number, step, maps[number][0], changed, size)
            shape = self._shapes[len(plan) - 1]
            zeros = np.zeros(count, np.int64)
            yield tail(changed.cut(maps[len(plan)][0], zeros, zeros, shape[:2]))

    def _plan(self, patch: int) -> list[tuple[int, int]]:
        """Return the size of the window behind each step, up to where whole maps are cheaper."""
        sizes: list[tuple[int, int]] = []
        height = width = patch
        for step, shape in zip(self._steps, self._shapes, strict=True):
            if isinstance(step, keras.layers.Conv2D):
                height, width = height + step.kernel_size[0] - 1, width + step.kernel_size[1] - 1
            elif isinstance(step, keras.layers.MaxPooling2D):
                # A window that begins on an odd pixel touches one cell more.
                height, width = height // 2 + 1, width // 2 + 1
            height, width = min(height, shape[0]), min(width, shape[1])
            if sizes and height * width > _WHOLE * shape[0] * shape[1]:
                break
            sizes.append((height, width))
        return sizes

    def _advance(
        self, number: int, step: Any, before: NDArray[np.float32], changed: _Windows, size: tuple[int, int]
    ) -> _Windows:
        """Return the windows behind a step, from those before it and the whole image's map before it."""
        limit = self._shapes[number]
        local = self._local[number]
        if local is None:
            return _Windows(self._whole_colours(changed.values), changed.tops, changed.lefts)
        if isinstance(step, keras.layers.Conv2D):
            reach = [kernel // 2 for kernel in step.kernel_size]
            tops, lefts = (
                np.clip(starts - margin, 0, side - length)
                for starts, margin, side, length in zip((changed.tops, changed.lefts), reach, limit, size)
            )
            padded = np.pad(before, ((reach[0], reach[0]), (reach[1], reach[1]), (0, 0)))
            moved = _Windows(changed.values, changed.tops + reach[0], changed.lefts + reach[1])
            windows = moved.cut(padded, tops, lefts, (size[0] + 2 * reach[0], size[1] + 2 * reach[1]))
            return _Windows(local(windows), tops, lefts)
        tops, lefts = (
            np.clip(starts // 2, 0, side - length)
            for starts, side, length in zip((changed.tops, changed.lefts), limit, size)
        )
        windows = changed.cut(before, 2 * tops, 2 * lefts, (2 * size[0], 2 * size[1]))
        return _Windows(local(windows), tops, lefts)

    def _whole_colours(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return preprocessed pixels: preprocessing knows no neighbours."""
        return np.asarray(keras.ops.convert_to_numpy(self._steps[0](values)), np.float32)

    def _tail(self, done: int, batch: int) -> passes.Pass:
        """Return the pass from the map behind the first ``done`` steps to the output."""
        if self._tensors[done - 1] is self._output:  # the model is the chain, and small windows reach its end
            return lambda maps: maps
        if (done, batch) not in self._tails:
            rest = keras.Model(self._tensors[done - 1], self._output)
            self._tails[done, batch] = passes.forward(rest, batch=batch)
        return self._tails[done, batch]


def _local(step: Any) -> passes.Pass:
    """Return a convolution or pooling of windows, without padding, compiled for windows of any size."""
    if isinstance(step, keras.layers.MaxPooling2D):
        return passes.compiled(
            lambda windows: keras.ops.max_pool(windows, 2, 2, padding="valid"), (None, None, None, None)
        )

    def convolve(windows: Any) -> Any:
        result = keras.ops.conv(windows, step.kernel, padding="valid")
        return step.activation(result + step.bias if step.use_bias else result)

    return passes.compiled(convolve, (None, None, None, step.kernel.shape[2]), step.weights)


def _steps(model: keras.Model) -> list[Any]:
    """Return the layers of the chain that ``model`` begins with; empty where it does not begin with one."""
    steps: list[Any] = []
    if len(model.inputs) != 1:
        return steps
    tensor = model.inputs[0]
    while True:
        following = [
            layer
            for layer in model.layers
            for node in [node for nodes in model._nodes_by_depth.values() for node in nodes if node.operation is layer]
            if any(each is tensor for each in node.input_tensors)
        ]
        if len(following) != 1 or not _fits(following[0], first=not steps):
            return steps
        steps.append(following[0])
        tensor = node_of(model, following[0]).outputs[0]


def _fits(layer: Any, first: bool) -> bool:
    if isinstance(layer, Preprocess):
        return first
    if type(layer) is keras.layers.MaxPooling2D:
        return layer.pool_size == (2, 2) and layer.strides == (2, 2) and layer.padding == "valid"
    return (
        type(layer) is keras.layers.Conv2D
        and layer.strides == (1, 1)
        and layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and all(kernel % 2 for kernel in layer.kernel_size)
        # An activation that mixes positions or channels is more than a function of each value.
        and getattr(layer.activation, "__name__", "") in ("relu", "linear", "relu6", "elu", "gelu", "sigmoid", "tanh")
    )
