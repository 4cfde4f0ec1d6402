"""What a study computed beside what its notebooks show: `python -m rrr_utils.study.compared_outputs STUDY NOTEBOOK...`

A job whose parameters are the defaults of its notebook has computed the committed outputs again. Comparing them costs
nothing; executing the notebook a second time would compute the same.
"""

import argparse
import ast
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rrr_utils.common import files, paths
from rrr_utils.common.extras import needed
from rrr_utils.study import executed_notebook, job_state, jobs, study_file

if TYPE_CHECKING:
    from nbformat import NotebookNode

# As nbval does: cells that depend on the machine say so, and a picture's bytes depend on fonts and versions.
IGNORED = {"nbval-ignore-output", "nbval-skip"}
PICTURES = ("image/png", "image/jpeg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the named notebooks; return 0, or 1 with what differs on stderr."""
    parser = argparse.ArgumentParser(prog="python -m rrr_utils.study.compared_outputs", description=__doc__)
    parser.add_argument("study", type=Path, help="the file of a study that was run, for example studies/smoke.yaml")
    parser.add_argument("notebooks", nargs="+", type=Path, help="committed notebooks, for example notebooks/01-*.ipynb")
    chosen = parser.parse_args(arguments)
    with needed("Comparing notebooks"):
        import nbformat
    status = 0
    try:
        plan = study_file.load(chosen.study)
        for notebook in chosen.notebooks:
            job, folder = job_of_defaults(plan, notebook), paths.runs() / plan.name
            reason = job_state.why_not_done(job, folder)
            if reason:
                raise RuntimeError(f"{job.name} of study {plan.name} is not done ({reason}): run the study first.")
            ran = nbformat.read(folder / f"{job.name}.ipynb", as_version=4)
            found = differences(ran, nbformat.read(notebook, as_version=4))
            for words in found:
                print(f"{notebook.name}, {words}", file=sys.stderr)
            print(f"{notebook.name}: {'DIFFERS from' if found else 'shows'} what {job.name} computed")
            status = 1 if found else status
    except (ValueError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return status


def job_of_defaults(plan: study_file.Study, notebook: Path) -> jobs.Job:
    """Return the job of ``plan`` that runs ``notebook`` with its defaults; ``ValueError`` where none does."""
    usual = defaults(notebook)
    for job in jobs.of(plan):
        # As papermill writes them: a tuple is a list there.
        if job.notebook == notebook.stem and json.loads(json.dumps({**usual, **job.parameters})) == usual:
            return job
    raise ValueError(f"No job of study {plan.name} runs {notebook.name} with the defaults of its parameters.")


def defaults(notebook: Path) -> dict[str, Any]:
    """Return the values of a notebook's `parameters` cell by name."""
    cells = files.read_json(notebook)["cells"]
    tagged = [
        "".join(cell["source"]) for cell in cells if executed_notebook.PARAMETERS in cell["metadata"].get("tags", [])
    ]
    found: dict[str, Any] = {}
    for node in ast.parse("\n".join(tagged)).body:
        if isinstance(node, ast.Assign):
            found |= {
                target.id: ast.literal_eval(node.value) for target in node.targets if isinstance(target, ast.Name)
            }
    return found


def differences(ran: "NotebookNode", shown: "NotebookNode") -> list[str]:
    """Return a line for each code cell whose code or compared outputs differ between two notebooks; [] if none does."""
    code, committed = _code(ran), _code(shown)
    if [cell.source for cell in code] != [cell.source for cell in committed]:
        return ["its cells are not those that were run"]
    found = []
    for number, (mine, theirs) in enumerate(zip(code, committed, strict=True)):
        first, second = _told(mine), _told(theirs)
        if not IGNORED & set(theirs.metadata.get("tags", [])) and first != second:
            found.append(f"code cell {number} ({theirs.source.splitlines()[0][:60]}): {first} instead of {second}")
    return found


def _code(notebook: "NotebookNode") -> "list[NotebookNode]":
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and executed_notebook.INJECTED not in cell.metadata.get("tags", [])
    ]


def _told(cell: "NotebookNode") -> list[tuple[str, Any]]:
    """Return what of a cell's outputs is compared: kinds with their texts, of a picture the kind alone."""
    found: list[tuple[str, Any]] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            found.append((output.name, output.text))
        for kind, value in output.get("data", {}).items():
            found.append((kind, "a picture" if kind.endswith(PICTURES) else value))
    return found


if __name__ == "__main__":
    sys.exit(main())
