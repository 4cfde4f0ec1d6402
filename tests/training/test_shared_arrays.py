"""Arrays on disk that several trainings need: made once, checked when read, bounded in size."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rrr_utils.training import shared_arrays

GROUP = {"data": "d", "trained_on": "original"}
ROWS = np.random.default_rng(0).random((7, 3, 2)).astype(np.float32)


@pytest.fixture
def ask(tmp_path):
    """Ask for ROWS in two pieces; the list counts how often they were made."""

    def ask(group=GROUP, name="epoch-001", rows=ROWS, meanwhile=None):
        def parts():
            made.append(name)
            yield rows[:4]
            if meanwhile:
                meanwhile()
            yield rows[4:]

        return shared_arrays.shared(tmp_path, group, name, rows.shape, parts)

    made = ask.made = []
    return ask


def test_an_array_is_made_once(ask):
    """The second asks for the same and reads; another epoch, group or shape is another array. It cannot be written."""
    for _ in range(2):
        found = ask()
        assert_array_equal(found, ROWS)
    assert ask.made == ["epoch-001"]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0
    assert_array_equal(ask(name="epoch-002", rows=ROWS + 1), ROWS + 1)
    assert_array_equal(ask({**GROUP, "trained_on": "masked"}, rows=ROWS + 2), ROWS + 2)
    assert_array_equal(ask(rows=ROWS.reshape(7, 2, 3)), ROWS.reshape(7, 2, 3))
    assert len(ask.made) == 4


def test_what_is_torn_or_anothers_is_made_anew(ask, tmp_path):
    """Cut off, one bit changed, or copied from another epoch: noticed, and the right array comes back."""
    ask(name="epoch-002", rows=ROWS + 1)
    ask()
    (file,) = tmp_path.glob("*/epoch-001.float32")
    whole = file.read_bytes()
    flipped = bytes([whole[0] ^ 1]) + whole[1:]
    for content in (whole[:-1], whole[:50], b"", flipped, file.with_name("epoch-002.float32").read_bytes()):
        ask.made.clear()
        file.write_bytes(content)
        assert_array_equal(ask(), ROWS)
        assert ask.made == ["epoch-001"]
        assert file.read_bytes() == whole


def test_a_maker_that_dies_leaves_nothing(ask, tmp_path):
    """An error in the middle is raised, no file of that name is there, and the next one makes it."""

    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(meanwhile=fail)
    assert not list(tmp_path.glob("*/*.float32"))
    assert_array_equal(ask(), ROWS)


RACE = """
import sys, time
from pathlib import Path
import numpy as np
from rrr_utils.training import shared_arrays

def parts():
    made.append(number)
    time.sleep(0.01)
    return [rows[:20], rows[20:]]

made = []
for number in range(40):
    rows = np.full((50, 100), number, np.float32)
    found = shared_arrays.shared(Path(sys.argv[1]), {"a": number % 3}, str(number), rows.shape, parts)
    assert np.array_equal(found, rows)
print(*made)
"""


def test_two_processes_at_once(tmp_path):
    """Forty arrays by two processes side by side: each has the right ones, and each array was made by one of them."""
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = [each.communicate(timeout=60)[0].split() for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert sorted(map(int, [*made[0], *made[1]])) == list(range(40))
    assert len(list(tmp_path.glob("*/*.float32"))) == 40


def test_the_budget_holds_and_idle_groups_give_way(ask, tmp_path, monkeypatch):
    """Room for two arrays: a third is not kept while the others are in use, and takes an idle one's place later."""
    monkeypatch.setenv("RRR_SHARED_GB", str(2.5 * (ROWS.nbytes + 32) / 1e9))
    assert ask({"a": 1}) is not None
    (first,) = tmp_path.iterdir()
    assert ask({"a": 2}) is not None
    (second,) = set(tmp_path.iterdir()) - {first}
    assert ask({"a": 3}) is None
    old = time.time() - 2 * shared_arrays.IDLE
    os.utime(first, (old, old))
    os.utime(second, (old, old))
    assert_array_equal(ask({"a": 1}), ROWS)  # in use again
    assert_array_equal(ask({"a": 3}), ROWS)
    assert first.exists()
    assert not second.exists()
    assert ask({"a": 2}) is None
    assert ask.made == ["epoch-001"] * 3


def test_a_full_disk_keeps_nothing(ask, tmp_path, monkeypatch):
    """Less free than the array takes: None, and nothing is written."""
    monkeypatch.setattr(shared_arrays.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": ROWS.nbytes}))
    assert ask() is None
    assert not list(tmp_path.glob("*/*.float32"))
