"""Every notebook and page, computed again, and which of their outputs were compared: `rrr study validate`."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat
import pandas as pd

from rrr_utils.common import files, paths
from rrr_utils.study import executed_notebook, jobs, published
from rrr_utils.tables import parquet

IGNORED = {"nbval-ignore-output", "nbval-skip"}
# What nbval leaves out of a comparison by itself; a picture's bytes depend on fonts and versions.
NOT_COMPARED = (
    "image/png",
    "image/jpeg",
    "application/papermill.record/image/png",
    "application/papermill.record/image/jpeg",
)
# The tables that the notebook of a study's figures reads from each of its runs.
_OF_A_RUN = ("history", "scores", "shift")


class Cell(NamedTuple):
    """One code cell: its ``number`` among the code cells, the ``kinds`` of its outputs, whether they are compared."""

    number: int
    first_line: str
    kinds: tuple[str, ...]
    verdict: str


def compare(only: Sequence[str] = (), compute: bool = True) -> int:
    """Compute and compare; return pytest's status: 0 if all outputs are the same.

    ``only`` are parts of the names of some notebooks and pages. Without ``compute`` it is only said what would be
    compared. Raises ``ValueError`` with all names if one of ``only`` is in none of them, and where a published table is
    not, to the bit, the one that was published.
    """
    root, folder = paths.root(), paths.root() / "build" / "validate"
    found = [
        *((path, path) for path in sorted((root / "notebooks").glob("*.ipynb"))),
        *((path, path) for path in sorted((root / "book").glob("*.ipynb"))),
        *((path, folder / "pages" / f"{path.parent.name}-{path.name}") for path in _figures(root)),
    ]
    names = [str(source.relative_to(root)) for source, _ in found]
    unknown = [part for part in only if not any(part in name for name in names)]
    if unknown:
        raise ValueError(
            f"No notebook or page that computes something has {' or '.join(unknown)} in its name. There are:\n  "
            + "\n  ".join(names)
        )
    published.check()
    shutil.rmtree(folder, ignore_errors=True)
    found = [pair for pair, name in zip(found, names) if not only or any(part in name for part in only)]
    for source, place in found:
        if source != place:
            files.write_text(place, executed_notebook.text(_unmarked(source)))
            _lay_out(source, folder / "runs")
    status, failed = _run([place for _, place in found], folder) if compute else (0, None)
    for source, place in found:
        _say(source.relative_to(root), cells(place), None if failed is None else failed[place])
    return status


def cells(notebook: Path) -> list[Cell]:
    """Return the code cells of a notebook that have outputs, or whose outputs are not compared."""
    found = []
    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    for number, cell in enumerate(code):
        kinds = [
            kind
            for output in cell.outputs
            for kind in (output.get("data") or {output.get("name", output.output_type): ""})
        ]
        told = [kind for kind in dict.fromkeys(kinds) if kind not in NOT_COMPARED]
        pictures = [kind for kind in dict.fromkeys(kinds) if kind in NOT_COMPARED]
        if IGNORED & set(cell.metadata.get("tags", [])):
            verdict = "computed, not compared (depends on the machine)"
        elif told:
            verdict = "compared, without its picture" if pictures else "compared"
        elif pictures:
            verdict = "a picture, not compared"
        else:
            continue
        found.append(Cell(number, cell.source.strip().splitlines()[0][:60], tuple(told or pictures), verdict))
    return found


def _figures(root: Path) -> list[Path]:
    """Return the published pages of figures, which compute from tables alone and need no run."""
    pages = sorted((root / "book" / "published").glob(f"*/{jobs.FIGURES}.ipynb"))
    return [page for page in pages if (root / "data" / "results" / page.parent.name / "scores.parquet").exists()]


def _unmarked(page: Path) -> nbformat.NotebookNode:
    """Return a published page with all its outputs compared: its tables are the published ones on any machine."""
    notebook = nbformat.read(page, as_version=4)
    for cell in notebook.cells:
        cell.metadata["tags"] = [tag for tag in cell.metadata.get("tags", []) if tag not in IGNORED]
    return notebook


def _lay_out(page: Path, folder: Path) -> None:
    """Write the published tables of a page's study below ``folder`` as its runs had left them."""
    study = page.parent.name
    results = paths.root() / "data" / "results" / study
    masks = parquet.read(results / "masks.parquet", "masks")
    for data, rows in masks.groupby("data", sort=False):
        parquet.write(rows, folder / study / str(data) / "masks.parquet", "masks")
    for name in _OF_A_RUN:
        table: pd.DataFrame = parquet.read(results / f"{name}.parquet", name)
        for run, rows in table.groupby(["data", "network", "strategy", "trained_on"], sort=False):
            parquet.write(rows, folder / study / Path(*map(str, run)) / f"{name}.parquet", name)


def _run(places: Sequence[Path], folder: Path) -> tuple[int, dict[Path, list[int]]]:
    """Run nbval on the notebooks, in order; return its status and the numbers of the cells of each that failed."""
    report = folder / "nbval.xml"
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout", "900", "-q"]
    command += ["-p", "no:cacheprovider", f"--junitxml={report}", *map(str, places)]
    environment = {**os.environ, "RRR_RUNS": str(folder / "runs"), "TQDM_DISABLE": "1"}
    status = subprocess.run(command, cwd=paths.root(), env=environment).returncode
    failed: dict[Path, list[int]] = {place: [] for place in places}
    for case in ET.parse(report).iter("testcase") if report.exists() else ():
        if case.find("failure") is not None or case.find("error") is not None:
            # pytest writes a path with dots; several notebooks have the same name in other folders.
            path = str(case.get("classname")).lstrip(".")
            place = next(place for place in places if ".".join(place.parts).endswith(f".{path}"))
            failed[place].append(int(str(case.get("name")).rsplit(maxsplit=1)[-1]))
    return status, failed


def _say(name: Path, found: Sequence[Cell], failed: Sequence[int] | None) -> None:
    counts = Counter(cell.verdict for cell in found)
    end = "" if failed is None else f"; CELLS {', '.join(map(str, failed))} DIFFER" if failed else "; all as stored"
    print(f"\n{name}: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}{end}")
    for cell in found:
        verdict = "DIFFERS" if cell.number in (failed or ()) else cell.verdict
        print(f"  cell {cell.number:>2}  {verdict:<47}  {', '.join(cell.kinds)}  | {cell.first_line}")
