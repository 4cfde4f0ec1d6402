"""Training with a checkpoint an epoch, resumable to the bit."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common import checksums, files, seeds
from rrr_utils.common.choices import one_of
from rrr_utils.common.logits import cross_entropy
from rrr_utils.common.names import OPTIMIZERS, TRAINED_ON
from rrr_utils.common.registry import member
from rrr_utils.engine import passes, weights
from rrr_utils.networks.network import Network
from rrr_utils.training import checkpoints, frozen_activations
from rrr_utils.training.augmentation import BY_STUDY
from rrr_utils.training.batches import Batches, TrainingData
from rrr_utils.training.checkpoints import restore

__all__ = ["Stage", "TrainingData", "optimizer", "restore", "train"]

_COLUMNS = ["epoch", "split", "loss", "accuracy"]

Progress = Callable[[int, int, str], Any]


@dataclass(frozen=True)
class Stage:
    """How long and how fast: epochs, ``rmsprop`` or ``adam``, its learning rate, images a batch."""

    epochs: int
    optimizer: str
    rate: float
    batch: int = 32

    def __post_init__(self) -> None:
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        if self.epochs < 0 or self.batch < 1 or not 0 < self.rate < math.inf:
            raise ValueError(f"A stage needs epochs >= 0, batch >= 1 and a rate > 0, but {self} was passed.")


def optimizer(stage: Stage) -> keras.optimizers.Optimizer:
    """Return Keras' optimizer of ``stage`` at its rate."""
    kind: type[keras.optimizers.Optimizer] = member("optimizer", stage.optimizer, OPTIMIZERS)
    return kind(learning_rate=stage.rate)


