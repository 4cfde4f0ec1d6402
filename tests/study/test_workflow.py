"""A whole study: planned, run, killed, run again, two at once, changed; and the book that comes of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import tiny_study
import yaml

from rrr_utils.common import checksums
from rrr_utils.study import jobs, worker
from rrr_utils.study import study_file as study

STUDIES = sorted((tiny_study.PROJECT / "studies").glob("*.yaml"))
WORKFLOW = tiny_study.PROJECT / "workflow"
TRAINING = "first/small/dense/masked/02-fine-tuning"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the tiny study once, in a folder whose name holds a space; return the folder and what was printed."""
    folder = tmp_path_factory.mktemp("a study")
    path = tiny_study.project(folder)
    ran = tiny_study.launch(folder, "run", str(path), "--jobs", "2")
    assert ran.returncode == 0, ran.stderr
    return folder, ran.stdout


def test_snakemake_plans_every_study(tmp_path: Path) -> None:
    """A dry run of each study file finds a rule for each of its jobs."""
    started = {}
    for path in STUDIES:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOW / "Snakefile"), "--dry-run"]
        command += ["--workflow-profile", str(WORKFLOW / "profiles" / "default"), "--quiet", "rules", "--cores", "1"]
        command += ["--directory", str(tmp_path / path.stem), "--config", f"study={path}", f"python={sys.executable}"]
        environment = tiny_study.environment(tiny_study.PROJECT)
        # All at once: most of the time goes into importing Snakemake.
        started[path] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    for path, process in started.items():
        shown = process.communicate(timeout=3600)[0].decode()
        assert process.returncode == 0, shown
        totals = {line.split()[-1] for line in shown.splitlines() if line.startswith("total")}
        assert totals == {str(len(jobs.of(study.load(path))) + 1)}, path


@pytest.mark.slow
def test_a_study_runs_to_its_end_and_a_second_run_does_nothing(whole: tuple[Path, str]) -> None:
    """All jobs are done and told; run again, none starts and no file changes."""
    folder, printed = whole
    for job in jobs.of(study.load(folder / "studies" / "tiny.yaml")):
        assert f"{job.name}: done in" in printed
        assert (folder / "runs" / "tiny" / job.stamp).exists()
    before = tiny_study.results(folder)
    again = tiny_study.launch(folder, "run", str(folder / "studies" / "tiny.yaml"))
    assert "6 of 6 jobs are done." in again.stdout
    assert tiny_study.results(folder) == before


@pytest.mark.slow
def test_killed_anywhere_it_goes_on_and_ends_with_the_same_bytes(whole: tuple[Path, str], tmp_path: Path) -> None:
    """SIGKILL of a job, then of the launcher: nothing lives on, no epoch is computed twice, all results are equal.

    While the study runs, a second start of it ends with a clear error and starts nothing.
    """
    path = tiny_study.project(tmp_path)
    computed = tmp_path / "runs" / "computed.txt"

    def done() -> list[str]:
        return computed.read_text().split() if computed.exists() else []

    def start() -> subprocess.Popen[str]:
        command = [*tiny_study.COMMAND, "run", str(path)]
        environment = tiny_study.environment(tmp_path, TINY_EPOCH="0.4")
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = start()
    _wait_for(lambda: len(done()) == 2)
    second = tiny_study.launch(tmp_path, "run", str(path))
    assert second.returncode == 1
    assert f"Study tiny is already running (process {first.pid} " in second.stderr
    head = next(job for job in jobs.of(study.load(path)) if job.kind == "head")
    os.kill(worker.read_state(tmp_path / "runs" / "tiny", head)["pid"], signal.SIGKILL)
    _, error = first.communicate(timeout=600)
    assert first.returncode == 1
    assert f"{head.name} failed.\nit was killed" in error

    first = start()
    _wait_for(lambda: any(TRAINING.rsplit("/", 1)[0] in line for line in done()))
    assert len(_processes(tmp_path)) >= 3, "the launcher, a worker and its kernel"
    first.kill()
    first.wait()
    stamp = tmp_path / "runs" / "tiny" / f"{TRAINING}.stamp.json"
    assert not stamp.exists()
    # An orphaned kernel would end by itself when its job is done, so what is asked is that it ends at once. (A short
    # job beside the training may have been about to end.)
    _wait_for(lambda: not _processes(tmp_path), seconds=120)
    before = done()
    assert not stamp.exists(), "the killed study finished its training"
    time.sleep(1)
    assert done() == before, "something of the killed study worked on"

    last = tiny_study.launch(tmp_path, "run", str(path))
    assert last.returncode == 0, last.stderr
    assert sorted(done()) == sorted((whole[0] / "runs" / "computed.txt").read_text().split()), "computed twice"
    mine, theirs = tiny_study.results(tmp_path), tiny_study.results(whole[0])
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []


