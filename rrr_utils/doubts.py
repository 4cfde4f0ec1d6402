"""What makes a reader distrust the numbers of a model of one's own, in words, with what to look at first."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from rrr_utils.explainers.base import as_forward
from rrr_utils.figures.style import STYLE
from rrr_utils.networks import Network
from rrr_utils.triage import BATCH, Triage

#: What may have been done to raw RGB before `fit`, in the words of `preprocess`.
PREPROCESSING = (None, "unit", "tf", "caffe", "torch")
MANY = 0.25  # share of images without relevance from which on a reader is told


def of(found: Triage, adopt: Callable[[str | None], Network], scaled: bool) -> list[str]:
    """Return what should be looked at before ``found`` is believed; mostly nothing.

    Classes in another order, a model fed other than in training, masks that cover whole images or are black on white,
    and maps without relevance.

    Parameters
    ----------
    adopt
        Returns the same model behind another ``preprocess``. It is asked for every other one, and each is passed over
        the images, only where the model is not better than guessing or nothing scales what it gets.
    scaled
        Whether anything scales the raw RGB: ``preprocess``, or layers of the model.
    """
    answers = _of_answers(found, adopt, scaled)
    # Maps are of the labels: where the answers are in doubt, empty ones come from the same cause.
    return [*answers, *_of_masks(found), *(() if answers else _of_maps(found))]


def _of_answers(found: Triage, adopt: Callable[[str | None], Network], scaled: bool) -> list[str]:
    original = found.backgrounds.set_index("background").loc["original"]
    guessing, images = 1 / found.network.classes, len(found.data.ids)
    guesses = original["low"] <= guessing
    if scaled and not guesses:
        return []
    said = f"The model is right on {found.accuracy:.0%} of {images} images"
    said += f", which is not told from guessing ({guessing:.0%})." if guesses else "."
    best, order = _ordered(found)
    if guesses and best > original["high"]:
        return [f"{said} Its outputs seem to be in another order: with classes={order[:12]} it is right on {best:.0%}."]
    shares = {name: _accuracy(adopt(name), found) for name in PREPROCESSING}
    best = max(shares.values())
    if best > original["high"]:
        names = " or ".join(f"preprocess={name!r}" for name, share in shares.items() if share == best)
        return [
            f"{said} It seems to have been trained on images scaled otherwise: with {names} it is right on {best:.0%}. "
            "Name what was done before `fit`."
        ]
    if not guesses:
        return []
    if found.accuracy > guessing and original["high"] == 1:
        return [f"{said} These are too few images: give more."]
    return [
        f"{said} If it is known to work, look at `preprocess` (does the model itself scale raw RGB from 0 to 255?) and "
        f"at the order of `classes`: {', '.join(found.data.classes[:12])}."
    ]


def _ordered(found: Triage) -> tuple[float, list[str]]:
    """Return how often the model is right in the order of classes that suits it best, and that order."""
    names = found.data.classes
    rows = found.scores.drop_duplicates("image")
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (rows["label"].to_numpy(int), rows["predicted"].to_numpy(int)), 1)
    labels, outputs = optimize.linear_sum_assignment(counts, maximize=True)
    return counts[labels, outputs].sum() / len(rows), [names[label] for label in labels[np.argsort(outputs)]]


def _accuracy(network: Network, found: Triage) -> float:
    forward, images = as_forward(network, BATCH), found.data.images
    said = [forward(images[start : start + BATCH]).argmax(axis=1) for start in range(0, len(images), BATCH)]
    return float((np.concatenate(said) == found.data.labels).mean())


def _of_masks(found: Triage) -> list[str]:
    masks: NDArray[np.uint8] = found.data.masks
    whole = np.array([mask.all() for mask in masks])
    said = []
    if whole.any():
        said.append(
            f"{whole.sum()} of {len(masks)} masks cover their whole image, where no map can miss the object. Expected "
            "white on black."
        )
    if whole.all():
        return said
    border = np.mean([_border(mask).mean() for mask in masks[~whole]])
    if border > 0.5:
        said.append(
            f"The masks are white along {border:.0%} of the images' borders. Expected white objects on black: are "
            "they the other way round?"
        )
    return said


def _border(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])


def _of_maps(found: Triage) -> list[str]:
    said = []
    for explainer in found.explainers:
        name, rows = explainer.name, found.scores[found.scores["explainer"] == explainer.name]
        count, images = int(rows["zero_map"].sum()), len(rows)
        if count > MANY * images:
            label = STYLE["explainer"][name].label.replace("\n", " ") if name in STYLE["explainer"] else name
            said.append(
                f"{label} finds no relevance on {count} of {images} images: these have no score by it. Another "
                "explainer, or another `layer`, may see more."
            )
    return said
