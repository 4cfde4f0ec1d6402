"""Hashes of files that are read once: whatever changes a file is noticed, and nothing else is read again."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from rrr_utils.common import content_hashes, files


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two files, seen from ten seconds later, so that they are not taken for just changed."""
    for name, content in (("a.bin", b"first"), ("b.bin", b"other")):
        (tmp_path / name).write_bytes(content)
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(content_hashes.time, "time_ns", lambda: later)
    return tmp_path


def _of(place: Path, *names: str) -> list[str | None]:
    paths = [place / name for name in names]
    found = content_hashes.of(paths, place / "cache")
    return [found[path] for path in paths]


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time the hashes come from the cache, one at a time as well; a new file alone is read."""
    assert _of(place, "a.bin", "b.bin") == [_sha(b"first"), _sha(b"other")]
    read: list[str] = []
    whole = files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(Path(path).name) or whole(path))
    assert _of(place, "b.bin") == [_sha(b"other")]
    (place / "c.bin").write_bytes(b"third")
    assert _of(place, "a.bin", "b.bin", "c.bin", "a.bin")[2] == _sha(b"third")
    assert read == ["c.bin"]
    assert _of(place, "a.bin", "c.bin")[0] == _sha(b"first")
    assert read == ["c.bin"]


def test_other_bytes_of_the_same_size_and_time_are_noticed(place: Path) -> None:
    """Written in place, or put in its place by `cp -p` or `mv`: the time of modification is the old one."""
    _of(place, "a.bin", "b.bin")
    times = (place / "a.bin").stat()
    (place / "a.bin").write_bytes(b"First")
    os.utime(place / "a.bin", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert _of(place, "a.bin") == [_sha(b"First")]
    (place / "new").write_bytes(b"FIRST")
    os.utime(place / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (place / "new").rename(place / "a.bin")
    assert _of(place, "a.bin") == [_sha(b"FIRST")]


def test_links_are_followed(place: Path) -> None:
    """A link that leads elsewhere now, and a file behind a link that changed, are other files."""
    (place / "link").symlink_to("a.bin")
    assert _of(place, "link") == [_sha(b"first")]
    (place / "link").unlink()
    (place / "link").symlink_to("b.bin")
    assert _of(place, "link") == [_sha(b"other")]
    (place / "b.bin").write_bytes(b"OTHER")
    assert _of(place, "link") == [_sha(b"OTHER")]


def test_a_file_that_has_just_changed_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes within one tick of a coarse clock leave the same size, times and inode."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    of = content_hashes._state
    state = of(path)
    monkeypatch.setattr(content_hashes, "_state", lambda asked: state if asked == path else of(asked))
    assert _of(tmp_path, "a.bin") == [_sha(b"first")]
    path.write_bytes(b"other")
    assert _of(tmp_path, "a.bin") == [_sha(b"other")]


def test_what_is_no_file_has_no_hash(place: Path) -> None:
    """A folder, a pipe, a link that leads nowhere and a name that is too long are not waited for."""
    (place / "folder").mkdir()
    os.mkfifo(place / "pipe")
    (place / "gone").symlink_to("nowhere")
    assert _of(place, "folder", "pipe", "gone", "x" * 300, "a\0b") == [None] * 5


@pytest.mark.parametrize("change", [lambda text: text[:-7], lambda text: "", lambda text: text.replace("1", "2")])
def test_a_damaged_cache_is_made_anew(place: Path, change) -> None:
    """Cut, emptied or with other digits in it, it is not believed; nor is one that is a folder, which stays."""
    expected = _of(place, "a.bin", "b.bin")
    text = (place / "cache").read_text(encoding="ascii")
    check, body = text.split("\n", 1)
    (place / "cache").write_text(f"{check}\n{change(body)}", encoding="ascii")
    assert _of(place, "a.bin", "b.bin") == expected
    assert (place / "cache").read_text(encoding="ascii") == text
    (place / "cache").unlink()
    (place / "cache").mkdir()
    assert _of(place, "a.bin", "b.bin") == expected


def test_names_need_not_be_text(place: Path) -> None:
    """A name from an old archive is kept as its bytes are."""
    path = place / os.fsdecode(b"caf\xe9.bin")
    path.write_bytes(b"third")
    for _ in range(2):
        assert content_hashes.of([path], place / "cache") == {path: _sha(b"third")}
    assert "caf" in (place / "cache").read_text(encoding="ascii")
