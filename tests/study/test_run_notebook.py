"""Running a notebook: what it leaves when it ends, fails, is killed, and when it has to run again."""

import base64
import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import tiny_study
from matplotlib import pyplot as plt
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from rrr_utils.common import files, paths
from rrr_utils.study import executed_notebook as executed
from rrr_utils.study import notebook_code as closure
from rrr_utils.study import run_notebook, stamps

WRITE = """
import os
folder = os.environ["TEST_FOLDER"]
with open(f"{folder}/table.txt", "w") as stream:
    stream.write(f"{rate} {names}")
print("wrote", folder, flush=True)
print(object())
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the project, the place of the runs and the notebook's own at once."""
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    monkeypatch.setenv("RRR_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TEST_FOLDER", str(tmp_path / "runs"))
    monkeypatch.delenv("RRR_THREADS", raising=False)
    (tmp_path / "runs").mkdir()
    return tmp_path


def _run(place: Path, notebook: Path, outputs: tuple[str, ...] = ("table.txt",), **parameters: Any) -> Path:
    stamp = place / "runs" / "out.stamp.json"
    run_notebook.run(notebook, place / "runs" / "out.ipynb", parameters, stamp, outputs, {"before": {"a": "1"}})
    return stamp


def _why(place: Path, notebook: Path, outputs: tuple[str, ...] = ("table.txt",), **parameters: Any) -> str:
    expected = stamps.provenance(notebook, parameters, {"before": {"a": "1"}})
    return stamps.stale(place / "runs" / "out.stamp.json", place / "runs" / "out.ipynb", expected, outputs)


def test_a_run_leaves_its_results_and_a_stamp_and_a_second_one_the_same_bytes(place: Path) -> None:
    """The same notebook with the same parameters gives the same notebook and stamp to the byte, without times."""
    template = tiny_study.notebook(place / "n.ipynb", WRITE, parameters="rate = 1.0\nnames = []\nleft = None")
    before = template.read_bytes()
    results = []
    for _ in range(2):
        stamp = _run(place, template, rate=1e-5, names=[{"name": "lime", "samples": 60}, None])
        results.append((stamp.read_bytes(), (place / "runs/out.ipynb").read_bytes()))
        assert not _why(place, template, rate=1e-5, names=[{"name": "lime", "samples": 60}, None])
        stamp.unlink()
    assert results[0] == results[1]
    text = results[0][1].decode()
    assert "1e-05 [{'name': 'lime', 'samples': 60}, None]" in (place / "runs/table.txt").read_text()
    assert "start_time" not in text
    assert "papermill" not in text
    assert str(place) not in text
    assert "wrote runs" in text
    assert "object at 0x0>" in text
    assert template.read_bytes() == before
    assert sorted(path.name for path in (place / "runs").iterdir()) == ["out.ipynb", "table.txt"]


def test_a_failed_notebook_is_kept_and_its_cell_named(place: Path) -> None:
    """A failing cell gives an error with its number, source and message, the notebook so far, and no stamp."""
    cells = ("print('before')", "value = 3\n1 / (value - 3)", "late = 1")
    template = tiny_study.notebook(place / "n.ipynb", *cells, parameters="rate = 1")
    with pytest.raises(run_notebook.NotebookFailed) as caught:
        _run(place, template, outputs=(), rate=2)
    message = str(caught.value)
    assert (
        "n.ipynb failed in cell 3:\n    value = 3\n    1 / (value - 3)\nZeroDivisionError: division by zero" in message
    )
    assert "runs/out.failed.ipynb" in message
    kept = nbformat.read(place / "runs/out.failed.ipynb", as_version=4)
    assert any("before" in str(cell.get("outputs")) for cell in kept.cells)
    assert sorted(path.name for path in (place / "runs").iterdir()) == [".out.begun.json", "out.failed.ipynb"]
    assert _why(place, template, outputs=(), rate=2) == "not run yet"


