"""One model trained with one remedy by `fit`: its history, and what it cost."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from rrr_utils.analyses.remedies.base import Guided, calibrate
from rrr_utils.analyses.remedies.batches import GuidedBatches
from rrr_utils.analyses.remedies.catalogue import Remedy
from rrr_utils.analyses.remedies.counterexamples import Corrections, Counterexamples
from rrr_utils.engine import passes
from rrr_utils.networks.network import Network
from rrr_utils.training.batches import Batches, TrainingData
from rrr_utils.training.fit import Stage, optimizer

# Batches on which both terms of a loss are made alike.
FIRST = 4


@dataclass(frozen=True)
class Fitted:
    """What a training left beside the network's weights.

    ``history`` as ``training.train`` returns it; ``strength`` of the penalty, NaN without one; seconds of the processor
    for the ``first`` epoch and, in the mean, for one of the others.
    """

    history: pd.DataFrame
    strength: float
    first: float
    epoch: float


def fit(
    network: Network,
    strategy: str,
    data: TrainingData,
    stage: Stage,
    remedy: Remedy,
    folder: Path | str,
    *,
    seed: int,
    study_seed: int = 0,
    evaluate: Mapping[str, tuple[NDArray, NDArray]],
    factor: float = 1.0,
    keep: Callable[[int], None] | None = None,
) -> Fitted:
    """Train ``network`` with ``remedy``; afterwards it has the weights of the last epoch.

    The order of the images, the backgrounds and the start are those of :func:`rrr_utils.training.train` for the
    same seeds; the whole network runs at every step, also where blocks are frozen, so that seconds compare.

    Parameters
    ----------
    folder
        Where filled backgrounds lie meanwhile, in an unnamed file.
    evaluate
        For each split images and labels; they are evaluated before the first epoch and after every one.
    factor
        How large the penalty is beside the cross-entropy at the start, where the remedy leaves that open.
    keep
        Called with its number after every epoch, when the network has the epoch's weights; not timed.

    Raises
    ------
    ValueError
        If the penalty is nothing at the start, so that no strength follows from the factor.
    FloatingPointError
        If the loss is not finite; the message names the epoch.
    """
    network.set_strategy(strategy)
    Path(folder).mkdir(parents=True, exist_ok=True)
    own: dict[str, Any] = {"seed": seed, "study_seed": study_seed, "batch": stage.batch, "folder": Path(folder)}
    batches = Batches(data, remedy.trained_on, augment=remedy.augment, epochs=stage.epochs, **own)
    needs = remedy.guided.needs
    others = Batches(data, "swapped", epochs=stage.epochs, **own) if "other" in needs else None
    stream = GuidedBatches(batches, needs, others)
    model = guide(network, remedy, len(data.ids))
    if remedy.strength is None:
        model.strength = calibrate(model, (stream[index] for index in range(min(FIRST, batches.steps))), factor)
    model.compile(optimizer(stage), jit_compile=False)
    clock = _Clock(network, evaluate, keep)
    callbacks: list[keras.callbacks.Callback] = [clock]
    if isinstance(model, Counterexamples):
        # Before the clock: looking at explanations is a part of what the remedy costs.
        callbacks.insert(0, Corrections(data.images, data.masks, data.labels))
    options: dict[str, Any] = {"steps_per_epoch": batches.steps, "shuffle": False, "verbose": 0}
    model.fit(stream, epochs=stage.epochs, callbacks=callbacks, **options)
    history = pd.DataFrame(clock.history, columns=["epoch", "split", "loss", "accuracy"])
    later = clock.seconds[1:] or clock.seconds
    return Fitted(history, model.strength if model.penalised else float("nan"), clock.seconds[0], float(np.mean(later)))


def guide(network: Network, remedy: Remedy, images: int) -> Guided:
    """Return the model whose ``fit`` trains ``network`` with ``remedy`` on so many images."""
    if issubclass(remedy.guided, Counterexamples):
        return remedy.guided(network, images)
    return remedy.guided(network, 1.0 if remedy.strength is None else remedy.strength)


def evaluated(forward: passes.Pass, splits: Mapping[str, tuple[NDArray, NDArray]], epoch: int) -> list[dict[str, Any]]:
    """Return a row of the history for each split: mean cross-entropy in nats, and accuracy."""
    rows = []
    for split, (pictures, labels) in splits.items():
        logits = forward(pictures).astype(np.float64)
        losses = special.logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
        right = float(np.mean(logits.argmax(axis=1) == labels))
        rows.append({"epoch": epoch, "split": split, "loss": float(losses.mean()), "accuracy": right})
    return rows


class _Clock(keras.callbacks.Callback):
    """Evaluates before the first epoch and after every one, and times what lies between.

    The processor's time, of all threads: on a busy machine it is what the training itself took.
    """

    def __init__(
        self,
        network: Network,
        evaluate: Mapping[str, tuple[NDArray, NDArray]],
        keep: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.evaluate, self._keep = network, evaluate, keep
        self.history: list[dict[str, Any]] = []
        self.seconds: list[float] = []
        self._forward: Any = None
        self._start = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._forward = passes.forward(self.network.model)
        self._look(0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.process_time()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not math.isfinite((logs or {})["loss"]):
            raise FloatingPointError(
                f"The training loss is not finite in epoch {len(self.seconds) + 1}: training has diverged. Use a "
                "smaller rate or a weaker penalty."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds.append(time.process_time() - self._start)
        self._look(epoch + 1)
        if self._keep is not None:
            self._keep(epoch + 1)

    def _look(self, epoch: int) -> None:
        self.history += evaluated(self._forward, self.evaluate, epoch)
