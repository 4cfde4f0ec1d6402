"""The command line: what it is called by, how it ends, and that what pages and messages name is there."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import tiny_study
from click.testing import CliRunner

from rrr_utils import cli
from rrr_utils.study import launch, worker


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command below ``group``, the groups among them."""
    for name, command in group.commands.items():
        yield (*before, name)
        if isinstance(command, click.Group):
            yield from commands(command, *before, name)


def rrr(*words: str) -> Any:
    return CliRunner().invoke(cli.main, words)


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
