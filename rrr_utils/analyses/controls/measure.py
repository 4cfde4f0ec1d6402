"""Controls of the score: maps that know nothing, networks that know nothing, other normalisations, other protocols."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rrr_utils.common import progress
from rrr_utils.common.choices import one_of
from rrr_utils.common.seeds import integer
from rrr_utils.engine import weights
from rrr_utils.explainers import Explainer, explain
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.stack import Stack
from rrr_utils.scoring import partial_results
from rrr_utils.scoring import scores as scoring
from rrr_utils.scoring.trivial import NONE, TRIVIAL, edges, gaussian
from rrr_utils.tables import parquet
from rrr_utils.training.runs import Run

NORMALISATIONS = ("absolute", "min-max")

_TABLES = ("scores", "similarity")
_AT_ONCE = 16
# Maps are compared at about this size: they have 7 to 14 cells a side, or some tens of superpixels.
_COMPARED = 56


def normalised(signed: ArrayLike, how: str) -> NDArray[np.float32]:
    """Return signed maps ``(N, H, W)`` as relevance in [0, 1] by another rule than the positive part.

    ``absolute``: both signs count, divided by the largest. ``min-max``: shifted and scaled so that the lowest value is
    0 and the highest 1, which makes relevance of what is neutral; a map that is the same everywhere becomes zero.
    """
    one_of("how", how, NORMALISATIONS)
    values = np.asarray(signed, np.float64)
    values = np.abs(values) if how == "absolute" else values - values.min(axis=(1, 2), keepdims=True, initial=np.inf)
    largest = values.max(axis=(1, 2), keepdims=True, initial=0.0)
    return (values / np.where(largest > 0, largest, 1.0)).astype(np.float32)


def cascade(blocks: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the stages of the cascade (Adebayo et al. 2018): a variant's name to the blocks that it draws anew.

    ``blocks`` are a network's, in the order of computation: the first stage draws the head alone, each next one a block
    more, and the last one everything.
    """
    names = list(blocks)
    stages = {}
    for count in range(1, len(names) + 1):
        last = names[-count]
        what = "head" if count == 1 else "all" if count == len(names) else f"down to {last}"
        stages[f"randomised {what}"] = tuple(names[-count:])
    return stages


def names(stages: Iterable[str]) -> dict[str, str]:
    """Return what figures call the variants of :func:`cascade`."""
    return {stage: stage.removeprefix("randomised ") for stage in stages}


