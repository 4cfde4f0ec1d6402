"""Outcomes: how right a model is when what lies behind the object changes, and when the object is gone."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from rrr_utils.analyses.zoo import object_removal
from rrr_utils.analyses.zoo.confounded_data import World
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import CHANGES
from rrr_utils.scoring import shift

# As they are, and changed.
VARIANTS = ("original", *CHANGES)
# What a model has seen in training is no outcome that could surprise it: random pixels in `masked`; in `swapped` and
# `both` backgrounds that tell nothing of the class.
TRAINED: Mapping[str, tuple[str, ...]] = {
    "original": (),
    "masked": ("random",),
    "swapped": ("other", "free", "flipped"),
    "both": ("other", "free", "flipped"),
    # Remedies: images as they are, and a penalty.
    "right-reasons": (),
    "cam-energy": (),
}


def changed(world: World, places: NDArray[np.int64], variant: str, seed: int) -> NDArray[np.uint8] | None:
    """Return the images at ``places``, changed, uint8 ``(n, S, S, 3)``; None where a world has no such variant.

    ``original``: as they are. ``random``: random pixels behind the object. ``other``: the background of another of
    these images, drawn by seed whatever its class. ``mean``: the mean colour of all training backgrounds. ``free``: a
    background whose class a coin decides. ``flipped``: a background of another class. ``removed``: no object
    (:func:`~rrr_utils.analyses.zoo.object_removal.without_objects`). The same for every model. An image that is all
    object stays as it is in ``removed``.
    """
    one_of("variant", variant, VARIANTS)
    if variant == "flipped":
        return None if world.flipped is None else world.flipped[places]
    if variant == "removed":
        pictures, masks = np.array(world.data.images[places]), np.asarray(world.data.masks[places])
        some = ~masks.reshape(len(masks), -1).all(axis=1)
        pictures[some] = object_removal.without_objects(pictures[some], masks[some])
        return pictures
    return shift.change_background(world.data, places, variant, seed)


def accuracies(predict: Callable[[NDArray], NDArray], world: World, seed: int) -> dict[str, NDArray[np.float64]]:
    """Return the accuracy of each model on all test images, ``(models,)`` in [0, 1] by variant.

    ``predict`` turns images ``(n, S, S, 3)`` into logits ``(models, n, classes)``. NaN where a world has no such
    variant. A model that looks at the object alone is as right under every variant but ``removed``, where it can only
    guess; one that looks at the background alone is as right in ``removed`` as on the images as they are.
    """
    places = world.data.where("test")
    labels = world.data.labels[places]
    found: dict[str, NDArray[np.float64]] = {}
    for variant in VARIANTS:
        pictures = changed(world, places, variant, seed)
        if pictures is not None:
            found[variant] = (predict(pictures).argmax(axis=2) == labels).mean(axis=1)
    models = len(found["original"])
    return {variant: found.get(variant, np.full(models, np.nan)) for variant in VARIANTS}


def known_tie(trained_on: str, tie: float, classes: int = 2) -> float:
    """Return how often the background that a model saw in training was that of the class.

    The tie itself for ``original``, also with a remedy's penalty; what guessing reaches for ``masked`` and ``swapped``,
    whose backgrounds tell nothing; the mean of the two for ``both``. NaN for photographs as they are (tie 0).
    """
    guess = 1 / classes
    if tie == 0:
        return float("nan")
    return {"masked": guess, "swapped": guess, "both": (tie + guess) / 2}.get(trained_on, tie)
