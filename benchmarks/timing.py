"""Two ways to one result, timed by turns; and what a time depends on."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

Way = Callable[[], Any]


@dataclass(frozen=True)
class Timed:
    """What a way returns that has timed itself: its seconds, and its result."""

    seconds: float
    result: Any


class NotInstalled(RuntimeError):
    """A rival is not there; the message says which, and how to get it."""


@dataclass(frozen=True)
class Comparison:
    """The quick and the plain way, and what raises ``AssertionError`` where their results do not agree.

    ``facts`` is called after the timing and returns more entries of the row, for example the limit that the numbers of
    operations set. ``close`` is called at the end, whatever happened.
    """

    quick: Way
    plain: Way
    check: Callable[[Any, Any], None]
    facts: Callable[[], dict[str, Any]] = dict
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Row:
    """One line of the table: ``make()`` returns a :class:`Comparison`, or raises :class:`NotInstalled`.

    ``repeats`` is how often each way is timed; ``warm`` whether each runs once before, which is recorded apart and not
    counted. Where a way takes minutes it is not: then the first run counts, compilation and all, and ``note`` says so.
    """

    what: str
    against: str
    target: float
    make: Callable[[], Comparison]
    quick: bool = True
    repeats: int = 5
    warm: bool = True
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.what} against {self.against}"


def measure(row: Row, repeats: int | None = None) -> dict[str, Any]:
    """Return one line of the result. The ways take turns; what is compared is what their first runs returned.

    Raises ``AssertionError`` that names the row where the results do not agree.
    """
    number = row.repeats if repeats is None else min(repeats, row.repeats)
    compared = row.make()
    ways = (compared.quick, compared.plain)
    try:
        first = [seconds(way) for way in ways]
        try:
            compared.check(first[0].result, first[1].result)
        except AssertionError as error:
            raise AssertionError(f"{row.name}: the two ways disagree. {error}") from error
        times: list[list[float]] = [[], []] if row.warm else [[each.seconds] for each in first]
        first_seconds = [round(each.seconds, 3) for each in first]
        del first
        while len(times[0]) < number:
            for way, taken in zip(ways, times, strict=True):
                taken.append(seconds(way).seconds)
        quick, plain = (statistics.median(taken) for taken in times)
        return {
            "what": row.what,
            "against": row.against,
            "ratio": round(plain / quick, 3),
            "target": row.target,
            "median_s": round(quick, 4),
            "against_median_s": round(plain, 4),
            "first_s": first_seconds[0],
            "against_first_s": first_seconds[1],
            "first_counts": not row.warm,
            "n": number,
            "note": row.note,
            **compared.facts(),
        }
    finally:
        compared.close()


def seconds(way: Way) -> Timed:
    """Return how long ``way`` takes, and what it returns; one that returns a :class:`Timed` is believed."""
    start = time.perf_counter()
    result = way()
    return result if isinstance(result, Timed) else Timed(time.perf_counter() - start, result)


def seconds_of(way: Way, number: int = 3) -> float:
    """Return the median seconds of ``number`` runs of ``way``, after one that compiles and is not counted."""
    way()
    return statistics.median(seconds(way).seconds for _ in range(number))


def not_run(row: Row, reason: str) -> dict[str, Any]:
    """Return the line of a row whose rival is not there."""
    return {"what": row.what, "against": row.against, "ratio": None, "target": row.target, "n": 0, "not_run": reason}


def machine(threads: int) -> dict[str, Any]:
    """Return what all times of a file have in common: processor, cores, threads, and versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        **{name: version(name) for name in ("keras", "openvino", "lime", "tf-keras-vis")},
    }


def conditions(threads: int) -> dict[str, Any]:
    """Return how busy the machine is, and how fast a float32 matrix product runs on it just now (half a second)."""
    from rrr_utils.study import costs

    return {
        "load": round(os.getloadavg()[0], 2),
        "matrix_product_gflops": round(costs.REFERENCE_GFLOPS / costs.machine(threads), 1),
    }
