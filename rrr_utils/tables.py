"""The tables of a study: their schemas, and reading and writing them whole."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rrr_utils import files
from rrr_utils.choices import one_of

_KEY = [("study", pa.string()), ("data", pa.string())]
_RUN = [*_KEY, ("network", pa.string()), ("strategy", pa.string()), ("trained_on", pa.string()), ("seed", pa.int64())]

SCHEMAS: dict[str, pa.Schema] = {
    # One row an image of the data set, the unusable ones too. `area` is the mask's share of the image, `objects` how
    # many there are; `status` is ok, no object, no annotation or bad image, and `note` says why.
    "masks": pa.schema(
        [
            *_KEY,
            ("image", pa.string()),
            ("label", pa.int64()),
            ("class", pa.string()),
            ("split", pa.string()),
            ("source", pa.string()),
            ("area", pa.float64()),
            ("objects", pa.int64()),
            ("status", pa.string()),
            ("note", pa.string()),
        ]
    ),
    # One row an epoch and a split, on original images, in inference mode.
    "history": pa.schema(
        [*_RUN, ("epoch", pa.int64()), ("split", pa.string()), ("loss", pa.float64()), ("accuracy", pa.float64())]
    ),
    # One row an image, an epoch and an explainer. `variant` is empty, or what was varied: "absolute" and "min-max" for
    # other normalisations; "gaussian" and "edges" for maps that know no network (explainer "none"); "randomised ..."
    # for a network whose weights were drawn anew in the block that it names and in all behind it; "JPEG ...",
    # "1 px ...", "mask ..." and "other draw" for the same image, disturbed.
    "scores": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("probability", pa.float64()),
            ("correct", pa.bool_()),
            ("explainer", pa.string()),
            ("protocol", pa.string()),
            ("mask_source", pa.string()),
            ("design", pa.string()),
            ("samples", pa.int64()),
            ("variant", pa.string()),
            ("score", pa.float64()),
            ("chance", pa.float64()),
            ("zero_map", pa.bool_()),
        ]
    ),
    # One row an epoch and a background behind the object of every test image.
    "shift": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("background", pa.string()),
            ("n", pa.int64()),
            ("correct", pa.int64()),
            ("accuracy", pa.float64()),
        ]
    ),
    # One row an image, a masker (`source`) and a hand-made mask (`reference`: outlines, or outlines without border), at
    # the image's own size: how the two agree, and their shares of the image. Nothing found is an overlap of 0.
    "mask_quality": pa.schema(
        [
            *_KEY,
            ("image", pa.string()),
            ("label", pa.int64()),
            ("class", pa.string()),
            ("source", pa.string()),
            ("reference", pa.string()),
            ("found", pa.bool_()),
            ("iou", pa.float64()),
            ("precision", pa.float64()),
            ("recall", pa.float64()),
            ("area", pa.float64()),
            ("reference_area", pa.float64()),
        ]
    ),
    # One row a random order of the images and a number of images: the mean of the first n scores and its interval.
    "convergence": pa.schema(
        [
            *_RUN,
            ("explainer", pa.string()),
            ("order", pa.int64()),
            ("n", pa.int64()),
            ("mean", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
        ]
    ),
    # One row an image, an explainer and a variant: Spearman's rank correlation of its map with that of the network as
    # it was trained; missing where one of the two maps is the same everywhere.
    "similarity": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("explainer", pa.string()),
            ("variant", pa.string()),
            ("similarity", pa.float64()),
        ]
    ),
    # One row an image, a kind of subset of its pixels (`kind`), the colour by which it was selected (`fill`) and the
    # one that is shown instead of the other pixels (`shown`). `certainty` is the predicted class's probability on the
    # whole image, `confidence` that of `target` on the subset, `answer` the class predicted there; `voters` the number
    # of networks that were asked as one; `on_object` the share of the subset on the object.
    "pixel_subsets": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("correct", pa.bool_()),
            ("certainty", pa.float64()),
            ("voters", pa.int64()),
            ("kind", pa.string()),
            ("fill", pa.string()),
            ("shown", pa.string()),
            ("share", pa.float64()),
            ("pixels", pa.int64()),
            ("target", pa.int64()),
            ("confidence", pa.float64()),
            ("answer", pa.int64()),
            ("on_object", pa.float64()),
            ("chance", pa.float64()),
        ]
    ),
    # One row an image and a sufficient input subset, `number` 0 the first; `found` is false, and what follows missing,
    # where the network is not as sure as `threshold` of the whole image. `share` of the image, `score` on the object.
    "sufficient_subsets": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("correct", pa.bool_()),
            ("certainty", pa.float64()),
            ("voters", pa.int64()),
            ("fill", pa.string()),
            ("threshold", pa.float64()),
            ("number", pa.int64()),
            ("found", pa.bool_()),
            ("pixels", pa.float64()),
            ("share", pa.float64()),
            ("score", pa.float64()),
            ("chance", pa.float64()),
        ]
    ),
    # One row a kind of pixels that was trained on and one that was tested on (whole, selected, random), on all test
    # images; `share` of the pixels is kept in the last two.
    "subset_accuracy": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("trained", pa.string()),
            ("tested", pa.string()),
            ("share", pa.float64()),
            ("n", pa.int64()),
            ("correct", pa.int64()),
            ("accuracy", pa.float64()),
        ]
    ),
    # One row a mosaic (`image`, of the class `label`), an explainer and a measure; missing where it divides by nothing.
    "mosaics": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("explainer", pa.string()),
            ("design", pa.string()),
            ("samples", pa.int64()),
            ("signed", pa.bool_()),
            ("measure", pa.string()),
            ("value", pa.float64()),
        ]
    ),
}


def write(frame: pd.DataFrame, path: Path | str, name: str) -> None:
    """Write ``frame`` as the table ``name`` to a Parquet file, atomically; the same rows give the same bytes.

    Raises ``ValueError`` if a column is missing, unknown or of another type than the schema's, and ``OSError``
    with the remedy if the disk is full; then nothing is written and an older file stays as it was.
    """
    one_of("name", name, SCHEMAS)
    schema = SCHEMAS[name]
    missing, unknown = set(schema.names) - set(frame.columns), set(frame.columns) - set(schema.names)
    if missing or unknown:
        raise ValueError(
            f"Table {name!r} for {path} must have the columns {schema.names}; "
            f"missing: {sorted(missing)}, unknown: {sorted(unknown)}."
        )
    try:
        table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"Table {name!r} for {path} has a value of the wrong type: {error}") from error
    with files.atomic(path) as temporary:
        # pandas' own metadata would put its version into the bytes.
        pq.write_table(table.replace_schema_metadata(None), temporary, compression="zstd")


def read(path: Path | str, name: str) -> pd.DataFrame:
    """Return the table ``name`` from a Parquet file as a data frame with the schema's columns, in its order.

    Raises ``FileNotFoundError`` if there is no such file, ``ValueError`` if the file is torn or is another table.
    """
    one_of("name", name, SCHEMAS)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no table {path}. Run the notebook that writes it (see `make plan`).")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is not a whole Parquet file ({error}). Delete it and run the study again.") from error
    if not table.schema.equals(SCHEMAS[name]):
        raise ValueError(
            f"{path} is not a table {name!r}: expected {SCHEMAS[name].names} with their types, "
            f"but it has {table.schema.names}. Delete it and run the study again."
        )
    return table.to_pandas()
