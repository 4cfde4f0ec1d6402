"""What torments a study: it finds what differs, what was not noticed, and whose process is whose."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import torture


def test_what_differs_is_named(tmp_path):
    """One file with another byte, one that is missing; hidden ones do not count."""
    made = {"one": {"a": "1", "b": "2", ".log": "x"}, "other": {"a": "1", "b": "3", "c": "", ".log": "y"}}
    for folder, names in made.items():
        for name, text in names.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_text(text)
    assert torture._differences(tmp_path / "one", tmp_path / "one") == []
    assert torture._differences(tmp_path / "one", tmp_path / "other") == ["b", "c"]


def test_each_harm_is_done_and_undone(tmp_path):
    """Whoever compares bytes notices all four, whoever does not none; the file is as before."""
    file, other = tmp_path / "a-1.npz", tmp_path / "a-2.npz"
    file.write_bytes(b"0123456789")
    other.write_bytes(b"abcdefghij")
    for harm in ("bit", "cut", "gone", "exchanged"):
        changed = lambda: not file.exists() or file.read_bytes() != b"0123456789"  # noqa: E731
        assert torture._harmed(file, tmp_path, harm, changed) == "noticed"
        assert torture._harmed(file, tmp_path, harm, lambda: False) == "SILENT"
        assert file.read_bytes() == b"0123456789"
    assert sorted(tmp_path.iterdir()) == [file, other]


def test_the_processes_of_a_study_are_told_apart():
    """By their words: a kernel below a launcher."""
    inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()', 'ipykernel_' + 'launcher'])"
    with subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        found = []
        while len(found) < 2:
            found = [role for role, _ in torture._family(process.pid)]
        process.communicate(b"\n")
    assert sorted(found) == ["kernel", "launcher"]
