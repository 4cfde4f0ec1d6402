"""What an epoch of each remedy takes, beside one of plain training."""

import tempfile
from collections.abc import Sequence
from typing import Any

import inputs
import numpy as np

# A network from scratch at its own size, and one that is fine-tuned.
NETWORKS: tuple[dict[str, Any], ...] = (
    {"name": "convnet", "size": 64},
    {"name": "mobilenet", "size": 144, "alpha": 0.25},
)


def remedies(
    asked: Sequence[dict[str, Any]] = NETWORKS, names: Sequence[str] | None = None, number: int = 256, epochs: int = 4
) -> list[dict[str, Any]]:
    """Return a line a network and remedy: seconds of the processor an epoch, and their ratio to plain training.

    All layers are trained on ``number`` generated images; the first epoch, which compiles, is not counted. Members of
    an ensemble are trained one after the other.
    """
    from rrr_utils.analyses.remedies.catalogue import CATALOGUE
    from rrr_utils.analyses.remedies.fit import fit
    from rrr_utils.training import fit as training

    lines: list[dict[str, Any]] = []
    for options in asked:
        network = inputs.network(**options)
        data = training.TrainingData(
            inputs.images(number, network.size),
            inputs.disks(number, network.size),
            np.arange(number) % 2,
            [f"image-{place}" for place in range(number)],
        )
        stage = training.Stage(epochs, "rmsprop", 1e-5)
        plain = 0.0
        for name in names or tuple(CATALOGUE):
            kind = CATALOGUE[name]
            with tempfile.TemporaryDirectory() as folder:
                found = fit(network, "all", data, stage, kind, folder, seed=0, evaluate={})
            seconds = found.epoch * kind.members
            plain = plain or seconds
            line = {"network": network.name, "size": network.size, "remedy": name, "seconds": round(seconds, 3)}
            lines.append({**line, "times": round(seconds / plain, 2), "images": number, "n": epochs - 1})
    return lines
