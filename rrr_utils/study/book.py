"""The book, built as it is committed or of a run; and a run, published into it: `rrr study book`, `... publish`."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from rrr_utils.common import checksums, files, paths
from rrr_utils.study import agenda, executed_notebook, job_state, jobs, published, run_notebook, study_file, worker

# The study whose numbers the book's pages tell.
WHOLE_BOOK = "demo"
TOC = Path("book") / "_toc.yml"
METHOD = Path("book") / "method"
_STAGED = ("_config.yml", "book", "data", "studies", "notebooks", "rrr_utils", "CITATION.cff", "LICENSE")
_LEFT_OUT = shutil.ignore_patterns("downloads", "__pycache__", ".ipynb_checkpoints", ".*")
_NO_SOURCE = {"_build", "__pycache__", "downloads"}
_TITLES = {
    "01-masking": "Masking",
    "02-fine-tuning": "Fine-tuning",
    "03-scoring": "Scoring",
    "05-mask-quality": "Mask quality",
    "06-convergence": "Convergence",
    "07-controls": "Controls",
    "08-overinterpretation": "Overinterpretation",
    "09-reliability": "Reliability",
    "10-zoo": "A zoo of models",
    "11-remedies": "Remedies",
    "12-infodisent": "Disentangled heads",
}


def committed() -> int:
    """Build the book as it is committed into ``_build/html``, unless it is there, whole and of the same sources."""
    root = paths.root()
    built, now = root / "_build" / ".built", _digest(root, [*_STAGED, *(path.name for path in root.glob("*.md"))])
    if built.exists() and built.read_text(encoding="utf-8") == now and (root / "_build/html/index.html").exists():
        print("The book is up to date.")
        _announce(root)
        return 0
    built.unlink(missing_ok=True)
    if build(root, TOC, root):
        return 1
    files.write_text(built, now)
    return 0


def build(source: Path, toc: Path, output: Path) -> int:
    """Build the book in ``source`` into ``output/_build/html``; every warning is an error, of which all are shown."""
    print(f"Building the book of {source}", flush=True)
    # The API pages import TensorFlow, whose C++ writes to stderr unless it is imported quietly, before them.
    start = "from rrr_utils.engine import start; start(); from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", "."]
    # Always all of it: a second, incremental build does not repeat the warnings of the first.
    command += ["--path-output", str(output), "--toc", str(toc), "--all", "-W", "-n", "--keep-going", "-q"]
    if subprocess.run(command, cwd=source).returncode != 0:
        print("The book has warnings or errors (above); it counts as not built.", file=sys.stderr)
        return 1
    _announce(output)
    return 0


def book_of(plan: study_file.Study) -> int:
    """Build the book of a study's own run in ``<runs>/<study>/book``; no tracked file is touched.

    For the study whose numbers the pages tell it is the whole book; for another one its figures, its other notebooks
    and the method. A book whose sources are the same as at the last build is left as it is.
    """
    folder = paths.runs() / plan.name
    output, source = folder / "book", folder / "book" / "source"
    shutil.rmtree(source, ignore_errors=True)
    _stage(source)
    items = agenda.of(plan)
    done, missing = _jobs(items, agenda.DONE), [item for item in items if item.state == agenda.LEFT]
    if jobs.FIGURES not in [job.notebook for job in done]:
        raise RuntimeError(
            f"Study {plan.name} is not complete: {len(missing)} job(s) to run, the first of them {missing[0].job.name} "
            f"({missing[0].why}). Run `make study STUDY={plan.name}`."
        )
    shown = source / "book" / "published"
    whole = plan.name == WHOLE_BOOK
    for other in shown.iterdir() if not whole and shown.is_dir() else ():
        if other.is_dir() and other.name != plan.name:
            shutil.rmtree(other)
    every = [item.job for item in items]
    _copy_notebooks(every, done, folder, shown / plan.name)
    _copy_tables(every, done, folder, source / "data" / "results" / plan.name)
    if not whole:
        files.write_text(source / TOC, yaml.safe_dump(small_toc(plan.name, done), sort_keys=False))
    built, now = output / ".built", _digest(source)
    if built.exists() and built.read_text(encoding="utf-8") == now and (output / "_build/html/index.html").exists():
        print(f"The book of study {plan.name} is up to date.")
        _announce(output)
        return 0
    built.unlink(missing_ok=True)
    if build(source, TOC, output):
        return 1
    files.write_text(built, now)
    return 0


def publish(plan: study_file.Study, part: agenda.Part = agenda.WHOLE) -> int:
    """Copy a run's executed notebooks and its summary to where the committed book reads them.

    What is done is published, also of a study that is not complete; what is missing is named, and the figures are made
    of the runs that are scored here or were published before.
    """
    folder, results = paths.runs() / plan.name, paths.results(plan.name)
    items = agenda.of(plan, part)
    done = _jobs(items, agenda.DONE)
    for job in _jobs(items, agenda.LEFT):
        print(f"  not published, not done: {job.name}")
    if not done:
        raise RuntimeError(f"Study {plan.name} has nothing to publish in {folder}. Run `make study STUDY={plan.name}`.")
    notebooks = paths.root() / "book" / "published" / plan.name
    every = jobs.of(plan)
    _copy_notebooks(every, done, folder, notebooks)
    print(f"  {len(done)} notebooks -> {notebooks}")
    if jobs.FIGURES not in [job.notebook for job in done]:
        figures = agenda.with_published_rows(jobs.find(every, jobs.FIGURES), every, done, results)
        _draw_what_is_done(figures, done, notebooks)
    if _copy_tables(every, done, folder, results):
        print(f"  tables -> {results}")
    # What `make study` runs is run by everybody: none of it counts as done elsewhere.
    for job in done if plan.name != WHOLE_BOOK else ():
        if job.kind != "figures":
            published.record(job, folder, results)
    checksums.record(results.parent, results.name)
    return 0


def small_toc(name: str, done: Sequence[jobs.Job]) -> dict[str, Any]:
    """Return the table of contents of a book that shows one study: its figures first, then how they came about."""
    base = f"book/published/{name}"
    chapters: list[dict[str, str]] = [{"file": METHOD.as_posix()}]
    for job in done:
        if job.notebook != jobs.FIGURES:
            title = f"{_TITLES.get(job.notebook, job.notebook)}: {', '.join(job.folder.split('/'))}"
            chapters.append({"file": f"{base}/{published_name(job)}", "title": title})
    return {"format": "jb-book", "root": f"{base}/{jobs.FIGURES}", "chapters": chapters}


def published_name(job: jobs.Job) -> str:
    """Return the name, without suffix, under which the book knows a job's executed notebook."""
    return "--".join([job.notebook, *(part for part in job.folder.split("/") if part)])


