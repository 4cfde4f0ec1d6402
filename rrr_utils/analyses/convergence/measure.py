"""Scores of all images at one checkpoint, and what a mean over some of them is."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common import progress, seeds
from rrr_utils.explainers import Explainer, explain
from rrr_utils.masks.prepared import Prepared
from rrr_utils.scoring import scores as scoring
from rrr_utils.training.runs import Run

_AT_ONCE = 16
_DRAWS = 9999


def score_run(
    run: Run,
    data: Prepared,
    asked: Sequence[Explainer],
    run_seeds: Sequence[int],
    epoch: int,
    *,
    splits: Sequence[str],
    n: int,
    study_seed: int,
) -> pd.DataFrame:
    """Score ``n`` images of each split (all, if there are fewer) at one checkpoint of each seed: rows of ``scores``."""
    parts = []
    for seed in progress.track(run_seeds, "seeds"):
        stack = run.stack(seed, epoch)
        for split in splits:
            places = data.cohort(split, n, study_seed)
            for start in progress.track(range(0, len(places), _AT_ONCE), f"scores of {run.network}"):
                block = places[start : start + _AT_ONCE]
                pictures, labels, ids = data.images[block], data.labels[block], [data.ids[place] for place in block]
                maps = [each[0] for each in explain(asked, stack, pictures, labels, ids)]
                rows = scoring.rows_of(stack(pictures)[0], maps, data.masks[block], labels, ids, asked)
                parts.append(run.label(rows.assign(epoch=epoch, split=split, mask_source=data.mask_source), seed))
    return pd.concat(parts, ignore_index=True)


def correct_scores(scores: pd.DataFrame, seed: int, explainer: str) -> NDArray[np.float64]:
    """Return the scores of the images that the network of ``seed`` gets right, by the images' names; no zero maps."""
    return _correct(scores, seed, explainer)["score"].to_numpy(np.float64)


def first_in_order(scores: pd.DataFrame, seed: int, explainer: str, first: int) -> pd.DataFrame:
    """Return the mean of the ``first`` correct images in the order of their names, beside the mean of all correct ones.

    One row a split: ``n`` images, the means ``first`` and ``all``, their ``difference``, and ``percentile``, the share
    of 9,999 random draws of as many images whose mean is lower.
    """
    table = _correct(scores, seed, explainer)
    rows = []
    for split, part in table.groupby("split"):
        values = part["score"].to_numpy(np.float64)
        count = min(first, len(values))
        chosen = values[:count].mean()
        draw = seeds.generator("draws of images", seed, split)
        draws = draw.permuted(np.tile(values, (_DRAWS, 1)), axis=1)[:, :count].mean(axis=1)
        rows.append(
            {
                "split": split,
                "n": count,
                "first": chosen,
                "all": values.mean(),
                "difference": chosen - values.mean(),
                "percentile": float((draws < chosen).mean()),
            }
        )
    return pd.DataFrame(rows).set_index("split")


def numbers(which: pd.DataFrame) -> dict[str, float]:
    """Return the numbers of :func:`first_in_order` by name: ``first_<split>``, ``all_<split>`` and so on."""
    return {f"{name}_{split}": float(row[name]) for split, row in which.iterrows() for name in which.columns}


def _correct(scores: pd.DataFrame, seed: int, explainer: str) -> pd.DataFrame:
    chosen = scores[(scores["seed"] == seed) & (scores["explainer"] == explainer) & scores["correct"]]
    return chosen[~chosen["zero_map"]].sort_values("image")
