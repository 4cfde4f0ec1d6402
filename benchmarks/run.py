"""Times the quick and the plain way of every row side by side and writes ``results/latest.json``."""

import argparse
import gc
import os
import sys
import time
from pathlib import Path
from typing import Any

import results
import timing

from rrr_utils.engine import passes as engine

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    """Run the rows and tables and write them; return 1 if two ways disagreed or a table could not be made, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what takes less than five minutes together")
    parser.add_argument("--repeats", type=int, help="at most so many runs of each way; the median counts")
    parser.add_argument("--only", action="append", default=[], help="only rows and tables whose name holds this text")
    parser.add_argument("--list", action="store_true", help="print the names of rows and tables, and run nothing")
    chosen = parser.parse_args(arguments)
    os.environ["TQDM_DISABLE"] = "1"  # lime has no argument for its bar; read when tqdm is imported
    threads = engine.start(int(os.environ.get("RRR_THREADS", "2")))
    from rows import measures, rows

    everything: list[Any] = [*rows(), *measures()]
    asked = [
        each
        for each in everything
        if (each.quick or not chosen.quick) and (not chosen.only or any(text in each.name for text in chosen.only))
    ]
    if chosen.list or not asked:
        print("\n".join(each.name for each in everything))
        if not chosen.list:
            print(f"No name of a row or table above holds any of {chosen.only}.", file=sys.stderr)
        return int(not chosen.list)
    target = HERE / "results" / ("quick.json" if chosen.quick else "latest.json")
    found = results.read(target, timing.machine(threads), whole=not chosen.only)
    failed = []
    for each in asked:
        try:
            _run(each, found, threads, chosen.repeats)
        except (AssertionError, RuntimeError) as error:
            failed.append(each.name)
            print(f"FAILED {each.name}: {error}", file=sys.stderr, flush=True)
        # After every row, so that an interrupted run leaves those that it has.
        names, tables = [(row.what, row.against) for row in rows()], [table.name for table in measures()]
        results.write(target, results.ordered(found, names, tables))
        _forget()
    print(f"Written: {target.relative_to(HERE.parent)}")
    if failed:
        print(f"Not written, because they failed: {failed}", file=sys.stderr)
    return int(bool(failed))


def _run(each: Any, found: dict[str, Any], threads: int, repeats: int | None) -> None:
    """Make one row or table and put it into ``found``, with how busy and how fast the machine was just before."""
    around, began = timing.conditions(threads), time.perf_counter()
    around |= results.elsewhere(found, timing.machine(threads))
    if not isinstance(each, timing.Row):
        lines = each.make()
        found["measures"][each.name] = {"lines": lines, **around, "took_s": round(time.perf_counter() - began, 1)}
        print(f"{each.name}: {len(lines)} lines", flush=True)
        return
    try:
        row = timing.measure(each, repeats)
        print(f"{each.name}: {row['ratio']:.2f} (target {each.target:g})", flush=True)
    except timing.NotInstalled as error:
        row = timing.not_run(each, str(error))
        print(f"NOT RUN {each.name}: {error}", flush=True)
    took = {"took_s": round(time.perf_counter() - began, 1)}
    if not results.put_row(found, {**row, **around, **took}):
        print("  The measurement that was there before stays.", flush=True)


def _forget() -> None:
    """Give back what a row has held: Keras keeps names, and with them models, for as long as it is not told."""
    import keras

    keras.backend.clear_session()
    gc.collect()


if __name__ == "__main__":
    sys.exit(main())
