"""Designs of LIME's perturbations: which superpixels each of them shows."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# (superpixels K, samples, generator) -> rows (samples, K), True where a superpixel is shown
Design = Callable[[int, int, np.random.Generator], NDArray[np.bool_]]


def coin_flips(count: int, samples: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return rows ``(samples, count)``: a coin is tossed for every superpixel of every row, and the first shows all."""
    rows = generator.integers(0, 2, (samples, count)).astype(bool)
    rows[0] = True
    return rows


def orthogonal(count: int, samples: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return rows ``(samples, count)``: the whole image, then rows of a Hadamard matrix, each before its complement."""
    return np.concatenate([np.ones((1, count), bool), folded(count, samples - 1, generator)])


def folded(count: int, samples: int, generator: np.random.Generator, signs: bool = True) -> NDArray[np.bool_]:
    """Return rows of blocks."""
    from scipy.linalg import hadamard

    order = block(count) // 2
    matrix = hadamard(order) > 0
    blocks = [np.empty((0, count), bool)]
    for _ in range(-(-samples // (2 * order))):
        half = matrix[generator.permutation(order)][:, generator.permutation(order)[:count]]
        if signs:
            half = half ^ generator.integers(0, 2, count).astype(bool)
        blocks.append(np.stack([half, ~half], axis=1).reshape(2 * order, count))
    return np.concatenate(blocks)[:samples]


def block(count: int) -> int:
    """Return how many rows of :func:`orthogonal` are a whole block: twice the smallest power of 2 from ``count``."""
    return 2 * (1 << max(count - 1, 0).bit_length())


DESIGNS: dict[str, Design] = {"coin flips": coin_flips, "orthogonal": orthogonal}
