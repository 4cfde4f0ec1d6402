"""A cell that is stuck is stopped with its name; one that works, prints or says how far it is goes on."""

import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import tiny_study

from rrr_utils.study import idle_cells, run_notebook

STUCK = "import time\ntime.sleep(300)"
LIVELY = """
import os, pathlib, time
def during(what):
    began = time.time()
    while time.time() - began < 8:
        what()
during(lambda: None)
during(lambda: (print("here", flush=True), time.sleep(0.5)))
during(lambda: (pathlib.Path(os.environ["RRR_PROGRESS"]).write_text("{}"), time.sleep(0.5)))
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the project and the place of the runs, with a limit of five seconds."""
    for name, value in (
        ("RRR_ROOT", tmp_path),
        ("RRR_RUNS", tmp_path / "runs"),
        ("RRR_PROGRESS", tmp_path / "now.json"),
    ):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("RRR_CELL_TIMEOUT", "5")
    return tmp_path


def test_a_cell_that_is_stuck_is_stopped_with_its_name(place: Path) -> None:
    """Its number, its source, how long it waited and the variable; what ran before it is kept."""
    template = tiny_study.notebook(place / "n.ipynb", "print('before')", STUCK, "late = 1")
    began = time.monotonic()
    with pytest.raises(run_notebook.NotebookFailed) as caught:
        run_notebook.execute(template, place / "out.ipynb", {})
    assert time.monotonic() - began < 120
    message = str(caught.value)
    assert "n.ipynb failed in cell 2:\n    import time\n    time.sleep(300)\nIt neither worked nor said" in message
    assert "5 s" in message
    assert "RRR_CELL_TIMEOUT" in message
    kept = nbformat.read(place / "out.failed.ipynb", as_version=4)
    assert "before" in str(kept.cells[1].outputs)


def test_a_cell_that_works_prints_or_tells_how_far_it_is_goes_on(place: Path) -> None:
    """Eight seconds of each, with a limit of five."""
    template = tiny_study.notebook(place / "n.ipynb", LIVELY.strip())
    assert run_notebook.execute(template, place / "out.ipynb", {}).cells[1].execution_count == 1


def test_what_a_cell_prints_counts_though_it_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it prints it is not stopped; once it has been silent for the limit it is."""
    killed = []
    monkeypatch.setattr(idle_cells, "_below", lambda: [SimpleNamespace(kill=lambda: killed.append(time.monotonic()))])
    monkeypatch.setattr(idle_cells, "_seconds", lambda process: 1.0)
    watch = idle_cells.Watch(1.0)
    with watch.running():
        for _ in range(20):
            time.sleep(0.1)
            watch.write("here")
        said = time.monotonic()
        assert not watch.stopped
        while not killed and time.monotonic() - said < 30:
            time.sleep(0.1)
    assert watch.stopped
    assert killed[0] - said > 0.8


def test_a_kernel_that_dies_is_named_with_its_cell(place: Path) -> None:
    """As one that the system kills because memory is full."""
    template = tiny_study.notebook(place / "n.ipynb", "1", "import os\nos._exit(9)")
    with pytest.raises(
        run_notebook.NotebookFailed, match=r"failed in cell 2:\n    import os\n.*\nIts kernel died; often"
    ):
        run_notebook.execute(template, place / "out.ipynb", {})


def test_the_limit_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour where nothing is set, none for 0; words and what is below 0 are refused."""
    for text, expected in (("90", 90.0), ("0", float("inf")), ("", 3600.0)):
        monkeypatch.setenv("RRR_CELL_TIMEOUT", text)
        assert idle_cells.limit() == expected
    for text in ("an hour", "-1", "nan", "inf"):
        monkeypatch.setenv("RRR_CELL_TIMEOUT", text)
        with pytest.raises(ValueError, match="RRR_CELL_TIMEOUT must be a number of seconds"):
            idle_cells.limit()
