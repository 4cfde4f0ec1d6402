"""Lists of hashes: what `sha256sum` makes of them, and what is noticed."""

import subprocess
from pathlib import Path

import pytest

from rrr_utils.common import checksums

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Return a folder of two parts, both recorded."""
    for name in ("b/scores.parquet", "b/zoo/maps.parquet", "a/scores.csv", "a/.unseen"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"rows of {name}", encoding="utf-8")
    for part in ("b", "a"):
        checksums.record(tmp_path, part)
    return tmp_path


def test_sha256sum_finds_a_list_right(published: Path) -> None:
    """The program that everybody has agrees; the lines are in the order of names, without hidden files."""
    told = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=published, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["a/scores.csv: OK", "b/scores.parquet: OK", "b/zoo/maps.parquet: OK"]
    assert checksums.faults(published) == []


def test_every_other_file_is_named(published: Path) -> None:
    """One bit, a file that is gone, one that nobody listed; recording one part does not bless another."""
    (published / "a" / "scores.csv").write_text("rows of a/scores.csw", encoding="utf-8")
    (published / "b" / "scores.parquet").unlink()
    (published / "b" / "new.csv").touch()
    expected = ["a/scores.csv is not the file that is listed", "b/new.csv is not listed", "b/scores.parquet is missing"]
    assert checksums.faults(published) == expected
    checksums.record(published, "b")
    assert checksums.faults(published) == expected[:1]


def test_files_exchanged_for_each_other_are_noticed(tmp_path: Path) -> None:
    """Two of one size, each whole: under the other's name neither holds, and reading them is refused."""
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]))
        checksums.note(file)
        assert checksums.holds(file)
        assert not checksums.fault(file)
    for number, file in enumerate(files):
        file.write_bytes(bytes([1 - number]))
        assert not checksums.holds(file)
        assert str(tmp_path / checksums.NAME) in checksums.fault(file)
    files[0].unlink()
    checksums.note(files[0])
    assert list(checksums.read(tmp_path / checksums.NAME)) == ["two.npz"]


def test_every_published_file_is_listed_and_whole() -> None:
    """Those of this project, by this module and by `sha256sum`."""
    assert checksums.faults(RESULTS) == []
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=RESULTS, check=True)
