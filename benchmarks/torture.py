"""Kills a study at random until it has ended, and changes each file that it reads: `make torture`, `make bits`.

A study that was killed any number of times must end with the same files to the bit as one that was left alone; and
each kind of file that is read, with one bit changed, cut short, gone or exchanged, must be noticed.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from rrr_utils.common import checksums, files
from rrr_utils.study import agenda, study_file

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "torture"
SMOKE = ROOT / "studies" / "smoke.yaml"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# What tells the processes of a study apart, the innermost first; what else it starts is the launcher's.
ROLES = {"kernel": "ipykernel_launcher", "worker": "rrr_utils.study.worker", "Snakemake": "snakemake"}
PICTURES = """
name: pictures
title: Pictures
about: Images in a folder, of which every file counts.
data: [{name: pictures, source: folder, options: {images: images, masks: masks, pictures: true}, test_share: 0.5}]
networks:
  - {name: small, architecture: convnet, size: 32, strategies: [all], tuning: {epochs: 1, optimizer: adam, rate: 1e-3}}
scoring: {epochs: [0, 1], images: 4, splits: [test], explainers: [{name: grad_cam}]}
"""


def main() -> int:
    """Do what is asked; return 0 if all was well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("kills", "bits"))
    parser.add_argument("--count", type=int, default=60, help="so many kills (default: 60)")
    parser.add_argument("--minutes", type=float, default=60, help="no further kill after so many minutes (default: 60)")
    parser.add_argument(
        "--study", type=Path, default=SMOKE, help="the file of the study that is killed (default: smoke)"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws moments, processes and signals")
    asked = parser.parse_args()
    os.environ.update({"RRR_ROOT": str(ROOT), "PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3"})
    calm = PLACE / "calm"
    began = time.monotonic()
    study = asked.study.resolve() if asked.what == "kills" else SMOKE
    if _run(calm, study).wait():
        print(f"Study {study.stem} did not end well: {PLACE / 'log'}", file=sys.stderr)
        return 1
    print(f"Study {study.stem}, left alone: {time.monotonic() - began:.0f} s", flush=True)
    return kills(study, calm, asked.count, asked.minutes, asked.seed) if asked.what == "kills" else bits(calm)


def kills(study: Path, calm: Path, count: int, minutes: float, seed: int) -> int:
    """Kill ``study`` ``count`` times, let it end, and compare; return 1 if a file differs."""
    torn, rng, began, told = PLACE / "torn", random.Random(seed), time.monotonic(), Counter[str]()
    shutil.rmtree(torn, ignore_errors=True)
    differing, ended = set[str](), 0
    while sum(told.values()) < count and time.monotonic() - began < 60 * minutes:
        process = _run(torn, study)
        moment = time.monotonic() + rng.uniform(1, 45)
        while process.poll() is None and time.monotonic() < moment:
            time.sleep(0.05)
        if process.poll() is None:
            family = sorted(_family(process.pid))
            role, victim = rng.choice(family)
            number = rng.choice(SIGNALS)
            try:
                # Ctrl-C on a terminal reaches all of them.
                (os.killpg if (role, number) == ("launcher", signal.SIGINT) else os.kill)(victim, number)
            except ProcessLookupError:
                continue
            told[f"{number.name} of the {role}"] += 1
            _end(process, [pid for _, pid in family])
        elif process.returncode == 0:
            ended += 1
            differing |= set(_differences(calm / study.stem, torn / study.stem))
            shutil.rmtree(torn)
    while _run(torn, study).wait():
        told["a run that did not end well by itself"] += 1
        if told["a run that did not end well by itself"] > 2:
            return 1
    differing |= set(_differences(calm / study.stem, torn / study.stem))
    for what, times in sorted(told.items()):
        print(f"{times:>4}  {what}")
    whole = sum(1 for _ in _results(calm / study.stem))
    print(
        f"{sum(told.values())} kills in {time.monotonic() - began:.0f} s; the study ended {ended + 1} time(s); "
        f"{whole - len(differing)} of {whole} files are the same to the bit."
    )
    for name in sorted(differing):
        print(f"  DIFFERS: {name}")
    return int(bool(differing))


def bits(calm: Path) -> int:
    """Harm a file of each kind in each way, and print what was noticed; return 1 if anything was not."""
    runs, results, data = PLACE / "harmed", PLACE / "results", PLACE / "data"
    for source, place in ((calm, runs), (ROOT / "data" / "results", results)):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place)
    study = _pictures(data)
    os.environ |= {"RRR_RUNS": str(runs), "RRR_DATA_DIR": str(data)}
    if _run(runs, study).wait():
        print(f"The study of pictures did not end well: {PLACE / 'log'}", file=sys.stderr)
        return 1
    silent = 0
    checks: tuple[tuple[str, Path, Callable[[], bool]], ...] = (
        ("runs", runs / "smoke", lambda: _left(SMOKE)),
        ("data/results", results, lambda: bool(checksums.faults(results))),
        ("RRR_DATA_DIR", data, lambda: _left(study)),
    )
    print(f"{'kind of file':<44} {'one bit':<10} {'cut':<10} {'gone':<10} exchanged")
    for where, folder, noticed in checks:
        if noticed():
            print(f"{where}: counts as changed before anything was", file=sys.stderr)
            return 1
        for kind, file in _kinds(folder).items():
            found = [_harmed(file, folder, harm, noticed) for harm in ("bit", "cut", "gone", "exchanged")]
            silent += found.count("SILENT")
            print(f"{where + ': ' + kind:<44} {found[0]:<10} {found[1]:<10} {found[2]:<10} {found[3]}", flush=True)
    print(f"{silent} were not noticed.")
    return int(bool(silent))


