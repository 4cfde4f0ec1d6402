"""The command line: what it is called by, how it ends, and that what pages and messages name is there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pandas as pd
import pytest
import tiny_study
from click.testing import CliRunner

import rrr_utils
from rrr_utils import cli
from rrr_utils.study import launch, worker

PROJECT = tiny_study.PROJECT
PAGES = [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "data/README.md")]
PAGES += (PROJECT / "book").glob("*.md")


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command below ``group``, the groups among them."""
    for name, command in group.commands.items():
        yield (*before, name)
        if isinstance(command, click.Group):
            yield from commands(command, *before, name)


def rrr(*words: str) -> Any:
    return CliRunner().invoke(cli.main, words)


def parse(words: list[str]) -> None:
    """Read a command line as far as running it; raise ``KeyError`` or ``click.UsageError`` if there is none such."""
    command: click.Command = cli.main
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("rrr", words)


def fail(error: Exception) -> Any:
    """Return a function that raises ``error``, whatever it is given."""

    def raising(*asked: Any) -> int:
        raise error

    return raising


@pytest.mark.parametrize("words", [(), *commands(cli.main)], ids=" ".join)
def test_each_command_says_what_it_does(words: tuple[str, ...]) -> None:
    """Help ends well, and has a sentence on the command and on each option."""
    shown = rrr(*words, "--help")
    assert shown.exit_code == 0
    assert " ".join(["Usage: main", *words]) in shown.output
    command: Any = cli.main
    for word in words:
        command = command.commands[word]
    assert command.help.endswith((".", "?"))
    assert [each.name for each in command.params if isinstance(each, click.Option) and not each.help] == []


def test_help_comes_at_once() -> None:
    """It takes less than 0.3 s of a processor, the interpreter's start included, and imports nothing that is heavy."""
    code = (
        "import sys, time\nfrom rrr_utils import cli\n"
        "try:\n    cli.main(['study', '--help'])\nexcept SystemExit:\n    took = time.process_time()\n"
        "print(took, [name for name in ('numpy', 'pandas', 'yaml', 'keras', 'nbformat') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    took, imported = shown.splitlines()[-1].split(" ", 1)
    assert imported == "[]"
    assert float(took) < 0.3


def test_a_study_is_known_by_its_name_and_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both give the same plan; a name that is not there ends with 1, one message, and the nearest one."""
    for name in worker.THREADS:  # which a plan sets
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    monkeypatch.delenv("RRR_RUNS", raising=False)
    path = tiny_study.project(tmp_path)
    monkeypatch.setattr(launch.costs, "machine", lambda threads: 1.0)
    by_name, by_file = (rrr("study", "plan", each, "--jobs", "3") for each in ("tiny", str(path)))
    assert by_name.exit_code == 0
    assert "all: 6 jobs" in by_name.stdout
    assert by_name.stdout == by_file.stdout
    for command in ("plan", "run", "book", "publish"):
        refused = rrr("study", command, "tidy")
        assert refused.exit_code == 1
        assert "Did you mean 'tiny'" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    for command in ("plan", "run"):
        refused = rrr("study", command, "tiny", "--profile", "slrum")
        assert refused.exit_code == 1
        assert "There is no profile 'slrum'. Did you mean 'slurm'?" in refused.stderr
        assert rrr("study", command, "tiny", "--threads", "0").exit_code == 2


@pytest.mark.parametrize(
    ("ends", "status", "message"),
    [
        (lambda *asked: 0, 0, ""),
        (lambda *asked: 130, 130, ""),
        (fail(RuntimeError("it is running")), 1, "it is running\n"),
        (fail(OSError(28, "the disk is full")), 1, "[Errno 28] the disk is full\n"),
    ],
    ids=["done", "interrupted", "wrong", "full"],
)
def test_how_a_command_ends(monkeypatch: pytest.MonkeyPatch, ends: Any, status: int, message: str) -> None:
    """With the status that it returns; with 1 and the message alone where what was asked for cannot be done."""
    monkeypatch.setattr(launch, "run", ends)
    ended = rrr("study", "run", "demo")
    assert (ended.exit_code, ended.stderr) == (status, message)


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody has foreseen keeps its traceback."""
    monkeypatch.setattr(launch, "run", fail(KeyError("key")))
    assert isinstance(rrr("study", "run", "demo").exception, KeyError)


def test_a_misspelt_command_or_option_is_an_error_of_use() -> None:
    """Status 2, as everywhere."""
    for words in (("stduy",), ("study", "rum"), ("study", "run"), ("study", "run", "demo", "--thread", "1")):
        assert rrr(*words).exit_code == 2


def test_a_model_is_examined_as_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for is passed on under its name, and nothing else; what is found is printed, and the report."""
    given: dict[str, Any] = {}

    def examine(*places: str, **asked: Any) -> SimpleNamespace:
        given.update(asked, places=places)
        table = pd.DataFrame({"score": [0.25]})
        return SimpleNamespace(averages=table, backgrounds=table, report=lambda: "triage/report.html")

    monkeypatch.setattr(rrr_utils, "examine", examine, raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # which the command sets
    words = "--images i --masks deeplab --objects Abyssinian cat --most 9"
    shown = rrr("examine", "m.keras", *words.split())
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.endswith("0.25\ntriage/report.html\n")
    assert given == {"places": ("m.keras", "i", "deeplab"), "objects": {"Abyssinian": "cat"}, "most": 9}
    words = "--explainers lime --explainers rise --mask-model f --mask-threshold 0.5 --preprocess unit --out o"
    given.clear()
    assert rrr("examine", "m.keras", "--images", "i", "--masks", "mask_rcnn", *words.split()).exit_code == 0
    assert given.pop("places") == ("m.keras", "i", "mask_rcnn")
    assert given == {
        "explainers": ("lime", "rise"),
        "mask_options": {"model": "f", "threshold": 0.5},
        "preprocess": "unit",
        "out": "o",
    }


def test_the_commands_that_pages_name_exist() -> None:
    """Each target of `make`, and each `rrr` with its arguments; no page names a script or a module to run."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    found = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"(?:^|`|&& )make ([a-z][a-z-]*)", text, re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"
        for line in re.findall(r"(?:\.venv/bin/|^|`)rrr (.+?)(?=`|&&|#|$)", text, re.MULTILINE):
            if "--help" not in line:
                parse(shlex.split(line))
                found += 1
        assert not re.search(r"workflow/\w+\.py|-m rrr_utils", text), page.name
    assert found >= 10
    for line in re.findall(r"\$\(RRR\) (.+)$", makefile, re.MULTILINE):
        assert tuple(line.split()[:2]) in set(commands(cli.main)), line


def test_the_commands_that_messages_name_exist() -> None:
    """Of each `rrr ...` in the code the words are commands."""
    known = set(commands(cli.main))
    for path in (PROJECT / "rrr_utils").rglob("*.py"):
        for group, command in re.findall(r"`rrr ([a-z]+) ?([a-z]*)", path.read_text(encoding="utf-8")):
            assert ((group, command) if group == "study" and command else (group,)) in known, path
