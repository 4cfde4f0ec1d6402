"""Accuracy when what lies behind the object changes: the rows of the shift table."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.common.names import BACKGROUNDS
from rrr_utils.datasets import images
from rrr_utils.masks.prepared import Prepared
from rrr_utils.scoring import partial_results
from rrr_utils.training.runs import Run


def shift_run(
    run: Run,
    data: Prepared,
    seeds: Sequence[int],
    epochs: Sequence[int],
    backgrounds: Sequence[str],
    *,
    study_seed: int,
    start_is_scored: bool = False,
) -> pd.DataFrame:
    """Return accuracy on changed backgrounds at every seed and epoch of a run: rows of the shift table.

    With ``start_is_scored`` epoch 0 is not computed: it is the last epoch of stage 1, and its rows are those of that
    run's table. Raises ``FileNotFoundError`` where that is missing.
    """
    return partial_results.by_checkpoint(
        run,
        "shift",
        seeds,
        epochs,
        lambda stack, members: _by_background(stack, data, backgrounds, members, seed=study_seed),
        start_is_scored=start_is_scored,
        backgrounds=backgrounds,
        study_seed=study_seed,
    )


def accuracy_by_background(
    predict: Callable[[NDArray], NDArray],
    data: Prepared,
    backgrounds: Sequence[str],
    *,
    epoch: int,
    seed: int,
) -> pd.DataFrame:
    """Return accuracy on all test images, as they are and with each background behind their objects.

    ``random``: random pixels; ``other``: the background of another test image, drawn by seed whatever its class;
    ``mean``: the mean colour of all training backgrounds; ``free``: generated data with the background drawn without
    regard to the class (skipped where the data set has none). The object's pixels stay as they are. The same images
    are made for every network and epoch. ``predict`` turns ``(N, S, S, 3)`` images into ``(N, classes)`` logits.

    Returns
    -------
    A data frame with the columns epoch, background, n, correct and accuracy.
    """
    return _by_background(lambda changed: predict(changed)[None], data, backgrounds, [epoch], seed=seed)[0]


def _by_background(
    predict: Callable[[NDArray], NDArray],
    data: Prepared,
    backgrounds: Sequence[str],
    epochs: Sequence[int],
    *,
    seed: int,
) -> list[pd.DataFrame]:
    """Return the rows of each checkpoint, where ``predict`` gives the logits of all, ``(checkpoints, N, classes)``."""
    places = data.where("test")
    labels = data.labels[places]
    rows: list[list[dict[str, Any]]] = [[] for _ in epochs]
    for background in ("original", *backgrounds):
        changed = change_background(data, places, background, seed)
        if changed is None:
            continue
        right = (predict(changed).argmax(axis=2) == labels).sum(axis=1)
        for part, epoch, correct in zip(rows, epochs, right.tolist(), strict=True):
            shown = {"epoch": epoch, "background": background, "n": len(labels)}
            part.append({**shown, "correct": correct, "accuracy": correct / len(labels)})
    return [pd.DataFrame(part) for part in rows]


def change_background(data: Prepared, places: NDArray, background: str, seed: int) -> NDArray | None:
    """Return the images at ``places`` with another background, uint8; None for ``free`` where there is none."""
    one_of("background", background, ("original", *BACKGROUNDS))
    pictures, masks, ids = data.images[places], data.masks[places], [data.ids[place] for place in places]
    if background == "original":
        return pictures
    if background == "free":
        return None if data.shifted is None else data.shifted[places]
    if background == "random":
        return images.random_pixels(pictures, masks, ids, seed)
    if background == "mean":
        return images.mean_colour(pictures, masks, mean_background(data))
    # An image that is all object has no background to lend.
    lends = ~masks.reshape(len(masks), -1).all(axis=1)
    lenders = [name for name, ready in zip(ids, lends, strict=True) if ready]
    donors = images.draw_donors(ids, lenders, seed, "other background")
    return images.swap_backgrounds(pictures, masks, images.fill_holes(pictures[lends], masks[lends])[donors])


def mean_background(data: Prepared) -> NDArray[np.float64]:
    """Return the mean colour of the training images' backgrounds, ``(3,)`` float64 from 0 to 255.

    Of all images, where none is a training image: somebody else's model was trained on images that are not here.
    """
    total, count = np.zeros(3), 0
    train = data.where("train")
    for place in train if len(train) else range(len(data.ids)):
        outside = data.images[place][data.masks[place] == 0]
        total += outside.sum(axis=0, dtype=np.float64)
        count += len(outside)
    return total / max(count, 1)
