"""The process of one job: what it computes before its notebook starts, and how it ends."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_study

from rrr_utils.study import launch, run_notebook, stamps, worker


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of the tiny study, in a project of its own; this process keeps its environment."""
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    monkeypatch.delenv("RRR_RUNS", raising=False)
    monkeypatch.delenv("RRR_LAUNCHER", raising=False)
    monkeypatch.setattr(worker, "environment", lambda progress: None)
    return tiny_study.project(tmp_path)


def test_what_a_job_is_made_of_is_found_out_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provenance that says why a job has to run is the one that its stamp gets."""
    found: list[dict[str, Any]] = []
    given: list[dict[str, Any]] = []
    real = stamps.provenance
    monkeypatch.setattr(stamps, "provenance", lambda *asked: found.append(real(*asked)) or found[-1])
    monkeypatch.setattr(run_notebook, "run", lambda *asked, made_of: given.append(made_of))
    assert worker.main([str(study), "first/01-masking"]) == 0
    assert len(found) == 1
    assert given == found
    assert found[0]["parameters"]["data"] == "first"


def test_a_job_whose_needs_are_not_done_names_them(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with the status of an error and the job that has to come first, and runs nothing."""
    assert worker.main([str(study), "first/small/head/masked/02-fine-tuning"]) == 1
    assert "first/01-masking" in capsys.readouterr().err
    assert not list(study.parents[1].rglob("*.stamp.json"))


@pytest.mark.parametrize("place", ["/proc/nowhere", "a-file"])
def test_runs_that_cannot_be_written_say_what_to_do(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """A folder that nobody can make, and a file in its place; a study says so before it starts a job."""
    (study.parent / "a-file").touch()
    monkeypatch.setenv("RRR_RUNS", str(study.parent / place))
    assert worker.main([str(study), "first/01-masking"]) == 1
    assert "Let RRR_RUNS name a folder of yours" in capsys.readouterr().err
    with pytest.raises(OSError, match="Let RRR_RUNS name a folder of yours"):
        launch.run(study)


def test_few_open_files_are_raised_or_refused_with_the_remedy() -> None:
    """A shell that allows more than it gives is asked for it; of 64 no kernel with TensorFlow comes to its end."""
    code = (
        "import resource; from rrr_utils.study import worker; worker._open_files();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    for limit, words in (("-Sn 64", "256"), ("-n 64", "64 are allowed here. Allow more with `ulimit -n 256`")):
        asked = ["bash", "-c", f'ulimit {limit}; "$@"', "bash", sys.executable, "-c", code]
        ran = subprocess.run(asked, capture_output=True, text=True)
        assert words in ran.stdout + ran.stderr
