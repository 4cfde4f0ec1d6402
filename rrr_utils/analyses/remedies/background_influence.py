"""How far the background reaches into a network's answers, and how much of it the gradient shows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.analyses.remedies.measure import remedy_run
from rrr_utils.common.logits import log_odds
from rrr_utils.engine import gradients
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.network import Network
from rrr_utils.scoring.shift import change_background
from rrr_utils.training.runs import Run


def measure_run(
    run: Run, data: Prepared, names: Sequence[str], seeds: Sequence[int], epoch: int, *, n: int, study_seed: int
) -> pd.DataFrame:
    """Return the rows of the table ``reach``: ``n`` test images of the fixed cohort, every remedy and seed."""
    places = data.cohort("test", n, study_seed)
    others = change_background(data, places, "other", study_seed)
    assert others is not None
    ids = [data.ids[place] for place in places]
    parts = []
    for name in names:
        own = remedy_run(run, name)
        for seed in seeds:
            rows = measure(own.at(seed, epoch), data.images[places], data.masks[places], others, data.labels[places])
            parts.append(own.label(rows.assign(epoch=epoch, split="test", image=ids), seed))
    return pd.concat(parts, ignore_index=True)


def measure(network: Network, pictures: NDArray, masks: NDArray, others: NDArray, labels: NDArray) -> pd.DataFrame:
    r"""Return for each image how its label's log odds z depend on its background.

    ``change`` is :math:`z(x') - z(x)` with x' the image in ``others``, ``predicted`` the same to first order,
    :math:`\nabla z(x) \cdot (x' - x)`. Where a network is flat around its images and not between them, the second is
    much smaller than the first: then a penalty on gradients is content, and the answer follows the background all the
    same. ``inside`` and ``outside`` are sums of squares of :math:`\nabla z(x)` on the object and beside it.
    """
    logits, slopes = gradients.input_gradients(network, pictures, labels, "log odds")
    after = gradients.input_gradients(network, others, labels, "log odds")[0]
    steep = slopes.astype(np.float64)
    moved = others.astype(np.float64) - pictures.astype(np.float64)
    squares, objects = (steep**2).sum(axis=3), np.asarray(masks) >= 0.5
    before = log_odds(logits, labels)
    return pd.DataFrame(
        {
            "label": np.asarray(labels, np.int64),
            "log_odds": before,
            "change": log_odds(after, labels) - before,
            "predicted": (steep * moved).sum(axis=(1, 2, 3)),
            "inside": (squares * objects).sum(axis=(1, 2)),
            "outside": (squares * ~objects).sum(axis=(1, 2)),
        }
    )
