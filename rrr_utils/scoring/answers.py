"""Which test images a network gets right: the rows of the answers table, by which accuracies compare image by image."""

from collections.abc import Sequence

import pandas as pd

from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.stack import Stack
from rrr_utils.scoring import partial_results
from rrr_utils.training.runs import Run


def answers_run(
    run: Run, data: Prepared, seeds: Sequence[int], epochs: Sequence[int], *, start_is_scored: bool = False
) -> pd.DataFrame:
    """Return the answer to every test image, as it is, at every seed and epoch of a run: rows of the answers table.

    With ``start_is_scored`` epoch 0 is not computed: it is the last epoch of stage 1, and its rows are those of that
    run's table. Raises ``FileNotFoundError`` where that is missing.
    """
    return partial_results.by_checkpoint(
        run, "answers", seeds, epochs, lambda *at: answers_of(data, *at), start_is_scored=start_is_scored
    )


def answers_of(data: Prepared, stack: Stack, epochs: Sequence[int]) -> list[pd.DataFrame]:
    """Return for each checkpoint of ``stack`` one row a test image: epoch, image, label, predicted, correct."""
    places = data.where("test")
    labels = data.labels[places]
    shown = pd.DataFrame({"image": [data.ids[place] for place in places], "label": labels})
    answers = stack(data.images[places]).argmax(axis=2)
    return [
        shown.assign(epoch=epoch, predicted=own, correct=own == labels)
        for epoch, own in zip(epochs, answers, strict=True)
    ]
