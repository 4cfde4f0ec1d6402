"""Times the quick and the plain way of every row side by side and writes ``results/latest.json``."""

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from rrr_utils import engine, files

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the rows and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the rows that together take less than five minutes")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each way; the median counts")
    parser.add_argument("--only", default="", help="only rows whose name holds this text")
    chosen = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"  # lime has no argument for its bar; read when tqdm is imported
    threads = engine.start(int(os.environ.get("RRR_THREADS", "2")))
    from rows import rows

    before = machine(threads)

    target = HERE / "results" / ("quick.json" if chosen.quick or chosen.only else "latest.json")
    found = []
    for row in rows():
        if (chosen.quick and not row.quick) or chosen.only not in row.what:
            continue
        found.append(measure(row, chosen.repeats))
        print("{what} against {against}: {ratio:.2f} (target {target:g})".format(**found[-1]), flush=True)
        # After every row, so that an interrupted run leaves those that it has.
        files.write_text(target, json.dumps({"machine": before, "rows": found}, indent=1) + "\n")
    print(f"Written: {target.relative_to(HERE.parent)}")


def measure(row: Any, repeats: int) -> dict[str, Any]:
    """Return one row of the result: both ways by turns, after one run of each that is not counted but recorded."""
    quick, plain, check = row.make()
    first = [seconds(quick), seconds(plain)]
    check(first[0][1], first[1][1])
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for way, taken in zip((quick, plain), times, strict=True):
            taken.append(seconds(way)[0])
    median, against = (statistics.median(taken) for taken in times)
    return {
        "what": row.what,
        "against": row.against,
        "ratio": round(against / median, 3),
        "target": row.target,
        "median_s": round(median, 4),
        "against_median_s": round(against, 4),
        "first_s": round(first[0][0], 3),
        "against_first_s": round(first[1][0], 3),
        "n": repeats,
    }


def seconds(way: Any) -> tuple[float, Any]:
    """Return how long ``way`` takes, and what it returns."""
    start = time.perf_counter()
    result = way()
    return time.perf_counter() - start, result


def machine(threads: int) -> dict[str, Any]:
    """Return what the times depend on: processor, threads, load, and the rate of a float32 matrix product."""
    from rrr_utils import costs

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": [round(value, 2) for value in os.getloadavg()],
        "matrix_product_gflops": round(costs.REFERENCE_GFLOPS / costs.machine(threads), 1),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
