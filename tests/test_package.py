"""The package as others get it: a wheel of code alone, imported at once, in which the page's fifteen lines work."""

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny_study

import rrr_utils

PROJECT = tiny_study.PROJECT
PAGE = (PROJECT / "book" / "your-own-model.md").read_text(encoding="utf-8")
LINES = re.search(r"## Fifteen lines\n\n```python\n(.*?)```", PAGE, re.DOTALL).group(1)
SHORT = re.search(
    r"## Your own model\n.*?```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL
).group(1)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return a folder with the wheel's content, and the environment in which Python finds it there."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RRR_")}
    return folder, kept | {"PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}


def run(code, environment, folder):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


FACES = ["rrr_utils", *(each.name for each in pkgutil.walk_packages(rrr_utils.__path__, "rrr_utils.") if each.ispkg)]


@pytest.mark.parametrize("face", FACES)
def test_what_a_face_hands_out_is_there(face):
    """Its names stand as text, which no check of imports sees; and none hides a module of its room."""
    room = importlib.import_module(face)
    names = {*getattr(room, "_HOMES", {}), *getattr(room, "_MODULES", {}), *getattr(room, "__all__", [])}
    assert [name for name in names if not hasattr(room, name)] == []
    modules = {each.name for each in pkgutil.iter_modules(room.__path__)}
    assert modules & {name for name in names if not inspect.ismodule(getattr(room, name))} == set()


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    """Python, the templates of report and viewer, and the rules of the paper's claims; below half a megabyte."""
    names = zipfile.ZipFile(wheel).namelist()
    inside = [name for name in names if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in inside} == {"rrr_utils"}
    templates = {f"rrr_utils/templates/{name}.html" for name in ("report", "viewer")}
    assert {name for name in inside if not name.endswith(".py")} == {*templates, "rrr_utils/analyses/paper/claims.yaml"}
    modules = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "rrr_utils").rglob("*.py")}
    assert modules <= set(inside)
    assert not [name for name in names if "test" in name.lower()]
    assert wheel.stat().st_size < 600_000


def test_importing_the_package_is_instant_and_pulls_no_framework(installed, tmp_path):
    """Below 0.3 s of the processor (the best of three, on a busy machine), without TensorFlow or NumPy."""
    folder, environment = installed
    code = (
        "import sys, time; start = time.process_time(); import rrr_utils; took = time.process_time() - start;"
        "print(took, rrr_utils.__file__);"
        "print([name for name in ('tensorflow', 'keras', 'numpy', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    times = []
    for _ in range(3):
        first, second = run(code, environment, tmp_path).splitlines()
        took, file = first.split(" ", 1)
        assert Path(file).is_relative_to(folder), "another copy was imported"
        assert second == "[]"
        times.append(float(took))
    assert min(times) < 0.3


def test_the_lines_of_the_readme_ask_for_what_there_is():
    """Each name and parameter in the README's section is one of the lines that are run, or of the function."""
    (call,) = [node for node in ast.walk(ast.parse(SHORT)) if isinstance(node, ast.Call) and node.keywords]
    assert {word.arg for word in call.keywords} <= set(inspect.signature(rrr_utils.examine).parameters)
    attributes = {node.attr for node in ast.walk(ast.parse(SHORT)) if isinstance(node, ast.Attribute)}
    assert attributes <= {node.attr for node in ast.walk(ast.parse(LINES)) if isinstance(node, ast.Attribute)}


@pytest.mark.slow
def test_the_fifteen_lines_of_the_page_work_outside_the_project(installed, tmp_path):
    """Run to the letter in a folder with a model, images and masks, by the wheel."""
    assert len(LINES.strip().splitlines()) <= 16
    folder, environment = installed
    made = "import rrr_utils as rrr\nrrr.example.make('.', images=20, train=120, epochs=2)\n"
    said = run(f"{made}{LINES}\nprint(rrr.__file__)", environment, tmp_path)
    assert str(folder) in said
    assert "Grad-CAM reads: conv3" in said
    for word in ("chance", "other", "occlusion", "triage/report.html"):
        assert word in said
    assert (tmp_path / "triage" / "report.html").stat().st_size > 50_000
