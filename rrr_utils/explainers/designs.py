"""Designs of LIME's perturbations: which superpixels each of them shows."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# (superpixels K, samples, generator) -> rows (samples, K), True where a superpixel is shown
Design = Callable[[int, int, np.random.Generator], NDArray[np.bool_]]


def coin_flips(count: int, samples: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return rows ``(samples, count)`` bool: a coin is tossed for every superpixel of every row; the first shows all.

    This is what lime does (Ribeiro, Singh and Guestrin 2016).
    """
    rows = generator.integers(0, 2, (samples, count)).astype(bool)
    rows[0] = True
    return rows


def orthogonal(count: int, samples: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return rows ``(samples, count)`` bool: the whole image, then blocks of a Hadamard matrix's rows and complements.

    Sylvester's matrix has as its order m the smallest power of 2 that is not below ``count``. A block is 2m rows:
    ``count`` of the matrix's columns, drawn and dealt to the superpixels, each column with a drawn sign, the matrix's
    rows in a drawn order with every second one turned into its complement; then the complements of these m rows, in the
    same order. Every block is drawn anew.

    Over a block every superpixel is shown by half of the rows, any two together by a quarter, and products of two
    superpixels are orthogonal to each one (fold-over: Box and Wilson 1951), so that neither other superpixels nor
    their pairs disturb a weight. Over the first m rows of a block, superpixels are orthogonal to each other. A row by
    itself is as if coins had been tossed, because of the signs: both designs aim at the same weights.

    Where ``samples`` - 1 is no multiple of 2m, the last block is cut off: one that is cut within its first half holds
    rows without their complements. Fewer samples are the first of more.
    """
    return np.concatenate([np.ones((1, count), bool), blocks(count, samples - 1, generator)])


def blocks(count: int, samples: int, generator: np.random.Generator, signs: bool = True) -> NDArray[np.bool_]:
    """Return the first ``samples`` rows of the blocks of :func:`orthogonal`, without ``signs`` those of the columns."""
    # Imported here: only this design needs it.
    from scipy.linalg import hadamard

    order = block(count) // 2
    matrix = hadamard(order) > 0
    odd = np.arange(order)[:, None] % 2 == 1
    halves = [np.empty((0, count), bool)]
    for _ in range(-(-samples // (2 * order))):
        half = matrix[generator.permutation(order)][:, generator.permutation(order)[:count]]
        if signs:
            half = half ^ generator.integers(0, 2, count).astype(bool)
        # Without this the matrix's column of ones would show one superpixel in all rows of the half, or in none.
        half = half ^ odd
        halves += [half, ~half]
    return np.concatenate(halves)[:samples]


def block(count: int) -> int:
    """Return how many rows a block of :func:`orthogonal` has for ``count`` superpixels."""
    return 2 * (1 << max(count - 1, 0).bit_length())
