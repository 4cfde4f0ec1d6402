"""Scores of a network on images: the rows of the scores table, and the AvgScore callback of `fit`."""

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rrr_utils import draws, metric, networks, pieces, progress, tables
from rrr_utils.explainers import DRAWING, Explainer, explain, explainer
from rrr_utils.explainers.base import as_forward
from rrr_utils.prepared import Prepared
from rrr_utils.runs import Run
from rrr_utils.stack import Stack

# Images that go through all checkpoints together: their maps are held for every checkpoint, 2 MB each at 224 px.
_AT_ONCE = 16
# Images a batch of a single network's pass, which is compiled once and used again after every epoch.
_BATCH = 32


def score_images(
    network: networks.Network,
    pictures: NDArray,
    masks: NDArray,
    labels: NDArray,
    ids: Sequence[str],
    asked: Sequence[Explainer],
) -> pd.DataFrame:
    """Score every image by every explainer: one row an image and an explainer.

    The explained class is the label, for wrong answers too, because the mask shows the labelled object.

    Parameters
    ----------
    network
        The network, with the weights that are to be scored.
    pictures, masks, labels, ids
        ``(N, S, S, 3)`` RGB from 0 to 255, ``(N, S, S)`` in [0, 1], ``(N,)`` class numbers, N names.
    asked
        The explainers, for example ``[GradCAM(), LIME(samples=200)]``.

    Returns
    -------
    A data frame with the columns image, label, predicted, probability (of the label), correct, explainer, protocol,
    design, samples, variant, score (NaN for a zero map), chance and zero_map.
    """
    logits = as_forward(network, _BATCH)(pictures)
    maps = (each(network, pictures, labels, ids=ids) for each in asked)
    return rows_of(logits, maps, masks, labels, ids, asked)


def score_run(
    run: Run,
    data: Prepared,
    asked: Sequence[Explainer],
    seeds: Sequence[int],
    epochs: Sequence[int],
    *,
    splits: Sequence[str],
    n: int,
    study_seed: int,
    start_is_scored: bool = False,
) -> pd.DataFrame:
    """Score the fixed cohort, ``n`` images of each split, at every seed and epoch of a run: rows of the scores table.

    A few images at a time go through all checkpoints, so that what these share is computed once and memory does not
    grow with the number of images. Finished images are kept in the run's folder, so that an interrupted scoring goes
    on where it was. With ``start_is_scored`` epoch 0 is not computed: it is the last epoch of stage 1, and its rows are
    those of that run's scores. An explainer with a ``control`` leans on the first of ``epochs``, each seed on its own.
    Raises ``FileNotFoundError`` where rows of stage 1 are missing, and ``ValueError`` where they were made by other
    explainers.
    """
    blocks = [
        (split, start, places[start : start + _AT_ONCE])
        for split, places in ((split, data.cohort(split, n, study_seed)) for split in splits)
        for start in range(0, len(places), _AT_ONCE)
    ]

    def piece(seed: int, epoch: int, split: str, start: int) -> Path:
        return run.piece(seed, f"scores-{epoch:02d}-{split}-{start:04d}")

    computed = [epoch for epoch in epochs if epoch or not start_is_scored]
    checkpoints = [(seed, epoch) for seed in seeds for epoch in computed]
    # Explainers that lean on a training's first checkpoint need it beside the others, also where its rows are there.
    first = epochs[0] if any(each.control for each in asked) else None
    for seed in seeds:
        given = {"explainers": asked, "splits": splits, "n": n, "study_seed": study_seed, "first": first}
        pieces.keep(run.pieces(seed, "scores"), run, [seed], **given)
    if not all(piece(*member, split, start).exists() for member in checkpoints for split, start, _ in blocks):
        for members, stack in run.stacks(seeds, computed, first):
            for split, start, places in progress.track(blocks, f"scores of {run.network}"):
                files = [piece(*member, split, start) for member in members]
                if all(file.exists() for file in files):
                    continue
                for (seed, epoch), file, rows in zip(members, files, _score(stack, data, places, asked), strict=True):
                    rows = rows.assign(epoch=epoch, split=split, mask_source=data.mask_source)
                    tables.write(run.label(rows, seed), file, "scores")
    parts = []
    for seed in seeds:
        for epoch in epochs:
            if epoch not in computed:
                parts.append(_start(run, asked, seed))
                continue
            for split in splits:
                found = [
                    tables.read(piece(seed, epoch, each, start), "scores") for each, start, _ in blocks if each == split
                ]
                # An explainer after the other, as `score_images` has them, and not a few images after the others.
                shares = [np.array_split(np.arange(len(rows)), len(asked)) for rows in found]
                parts += [
                    rows.iloc[where[number]] for number in range(len(asked)) for rows, where in zip(found, shares)
                ]
    return pd.concat(parts, ignore_index=True)


