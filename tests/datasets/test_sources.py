"""What is fetched is whole and right or not there; what is unpacked stays in its folder; arrays never run code."""

import errno
import gzip
import hashlib
import io
import os
import pickle
import ssl
import stat
import subprocess
import sys
import tarfile
import threading
import tracemalloc
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from rrr_utils import cli
from rrr_utils.common import paths
from rrr_utils.datasets import archives, downloads, sources

CONTENT = bytes(range(256)) * 2_000


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.content``; ``server.faults`` says what goes wrong, ``server.ranges`` what was asked for."""

    def do_GET(self):
        content, faults = self.server.content.get(self.path, b""), self.server.faults
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if faults.get("status"):
            self.send_error(faults["status"])
            return
        if self.path in faults.get("moved", {}):
            self.send_response(302)
            self.send_header("Location", faults["moved"][self.path])
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and "no ranges" not in faults else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            start = 0 if "wrong range" in faults else start
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if "no length" not in faults:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cuts = faults.get("cuts", [])
        self.wfile.write(content[start : cuts.pop(0)] if cuts else content[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.content, running.faults, running.ranges = {"/file.bin": CONTENT}, {}, []
        running.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=partial(running.serve_forever, poll_interval=0.01))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE", 0.0)


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def listing(folder, *parts, **values):
    """Write a list with the one source "thing" and return its path."""
    entry = {"title": "A thing", "into": "things", "licence": "none", "citation": "none", "page": "http://x", **values}
    path = folder / "sources.yaml"
    path.write_text(yaml.safe_dump({"thing": {**entry, "files": list(parts)}}))
    return path


def single(server, folder, **values):
    return listing(folder, {"address": f"{server.address}/file.bin", "name": "file.bin", **values})


# Downloads.


@pytest.mark.parametrize("check", [sha256(CONTENT), "md5:" + hashlib.md5(CONTENT).hexdigest()])
def test_a_file_is_fetched_checked_and_kept(server, tmp_path, check):
    """The bytes arrive, no part is left, and a second call downloads nothing."""
    known = single(server, tmp_path, hash=check)
    assert sources.fetch("thing", tmp_path / "to", known) == tmp_path / "to"
    assert (tmp_path / "to/file.bin").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "to").iterdir() if not path.name.startswith(".")] == ["file.bin"]
    sources.fetch("thing", tmp_path / "to", known)
    assert server.ranges == [None]


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path):
    """Cut at 1,000 and at 5,000 bytes: the second and third request ask for the rest only."""
    server.faults["cuts"] = [1_000, 5_000]
    sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=5000-"]


def test_an_interrupted_call_is_taken_up_by_the_next(server, tmp_path):
    """What an earlier call left as .part is not fetched again."""
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:300_000])
    sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges == ["bytes=300000-"]


@pytest.mark.parametrize("fault", ["no ranges", "wrong range"])
def test_a_server_that_mishandles_ranges_gives_the_right_file(server, tmp_path, fault):
    """Whole content where a range was asked for is not appended to what is there; another range is not believed."""
    server.faults[fault] = True
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:300_000])
    sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_complete_part_needs_no_more_bytes(server, tmp_path, size):
    """A call killed between the last byte and the renaming: the hash decides, nothing is fetched again."""
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT), bytes=size))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert not (tmp_path / "file.bin.part").exists()


def test_a_wrong_hash_deletes_the_download(server, tmp_path):
    """The message has address, expected and actual hash; neither the file nor its part stays."""
    expected = "0" * 64
    with pytest.raises(sources.WrongHash) as caught:
        sources.fetch("thing", tmp_path, single(server, tmp_path, hash=f"sha256:{expected}"))
    for words in (server.address, expected, hashlib.sha256(CONTENT).hexdigest(), "was deleted"):
        assert words in str(caught.value)
    assert not list(tmp_path.glob("file.bin*"))


def test_a_file_that_was_there_before_is_never_deleted(server, tmp_path):
    """Another file under the name is reported with both hashes and left alone."""
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(sources.WrongHash, match=r"was there before and is left alone: move it away"):
        sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))
    assert (tmp_path / "file.bin").read_bytes() == b"mine"


def test_without_a_published_hash_the_first_one_is_recorded(server, tmp_path, capsys):
    """The first download's hash is written down and said; another file later is refused."""
    known = single(server, tmp_path)
    sources.fetch("thing", tmp_path, known)
    assert (tmp_path / "file.bin.sha256").read_text() == f"{sha256(CONTENT)[7:]}  file.bin\n"
    assert "No hash of file.bin is published" in capsys.readouterr().out
    (tmp_path / "file.bin").unlink()
    server.content["/file.bin"] = CONTENT[::-1]
    with pytest.raises(sources.WrongHash):
        sources.fetch("thing", tmp_path, known)
    assert not (tmp_path / "file.bin").exists()


