"""Training a head on features that its frozen backbone gave once."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common import files, seeds
from rrr_utils.common import files as sources
from rrr_utils.common.logits import cross_entropy
from rrr_utils.engine import passes, weights
from rrr_utils.networks.network import Network
from rrr_utils.training import checkpoints
from rrr_utils.training import fit as training

# What is evaluated: features (N, h, w, K) and labels (N,) by the name of the split.
Splits = Mapping[str, tuple[NDArray, NDArray]]

_AT_ONCE = 32


def backbone_digest(network: Network) -> str:
    """Return the SHA-256 of all weights before the block ``dense``."""
    prefix = network.split("dense")[0]
    return checkpoints.digest(weights.take(prefix).values())


def features(network: Network, images: NDArray, folder: Path, name: str) -> NDArray[np.float32]:
    """Return what the backbone makes of images ``(N, S, S, 3)``: ``(N, h, w, K)``, memory-mapped from a file.

    The file lies in ``folder`` and is known by ``name`` (which images) and the backbone's weights: every head and every
    run seed with the same backbone reads the same file, and only the first computes it.
    """
    file = folder / f"{name}-{backbone_digest(network)[:16]}.npy"
    if not file.exists():
        prefix = network.split("dense")[0]
        forward = passes.forward(prefix, batch=_AT_ONCE)
        found = np.empty((len(images), *prefix.output_shape[1:]), np.float32)
        for start in range(0, len(images), _AT_ONCE):
            found[start : start + _AT_ONCE] = forward(images[start : start + _AT_ONCE])
        with files.atomic(file) as temporary:
            np.save(temporary, found, allow_pickle=False)
    return np.asarray(sources.safe_load_npy(file))


def fit(
    network: Network, train: tuple[NDArray, NDArray], stage: training.Stage, file: Path, *, seed: int, splits: Splits
) -> tuple[pd.DataFrame, float]:
    """Train the head of ``network`` by ``model.fit`` and return its history and the seconds of an epoch.

    Categorical cross-entropy on the logits; the order of the images follows from ``seed`` and the epoch, as in
    :func:`rrr_utils.training.train`. The head's weights after the last epoch, the history and the seconds lie in
    ``file``; a head that is there with the same start, data and settings is loaded and not trained again. The backbone
    is not run and not touched.

    Parameters
    ----------
    network
        As :func:`~rrr_utils.analyses.infodisent.attach` returns it. Afterwards it has the trained head.
    train
        Features ``(N, h, w, K)`` of the training images, and their labels ``(N,)``.
    splits
        What is evaluated before the first epoch and after each.

    Returns
    -------
    One row an epoch, from 0, and split: ``epoch``, ``split``, ``loss`` (mean cross-entropy, nats), ``accuracy``; and
    the median of the seconds that an epoch's steps took, without what is evaluated; the first one also compiles.

    Raises
    ------
    FloatingPointError
        If the loss is not finite; the message names the epoch. Nothing is written then.
    """
    head = network.blocks["dense"]
    suffix = network.split("dense")[1]
    settings = {
        "head": list(head),
        "stage": [stage.epochs, stage.optimizer, stage.rate, stage.batch],
        "seed": seed,
        "start": checkpoints.digest(weights.take(suffix).values()),
        "data": {name: checkpoints.digest(arrays) for name, arrays in {"": train, **splits}.items()},
    }
    if file.exists():
        arrays = checkpoints.read(file)
        record = json.loads(str(arrays.pop("record")))
        if record["settings"] == settings:
            weights.put(network.model, arrays, _weighted(network), str(file))
            return pd.DataFrame(record["history"]), record["seconds"]
    suffix.compile(
        training.optimizer(stage),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # XLA is several times slower than TensorFlow's own kernels on a processor.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    watch = _Watch(suffix, splits)
    suffix.fit(
        _Batches(train, stage, seed),
        epochs=stage.epochs,
        steps_per_epoch=-(-len(train[1]) // stage.batch),
        shuffle=False,
        verbose=0,
        callbacks=[watch],
    )
    seconds = float(np.median(watch.seconds))
    record = {"settings": settings, "history": watch.history, "seconds": seconds}
    checkpoints.write(file, weights.take(network.model, _weighted(network)), record)
    return pd.DataFrame(watch.history), seconds


def _weighted(network: Network) -> list[str]:
    return [name for name in network.blocks["dense"] if network.model.get_layer(name).weights]


class _Batches(keras.utils.PyDataset):
    """The batches of all epochs, one after another; batch i follows from i and the seed alone."""

    def __init__(self, train: tuple[NDArray, NDArray], stage: training.Stage, seed: int) -> None:
        super().__init__()
        self.features, self.labels = train
        self.stage, self.seed = stage, seed
        self.steps = -(-len(self.labels) // stage.batch)

    def __len__(self) -> int:
        return self.steps * self.stage.epochs

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        epoch, step = divmod(index, self.steps)
        order = seeds.generator(self.seed, "order", epoch).permutation(len(self.labels))
        places = order[step * self.stage.batch : (step + 1) * self.stage.batch]
        return self.features[places], np.asarray(self.labels[places], np.int64)


class _Watch(keras.callbacks.Callback):
    """Evaluates before the first epoch and after each, and takes the time of the steps between."""

    def __init__(self, suffix: keras.Model, splits: Splits) -> None:
        super().__init__()
        self.forward, self.splits = passes.forward(suffix), splits
        self.history: list[dict[str, Any]] = []
        self.seconds: list[float] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._evaluate(0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        self._evaluate(epoch + 1)

    def _evaluate(self, epoch: int) -> None:
        for split, (inputs, labels) in self.splits.items():
            logits = self.forward(inputs).astype(np.float64)
            loss = float(cross_entropy(logits, labels).mean())
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"The loss on {split} is {loss} after epoch {epoch}: the head has diverged. Use a smaller rate."
                )
            accuracy = float(np.mean(logits.argmax(axis=1) == labels))
            self.history.append({"epoch": epoch, "split": split, "loss": loss, "accuracy": accuracy})
