"""Remedies on equal terms: trained on the same images from the same starts, for every seed, and scored alike."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils import metric
from rrr_utils.analyses.remedies.catalogue import remedy
from rrr_utils.analyses.remedies.fit import evaluated, fit
from rrr_utils.analyses.remedies.flat_ensemble import joined
from rrr_utils.common import checksums, files, progress, seeds
from rrr_utils.datasets import images
from rrr_utils.datasets import splits as draws
from rrr_utils.engine import passes, weights
from rrr_utils.explainers import Explainer, GradCAM
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks import network as networks
from rrr_utils.scoring import partial_results
from rrr_utils.scoring import scores as scoring
from rrr_utils.scoring.shift import shift_run
from rrr_utils.tables import parquet
from rrr_utils.training import checkpoints
from rrr_utils.training.fit import Stage, TrainingData
from rrr_utils.training.runs import Run, evaluation, training_data

# The share of the training images that is held out where a strength is chosen, and how much accuracy on these a
# stronger penalty may cost.
HELD_OUT, ALLOWED = 0.15, 0.02

__all__ = ["ALLOWED", "HELD_OUT", "RemedyRun", "choose", "compare", "score", "sweep"]


@dataclass(frozen=True)
class RemedyRun(Run):
    """A run of a study, trained with a remedy instead, in the hidden folder ``.trained/<remedy>`` of the comparison.

    Its rows have the remedy's name under ``trained_on``. An ensemble's network is one of several side by side.
    """

    remedy: str = "plain"

    @property
    def folder(self) -> Path:
        """The folder of the remedy's models and scores."""
        return super().folder / "remedies" / ".trained" / self.remedy

    def stage1(self) -> Run:
        """Return the study's own run of stage 1, from whose last epoch every remedy starts."""
        return self.own().stage1()

    def own(self) -> Run:
        """Return the study's own run, which this one repeats with a remedy."""
        return Run(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Run)})

    def start(self, seed: int) -> networks.Network:
        """Return the network before training, see :meth:`Run.start`; of an ensemble, its members side by side."""
        members = remedy(self.remedy).members
        return super().start(seed) if members == 1 else joined([self.member(seed, each) for each in range(members)])

    def member(self, seed: int, number: int) -> networks.Network:
        """Return the start of a member of an ensemble: another one for each, but the same where there is a stage 1."""
        return super().start(seed if self.head_epochs else member_seed(seed, number))

    def label(self, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Return ``rows`` with the columns that every table has, the remedy under ``trained_on``."""
        return super().label(rows, seed).assign(trained_on=self.remedy)


def remedy_run(run: Run, name: str) -> RemedyRun:
    """Return ``run`` with the remedy called ``name``."""
    return RemedyRun(**{field.name: getattr(run, field.name) for field in dataclasses.fields(Run)}, remedy=name)


def member_seed(seed: int, number: int) -> int:
    """Return the run seed of an ensemble's member; the first is trained like the plain network of that seed."""
    return seed if number == 0 else seeds.integer(seed, "member", number)


def compare(
    run: Run,
    data: Prepared,
    stage: Stage,
    names: Sequence[str],
    asked: Sequence[int],
    *,
    study_seed: int,
    factors: Sequence[float],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train every remedy for every seed: rows of the tables ``history``, ``fits`` and ``sweeps``.

    Finished models are kept, so that an interrupted comparison goes on with the next one. Where a remedy leaves the
    strength of its penalty open, it is chosen among ``factors``, see :func:`sweep`, for all seeds alike; the models
    that are compared are then trained on all training images. A single factor is taken as it is.
    """
    chosen, sweeps = {}, []
    for name in names:
        if remedy(name).strength is None and len(factors) == 1:
            chosen[name] = float(factors[0])
        elif remedy(name).strength is None:
            found = sweep(remedy_run(run, name), data, stage, asked, study_seed=study_seed, factors=factors)
            chosen[name] = float(found.loc[found["chosen"], "factor"].iloc[0])
            sweeps.append(found)
    histories, fits = [], []
    models = [(name, seed) for seed in asked for name in names]
    for name, seed in progress.track(models, f"remedies of {run.network}"):
        own = remedy_run(run, name)
        factor = chosen.get(name, float("nan"))
        record = _trained(own, training_data(data), evaluation(data), stage, seed, study_seed, factor)
        history = pd.DataFrame(record["history"], columns=["epoch", "split", "loss", "accuracy"])
        histories.append(own.label(history, seed))
        fits.append(own.label(pd.DataFrame([record["fit"]]), seed)[parquet.SCHEMAS["fits"].names])
    empty = pd.DataFrame(columns=parquet.SCHEMAS["sweeps"].names)
    together = pd.concat(sweeps, ignore_index=True) if sweeps else empty
    return pd.concat(histories, ignore_index=True), pd.concat(fits, ignore_index=True), together


def score(
    run: Run,
    data: Prepared,
    names: Sequence[str],
    asked: Sequence[int],
    epoch: int,
    explainers: Sequence[Explainer],
    *,
    splits: Sequence[str],
    n: int,
    backgrounds: Sequence[str],
    study_seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every model that :func:`compare` left: rows of the tables ``scores`` and ``shift``, at the last epoch."""
    scores, shifts = [], []
    for name in names:
        own = remedy_run(run, name)
        options: dict[str, Any] = {"splits": splits, "n": n, "study_seed": study_seed}
        # An ensemble has no place where one cut parts what its members share: its seeds are asked one by one.
        together = [[seed] for seed in asked] if remedy(name).members > 1 else [asked]
        scores += [scoring.score_run(own, data, explainers, each, [epoch], **options) for each in together]
        shifts += [shift_run(own, data, each, [epoch], backgrounds, study_seed=study_seed) for each in together]
    return pd.concat(scores, ignore_index=True), pd.concat(shifts, ignore_index=True)


def sweep(
    run: RemedyRun, data: Prepared, stage: Stage, asked: Sequence[int], *, study_seed: int, factors: Sequence[float]
) -> pd.DataFrame:
    """Train with every factor and seed on most of the training images and look at the rest: rows of ``sweeps``.

    ``HELD_OUT`` of the training images are held out, stratified by class, by the study seed; test images are not looked
    at. What :func:`choose` takes is ``chosen``.
    """
    whole = training_data(data)
    parts = draws.split(whole.ids, whole.labels, HELD_OUT, seeds.integer(study_seed, "held out"))
    fitted, held = _part(whole, parts == "train"), _part(whole, parts == "test")
    rows = []
    partial_results.keep(run.folder / "sweep", run.own(), (), remedy=run.remedy, stage=stage, study_seed=study_seed)
    models = [(factor, seed) for factor in sorted(factors) for seed in asked]
    for factor, seed in progress.track(models, f"strengths of {run.remedy}"):
        file = run.folder / "sweep" / f"factor-{factor:g}-seed-{seed}.json"
        if not file.exists():
            network = run.start(seed)
            options: dict[str, Any] = {"seed": seed, "study_seed": study_seed, "evaluate": {}, "factor": factor}
            found = fit(network, run.strategy, fitted, stage, remedy(run.remedy), file.parent, **options)
            seen = _look(network, held, study_seed)
            files.write_json(file, {"factor": factor, "strength": found.strength, **seen})
            checksums.note(file)
        rows.append(run.label(pd.DataFrame([files.read_json(file)]), seed))
    table = pd.concat(rows, ignore_index=True)
    return table.assign(chosen=table["factor"] == choose(table))


def choose(table: pd.DataFrame) -> float:
    """Return the largest ``factor`` whose ``accuracy``, in the mean over seeds, is at most ``ALLOWED`` below the best.

    The strongest penalty that costs no accuracy on held-out images as they are. What the penalty is for, accuracy on
    changed backgrounds and the score, has no say.
    """
    accuracy = table.groupby("factor")["accuracy"].mean()
    return float(accuracy.index[accuracy >= accuracy.max() - ALLOWED - 1e-9].max())


def _trained(
    run: RemedyRun,
    data: TrainingData,
    splits: dict[str, tuple[NDArray, NDArray]],
    stage: Stage,
    seed: int,
    study_seed: int,
    factor: float,
) -> dict[str, Any]:
    """Return the record of a model, trained unless it is there; its weights lie beside it."""
    folder = run.checkpoints(seed)
    file = folder / "fit.json"
    partial_results.keep(folder, run.own(), (), remedy=run.remedy, stage=stage, study_seed=study_seed, factor=factor)
    if file.exists() and checkpoints.path(folder, stage.epochs).exists():
        record: dict[str, Any] = files.read_json(file)
        return record
    kind, members, found = remedy(run.remedy), [], []
    for number in range(kind.members):
        network = run.start(seed) if kind.members == 1 else run.member(seed, number)
        options: dict[str, Any] = {"seed": member_seed(seed, number), "study_seed": study_seed, "evaluate": splits}
        options |= {} if np.isnan(factor) else {"factor": factor}
        found.append(fit(network, run.strategy, data, stage, kind, folder, **options))
        members.append(network)
    network = members[0] if kind.members == 1 else joined(members)
    layers = network.set_strategy(run.strategy if kind.members == 1 else "all")
    history = found[0].history
    if kind.members > 1:
        # An ensemble has a last epoch alone.
        history = pd.DataFrame(evaluated(passes.forward(network.model), splits, stage.epochs))
    facts = {
        "members": kind.members,
        "factor": factor,
        "strength": found[0].strength,
        "images": len(data.ids),
        "epochs": stage.epochs,
        "first_seconds": sum(each.first for each in found),
        "epoch_seconds": sum(each.epoch for each in found),
    }
    checkpoints.write(checkpoints.path(folder, stage.epochs), weights.take(network.model, layers))
    # Last, because with it the model counts as there.
    record = {"history": history.to_dict("records"), "fit": facts}
    files.write_json(file, record)
    checksums.note(file)
    return record


def _look(network: networks.Network, held: TrainingData, study_seed: int) -> dict[str, float | int]:
    """Return accuracy on held-out images, as they are and before each other's backgrounds, and Grad-CAM's score."""
    forward = passes.forward(network.model)
    lends = np.flatnonzero(~held.masks.reshape(len(held.masks), -1).all(axis=1))
    donors = images.draw_donors(held.ids, [held.ids[int(place)] for place in lends], study_seed, "held out")
    filled = images.fill_holes(held.images[lends], held.masks[lends])[donors]
    others = images.swap_backgrounds(held.images, held.masks, filled)
    accuracies = [float(np.mean(forward(each).argmax(axis=1) == held.labels)) for each in (held.images, others)]
    scores = metric.score(held.masks, GradCAM()(network, held.images, held.labels, ids=held.ids))
    return {
        "n": len(held.ids),
        "accuracy": accuracies[0],
        "accuracy_other": accuracies[1],
        "score": float(np.nanmean(scores)) if not np.isnan(scores).all() else float("nan"),
        "chance": float(metric.chance(held.masks).mean()),
    }


def _part(data: TrainingData, where: NDArray[np.bool_]) -> TrainingData:
    places = np.flatnonzero(where)
    ids = [data.ids[int(place)] for place in places]
    return TrainingData(data.images[places], data.masks[places], data.labels[places], ids)
