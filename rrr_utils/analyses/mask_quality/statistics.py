"""What the quality of masks amounts to: shares above thresholds, and how far scores move with the mask."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from rrr_utils.statistics.cohorts import groups, need
from rrr_utils.statistics.intervals import proportion_interval
from rrr_utils.statistics.means import holm, paired


def overlap_table(quality: pd.DataFrame, thresholds: Sequence[float]) -> pd.DataFrame:
    """Return what the overlaps of each masker and each kind of hand-made mask amount to.

    Returns
    -------
    One row a ``source`` and ``reference``: ``n`` images; ``found``, the share on which anything was found; ``mean`` and
    ``median`` overlap (nothing found counts as 0), ``precision`` and ``recall``, the mean areas; and for each threshold
    ``above_<threshold>``, the share of the images whose overlap exceeds it, with Wilson's interval ``_low``, ``_high``.
    """
    need(quality, ["source", "reference", "image", "iou"], "the mask_quality table")
    rows = []
    for key, part in groups(quality, ["source", "reference"]):
        n = len(part)
        row = key | {
            "n": n,
            "found": float(part["found"].mean()),
            "mean": float(part["iou"].mean()),
            "median": float(part["iou"].median()),
            **{name: float(part[name].mean()) for name in ("precision", "recall", "area", "reference_area")},
        }
        for threshold in thresholds:
            count = int((part["iou"] > threshold).sum())
            low, high = proportion_interval(count, n)
            name = f"above_{threshold}"
            row |= {name: count / n, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def by_masks(scores: pd.DataFrame, reference: str, above: bool = False) -> pd.DataFrame:
    """Return the paired difference that another mask makes, one row a masker and an explainer.

    The same maps of the same images, over those that the network gets right (``own``): ``difference`` is the score
    under the masker's mask minus that under ``reference``. With ``above`` it is that of the score minus chance, because
    chance is the mask's area and moves as well. Columns as in :func:`paired`, ``p_holm`` corrected for all rows, and
    ``mask_source``.
    """
    sources = [source for source in scores["mask_source"].unique() if source != reference]
    table = scores
    if above:
        # Brought into [0, 1], which scores have to lie in, and back: means, intervals and ranks keep their places.
        table = scores.assign(score=(scores["score"] - scores["chance"] + 1) / 2)
    parts = []
    for source in sources:
        part = paired(table, {"mask_source": source}, {"mask_source": reference}, cohort="own")
        if above:
            part[["difference", "low", "high"]] *= 2
            part[["mean_a", "mean_b"]] = 2 * part[["mean_a", "mean_b"]] - 1
        parts.append(part.assign(mask_source=source))
    return holm(*parts)


def drift_by_overlap(
    scores: pd.DataFrame, quality: pd.DataFrame, reference: str, thresholds: Sequence[float]
) -> pd.DataFrame:
    """Return how far an image's score moves, by the overlap of its mask with the hand-made one.

    One row a masker and a range of overlaps ``over`` < IoU <= ``to``: ``images``, the mean ``absolute`` difference of
    an image's score and the mean ``difference``, over all explainers and seeds.
    """
    edges = [-np.inf, *thresholds, np.inf]
    key = ["seed", "image", "explainer"]
    hand = scores[scores["mask_source"] == reference].set_index(key)["score"]
    rows = []
    for source in (source for source in scores["mask_source"].unique() if source != reference):
        part = scores[scores["mask_source"] == source].set_index(key)["score"]
        moved = (part - hand).dropna().rename("difference").reset_index()
        iou = quality[quality["source"] == source].set_index("image")["iou"]
        moved["iou"] = moved["image"].map(iou)
        for low, high in itertools.pairwise(edges):
            chosen = moved[(moved["iou"] > low) & (moved["iou"] <= high)]
            rows.append(
                {
                    "mask_source": source,
                    "over": max(low, 0.0),
                    "to": min(high, 1.0),
                    "images": int(chosen["image"].nunique()),
                    "absolute": float(chosen["difference"].abs().mean()),
                    "difference": float(chosen["difference"].mean()),
                }
            )
    return pd.DataFrame(rows)


def mask_numbers(
    overlap: pd.DataFrame, moved: pd.DataFrame, above: pd.DataFrame, drift: pd.DataFrame
) -> dict[str, float]:
    """Return the numbers that pages quote, by name, from the tables of this module.

    ``<column>_<masker>`` for the overlap with the outlines as they are, ``<column>_<masker>_bare`` without their
    border; ``moved_<masker>_<explainer>`` and ``moved_above_...`` with ``_low`` and ``_high``; ``n_moved_<masker>``
    images; ``drift_<masker>_<threshold>`` for the mean absolute difference up to a threshold.
    """
    found: dict[str, float] = {}
    for row in overlap.to_dict("records"):
        end = f"{row['source']}{'' if row['reference'] == 'outlines' else '_bare'}"
        found |= {f"{name}_{end}": row[name] for name in row if name not in ("source", "reference")}
    for start, table in (("moved", moved), ("moved_above", above)):
        for row in table.to_dict("records"):
            name = f"{start}_{row['mask_source']}_{row['explainer']}"
            found |= {name: row["difference"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
            found |= {f"n_moved_{row['mask_source']}": row["n"], "n_seeds": row["seeds"]}
    for row in drift.to_dict("records"):
        found[f"drift_{row['mask_source']}_{row['to']}"] = row["absolute"]
    return found


def excellent_numbers(quality: pd.DataFrame, excellent: int, judged: int) -> dict[str, float]:
    """Return a share of masks that somebody judged excellent, with Wilson's interval, and what overlap it stands for.

    ``excellent_iou_<masker>``: the overlap that the same share of the masker's masks exceeds. If the judge's eye had
    sorted these masks by overlap, that is where it would have drawn the line.
    """
    share = excellent / judged
    low, high = proportion_interval(excellent, judged)
    found = {"excellent_share": share, "excellent_low": low, "excellent_high": high}
    for source, part in quality.groupby("source"):
        found[f"excellent_iou_{source}"] = float(part["iou"].quantile(1 - share))
    return found
