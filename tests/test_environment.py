"""The ways to install this project agree: one lock, one range of Pythons, everywhere the same."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tiny_study
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from rrr_utils.common.extras import EXTRA_OF

PROJECT = tiny_study.PROJECT
PYTHONS = ("3.11.7", "3.12.4", "3.13.1")
PLATFORMS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    extra: [Requirement(text) for text in texts] for extra, texts in PROJECT_TABLE["optional-dependencies"].items()
}


def _lines(path: Path) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def _pins(environment: dict[str, str]) -> dict[str, str]:
    """Return the locked version of every package on one platform and Python."""
    entries = [Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if line and not line.startswith(" ")]
    found = [entry for entry in entries if entry.marker is None or entry.marker.evaluate(environment)]
    pins = {canonicalize_name(entry.name): str(entry.specifier).removeprefix("==") for entry in found}
    assert len(pins) == len(found), "a package is locked twice"
    return pins


def _environment(python: str, platform: tuple[str, str]) -> dict[str, str]:
    version = {"python_full_version": python, "python_version": python.rsplit(".", 1)[0]}
    return default_environment() | version | {"sys_platform": platform[0], "platform_machine": platform[1]}


@pytest.mark.parametrize("platform", PLATFORMS, ids="-".join)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_what_the_project_asks_for(python: str, platform: tuple[str, str]) -> None:
    """On every Python and platform, each requirement of pyproject.toml and requirements.in has a pin that meets it.

    Of the extras all but PyTorch, a gigabyte that the study does not import.
    """
    environment = _environment(python, platform)
    pins = _pins(environment)
    asked = [Requirement(text) for text in PROJECT_TABLE["dependencies"]] + _lines(PROJECT / "requirements.in")
    asked += [each for extra, found in EXTRAS.items() if extra != "torch" for each in found if each.name != "rrr-utils"]
    for requirement in asked:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement
    assert ("tensorflow-cpu" in pins) != ("tensorflow" in pins), "both write the same folder"


def test_the_package_asks_for_no_more_than_it_needs() -> None:
    """Extras are known to `rrr_utils.common.extras`, the core has none of them, and caps belong to the lock."""
    core = {requirement.name: requirement for requirement in map(Requirement, PROJECT_TABLE["dependencies"])}
    assert not [str(each) for each in core.values() if any(part.operator != ">=" for part in each.specifier)]
    imported = {"tensorflow-cpu": "tensorflow", "scikit-learn": "sklearn"}
    for extra, found in EXTRAS.items():
        for requirement in found:
            module = imported.get(requirement.name, requirement.name)
            assert requirement.name not in core
            assert module in EXTRA_OF or module in ("rrr-utils", "ipykernel"), f"{extra} has {requirement.name}"
    for module, extra in EXTRA_OF.items():
        assert module in {imported.get(requirement.name, requirement.name) for requirement in EXTRAS[extra]}
    assert not {"krippendorff", "lime", "nbclient"} & {each.name for found in EXTRAS.values() for each in found}


def test_pages_install_with_extras_that_there_are() -> None:
    """Each `pip install ".[...]"` of README and book names extras of pyproject.toml, and a Keras model its own."""
    pages = [PROJECT / "README.md", *sorted((PROJECT / "book").glob("*.md"))]
    named = {page.name: re.findall(r"\.(?:/rrr)?\[([a-z,]+)\]\"", page.read_text(encoding="utf-8")) for page in pages}
    for page, found in named.items():
        assert {extra for text in found for extra in text.split(",")} <= set(EXTRAS), page
    assert "keras" in named["README.md"]
    assert {"keras", "study"} <= set(named["your-own-model.md"])


def test_the_lock_names_hashes_and_no_host() -> None:
    """Every pin is exact and has a hash, and no line says where a package comes from."""
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
    assert "://" not in LOCK
    assert "@" not in LOCK


def test_conda_and_binder_use_the_same_python_and_the_same_pins() -> None:
    """environment.yml has a Python that the project supports and takes its packages from the lock alone."""
    found = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    parts = [part for part in found["dependencies"] if isinstance(part, str)]
    python = next(part.split("=", 1)[1] for part in parts if part.startswith("python="))
    assert SpecifierSet(PROJECT_TABLE["requires-python"]).contains(f"{python}.7")
    assert {part.split("=")[0] for part in parts} == {"python", "make", "pip"}
    assert [part["pip"] for part in found["dependencies"] if isinstance(part, dict)] == [["-r requirements.lock"]]
    assert os.access(PROJECT / "postBuild", os.X_OK)
    resolved = re.search(r"--python-version (\S+)", (PROJECT / "workflow" / "setup.sh").read_text(encoding="utf-8"))
    assert resolved
    assert resolved.group(1) == python


def test_the_range_of_pythons_is_the_same_everywhere() -> None:
    """The classifiers, the set-up script and the public workflow name the same Pythons, from pyproject.toml's first.

    Only the lock ends at one: the package says nothing about a Python that nobody has tried.
    """
    supported = SpecifierSet(PROJECT_TABLE["requires-python"])
    minors = [text.rsplit(" ", 1)[1] for text in PROJECT_TABLE["classifiers"] if "Python :: 3." in text]
    (lowest,) = supported
    assert lowest.operator == ">="
    assert lowest.version.startswith(f"{minors[0]}.")
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    setup = (PROJECT / "workflow" / "setup.sh").read_text(encoding="utf-8")
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == minors
    first = tuple(int(part) for part in lowest.version.split("."))
    following = (3, int(minors[-1].split(".")[1]) + 1)
    assert f"{first} <= sys.version_info[:3] < {following}" in setup
    assert f"{minors[0]} ({lowest.version} or later)" in setup
    assert all(f"python{minor}" in setup for minor in minors)


def test_this_environment_is_the_locked_one() -> None:
    """What is installed here is what the lock says, so that what is tested is what others install."""
    pins = _pins(dict(default_environment()))
    other = {}
    for name, version in pins.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != version:
            other[name] = (version, found)
    assert other == {}, "run `make venv`"


def test_pip_takes_every_pin_as_uv_does() -> None:
    """No locked package refuses this Python: uv overlooks an upper limit, pip, and with it conda, does not."""
    refusing = {
        each.name: limit
        for each in importlib.metadata.distributions()
        if (limit := each.metadata["Requires-Python"]) and not SpecifierSet(limit).contains(sys.version.split()[0])
    }
    assert refusing == {}, "cap them in requirements.in, for example `backports-strenum<1.3`, and run `make lock`"


def test_make_lists_its_targets_and_says_what_is_missing(tmp_path: Path) -> None:
    """`make` alone is help, without set-up; without a suitable Python the set-up says which one to install."""
    shown = subprocess.run(["make", "-C", str(PROJECT)], capture_output=True, text=True, check=True).stdout
    for target in ("study", "test", "plan", "book", "serve", "lab", "clean", "notebooks", "lint", "lock", "publish"):
        assert re.search(rf"^make {target}\s+\w", shown, re.MULTILINE), target
    script = ["sh", str(PROJECT / "workflow" / "setup.sh")]
    found = subprocess.run(
        script, cwd=tmp_path, env={**os.environ, "PYTHON": "/bin/false"}, capture_output=True, text=True
    )
    assert found.returncode == 1
    assert "No Python 3.11 (3.11.4 or later), 3.12 or 3.13" in found.stderr
    assert "tried: /bin/false" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_make_hands_on_a_study_in_either_form_and_refuses_no_threads() -> None:
    """A name or a path reaches `rrr`, which knows both; a profile reaches a plan too; THREADS=0 does nothing."""
    for target, study in (("plan", "smoke"), ("study", "studies/smoke.yaml"), ("recompute", "/elsewhere/mine.yaml")):
        asked = ["make", "-n", "-C", str(PROJECT), target, f"STUDY={study}", "PROFILE=slurm", "THREADS=2"]
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert told.count(f' "{study}"') == told.count("rrr study ") > 0
        assert target == "recompute" or '--threads 2 --profile "slurm"' in told
    for threads in ("0", "-1", ""):
        asked = ["make", "-n", "-C", str(PROJECT), "test", f"THREADS={threads}"]
        refused = subprocess.run(asked, capture_output=True, text=True)
        assert refused.returncode == 2
        assert f"THREADS must be a whole number of at least 1, but is '{threads}'" in refused.stderr


@pytest.mark.parametrize(("home", "beside"), [("/proc/nowhere", True), ("home", False)])
def test_a_home_that_cannot_be_written_does_not_make_the_set_up_slow(tmp_path: Path, home: str, beside: bool) -> None:
    """uv then keeps what it fetches beside the environment; else it would fail, and pip take its place."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@ in ${UV_CACHE_DIR:-its own}" >> called.txt\n')
    python.chmod(0o755)
    (tmp_path / "requirements.lock").touch()
    kept = {name: value for name, value in os.environ.items() if name not in ("UV_CACHE_DIR", "XDG_CACHE_HOME")}
    script = ["sh", str(PROJECT / "workflow" / "setup.sh")]
    subprocess.run(script, cwd=tmp_path, env={**kept, "HOME": str(tmp_path / home)}, check=True, capture_output=True)
    called = (tmp_path / "called.txt").read_text().splitlines()
    (synced,) = [line for line in called if "uv pip sync" in line]
    assert synced.endswith(f"in {tmp_path / '.venv' / '.uv-cache'}" if beside else "in its own")


def test_the_package_is_found_from_anywhere(tmp_path: Path) -> None:
    """Installed as it lies here: imported from another folder, it is this project's, and finds its root."""
    code = "import rrr_utils.common.paths as p; print(p.root()); print(p.runs())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RRR_")}
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=kept, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split("\n")[:2] == [str(PROJECT), str(PROJECT / "runs")]
