"""What makes a reader distrust the numbers of a model of one's own, in words, with what to look at first."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from rrr_utils.explainers.base import as_forward
from rrr_utils.figures.style import STYLE
from rrr_utils.networks.network import Network
from rrr_utils.own_model.triage import BATCH, Triage

#: What may have been done to raw RGB before `fit`, in the words of `preprocess`.
PREPROCESSING = (None, "unit", "tf", "caffe", "torch")
WHOLE = 0.95  # share of an image from which on a mask covers it
FEW = 5  # answers, with fewer of which two explainers are not held against each other
MANY = 0.25  # share of images without relevance from which on a reader is told


def of(found: Triage, adopt: Callable[[str | None], Network], scaled: bool) -> list[str]:
    """Return what should be looked at before ``found`` is believed; mostly nothing.

    Classes in another order, a model fed other than in training or that says the same of every image, masks that cover
    whole images or are black on white, maps without relevance, explainers that contradict each other, and a Grad-CAM
    that reads what lies before attention.

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
    return [*answers, *_of_masks(found), *(() if answers else (*_of_maps(found), *_of_explainers(found)))]


def _of_answers(found: Triage, adopt: Callable[[str | None], Network], scaled: bool) -> list[str]:
    said_of_all = found.scores["predicted"].unique()
    if len(said_of_all) == 1 and found.scores["label"].nunique() > 1:
        only = found.data.classes[int(said_of_all[0])]
        constant = [f"The model answers {only!r} on every image, which is right on {found.accuracy:.0%} of them."]
    else:
        constant = []
    original = found.backgrounds.set_index("background").loc["original"]
    guessing, images = 1 / found.network.classes, len(found.data.ids)
    guesses = original["low"] <= guessing
    if scaled and not guesses:
        return constant
    said = f"The model is right on {found.accuracy:.0%} of {images} images"
    said += f", which is not told from guessing ({guessing:.0%})." if guesses else "."
    best, order = _ordered(found)
    if guesses and best > original["high"]:
        return [f"{said} Its outputs seem to be in another order: with classes={order[:12]} it is right on {best:.0%}."]
    shares = {name: _accuracy(adopt(name), found) for name in PREPROCESSING}
    better = {name: share for name, share in shares.items() if share > original["high"]}
    if better:
        # A few images do not tell one good scaling from another: all are named, the best first.
        ranked = sorted(better, key=lambda name: -better[name])
        names = ", ".join(f"with preprocess={name!r} it is right on {better[name]:.0%}" for name in ranked)
        return [
            f"{said} It seems to have been trained on images scaled otherwise: {names}. Name what was done before "
            "`fit`."
        ]
    if not guesses:
        return constant
    if found.accuracy > guessing and original["high"] == 1:
        return [*constant, f"{said} These are too few images: give more."]
    return [
        *constant,
        f"{said} If it is known to work, look at `preprocess` (does the model itself scale raw RGB from 0 to 255?) and "
        f"at the order of `classes`: {', '.join(found.data.classes[:12])}.",
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
    whole = np.array([mask.mean() > WHOLE for mask in masks])
    said = []
    if whole.any():
        said.append(
            f"{whole.sum()} of {len(masks)} masks cover their whole image or nearly so, where hardly any map can miss "
            "the object. Expected white on black."
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
            said.append(
                f"{_label(name)} finds no relevance on {count} of {images} images: these have no score by it. Another "
                "explainer, or another `layer`, may see more."
            )
    return said


def _of_explainers(found: Triage) -> list[str]:
    """Return which explainers call other answers doubtful, and what Grad-CAM cannot see."""
    rows = found.scores[found.scores["correct"]]
    above = rows.assign(above=rows["score"] - rows["chance"]).pivot(index="image", columns="explainer", values="above")
    said = []
    for one, other in combinations((each.name for each in found.explainers), 2):
        known = above[[one, other]].dropna()
        below = known < 0
        either, both = int(below.any(axis=1).sum()), int(below.all(axis=1).sum())
        if either >= FEW and both < either / 2:
            said.append(
                f"{_label(one)} and {_label(other)} contradict each other: of {either} right answers that score below "
                f"chance by one of them, {both} do by both. Look at each by itself: worst(by={one!r})."
            )
    names = [layer.name for layer in found.network.model.layers]
    read = names.index(found.network.grad_cam_layer) if found.network.grad_cam_layer else len(names)
    behind = [type(layer).__name__ for layer in found.network.model.layers[read:]]
    if any("Attention" in kind for kind in behind) and any(each.reads_layer for each in found.explainers):
        said.append(
            f"Grad-CAM reads {names[read]}, and attention comes behind it, which moves what was seen to other places: "
            "its map is of what the layer sees, not of what decides. Occlusion and LIME ask the whole model."
        )
    return said


def _label(name: str) -> str:
    return STYLE["explainer"][name].label.replace("\n", " ") if name in STYLE["explainer"] else name
