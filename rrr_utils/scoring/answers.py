"""What a network answers to each test image, as it is and before other backgrounds: the rows of the answers table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from rrr_utils.common.logits import softmax
from rrr_utils.datasets import images, splits
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.stack import Stack
from rrr_utils.scoring import partial_results, shift
from rrr_utils.tables import parquet
from rrr_utils.training.runs import Run

# The colour between black and white, on which an object is shown alone.
GREY = (127, 127, 127)


class Asked(NamedTuple):
    """Test images before another background: its name, their positions, uint8 ``(n, S, S, 3)``, and who lends it."""

    background: str
    places: NDArray[np.int64]
    images: NDArray[np.uint8]
    donors: Sequence[str]


def answers_run(
    run: Run,
    data: Prepared,
    seeds: Sequence[int],
    epochs: Sequence[int],
    backgrounds: Sequence[str],
    donors: Mapping[str, int | None],
    *,
    start_is_scored: bool = False,
) -> pd.DataFrame:
    """Return the answer to every test image at every seed and epoch of a run: rows of the answers table.

    As it is at each of ``epochs``; before other backgrounds, see :func:`asked`, at the last of them. With
    ``start_is_scored`` epoch 0 is not computed: it is the last epoch of stage 1, and its rows are those of that run's
    table. Raises ``FileNotFoundError`` where that is missing.
    """
    places = data.where("test")
    whole = Asked("original", places, data.images[places], [""] * len(places))
    plain = partial_results.by_checkpoint(
        run, "answers", seeds, epochs, lambda *at: _rows(data, [whole], *at), start_is_scored=start_is_scored
    )
    if not backgrounds and not donors:
        return plain
    changed = partial_results.by_checkpoint(
        run,
        "answers",
        seeds,
        epochs[-1:],
        lambda *at: _rows(data, asked(data, backgrounds, donors, run.study_seed), *at),
        kind="changed",
        backgrounds=backgrounds,
        donors=donors,
        study_seed=run.study_seed,
    )
    return pd.concat([plain, changed], ignore_index=True)


def asked(data: Prepared, backgrounds: Sequence[str], donors: Mapping[str, int | None], seed: int) -> Iterator[Asked]:
    """Yield the test images before other backgrounds, one background of each image at a time.

    ``backgrounds`` are those of :func:`rrr_utils.scoring.shift.change_background`. With ``donors`` also: ``grey``, the
    object alone; ``alone``, the background with the object's hole filled; ``mirrored``, the own filled background with
    left and right exchanged, which shows what cutting and pasting costs; and the filled backgrounds of
    ``donors["other"]`` test images of other classes (``other class``) and ``donors["same"]`` of the image's own (``same
    class``), drawn by ``seed`` and image, the same for all models. Where there are fewer images than that, all of them
    lend theirs. ``donors["images"]`` bounds how many images are put before these, a balanced draw; None: all.
    """
    places = data.where("test")
    for background in backgrounds:
        changed = shift.change_background(data, places, background, seed)
        if changed is not None:
            yield Asked(background, places, changed, [""] * len(places))
    if not donors:
        return
    pictures, masks = data.images[places], data.masks[places]
    yield Asked("grey", places, images.mean_colour(pictures, masks, GREY), [""] * len(places))
    # What is all object has no background of its own.
    lends = ~masks.reshape(len(masks), -1).all(axis=1)
    lenders = places[lends]
    filled = images.fill_holes(pictures[lends], masks[lends])
    own = [data.ids[place] for place in lenders]
    yield Asked("alone", lenders, filled, own)
    mirrored = images.swap_backgrounds(pictures[lends], masks[lends], filled[:, :, ::-1])
    yield Asked("mirrored", lenders, mirrored, own)
    bound = donors.get("images")
    chosen = places if bound is None else data.cohort("test", bound, seed)
    ids, labels = [data.ids[place] for place in chosen], data.labels[chosen]
    for background, same in (("other class", False), ("same class", True)):
        n = donors["same" if same else "other"] or 0
        drawn = splits.donors(ids, labels, own, data.labels[lenders], n, seed, same=same)
        for turn in range(n):
            have = [place for place, lent in enumerate(drawn) if len(lent) > turn]
            lent = np.array([drawn[place][turn] for place in have], np.int64)
            here = chosen[have]
            if len(here):
                pasted = images.swap_backgrounds(data.images[here], data.masks[here], filled[lent])
                yield Asked(background, here, pasted, [own[place] for place in lent])


def _rows(
    data: Prepared, shown: Iterator[Asked] | list[Asked], stack: Stack, epochs: Sequence[int]
) -> list[pd.DataFrame]:
    """Return the rows of each checkpoint of ``stack``."""
    parts: list[list[pd.DataFrame]] = [[] for _ in epochs]
    for each in shown:
        labels, names = data.labels[each.places], [data.ids[place] for place in each.places]
        for rows, epoch, logits in zip(parts, epochs, stack(each.images), strict=True):
            table = pd.DataFrame({"image": names, "label": labels, "background": each.background})
            rows.append(table.assign(epoch=epoch, donor=each.donors, **measures(logits, labels)))
    return [pd.concat(rows, ignore_index=True) if rows else parquet.empty("answers") for rows in parts]


def measures(logits: NDArray, labels: NDArray) -> dict[str, NDArray]:
    """Return what is kept of logits ``(N, classes)``: predicted, correct, probability, margin, entropy, each ``(N,)``.

    ``probability`` is the label's; ``margin`` is that minus the largest of the others, negative where the answer is
    wrong; ``entropy`` is that of all probabilities, in nats. The last three are float32.
    """
    shares = softmax(logits.astype(np.float64))
    rows, others = np.arange(len(labels)), shares.copy()
    own = shares[rows, labels]
    others[rows, labels] = -np.inf
    predicted = logits.argmax(axis=1)
    return {
        "predicted": predicted,
        "correct": predicted == labels,
        "probability": own.astype(np.float32),
        "margin": (own - others.max(axis=1)).astype(np.float32),
        "entropy": special.entr(shares).sum(axis=1).astype(np.float32),
    }