def _start(run: Run, asked: Sequence[Explainer], seed: int) -> pd.DataFrame:
    """Return the rows of a run's epoch 0, which are those of the last epoch of stage 1."""
    file = run.stage1().folder / "scores.parquet"
    rows = tables.read(file, "scores")
    rows = rows[(rows["seed"] == seed) & (rows["epoch"] == run.head_epochs)]
    made = list(dict.fromkeys(zip(rows["explainer"], rows["protocol"], rows["design"], rows["samples"])))
    wanted = [(each.name, each.protocol, each.design, each.samples) for each in asked]
    if made != wanted:
        raise ValueError(
            f"{file} must hold scores of seed {seed} and epoch {run.head_epochs} by {wanted}, but has {made}. Score "
            "stage 1 with the same explainers first, or set start_is_scored to False."
        )
    return run.label(rows.assign(epoch=0), seed)


def _score(stack: Stack, data: Prepared, places: NDArray, asked: Sequence[Explainer]) -> list[pd.DataFrame]:
    """Return the rows of the images at ``places`` for each checkpoint."""
    pictures, masks, labels = data.images[places], data.masks[places], data.labels[places]
    ids = [data.ids[place] for place in places]
    logits = stack(pictures)
    maps = explain(asked, stack, pictures, labels, ids)
    return [
        rows_of(logits[number], [each[number] for each in maps], masks, labels, ids, asked)
        for number in range(len(stack))
    ]


