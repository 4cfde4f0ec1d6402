"""The score's stability: the same image under another draw, another mask, JPEG, or moved by a pixel."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from rrr_utils.common import progress
from rrr_utils.masks.prepared import Prepared
from rrr_utils.scoring import partial_results, scores
from rrr_utils.tables import parquet
from rrr_utils.training.runs import Run

# Masks are wrong by about this share of a side; at least a pixel.
_BORDER = 0.01
_AT_ONCE = 16

# images (N, S, S, 3) uint8 and masks (N, S, S) -> both, disturbed
Disturbance = Callable[[NDArray[np.uint8], NDArray], tuple[NDArray[np.uint8], NDArray]]


def jpeg(images: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return images ``(N, H, W, 3)`` as they come back from JPEG of ``quality`` 1 to 95."""
    found = []
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
        found.append(np.array(Image.open(stream)))
    return np.stack(found)


def shift(arrays: NDArray, down: int, right: int) -> NDArray:
    """Return images or masks ``(N, H, W, ...)`` moved by whole pixels; what comes in is the nearest row or column."""
    high, wide = arrays.shape[1:3]
    rows = np.clip(np.arange(high) - down, 0, high - 1)
    columns = np.clip(np.arange(wide) - right, 0, wide - 1)
    return arrays[:, rows][:, :, columns]


def grow(masks: NDArray, pixels: int) -> NDArray[np.float32]:
    """Return masks ``(N, H, W)``, cut at one half, wider by ``pixels`` in every direction, or narrower if below 0.

    A mask that would vanish or cover everything stays as it is.
    """
    hard: NDArray[np.bool_] = np.asarray(masks) >= 0.5
    change = ndimage.binary_dilation if pixels > 0 else ndimage.binary_erosion
    edges = {} if pixels > 0 else {"border_value": 1}
    moved = change(hard, np.ones((1, 3, 3), bool), iterations=abs(pixels), **edges) if pixels else hard
    found = np.asarray(moved, bool)
    usable = np.logical_and(found.any(axis=(1, 2)), ~found.all(axis=(1, 2))).reshape(-1, 1, 1)
    return np.where(usable, found, hard).astype(np.float32)


def disturbances(size: int) -> dict[str, Disturbance]:
    """Return what is done to images and masks of ``size`` pixels, by the variant's name in the scores table."""
    border = max(1, round(_BORDER * size))
    return {
        "JPEG 90": lambda images, masks: (jpeg(images, 90), masks),
        "JPEG 50": lambda images, masks: (jpeg(images, 50), masks),
        "1 px right": lambda images, masks: (shift(images, 0, 1), shift(masks, 0, 1)),
        "1 px down": lambda images, masks: (shift(images, 1, 0), shift(masks, 1, 0)),
        f"mask +{border} px": lambda images, masks: (images, grow(masks, border)),
        f"mask -{border} px": lambda images, masks: (images, grow(masks, -border)),
    }


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
) -> pd.DataFrame:
    """Score the fixed cohort as it is and under every disturbance: rows of the table ``scores``.

    ``variant`` is empty, one of :func:`disturbances`, or "other draw" for explainers that draw. Perturbations
    follow from the image's name, so that only the disturbance differs. Finished images are kept under ``folder``.
    """
    asked = scores.explainers(settings, study_seed)
    others = [each for each in scores.explainers(settings, study_seed + 1) if hasattr(each, "seed")]
    partial_results.keep(folder, run, seeds, epoch=epoch, splits=splits, n=n, study_seed=study_seed, explainers=asked)
    parts = []
    for seed in progress.track(seeds, f"stability of {run.network}"):
        network = run.at(seed, epoch)
        for split in splits:
            places = data.cohort(split, n, study_seed)
            for start in range(0, len(places), _AT_ONCE):
                file = folder / f"seed-{seed}-{split}-{start:04d}-stability.parquet"
                if not file.exists():
                    block = places[start : start + _AT_ONCE]
                    rows = _score(network, data, block, asked, others)
                    rows = rows.assign(epoch=epoch, split=split, mask_source=data.mask_source)
                    partial_results.write(run.label(rows, seed), file, "scores")
                parts.append(parquet.read(file, "scores"))
    return pd.concat(parts, ignore_index=True)


def _score(
    network: Any, data: Prepared, block: NDArray[np.int64], asked: Sequence[Any], others: Sequence[Any]
) -> pd.DataFrame:
    pictures, masks, labels = data.images[block], np.asarray(data.masks[block]), data.labels[block]
    ids = [data.ids[place] for place in block]
    forward = scores.as_forward(network, 32)
    plain = [each(network, pictures, labels, ids) for each in asked]
    logits = forward(pictures)
    parts = [scores.rows_of(logits, plain, masks, labels, ids, asked)]
    for variant, disturb in disturbances(pictures.shape[1]).items():
        changed, mask = disturb(pictures, masks)
        if changed is pictures:
            parts.append(scores.rows_of(logits, plain, mask, labels, ids, asked, variant))
        else:
            maps = [each(network, changed, labels, ids) for each in asked]
            parts.append(scores.rows_of(forward(changed), maps, mask, labels, ids, asked, variant))
    if others:
        maps = [each(network, pictures, labels, ids) for each in others]
        parts.append(scores.rows_of(logits, maps, masks, labels, ids, others, "other draw"))
    return pd.concat(parts, ignore_index=True)
