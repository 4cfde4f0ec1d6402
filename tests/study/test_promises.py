"""What a job leaves is what it promises, and each promised file counts to the bit: a real run of study smoke."""

import os
import shutil
from pathlib import Path

import pytest
import tiny_study

from rrr_utils.common import paths
from rrr_utils.study import job_state, jobs, stamps, study_file, worker

SMOKE = tiny_study.PROJECT / "studies" / "smoke.yaml"


def _beside(folder: Path, every: tuple[jobs.Job, ...]) -> set[str]:
    """Return the files in a study's folder that no job of ``every`` promises, hidden ones left out."""
    promised = {
        path.relative_to(folder).as_posix()
        for job in every
        for name in job.outputs
        for place in stamps.places(folder / job.folder, name)
        for path in ([place] if place.is_file() else place.rglob("*"))
    }
    promised |= {name for job in every for name in (job.stamp, f"{job.name}.ipynb")}
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    shown = {path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)}
    return shown - promised


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.slow
def test_jobs_leave_what_they_promise_and_every_bit_of_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masking, training and scoring of one network: nothing else is left, and one bit anywhere is noticed."""
    for name, value in {**os.environ, "RRR_RUNS": str(tmp_path / "runs"), "RRR_ROOT": str(tiny_study.PROJECT)}.items():
        monkeypatch.setenv(name, value)
    every = jobs.of(study_file.load(SMOKE))
    scoring = next(job for job in every if job.kind == "scoring" and not job.parameters["start_is_scored"])
    chain = tuple(jobs.find(every, name) for name in (*scoring.needs, scoring.name))
    folder = paths.runs() / "smoke"
    for job in chain:
        assert worker.main([str(SMOKE), job.name]) == 0
    assert _beside(folder, chain) == set()
    assert any(name.startswith("shifted-") for name in chain[0].outputs)
    for job in chain:
        made_of = job_state.provenance(job, folder)
        assert not job_state.why_not_done(job, folder, made_of=made_of)
        base = folder / job.folder
        inside = [place for name in job.outputs for place in stamps.places(base, name)]
        every_file = [path for place in inside for path in ([place] if place.is_file() else place.rglob("*"))]
        # What is hidden says whether the pieces beside it can be gone on from, and no other job reads it.
        for path in (path for path in every_file if path.is_file() and not path.name.startswith(".")):
            shutil.copy2(path, tmp_path / "kept")
            for change in (_flipped, Path.unlink):
                change(path)
                why = job_state.why_not_done(job, folder, made_of=made_of)
                assert why, f"{path.relative_to(folder)} changed, and {job.name} counts as done"
                shutil.copy2(tmp_path / "kept", path)
        assert not job_state.why_not_done(job, folder, made_of=made_of)


def test_a_pattern_is_a_promise_of_the_files_that_there_are(tmp_path: Path) -> None:
    """None, one or more: a file more, less or other than those that the stamp knows is an altered output."""
    stamp, executed = tmp_path / "n.stamp.json", tmp_path / "n.ipynb"
    executed.write_text("executed")
    made_of = {
        **{name: {} for name in ("parameters", "inputs", "code", "versions")},
        "rule": 2,
        "threads": 1,
        "showing": {"code": {}, "versions": {}},
    }
    for present in ([], ["shifted-32.npy"], ["shifted-32.npy", "shifted-64.npy"]):
        for name in present:
            (tmp_path / name).write_text(name)
        stamps.write(stamp, executed, made_of, ["shifted-*.npy"])
        assert not stamps.stale(stamp, executed, made_of, ["shifted-*.npy"])
        (tmp_path / "shifted-99.npy").write_text("more")
        assert stamps.stale(stamp, executed, made_of, ["shifted-*.npy"]) == "output shifted-*.npy was altered"
        (tmp_path / "shifted-99.npy").unlink()
        for name in present:
            _flipped(tmp_path / name)
            assert stamps.stale(stamp, executed, made_of, ["shifted-*.npy"]) == "output shifted-*.npy was altered"
            (tmp_path / name).write_text(name)
