"""Mosaics of four images, two of one class, and what a classifier's measures make of relevance on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common import seeds
from rrr_utils.common.choices import one_of
from rrr_utils.datasets import images as pictures

# In the order of the tables; of the last two lower is better.
MEASURES = ("precision", "sensitivity", "specificity", "accuracy", "f1", "false negative rate", "false positive rate")
LOWER_IS_BETTER = MEASURES[5:]
# What maps without negative values have: every other measure would count what is not there.
POSITIVE = ("precision",)
# Explainers whose sign says for or against the class. Grad-CAM's published map is clipped, Grad-CAM++ has no sign.
SIGNED = ("lime", "occlusion", "integrated_gradients", "smooth_grad", "rise")

# What a measure is where it divides by nothing: missing, or what the code of Fresz et al. gives.
ZEROS = ("missing", "authors")


@dataclass(frozen=True)
class Mosaics:
    """Mosaics of 2 x 2 images.

    Attributes
    ----------
    images
        ``(M, S, S, 3)`` uint8: tiles of half the side, squashed by an area filter.
    target
        ``(M, 2, 2)`` bool: which tiles are of the class that is explained; two of four.
    classes
        ``(M,)`` that class.
    ids
        M names; perturbations follow from them.
    """

    images: NDArray[np.uint8]
    target: NDArray[np.bool_]
    classes: NDArray[np.int64]
    ids: tuple[str, ...]


def build(images: NDArray[np.uint8], labels: ArrayLike, n: int, seed: int) -> Mosaics:
    """Return ``n`` mosaics of each class, of images ``(N, S, S, 3)`` with ``labels`` ``(N,)``.

    Two tiles are images of the class and two of other classes, at places drawn at random. A class's images are dealt
    out in a random order and, once all have been used, anew in another one, so that none is in two tiles of a mosaic.
    Everything follows from ``seed`` and the class. (Fresz et al. join tiles at their full size, which networks with a
    head of fixed size cannot take.)

    Raises ``ValueError`` if the side is odd, a class has fewer than two images, or there is only one class.
    """
    classes = np.asarray(labels, np.int64)
    size = images.shape[1]
    counts = {int(label): int((classes == label).sum()) for label in np.unique(classes)}
    if size % 2 or len(counts) < 2 or min(counts.values()) < 2:
        raise ValueError(
            "Mosaics need images of an even side, and two classes or more of two images or more, but the side is "
            f"{size} and the classes have {counts} images."
        )
    tiles, target, explained, names = [], [], [], []
    half = size // 2
    for label in counts:
        draw = seeds.generator(seed, "mosaics", label)
        own, others = (_dealt(np.flatnonzero(side), 2 * n, draw) for side in (classes == label, classes != label))
        for number in range(n):
            chosen = np.concatenate([own[2 * number : 2 * number + 2], others[2 * number : 2 * number + 2]])
            order = draw.permutation(4)
            small = [pictures.squash(images[place], half) for place in chosen[order]]
            tiles.append(np.concatenate([np.concatenate(small[row : row + 2], axis=1) for row in (0, 2)]))
            target.append((order < 2).reshape(2, 2))
            explained.append(label)
            names.append(f"mosaic-{label}-{number:03d}")
    return Mosaics(np.stack(tiles), np.stack(target), np.array(explained, np.int64), tuple(names))


def masses(maps: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """Return TP, FN, FP and TN of each map ``(M, S, S)``, ``(M, 4)``: how much relevance of which sign is where.

    True positive: positive relevance on the tiles ``target`` ``(M, 2, 2)``; false negative: the size of negative
    relevance there; false positive and true negative: likewise on the other tiles (Fresz et al. 2024).
    """
    values = np.asarray(maps, np.float64)
    here = np.repeat(np.repeat(np.asarray(target, bool), values.shape[1] // 2, axis=1), values.shape[2] // 2, axis=2)
    positive, negative = np.maximum(values, 0), np.maximum(-values, 0)
    parts = [positive * here, negative * here, positive * ~here, negative * ~here]
    return np.stack([part.sum(axis=(1, 2)) for part in parts], axis=1)


def measures(found: ArrayLike, zeros: str = "missing") -> dict[str, NDArray[np.float64]]:
    """Return every measure ``(M,)`` in [0, 1] of TP, FN, FP, TN ``(M, 4)`` as :func:`masses` gives them.

    ``precision``: TP / (TP + FP); of nothing without positive relevance. ``sensitivity``: TP / (TP + FN), and ``false
    negative rate``: FN / (TP + FN); of nothing without relevance on the target tiles. ``specificity``: TN / (TN + FP),
    and ``false positive rate``: FP / (TN + FP); of nothing without relevance on the others. ``accuracy``: (TP + TN) /
    all; of nothing for a zero map. ``f1``: 2 TP / (2 TP + FP + FN); of nothing without positive relevance and without
    any on the target tiles.

    ``zeros="missing"``: a quotient of nothing is NaN, left out of means and ranks, and counted. ``"authors"``: as the
    code of Fresz et al. has it, precision is 0 without positive relevance, F1 is 0 where precision and sensitivity add
    up to 0, and NaN where sensitivity is; all others are NaN.
    """
    one_of("zeros", zeros, ZEROS)
    values = np.asarray(found, np.float64)
    tp, fn, fp, tn = values.T
    parts = {
        "precision": (tp, tp + fp),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "accuracy": (tp + tn, values.sum(axis=1)),
        "f1": (2 * tp, 2 * tp + fp + fn),
        "false negative rate": (fn, tp + fn),
        "false positive rate": (fp, tn + fp),
    }
    result = {name: np.where(of > 0, part / np.where(of > 0, of, 1.0), np.nan) for name, (part, of) in parts.items()}
    if zeros == "authors":
        result["precision"] = np.nan_to_num(result["precision"], nan=0.0)
        # Without relevance on the target tiles their sensitivity, and with it F1, is NaN.
        result["f1"] = np.where(np.isnan(result["sensitivity"]), np.nan, np.nan_to_num(result["f1"], nan=0.0))
    return result


def score(explainers: Sequence[Any], network: Any, mosaics: Mosaics) -> pd.DataFrame:
    """Return every measure of every explainer on every mosaic, as rows of the table ``mosaics`` without the run.

    Those of ``SIGNED`` are asked for maps of both signs and get all measures, the others those of ``POSITIVE``.
    """
    parts = []
    for each in explainers:
        signed = each.name in SIGNED
        maps = each(network, mosaics.images, mosaics.classes, mosaics.ids, signed=signed)
        values = measures(masses(maps, mosaics.target))
        for name in MEASURES if signed else POSITIVE:
            parts.append(
                pd.DataFrame(
                    {
                        "image": mosaics.ids,
                        "label": mosaics.classes,
                        "explainer": each.name,
                        "design": each.design,
                        "samples": each.samples,
                        "signed": signed,
                        "measure": name,
                        "value": values[name],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def _dealt(places: NDArray[np.int64], count: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Return ``count`` of ``places``, all of them before any again, and no two equal ones in a pair."""
    dealt: list[int] = []
    while len(dealt) < count:
        again = [int(place) for place in draw.permutation(places)]
        if len(dealt) % 2 and dealt[-1] == again[0]:
            again[0], again[-1] = again[-1], again[0]
        dealt += again
    return np.array(dealt[:count], np.int64)
