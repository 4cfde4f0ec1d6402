"""What `make validate` says was compared, and what it finds."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from rrr_utils.common import checksums, files
from rrr_utils.study import validate
from rrr_utils.tables import parquet as tables
from rrr_utils.tables import results

ROOT = Path(__file__).resolve().parents[2]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def notebook(path, *cells):
    """Write a notebook of cells (source, outputs, tags) and return its path."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = [
        new_code_cell(source, id=f"c{number}", execution_count=1, outputs=outputs, metadata={"tags": tags})
        for number, (source, outputs, tags) in enumerate(cells)
    ]
    nbformat.write(new_notebook(cells=made, metadata=kernel), path)
    return path


def shown(**data):
    return new_output(
        "execute_result", {name.replace("_", "/"): value for name, value in data.items()}, execution_count=1
    )


def test_each_output_is_listed_as_what_nbval_does_with_it(tmp_path):
    """Text is compared, a picture is not, a marked cell is only computed, and a cell without output is left out."""
    path = notebook(
        tmp_path / "n.ipynb",
        ("1 + 1", [shown(text_plain="2")], []),
        ("x = 1", [], []),
        ("print('a')", [new_output("stream", name="stdout", text="a\n")], ["nbval-ignore-output"]),
        ("draw()", [shown(image_png=PIXEL, text_plain="<Figure>")], []),
        ("glue()", [new_output("display_data", {"application/papermill.record/image/png": PIXEL})], []),
    )
    assert [(cell.number, cell.verdict, cell.kinds) for cell in validate.cells(path)] == [
        (0, "compared", ("text/plain",)),
        (2, "computed, not compared (depends on the machine)", ("stdout",)),
        (3, "compared, without its picture", ("text/plain",)),
        (4, "a picture, not compared", ("application/papermill.record/image/png",)),
    ]


def test_an_output_that_differs_is_found(tmp_path, capsys):
    """Of notebooks of one name, or one in the other's, the one with a wrong sum is named, and its cell."""
    right, other, wrong = (
        tmp_path / name for name in ("a/04-figures.ipynb", "figures.ipynb", "b/zoo-04-figures.ipynb")
    )
    for path in (right, other, wrong):
        path.parent.mkdir(exist_ok=True)
        notebook(
            path,
            ("x = 1", [], []),
            ("x + 1", [shown(text_plain="3" if path == wrong else "2")], []),
            ("x + 2", [shown(text_plain="4")], ["nbval-ignore-output"]),
        )
    status, failed = validate._run([right, other, wrong], tmp_path)
    assert status == 1
    assert failed == {right: [], other: [], wrong: [1]}
    validate._say(wrong, validate.cells(wrong), failed[wrong])
    said = capsys.readouterr().out
    assert "CELLS 1 DIFFER" in said
    assert "cell  1  DIFFERS" in said


def test_published_tables_are_laid_out_as_runs_leave_them(tmp_path):
    """The notebook of figures reads from the laid out tables the rows that were published."""
    page = ROOT / "book" / "published" / "demo" / "04-figures.ipynb"
    validate._lay_out(page, tmp_path)
    published = tables.read(ROOT / "data" / "results" / "demo" / "scores.parquet", "scores")
    runs = [f"confounded-noise/convnet/all/{kind}" for kind in ("original", "masked", "swapped")]
    found = results.read(tmp_path / "demo", runs).scores
    order = ["trained_on", "seed", "explainer", "epoch", "image"]
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), published.sort_values(order, ignore_index=True)
    )


def test_published_figures_are_compared_whole():
    """No cell of a published page of figures is left out: its tables are the same on every machine."""
    for page in validate._figures(ROOT):
        tags = {tag for cell in validate._unmarked(page).cells for tag in cell.metadata["tags"]}
        assert not tags & validate.IGNORED


def test_a_name_that_fits_nothing_is_said_with_those_that_there_are():
    """One wrong name among right ones stops it before anything is computed."""
    with pytest.raises(ValueError, match="has clams in its name") as caught:
        validate.compare(["claims", "clams"])
    assert "  book/claims.ipynb" in str(caught.value)


def test_a_published_table_that_was_changed_stops_it_before_anything_is_computed(tmp_path, monkeypatch):
    """One letter in a published CSV: the file is named, with the way back."""
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    table = tmp_path / "data" / "results" / "cpu-unaugmented" / "scores.csv"
    files.write_text(table, "network,mean\nvgg16,0.61\n")
    checksums.record(tmp_path / "data" / "results", "cpu-unaugmented")
    monkeypatch.setattr(validate, "_run", lambda *_: (0, {}))
    assert validate.compare() == 0
    files.write_text(table, "network,mean\nvgg16,0.71\n")
    with pytest.raises(
        ValueError, match=r"(?s)1 of the published .*cpu-unaugmented/scores\.csv is not the file .*git checkout"
    ):
        validate.compare()