def test_a_parameter_of_another_kind_is_refused_in_the_notebooks_own_words(place: Path) -> None:
    """What it is, what it looks like, what came; whole numbers pass for fractions, None where the words name it."""
    cell = (
        "rate = 0.1  # learning rate\nseeds = [0]  # one training each\non = True  # whether\n"
        "units = 3  # width; None: its own\nname = 'a'  # a name\n"
        "names = [\n    {'name': 'x'},\n]  # each a name\nwhat = None"
    )
    template = tiny_study.notebook(place / "n.ipynb", WRITE, parameters=cell)
    good = {"rate": 1, "seeds": [1, 2], "on": False, "units": None, "name": "b", "names": [{"name": "y"}], "what": {}}
    run_notebook.check_parameters(template, good)
    bad = {"rate": "fast", "seeds": 3, "on": 1, "units": "3", "name": None, "names": ["x"], "what": "anything"}
    for name, value in bad.items():
        if name == "what":
            run_notebook.check_parameters(template, {name: value})
            continue
        with pytest.raises(ValueError, match=rf"`{name}` of n\.ipynb is: .*Nothing was run"):
            run_notebook.check_parameters(template, {name: value})
    with pytest.raises(ValueError, match=r"is: learning rate\. It must be of the kind of 0\.1, but 'fast' was passed"):
        run_notebook.check_parameters(template, {"rate": "fast"})
    with pytest.raises(ValueError, match=r"is: each a name\."):
        run_notebook.check_parameters(template, {"names": "x"})
    for wrong in ([True], ["0"], [0, None]):
        with pytest.raises(ValueError, match="`seeds` of n"):
            run_notebook.check_parameters(template, {"seeds": wrong})


def test_an_unknown_parameter_is_refused_before_anything_runs(place: Path) -> None:
    """A misspelt parameter is an error with the nearest name; older results stay as they were."""
    template = tiny_study.notebook(place / "n.ipynb", WRITE, parameters="rate = 1\nnames = []")
    (place / "runs/table.txt").write_text("older")
    with pytest.raises(ValueError, match=r"no parameter `rates`\. Did you mean 'rate'\?.*Nothing was run"):
        _run(place, template, rates=2)
    assert (place / "runs/table.txt").read_text() == "older"
    assert [path.name for path in (place / "runs").iterdir()] == ["table.txt"]


def test_a_promised_output_that_is_missing_is_an_error(place: Path) -> None:
    """A notebook that ends without writing what it promised is not done, whatever papermill says."""
    template = tiny_study.notebook(place / "n.ipynb", "import sys\nsys.exit(0)", WRITE, parameters="rate = 1")
    with pytest.raises(run_notebook.NotebookFailed, match="stopped before its end"):
        _run(place, template)
    template = tiny_study.notebook(place / "n.ipynb", "rate", parameters="rate = 1")
    with pytest.raises(FileNotFoundError, match=r"did not write \['table.txt'\]"):
        _run(place, template)
    assert not (place / "runs/out.stamp.json").exists()


@pytest.fixture
def done(place: Path) -> tuple[Path, Path]:
    """Return the place and the template of a run that is done, stamped without running it."""
    template = tiny_study.notebook(
        place / "n.ipynb", "from rrr_utils import metric\nmetric.score", parameters="rate = 1"
    )
    (place / "runs/table.txt").write_text("numbers")
    (place / "runs/out.ipynb").write_text("executed")
    made_of = stamps.provenance(template, {"rate": 2}, {"before": {"a": "1"}})
    stamps.write(place / "runs/out.stamp.json", place / "runs/out.ipynb", made_of, ["table.txt"])
    assert not _why(place, template, rate=2)
    return place, template


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_torn_stamp_means_not_done(done: tuple[Path, Path], length: int) -> None:
    """A stamp cut at any place, by a power failure for example, does not count."""
    place, template = done
    whole = (place / "runs/out.stamp.json").read_bytes()
    (place / "runs/out.stamp.json").write_bytes(whole.rstrip()[:length])
    assert _why(place, template, rate=2) == "its stamp is torn"


@pytest.mark.parametrize("content", ["null", "[]", "{}", '{"outputs": 3}', '{"outputs": {}, "parameters": 1}'])
def test_a_foreign_file_is_no_stamp(done: tuple[Path, Path], content: str) -> None:
    """Valid JSON that is no stamp does not count either."""
    place, template = done
    (place / "runs/out.stamp.json").write_text(content)
    assert _why(place, template, rate=2) == "its stamp is torn"


