"""One row of a published table, computed again: `rrr study recompute demo scores`.

The study's own notebooks run as its own jobs, in a scratch folder, for no more than the row needs: its seed, epoch,
explainer, model. Without a table all published tables are listed, with the jobs that make them.
"""

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from rrr_utils.common import files, paths
from rrr_utils.common.choices import nearest
from rrr_utils.study import costs, job_state, jobs, missing, row_jobs, run_notebook, stamps, study_file, worker
from rrr_utils.tables import parquet

# Numbers are read to three decimals, which the same weights give on any machine; of a value above 1 so much of itself.
TOLERANCE = 5e-4


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the row that the command line names; return 0, 1 if a value differs, 2 if nothing could be compared."""
    parser = argparse.ArgumentParser(prog="rrr study recompute", description=__doc__)
    parser.add_argument("study", type=Path, help="a study file, for example studies/demo.yaml")
    parser.add_argument("table", nargs="?", help="a file of data/results/<study>, or its name; none: all are listed")
    parser.add_argument("--row", help="its number, from 0, or the name of a zoo's model; without it any row")
    parser.add_argument("--seed", type=int, help="draws the row; without it another one each time")
    parser.add_argument("--plan", action="store_true", help="say what it costs, and stop")
    chosen = parser.parse_args(arguments)
    try:
        whole = study_file.load(chosen.study)
        if chosen.table is None:
            return _list(whole)
        file, table, number = _find(published(whole.name, chosen.table), chosen.row, chosen.seed)
        row = table.iloc[number]
        print(f"Row {number} of {len(table)} in {file.relative_to(paths.root())}:\n{row.to_string()}")
        needed, why = row_jobs.plan(whole, file, row)
        left = to_do(whole, needed)
        if reason := cannot(left):
            raise ValueError(reason)
        for job, seconds in zip(left, _seconds(left), strict=True):
            print(f"To run: {job.name}, about {seconds:.0f} s")
        print(f"{why}What is made stays in {scratch()}, which may be deleted.")
        if chosen.plan:
            return 0
        found = compare(file, table, number, run(whole, needed, file))
    except (ValueError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(found.to_string())
    print(
        f"The same: within {TOLERANCE:g}, of a value above 1 so much of itself. Within the spread: no further off than "
        "two seeds of the study are apart there (NaN: there is one seed, or the value has none)."
    )
    return int("differs" in set(found["verdict"]))


def published(name: str, asked: str = "") -> list[Path]:
    """Return the tables that a study has published, or those of a name: ``scores``, ``zoo_models``, ``shift.csv``.

    Of two with one name that of the whole study is meant, and Parquet before CSV. Raises ``ValueError`` if there is
    none, with the nearest name.
    """
    base = paths.root() / "data" / "results" / name
    every = sorted(file for file in base.rglob("*") if file.suffix in (".parquet", ".csv"))
    if not every:
        raise ValueError(f"{base} has no table: study {name} is not published. `make publish STUDY={name}` does it.")
    if not asked:
        return every
    for wanted in (asked, f"{asked}.parquet", f"{asked}.csv"):
        named = [file for file in every if file.name == wanted]
        if found := [file for file in every if file == base / wanted] or named:
            return found
    names = [name for file in every for name in (file.stem, file.name)]
    raise ValueError(f"Study {name} has published no table {asked!r}.{nearest(asked, list(dict.fromkeys(names)))}")


def to_do(whole: study_file.Study, needed: Sequence[jobs.Job]) -> list[jobs.Job]:
    """Return those of the jobs that have to run: the last, and what neither scratch folder nor runs have done."""
    left: list[jobs.Job] = []
    for job in needed[:-1]:
        waits = any(each.name in job.needs for each in left)
        if (waits or not _done(job, scratch() / whole.name)) and not _done_in_runs(whole, job):
            left.append(job)
    return [*left, needed[-1]]


def cannot(left: Sequence[jobs.Job]) -> str:
    """Return why jobs cannot run on this machine, which is data or weights that it does not have; "" if they can."""
    return next((f"Not on this machine: {each}" for job in left for each in missing.files(job)), "")


def scratch() -> Path:
    """Return the folder in which rows are made again, a folder a study; it may be deleted at any time."""
    return paths.runs() / ".recompute"


def run(whole: study_file.Study, needed: Sequence[jobs.Job], file: Path) -> Path:
    """Run what has to run in the scratch folder, and return the table there that holds the row.

    What the study's own run has done is copied from there, as long as its stamps hold; the last job always runs.
    """
    real, folder, last = paths.runs() / whole.name, scratch() / whole.name, needed[-1]
    left = [job.name for job in to_do(whole, needed)]
    with files.exclusive_lock(scratch() / f".{whole.name}.lock", "recompute"), mock.patch.dict(os.environ):
        os.environ["RRR_RUNS"] = str(scratch())
        worker.environment()
        for job in needed:
            if job.name not in left:
                if not _done(job, folder):
                    _copy(job, real, folder)
                continue
            stamp = folder / job.stamp
            stamp.unlink(missing_ok=True)
            if job.kind == "figures":
                _published_as_runs(file.parent, folder, job.parameters["runs"])
            made_of = job_state.provenance(job, folder)
            executed = folder / f"{job.name}.ipynb"
            run_notebook.run(job_state.template(job), executed, job.parameters, stamp, job.outputs, made_of=made_of)
    there = folder / last.folder
    return there / file.name if file.name in last.outputs else there / last.outputs[0] / file.name


def compare(file: Path, table: pd.DataFrame, number: int, made: Path) -> pd.DataFrame:
    """Return a published row beside the one that was made: for each column both values, the spread and a verdict.

    The spread is the largest difference between two seeds of the study in that place, the row's own value being what it
    came to or what was published, whichever gives less: neither a wrong number nor a wrong computation makes room for
    itself. Raises ``ValueError`` if not exactly one row was made for the row's key.
    """
    row, by = table.iloc[number], row_jobs.key(table, file.stem)
    found = _like(row_jobs.read(made), row, by)
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows, not one, were made for {row[by].to_dict()}.")
    seeds = table[:0] if "seed" not in by else _like(table.drop(index=row.name), row, [e for e in by if e != "seed"])
    lines = {}
    for name in table.columns.drop(by):
        before, now, spread = row[name], found.iloc[0][name], float("nan")
        if not isinstance(before, str) and not isinstance(now, str):
            before, now, others = float(before), float(now), seeds[name].astype(float).dropna().tolist()
            if others:
                spread = min(max(*others, own) - min(*others, own) for own in (before, now))
        lines[name] = (before, now, spread, verdict(name, before, now, spread))
    columns = ["published", "now", "spread over seeds", "verdict"]
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns)


def verdict(name: str, before: Any, now: Any, spread: float = float("nan")) -> str:
    """Return "the same", "within the spread over seeds" or "differs" for a value of a row.

    Seconds are "not compared"; a hash of weights that is not the same has "other bits", which is no number.
    """
    if name.endswith("seconds"):
        return "not compared"
    if isinstance(before, str) or isinstance(now, str):
        return "the same" if before == now else "other bits" if name == "weights" else "differs"
    if (np.isnan(before) and np.isnan(now)) or abs(before - now) <= TOLERANCE * max(abs(before), 1.0):
        return "the same"
    return "within the spread over seeds" if abs(before - now) <= spread else "differs"


def _list(whole: study_file.Study) -> int:
    """Print each published table with its key, its job and what that takes, and how many there are of each kind."""
    kinds: Counter[str] = Counter()
    for file in published(whole.name):
        table = row_jobs.read(file)
        kind = said = "without rows"
        if len(table):
            needed, _ = row_jobs.plan(whole, file, table.iloc[0])
            left, kind = to_do(whole, needed), f"of {needed[-1].kind}"
            said = f"{needed[-1].name}; its first row takes about {sum(_seconds(left)):.0f} s"
            if reason := cannot(left):
                kind, said = f"{kind}, not on this machine", f"{said}. {reason}"
        kinds[kind] += 1
        name = file.relative_to(paths.root() / "data" / "results" / whole.name)
        print(f"{name}: {len(table)} rows by {', '.join(row_jobs.key(table, file.stem))}\n    {said}")
    print(f"{kinds.total()} tables: {'; '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}.")
    return 0


def _seconds(left: Sequence[jobs.Job]) -> list[float]:
    factor = costs.machine(stamps.threads())
    return [costs.NOTEBOOK_SECONDS + factor * job.cost.seconds for job in left]


def _find(every: Sequence[Path], asked: str | None, seed: int | None) -> tuple[Path, pd.DataFrame, int]:
    """Return the table and the number in it of a row, which is named, numbered over all the tables, or drawn."""
    found = {file: row_jobs.read(file) for file in every}
    places = [(file, number) for file, table in found.items() for number in range(len(table))]
    names = [str(name) for table in found.values() for name in table.get("model", [""] * len(table))]
    if not places:
        raise ValueError(f"{every[0].name} has no rows: there is nothing to compute again.")
    if asked is None:
        place = int(np.random.default_rng(seed).integers(len(places)))
    elif asked in names:
        place = names.index(asked)
    elif not asked.isdecimal():
        raise ValueError(f"There is no row {asked!r}: expected a number.{nearest(asked, list(dict.fromkeys(names)))}")
    elif (place := int(asked)) >= len(places):
        raise ValueError(f"Rows are numbered from 0 to {len(places) - 1}, but {asked} was asked for.")
    file, number = places[place]
    return file, found[file], number


def _like(table: pd.DataFrame, row: "pd.Series[Any]", columns: list[str]) -> pd.DataFrame:
    return table[(table[columns].astype(str) == row[columns].astype(str)).all(axis=1)]


def _done(job: jobs.Job, folder: Path) -> bool:
    # Without a stamp there is no need to hash all code.
    return (folder / job.stamp).exists() and not job_state.why_not_done(job, folder)


def _done_in_runs(whole: study_file.Study, job: jobs.Job) -> bool:
    """Return whether the study's own run, of all seeds, has made images or weights."""
    own = jobs.find(jobs.of(whole), job.name)
    return job.kind in jobs.KINDS[:3] and _done(own, paths.runs() / whole.name)


def _copy(job: jobs.Job, real: Path, target: Path) -> None:
    """Copy what a job has made."""
    own = (f"{job.notebook}.ipynb", f"{job.notebook}.stamp.json")
    for source in (path for name in (*job.outputs, *own) for path in stamps.places(real / job.folder, name)):
        place = target / source.relative_to(real)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, place)


def _published_as_runs(results: Path, folder: Path, runs: Sequence[str]) -> None:
    """Write the published tables of ``runs`` where the notebook that sums them up reads them."""
    for name in ("masks", "history", "scores", "shift", "answers", "end_scores"):
        if (results / f"{name}.parquet").exists():
            table = parquet.read(results / f"{name}.parquet", name)
            for each in runs:
                place = each.split("/")[: 1 if name == "masks" else None]
                rows = table[(table[row_jobs.RUN[: len(place)]] == place).all(axis=1)]
                parquet.write(rows, folder.joinpath(*place) / f"{name}.parquet", name)


if __name__ == "__main__":
    sys.exit(main())
