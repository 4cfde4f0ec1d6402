"""What a study computed is compared with what its notebooks show: code, texts and kinds of outputs."""

import nbformat
import pytest
import tiny_study
from nbformat.v4 import new_code_cell, new_notebook, new_output

from rrr_utils.study import compared_outputs, jobs
from rrr_utils.study import study_file as study

SMOKE = tiny_study.PROJECT / "studies" / "smoke.yaml"
NOTEBOOKS = tiny_study.PROJECT / "notebooks"


def notebook(text="0.5", picture="AAAA", code="score", tags=(), injected=False):
    """A notebook of one cell that prints, shows a table and draws; a study's has a cell of parameters before it."""
    outputs = [
        new_output("stream", name="stdout", text="masks\n"),
        new_output("execute_result", {"text/plain": text}, execution_count=7 if injected else 6),
        new_output("display_data", {"image/png": picture}),
    ]
    cells = [new_code_cell("seeds = [0]", metadata={"tags": ["injected-parameters"]})] if injected else []
    return new_notebook(cells=[*cells, new_code_cell(code, outputs=outputs, metadata={"tags": list(tags)})])


def test_counts_pictures_and_injected_parameters_are_no_difference():
    """A study's execution has one cell more, so other numbers; the bytes of a picture depend on fonts."""
    assert compared_outputs.differences(notebook(picture="BBBB", injected=True), notebook()) == []


def test_another_text_is_a_difference_unless_its_cell_depends_on_the_machine():
    """The line names the cell and both texts."""
    (found,) = compared_outputs.differences(notebook("0.51", injected=True), notebook())
    assert found.startswith("code cell 0 (score): ")
    assert "'0.51'" in found
    assert "'0.5'" in found
    assert compared_outputs.differences(notebook("0.51"), notebook(tags=["nbval-ignore-output"])) == []


def test_a_missing_output_and_another_code_are_differences():
    """A picture that was not drawn; a template whose code is not what was run."""
    without = notebook()
    del without.cells[0].outputs[2]
    assert len(compared_outputs.differences(without, notebook())) == 1
    assert compared_outputs.differences(notebook(code="chance"), notebook()) == [
        "its cells are not those that were run"
    ]


@pytest.mark.parametrize("name", ["01-masking", "02-fine-tuning", "03-scoring"])
def test_the_smoke_study_executes_these_notebooks_with_their_defaults(name):
    """Else `make test` would compare what was computed from other parameters."""
    job = compared_outputs.job_of_defaults(study.load(SMOKE), NOTEBOOKS / f"{name}.ipynb")
    assert job.notebook == name
    assert job.parameters["study"] == "smoke"


def test_a_notebook_without_a_job_is_refused(tmp_path, monkeypatch, capsys):
    """Figures of one run are no job of the smoke study; and nothing is compared before the study was run."""
    with pytest.raises(ValueError, match=r"runs 04-figures\.ipynb with the defaults"):
        compared_outputs.job_of_defaults(study.load(SMOKE), NOTEBOOKS / "04-figures.ipynb")
    monkeypatch.setenv("RRR_RUNS", str(tmp_path))
    assert compared_outputs.main([str(SMOKE), str(NOTEBOOKS / "01-masking.ipynb")]) == 1
    assert "run the study first" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "status", "said"), [("0.5", 0, "shows what"), ("0.51", 1, "DIFFERS from what")])
def test_the_command_fails_on_a_number_that_came_out_otherwise(tmp_path, monkeypatch, capsys, text, status, said):
    """The job's executed notebook beside the committed one; the line on stderr names the cell."""
    monkeypatch.setenv("RRR_RUNS", str(tmp_path))
    monkeypatch.setattr(compared_outputs.job_state, "why_not_done", lambda job, folder: "")
    monkeypatch.setattr(compared_outputs, "job_of_defaults", lambda plan, path: jobs.of(plan)[0])
    job = jobs.of(study.load(SMOKE))[0]
    ran, shown = tmp_path / "smoke" / f"{job.name}.ipynb", tmp_path / "01-masking.ipynb"
    ran.parent.mkdir(parents=True)
    nbformat.write(notebook(text, injected=True), ran)
    nbformat.write(notebook(), shown)
    assert compared_outputs.main([str(SMOKE), str(shown)]) == status
    told = capsys.readouterr()
    assert f"01-masking.ipynb: {said} {job.name} computed" in told.out
    assert ("code cell 0" in told.err) == bool(status)
