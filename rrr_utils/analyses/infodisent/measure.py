"""Heads on one trained run's frozen backbone: their accuracy, decisions, prototypes and maps, as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from rrr_utils import metric
from rrr_utils.analyses.infodisent import contributions, fit
from rrr_utils.analyses.infodisent.explainer import DESIGNS, InfoDisent
from rrr_utils.analyses.infodisent.heads import HEADS, attach
from rrr_utils.common import progress
from rrr_utils.engine import passes
from rrr_utils.explainers import Explainer
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.network import Network
from rrr_utils.scoring import partial_results, scores
from rrr_utils.scoring import trivial as controls
from rrr_utils.tables import parquet, schemas
from rrr_utils.training import fit as training
from rrr_utils.training.runs import Run

TABLES = schemas.HEAD_TABLES
# The heads whose logit is a sum of channels.
SUMS = ("average", "disentangled")
SIDES = ("positive", "negative")


def heads_of(
    run: Run, data: Prepared, seed: int, epoch: int, folder: Path, stage: training.Stage
) -> tuple[dict[str, Network], pd.DataFrame, dict[str, float], dict[str, tuple[NDArray, NDArray]]]:
    """Train every head on the run's backbone after ``epoch`` epochs, frozen, all in one way.

    Returns the networks by head; the rows of ``head_history`` without the run's columns; the seconds of an epoch of
    each; and the features and labels of the splits ``train``, ``test`` and, of generated data, ``shifted``. Features
    and finished heads are kept under ``folder``.
    """
    network = run.at(seed, epoch)
    found = fit.features(network, data.images, folder, "images")
    splits = {split: (found[places], data.labels[places]) for split, places in _places(data).items()}
    if data.shifted is not None:
        test = data.where("test")
        splits["shifted"] = fit.features(network, data.shifted[test], folder, "shifted"), data.labels[test]
    made, parts, seconds = {}, [], {}
    for head in HEADS:
        made[head] = attach(network, head, seed)
        file = folder / f"seed-{seed}-{head}.npz"
        history, seconds[head] = fit.fit(made[head], splits["train"], stage, file, seed=seed, splits=splits)
        parts.append(history.assign(head=head))
    return made, pd.concat(parts, ignore_index=True), seconds, splits


def examine_run(
    run: Run,
    data: Prepared,
    seeds: Sequence[int],
    epoch: int,
    folder: Path,
    *,
    splits: Sequence[str],
    n: int,
    study_seed: int,
    stage: training.Stage,
    explainers: Sequence[Mapping[str, Any]],
    prototypes: int,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Train and examine the heads of every seed: the tables of ``TABLES`` by name, and the seconds of an epoch.

    Answers and decisions are those on all test images, prototypes come from the training images, and scores are those
    of the fixed cohort, ``n`` images of each of ``splits``. Finished seeds are kept under ``folder``, so that an
    interrupted run goes on where it was.

    Parameters
    ----------
    stage
        How all heads are trained.
    explainers
        Settings of the explainers that stand beside the head's own maps, on all three heads: in ``scores`` the
        ``variant`` is empty for the disentangled one, else it names the head.
    prototypes
        So many training images are kept for each channel and side.
    """
    asked = scores.explainers(explainers, study_seed)
    settings = {
        "epoch": epoch,
        "splits": splits,
        "n": n,
        "study_seed": study_seed,
        "stage": stage,
        "prototypes": prototypes,
    }
    partial_results.keep(folder, run, seeds, explainers=asked, **settings)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    took = []
    for seed in progress.track(seeds, f"heads of {run.network}"):
        files = {name: folder / f"seed-{seed}-{name}.parquet" for name in TABLES}
        made, history, seconds, given = heads_of(run, data, seed, epoch, folder, stage)
        took.append(seconds)
        if not all(file.exists() for file in files.values()):
            found = {
                "head_history": history,
                "head_answers": answers(made, data, given),
                "decisions": decisions(made, data, given["test"]),
                "prototypes": prototypes_of(made["disentangled"], data, given["train"], prototypes),
                "scores": pd.concat(
                    [
                        score(made, data, data.cohort(split, n, study_seed), asked).assign(split=split)
                        for split in splits
                    ],
                    ignore_index=True,
                ).assign(epoch=stage.epochs),
            }
            for name, rows in found.items():
                partial_results.write(run.label(rows, seed), files[name], name)
        for name in TABLES:
            parts[name].append(parquet.read(files[name], name))
    whole = {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}
    return whole, pd.DataFrame(took, index=pd.Index(seeds, name="seed"))


def answers(made: Mapping[str, Network], data: Prepared, given: Mapping[str, tuple[NDArray, NDArray]]) -> pd.DataFrame:
    """Return the rows of ``head_answers`` on the splits ``test`` and ``shifted`` of ``given``."""
    names = [data.ids[place] for place in data.where("test")]
    parts = []
    for head, network in made.items():
        forward = passes.forward(network.split("dense")[1])
        for split in ("test", "shifted"):
            if split not in given:
                continue
            features, labels = given[split]
            logits = forward(features).astype(np.float64)
            predicted = logits.argmax(axis=1)
            rows = {"head": head, "split": split, "image": names, "label": labels, "predicted": predicted}
            rows["probability"] = special.softmax(logits, axis=1)[np.arange(len(labels)), labels]
            parts.append(pd.DataFrame(rows | {"correct": predicted == labels}))
    return pd.concat(parts, ignore_index=True)