def test_without_a_hash_an_old_part_is_not_continued(server, tmp_path):
    """Two versions joined would go unnoticed, so the download starts anew."""
    (tmp_path / "file.bin.part").write_bytes(b"old version")
    sources.fetch("thing", tmp_path, single(server, tmp_path))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_connection_that_keeps_breaking_keeps_what_has_arrived(server, tmp_path):
    """Five attempts, then an error with the remedy; the next call needs only the rest."""
    server.faults["cuts"] = [10, 20, 30, 40, 50]
    known = single(server, tmp_path, hash=sha256(CONTENT))
    with pytest.raises(sources.DownloadFailed, match=r"5 attempts .*run the same command again to continue"):
        sources.fetch("thing", tmp_path, known)
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:50]
    sources.fetch("thing", tmp_path, known)
    assert server.ranges[-1] == "bytes=50-"


LOST = [OSError(number, os.strerror(number)) for number in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN)]
LOST.append(ssl.SSLError(ssl.SSL_ERROR_SSL, "record layer failure"))


def breaking(monkeypatch, errors):
    """Make every answer's second reading raise the next of ``errors``, as long as there are any."""
    plain = downloads._OPENER.open

    def opened(*arguments, **options):
        response = plain(*arguments, **options)
        whole, calls = response.read, iter(range(9))

        def read(size):
            if next(calls) and errors:
                raise errors.pop(0)
            return whole(1_000 if errors else size)

        monkeypatch.setattr(response, "read", read, raising=False)
        return response

    monkeypatch.setattr(downloads._OPENER, "open", opened)


@pytest.mark.parametrize("error", LOST, ids=str)
def test_a_network_that_goes_away_is_a_broken_connection(server, tmp_path, monkeypatch, error):
    """Cables pulled or a broken TLS record in the middle of a file: the next request asks for the rest only."""
    breaking(monkeypatch, [error])
    sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]


@pytest.mark.parametrize("error", LOST, ids=str)
def test_a_network_that_stays_away_is_an_error_with_the_remedy(server, tmp_path, monkeypatch, error):
    """After five attempts: the address, the reason and what to do; what has arrived is kept."""
    breaking(monkeypatch, [error] * 5)
    with pytest.raises(
        sources.DownloadFailed, match=r"in 5 attempts .*run the same command again to continue"
    ) as caught:
        sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))
    assert server.address in str(caught.value)
    assert str(error) in str(caught.value)
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:5_000]


def test_a_missing_address_fails_at_once_with_the_way_round(server, tmp_path):
    """404 is not tried again."""
    server.faults["status"] = 404
    with pytest.raises(sources.DownloadFailed, match=r"answered 404 .*fetch file\.bin by hand, put it into"):
        sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))
    assert len(server.ranges) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [("none", r"has 512,000 bytes, but 1,000 were expected"), ("no length", r"sends more than the 1,000 bytes")],
)
def test_more_bytes_than_expected_are_refused(server, tmp_path, fault, message):
    """A file larger than its list says is another file, whether or not the server says so beforehand."""
    server.faults[fault] = True
    with pytest.raises(sources.DownloadFailed, match=message):
        sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT), bytes=1_000))
    assert not list(tmp_path.glob("file.bin*"))


def test_a_disk_without_room_is_noticed_before_anything_is_written(server, tmp_path, monkeypatch):
    """512,000 bytes do not go onto a disk with 1,000 left."""
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(sources.DownloadFailed, match=r"1,000 bytes left, but .* needs 512,000 more"):
        sources.fetch("thing", tmp_path, single(server, tmp_path, hash=sha256(CONTENT)))


