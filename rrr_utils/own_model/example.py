"""A small model that is right for the wrong reason, and its images and masks, as files: something to try things on."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rrr_utils import datasets
from rrr_utils.networks import network as networks
from rrr_utils.training import fit
from rrr_utils.training.batches import TrainingData


class Example(NamedTuple):
    """Where the files lie: a saved Keras ``model``, a folder of ``images`` by class, and one of their ``masks``."""

    model: Path
    images: Path
    masks: Path


def make(folder: Path | str, images: int = 60, train: int = 240, epochs: int = 5, seed: int = 0) -> Example:
    """Train the demo's ConvNet on generated images whose background always gives the class away, and save both.

    The ``train`` images that it learns from are none of the ``images`` that are written. The network reads the
    background, which is as good as the object and easier: it is right, and for the wrong reason. Takes some seconds.

    Parameters
    ----------
    folder
        Gets ``model.keras``, ``images/<class>/<name>.png`` and ``masks/<class>/<name>.png``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    options = {"images": train + images, "size": 64, "background": "noise", "p": 1.0, "seed": seed}
    dataset = datasets.open_dataset("confounded", None, options)
    learnt, shown = dataset.records[:train], dataset.records[train:]
    pictures = np.stack([dataset.image(record).array for record in learnt])
    # Numbered as `keras.utils.image_dataset_from_directory` numbers folders: in the order of their names.
    order = sorted(dataset.classes)
    labels = np.array([order.index(dataset.classes[record.label]) for record in learnt])
    masks = np.stack([dataset.outline(record) for record in learnt]).astype(np.uint8)
    data = TrainingData(pictures, masks, labels, [record.id for record in learnt])
    network = networks.build("convnet", classes=2, size=64, weights=None, seed=seed)
    stage = fit.Stage(epochs, "adam", 1e-3)
    with tempfile.TemporaryDirectory() as checkpoints:
        fit.train(network, "all", data, stage, checkpoints, trained_on="original", seed=seed, evaluate={})
    network.model.save(folder / "model.keras")
    for record in shown:
        name = f"{dataset.classes[record.label]}/{record.id}.png"
        for kind, array in (
            ("images", dataset.image(record).array),
            ("masks", (dataset.outline(record) * 255).astype(np.uint8)),
        ):
            path = folder / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return Example(folder / "model.keras", folder / "images", folder / "masks")
