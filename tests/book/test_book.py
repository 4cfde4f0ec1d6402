"""The book: its numbers exist, its links lead somewhere, its prose agrees with its tables, nothing is fetched."""

import base64
import configparser
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
PAGES = sorted(BOOK.glob("*.md"))
DEMO = BOOK / "published" / "demo" / "04-figures.ipynb"
CONTROLS = BOOK / "published" / "controls"
EXPLAINERS = ("grad_cam", "grad_cam_plus_plus", "lime", "occlusion")
GLUED_TEXT = re.compile(r"\{glue:text\}`([^`:]+)::([^`:]+):([^`]+)`")
GLUED_FIGURE = re.compile(r"\{glued-figure\} (\S+)::(\S+)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
INCLUDED = re.compile(r"\{(?:include|literalinclude)\} (\S+)")
OUTSIDE = re.compile(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["'](?:https?:)?//""")


def glued(notebook):
    """Return the glued outputs of an executed notebook by key: what stands under their mime type."""
    if not notebook.exists():
        pytest.fail(f"There is no {notebook.relative_to(ROOT)}. Run `make study` and then `make publish STUDY=demo`.")
    found = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            key = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if key:
                found[key] = {mime.rsplit("papermill.record/")[-1]: value for mime, value in output["data"].items()}
    return found


def number(data):
    return float("".join(data["text/plain"]))


def test_every_glued_number_exists_and_is_a_number():
    """Each number in the text has its key in the notebook it names, is finite, and takes its format."""
    uses = [(page, *match) for page in PAGES for match in GLUED_TEXT.findall(page.read_text(encoding="utf-8"))]
    assert len(uses) > 30
    for page, notebook, key, form in uses:
        found = glued((page.parent / notebook).resolve())
        assert key in found, f"{page.name} glues {key!r}, which {notebook} does not have: {sorted(found)}"
        value = number(found[key])
        assert math.isfinite(value), f"{page.name} glues {key!r}, which is {value}"
        assert format(value, form)


def test_every_glued_figure_exists_and_is_small():
    """Each figure in the text is a picture in the notebook it names, below 150 kB, with a text for screen readers."""
    uses = [(page, *match) for page in PAGES for match in GLUED_FIGURE.findall(page.read_text(encoding="utf-8"))]
    assert uses
    for page, notebook, key in uses:
        kinds = glued(page.parent / notebook)[key]
        picture = base64.b64decode("".join(kinds.get("image/png") or kinds["image/jpeg"]))
        assert picture.startswith((b"\x89PNG", b"\xff\xd8\xff"))
        assert len(picture) < 150_000
        after = page.read_text(encoding="utf-8").split(f"{notebook}::{key}")[1]
        assert re.match(r"\n(?::\w+: .*\n)*:alt: .{40,}", after), f"{page.name}: figure {key} needs an :alt:"


def test_no_result_is_typed():
    """The only percentage that is written out in the text is the confidence of the intervals."""
    for page in PAGES:
        text = GLUED_TEXT.sub("", page.read_text(encoding="utf-8"))
        assert set(re.findall(r"\d[\d.]*\s?%", text)) <= {"95%"}, page.name


def test_the_first_page_says_what_its_table_says():
    """Right and not robust, below every robust network's score, and not above chance: else its prose is wrong."""
    value = {key: number(data) for key, data in glued(DEMO).items() if not key.startswith("fig_")}
    assert value["accuracy_original_original"] > 0.9
    assert value["accuracy_original_other"] < 0.7
    assert value["above_original_grad_cam_low"] <= 0, "it is called right for the wrong reason"
    for kind in ("masked", "swapped"):
        assert value[f"accuracy_{kind}_other"] > value["accuracy_original_other_high"]
        drop = value[f"accuracy_{kind}_original"] - value[f"accuracy_{kind}_other"]
        assert drop < value["accuracy_original_original"] - value["accuracy_original_other"]
        for explainer in EXPLAINERS:
            assert value[f"score_{kind}_{explainer}"] > value[f"score_original_{explainer}_high"], explainer
    for explainer in EXPLAINERS:
        of_kinds = [value[f"score_{kind}_{explainer}"] for kind in ("original", "masked", "swapped")]
        assert of_kinds == sorted(of_kinds), "they are said to stand in one order"
        below = value[f"above_original_{explainer}_high"] < 0
        assert below == (explainer != "lime"), "LIME alone is said not to be below chance"
    assert value["n_seeds"] > 1


def test_the_first_page_says_of_photographs_what_their_table_says():
    """Robust and above chance by every explainer, and the two kinds of training apart by less than their intervals."""
    found = glued(BOOK / "published" / "cpu-unaugmented" / "04-figures.ipynb")
    place = "oxford-pets_mobilenet-25-masking_head"
    value = {key: number(data) for key, data in found.items() if place in key and not key.startswith("fig_")}
    assert value[f"accuracy_{place}_original_original"] - value[f"accuracy_{place}_original_other"] < 0.06
    for kind in ("original", "masked"):
        for explainer in EXPLAINERS:
            assert value[f"above_{place}_{kind}_{explainer}_low"] > 0
    for name in ("accuracy_{}_{}_other", "score_{}_{}_grad_cam"):
        first, second = (name.format(place, kind) for kind in ("original", "masked"))
        assert value[f"{first}_low"] < value[second] < value[f"{first}_high"], "they are called about the same"
    spread = [value[f"score_{place}_original_{explainer}"] for explainer in EXPLAINERS]
    trained = abs(value[f"score_{place}_original_grad_cam"] - value[f"score_{place}_masked_grad_cam"])
    assert max(spread) - min(spread) > trained, "it is said to depend on the explainer more than on the training"


def analysis(name):
    """Return the numbers that an analysis of the study `controls` glued."""
    found = glued(CONTROLS / f"{name}--oxford-pets--mobilenet-25--head--original.ipynb")
    return {key: number(data) for key, data in found.items() if not key.startswith(("fig_", "seed_"))}


def test_the_page_on_trust_says_what_its_tables_say():
    """Scores move with the mask and hardly above chance; 50 images tell a tenth; what knows nothing scores less."""
    masks, means = analysis("05-mask-quality"), analysis("06-convergence")
    for explainer in EXPLAINERS:
        moved = masks[f"moved_deeplab_{explainer}"]
        assert masks[f"moved_deeplab_{explainer}_high"] < 0
        assert masks[f"moved_box_{explainer}_low"] > 0
        assert abs(masks[f"moved_above_deeplab_{explainer}"]) < abs(moved) / 3
    assert masks["precision_deeplab"] > 0.9 > masks["recall_deeplab"]
    assert masks["drift_deeplab_0.5"] > masks["drift_deeplab_1.0"]
    assert means["needed_05"] <= 50 < means["needed_02"] < means["needed_01"]
    assert means["first_train"] < means["all_train"]
    assert means["percentile_train"] < 0.025, "it is called another mean than over a draw"
    controls = analysis("07-controls")
    score = {name: controls[f"score_{name}"] for name in (*(f"{each}_trained" for each in EXPLAINERS), "none_gaussian")}
    assert controls["above_none_gaussian_low"] > 0
    assert score["none_gaussian"] > score["grad_cam_trained"]
    for explainer in EXPLAINERS:
        assert controls[f"score_{explainer}_randomised_all"] < score[f"{explainer}_trained"]
        similar = controls[f"similar_randomised_head_{explainer}"]
        assert similar > 0.9 if explainer == "grad_cam_plus_plus" else similar < 0.3
    assert controls["similar_randomised_all_grad_cam_plus_plus_low"] > 0
    ranked = [max(EXPLAINERS, key=lambda each: controls[f"score_{each}_{how}"]) for how in ("trained", "min-max")]
    assert ranked == ["lime", "grad_cam_plus_plus"]
    for explainer in ("lime", "occlusion"):
        assert controls["chance"] < controls[f"score_{explainer}_min-max"] < score[f"{explainer}_trained"]
    losses = {each: controls[f"authors_minus_ours_{each}"] for each in EXPLAINERS}
    assert min(losses, key=lambda each: losses[each]) == "occlusion"


def test_links_and_inclusions_lead_somewhere():
    """Every page, notebook and file that the text links to or includes is there, and no link leads outside."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in [*LINK.findall(text), *INCLUDED.findall(text)]:
            assert not target.startswith("http"), f"{page.name} links to {target}, which needs a network"
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}, which is not there"


def test_every_page_and_every_published_notebook_is_in_the_contents():
    """Nothing in the table of contents is missing, and nothing that is published is left out of it."""
    contents = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [entry for part in contents["parts"] for entry in part["chapters"]]
    chapters += [section for entry in chapters for section in entry.get("sections", [])]
    listed = {contents["root"], *(entry["file"] for entry in chapters)} - {"notebooks/your-own-model"}
    there = {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in [*PAGES, *BOOK.glob("*.ipynb"), *(BOOK / "published").rglob("*.ipynb")]
    }
    assert listed == there


def test_method_can_stand_alone():
    """The method belongs to the book of any study, so it leans on no other page and on no notebook of the demo."""
    text = (BOOK / "method.md").read_text(encoding="utf-8")
    assert not LINK.findall(text)
    assert "glue" not in text


def build(folder, *, page=""):
    """Build a book of the method and one more page as the real one is built; return the finished process."""
    source = folder / "source"
    for name in ("_config.yml", "book/references.bib", "book/method.md", "studies/cpu.yaml", "studies/gpu.yaml"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for name in ("_static", "_ext"):
        shutil.copytree(BOOK / name, source / "book" / name)
    (source / "book" / "figures.ipynb").write_text(json.dumps(notebook_with_a_figure()), encoding="utf-8")
    (source / "book" / "page.md").write_text(f"# A page\n\n{page}\n", encoding="utf-8")
    chapters = [{"file": "book/page"}, {"file": "book/figures"}]
    contents = {"format": "jb-book", "root": "book/method", "chapters": chapters}
    (source / "book" / "_toc.yml").write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    command += ["--path-output", str(folder), "--toc", "book/_toc.yml", "--all", "-W", "-n", "--keep-going"]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)


@pytest.fixture
def launch_buttons(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    monkeypatch.delenv("RRR_REPOSITORY", raising=False)
    return pytest.importorskip("launch_buttons")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://github.com/some-one/a.study.git", "some-one/a.study"),
        ("git@github.com:some-one/study.git", "some-one/study"),
        ("ssh://git@github.com/some-one/study/", "some-one/study"),
        ("https://example.org/some-one/study", None),
        ("/home/me/study", None),
    ],
)
def test_the_repository_is_that_of_the_clone(launch_buttons, tmp_path, monkeypatch, address, found):
    """Whatever form git has the address in; a folder, or another host, is none; the variable comes first."""
    assert launch_buttons.repository(str(tmp_path)) is None
    for command in (["init", "-q"], ["remote", "add", "origin", address]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert launch_buttons.repository(str(tmp_path)) == found
    monkeypatch.setenv("RRR_REPOSITORY", "https://github.com/own/fork")
    assert launch_buttons.repository(str(tmp_path)) == "own/fork"
    monkeypatch.setenv("RRR_REPOSITORY", "own/fork")
    with pytest.raises(ValueError, match=r"https://github\.com/owner/name, but 'own/fork'"):
        launch_buttons.repository(str(tmp_path))


def test_launch_buttons_open_the_notebook_of_the_commit(launch_buttons):
    """The path is quoted where it is part of a query."""
    found = launch_buttons.addresses("a/b", "c0ffee", "notebooks/01-masking.ipynb")
    assert found == {
        "Binder": "https://mybinder.org/v2/gh/a/b/c0ffee?labpath=notebooks%2F01-masking.ipynb",
        "Colab": "https://colab.research.google.com/github/a/b/blob/c0ffee/notebooks/01-masking.ipynb",
    }
    assert (ROOT / "notebooks/01-masking.ipynb").exists()


def notebook_with_a_figure():
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    output = {
        "output_type": "display_data",
        "data": {"application/papermill.record/image/png": pixel},
        "metadata": {"scrapbook": {"name": "fig_one", "mime_prefix": "application/papermill.record/"}},
    }
    title = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Figures"}
    cell = {"cell_type": "code", "id": "b", "metadata": {}, "source": "1", "execution_count": 1, "outputs": [output]}
    head, row = "<tr><th></th><th>score</th></tr>", "<tr><th>LIME</th><td>0.25</td></tr>"
    html = f'<table border="1" class="dataframe">{head}{row}</table>'
    shown = {"output_type": "execute_result", "data": {"text/html": html}, "metadata": {}, "execution_count": 2}
    drawn = {"output_type": "display_data", "data": {"image/png": pixel}, "metadata": {}}
    table = cell | {"id": "c", "execution_count": 2, "outputs": [drawn, shown]}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": [title, cell, table]}


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """Return the HTML folder of a small book that was built without a warning."""
    folder = tmp_path_factory.mktemp("book")
    done = build(folder, page="```{glued-figure} figures.ipynb::fig_one\n:alt: One pixel.\n\nA caption.\n```")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "_build" / "html"


@pytest.mark.slow
def test_the_built_book_fetches_nothing(small_book):
    """No page asks another host for a script, a style or a picture; formulas are set by a copy inside the book."""
    pages = list(small_book.rglob("*.html"))
    assert len(pages) > 3
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not OUTSIDE.search(text), page.name
        assert "unpkg" not in text
    assert 'src="../_static/mathjax/tex-svg.js' in (small_book / "book" / "method.html").read_text(encoding="utf-8")
    assert (small_book / "_static" / "mathjax" / "tex-svg.js").stat().st_size > 1_000_000
    assert (small_book / "_static" / "mathjax" / "LICENSE").exists()


@pytest.mark.slow
def test_a_glued_figure_has_its_picture_its_caption_and_its_text(small_book):
    """The directive copies the picture that another notebook holds into the book."""
    text = (small_book / "book" / "page.html").read_text(encoding="utf-8")
    (place,) = re.findall(r'<img alt="One pixel." src="\.\./([^"]+)"', text)
    assert (small_book / place).read_bytes().startswith(b"\x89PNG")
    assert "A caption." in text


@pytest.mark.slow
def test_the_data_of_a_figure_are_one_click_away(small_book):
    """Below a notebook's figure, and in the caption of a glued one, is a link to the table beside it as CSV."""
    for page in ("figures", "page"):
        text = (small_book / "book" / f"{page}.html").read_text(encoding="utf-8")
        (place,) = re.findall(r'href="(\S+figures-\d[.]csv)"', text)
        assert (small_book / "book" / place).read_text(encoding="utf-8").splitlines() == [",score", "LIME,0.25"]
    assert 'From the <a class="reference internal" href="figures.html">notebook</a>' in text


@pytest.mark.slow
def test_a_figure_that_is_not_there_fails_the_build(tmp_path):
    """A key that the notebook does not have is an error that lists those it has."""
    done = build(tmp_path, page="```{glued-figure} figures.ipynb::fig_two\n:alt: Nothing.\n```")
    assert done.returncode != 0
    assert "'fig_two'; it has ['fig_one']" in done.stdout + done.stderr

def test_the_page_for_developers_has_the_floors_that_are_checked():
    """Its table names each room on the floor where `.importlinter` has it, and there is no other room."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    layers = contract["importlinter:contract:rooms"]["layers"].split("\n")[1:]
    checked = {room.strip(): floor for floor, rooms in enumerate(reversed(layers), 1) for room in rooms.split(":")}
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", (BOOK / "developers.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {room: int(floor) for floor, room in rows} == checked
    rooms = {path.name for path in (ROOT / "rrr_utils").iterdir() if (path / "__init__.py").exists()}
    assert checked.keys() - {"cli", "metric"} == rooms
