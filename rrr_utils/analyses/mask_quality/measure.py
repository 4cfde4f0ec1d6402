"""How good automatic masks are: their overlap with hand-made ones, and the same maps scored under both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rrr_utils import datasets, masks
from rrr_utils.common import progress
from rrr_utils.datasets import images
from rrr_utils.datasets.oxford_pets import OxfordPets
from rrr_utils.explainers import Explainer, explain
from rrr_utils.masks import Found, Masker
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.stack import Stack
from rrr_utils.scoring import partial_results, scores
from rrr_utils.tables import parquet
from rrr_utils.training.runs import Run

# What the paper's authors found by eye in its section 3.1: so many of so many masks of Mask R-CNN were excellent.
EXCELLENT, JUDGED = 182, 200

_AT_ONCE = 16


class Overlap(NamedTuple):
    """How a mask agrees with a reference: ``iou``, ``precision`` (of the mask) and ``recall`` (of the object).

    All lie in [0, 1]. An empty mask has overlap 0 and no precision (NaN).
    """

    iou: float
    precision: float
    recall: float


def overlap(mask: ArrayLike, reference: ArrayLike) -> Overlap:
    """Return how ``mask`` agrees with ``reference``, both ``(H, W)``, object where at least one half.

    Intersection over union is the area that both call object over the area that at least one does (Jaccard 1912).
    Raises ``ValueError`` if the shapes differ or the reference is empty, because then there is nothing to find.
    """
    found, real = (np.asarray(array) >= 0.5 for array in (mask, reference))
    if found.shape != real.shape:
        raise ValueError(f"`mask` and `reference` must have the same shape, but {found.shape} and {real.shape} differ.")
    if not real.any():
        raise ValueError("`reference` is empty: there is no object to find. Leave images without an object out.")
    both, either = int((found & real).sum()), int((found | real).sum())
    precision = both / int(found.sum()) if found.any() else float("nan")
    return Overlap(both / either, precision, both / int(real.sum()))


class Box(Masker):
    """The bounding box of the hand-made outline: what the energy-based pointing game has in place of the silhouette."""

    source = "box"

    def _find(self, record: datasets.Record, image: np.ndarray) -> Found:
        outline = np.asarray(self.dataset.outline(record)) >= 0.5
        box = np.zeros(outline.shape, np.float32)
        rows, columns = np.flatnonzero(outline.any(axis=1)), np.flatnonzero(outline.any(axis=0))
        if len(rows):
            box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 1.0
        return Found(box, 1)


def open_maskers(
    names: Sequence[str], dataset: datasets.Dataset, data_dir: Path | str | None
) -> tuple[dict[str, Masker], dict[str, str]]:
    """Return the maskers ``names`` that are ready, by name, and why the others are left out: their file is missing.

    Anything else that is wrong with a masker raises, as ``masks.open_masker`` does.
    """
    ready: dict[str, Masker] = {}
    left_out: dict[str, str] = {}
    for name in names:
        try:
            ready[name] = Box(dataset) if name == "box" else masks.open_masker(name, dataset, data_dir)
        except FileNotFoundError as error:
            left_out[name] = str(error)
    return ready, left_out


def references(dataset: datasets.Dataset) -> dict[str, datasets.Dataset]:
    """Return what counts as the object, by name: the outlines; for trimaps also those without their border."""
    found: dict[str, datasets.Dataset] = {"outlines": dataset}
    if isinstance(dataset, OxfordPets) and dataset.border:
        found["outlines without border"] = replace(dataset, border=False)
    return found


def compare(
    study: str, dataset: datasets.Dataset, maskers: Mapping[str, Masker], ready: Prepared
) -> tuple[pd.DataFrame, dict[str, NDArray[np.uint8]]]:
    """Compare the masks of every usable image with its outline.

    Returns
    -------
    The rows of the table ``mask_quality``, and for each masker its masks at the size of ``ready``, uint8 0 or 1,
    ``(N, S, S)`` in the order of ``ready.ids``; all zero where nothing was found.
    """
    records = {record.id: record for record in dataset.records}
    size = ready.images.shape[1]
    real = references(dataset)
    small = {name: np.zeros((len(ready.ids), size, size), np.uint8) for name in maskers}
    rows = []
    for place, image in enumerate(progress.track(ready.ids, "masks")):
        record = records[image]
        picture = dataset.image(record).array
        outlines = {name: np.asarray(each.outline(record)) for name, each in real.items()}
        for name, masker in maskers.items():
            found = masker(record, picture).mask
            small[name][place] = images.squash_mask(found, size)
            for reference, outline in outlines.items():
                if not (outline >= 0.5).any():  # nothing but a border
                    continue
                rows.append(
                    {
                        "study": study,
                        "data": ready.name,
                        "image": image,
                        "label": record.label,
                        "class": dataset.classes[record.label],
                        "source": name,
                        "reference": reference,
                        "found": bool(found.any()),
                        **overlap(found, outline)._asdict(),
                        "area": float((found >= 0.5).mean()),
                        "reference_area": float((outline >= 0.5).mean()),
                    }
                )
    return pd.DataFrame(rows), small


def score_run(
    run: Run,
    data: Prepared,
    asked: Sequence[Explainer],
    seeds: Sequence[int],
    epoch: int,
    others: Mapping[str, NDArray[np.uint8]],
    folder: Path,
    *,
    splits: Sequence[str],
    n: int,
    study_seed: int,
) -> pd.DataFrame:
    """Score the same maps of the fixed cohort under the hand-made masks and under ``others``: rows of the scores table.

    ``others`` holds, for each masker, a mask of every image of ``data``, as :func:`compare` returns them; an image on
    which a masker found nothing has no row under it. Finished images are kept under ``folder``, so that an interrupted
    run goes on where it was. Raises ``ValueError`` if a masker has another number of masks.
    """
    for name, small in others.items():
        if len(small) != len(data.ids):
            raise ValueError(f"`others` must hold {len(data.ids)} masks, but {len(small)} of {name!r} were passed.")
    given = {"splits": splits, "n": n, "study_seed": study_seed, "explainers": asked, "others": list(others)}
    partial_results.keep(folder, run, seeds, epoch=epoch, **given)
    parts = []
    for seed in seeds:
        stack = run.stack(seed, epoch)
        for split in splits:
            places = data.cohort(split, n, study_seed)
            for start in progress.track(range(0, len(places), _AT_ONCE), f"scores of {run.network}"):
                file = folder / f"seed-{seed}-{split}-{start:04d}.parquet"
                if not file.exists():
                    rows = _score(stack, data, places[start : start + _AT_ONCE], asked, others)
                    rows = run.label(rows.assign(epoch=epoch, split=split), seed)
                    partial_results.write(rows, file, "scores")
                parts.append(parquet.read(file, "scores"))
    return pd.concat(parts, ignore_index=True)


def _score(
    stack: Stack, data: Prepared, block: NDArray, asked: Sequence[Explainer], others: Mapping[str, NDArray[np.uint8]]
) -> pd.DataFrame:
    """Return the rows of the images at ``block`` under each kind of mask, without the columns that all rows share."""
    pictures, labels, ids = data.images[block], data.labels[block], [data.ids[place] for place in block]
    logits = stack(pictures)[0]
    maps = [each[0] for each in explain(asked, stack, pictures, labels, ids)]
    parts = []
    for source, every in {data.mask_source: data.masks, **others}.items():
        kept = np.flatnonzero(every[block].any(axis=(1, 2)))
        if not len(kept):
            continue
        rows = scores.rows_of(
            logits[kept],
            [each[kept] for each in maps],
            every[block][kept],
            labels[kept],
            [ids[place] for place in kept],
            asked,
        )
        parts.append(rows.assign(mask_source=source))
    return pd.concat(parts, ignore_index=True)
