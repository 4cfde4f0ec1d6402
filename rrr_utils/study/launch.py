"""A study, planned or run: `rrr study plan demo`, `rrr study run demo`."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rrr_utils.common import choices, files, paths
from rrr_utils.study import agenda, costs, job_state, jobs, missing, study_file, worker
from rrr_utils.study.display import Display, duration, size

# The Snakefile and its profiles: beside the package in a clone of the project, no part of an installed one.
WORKFLOW = Path(__file__).resolve().parents[2] / "workflow"


def plan(
    path: Path, at_once: int = 0, threads: int = 1, profile: str = "default", part: agenda.Part = agenda.WHOLE
) -> int:
    """Print the jobs of the study in the file ``path``, or of a part: what is done, what is missing, what each costs.

    ``at_once`` notebooks run at a time, each with so many ``threads``; 0 stands for one for each core. Raises
    ``StudyError`` as :func:`rrr_utils.study.load` does, and ``ValueError`` for a ``profile`` that :func:`run` refuses.
    """
    _profile(profile)
    slots = _slots(at_once, threads)
    _print_plan(study_file.load(path), part, slots, threads)
    return 0


def run(
    path: Path, at_once: int = 0, threads: int = 1, profile: str = "default", part: agenda.Part = agenda.WHOLE
) -> int:
    """Run what is left of the study in the file ``path``, or of a part of it, and show how far it is.

    ``profile`` is one of Snakemake's: a folder of ``workflow/profiles`` by its name, or a path. ``threads`` is part of
    the provenance. Return 0; 1 if a job failed, with its error on stderr; 130 if it was interrupted. Raises
    ``ValueError`` for a bad study or profile, ``FileNotFoundError`` where there is no workflow, and ``RuntimeError`` if
    the study is already running, or if data, weights or room are missing, before anything has started.
    """
    slots = _slots(at_once, threads)
    asked = study_file.load(path)
    if not (WORKFLOW / "Snakefile").is_file():
        raise FileNotFoundError(f"There is no {WORKFLOW / 'Snakefile'}. A study is run in a clone of the project.")
    folder, known = paths.run_of(asked.name), _profile(profile)
    with files.exclusive_lock(folder / ".lock", f"Study {asked.name}"):
        code = _run(asked, part, path.resolve(), folder, slots, threads, known)
        if code == 0 and part == agenda.WHOLE:  # no training is left that could use them
            shutil.rmtree(paths.shared_arrays(asked.name), ignore_errors=True)
    return code


def _slots(at_once: int, threads: int) -> int:
    """Return how many notebooks run at once, and set the number of threads before NumPy, which reads it once."""
    os.environ.update(dict.fromkeys(worker.THREADS, str(threads)))
    return at_once or max(_cores() // threads, 1)


def _print_plan(plan: study_file.Study, part: agenda.Part, slots: int, threads: int) -> None:
    items = agenda.of(plan, part)
    every = [item.job for item in items]
    factor = costs.machine(threads)
    width = max(len(job.name) for job in every)
    print(f"Study {plan.name}: {plan.title}. {len(every)} jobs, {slots} at once, {threads} thread(s) each.")
    print(f"{'job':{width}}  {'passes':>11}  {'training':>9}  {'time':>8}  {'disk':>8}  state")
    for job, why in ((item.job, item.why) for item in items):
        cost = job.cost
        seconds = job.cost.expected(factor)
        print(
            f"{job.name:{width}}  {cost.passes:>11,}  {cost.training_images:>9,}  {duration(seconds):>8}  "
            f"{size(cost.disk + cost.shared):>8}  {why}"
        )
    left = [item.job for item in items if item.state == agenda.LEFT]
    for what, which in (("all", every), ("left", left)):
        total = sum(job.cost.expected(factor) for job in which)
        print(
            f"{what + f': {len(which)} jobs':{width}}  {sum(job.cost.passes for job in which):>11,}  "
            f"{sum(job.cost.training_images for job in which):>9,}  {duration(total):>8}  "
            f"{size(costs.on_disk(job.cost for job in which)):>8}  "
            f"about {duration(_wall(left if what == 'left' else every, factor, slots))} with {slots} at once"
        )
    if shared := sum(job.cost.shared for job in every):
        limit = costs.on_disk([costs.Cost(disk=0, shared=shared)])
        print(
            f"Of the disk {size(shared)} are frozen blocks' activations, shared by trainings: at most {size(limit)} "
            "at a time (RRR_SHARED_GB), deleted when the study is done."
        )
    for said in costs.guesses(plan):
        print(said)
    for said in missing.doubts(left):
        print(f"Note: {said}")
    for lacks in missing.of(_certain(items), slots):
        print(f"Missing: {lacks}")
    print("Times are estimates: constants of a reference machine, scaled by a matrix product measured just now.")


def _run(
    plan: study_file.Study, part: agenda.Part, path: Path, folder: Path, slots: int, threads: int, profile: Path
) -> int:
    items = agenda.of(plan, part)
    print(f"Study {plan.name}: {plan.title}")
    if lost := agenda.overwritten(plan, items):
        raise ValueError(
            f"The tables of {len(lost)} job(s), the first of them {lost[0]}, hold other seeds, which are not published "
            "and would be overwritten. Publish them first, with the same --seed and --only with which they were run "
            f"(`rrr study publish {plan.name} --seed ...`), or run all seeds together."
        )
    states = {item.job.name: item.why for item in items if item.state == agenda.LEFT}
    for item in items:
        if item.state == agenda.LEFT:
            verb = "to check" if item.why.startswith(job_state.UNLESS) else "to run"
            print(f"  {verb}: {item.job.name} ({item.why})")
            worker.state_file(folder, item.job).unlink(missing_ok=True)
            worker.now_file(folder, item.job).unlink(missing_ok=True)
    left = [item.job for item in items if item.state == agenda.LEFT]
    taken = sum(item.state == agenda.PUBLISHED for item in items)
    published = f"; {taken} of them are published, and are not made again" if taken else ""
    print(f"{len(items) - len(left)} of {len(items)} jobs are done{published}.")
    if not left:
        return 0
    if lacking := missing.of(_certain(items), slots):
        raise RuntimeError(
            "\n".join([f"Study {plan.name} was not started.", *(f"Missing: {each}" for each in lacking)])
        )
    for said in missing.doubts(left):
        print(f"Note: {said}")
    agenda.write(plan, items, folder)
    factor = costs.machine(threads)
    print(
        f"Running {slots} notebook(s) at once, {threads} thread(s) each; about {duration(_wall(left, factor, slots))}."
    )
    log = folder / ".logs" / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOW / "Snakefile"), "--directory", str(folder)),
        *("--workflow-profile", str(profile), "--nocolor"),
        *(("--cores", str(slots * threads)) if profile.name == "default" else ("--jobs", str(slots))),
        *("--config", f"study={path}", f"threads={threads}", f"python={sys.executable}"),
    ]
    # Stamps that are there and do not hold; Snakemake itself sees those that are missing.
    forced = [job.stamp for job in left if (folder / job.stamp).exists() and _stale(states[job.name])]
    if forced:
        command += ["--forcerun", *forced]
    environment = {
        **os.environ,
        "RRR_LAUNCHER": worker.launcher(),
        "RRR_ROOT": str(paths.root()),
        "RRR_RUNS": str(paths.runs()),
        # Snakemake keeps copies of its sources there; a home that cannot be written must not matter.
        "XDG_CACHE_HOME": str(folder / ".cache"),
    }
    display = Display(folder, left, {job.name: job.cost.expected(factor) for job in left}, slots)
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
        try:
            while process.poll() is None:
                display.show()
                time.sleep(0.5)
        except KeyboardInterrupt:
            # The terminal has told Snakemake too; it ends its jobs.
            process.wait()
            print("\nStopped. The same command goes on from here.", file=sys.stderr)
            return 130
    display.end()
    if process.returncode == 0:
        return 0
    _print_failures(left, folder, log)
    return 1


def _certain(items: Sequence[agenda.Item]) -> list[jobs.Job]:
    """Return the jobs that will run; one that is only looked at again may need nothing."""
    return [item.job for item in items if item.state == agenda.LEFT and not item.why.startswith(job_state.UNLESS)]


def _profile(name: str) -> Path:
    """Return the folder of a profile, by its name or its path."""
    own = WORKFLOW / "profiles"
    found = own / name if (own / name).is_dir() else Path(name).resolve()
    if not (found / "config.yaml").is_file():
        known = sorted(each.name for each in own.iterdir())
        raise ValueError(
            f"There is no profile {name!r}.{choices.nearest(name, known)} A profile is one of {known} or the path of a "
            "folder with a config.yaml."
        )
    return found


def _print_failures(left: list[jobs.Job], folder: Path, log: Path) -> None:
    """Say which jobs failed and why, with the last lines of what they printed."""
    failures = 0
    for job in left:
        state = worker.read_state(folder, job)
        if state.get("state") not in ("failed", "running"):
            continue
        failures += 1
        why = state.get("message") or "it was killed; often the memory was full: run with fewer JOBS"
        print(f"\n{job.name} failed.\n{why}", file=sys.stderr)
        print(f"All that it printed: {folder / '.logs' / job.name}.log", file=sys.stderr)
    if not failures:
        print("\n".join(log.read_text(encoding="utf-8").splitlines()[-20:]), file=sys.stderr)
        print(f"Snakemake did not run the study; all that it printed: {log}", file=sys.stderr)


def _stale(state: str) -> bool:
    return not state.startswith((job_state.WAITS, job_state.UNLESS))


def _wall(left: list[jobs.Job], factor: float, slots: int) -> float:
    seconds = {job.name: job.cost.expected(factor) for job in left}
    return costs.wall_time(seconds, {job.name: job.needs for job in left}, slots)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