def decisions(made: Mapping[str, Network], data: Prepared, test: tuple[NDArray, NDArray]) -> pd.DataFrame:
    """Return the rows of ``decisions`` on the test images, of the heads that add up channels."""
    names = [data.ids[place] for place in data.where("test")]
    features, labels = test
    parts = []
    for head in SUMS:
        pooled, kernel = _pooled(made[head], head, features), contributions.class_weights(made[head])
        ranked = np.argsort(-(pooled.astype(np.float64) @ kernel), axis=1, kind="stable")
        predicted, second = ranked[:, 0], ranked[:, 1]
        for of, added in (
            ("logit", contributions.contributions(pooled, kernel, predicted)),
            ("margin", contributions.margins(pooled, kernel, predicted, second)),
        ):
            rows = {"head": head, "split": "test", "image": names, "label": labels, "predicted": predicted}
            rows |= {"correct": predicted == labels, "of": of, "channels": added.shape[1]}
            rows |= {"needed": contributions.needed(added)}
            rows |= {"pro": np.maximum(added, 0).sum(axis=1), "contra": np.minimum(added, 0).sum(axis=1)}
            parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def prototypes_of(network: Network, data: Prepared, train: tuple[NDArray, NDArray], count: int) -> pd.DataFrame:
    """Return the rows of ``prototypes`` from the features and labels of the training images.

    A side on which an image does not excite the channel at all has no prototype there.
    """
    features, labels = train
    places = data.where("train")
    shape = features.shape[1:3]
    found = contributions.extremes(network, features)
    covered = contributions.cells(data.masks[places], shape).reshape(len(places), -1)  # (N, cells)
    others = (covered.sum(axis=0) - covered) / max(len(places) - 1, 1)
    chance = covered.mean(axis=1)
    usage, used = channel_usage(network, found.pooled)
    favours = contributions.class_weights(network).argmax(axis=1)
    names = np.array([data.ids[place] for place in places])
    parts = []
    for side, values, at in zip(SIDES, (found.above, found.below), (found.above_at, found.below_at), strict=True):
        first = contributions.strongest(values, count)  # (count, K)
        rank, channel = (each.ravel() for each in np.indices(first.shape))
        image = first.ravel()
        cell = at[image, channel]
        rows = {
            "channel": channel,
            "usage": usage[channel],
            "used": used[channel],
            "favours": favours[channel],
            "side": side,
            "rank": rank,
            "image": names[image],
            "label": labels[image],
            "excitation": values[image, channel].astype(np.float64),
            "cells": shape[0],
            "row": cell // shape[1],
            "column": cell % shape[1],
            "on_object": covered[image, cell],
            "same_place": others[image, cell],
            "chance": chance[image],
        }
        table = pd.DataFrame(rows)
        parts.append(table[table["excitation"] > 0])
    return pd.concat(parts).sort_values(["side", "channel", "rank"], ignore_index=True)


def channel_usage(network: Network, pooled: NDArray) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each channel's share of all absolute contributions to margins, and whether it is among the used ones.

    ``pooled`` is ``(N, K)``. Used are the channels, the largest share first, that carry ``reading.CARRIED`` together.
    """
    kernel = contributions.class_weights(network)
    ranked = np.argsort(-(pooled.astype(np.float64) @ kernel), axis=1, kind="stable")
    sizes = np.abs(contributions.margins(pooled, kernel, ranked[:, 0], ranked[:, 1])).sum(axis=0)
    usage = sizes / sizes.sum() if sizes.sum() > 0 else sizes
    used = np.zeros(len(usage), bool)
    used[np.argsort(-usage, kind="stable")[: contributions.needed(usage[None])[0]]] = True
    return usage, used


def score(
    made: Mapping[str, Network], data: Prepared, places: NDArray[np.int64], asked: Sequence[Explainer]
) -> pd.DataFrame:
    """Return the rows of ``scores`` for the images at ``places``, without split, epoch and the run's columns."""
    pictures, masks, labels = data.images[places], data.masks[places], data.labels[places]
    ids = [data.ids[place] for place in places]
    own: list[Explainer] = [InfoDisent(design) for design in DESIGNS]
    parts = []
    for head, network in made.items():
        given = [*own, *asked] if head == "disentangled" else list(asked)
        rows = scores.score_images(network, pictures, masks, labels, ids, given)
        parts.append(rows.assign(variant="" if head == "disentangled" else f"{head} head"))
        if head == "disentangled":
            # What knows the object's size and that objects stand in the middle, and nothing else.
            plain = rows[rows["design"] == DESIGNS[0]]
            values = metric.score(masks, controls.gaussian(masks))
            trivial = plain.assign(score=values, zero_map=False, explainer=controls.NONE, design="", variant="gaussian")
            parts.append(trivial)
    return pd.concat(parts, ignore_index=True).assign(mask_source=data.mask_source)


def _pooled(network: Network, head: str, features: NDArray) -> NDArray[np.float32]:
    return contributions.means(features) if head == "average" else contributions.extremes(network, features).pooled


def _places(data: Prepared) -> dict[str, NDArray[np.int64]]:
    return {split: data.where(split) for split in ("train", "test")}
