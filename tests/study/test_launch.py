"""A study, planned; and what stops it before anything starts."""

from pathlib import Path

import pytest
import tiny_study

from rrr_utils.common import paths
from rrr_utils.study import jobs, launch
from rrr_utils.study import study_file as study


def test_the_plan_names_each_job_with_state_and_cost(tmp_path: Path) -> None:
    """Before anything starts, every job stands there with its passes, training images, time, disk and state."""
    path = tiny_study.project(tmp_path)
    shown = tiny_study.launch(tmp_path, "plan", str(path), "--jobs", "3").stdout
    for job in jobs.of(study.load(path)):
        line = next(line for line in shown.splitlines() if line.startswith(f"{job.name} "))
        assert f" {job.cost.passes:,} " in line
        assert f" {job.cost.training_images:,} " in line
        assert line.endswith("not run yet" if job.kind == "masking" else "waits for first/01-masking")
    assert "all: 6 jobs" in shown
    assert "with 3 at once" in shown
    assert not (tmp_path / "runs").exists()


def test_an_unknown_study_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    """A misspelt study ends with one clear line, not with a traceback."""
    tiny_study.project(tmp_path)
    found = tiny_study.launch(tmp_path, "run", "studies/tidy.yaml")
    assert found.returncode == 1
    assert "Did you mean 'tiny'" in found.stderr
    assert "Traceback" not in found.stderr


def test_an_unknown_profile_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    """A misspelt profile stops before anything starts."""
    path = tiny_study.project(tmp_path / "project")
    ran = tiny_study.launch(tmp_path / "project", "run", str(path), "--profile", "slrm")
    assert ran.returncode == 1
    assert "Did you mean 'slurm'" in ran.stderr
    assert not (tmp_path / "project" / "runs" / "tiny" / ".logs").exists()


@pytest.mark.parametrize("code", [0, 1, 130])
def test_what_trainings_shared_goes_when_the_study_is_done(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays after a failure and an interruption, because the same command goes on from there."""
    monkeypatch.setenv("RRR_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(launch, "_run", lambda *_: code)
    path = tiny_study.project(tmp_path)
    shared = paths.shared_arrays("tiny")
    (shared / "group").mkdir(parents=True)
    assert launch.run(path) == code
    assert shared.exists() == (code != 0)
    assert shared.parent.exists()
