"""The tables of the disentangled head. Importing this module makes them known to :mod:`rrr_utils.tables`."""

import pyarrow as pa

from rrr_utils import tables

# Study, data, network, strategy, trained_on and seed, as every table of runs has them.
_RUN = [tables.SCHEMAS["history"].field(place) for place in range(6)]

SCHEMAS: dict[str, pa.Schema] = {
    # One row a head (plain, average, disentangled), an epoch and a split, in inference mode. "shifted" are the test
    # images with backgrounds that are drawn freely, of generated data alone.
    "head_history": pa.schema(
        [
            *_RUN,
            ("head", pa.string()),
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("loss", pa.float64()),
            ("accuracy", pa.float64()),
        ]
    ),
    # One row a head and an image of the test images, or of these with other backgrounds (split "shifted"), at the last
    # epoch; `probability` of the label.
    "head_answers": pa.schema(
        [
            *_RUN,
            ("head", pa.string()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("probability", pa.float64()),
            ("correct", pa.bool_()),
        ]
    ),
    # One row a head that adds up channels, a test image and what is added up (`of`): the "logit" of the predicted
    # class, or its "margin" over the class that comes second. `needed` of the `channels`, the largest first, carry nine
    # tenths of the absolute contributions; those of one sign add up to `pro`, the others to `contra`, at most 0.
    "decisions": pa.schema(
        [
            *_RUN,
            ("head", pa.string()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("correct", pa.bool_()),
            ("of", pa.string()),
            ("channels", pa.int64()),
            ("needed", pa.int64()),
            ("pro", pa.float64()),
            ("contra", pa.float64()),
        ]
    ),
    # One row a channel, a `side` (positive, negative) and a rank, 0 the first: the training image that excites the
    # channel most on that side, and where: the cell in `row` and `column` of a grid of `cells` a side. `on_object` is
    # the share of that cell that is object, `chance` the mask's mean, `same_place` the mean share of object in that
    # cell over all other training images. `usage` is the channel's share of all absolute contributions to margins on
    # the training images, `used` whether it is among the largest that carry nine tenths of them, `favours` the class of
    # its largest weight.
    "prototypes": pa.schema(
        [
            *_RUN,
            ("channel", pa.int64()),
            ("usage", pa.float64()),
            ("used", pa.bool_()),
            ("favours", pa.int64()),
            ("side", pa.string()),
            ("rank", pa.int64()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("excitation", pa.float64()),
            ("cells", pa.int64()),
            ("row", pa.int64()),
            ("column", pa.int64()),
            ("on_object", pa.float64()),
            ("same_place", pa.float64()),
            ("chance", pa.float64()),
        ]
    ),
}

tables.SCHEMAS.update(SCHEMAS)
