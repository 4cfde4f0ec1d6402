"""What of a study is published: finished runs that count as done on every machine, seed by seed.

Beside its tables a published study keeps, in ``data/results/<study>/stamps``, what each run was made of. Such a run is
not made again, whatever became of the code since: its rows are taken from the published tables. It is made again only
where another run that is still to be made starts from its checkpoints, which are not published.
"""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from rrr_utils.common import checksums, files, paths
from rrr_utils.study import stamps
from rrr_utils.study.jobs import Job

# Jobs whose rows are told apart by seed, and those whose checkpoints or images others read.
BY_SEED = ("head", "fine-tuning", "scoring")
READ_WHOLE = ("masking", "head", "fine-tuning")
STAMPS = "stamps"
# What publishing writes, in the project's folder.
_PUBLISHED = ("data/results", "book/published")
# What stands for the seeds of a job that has its tables for itself.
WHOLE = "all"


def units(job: Job) -> tuple[str, ...]:
    """Return the parts in which a job is published: its seeds, or itself as a whole."""
    return tuple(map(str, job.parameters["seeds"])) if job.kind in BY_SEED else (WHOLE,)


def record(job: Job, folder: Path, results: Path) -> None:
    """Write what ``job``, done in the study's ``folder`` of the runs, was made of to the published ``results``.

    What was recorded of other seeds of the same job stays. Hashes of code are put together in one, and outputs are
    those that a table shows: checkpoints are not published.
    """
    found = files.read_json(folder / job.stamp)
    outputs = {name: digest for name, digest in found["outputs"].items() if isinstance(digest, str)}
    made_of = {
        "parameters": _own(found["parameters"], job),
        "inputs": _hash(sorted(found["inputs"].items())),
        "read": {name: digest for name, digest in found["inputs"].items() if isinstance(digest, str)},
        "code": _hash(sorted(set(found["code"].values()))),
        "versions": found["versions"],
        "threads": found["threads"],
        "outputs": outputs or {name: _hash(digest) for name, digest in found["outputs"].items()},
        "made_on": found["made_on"],
        "commit": commit(),
    }
    made = found["parameters"].get("seeds", [])
    there = _read(job, results)
    parts = list(map(str, made)) if job.kind in BY_SEED else [WHOLE]
    files.write_json(_file(job, results), dict(sorted({**there, **dict.fromkeys(parts, made_of)}.items())))


def published(job: Job, results: Path) -> dict[str, dict[str, Any]]:
    """Return what is recorded of the units of ``job`` that were made with its present parameters, by unit."""
    own = _own(stamps.plain(job.settings), job)
    return {
        unit: made_of
        for unit, made_of in _read(job, results).items()
        if unit in units(job) and made_of.get("parameters") == own
    }


def read_from_disk(every: Sequence[Job], results: Path) -> list[dict[str, str]]:
    """Return what the published runs read beside the results of others: data, mask models and weights.

    One row a run and thing: ``job``, ``read`` (see :func:`rrr_utils.study.inputs.hashes`), ``sha256``; seeds that read
    different files have a row each.
    """
    rows = [
        {"job": job.name, "read": name, "sha256": digest}
        for job in every
        for made_of in published(job, results).values()
        for name, digest in made_of.get("read", {}).items()
    ]
    return [row for place, row in enumerate(rows) if row not in rows[:place]]


def remaining(every: Sequence[Job], results: Path, done: Set[str]) -> dict[str, tuple[str, ...]]:
    """Return for each job of a study the units that have to be made here, by name; none where all are published.

    ``done`` are the jobs whose stamps hold here: they ask for nothing. A job that is to be made asks for the same seeds
    of those whose checkpoints it starts from; what it needs for tables alone is taken from the published ones.
    """
    by_name = {job.name: job for job in every}
    left: dict[str, set[str]] = {job.name: set(units(job)) - set(published(job, results)) for job in every}
    left |= {name: set() for name in done}
    for job in reversed(every):
        if not left[job.name] or job.kind == "figures":
            continue
        for need in (by_name[name] for name in job.needs):
            if need.kind in READ_WHOLE and need.name not in done:
                asked = left[job.name] if job.kind in BY_SEED else set(map(str, job.parameters["seeds"]))
                left[need.name] |= set(units(need)) & asked if need.kind in BY_SEED else {WHOLE}
    return {job.name: tuple(unit for unit in units(job) if unit in left[job.name]) for job in every}


def outputs(every: Sequence[Job], results: Path) -> dict[str, Any]:
    """Return the hashes of what is published of each job, by name: what other jobs read of it."""
    found = {job.name: published(job, results) for job in every}
    return {
        name: {unit: made_of["outputs"] for unit, made_of in units.items()} for name, units in found.items() if units
    }


def restore(job: Job, folder: Path, results: Path) -> None:
    """Write the published rows of the run of ``job`` as its tables in ``folder``, where these are missing.

    They are what another run reads that starts from this one. Raises ``FileNotFoundError`` where a published table is
    missing.
    """
    from rrr_utils.tables import results as rows  # pandas takes a second, and a plan does without

    for name in (each.removesuffix(".parquet") for each in job.outputs if each.endswith(".parquet")):
        file = folder / job.folder / f"{name}.parquet"
        if not file.exists():
            rows.restore(results, job.folder, name, file)


def narrowed(job: Job, left: Sequence[str]) -> Job:
    """Return ``job`` for the seeds ``left`` alone; as it is where there are none or all."""
    if job.kind not in BY_SEED or tuple(left) in ((), units(job)):
        return job
    others = tuple(f"seed-{seed}/" for seed in units(job) if seed not in left)
    share = len(left) / len(units(job))
    return replace(
        job,
        estimate=lambda: job.cost.part(share),
        parameters={**job.parameters, "seeds": [int(seed) for seed in left]},
        outputs=tuple(name for name in job.outputs if not name.startswith(others)),
    )


def check() -> None:
    """Raise ``ValueError`` unless every published file is, to the bit, the one that ``data/results/SHA256SUMS`` names.

    ``sha256sum -c SHA256SUMS`` says the same of what is listed.
    """
    results = paths.results("")
    if faults := checksums.faults(results):
        raise ValueError(
            f"{len(faults)} of the published files in {results} are not as they were published:\n  "
            + "\n  ".join(faults)
            + f"\nGet them back with `git checkout -- {results}`, or publish their studies again."
        )


def commit() -> str:
    """Return the commit of the project's folder, with a word if it was changed since; "" outside a repository.

    What publishing itself changes does not count, so that a study can be published part by part.
    """
    changed = ["status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{name}" for name in _PUBLISHED)]
    try:
        told = [
            subprocess.run(["git", *asked], cwd=paths.root(), capture_output=True, text=True, check=True)
            for asked in (["rev-parse", "HEAD"], changed)
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told[0].stdout.strip() + (" with changes" if told[1].stdout.strip() else "")


def _own(parameters: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Return the parameters that decide a unit: all but the other seeds."""
    return {name: value for name, value in parameters.items() if name != "seeds" or job.kind not in BY_SEED}


def _file(job: Job, results: Path) -> Path:
    return results / STAMPS / f"{job.name.replace('/', '--')}.json"


def _read(job: Job, results: Path) -> dict[str, dict[str, Any]]:
    """Return what is recorded of a job; nothing where that file is torn or no record: then it is made again."""
    try:
        found = files.read_json(_file(job, results))
        return {unit: dict(made_of) for unit, made_of in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
