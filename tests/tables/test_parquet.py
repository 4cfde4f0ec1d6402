"""Tables: schemas, whole writes, equal bytes."""

import errno
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rrr_utils.common import checksums, files
from rrr_utils.tables import parquet as tables

HISTORY = pd.DataFrame(
    {
        "study": "s",
        "data": "d",
        "network": "n",
        "strategy": "all",
        "trained_on": "original",
        "seed": 0,
        "epoch": [0, 1],
        "split": "test",
        "loss": [0.7, np.nan],
        "accuracy": [0.5, 0.75],
    }
)


def test_a_table_comes_back_as_it_was(tmp_path):
    """Columns, order and values survive; a NaN stays a NaN."""
    tables.write(HISTORY[HISTORY.columns[::-1]], tmp_path / "history.parquet", "history")
    back = tables.read(tmp_path / "history.parquet", "history")
    assert list(back.columns) == tables.SCHEMAS["history"].names
    pd.testing.assert_frame_equal(back, HISTORY, check_dtype=False)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    """Two writes of equal rows are equal files, whatever the frame's index was."""
    tables.write(HISTORY, tmp_path / "a.parquet", "history")
    tables.write(HISTORY.set_axis([7, 9]), tmp_path / "b.parquet", "history")
    assert files.sha256(tmp_path / "a.parquet") == files.sha256(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (HISTORY.drop(columns="loss"), r"missing: \['loss'\]"),
        (HISTORY.assign(extra=1), r"unknown: \['extra'\]"),
        (HISTORY.assign(epoch=["zero", "one"]), "wrong type"),
        (HISTORY.assign(epoch=[0.5, 1.0]), "wrong type"),
    ],
)
def test_another_shape_is_refused_and_nothing_is_written(tmp_path, frame, words):
    """A missing, an unknown and a wrongly typed column stop the write."""
    with pytest.raises(ValueError, match=words):
        tables.write(frame, tmp_path / "history.parquet", "history")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_old_table(tmp_path, monkeypatch):
    """No space while a table is written: the old one is whole and the message says what to do."""
    path = tmp_path / "history.parquet"
    tables.write(HISTORY, path, "history")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        tables.write(HISTORY.assign(loss=0.1), path, "history")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["history.parquet"]


@pytest.mark.parametrize(
    "error", [pa.ArrowNotImplementedError("unknown type"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")]
)
def test_a_damaged_table_is_named_whatever_the_reader_raises(tmp_path, monkeypatch, error):
    """Flipped bits can look like a type that is not read, or like text that is none."""
    path = tmp_path / "history.parquet"
    tables.write(HISTORY, path, "history")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(tables.pq.ParquetFile, "read", fail)
    with pytest.raises(ValueError, match=r"history\.parquet is not a whole Parquet file \(.*Delete it and run"):
        tables.read(path, "history")


def test_no_flipped_byte_leaves_a_table_unnamed(tmp_path):
    """Every byte of the file's description turned over, one at a time: rows, or an error that names the file."""
    path = tmp_path / "history.parquet"
    tables.write(HISTORY, path, "history")
    whole, messages = path.read_bytes(), []
    for place in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            tables.read(path, "history")
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(str(path) in message for message in messages)


def test_a_flipped_bit_among_the_values_is_noticed(tmp_path):
    """A thousand single bits before the file's description: an error, or the same rows, which few flips leave."""
    path = tmp_path / "history.parquet"
    rows = pd.concat([HISTORY.assign(loss=np.random.default_rng(seed).random(2)) for seed in range(200)])
    tables.write(rows, path, "history")
    whole, true, rng = path.read_bytes(), tables.read(path, "history"), np.random.default_rng(0)
    end, silent = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), 0
    for place in rng.integers(end, size=1000):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << int(rng.integers(8))]) + whole[place + 1 :])
        try:
            silent += not tables.read(path, "history").equals(true)
        except ValueError:
            continue
    assert silent == 0


def test_a_published_table_is_the_one_that_is_listed(tmp_path):
    """A whole table of another run in its place is refused, by its own list or by that of all studies."""
    path, other = tmp_path / "cpu" / "zoo" / "history.parquet", tmp_path / "other.parquet"
    tables.write(HISTORY, path, "history")
    tables.write(HISTORY.assign(seed=1), other, "history")
    checksums.record(tmp_path, "cpu")
    pd.testing.assert_frame_equal(tables.read(path, "history"), HISTORY, check_dtype=False)
    other.replace(path)
    with pytest.raises(ValueError, match=r"history\.parquet is not .* it has sha256 .* says .*git checkout"):
        tables.read(path, "history")


def test_another_table_is_refused_before_its_rows_are_read(tmp_path, monkeypatch):
    """The columns are compared first: the reading of rows would fail here."""
    path = tmp_path / "history.parquet"
    tables.write(HISTORY, path, "history")
    monkeypatch.delattr(tables.pq.ParquetFile, "read")
    monkeypatch.delattr(tables.pq, "read_table")
    with pytest.raises(ValueError, match=r"history\.parquet is not a table 'shift'"):
        tables.read(path, "shift")


def test_a_torn_table_and_another_table_are_named(tmp_path):
    """Half a file and the wrong schema are errors that name the file."""
    path = tmp_path / "history.parquet"
    tables.write(HISTORY, path, "history")
    with pytest.raises(ValueError, match=r"history\.parquet is not a table 'shift'"):
        tables.read(path, "shift")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"history\.parquet is not a whole Parquet file"):
        tables.read(path, "history")
    with pytest.raises(FileNotFoundError, match="Run the notebook that writes it"):
        tables.read(tmp_path / "none.parquet", "history")


def test_a_table_from_before_a_column_has_what_stands_for_it(tmp_path):
    """Answers without their background are answers to the images as they are; another gap is another table."""
    schema = tables.SCHEMAS["answers"]
    whole = {field.name: ["x"] if field.type == pa.string() else [1] for field in schema}
    frame = pd.DataFrame({**whole, "correct": [True], "background": ["grey"], "probability": [0.25]})
    file = tmp_path / "answers.parquet"
    tables.write(frame, file, "answers")
    new = tables.read(file, "answers")
    added = ["background", "donor", "probability", "margin", "entropy"]
    pq.write_table(pq.read_table(file).drop_columns(added), file)
    old = tables.read(file, "answers")
    assert old.dtypes.to_dict() == new.dtypes.to_dict()
    assert old[["background", "donor"]].values.tolist() == [["original", ""]]
    assert old[["probability", "margin", "entropy"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(old.drop(columns=added), new.drop(columns=added))
    pq.write_table(pq.read_table(file).drop_columns(["label"]), file)
    with pytest.raises(ValueError, match="is not a table 'answers'"):
        tables.read(file, "answers")


def test_an_empty_table_can_be_chosen_from(tmp_path):
    """No rows, but columns of their types: truth values choose, and it is written and read like any other."""
    empty = tables.empty("scores")
    assert empty[empty["correct"]].empty
    tables.write(empty, tmp_path / "scores.parquet", "scores")
    pd.testing.assert_frame_equal(tables.read(tmp_path / "scores.parquet", "scores"), empty)