def test_two_fetches_into_one_folder_do_not_meet(server, tmp_path):
    """The second is told that the first is running, and fetches nothing."""
    known = single(server, tmp_path, hash=sha256(CONTENT))
    code = (
        "import sys, time; from rrr_utils.common import files\n"
        f"with files.exclusive_lock({str(tmp_path / '.fetching.lock')!r}, 'x'):\n"
        "    print('locked', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(RuntimeError, match="is already running"):
            sources.fetch("thing", tmp_path, known)
        holder.stdin.write(b"\n")
    assert server.ranges == []


def test_a_login_is_answered_with_the_line_to_type(tmp_path):
    """The exact command, with the folder in it, from the function and from the command line."""
    folder = tmp_path / "my data"
    with pytest.raises(sources.LoginNeeded) as caught:
        sources.fetch("dogs_vs_cats_kaggle", folder)
    line = str(caught.value).splitlines()[-1]
    assert line.startswith(f"kaggle competitions download -c dogs-vs-cats -p '{folder}' && rrr unpack ")
    assert not folder.exists()
    ended = CliRunner().invoke(cli.main, ["fetch", "dogs_vs_cats_kaggle", "--into", str(folder)])
    assert ended.exit_code == 1
    assert line in ended.stderr


# From an archive to its folders.


def tar_bytes(members, mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zip_bytes(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_an_archive_of_archives_becomes_its_folders(server, tmp_path):
    """As with Caltech 101: a zip with two tars in it becomes two folders, and nothing else stays."""
    inner = {
        "pictures.tar.gz": tar_bytes({"pictures/ant/1.jpg": b"ant"}),
        "outlines.tar": tar_bytes({"outlines/ant/1.mat": b"line"}, "w"),
    }
    outer = zip_bytes({f"wrapped/{name}": content for name, content in inner.items()} | {"__MACOSX/x": b""})
    server.content["/file.bin"] = outer
    known = single(
        server,
        tmp_path,
        hash=sha256(outer),
        gives=["pictures", "outlines"],
        inside={name: sha256(content) for name, content in inner.items()},
    )
    for _ in range(2):
        sources.fetch("thing", tmp_path / "to", known)
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == [".fetching.lock", "outlines", "pictures"]
    assert (tmp_path / "to/pictures/ant/1.jpg").read_bytes() == b"ant"
    assert len(server.ranges) == 1


def test_a_wrong_archive_inside_leaves_no_folder(server, tmp_path):
    """The inner hash is checked too; the outer archive stays, so nothing is fetched twice."""
    outer = zip_bytes({"a/pictures.tar": tar_bytes({"pictures/1.jpg": b"ant"}, "w")})
    server.content["/file.bin"] = outer
    known = single(server, tmp_path, hash=sha256(outer), gives=["pictures"], inside={"pictures.tar": "md5:" + "0" * 32})
    with pytest.raises(sources.BadArchive, match=r"'pictures\.tar' in it is not the published one"):
        sources.fetch("thing", tmp_path / "to", known)
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == [".fetching.lock", "file.bin"]


def test_an_archive_without_the_expected_folder_is_refused(server, tmp_path):
    """A list that promises what is not in the archive does not pass for done."""
    outer = tar_bytes({"other/1.jpg": b"ant"})
    server.content["/file.bin"] = outer
    with pytest.raises(sources.BadArchive, match="expected the folder 'pictures'"):
        sources.fetch("thing", tmp_path / "to", single(server, tmp_path, hash=sha256(outer), gives=["pictures"]))


def with_link(kind):
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            info = zipfile.ZipInfo("good/link")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("good/link")
        info.type = {"symbolic": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}[kind]
        info.linkname = "/etc/passwd"
        archive.addfile(info)
    return stream.getvalue()


def raw_tar(*headers):
    """Return a tar of ``headers`` (TarInfo, content) byte for byte, where tarfile would write names its own way."""
    blocks = b""
    for info, content in headers:
        info.size = len(content)
        blocks += info.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % 512)
    return blocks + b"\0" * 1_024


def typed(kind, name="x", **values):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in values.items():
        setattr(info, key, value)
    return info


def record(key, value):
    """Return one entry of an extended header, which begins with its own length."""
    body = f" {key}={value}\n".encode()
    length = len(body) + len(str(len(body)))
    return str(length + (len(str(length)) > len(str(len(body))))).encode() + body


GOOD = (tarfile.TarInfo("good"), b"1")
EVIL = {
    "zip with ..": (zip_bytes({"good/a": b"1", "../evil": b"2"}), r"'\.\./evil' points outside"),
    "zip with ..\\": (zip_bytes({"good\\..\\..\\evil": b"2"}), "points outside"),
    "zip with an absolute path": (zip_bytes({"good/a": b"1", "/tmp/evil": b"2"}), "'/tmp/evil' has an absolute path"),
    "zip with a drive": (zip_bytes({"C:\\evil": b"2"}), "has an absolute path"),
    "zip with a link": (with_link("zip"), "'good/link' is a link"),
    "tar with ..": (tar_bytes({"good/a": b"1", "good/../../evil": b"2"}), "points outside"),
    "tar with an absolute path": (tar_bytes({"/tmp/evil": b"2"}, "w"), "'/tmp/evil' has an absolute path"),
    "tar with a symbolic link": (with_link("symbolic"), "'good/link' is a link or a special file"),
    "tar with a hard link": (with_link("hard"), "is a link"),
    "tar with a device": (with_link("device"), "is a link or a special file"),
    "tar cut short": (tar_bytes({"good/a": os.urandom(5_000)})[:2_000], "is damaged"),
    "zip cut short": (zip_bytes({"good/a": os.urandom(5_000)})[:2_000], "is damaged"),
    "tar with a file and a folder of one name": (
        tar_bytes({"a": b"1", "a/b": b"2"}),
        "'a/b' comes twice, or as a file",
    ),
    "zip with a file and a folder of one name": (zip_bytes({"a": b"1", "a/b/c": b"2"}), "'a/b/c' comes twice, or as"),
    "zip with a folder in a file's place": (zip_bytes({"a": b"1", "a/": b""}), "'a/' comes twice, or as a file"),
    "tar with a long name": (tar_bytes({"n" * 300: b"1"}), "'n{90}.*n' has a name that no file can have"),
    "zip with a long name": (zip_bytes({"n" * 300: b"1"}), "n' has a name that no file can have"),
    "tar with a name cut by NUL": (
        raw_tar((typed(tarfile.XHDTYPE), record("path", "good\0evil")), GOOD),
        r"'good\\x00evil' has a name that no file can have",
    ),
    "tar with a size that is none": (
        raw_tar((typed(tarfile.XHDTYPE), record("GNU.sparse.map", "one,two")), GOOD),
        "is damaged",
    ),
    "tar with a sparse member": (raw_tar((typed(tarfile.GNUTYPE_SPARSE), b"1")), "it has a sparse member"),
    "tar with a sparse map before the file": (
        raw_tar(
            (typed(tarfile.XHDTYPE), record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0")),
            (tarfile.TarInfo("good"), b"1" * 5_000),
        ),
        "it has a sparse member",
    ),
    "no archive": (b"<html>not found</html>", "is damaged or of a kind that is not read here"),
    "empty file": (b"", "is damaged"),
}


@pytest.mark.parametrize("name", EVIL)
def test_an_evil_archive_leaves_nothing(tmp_path, name):
    """Refused with the member's name; no folder, no half of it, nothing outside."""
    content, message = EVIL[name]
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "archive").write_bytes(content)
    with pytest.raises(archives.BadArchive, match=message) as caught:
        sources.extract(inside / "archive", inside / "folder")
    assert str(inside / "archive") in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "inside"]


def test_a_flipped_byte_in_a_zip_is_noticed(tmp_path):
    """The stored checksum of a member is compared."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"x" * 4_000)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[1_000] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(archives.BadArchive, match="is damaged"):
        sources.extract(tmp_path / "a.zip", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("kind", archives._EXTENDED, ids=lambda kind: kind.decode())
def test_an_extended_header_is_not_read_where_it_is_long(tmp_path, kind):
    """16 MiB of it, packed to 16 kB, are refused before a tenth of them is in memory."""
    long = raw_tar((typed(kind), b"\0" * 2**24), GOOD)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(long))
    tracemalloc.start()
    try:
        with pytest.raises(archives.BadArchive, match=r"extended header claims 16,777,216 bytes.* 1,048,576"):
            sources.extract(tmp_path / "a.tar.gz", tmp_path / "folder")
        assert tracemalloc.get_traced_memory()[1] < 2**24 / 10
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "folder").exists()


def test_many_extended_headers_are_bounded_in_all(tmp_path, monkeypatch):
    """Three of 999 bytes each, where two thousand are read."""
    monkeypatch.setattr(archives, "HEADERS_LIMIT", 2_000)
    comment = record("comment", "c" * 986)
    assert len(comment) == 999
    content = raw_tar(*[(typed(tarfile.XGLTYPE), comment) for _ in range(3)], GOOD)
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(archives.BadArchive, match=r"claims 999 bytes, 2,997 with those before it"):
        sources.extract(tmp_path / "a.tar", tmp_path / "folder")


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path):
    """The zip is its last member, stored as it is, and comes out whole beside the others."""
    inner = zip_bytes({"inner": b"of the zip"})
    (tmp_path / "a.tar").write_bytes(tar_bytes({"PK": b"of the tar", "last.zip": inner}, "w"))
    assert zipfile.is_zipfile(tmp_path / "a.tar")
    sources.extract(tmp_path / "a.tar", tmp_path / "folder")
    assert {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()} == {
        "PK": b"of the tar",
        "last.zip": inner,
    }


@pytest.mark.parametrize("limit", ["MEMBER_LIMIT", "BYTE_LIMIT"])
def test_an_archive_bomb_is_refused(tmp_path, monkeypatch, limit):
    """Too many members, or too many bytes in all, counted as they come and not as they are claimed."""
    monkeypatch.setattr(archives, limit, 3 if limit == "MEMBER_LIMIT" else 2_500)
    (tmp_path / "a.zip").write_bytes(zip_bytes({f"m{number}": b"0" * 1_000 for number in range(4)}))
    with pytest.raises(archives.BadArchive, match=r"more than 3 members|'m2' it would unpack to more than 2,500"):
        sources.extract(tmp_path / "a.zip", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_member_that_comes_twice_is_refused(tmp_path):
    """The second does not overwrite the first."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for content in (b"one", b"two"):
            info = tarfile.TarInfo("a")
            info.size = 3
            archive.addfile(info, io.BytesIO(content))
    (tmp_path / "a.tar").write_bytes(stream.getvalue())
    with pytest.raises(archives.BadArchive, match="'a' comes twice"):
        sources.extract(tmp_path / "a.tar", tmp_path / "folder")


def test_what_is_there_is_not_overwritten(tmp_path):
    """Into a folder with other things an archive is unpacked beside them; onto its own names it is not."""
    (tmp_path / "a.zip").write_bytes(zip_bytes({"train/1.jpg": b"new", "read.me": b"new"}))
    (tmp_path / "to").mkdir()
    (tmp_path / "to/other").write_bytes(b"old")
    assert CliRunner().invoke(cli.main, ["unpack", str(tmp_path / "a.zip"), str(tmp_path / "to")]).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["other", "read.me", "train"]
    with pytest.raises(FileExistsError, match=r"already has \['read\.me', 'train'\]"):
        sources.extract(tmp_path / "a.zip", tmp_path / "to")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "to"]


