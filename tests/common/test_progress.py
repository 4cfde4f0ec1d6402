"""Progress: a file for who started a notebook, a bar for who looks, nothing where outputs are compared."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import tiny_study
from nbformat.v4 import new_output

from rrr_utils.common import progress


def test_progress_is_written_for_who_started_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested loops give one share: 1 of 2 seeds and 1 of 4 epochs are 5/8; a torn file is nothing."""
    place = tmp_path / "now.json"
    monkeypatch.setenv("RRR_PROGRESS", str(place))
    monkeypatch.setattr(progress, "EVERY", 0.0)
    seen = []
    for seed in progress.track([0, 1], "seeds"):
        for epoch in progress.track(range(4), "epochs"):
            seen.append(progress.read(place))
            if (seed, epoch) == (1, 2):
                progress.report(1, 2, "batches")
                assert progress.read(place) == (13 / 16, "seeds 1 of 2, epochs 2 of 4, batches 1 of 2")
    assert seen[5] == (0.625, "seeds 1 of 2, epochs 1 of 4")
    assert [share for share, _ in seen] == [number / 8 for number in range(8)]
    assert progress.read(place) == (1.0, "seeds 2 of 2")
    place.write_text(place.read_text()[:-5])
    assert progress.read(place) == (0.0, "")
    assert progress.read(tmp_path / "none") == (0.0, "")


def test_progress_is_written_at_most_once_a_second_and_never_stops_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand quick steps write the file at the start and the end; a folder that is not there does no harm."""
    monkeypatch.setenv("RRR_PROGRESS", str(tmp_path / "now.json"))
    monkeypatch.setattr(progress, "_written", -10.0)
    written: list[str] = []
    monkeypatch.setattr(json, "dumps", lambda value: written.append(value) or "{}")
    assert sum(progress.track(range(1000), "steps")) == 499500
    assert len(written) == 2
    monkeypatch.setenv("RRR_PROGRESS", str(tmp_path / "none" / "now.json"))
    assert list(progress.track(iter("ab"), "letters")) == ["a", "b"]


def test_progress_without_a_terminal_is_silent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a notebook's outputs, which are compared, there is no bar."""
    monkeypatch.delenv("RRR_PROGRESS", raising=False)
    assert list(progress.track([1, 2], "steps")) == [1, 2]
    for done in (0, 1, 2):
        progress.report(done, 2, "batches")
    assert capfd.readouterr() == ("", "")


def test_progress_in_somebodys_notebook_is_one_bar_that_goes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Below a cell the outermost bar is shown and wiped out at the end; where outputs are compared there is none."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.delenv("RRR_PROGRESS", raising=False)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.delenv("PYTEST_VERSION")
    for _ in progress.track([1, 2], "images"):
        assert list(progress.track([1], "samples")) == [1]
    progress.report(1, 2, "batches")
    progress.report(2, 2, "batches")
    told = capfd.readouterr().err
    assert "images" in told
    assert "batches" in told
    assert "samples" not in told
    assert not told.rpartition("\r")[0].rpartition("\r")[2].strip()
    for quiet in ("TQDM_DISABLE", "PYTEST_VERSION"):
        monkeypatch.setenv(quiet, "1")
        assert list(progress.track([1, 2], "images")) == [1, 2]
        assert capfd.readouterr() == ("", "")
        monkeypatch.delenv(quiet)


@pytest.mark.slow
def test_a_notebook_under_nbval_has_no_bar(tmp_path: Path) -> None:
    """As a reviewer starts it, with nothing set: a bar would be an output that the committed notebook lacks."""
    cell = "from rrr_utils.common import progress\nsum(progress.track([1, 2], 'steps'))"
    path = tiny_study.notebook(tmp_path / "n.ipynb", cell)
    book = nbformat.read(path, as_version=4)
    # nbval compares the outputs of cells that have some.
    book.cells[-1].execution_count = 1
    book.cells[-1].outputs = [new_output("execute_result", {"text/plain": "3"}, execution_count=1)]
    nbformat.write(book, path)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "n.ipynb"]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert "passed" in found.stdout
