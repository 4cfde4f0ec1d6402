"""Whole files or none."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rrr_utils.common import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    """An error in the middle of a write keeps the old content and removes the temporary file."""
    path = tmp_path / "table.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError, match="stop"), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.txt"]


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "share of the disk")])
def test_a_full_disk_is_named_with_its_remedy(tmp_path, monkeypatch, number, words):
    """When the flush finds no space, or none for this user, the error names the file and the old file is kept."""
    path = tmp_path / "table.txt"
    files.write_text(path, "old")

    def full(descriptor):
        raise OSError(number, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"{words}.*table\.txt.*Free some space") as caught:
        files.write_text(path, "new")
    assert caught.value.errno == number
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.txt"]


def test_a_really_full_disk(tmp_path):
    """A write to the device that is always full fails with the same message."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    target = tmp_path / "table.txt"
    with pytest.raises(OSError, match="disk is full"), files.atomic(target), Path("/dev/full").open("w") as stream:
        stream.write("x" * 100_000)
        stream.flush()
    assert not target.exists()


def test_a_limit_on_the_size_of_files(tmp_path):
    """A table, an array and a text that do not fit under `ulimit -f`: each is named, and what was there stays."""
    code = (
        "import resource, sys; import numpy as np, pandas as pd; from rrr_utils.common import files\n"
        "from rrr_utils.tables import parquet\n"
        "def save(name):\n    with files.atomic(name) as path:\n        np.savez(path, a=np.random.rand(9000))\n"
        "rows = pd.DataFrame({'epoch': range(9000), 'loss': np.random.rand(9000), 'accuracy': 0.5, 'seed': 0})\n"
        "rows[['study', 'data', 'network', 'strategy', 'trained_on', 'split']] = 'any'\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "for write in (lambda: parquet.write(rows, 'a.parquet', 'history'),\n"
        "              lambda: files.write_text('b', 'b' * 99_999),\n"
        "              lambda: save('c.npz')):\n"
        "    try:\n        write()\n    except OSError as error:\n        print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    for line, name in zip(ran.stdout.splitlines(), ("a.parquet", "b", "c.npz"), strict=True):
        assert f"(`ulimit -f`): {name} was not written and is as it was before" in line
    assert list(tmp_path.iterdir()) == []


def test_the_same_value_gives_the_same_bytes(tmp_path):
    """JSON is written with sorted keys."""
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [2]})
    files.write_json(tmp_path / "b.json", {"a": [2], "b": 1})
    assert files.sha256(tmp_path / "a.json") == files.sha256(tmp_path / "b.json")
    assert files.read_json(tmp_path / "a.json") == {"a": [2], "b": 1}


def test_torn_json_is_named(tmp_path):
    """Half a file is an error that names it."""
    (tmp_path / "stamp.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"stamp\.json is not valid JSON"):
        files.read_json(tmp_path / "stamp.json")


def test_sha256_against_a_known_digest(tmp_path):
    """The digest of "abc" is the one in the standard."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    """While another process holds the lock it is refused by number; after SIGKILL it is free."""
    lock = tmp_path / "run.lock"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(f"""
                import time
                from rrr_utils.common import files
                with files.exclusive_lock({str(lock)!r}, "Study demo"):
                    print("held", flush=True)
                    time.sleep(60)
            """),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(RuntimeError, match=f"Study demo is already running \\(process {holder.pid}"),
            files.exclusive_lock(lock, "Study demo"),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    with files.exclusive_lock(lock, "Study demo"):
        pass