def test_a_stamp_of_an_older_form_says_so(done: tuple[Path, Path]) -> None:
    """One that holds a hash of every module, from before definitions were hashed, is no torn one."""
    place, template = done
    stamp = place / "runs/out.stamp.json"
    files.write_json(stamp, {name: value for name, value in files.read_json(stamp).items() if name != "rule"})
    assert _why(place, template, rate=2) == "its stamp is of an older form"


def test_a_stamp_holds_where_code_was_moved(done: tuple[Path, Path]) -> None:
    """What a stamp says of where code stands is for messages: under other names the same code is the same."""
    place, template = done
    stamp = place / "runs/out.stamp.json"
    found = files.read_json(stamp)
    moved = {f"rrr_utils.room.{number}:f": digest for number, digest in enumerate(found["code"].values())}
    files.write_json(stamp, found | {"code": moved})
    assert not _why(place, template, rate=2)
    made_of = stamps.provenance(template, {"rate": 2}, {"before": {"a": "1"}})
    assert stamps.intact(stamp, place / "runs/out.ipynb", made_of, ["table.txt"])
    changed = dict(list(found["code"].items())[1:])
    files.write_json(stamp, found | {"code": changed})
    assert _why(place, template, rate=2).startswith("code of ")
    assert not stamps.intact(stamp, place / "runs/out.ipynb", made_of, ["table.txt"])


