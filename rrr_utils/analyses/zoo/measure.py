"""A slice of the zoo: the models of one data set and network, trained, measured, and one of them made again."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils import metric
from rrr_utils.analyses.remedies import catalogue, fit
from rrr_utils.analyses.zoo import rival_scores, robustness
from rrr_utils.analyses.zoo.confounded_data import World, world
from rrr_utils.analyses.zoo.crowds import Crowd
from rrr_utils.common import checksums, progress
from rrr_utils.common.names import MEASURES, TRAINED_ON
from rrr_utils.common.seeds import integer
from rrr_utils.datasets import splits
from rrr_utils.engine import weights
from rrr_utils.explainers import LIME, Explainer, explain
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.network import Network
from rrr_utils.scoring import partial_results
from rrr_utils.tables import parquet
from rrr_utils.training import checkpoints
from rrr_utils.training import fit as training
from rrr_utils.training.runs import Run, training_data

TABLES = ("zoo_models", "zoo_maps")
RANDOMISED = "randomised"
# A network that knows nothing is asked about fewer images, and not by the explainer that asks the most passes.
_RANDOMISED_IMAGES, _NOT_RANDOMISED = 8, ("lime",)


class Member(NamedTuple):
    """One training of a slice: on which kind of images, how many of them (0: all), and its seed."""

    trained_on: str
    images: int
    seed: int

    @property
    def name(self) -> str:
        """The part of a model's name that tells the trainings of a group apart."""
        return f"{self.trained_on}-{self.images or 'all'}-seed{self.seed}"


@dataclass(frozen=True)
class Slice:
    """What is varied in one slice of the zoo, and how its models are measured.

    Attributes
    ----------
    run
        A run of the same data set, network and strategy; its start is that of every model.
    source, options
        Those of the data set, whose backgrounds are tied anew.
    stage
        How every model is trained.
    checkpoints
        After which epochs a model is measured.
    images
        So many test images are scored, a balanced draw.
    """

    run: Run
    source: str
    options: Mapping[str, Any]
    stage: training.Stage
    ties: Sequence[float]
    kinds: Sequence[str]
    training_images: Sequence[int]
    seeds: Sequence[int]
    checkpoints: Sequence[int]
    images: int
    steps: int
    study_seed: int

    def members(self) -> tuple[Member, ...]:
        """Return the trainings of each tie."""
        return tuple(
            Member(kind, images, seed)
            for kind in self.kinds
            for images in (self.training_images or (0,))
            for seed in self.seeds
        )

    def group(self, tie: float) -> str:
        """Return the name of the group of models that were trained and tested on the same data by the same network."""
        return f"{self.run.data}-p{round(100 * tie):03d}/{self.run.network}-{self.run.strategy}"

    def model(self, tie: float, member: Member, epoch: int) -> str:
        """Return a model's name."""
        return f"{self.group(tie)}/{member.name}/epoch-{epoch:02d}"