def rows_of(
    logits: NDArray,
    maps: Iterable[NDArray],
    masks: NDArray,
    labels: NDArray,
    ids: Sequence[str],
    asked: Sequence[Explainer],
    variant: str = "",
) -> pd.DataFrame:
    """Return the rows that :func:`score_images` returns, from logits ``(N, classes)`` and the maps of each explainer.

    ``variant`` says what was varied, if anything: see the scores table in ``tables``.
    """
    predicted = logits.argmax(axis=1)
    right = predicted == labels
    probability = _softmax(logits)[np.arange(len(labels)), labels]
    share = metric.chance(masks)
    parts = []
    for each, relevance in zip(asked, maps, strict=True):
        values = metric.score(masks, relevance)
        parts.append(
            pd.DataFrame(
                {
                    "image": list(ids),
                    "label": labels,
                    "predicted": predicted,
                    "probability": probability,
                    "correct": right,
                    "explainer": each.name,
                    "protocol": each.protocol,
                    "design": each.design,
                    "samples": each.samples,
                    "variant": variant,
                    "score": values,
                    "chance": share,
                    "zero_map": np.isnan(values),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def explainers(settings: Sequence[Mapping[str, Any]], seed: int) -> list[Explainer]:
    """Return the explainers that a study asks, for example ``[{"name": "lime", "samples": 200}]``.

    Those that draw perturbations (LIME, SmoothGrad, RISE) get the study's seed.
    """
    draws: dict[str, Any] = {"seed": seed}
    return [explainer(**(draws if each["name"] in DRAWING else {}), **each) for each in settings]


class AvgScore(keras.callbacks.Callback):
    """Put ``avg_score_<explainer>`` beside accuracy in the logs and the history of ``model.fit``.

    AvgScore is the mean over the images that the model classifies correctly at that epoch (equation 2 of the paper);
    it is NaN when there are none, and in epochs that are left out. ``avg_score_seconds`` says what scoring cost in that
    epoch. Place it before ``CSVLogger`` and ``TensorBoard`` in the list of callbacks, so that they see the new columns.

    Parameters
    ----------
    pictures, masks, labels
        ``(N, S, S, 3)`` in the model's own input range, ``(N, S, S)`` in [0, 1], ``(N,)`` class numbers.
    explainers
        What to explain with, for example ``[GradCAM()]``.
    every
        Score after every so many epochs; the last epoch is always scored.
    ids
        Names of the images, from which perturbations follow; by default a hash of their pixels.
    network
        The :class:`~rrr_utils.networks.Network` that is being trained. By default the model is adopted
        (:func:`~rrr_utils.networks.adopt`), which shares its weights.
    images
        At most so many images, balanced by class, drawn by ``seed``: the same at every epoch.
    seconds
        What scoring may cost in an epoch. The first scored epoch measures the cost of an image, and from then on as
        many images are scored as fit, never fewer than one of each class, always the same. An epoch in which they would
        take longer is left out, unless it is the last. Both give a warning. Compiling in the first scored epoch is
        not counted.

    Attributes
    ----------
    rows
        The rows of every scored epoch, as a list of data frames.
    seconds
        What scoring cost, one number a scored epoch.
    """

    def __init__(
        self,
        pictures: ArrayLike,
        masks: ArrayLike,
        labels: ArrayLike,
        explainers: Sequence[Explainer],
        every: int = 1,
        ids: Sequence[str] | None = None,
        network: networks.Network | None = None,
        images: int | None = None,
        seconds: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.pictures, self.masks, self.labels = np.asarray(pictures), np.asarray(masks), np.asarray(labels)
        if self.labels.ndim != 1 or not len(self.pictures) == len(self.masks) == len(self.labels):
            raise ValueError(
                "`pictures`, `masks` and `labels` must have the same length and `labels` one dimension, but shapes "
                f"{self.pictures.shape}, {self.masks.shape} and {self.labels.shape} were passed."
            )
        if every < 1:
            raise ValueError(f"`every` must be at least 1, but {every} was passed.")
        if not explainers:
            raise ValueError("`explainers` must hold at least one explainer, but it is empty.")
        if images is not None and images < 1:
            raise ValueError(f"`images` must be at least 1, but {images} was passed.")
        if seconds is not None and not seconds > 0:
            raise ValueError(f"`seconds` must be above 0, but {seconds} was passed.")
        metric.chance(self.masks)  # refuses masks outside [0, 1] now and not after an epoch of training
        self.explainers, self.every = list(explainers), every
        self.ids = list(ids) if ids is not None else [f"image-{place}" for place in range(len(self.labels))]
        self.network, self.budget, self.seed = network, seconds, seed
        self._an_image: float | None = None  # seconds, where there is a budget
        if images is not None:
            self._keep(images)
        self.rows: list[pd.DataFrame] = []
        self.seconds: list[float] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.network is None:
            self.network = networks.adopt(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        last = epoch + 1 == self.params.get("epochs")
        averages = {each.name: float("nan") for each in self.explainers}
        took = 0.0
        if ((epoch + 1) % self.every == 0 or last) and self._fits(epoch, last):
            start = time.perf_counter()
            rows = self._score(len(self.labels))
            for name, part in rows.groupby("explainer"):
                averages[str(name)] = metric.avg_score(part["score"], part["correct"]).mean
            self.rows.append(rows.assign(epoch=epoch + 1))
            took = time.perf_counter() - start
            self.seconds.append(took)
            self._an_image = took / len(self.labels)
        if logs is not None:
            logs.update({f"avg_score_{name}": value for name, value in averages.items()})
            logs["avg_score_seconds"] = took

    def _score(self, n: int) -> pd.DataFrame:
        assert self.network is not None
        arrays = self.pictures[:n], self.masks[:n], self.labels[:n]
        return score_images(self.network, *arrays, self.ids[:n], self.explainers)

    def _keep(self, n: int) -> None:
        """Keep ``n`` images, balanced by class; fewer are a part of more."""
        places = draws.balanced(self.ids, self.labels, n, self.seed, "callback")
        self.pictures, self.masks, self.labels = self.pictures[places], self.masks[places], self.labels[places]
        self.ids = [self.ids[place] for place in places]

    def _fits(self, epoch: int, last: bool) -> bool:
        """Whether scoring keeps to the budget; the first time, make it so by scoring fewer images."""
        if self.budget is None:
            return True
        if self._an_image is None:
            pilot = min(len(self.labels), _BATCH)
            self._score(pilot)  # compiles
            start = time.perf_counter()
            self._score(pilot)
            self._an_image = (time.perf_counter() - start) / pilot
            n = max(int(self.budget / self._an_image), len(np.unique(self.labels)))
            if n < len(self.labels):
                said = f"AvgScore: {n} of {len(self.labels)} images are scored, at {self._an_image:.3g} s an image,"
                warnings.warn(f"{said} to keep to {self.budget:g} s an epoch.", stacklevel=2)
                self._keep(n)
        expected = self._an_image * len(self.labels)
        if expected <= self.budget or last:
            return True
        said = f"AvgScore: epoch {epoch + 1} is not scored: {len(self.labels)} images would take {expected:.3g} s"
        warnings.warn(f"{said}, more than {self.budget:g} s.", stacklevel=2)
        return False


def _softmax(logits: NDArray) -> NDArray[np.float64]:
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
