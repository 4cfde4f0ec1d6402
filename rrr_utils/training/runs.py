"""One run of a study: a network trained one way on a data set, its folder, and its weights at any epoch."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common import files, memory_limits, paths
from rrr_utils.engine import weights
from rrr_utils.masks import prepared
from rrr_utils.networks import network as networks
from rrr_utils.networks.stack import Stack
from rrr_utils.training import checkpoints, fit

# What a run's folder says of it; the rest is said by where the folder lies.
ABOUT = "run.json"
_PLACE = ("study", "data", "network", "strategy", "trained_on")


@dataclass(frozen=True)
class Run:
    """A network entry trained by one strategy on one kind of images, for every seed.

    ``strategy`` is one of the four, or ``head`` for stage 1. ``head_epochs`` is the length of stage 1, from whose last
    epoch the strategies start; 0 for a network that has no stage 1. ``units``: see
    :func:`rrr_utils.networks.build`. ``stage`` and ``augmentation`` say how it is trained; ``study_seed`` fixes what is
    the same for all runs of the study: split, scored images, perturbations, backgrounds drawn once.
    """

    study: str
    data: str
    network: str
    strategy: str
    trained_on: str
    architecture: str
    size: int
    alpha: float = 1.0
    weights: str | None = None
    head_epochs: int = 0
    units: int | None = None
    stage: fit.Stage | None = None
    augmentation: str = "none"
    study_seed: int = 0

    @classmethod
    def open(cls, study: str, data: str, network: str, strategy: str, trained_on: str) -> "Run":
        """Return the run that was trained in this place, as its training described it there.

        Raises ``FileNotFoundError`` that says which notebook to run if it was not trained, and ``ValueError`` if its
        description is damaged.
        """
        file = cls(study, data, network, strategy, trained_on, "", 0).folder / ABOUT
        if not file.exists():
            raise FileNotFoundError(
                f"There is no {file}: this run was not trained. Run notebooks/02-fine-tuning.ipynb with the same "
                "study, data, network, strategy and trained_on first."
            )
        try:
            told: dict[str, Any] = files.read_json(file)
            stage = fit.Stage(**{each.name: told.pop(each.name) for each in dataclasses.fields(fit.Stage)})
            return cls(study, data, network, strategy, trained_on, stage=stage, **told)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{file} must describe a run as notebooks/02-fine-tuning.ipynb does, but it is damaged ({error}). "
                "Delete it and run that notebook again."
            ) from error

    def describe(self) -> None:
        """Write what :meth:`open` reads into the run's folder: how it is trained, in the notebook's parameters."""
        told = dataclasses.asdict(self)
        told |= told.pop("stage")
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write_json(self.folder / ABOUT, {name: value for name, value in told.items() if name not in _PLACE})

    @property
    def folder(self) -> Path:
        """The folder ``<runs>/<study>/<data>/<network>/<strategy>/<trained on>``."""
        return paths.runs() / self.study / self.data / self.network / self.strategy / self.trained_on

    def checkpoints(self, seed: int) -> Path:
        """The folder of one seed's weights and training state."""
        return self.folder / f"seed-{seed}" / "training"

    def pieces(self, seed: int, kind: str) -> Path:
        """The folder of the finished pieces of one seed's scoring, for example ``scores``."""
        return self.folder / f"seed-{seed}" / "scoring" / kind

    def piece(self, seed: int, name: str) -> Path:
        """The file of a finished piece; its name begins with its kind and a hyphen."""
        return self.pieces(seed, name.partition("-")[0]) / f"{name}.parquet"

    def stage1(self) -> "Run":
        """Return the run of stage 1, from whose last epoch this one starts."""
        return replace(self, strategy="head", head_epochs=0)

    def images(self) -> prepared.Prepared:
        """Return the data set's usable images at the network's size."""
        return prepared.load(paths.runs() / self.study / self.data, self.size)

    def start(self, seed: int) -> networks.Network:
        """Return the network as it is before this run's training, with exactly the strategy's layers trainable.

        Raises ``FileNotFoundError`` with the remedy if the strategy starts from a stage 1 that was not run.
        """
        about = prepared.about(paths.runs() / self.study / self.data)
        network = networks.build(
            self.architecture,
            classes=len(about["classes"]),
            size=self.size,
            alpha=self.alpha,
            units=self.units,
            weights=self.weights
            if self.weights in (None, "imagenet")
            else str(paths.given(self.weights, paths.data_dir())),
            seed=seed,
        )
        if self.head_epochs and self.strategy != "head":
            checkpoints.restore(network, self.stage1().checkpoints(seed), self.head_epochs)
        network.set_strategy("dense" if self.strategy == "head" else self.strategy)
        return network

    def at(self, seed: int, epoch: int) -> networks.Network:
        """Return the network with its weights after ``epoch`` epochs of this run's training."""
        network = self.start(seed)
        checkpoints.restore(network, self.checkpoints(seed), epoch)
        return network

    def stack(self, seed: int, epoch: int) -> Stack:
        """Return the one checkpoint after ``epoch`` epochs as a stack, which runs on the fastest engine."""
        ((_, stack),) = self.stacks([seed], [epoch])
        return stack

    def stacks(
        self, seeds: Sequence[int], epochs: Sequence[int], first: int | None = None
    ) -> Iterator[tuple[list[tuple[int, int]], Stack]]:
        """Yield stacks of the checkpoints of all seeds and epochs, each with the (seed, epoch) of its checkpoints.

        As few as hold the weights in what ``RRR_STACK_GB`` allows, see :mod:`rrr_utils.common.memory_limits`: all seeds
        share the blocks that training left as they were. With ``first`` that epoch of a seed stands before the others
        of the seed in every stack that holds any of them.
        """
        held = memory_limits.nbytes("RRR_STACK_GB")
        members: list[tuple[int, int]] = []
        stack = None
        for seed in seeds:
            network = self.start(seed)
            for epoch in epochs:
                if stack is None:
                    stack = Stack(network)
                if first is not None and (seed, first) not in members and epoch != first:
                    checkpoints.restore(network, self.checkpoints(seed), first)
                    stack.add(weights.take(network.model), starts=True)
                    members.append((seed, first))
                checkpoints.restore(network, self.checkpoints(seed), epoch)
                stack.add(weights.take(network.model), starts=epoch == first)
                members.append((seed, epoch))
                if stack.nbytes > held:
                    yield members, stack
                    members, stack = [], None
        if stack is not None:
            yield members, stack

    def label(self, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Return ``rows`` with the columns that every table has: study, data, network, strategy, trained_on, seed."""
        return rows.assign(
            study=self.study,
            data=self.data,
            network=self.network,
            strategy=self.strategy,
            trained_on=self.trained_on,
            seed=seed,
        )


def training_data(data: prepared.Prepared) -> fit.TrainingData:
    """Return the training part of a data set, as :func:`training.train` takes it."""
    places = data.where("train")
    ids = [data.ids[place] for place in places]
    return fit.TrainingData(data.images[places], data.masks[places], data.labels[places], ids)


def evaluation(data: prepared.Prepared) -> dict[str, tuple[NDArray, NDArray]]:
    """Return images and labels of each part of a data set, to be evaluated after every epoch."""
    return {part: (data.images[data.where(part)], data.labels[data.where(part)]) for part in ("train", "test")}


def trained_blocks(network: networks.Network) -> pd.DataFrame:
    """Return one row a block: its layers with weights, its weights, and how many of these are trained."""
    rows = []
    for block, names in network.blocks.items():
        layers = [layer for layer in map(network.model.get_layer, names) if layer.weights]
        rows.append(
            {
                "block": block,
                "layers": len(layers),
                "weights": sum(_count(layer.weights) for layer in layers),
                "trained": sum(_count(layer.trainable_weights) for layer in layers),
            }
        )
    return pd.DataFrame(rows).set_index("block")


def _count(variables: Sequence[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
