"""Scores of a network on images: the rows of the scores table, and the AvgScore callback of `fit`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils import metric
from rrr_utils.common import progress
from rrr_utils.common.logits import softmax
from rrr_utils.explainers import Explainer, explain, explainer, options
from rrr_utils.explainers.base import as_forward
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks import network as networks
from rrr_utils.networks.stack import Stack
from rrr_utils.scoring import partial_results
from rrr_utils.tables import parquet
from rrr_utils.training.runs import Run

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
    table: str = "scores",
    kind: str = "scores",
) -> pd.DataFrame:
    """Score the fixed cohort, ``n`` images of each split, at every seed and epoch of a run: rows of the scores table.

    A few images at a time go through all checkpoints, so that what these share is computed once and memory does not
    grow with the number of images. Finished images are kept in the run's folder, so that an interrupted scoring goes
    on where it was. With ``start_is_scored`` epoch 0 is not computed: it is the last epoch of stage 1, and its rows are
    those of that run's ``table``. An explainer with a ``control`` leans on the first of ``epochs``, each seed on its
    own. ``kind`` names the pieces on disk.

    Raises ``FileNotFoundError`` where rows of stage 1 are missing, and ``ValueError`` where they were made by other
    explainers.
    """
    blocks = [
        (split, start, places[start : start + _AT_ONCE])
        for split, places in ((split, data.cohort(split, n, study_seed)) for split in splits)
        for start in range(0, len(places), _AT_ONCE)
    ]

    def piece(seed: int, epoch: int, split: str, start: int) -> Path:
        return run.piece(seed, f"{kind}-{epoch:02d}-{split}-{start:04d}")

    computed = [epoch for epoch in epochs if epoch or not start_is_scored]
    checkpoints = [(seed, epoch) for seed in seeds for epoch in computed]
    # Explainers that lean on a training's first checkpoint need it beside the others, also where its rows are there.
    first = epochs[0] if any(each.control for each in asked) else None
    for seed in seeds:
        given = {"explainers": asked, "splits": splits, "n": n, "study_seed": study_seed, "first": first}
        partial_results.keep(run.pieces(seed, kind), run, [seed], **given)
    if not all(piece(*member, split, start).exists() for member in checkpoints for split, start, _ in blocks):
        for members, stack in run.stacks(seeds, computed, first):
            for split, start, places in progress.track(blocks, f"scores of {run.network}"):
                files = [piece(*member, split, start) for member in members]
                if all(file.exists() for file in files):
                    continue
                for (seed, epoch), file, rows in zip(members, files, _score(stack, data, places, asked), strict=True):
                    rows = rows.assign(epoch=epoch, split=split, mask_source=data.mask_source)
                    partial_results.write(run.label(rows, seed), file, "scores")
    parts = []
    for seed in seeds:
        for epoch in epochs:
            if epoch not in computed:
                parts.append(_start(run, asked, seed, table))
                continue
            for split in splits:
                found = [
                    parquet.read(piece(seed, epoch, each, start), "scores")
                    for each, start, _ in blocks
                    if each == split
                ]
                # An explainer after the other, as `score_images` has them, and not a few images after the others.
                shares = [np.array_split(np.arange(len(rows)), len(asked)) for rows in found]
                parts += [
                    rows.iloc[where[number]] for number in range(len(asked)) for rows, where in zip(found, shares)
                ]
    return pd.concat(parts, ignore_index=True) if parts else parquet.empty(table)


def score_ends(
    run: Run,
    data: Prepared,
    ends: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    epochs: Sequence[int],
    *,
    start_is_scored: bool = False,
) -> pd.DataFrame:
    """Score test images at the first and the last of ``epochs``: rows of the end_scores table.

    Each of ``ends`` names an explainer, its options, and how many ``images`` it is asked about, a balanced draw (a
    larger one contains a smaller); all without it. See :func:`score_run` for all else.
    """
    parts = []
    for settings in ends:
        n = settings.get("images", len(data.ids))
        asked = explainers([{name: value for name, value in settings.items() if name != "images"}], run.study_seed)
        rows = score_run(
            run,
            data,
            asked,
            seeds,
            list(dict.fromkeys((epochs[0], epochs[-1]))),
            splits=("test",),
            n=n,
            study_seed=run.study_seed,
            start_is_scored=start_is_scored,
            table="end_scores",
            kind=f"ends_{asked[0].name}",
        )
        parts.append(rows)
    return pd.concat(parts, ignore_index=True) if parts else parquet.empty("end_scores")


def _start(run: Run, asked: Sequence[Explainer], seed: int, table: str) -> pd.DataFrame:
    """Return the rows of a run's epoch 0, which are those of the last epoch of stage 1."""
    file = run.stage1().folder / f"{table}.parquet"
    rows = parquet.read(file, table)
    rows = rows[(rows["seed"] == seed) & (rows["epoch"] == run.head_epochs)]
    if table == "end_scores":
        rows = rows[rows["explainer"].isin([each.name for each in asked])]
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
    probability = softmax(logits.astype(np.float64))[np.arange(len(labels)), labels]
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

    Those that draw perturbations, and so have a ``seed``, get the study's seed.
    """
    draws: dict[str, Any] = {"seed": seed}
    return [explainer(**(draws if "seed" in options(each["name"]) else {}), **each) for each in settings]