def train(
    network: Network,
    strategy: str,
    data: TrainingData,
    stage: Stage,
    folder: Path | str,
    *,
    trained_on: str,
    seed: int,
    evaluate: Mapping[str, tuple[NDArray, NDArray]],
    study_seed: int = 0,
    augment: str = "none",
    before: int = 0,
    shared: Path | str | None = None,
    budget: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train ``network`` and return its history; afterwards the network has the weights of the last epoch.

    Categorical cross-entropy on the logits, by the layers of ``strategy`` alone. After every
    epoch, and before the first (epoch 0), the trained layers' weights are written to ``folder``. Interrupted at any
    moment and called again with the same arguments, it ends with the same files to the bit as without interruption; a
    finished run is recognised, loaded and not repeated. A folder that holds a run with other arguments, data or start
    weights is emptied and begun anew. The bits are the same for the same seed, number of threads
    (:func:`rrr_utils.engine.start`) and kind of processor.

    Blocks that are frozen before the first trained one run once an image, or with augmentation once an image and epoch,
    and training and evaluation go on from what they give (:mod:`rrr_utils.training.frozen_activations`): the same
    batches in the same order, losses equal to rounding.

    Parameters
    ----------
    network
        With the start weights. If training fails or is interrupted, it gets them back.
    strategy
        One of ``names.STRATEGIES``, or ``head``.
    data
        The training images. Backgrounds are replaced on the way, by ``trained_on``: see :class:`Batches`.
    folder
        Gets ``epoch-00.npz`` and so on, and at the end ``record.json`` with the history. A state with the optimizer's
        part lies there meanwhile.
    seed, study_seed
        The run seed gives the order of the images and the swaps; the study seed the random pixels of ``masked``, and
        with ``authors`` augmentation and swaps: see :class:`Batches`.
    evaluate
        For each split: images (as they are, never with another background) and labels.
    augment
        One of ``names.AUGMENTATIONS``: how training images are changed anew in every epoch. What is evaluated
        never is.
    before
        Epochs of the stages before this one, from whose end augmentation is counted on.
    shared
        Folder for what frozen blocks make of augmented images; all trainings that name it compute these once. It may
        be deleted at any time and changes no bit. Without one, every training computes them for itself.
    budget
        Bytes that the activations of frozen blocks may take, see :func:`rrr_utils.training.frozen_activations.plan`; 0
        keeps none.
    progress
        Called as ``progress(done, total, text)`` after every batch, in batches.

    Returns
    -------
    DataFrame
        One row an epoch, 0 to ``stage.epochs``, and split: ``epoch``, ``split``, ``loss`` (mean cross-entropy, nats)
        and ``accuracy`` (0 to 1), in inference mode.

    Raises
    ------
    ValueError
        If labels do not fit the network, all are of one class, or images have another size.
    FloatingPointError
        If the loss is not finite; the message names the epoch. The checkpoints before it are kept.
    """
    one_of("trained_on", trained_on, TRAINED_ON)
    _check(network, data, evaluate)
    layers = network.set_strategy(strategy)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*-*"):  # what a kill in the middle of a write leaves
        leftover.unlink()
    settings: dict[str, Any] = {
        "network": network.name,
        "strategy": strategy,
        "layers": list(layers),
        "trained_on": trained_on,
        "stage": asdict(stage),
        "seeds": [int(seed), int(study_seed)],
        "data": _data_digest(data, with_masks=trained_on != "original"),
        **({} if augment == "none" else {"augmentation": augment}),
        **({"before": before} if augment in BY_STUDY and before else {}),
        "evaluate": {split: checkpoints.digest(arrays) for split, arrays in evaluate.items()},
    }
    same = frozen_activations.same
    apart = [pictures for pictures, _ in evaluate.values() if not same(pictures, data, trained_on, augment)]
    number = len(data.ids) + sum(map(len, apart))
    plan = frozen_activations.plan(network, layers, trained_on, number, budget, augment)
    if plan.cut is not None:
        settings["kept"] = plan.cut  # other bits than the whole network's, so they are not mixed in one run
    now = checkpoints.weights_digest(network)
    done = _finished(folder, settings, now, stage.epochs)
    if done is not None:
        restore(network, folder, stage.epochs)
        return pd.DataFrame(done, columns=_COLUMNS)

    batches = Batches(
        data,
        trained_on,
        seed=seed,
        study_seed=study_seed,
        batch=stage.batch,
        epochs=stage.epochs,
        folder=folder,
        augment=augment,
        before=before,
    )
    model, streams = network.model, frozen_activations.whole(batches)
    if plan.cut is not None:
        if progress is not None:
            progress(0, stage.epochs * batches.steps, plan.text)
        activations = frozen_activations.Activations(network, plan, folder, Path(shared) if shared else None)
        model, streams, evaluate = activations.stand_in(batches, evaluate, settings["data"])
    run = _Run(network, model, layers, stage, folder, {**settings, "start": now}, evaluate)
    batches.first = run.resume()
    try:
        for end, stream in streams:
            model.fit(
                stream,
                epochs=end,
                initial_epoch=batches.first,
                # A stream of batches holds several epochs: this says where each ends.
                steps_per_epoch=batches.steps,
                shuffle=False,
                verbose=0,
                callbacks=[_Keep(run, batches.steps, stage.epochs, progress)],
            )
            batches.first = end
        run.finish()
    except BaseException:
        restore(network, folder, 0)
        raise
    return pd.DataFrame(run.history, columns=_COLUMNS)


class _Run:
    """The files of one run: what is written after each epoch, and read where it goes on."""

    def __init__(
        self,
        network: Network,
        model: keras.Model,
        layers: tuple[str, ...],
        stage: Stage,
        folder: Path,
        settings: dict[str, Any],
        evaluate: Mapping[str, tuple[NDArray, NDArray]],
    ) -> None:
        # The model that is trained: the network's own, or what follows its frozen blocks, with the same layers.
        self.network, self.model, self.layers, self.folder = network, model, layers, folder
        self.settings, self.evaluate = settings, evaluate
        self.history: list[dict[str, Any]] = []
        model.compile(
            optimizer(stage),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            # XLA is several times slower than TensorFlow's own kernels on a processor.
            jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
        )
        model.optimizer.build(model.trainable_variables)
        # Only adopted models have any: the states of their Dropout and augmentation layers.
        self.random = [variable for variable in model.variables if variable.name == "seed_generator_state"]
        for number, variable in enumerate(self.random):
            variable.assign(np.array([seeds.integer(*settings["seeds"], "dropout", number), 0], np.uint32))
        self.forward = passes.forward(model)

    def resume(self) -> int:
        """Put everything as it was after the last whole epoch and return that epoch; begin at 0 where there is none."""
        file = self.folder / "state.npz"
        state = checkpoints.read_state(file, self.settings)
        if state is not None:
            arrays, record = state
            weights.put(self.network.model, arrays, self.layers, str(file))
            for name, variable in self._hidden().items():
                variable.assign(arrays[name])
            self.history = record["history"]
            return record["epoch"]
        known = (self.folder / name for name in ("record.json", "state.npz", checksums.NAME))
        for old in [*known, *self.folder.glob("epoch-*.npz")]:
            old.unlink(missing_ok=True)
        self.keep(0)
        return 0

    def keep(self, epoch: int) -> None:
        """Evaluate, and write the checkpoint and then the state of ``epoch``."""
        for split, (pictures, labels) in self.evaluate.items():
            loss, accuracy = _evaluate(self.forward(pictures), np.asarray(labels))
            if not math.isfinite(loss):
                raise _diverged(f"The loss on {split} is {loss} after", epoch)
            self.history.append({"epoch": epoch, "split": split, "loss": loss, "accuracy": accuracy})
        arrays = weights.take(self.network.model, self.layers)
        checkpoints.write(checkpoints.path(self.folder, epoch), arrays)
        # One file holds the weights, the optimizer and the record: no two epochs can ever be paired.
        hidden = {name: weights.to_numpy(variable) for name, variable in self._hidden().items()}
        record = {"epoch": epoch, "history": self.history, "settings": self.settings}
        checkpoints.write(self.folder / "state.npz", {**arrays, **hidden}, record)

    def finish(self) -> None:
        """Write the record of a finished run, by which it is known, and then drop the state."""
        end = checkpoints.weights_digest(self.network)
        record = self.folder / "record.json"
        files.write_json(record, {"settings": self.settings, "end": end, "history": self.history})
        checksums.note(record)
        (self.folder / "state.npz").unlink()

    def _hidden(self) -> dict[str, Any]:
        variables = [*self.model.optimizer.variables, *self.random]
        return {f"hidden {number}": variable for number, variable in enumerate(variables)}


class _Keep(keras.callbacks.Callback):
    """Tells the run of every epoch's end and the caller of every batch, and stops at a loss that is not finite."""

    def __init__(self, run: _Run, steps: int, epochs: int, progress: Progress | None) -> None:
        super().__init__()
        self.run, self.steps, self.epochs, self.progress = run, steps, epochs, progress
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            raise _diverged(f"The training loss became {loss} in", self.epoch + 1)
        if self.progress is not None:
            text = f"epoch {self.epoch + 1} of {self.epochs}, loss {loss:.3f}"
            self.progress(self.epoch * self.steps + batch + 1, self.epochs * self.steps, text)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.run.keep(epoch + 1)


def _check(network: Network, data: TrainingData, evaluate: Mapping[str, tuple[NDArray, NDArray]]) -> None:
    for name, pictures, labels in [
        ("training", data.images, data.labels),
        *((split, *arrays) for split, arrays in evaluate.items()),
    ]:
        if pictures.shape[1:] != (network.size, network.size, 3) or len(pictures) != len(labels) or not len(labels):
            raise ValueError(
                f"{network.name} takes images of shape (N, {network.size}, {network.size}, 3) and N labels, at least "
                f"one, but the {name} images have {pictures.shape} and there are {len(labels)} labels."
            )
        if np.min(labels) < 0 or np.max(labels) >= network.classes:
            raise ValueError(
                f"{network.name} has {network.classes} classes, so labels are 0 to {network.classes - 1}, but those of "
                f"the {name} images go from {np.min(labels)} to {np.max(labels)}."
            )
    if len(np.unique(data.labels)) < 2:
        raise ValueError(
            f"All {len(data.labels)} training images are of class {data.labels[0]}: there is nothing to learn. Pass "
            f"images of two classes at least."
        )


def _evaluate(logits: NDArray[np.float32], labels: NDArray) -> tuple[float, float]:
    """Return the mean cross-entropy, in float64, and the accuracy."""
    return float(cross_entropy(logits, labels).mean()), float(np.mean(logits.argmax(axis=1) == labels))


def _diverged(what: str, epoch: int) -> FloatingPointError:
    return FloatingPointError(
        f"{what} epoch {epoch}: training has diverged. Use a smaller rate, or look for images that are constant or "
        f"labels that contradict each other. The checkpoints of the epochs before are kept."
    )


def _data_digest(data: TrainingData, with_masks: bool) -> str:
    arrays = [data.images, data.labels, np.array(data.ids)]
    return checkpoints.digest([*arrays, data.masks] if with_masks else arrays)


def _finished(folder: Path, settings: dict[str, Any], now: str, epochs: int) -> list[dict[str, Any]] | None:
    """Return the history if ``folder`` holds this run, whole: begun with these weights, or with them as its result."""
    file = folder / "record.json"
    if not all(map(checksums.holds, [file, *(checkpoints.path(folder, epoch) for epoch in range(epochs + 1))])):
        return None
    record = files.read_json(file)
    begun = record["settings"].pop("start")
    if record["settings"] != settings or now not in (begun, record["end"]):
        return None
    (folder / "state.npz").unlink(missing_ok=True)  # a kill between the two last steps leaves it
    return record["history"]
