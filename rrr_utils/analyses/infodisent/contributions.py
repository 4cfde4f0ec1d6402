"""What a head that adds up channels says: contributions, how many channels a decision takes, and prototypes."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.analyses.infodisent.heads import CHANNELS
from rrr_utils.engine import weights
from rrr_utils.networks.network import Network

# So much of a decision has to be carried by the channels that are counted.
CARRIED = 0.9
_AT_ONCE = 64


class Extremes(NamedTuple):
    """Of every image and channel, ``(N, K)``: the largest and the smallest value, and the cells where they are.

    ``above`` is max(relu(x)), ``below`` max(relu(-x)), both at least 0; ``above_at`` and ``below_at`` are cells counted
    row by row. Where ``above`` or ``below`` is 0 no cell speaks, and the place has no meaning.
    """

    above: NDArray[np.float32]
    below: NDArray[np.float32]
    above_at: NDArray[np.int64]
    below_at: NDArray[np.int64]

    @property
    def pooled(self) -> NDArray[np.float32]:
        """What the linear layer gets of each channel."""
        return self.above - self.below


def channel_maps(network: Network, features: NDArray) -> NDArray[np.float32]:
    """Return the channels behind the orthogonal map, ``(N, h, w, K)``, of the backbone's ``features`` of that shape."""
    rotation = network.model.get_layer(CHANNELS).matrix()
    return np.asarray(features, np.float32) @ rotation.T


def extremes(network: Network, features: NDArray) -> Extremes:
    """Return the extremes of all channels from the backbone's features, some images at a time."""
    parts: list[tuple[NDArray, ...]] = []
    for start in range(0, len(features), _AT_ONCE):
        maps = channel_maps(network, features[start : start + _AT_ONCE])
        flat = maps.reshape(len(maps), -1, maps.shape[-1])  # (n, cells, K)
        parts.append(
            (
                np.maximum(flat.max(axis=1), 0),
                np.maximum(-flat.min(axis=1), 0),
                flat.argmax(axis=1),
                flat.argmin(axis=1),
            )
        )
    return Extremes(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def means(features: NDArray) -> NDArray[np.float32]:
    """Return each channel's mean, ``(N, K)``: what the linear layer of the head ``average`` gets."""
    return np.concatenate([np.mean(part, axis=(1, 2)) for part in _pieces(features)])


def class_weights(network: Network) -> NDArray[np.float32]:
    """Return the weights of the last layer, ``(K, classes)``."""
    layer: keras.layers.Dense = network.model.get_layer("logits")
    return weights.to_numpy(layer.kernel)


def contributions(pooled: ArrayLike, kernel: ArrayLike, classes: ArrayLike) -> NDArray[np.float64]:
    """Return what each channel adds to the logit of each image's own class, ``(N, K)``: a row sums to that logit.

    ``pooled`` is ``(N, K)``, ``kernel`` ``(K, classes)``, ``classes`` ``(N,)`` class numbers.
    """
    columns = np.asarray(kernel, np.float64)[:, np.asarray(classes)].T
    return np.asarray(pooled, np.float64) * columns


def margins(pooled: ArrayLike, kernel: ArrayLike, classes: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Return what each channel adds to the logit of one class minus that of another, ``(N, K)``."""
    return contributions(pooled, kernel, classes) - contributions(pooled, kernel, others)


def needed(added: ArrayLike, share: float = CARRIED) -> NDArray[np.int64]:
    """Return how many channels, the largest by absolute value first, carry ``share`` of what all carry, ``(N,)``.

    ``added`` is ``(N, K)``: contributions or margins. An image to which no channel adds anything needs 0.
    """
    sizes = -np.sort(-np.abs(np.asarray(added, np.float64)), axis=1)
    carried = np.cumsum(sizes, axis=1)
    total = carried[:, -1:]
    # A hair less than the share, because the sum of parts is rounded.
    enough = carried >= share * total * (1 - 1e-12)
    return np.where(total[:, 0] > 0, enough.argmax(axis=1) + 1, 0)


def cells(masks: NDArray, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the share of object in every cell of a grid of ``shape = (h, w)`` over masks ``(N, H, W)``: ``(N, h, w)``.

    Their mean over all cells is the mask's mean, so a place that is drawn at random meets the object by chance.
    """
    rows, columns = (_overlap(count, pixels) for count, pixels in zip(shape, masks.shape[1:]))
    return np.concatenate([rows @ part.astype(np.float64) @ columns.T for part in _pieces(masks)])


def strongest(values: NDArray, count: int) -> NDArray[np.int64]:
    """Return for each channel the ``count`` images that excite it most, ``(count, K)``, from values ``(N, K)``.

    Ties go to the image that stands first.
    """
    return np.argsort(-np.asarray(values), axis=0, kind="stable")[:count]


def _overlap(count: int, pixels: int) -> NDArray[np.float64]:
    """Return the ``(count, pixels)`` matrix that averages pixels over equal cells, pixels cut where a border does."""
    borders = np.arange(count + 1) * pixels / count
    starts, ends = borders[:-1, None], borders[1:, None]
    place = np.arange(pixels)
    inside = np.clip(np.minimum(ends, place + 1) - np.maximum(starts, place), 0, None)
    return inside * count / pixels


def _pieces(arrays: NDArray) -> Iterator[NDArray]:
    return (arrays[start : start + _AT_ONCE] for start in range(0, len(arrays), _AT_ONCE))