# Arrays.


class Runs:
    def __reduce__(self):
        return (Path("ran").touch, ())


def test_a_pickle_in_a_npy_is_refused_and_never_run(tmp_path, monkeypatch):
    """An object array and a bare pickle: the message has file and remedy, and their code did not run."""
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "objects.npy", np.array([Runs()], dtype=object), allow_pickle=True)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Runs()))
    for name in ("objects.npy", "bare.npy"):
        with pytest.raises(ValueError, match=rf"{name} is not a plain array: it holds Python objects.*delete the file"):
            sources.safe_load_npy(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_npy_is_refused_by_name(tmp_path):
    """Cut short, empty, or missing."""
    np.save(tmp_path / "a.npy", np.arange(100.0))
    whole = (tmp_path / "a.npy").read_bytes()
    for content in (whole[:-8], whole[:50], b""):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.npy is not a plain array"):
            sources.safe_load_npy(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError):
        sources.safe_load_npy(tmp_path / "b.npy")


@pytest.mark.parametrize("array", [np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.zeros((0, 4, 4), np.float32)])
def test_a_plain_array_is_mapped_read_only(tmp_path, array):
    """The same numbers, not in memory, not writable; an empty array too."""
    np.save(tmp_path / "a.npy", array)
    loaded = sources.safe_load_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(loaded, array)
    assert loaded.dtype == array.dtype
    assert not loaded.flags.writeable


# The list itself.


def test_the_published_list_is_sound():
    """Addresses are encrypted, hashes are whole, every data set of the project that is on disk is there."""
    known = sources.load()
    assert {"dogs_vs_cats", "caltech101", "oxford_pets", "deeplab", "mask_rcnn"} <= set(known)
    lengths = {"sha256": 64, "md5": 32}
    for source in known.values():
        assert source.licence
        assert source.citation
        assert source.page.startswith("https://")
        assert bool(source.files) != bool(source.login)
        for file in source.files:
            assert file.address.startswith("https://")
            for check in (*([file.hash] if file.hash else []), *file.inside.values()):
                algorithm, _, digits = check.partition(":")
                assert len(bytes.fromhex(digits)) * 2 == lengths[algorithm]


def test_the_data_page_names_every_source():
    """Command, folder and licence of each source, and the whole line where a login is needed."""
    page = (paths.root() / "data" / "README.md").read_text(encoding="utf-8")
    # As it stands in the environment that `make venv` makes; errors name the command of whichever is active.
    flat = " ".join(page.split()).replace(".venv/bin/rrr", "rrr")
    for source in sources.load().values():
        assert source.licence in flat
        assert " ".join(source.citation.split()) in flat or source.into in ("masks", "weights")
        if source.login:
            assert source.login.replace("FOLDER", f"$RRR_DATA_DIR/{source.into}") in flat
        else:
            assert f"| `{source.into}` | `rrr fetch {source.name}` |" in flat


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"address": "file:///etc/passwd", "name": "a"}, "must start with https://"),
        ({"address": "https://x/a", "name": "../a"}, "must be a plain name"),
        ({"address": "https://x/a", "name": "a", "hash": "crc:12"}, r"one of \['sha256', 'md5'\]"),
        ({"address": "https://x/a", "name": "a", "hsh": "md5:12"}, "hsh"),
        ({"name": "a"}, "address"),
    ],
)
def test_a_bad_list_is_refused_by_name(tmp_path, values, message):
    """A local address, a name that is a path, an unknown hash, an unknown and a missing key."""
    known = listing(tmp_path, values)
    with pytest.raises(ValueError, match=message) as caught:
        sources.load(known)
    assert str(known) in str(caught.value)


