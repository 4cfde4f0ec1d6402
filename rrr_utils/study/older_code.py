"""Which published notebooks show other code than their templates have now, and the commit that published them."""

import csv
import io
import subprocess
from pathlib import Path

from rrr_utils.common import files, paths
from rrr_utils.study import executed_notebook, notebook_code

# Read by the book's page on provenance.
LISTED = Path("book") / "published" / "older-code.csv"
COLUMNS = ("study", "notebook", "run", "published at")


def older(root: Path) -> list[tuple[str, str, str]]:
    """Return study, notebook and run of every published notebook whose cells do other things than its template's.

    Parameters, prose, comments and the places from which cells import do not count.
    """
    found = []
    for path in sorted((root / "book" / "published").glob("*/*.ipynb")):
        notebook, *run = path.stem.split("--")
        template = root / "notebooks" / f"{notebook}.ipynb"
        if not template.exists() or _shown(path) != _shown(template):
            found.append((path.parent.name, notebook, "/".join(run)))
    return found


def write(root: Path) -> Path:
    """Write the list to the file that the book shows, and return it."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for study, notebook, run in older(root):
        path = Path("book/published") / study / ("--".join([notebook, *filter(None, run.split("/"))]) + ".ipynb")
        table.writerow((study, notebook, run, _published_at(root, path)))
    files.write_text(root / LISTED, text.getvalue())
    return root / LISTED


def _shown(path: Path) -> str:
    tags = {executed_notebook.PARAMETERS, executed_notebook.INJECTED}
    cells = [cell for cell in files.read_json(path)["cells"] if not tags & {*cell["metadata"].get("tags", ())}]
    return notebook_code.meaning_of(cells, str(path)).digest


def _published_at(root: Path, path: Path) -> str:
    """Return the commit that last changed what a published notebook shows."""
    command = ["git", "log", "-1", "--format=%h", "--abbrev=7", "--", str(path)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    print(write(paths.root()))
