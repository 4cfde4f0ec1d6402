"""Below each figure of a notebook, and in the caption of a glued one: its data as CSV, its notebook, its commit."""

import csv
import functools
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bs4
import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from rrr_utils.common import spreadsheets

FOLDER = "_downloads/figures"


class FigureData(SphinxPostTransform):
    """Put the links below the pictures in the outputs of a notebook's cells."""

    default_priority = 910  # after `figure_texts`

    def run(self, **_: Any) -> None:
        notebook = Path(self.env.doc2path(self.env.docname))
        if notebook.suffix != ".ipynb" or self.app.builder.format != "html":
            return
        for output in list(self.document.findall(nodes.container)):
            if "cell_output" in output.get("classes", []) and any(output.findall(nodes.image)):
                place = output.parent.get("cell_index")
                found = links(self.app, self.env.docname, notebook, place) if place is not None else []
                if found:
                    output += nodes.paragraph("", "", *found, classes=["figure-data"])


def links(app: Sphinx, page: str, notebook: Path, place: int) -> list[nodes.Node]:
    """Return what leads from a figure on ``page`` to the table of cell ``place`` of ``notebook`` and to its commit."""
    found: list[nodes.Node] = []
    text = csv_of(notebook, place)
    if text is not None:
        inside = notebook.relative_to(app.srcdir).with_suffix("").as_posix().replace("/", "--")
        file = Path(app.outdir) / FOLDER / f"{inside}-{place}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        address = os.path.relpath(f"{FOLDER}/{file.name}", Path(page).parent.as_posix())
        found += [nodes.Text("Data: "), nodes.reference("", "CSV", refuri=address, internal=True)]
    commit = commit_of(notebook)
    if commit:
        found.append(nodes.Text(f"{'; ' if found else ''}last changed in commit {commit}"))
    return [*found, nodes.Text(".")] if found else []


def csv_of(notebook: Path, place: int) -> str | None:
    """Return the table that stands nearest to cell ``place`` in its section as CSV: in it, below it, or above it."""
    cells = nbformat.read(notebook, as_version=4).cells
    after = list(_until_heading(cells[place + 1 :]))
    before = list(_until_heading(cells[:place][::-1]))
    for cell in [cells[place], *after, *before]:
        for output in cell.get("outputs", []):
            html = "".join(output.get("data", {}).get("text/html", ""))
            if 'class="dataframe"' in html:
                return _csv(html)
    return None


@functools.cache
def commit_of(file: Path) -> str:
    """Return the short name of the commit that last changed ``file``, or nothing where there is no history."""
    try:
        command = ["git", "log", "-1", "--format=%h", "--", file.name]
        done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _until_heading(cells: list[Any]) -> Iterator[Any]:
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.lstrip().startswith("#"):
            return
        yield cell


def _csv(html: str) -> str:
    """Return the first table of ``html`` as CSV; cells that span several are repeated, rows of a head joined."""
    table = bs4.BeautifulSoup(html, "html.parser").table
    grid: dict[tuple[int, int], str] = {}
    rows = table.find_all("tr")
    for row, line in enumerate(rows):
        column = 0
        for cell in line.find_all(["th", "td"]):
            while (row, column) in grid:
                column += 1
            for down in range(int(cell.get("rowspan", 1))):
                for right in range(int(cell.get("colspan", 1))):
                    grid[row + down, column + right] = cell.get_text().strip()
    width = 1 + max(column for _, column in grid)
    lines = [[grid.get((row, column), "") for column in range(width)] for row in range(len(rows))]
    heads = max(1, len(table.thead.find_all("tr")) if table.thead else 1)
    head = [" ".join(filter(None, dict.fromkeys(column))) for column in zip(*lines[:heads])]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([*map(spreadsheets.cell, line)] for line in [head, *lines[heads:]])
    return stream.getvalue()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_post_transform(FigureData)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