def _stage(source: Path) -> None:
    source.mkdir(parents=True)
    names: Iterable[str] = [*_STAGED, *(path.name for path in paths.root().glob("*.md"))]
    for name in names:
        place = paths.root() / name
        if place.is_dir():
            shutil.copytree(place, source / name, ignore=_LEFT_OUT)
        elif place.exists():
            shutil.copy2(place, source / name)


def _jobs(items: Sequence[agenda.Item], state: str) -> list[jobs.Job]:
    return [item.job for item in items if item.state == state]


def _copy_notebooks(every: Sequence[jobs.Job], done: Sequence[jobs.Job], folder: Path, target: Path) -> None:
    """Copy the executed notebooks of what is done to ``target``, beside what was published before of the same study."""
    known = {f"{published_name(job)}.ipynb" for job in every}
    for path in target.glob("*.ipynb"):
        if path.name not in known:
            path.unlink()
    for job in done:
        ran = nbformat.read(folder / f"{job.name}.ipynb", as_version=4)
        now = nbformat.read(job_state.template(job), as_version=4)
        shown = executed_notebook.with_prose_of(ran, now)
        # Figures alone are computed again, by `make validate`.
        shown = shown if job.kind == "figures" else executed_notebook.lighter(shown)
        files.write_text(target / f"{published_name(job)}.ipynb", executed_notebook.text(shown))


def _draw_what_is_done(figures: jobs.Job, done: Sequence[jobs.Job], target: Path) -> None:
    """Execute the notebook of a study's figures for the runs that are scored, and publish it; it leaves no stamp."""
    taken = figures.parameters.get("published", {})
    scored = {job.folder for job in done if job.kind == "scoring"} | taken.keys()
    runs = [run for run in figures.parameters["runs"] if run in scored]
    if not runs:
        return
    worker.environment()
    output = target / f"{published_name(figures)}.ipynb"
    result = run_notebook.execute(job_state.template(figures), output, {**figures.parameters, "runs": runs})
    files.write_text(output, executed_notebook.text(executed_notebook.strip(result)))
    print(f"  figures of {len(runs)} of {len(figures.parameters['runs'])} runs -> {output}")


def _copy_tables(every: Sequence[jobs.Job], done: Sequence[jobs.Job], folder: Path, target: Path) -> bool:
    """Copy the summary of a study's runs and the tables of its analyses, each in a folder named like its notebook.

    What was published before stays, but for tables of analyses that the study has no more.
    """
    found = {
        folder / job.folder / name: target / published_name(job)
        for job in done
        if job.kind == "analysis"
        for name in job.outputs
    }
    known = {published_name(job) for job in every} | {published.STAMPS}
    for path in target.iterdir() if target.is_dir() else ():
        if path.is_dir() and (path in found.values() or path.name not in known):
            shutil.rmtree(path)
        elif path.is_file() and (folder / "summary").is_dir():
            path.unlink()
    there = {source: place for source, place in {folder / "summary": target, **found}.items() if source.is_dir()}
    for source, place in there.items():
        shutil.copytree(source, place, ignore=_LEFT_OUT, dirs_exist_ok=True)
    return bool(there)


def _digest(source: Path, names: Iterable[str] = (".",)) -> str:
    """Return a hash of the names and bytes of all files that a book in ``source`` is built from."""
    hashes = hashlib.sha256()
    for name in sorted(set(names)):
        place = source / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            inside = path.relative_to(source)
            hidden = any(part.startswith(".") or part in _NO_SOURCE for part in inside.parts)
            if path.is_file() and not hidden:
                hashes.update(f"{inside.as_posix()} {files.sha256(path)}\n".encode())
    return hashes.hexdigest()


def _announce(output: Path) -> None:
    print(f"Open the book: {(output / '_build' / 'html' / 'index.html').resolve().as_uri()}")
