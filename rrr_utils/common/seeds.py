"""Random generators that follow from stable names, never from the order of calls."""

import hashlib

import numpy as np


def generator(*names: object) -> np.random.Generator:
    """Return a NumPy generator that depends on ``names`` alone.

    The same names give the same stream on every machine and in every process, whatever was drawn before:
    ``generator(study_seed, "lime", image_id)``. Names are compared by their text, so ``1`` and ``"1"`` are
    the same name; ``("a", "b")`` and ``("ab",)`` are not.
    """
    return np.random.default_rng(int.from_bytes(_digest(names), "big"))


def integer(*names: object) -> int:
    """Return a seed in [0, 2**31) that depends on ``names`` alone, for libraries that want an integer."""
    return int.from_bytes(_digest(names)[:4], "big") >> 1


def _digest(names: tuple[object, ...]) -> bytes:
    text = "\x1f".join(str(name) for name in names)
    return hashlib.sha256(text.encode()).digest()
