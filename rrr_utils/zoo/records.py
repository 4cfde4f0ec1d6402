"""The tables of a zoo: their schemas, and reading and writing them whole."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rrr_utils import files
from rrr_utils.choices import one_of
from rrr_utils.hypotheses import BACKGROUNDS

SCHEMAS: dict[str, pa.Schema] = {
    # One row a model, which is a network after `epoch` epochs. `model` names it, `group` its data set (with its tie)
    # and network; `training` its training, which its other checkpoints share. `training_images` is how many it was
    # trained on; `n` test images gave the accuracies (missing where a data set has no such variant), the mean
    # probability of the predicted class, its entropy and the loss, both in nats. `seen` names the outcomes that it was
    # trained on. `weights` is a hash of its weights.
    "zoo_models": pa.schema(
        [
            *((name, pa.string()) for name in ("study", "data", "network", "strategy", "trained_on")),
            ("seed", pa.int64()),
            ("tie", pa.float64()),
            ("training_images", pa.int64()),
            ("epoch", pa.int64()),
            ("group", pa.string()),
            ("training", pa.string()),
            ("model", pa.string()),
            ("seen", pa.string()),
            ("known_tie", pa.float64()),
            ("classes", pa.int64()),
            ("n", pa.int64()),
            *((f"accuracy_{variant}", pa.float64()) for variant in ("original", *BACKGROUNDS)),
            ("mean_probability", pa.float64()),
            ("entropy", pa.float64()),
            ("loss", pa.float64()),
            ("weights", pa.string()),
        ]
    ),
    # One row a model, a scored image and an explainer: measures of its map. `variant` is empty, or "randomised" for a
    # network of the same kind whose weights were drawn anew, of which only the score is taken, on fewer images;
    # `correct` is the trained model's. A zero map has no measure but the two curves.
    "zoo_maps": pa.schema(
        [
            ("model", pa.string()),
            ("image", pa.string()),
            ("explainer", pa.string()),
            ("variant", pa.string()),
            ("correct", pa.bool_()),
            ("chance", pa.float32()),
            *(
                (measure, pa.float32())
                for measure in ("score", "signed", "pointing", "top", "iou", "box", "insertion", "deletion")
            ),
        ]
    ),
}


def write(frame: pd.DataFrame, path: Path | str, name: str) -> None:
    """Write ``frame`` as the table ``name`` to a Parquet file, atomically; the same rows give the same bytes.

    Raises ``ValueError`` if a column is missing, unknown or of another type than the schema's.
    """
    one_of("name", name, SCHEMAS)
    schema = SCHEMAS[name]
    if set(frame.columns) != set(schema.names):
        missing, unknown = set(schema.names) - set(frame.columns), set(frame.columns) - set(schema.names)
        raise ValueError(
            f"Table {name!r} for {path} must have the columns {schema.names}; "
            f"missing: {sorted(missing)}, unknown: {sorted(unknown)}."
        )
    try:
        table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"Table {name!r} for {path} has a value of the wrong type: {error}") from error
    with files.atomic(path) as temporary:
        pq.write_table(table.replace_schema_metadata(None), temporary, compression="zstd")


def read(path: Path | str, name: str) -> pd.DataFrame:
    """Return the table ``name`` from a Parquet file.

    Raises ``FileNotFoundError`` if there is no such file, ``ValueError`` if the file is torn or is another table.
    """
    one_of("name", name, SCHEMAS)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no table {path}. Run notebooks/10-zoo.ipynb (see `make plan STUDY=zoo`).")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is not a whole Parquet file ({error}). Delete it and run the study again.") from error
    if not table.schema.equals(SCHEMAS[name]):
        raise ValueError(
            f"{path} is not a table {name!r}: expected {SCHEMAS[name].names}, but it has {table.schema.names}. "
            "Delete it and run the study again."
        )
    return table.to_pandas()
