"""A study whose four notebooks take a second each: the real jobs, stamps, worker and Snakefile, without TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rrr_utils.study import jobs
from rrr_utils.study import study_file as study

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "rrr_utils.cli", "study")

STUDY = """
name: tiny
title: The way of a study
about: Four notebooks that only write files.
seeds: [0, 1]
data:
  - {name: first, source: confounded, options: {images: 8}}
networks:
  - name: small
    architecture: mobilenet
    size: 64
    strategies: [dense]
    trained_on: [masked]
    head: {epochs: 1}
    tuning: {epochs: 2}
scoring:
  epochs: [0, 2]
  images: 2
  explainers: [{name: grad_cam}]
"""

CODE = {
    "01-masking": """
folder = paths.runs() / study / data
files.write_text(folder / "masks.parquet", f"{source} {options} {study_seed}")
files.write_text(folder / "data.json", "{}")
for size in sizes:
    for part in ("images", "masks", "shifted"):
        files.write_text(folder / f"{part}-{size}.npy", part)
print("masks written to", folder)
""",
    "02-fine-tuning": """
folder = paths.runs() / study / data / network / strategy / trained_on
start = (paths.runs() / study / data / "masks.parquet").read_text()
for seed in seeds:
    for epoch in progress.track(range(epochs + 1), f"seed {seed}"):
        checkpoint = folder / f"seed-{seed}" / "training" / f"epoch-{epoch}.txt"
        if not checkpoint.exists():
            time.sleep(float(os.environ.get("TINY_EPOCH", "0")))
            files.write_text(checkpoint, f"{start} {strategy} {trained_on} {rate} {seed} {epoch}")
            with (paths.runs() / "computed.txt").open("a") as stream:
                print(checkpoint.relative_to(paths.runs()), file=stream)
files.write_text(folder / "run.json", f"{rate}")
files.write_text(folder / "history.parquet", f"{start} {rate} {seeds}")
""",
    "03-scoring": """
folder = paths.runs() / study / data / network / strategy / trained_on
for seed in seeds:
    for epoch in scored_epochs:
        weights = (folder / f"seed-{seed}" / "training" / f"epoch-{epoch}.txt").read_text()
        files.write_text(folder / f"seed-{seed}" / "scoring" / f"{epoch}.parquet", f"{weights} {explainers}")
files.write_text(folder / "scores.parquet", f"{scored_epochs} {images}")
files.write_text(folder / "shift.parquet", f"{backgrounds}")
files.write_text(folder / "answers.parquet", f"{scored_epochs}")
""",
    "04-figures": """
here = [run for run in runs if run not in (published or {})]
parts = [(paths.runs() / study / run / "scores.parquet").read_text() for run in here]
files.write_text(paths.runs() / study / "summary" / "summary.csv", "\\n".join(parts))
with (paths.runs() / "computed.txt").open("a") as stream:
    print("04-figures", file=stream)
""",
}


def notebook(path: Path, *cells: str, parameters: str = "") -> Path:
    """Write a notebook of code cells, the first one tagged `parameters` if there are any, and return its path."""
    book = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    book.cells.append(new_markdown_cell("# A small notebook", id="title"))
    if parameters:
        book.cells.append(new_code_cell(parameters, id="defaults", metadata={"tags": ["parameters"]}))
    book.cells += [new_code_cell(cell, id=f"code-{number}") for number, cell in enumerate(cells)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
    return path


def project(folder: Path) -> Path:
    """Make a project of the tiny study in ``folder`` and return its study file."""
    path = folder / "studies" / "tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(STUDY, encoding="utf-8")
    (folder / "pyproject.toml").write_text("", encoding="utf-8")
    for job in jobs.of(study.load(path)):
        defaults = "\n".join(f"{name} = None" for name in {**job.parameters, "published": None})
        imports = "import os, time\nfrom rrr_utils.common import files, paths, progress"
        notebook(
            folder / "notebooks" / f"{job.notebook}.ipynb", imports, CODE[job.notebook].strip(), parameters=defaults
        )
    return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment in which commands work on the project in ``folder``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RRR_")}
    return {**kept, "RRR_ROOT": str(folder), **more}


def launch(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``rrr study`` on the project in ``folder`` and return what came of it."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(folder, **more),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=3600,  # against a study that hangs; on a busy machine a good one takes long
    )


def results(folder: Path) -> dict[str, bytes]:
    """Return every file of the run that is a result: outputs, executed notebooks and stamps, by relative path."""
    base = folder / "runs" / "tiny"
    names = {path.relative_to(base).as_posix(): path for path in base.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes() for name, path in names.items() if not any(p.startswith(".") for p in name.split("/"))
    }