def test_every_change_is_a_reason_to_run_again(done: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed parameter, input, output, notebook, version or number of threads each gives its own reason."""
    place, template = done
    assert _why(place, template, rate=3) == "parameter rate changed"
    assert _why(place, template) == "parameter rate changed"
    expected = stamps.provenance(template, {"rate": 2}, {"before": {"a": "2"}})
    stamp, ran = place / "runs/out.stamp.json", place / "runs/out.ipynb"
    assert stamps.stale(stamp, ran, expected, ["table.txt"]) == "input before changed"
    assert _why(place, template, outputs=("table.txt", "more.txt"), rate=2) == "output more.txt is not in its stamp"
    with monkeypatch.context() as patch:
        patch.setenv("RRR_THREADS", "2")
        assert _why(place, template, rate=2) == "it ran with 1 thread(s), now it is 2"
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.version", lambda name: "99")
        assert _why(place, template, rate=2) == "version of numpy changed"
    (place / "runs/table.txt").write_text("Numbers")
    assert _why(place, template, rate=2) == "output table.txt was altered"
    (place / "runs/table.txt").unlink()
    assert _why(place, template, rate=2) == "output table.txt is missing"
    (place / "runs/table.txt").write_text("numbers")
    assert not _why(place, template, rate=2)
    ran.write_text("other")
    assert _why(place, template, rate=2) == "out.ipynb was altered"


def test_data_that_are_not_here_agree_with_every_stamp(done: tuple[Path, Path]) -> None:
    """What was computed where the real data are counts as done on a machine without them."""
    place, template = done
    stamp, ran = place / "runs/out.stamp.json", place / "runs/out.ipynb"
    for now, reason in ((None, ""), ("2", "input before changed")):
        expected = stamps.provenance(template, {"rate": 2}, {"before": now})
        assert stamps.stale(stamp, ran, expected, ["table.txt"]) == reason
    # A parameter that is none now is another one.
    expected = stamps.provenance(template, {"rate": None}, {"before": {"a": "1"}})
    assert stamps.stale(stamp, ran, expected, ["table.txt"]) == "parameter rate changed"


def test_other_figures_without_the_data_keep_what_was_computed(
    done: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was computed where the data are is not deleted, also after an interruption, and stays their result."""
    place, template = done
    stamp, ran = place / "runs/out.stamp.json", place / "runs/out.ipynb"
    for fails in (True, False):

        def execute(*_: Any, fails: bool = fails) -> Any:
            assert (place / "runs/table.txt").read_text() == "numbers"
            if fails:
                raise run_notebook.NotebookFailed("stopped")
            return nbformat.v4.new_notebook()

        monkeypatch.setattr(run_notebook, "execute", execute)
        with pytest.raises(run_notebook.NotebookFailed) if fails else contextlib.nullcontext():
            run_notebook.run(template, ran, {"rate": 2}, stamp, ["table.txt"], {"before": None})
    assert files.read_json(stamp)["inputs"] == {"before": {"a": "1"}}


def test_training_does_not_depend_on_figures() -> None:
    """In this project: what decides the numbers of training and scoring holds no module that draws or sums up."""
    for name in ("01-masking", "02-fine-tuning", "03-scoring"):
        path = tiny_study.PROJECT / "notebooks" / f"{name}.ipynb"
        needed = " ".join(closure.of(path, showing=False).definitions)
        assert "rrr_utils.masks.prepared:" in needed
        assert "figures" not in needed
        assert "statistics" not in needed


@pytest.mark.slow
def test_other_figures_redraw_and_other_code_computes_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other code for its figures a notebook finds its results and keeps them; with other code they are deleted."""
    code = WRITE.replace(
        "with open", "if not os.path.exists(f'{folder}/table.txt'):\n    print('calculated')\nwith open"
    )
    template = tiny_study.notebook(place / "n.ipynb", code, parameters="rate = 1\nnames = []")
    real = stamps.provenance
    for change, again in (
        ({}, True),
        ({"showing": {"code": {"rrr_utils.figures:a": "2"}, "versions": {}}}, False),
        ({"versions": {}}, True),
    ):
        monkeypatch.setattr(stamps, "provenance", lambda *given, change=change: real(*given) | change)
        assert _why(place, template)
        _run(place, template)
        printed = nbformat.read(place / "runs/out.ipynb", as_version=4).cells[-1].outputs[0].text
        assert ("calculated" in printed) == again
        assert not _why(place, template)


def test_a_full_disk_leaves_no_stamp_and_says_what_to_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full as the executed notebook is flushed, the run is not done and nothing is half-written."""
    template = tiny_study.notebook(place / "n.ipynb", WRITE, parameters="rate = 1\nnames = []")
    real = os.fsync

    def full(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        if "out" in name and "begun" not in name:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"disk is full.*run the same command again"):
        _run(place, template)
    assert _why(place, template)
    assert sorted(path.name for path in (place / "runs").iterdir()) == [".out.begun.json", "table.txt"]
    monkeypatch.undo()


def test_a_full_disk_inside_the_notebook_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real disk of 64 kB that the notebook fills: the cell and the cause are named, and there is no stamp."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        monkeypatch.setenv("RRR_ROOT", str(tmp_path))
        template = tiny_study.notebook(tmp_path / "n.ipynb", f"open({str(disk / 'big')!r}, 'wb').write(bytes(10**6))")
        with pytest.raises((run_notebook.NotebookFailed, OSError), match=r"No space left|is full"):
            run_notebook.run(template, disk / "out.ipynb", {}, disk / "out.stamp.json", ["big"])
        assert not (disk / "out.stamp.json").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_stripping_leaves_nothing_of_the_machine(place: Path) -> None:
    """Times, states, versions, paths, addresses and the cuts of a stream go; the rest and pictures stay."""
    picture = f"{paths.root()}AAAA"
    outputs = [
        new_output("stream", name="stdout", text=f"{place}/runs/a "),
        new_output("stream", name="stdout", text=f"{place}/x {Path.home()}/y <T at 0x7f00aa>"),
        new_output("display_data", data={"image/png": picture, "text/plain": "0x7fffffff"}),
    ]
    cell = new_code_cell(
        "1", metadata={"papermill": {"x": 1}, "execution": {"t": "1"}, "tags": ["injected-parameters"]}
    )
    cell.outputs = outputs
    book = new_notebook(cells=[cell], metadata={"papermill": {}, "language_info": {"name": "python", "version": "3.1"}})
    clean = executed.strip(book)
    assert clean.metadata == {"language_info": {"name": "python"}}
    assert clean.cells[0].metadata == {"tags": ["injected-parameters"]}
    assert clean.cells[0].id == "injected-parameters"
    assert clean.cells[0].outputs[0].text == "runs/a ./x ~/y <T at 0x0>"
    assert clean.cells[0].outputs[1].data == {"image/png": picture, "text/plain": "0x0"}


def test_drawn_pictures_get_a_palette_and_photographs_stay() -> None:
    """Lines and text in few colours are a third of the bytes and look the same; noise keeps its bytes."""
    figure, axes = plt.subplots(figsize=(6, 4), dpi=100)
    axes.plot([0, 1, 2], [2, 0, 1], label="a line")
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn)
    plt.close(figure)
    noise = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8)).save(noise, "PNG")
    cell = new_code_cell("1")
    given = [base64.b64encode(each.getvalue()).decode() for each in (drawn, noise)]
    cell.outputs = [new_output("display_data", data={"image/png": each}) for each in given]
    cell.outputs.append(new_output("display_data", data={"application/papermill.record/image/png": given[0]}))
    glued = executed.strip(new_notebook(cells=[cell])).cells[0].outputs[2].data
    assert len(glued["application/papermill.record/image/png"]) < len(given[0]) / 2
    clean = [output.data["image/png"] for output in executed.strip(new_notebook(cells=[cell])).cells[0].outputs[:2]]
    assert clean[1] == given[1]
    assert len(clean[0]) < len(given[0]) / 2
    before, after = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB"), int) for each in (given[0], clean[0])
    )
    assert np.abs(before - after).mean() < 0.5
    again = new_code_cell("1")
    again.outputs = [new_output("display_data", data={"image/png": clean[0]})]
    assert executed.strip(new_notebook(cells=[again])).cells[0].outputs[0].data["image/png"] == clean[0]


