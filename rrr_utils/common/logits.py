"""Numbers made of logits."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def cross_entropy(logits: ArrayLike, labels: NDArray) -> NDArray[np.float64]:
    """Return minus the logarithm of the softmax of each row's label, ``(N,)`` in nats, from logits ``(N, classes)``."""
    values = np.asarray(logits, np.float64)
    shifted = values - values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels])


def log_odds(logits: ArrayLike, classes: ArrayLike) -> NDArray[np.float64]:
    """Return log(p / (1 - p)) ``(N,)`` of each row's class from logits ``(N, classes)``; p is the softmax.

    It rises with the probability and is exact where that is 1 to rounding.
    """
    values, own = np.array(logits, np.float64), np.asarray(classes, np.int64)
    places = np.arange(len(own))
    chosen = values[places, own]
    values[places, own] = -np.inf
    return chosen - special.logsumexp(values, axis=1)
