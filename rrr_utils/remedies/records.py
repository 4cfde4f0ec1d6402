"""The tables of a comparison of remedies that no other part has: what models cost, and sweeps over strengths."""

import pyarrow as pa

from rrr_utils import tables

_RUN = [(name, pa.string()) for name in ("study", "data", "network", "strategy", "trained_on")] + [("seed", pa.int64())]

SCHEMAS = {
    # One row a trained model; `trained_on` is the remedy. `factor` (missing where none was chosen) and `strength` of
    # the penalty; seconds of the processor: `first` the first epoch, compilation included, `epoch` the mean of the
    # others, the sum over members where several networks are asked as one; `images` that were trained on.
    "fits": pa.schema(
        [
            *_RUN,
            ("members", pa.int64()),
            ("factor", pa.float64()),
            ("strength", pa.float64()),
            ("images", pa.int64()),
            ("epochs", pa.int64()),
            ("first_seconds", pa.float64()),
            ("epoch_seconds", pa.float64()),
        ]
    ),
    # One row a factor that was tried: of the `n` training images held out the accuracy as they are and before other
    # images' backgrounds, and the mean score of Grad-CAM over all of them; `chosen` is the factor that was taken.
    "sweeps": pa.schema(
        [
            *_RUN,
            ("factor", pa.float64()),
            ("strength", pa.float64()),
            ("n", pa.int64()),
            ("accuracy", pa.float64()),
            ("accuracy_other", pa.float64()),
            ("score", pa.float64()),
            ("chance", pa.float64()),
            ("chosen", pa.bool_()),
        ]
    ),
}

# Entered from here, because a change of `tables` would call for every finished run of every study anew.
tables.SCHEMAS.update(SCHEMAS)