@pytest.mark.slow
def test_what_did_not_change_is_not_run_again(whole: tuple[Path, str], tmp_path: Path) -> None:
    """A job that runs again to the same results reruns nothing after it; another parameter reruns what needs it."""
    folder = _copy(whole[0], tmp_path / "copy")
    path = folder / "studies" / "tiny.yaml"
    computed = (folder / "runs" / "computed.txt").read_text()
    template = folder / "notebooks" / "01-masking.ipynb"
    book = nbformat.read(template, as_version=4)
    book.cells[-1].source += "\nprint('more')"
    nbformat.write(book, template)
    ran = tiny_study.launch(folder, "run", str(path))
    assert "to run: first/01-masking (code of notebooks/01-masking.ipynb changed)" in ran.stdout
    assert "first/01-masking: done in" in ran.stdout
    assert f"{TRAINING}: still holds, not run again" in ran.stdout
    assert (folder / "runs" / "computed.txt").read_text() == computed

    path.write_text(path.read_text().replace("tuning: {epochs: 2}", "tuning: {epochs: 2, rate: 1.0e-4}"))
    ran = tiny_study.launch(folder, "run", str(path))
    assert f"to run: {TRAINING} (parameter rate changed)" in ran.stdout
    assert "first/small/head/masked/02-fine-tuning (" not in ran.stdout
    lines = (folder / "runs" / "computed.txt").read_text().removeprefix(computed).splitlines()
    assert all("tiny/first/small/dense/masked" in line for line in lines[:-1])
    assert len(lines[:-1]) == 2 * 3, "results of another rate were believed"


@pytest.mark.slow
def test_a_failing_notebook_is_shown_where_it_was_started(tmp_path: Path) -> None:
    """The launcher ends with the notebook, the cell, the error and where the outputs are, and nothing after it runs."""
    path = tiny_study.project(tmp_path)
    template = tmp_path / "notebooks" / "01-masking.ipynb"
    book = nbformat.read(template, as_version=4)
    book.cells[-1].source = "raise OSError('no such picture: cat.3.jpg')"
    nbformat.write(book, template)
    ran = tiny_study.launch(tmp_path, "run", str(path))
    assert ran.returncode == 1
    assert "first/01-masking failed." in ran.stderr
    assert "01-masking.ipynb failed in cell 3:" in ran.stderr
    assert "OSError: no such picture: cat.3.jpg" in ran.stderr
    assert (tmp_path / "runs/tiny/first/01-masking.failed.ipynb").exists()
    assert not (tmp_path / "runs/computed.txt").exists()


@pytest.mark.slow
def test_the_book_of_a_study_is_built_beside_its_run(whole: tuple[Path, str], tmp_path: Path) -> None:
    """The figures come first, then the method and the other notebooks; the project is as it was; twice builds once."""
    folder = _copy(whole[0], tmp_path / "copy")
    config = {"title": "T", "author": "A", "only_build_toc_files": True, "execute": {"execute_notebooks": "off"}}
    (folder / "_config.yml").write_text(yaml.safe_dump(config))
    (folder / "book" / "published" / "old").mkdir(parents=True)
    (folder / "book" / "method.md").write_text("# Method\n\nText.\n")
    (folder / "book" / "_toc.yml").write_text("format: jb-book\nroot: book/method\n")
    template = folder / "notebooks" / "04-figures.ipynb"
    book = nbformat.read(template, as_version=4)
    book.cells[0].source = "# Edited after the run"
    nbformat.write(book, template)
    before = _tracked(folder)
    first = tiny_study.launch(folder, "book", "studies/tiny.yaml")
    assert first.returncode == 0, first.stdout + first.stderr
    page = folder / "runs/tiny/book/_build/html/index.html"
    assert f"Open the book: {page.resolve().as_uri()}" in first.stdout
    assert "Edited after the run" in (page.parent / "book/published/tiny/04-figures.html").read_text()
    assert "Scoring: first, small, dense, masked" in (page.parent / "book/method.html").read_text()
    assert _tracked(folder) == before
    assert "is up to date" in tiny_study.launch(folder, "book", "studies/tiny.yaml").stdout

    assert tiny_study.launch(folder, "publish", "studies/tiny.yaml").returncode == 0
    published = sorted(path.name for path in (folder / "book" / "published" / "tiny").iterdir())
    assert published == [
        "01-masking--first.ipynb",
        "02-fine-tuning--first--small--dense--masked.ipynb",
        "02-fine-tuning--first--small--head--masked.ipynb",
        "03-scoring--first--small--dense--masked.ipynb",
        "03-scoring--first--small--head--masked.ipynb",
        "04-figures.ipynb",
    ]
    summary = folder / "data" / "results" / "tiny" / "summary.csv"
    assert summary.read_bytes() == (folder / "runs/tiny/summary/summary.csv").read_bytes()
    assert "tiny/summary.csv" in checksums.read(folder / "data" / "results" / checksums.NAME)
    assert checksums.faults(folder / "data" / "results") == []

    (folder / "book" / "method.md").write_text("# Method\n\n[gone](gone.md)\n")
    broken = tiny_study.launch(folder, "book", "studies/tiny.yaml")
    assert broken.returncode == 1, "a warning is an error"
    assert "counts as not built" in broken.stderr

    # Of a study that is not complete, what is done is published, with the figures of the runs that are scored.
    (folder / "runs" / "tiny" / "04-figures.stamp.json").unlink()
    found = tiny_study.launch(folder, "publish", "studies/tiny.yaml").stdout
    assert "not published, not done: 04-figures" in found
    assert "figures of 1 of 1 runs" in found
    assert sorted(path.name for path in (folder / "book" / "published" / "tiny").iterdir()) == published
    assert not (folder / "runs" / "tiny" / "04-figures.stamp.json").exists()


def _copy(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target


def _tracked(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "runs" not in path.parts}


def _wait_for(true: Callable[[], bool], seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def _processes(folder: Path) -> list[int]:
    """Return the processes that work for the study in ``folder``, whoever their parent is by now."""
    mark, found = f"RRR_ROOT={folder}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                mark in (process / "environ").read_bytes() + b"\0"
                and "State:\tZ" not in (process / "status").read_text()
            ):
                found.append(int(process.name))
        except (OSError, ValueError):  # it has just ended, or is another user's
            continue
    return found
