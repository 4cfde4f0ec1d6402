"""The tables of a study: reading and writing them whole."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rrr_utils.common import checksums, files
from rrr_utils.common.choices import one_of
from rrr_utils.tables.schemas import ADDED, SCHEMAS

__all__ = ["SCHEMAS", "read", "write"]


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
        bare = table.replace_schema_metadata(None)
        pq.write_table(bare, temporary, compression="zstd", write_page_checksum=True)


def empty(name: str) -> pd.DataFrame:
    """Return the table ``name`` without any row, its columns of the schema's types."""
    return SCHEMAS[name].empty_table().to_pandas()


def read(path: Path | str, name: str) -> pd.DataFrame:
    """Return the table ``name`` from a Parquet file as a data frame with the schema's columns, in its order.

    What a table from before a column was added has there, ``schemas.ADDED`` says.

    Raises ``FileNotFoundError`` if there is no such file, ``ValueError`` if the file is torn or is another table, if a
    page of it has another checksum than was written, or if it is not the file that a list of published tables names,
    see ``rrr_utils.common.checksums``.
    """
    one_of("name", name, SCHEMAS)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {path}. Run the notebook that writes it (see `make plan`).")
    if fault := checksums.fault(path):
        raise ValueError(
            f"{path} is not the table that was written here: {fault}. Delete it and run the study again; a published "
            f"one comes back with `git checkout -- {path}`."
        )
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            schema = file.schema_arrow
            added = {key: value for key, value in ADDED.get(name, {}).items() if key not in schema.names}
            if schema.equals(pa.schema([field for field in SCHEMAS[name] if field.name not in added])):
                whole = file.read().to_pandas().assign(**added)[SCHEMAS[name].names]
                return whole.astype({key: "float32" for key in added if SCHEMAS[name].field(key).type == pa.float32()})
        names = schema.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a whole Parquet file ({error}). Delete it and run the study again.") from error
    raise ValueError(
        f"{path} is not a table {name!r}: expected {SCHEMAS[name].names} with their types, "
        f"but it has {names}. Delete it and run the study again."
    )