def test_the_command_line_says_what_went_wrong(tmp_path):
    """An unknown name: exit status 1, one line with the nearest name, no traceback. Without a name: all there are."""
    ended = CliRunner().invoke(cli.main, ["fetch", "caltech11", "--into", str(tmp_path)])
    assert ended.exit_code == 1
    assert "Did you mean 'caltech101'" in ended.stderr
    assert "caltech101" in CliRunner().invoke(cli.main, ["fetch"]).stdout


def test_without_a_folder_it_goes_where_the_study_looks(tmp_path, monkeypatch):
    """The source's own folder below RRR_DATA_DIR; without that variable the remedy."""
    monkeypatch.delenv("RRR_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match="set RRR_DATA_DIR"):
        sources.fetch("caltech101")
    for name in ("101_ObjectCategories", "Annotations"):
        (tmp_path / "caltech101" / name).mkdir(parents=True)
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    assert sources.fetch("caltech101") == tmp_path / "caltech101"


def test_a_server_that_leads_to_another_kind_of_server_is_not_followed(server, tmp_path):
    """To another address of its own kind it is; nothing is left where it is not."""
    server.faults["moved"] = {"/old.bin": f"{server.address}/file.bin", "/bad.bin": "ftp://127.0.0.1/file.bin"}
    downloads.download(f"{server.address}/old.bin", tmp_path / "file.bin", sha256(CONTENT))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    with pytest.raises(downloads.DownloadFailed, match=r"bad\.bin leads to ftp://.* but only http and https are"):
        downloads.download(f"{server.address}/bad.bin", tmp_path / "other.bin", None)
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_an_encrypted_connection_is_not_left(tmp_path):
    """From https to http: anybody on the way could read and change what comes."""
    asked = downloads.urllib.request.Request("https://example.org/file.bin")
    follow = downloads._Redirects().redirect_request
    with pytest.raises(downloads.DownloadFailed, match="only https are followed"):
        follow(asked, None, 302, "Found", {}, "http://example.org/file.bin")
    assert follow(asked, None, 302, "Found", {}, "https://other.org/file.bin").full_url == "https://other.org/file.bin"
