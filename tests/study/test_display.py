"""What a running study shows."""

import time
from pathlib import Path

import pytest
import tiny_study

from rrr_utils.study import display, jobs
from rrr_utils.study import study_file as study


def test_the_time_left_follows_what_was_measured(tmp_path: Path) -> None:
    """Jobs of 10 s planned each: when four took 20 s, the other two are expected to take 10 to 20 s each."""
    every = jobs.of(study.load(tiny_study.project(tmp_path)))
    shown = display.Display(tmp_path, every, {job.name: 10.0 for job in every}, slots=1)
    assert shown.time_left({}) == 60
    shown.ended = {job.name: 20.0 for job in every[:4]}
    assert 2 * 10 < shown.time_left({}) <= 2 * 20
    running = {every[4].name: {"state": "running", "began": time.time() - 5}}
    assert shown.time_left(running) == pytest.approx(shown.time_left({}) - 5, abs=0.5)
    assert [display.duration(s) for s in (3, 200, 9000, 300000)] == ["3 s", "3 min", "2.5 h", "3.5 d"]
    assert [display.size(b) for b in (2_000, 3_000_000, 1.25e9)] == ["2 kB", "3.0 MB", "1.2 GB"]


def test_a_log_that_nobody_watches_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal two days with progress are some hundred lines; without progress nothing is said twice."""
    every = jobs.of(study.load(tiny_study.project(tmp_path)))
    shown = display.Display(tmp_path, every, {job.name: 10.0 for job in every}, slots=1)
    clock = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(display.worker, "read_state", lambda folder, job: {"state": "running", "began": 0.0})
    for words, most in ((lambda: f"epoch {clock[0]}", 350), (lambda: "epoch 1", 1)):
        monkeypatch.setattr(display.progress, "read", lambda path, words=words: (0.5, words()))
        for _ in range(2 * 86_400 // 5):
            clock[0] += 5
            shown.show()
        lines = capsys.readouterr().out.splitlines()
        assert 0 < len(lines) <= most
        assert "epoch" in lines[0]