def measure_slice(
    slice_: Slice, data: Prepared, asked: Sequence[Explainer], folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and measure all models of a slice: rows of the tables ``zoo_models`` and ``zoo_maps``.

    Finished trainings, and finished groups of models, are kept under ``folder``, so that an interrupted slice goes on
    where it was. The weights of a group are deleted once it is measured.
    """
    partial_results.keep(folder, slice_.run, (), slice=slice_, explainers=asked)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for tie in progress.track(slice_.ties, f"zoo of {data.name}"):
        place = folder / f"tie-{round(100 * tie):03d}"
        files = {name: folder / f"tie-{round(100 * tie):03d}-{name}.parquet" for name in TABLES}
        if not all(file.exists() for file in files.values()):
            tied = world(data, slice_.source, slice_.options, tie, slice_.study_seed)
            states = trained(slice_, tied, slice_.members(), place)
            for name, rows in zip(TABLES, measure(slice_, tied, states, asked), strict=True):
                partial_results.write(rows, files[name], name)
        shutil.rmtree(place, ignore_errors=True)
        for name in TABLES:
            parts[name].append(parquet.read(files[name], name))
    models, maps = (pd.concat(parts[name], ignore_index=True) for name in TABLES)
    return models, maps


States = Mapping[tuple[Member, int], Mapping[str, NDArray]]


def trained(
    slice_: Slice, tied: World, members: Sequence[Member], folder: Path, epochs: Sequence[int] | None = None
) -> States:
    """Return the weights of each of ``members`` after each of ``epochs`` (default: the slice's checkpoints).

    What is finished is kept under ``folder`` and read from there.
    """
    wanted = tuple(epochs or slice_.checkpoints)
    states: dict[tuple[Member, int], Mapping[str, NDArray]] = {}
    everything = training_data(tied.data)
    for member in progress.track(members, "trainings"):
        place, network = folder / member.name, slice_.run.start(member.seed)
        if not all(checksums.holds(checkpoints.path(place, epoch)) for epoch in wanted):
            running = folder / f".{member.name}"
            some = _some(everything, member.images, slice_.study_seed)
            _train(slice_, network, some, member, running)
            for epoch in wanted:
                checkpoints.write(checkpoints.path(place, epoch), checkpoints.read(checkpoints.path(running, epoch)))
            shutil.rmtree(running)
        for epoch in wanted:
            checkpoints.restore(network, place, epoch)
            states[member, epoch] = weights.take(network.model)
    return states


def _train(slice_: Slice, network: Network, data: training.TrainingData, member: Member, folder: Path) -> None:
    """Train one member, and leave a checkpoint of every epoch in ``folder``.

    A remedy's penalty weighs as much as the cross-entropy at the start.
    """
    own: dict[str, Any] = {"seed": member.seed, "study_seed": slice_.study_seed, "evaluate": {}}
    start = (network, slice_.run.strategy, data, slice_.stage)
    if member.trained_on in TRAINED_ON:
        training.train(*start, folder, trained_on=member.trained_on, **own)
        return

    layers = network.set_strategy(slice_.run.strategy)

    def keep(epoch: int) -> None:
        checkpoints.write(checkpoints.path(folder, epoch), weights.take(network.model, layers))

    fit.fit(*start, catalogue.remedy(member.trained_on), folder, keep=keep, **own)


def measure(
    slice_: Slice, tied: World, states: States, asked: Sequence[Explainer]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both tables for the models of one tie, whose weights are ``states``.

    The explained class is the label, for wrong answers too. The same images, changes, perturbations and order of equal
    pixels for every model.
    """
    stack, drawn = Crowd(slice_.run.start(slice_.seeds[0])), Crowd(_fresh(slice_.run))
    names = [slice_.model(tied.tie, member, epoch) for member, epoch in states]
    for name, state in zip(names, states.values(), strict=True):
        stack.add(state)
        drawn.add(_random_weights(drawn.network, integer(slice_.study_seed, RANDOMISED, name)))
    models = _models(slice_, tied, states, stack)
    data = tied.data
    places = data.cohort("test", slice_.images, slice_.study_seed)
    pictures, masks, labels = data.images[places], np.asarray(data.masks[places]), data.labels[places]
    ids = [data.ids[place] for place in places]
    correct = stack(pictures).argmax(axis=2) == labels
    shared = [
        {"model": name, "image": ids, "correct": right, "chance": metric.chance(masks)}
        for name, right in zip(names, correct, strict=True)
    ]
    parts = []
    for each, (maps, signed) in zip(asked, _maps(asked, stack, pictures, labels, ids), strict=True):
        found = [
            _measures(maps[place], signed[place], masks)
            | _curves(stack, place, pictures, labels, maps[place], ids, slice_)
            for place in range(len(names))
        ]
        parts += [pd.DataFrame({**row, "explainer": each.name, "variant": "", **of}) for row, of in zip(shared, found)]
    others = [each for each in asked if each.name not in _NOT_RANDOMISED]
    missing = dict.fromkeys(MEASURES, float("nan"))
    few = np.isin(places, data.cohort("test", min(_RANDOMISED_IMAGES, slice_.images), slice_.study_seed))
    asked_few = pictures[few], labels[few], [name for name, chosen in zip(ids, few, strict=True) if chosen]
    for each, maps in zip(others, explain(others, drawn, *asked_few), strict=True):
        for place, row in enumerate(shared):
            same = pd.DataFrame({**row, "explainer": each.name, "variant": RANDOMISED, **missing})[few]
            parts.append(same.assign(score=metric.score(masks[few], maps[place])))
    return models, pd.concat(parts, ignore_index=True)[parquet.SCHEMAS["zoo_maps"].names]


def _measures(maps: NDArray, signed: NDArray, masks: NDArray) -> dict[str, NDArray[np.float64]]:
    return {
        "score": metric.score(masks, maps),
        "signed": rival_scores.signed_score(masks, signed),
        **{name: rival(masks, maps) for name, rival in rival_scores.RIVALS.items()},
        "box": metric.score(rival_scores.boxes(masks), maps),
    }


def _curves(
    stack: Crowd, place: int, pictures: NDArray, labels: NDArray, maps: NDArray, ids: Sequence[str], slice_: Slice
) -> dict[str, NDArray[np.float64]]:
    def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return stack(images, [place])[0]

    areas = rival_scores.insertion_deletion(
        predict, pictures, labels, maps, stack.network.neutral, ids, steps=slice_.steps, seed=slice_.study_seed
    )
    return dict(zip(("insertion", "deletion"), areas, strict=True))


def _models(slice_: Slice, tied: World, states: States, stack: Crowd) -> pd.DataFrame:
    right = robustness.accuracies(stack, tied, slice_.study_seed)
    places = tied.data.where("test")
    labels = tied.data.labels[places]
    logits = stack(tied.data.images[places]).astype(np.float64)
    logs = logits - logits.max(axis=2, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=2, keepdims=True))
    probabilities = np.exp(logs)
    rows = []
    for place, ((member, epoch), state) in enumerate(states.items()):
        row: dict[str, Any] = {
            "trained_on": member.trained_on,
            "seed": member.seed,
            "tie": float(tied.tie),
            "training_images": min(member.images or len(tied.data.where("train")), len(tied.data.where("train"))),
            "epoch": epoch,
            "group": slice_.group(tied.tie),
            "training": f"{slice_.group(tied.tie)}/{member.name}",
            "model": slice_.model(tied.tie, member, epoch),
            "seen": " ".join(robustness.TRAINED[member.trained_on]),
            "known_tie": robustness.known_tie(member.trained_on, tied.tie, len(tied.data.classes)),
            "classes": len(tied.data.classes),
            "n": len(places),
            **{f"accuracy_{variant}": float(values[place]) for variant, values in right.items()},
            "mean_probability": float(probabilities[place].max(axis=1).mean()),
            "entropy": float(-(probabilities[place] * logs[place]).sum(axis=1).mean()),
            "loss": float(-logs[place][np.arange(len(labels)), labels].mean()),
            "weights": checkpoints.digest(state.values())[:16],
        }
        rows.append(slice_.run.label(pd.DataFrame([row]), member.seed).assign(trained_on=member.trained_on))
    return pd.concat(rows, ignore_index=True)[parquet.SCHEMAS["zoo_models"].names]


def _maps(
    asked: Sequence[Explainer], stack: Crowd, pictures: NDArray, labels: NDArray, ids: Sequence[str]
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield for each explainer its maps and its signed maps, both ``(models, n, H, W)``."""
    plain = iter(explain([each for each in asked if not isinstance(each, LIME)], stack, pictures, labels, ids))
    for each in asked:
        signed = each.of_each(stack, pictures, labels, ids, signed=True)
        if isinstance(each, LIME):
            # LIME's maps are the positive part of its signed ones: its many passes are needed once.
            positive = np.maximum(signed, 0.0)
            largest = positive.max(axis=(2, 3), keepdims=True)
            yield positive / np.where(largest > 0, largest, 1.0), signed
        else:
            yield next(plain), signed


def _some(data: training.TrainingData, count: int, seed: int) -> training.TrainingData:
    """Return ``count`` training images (0: all), balanced by class; fewer are a part of more."""
    if not count or count >= len(data.ids):
        return data
    places = splits.balanced(data.ids, data.labels, count, seed, "zoo")
    ids = [data.ids[place] for place in places]
    return training.TrainingData(data.images[places], data.masks[places], np.asarray(data.labels)[places], ids)


def _fresh(run: Run) -> Any:
    """Return a network of the run's kind that was never trained nor loaded."""
    return replace(run, weights=None, head_epochs=0).start(0)


def _random_weights(network: Any, seed: int) -> Mapping[str, NDArray]:
    weights.draw(network.model, seed)
    return weights.take(network.model)