def _run(runs: Path, study: Path) -> subprocess.Popen:
    """Start a study in a group of its own, as a terminal does."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "log").open("w") as log:
        command = [sys.executable, "-m", "rrr_utils.cli", "study", "run", str(study)]
        known = {**os.environ, "RRR_RUNS": str(runs)}
        return subprocess.Popen(command, cwd=ROOT, env=known, stdout=log, stderr=log, start_new_session=True)


def _family(first: int) -> Iterator[tuple[str, int]]:
    """Yield the processes below ``first`` and itself, with what each is."""
    parents, words = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            words[int(place.name)] = (place / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):  # it has ended meanwhile
            continue
    waiting = [first]
    while waiting:
        here = waiting.pop()
        waiting += [child for child, parent in parents.items() if parent == here]
        if here in words:
            yield next((role for role, word in ROLES.items() if word in words[here]), "launcher"), here


def _end(process: subprocess.Popen, family: Sequence[int]) -> None:
    """Wait until a study that was hit has ended with all that it started; what hangs is a fault of the study."""
    process.wait(timeout=900)
    for _ in range(600):
        if not any(map(_alive, family)):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Of the study's processes {family} some are there a minute after it has ended.")


def _alive(process: int) -> bool:
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())  # one that waits to be buried has none
    except OSError:
        return False


def _results(folder: Path) -> Iterator[Path]:
    """Yield the files of a study's runs that are results: all but hidden ones."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            yield inside


def _differences(one: Path, other: Path) -> list[str]:
    names = {*_results(one), *_results(other)}
    first, second = ({name: files.sha256(at / name) for name in names if (at / name).is_file()} for at in (one, other))
    return [name.as_posix() for name in sorted(names) if first.get(name) != second.get(name)]


def _pictures(data: Path) -> Path:
    """Write a few images and masks, and return the file of a study of them."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for number in range(8):
            mask = np.zeros((48, 48), np.uint8)
            mask[8:32, 10:34] = 255
            for kind, picture in (("images", rng.integers(0, 256, (48, 48, 3), np.uint8)), ("masks", mask)):
                place = data / kind / label / f"{number}.bmp"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(place)
    study = PLACE / "pictures.yaml"
    study.write_text(PICTURES, encoding="utf-8")
    return study


def _left(study: Path) -> bool:
    return any(item.state == agenda.LEFT for item in agenda.of(study_file.load(study)))


def _kinds(folder: Path) -> dict[str, Path]:
    """Return one file of each kind: of one name but for numbers, or of one suffix among data and published tables."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            kind = "".join("N" if letter.isdigit() else letter for letter in path.name)
            if folder.name != "smoke":
                kind = (f"{inside.parts[0]}/*" if path.suffix == ".bmp" else "*") + (path.suffix or path.name)
            found.setdefault(kind, path)
    return found


def _harmed(file: Path, folder: Path, harm: str, noticed: Callable[[], bool]) -> str:
    """Harm a file, ask, and put it back as it was."""
    whole, kept = file.read_bytes(), file.with_name(f".{file.name}.kept")
    place = len(whole) // 2
    changed = {
        "bit": whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        "cut": whole[:place],
        "gone": None,
        "exchanged": next((other for other in _like(file, folder) if other != whole), bytes(reversed(whole))),
    }[harm]
    file.rename(kept)
    try:
        if changed is not None:
            file.write_bytes(changed)
        return "noticed" if noticed() else "SILENT"
    finally:
        kept.replace(file)


def _like(file: Path, folder: Path) -> Iterator[bytes]:
    """Yield what other files of the same suffix and size hold."""
    for other in sorted(folder.rglob(f"*{file.suffix}")):
        if other.is_file() and other.stat().st_size == file.stat().st_size:
            yield other.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