def similarity(maps: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Return Spearman's rank correlation of each pair of maps ``(N, H, W)``, in [-1, 1]; NaN where one is constant."""
    before, after = np.asarray(maps), np.asarray(others)
    step = max(before.shape[1] // _COMPARED, 1)
    flat = [each[:, ::step, ::step].reshape(len(each), -1) for each in (before, after)]
    found = [
        float("nan") if np.ptp(one) == 0 or np.ptp(other) == 0 else float(stats.spearmanr(one, other).statistic)
        for one, other in zip(*flat, strict=True)
    ]
    return np.asarray(found, np.float64)


def score_run(
    run: Run,
    data: Prepared,
    settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    epoch: int,
    folder: Path,
    *,
    splits: Sequence[str],
    n: int,
    study_seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the fixed cohort under every control: rows of the tables ``scores`` and ``similarity``.

    Each explainer of ``settings`` runs on the network as it was trained (``variant`` empty), under both protocols; with
    the other normalisations of its signed maps; and on the networks of :func:`cascade`, whose weights are drawn as
    those of a network that was never trained, anew for each seed. A randomised network's rows have its own answers.
    Finished images are kept under ``folder``, so that an interrupted run goes on where it was.
    """
    ours = scoring.explainers(settings, study_seed)
    theirs = scoring.explainers([{**each, "protocol": "authors"} for each in settings], study_seed)
    partial_results.keep(folder, run, seeds, epoch=epoch, splits=splits, n=n, study_seed=study_seed, explainers=ours)
    scores, similarities = [], []
    for seed in progress.track(seeds, "seeds"):
        trained, drawn = run.stack(seed, epoch), _randomised(run, seed, epoch)
        for split in splits:
            places = data.cohort(split, n, study_seed)
            for start in progress.track(range(0, len(places), _AT_ONCE), f"controls of {run.network}"):
                block = places[start : start + _AT_ONCE]
                files = {name: folder / f"seed-{seed}-{split}-{start:04d}-{name}.parquet" for name in _TABLES}
                if not all(file.exists() for file in files.values()):
                    for name, rows in zip(_TABLES, _score(trained, drawn, data, block, ours, theirs), strict=True):
                        rows = run.label(rows.assign(epoch=epoch, split=split), seed)
                        partial_results.write(rows, files[name], name)
                scores.append(parquet.read(files["scores"], "scores"))
                similarities.append(parquet.read(files["similarity"], "similarity"))
    return pd.concat(scores, ignore_index=True), pd.concat(similarities, ignore_index=True)


def stage_maps(
    run: Run, data: Prepared, asked: Sequence[Explainer], seed: int, epoch: int, place: int
) -> dict[str, NDArray[np.float32]]:
    """Return the maps of the image at ``place`` by each explainer: as trained, then after each stage of the cascade.

    ``(1 + stages, H, W)`` in [0, 1] by the explainer's name.
    """
    here = slice(place, place + 1)
    given = (data.images[here], data.labels[here], [data.ids[place]])
    parts = [explain(asked, stack, *given) for stack in (run.stack(seed, epoch), _randomised(run, seed, epoch))]
    return {each.name: np.concatenate([part[number][:, 0] for part in parts]) for number, each in enumerate(asked)}


def _randomised(run: Run, seed: int, epoch: int) -> Stack:
    """Return the networks of :func:`cascade`, in its order."""
    network = run.at(seed, epoch)
    state = weights.take(network.model)
    # Never the run's own start, which a head that was trained for a short while still resembles.
    fresh = weights.take(replace(run, weights=None, head_epochs=0).start(integer(seed, "randomised")).model)
    stack = Stack(network)
    for blocks in cascade(network.blocks).values():
        layers = {name for block in blocks for name in network.blocks[block]}
        stack.add({key: fresh[key] if key.rsplit("/", 1)[0] in layers else array for key, array in state.items()})
    return stack


def _score(
    trained: Stack,
    drawn: Stack,
    data: Prepared,
    block: NDArray,
    ours: Sequence[Explainer],
    theirs: Sequence[Explainer],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both tables for the images at ``block``, without the columns that all rows share."""
    pictures, masks, labels = data.images[block], data.masks[block], data.labels[block]
    ids = [data.ids[place] for place in block]

    def rows(logits: NDArray, maps: Sequence[NDArray], asked: Sequence[Explainer], variant: str = "") -> pd.DataFrame:
        found = scoring.rows_of(logits, maps, masks, labels, ids, asked, variant)
        return found.assign(mask_source=data.mask_source)

    logits = trained(pictures)[0]
    plain = [each[0] for each in explain(ours, trained, pictures, labels, ids)]
    parts = [rows(logits, plain, ours)]
    parts.append(rows(logits, [each[0] for each in explain(theirs, trained, pictures, labels, ids)], theirs))
    signed = [each.of_each(trained, pictures, labels, ids, signed=True)[0] for each in ours]
    parts += [rows(logits, [normalised(each, how) for each in signed], ours, how) for how in NORMALISATIONS]
    for what, maps in zip(TRIVIAL, (gaussian(masks), edges(pictures)), strict=True):
        parts.append(rows(logits, [maps], ours[:1], what).assign(explainer=NONE, design="", samples=0))
    alike = []
    answers, others = drawn(pictures), explain(ours, drawn, pictures, labels, ids)
    for place, variant in enumerate(cascade(drawn.network.blocks)):
        parts.append(rows(answers[place], [each[place] for each in others], ours, variant))
        for each, before, after in zip(ours, plain, others, strict=True):
            values = similarity(before, after[place])
            alike.append(pd.DataFrame({"image": ids, "explainer": each.name, "variant": variant, "similarity": values}))
    return pd.concat(parts, ignore_index=True), pd.concat(alike, ignore_index=True)
