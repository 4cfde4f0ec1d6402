"""How much memory and disk may be taken: environment variables in gigabytes (1e9 bytes), and their defaults.

``RRR_FROZEN_GB``
    What frozen blocks give for the images of one training, in memory or on disk.
``RRR_SHARED_GB``
    What frozen blocks give for the augmented images of all epochs, on disk in a study's runs, shared by its trainings.
``RRR_STACK_GB``
    Weights of checkpoints that are scored together. Compiled, they take more than as much again: by default a process
    that scores a full stack of VGG16 stays below 4 GiB. With room for more, blocks that all checkpoints share run less
    often.
"""

import os

DEFAULTS = {"RRR_FROZEN_GB": 8.0, "RRR_SHARED_GB": 24.0, "RRR_STACK_GB": 0.67}


def nbytes(name: str) -> int:
    """Return the bytes that the variable ``name`` allows; ``ValueError`` where it is not a number of at least 0."""
    text = os.environ.get(name, "")
    try:
        gigabytes = float(text) if text else DEFAULTS[name]
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < float("inf"):
        raise ValueError(f"{name} must be a number of gigabytes, 0 or more, but it is {text!r}.")
    return int(gigabytes * 1e9)