def test_photographs_become_jpeg_in_what_is_shown_alone() -> None:
    """A smooth photograph loses a quarter or more, glued or not, and looks the same; a drawing stays PNG."""
    ramp = np.add.outer(np.arange(200), np.arange(200))
    grain = np.random.default_rng(0).normal(0, 4, (200, 200, 3))
    pictures = {
        "photograph": np.clip(ramp[..., None] * [0.6, 0.4, 0.2] + grain, 0, 255).astype(np.uint8),
        "drawing": np.where(ramp[..., None] % 50 < 25, 0, 255).astype(np.uint8).repeat(3, axis=2),
    }
    given = {}
    for name, pixels in pictures.items():
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        given[name] = base64.b64encode(stream.getvalue()).decode()
    cell = new_code_cell("1")
    cell.outputs = [new_output("display_data", data={"image/png": each}) for each in given.values()]
    cell.outputs.append(
        new_output("display_data", data={"application/papermill.record/image/png": given["photograph"]})
    )
    shown = executed.lighter(executed.strip(new_notebook(cells=[cell]))).cells[0].outputs
    assert [list(output.data) for output in shown] == [
        ["image/jpeg"],
        ["image/png"],
        ["application/papermill.record/image/jpeg"],
    ]
    raw = base64.b64decode(shown[0].data["image/jpeg"])
    assert len(raw) < 0.75 * len(base64.b64decode(given["photograph"]))
    after = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"), int)
    assert np.abs(after - pictures["photograph"]).mean() < 6


def test_edited_prose_replaces_that_of_an_executed_notebook(tmp_path: Path) -> None:
    """Text cells come from the template, outputs and injected parameters from the run; other code changes nothing."""
    template = new_notebook(cells=[new_markdown_cell("new"), new_code_cell("a = 1", metadata={"tags": ["parameters"]})])
    template.cells += [new_markdown_cell("more"), new_code_cell("a")]
    ran = new_notebook(cells=[new_markdown_cell("old"), new_code_cell("a = 1", metadata={"tags": ["parameters"]})])
    ran.cells += [new_code_cell("a = 2", metadata={"tags": ["injected-parameters"]}), new_code_cell("a")]
    ran.cells[-1].outputs = [new_output("stream", text="2")]
    merged = executed.with_prose_of(ran, template)
    assert [cell.source for cell in merged.cells] == ["new", "a = 1", "a = 2", "more", "a"]
    assert merged.cells[-1].outputs[0].text == "2"
    template.cells[-1].source = "a + 1"
    assert executed.with_prose_of(ran, template) is ran


def test_a_stamp_holds_no_times_and_no_places(done: tuple[Path, Path]) -> None:
    """A stamp of the same run in another folder is the same text."""
    place, _ = done
    text = (place / "runs/out.stamp.json").read_text()
    assert str(place) not in text
    assert set(json.loads(text)) == {
        *("rule", "parameters", "inputs", "code", "versions", "threads", "showing", "outputs", "executed", "made_on")
    }
    assert files.sha256(place / "runs/table.txt") in text
