"""Plan a study, or run it: `python workflow/launch.py {plan,run} studies/demo.yaml`."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from display import Display, duration, size

from rrr_utils.common import choices, files, paths
from rrr_utils.study import costs, job_state, jobs, worker
from rrr_utils.study import study_file as study

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Do what the command line asks; return 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("plan", "run"))
    parser.add_argument("study", type=Path, help="a study file")
    parser.add_argument("--jobs", type=int, default=0, help="notebooks at once (default: one for each core)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each notebook; part of the provenance")
    parser.add_argument("--profile", default="default", help="a folder of workflow/profiles, or a path to one")
    chosen = parser.parse_args()
    # Before NumPy is imported, which reads them once.
    os.environ.update(dict.fromkeys(worker.THREADS, str(chosen.threads)))
    slots = chosen.jobs or max(_cores() // chosen.threads, 1)
    try:
        plan = study.load(chosen.study)
        if chosen.what == "plan":
            _print_plan(plan, slots, chosen.threads)
            return 0
        folder = paths.runs() / plan.name
        profile = _profile(chosen.profile)
        with files.exclusive_lock(folder / ".lock", f"Study {plan.name}"):
            return _run(plan, chosen.study.resolve(), folder, slots, chosen.threads, profile)
    except (ValueError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _print_plan(plan: study.Study, slots: int, threads: int) -> None:
    every = jobs.of(plan)
    folder = paths.runs() / plan.name
    states = job_state.states(every, folder)
    factor = costs.machine(threads)
    width = max(len(job.name) for job in every)
    print(f"Study {plan.name}: {plan.title}. {len(every)} jobs, {slots} at once, {threads} thread(s) each.")
    print(f"{'job':{width}}  {'passes':>11}  {'training':>9}  {'time':>8}  {'disk':>8}  state")
    for job in every:
        cost = job.cost
        seconds = job.cost.expected(factor)
        print(
            f"{job.name:{width}}  {cost.passes:>11,}  {cost.training_images:>9,}  {duration(seconds):>8}  "
            f"{size(cost.disk):>8}  {states[job.name] or 'done'}"
        )
    left = [job for job in every if states[job.name]]
    for what, which in (("all", every), ("left", left)):
        total = sum(job.cost.expected(factor) for job in which)
        print(
            f"{what + f': {len(which)} jobs':{width}}  {sum(job.cost.passes for job in which):>11,}  "
            f"{sum(job.cost.training_images for job in which):>9,}  {duration(total):>8}  "
            f"{size(sum(job.cost.disk for job in which)):>8}  "
            f"about {duration(_wall(left if what == 'left' else list(every), factor, slots))} with {slots} at once"
        )
    print("Times are estimates: constants of a reference machine, scaled by a matrix product measured just now.")


def _run(plan: study.Study, path: Path, folder: Path, slots: int, threads: int, profile: Path) -> int:
    every = jobs.of(plan)
    print(f"Study {plan.name}: {plan.title}")
    states = job_state.states(every, folder)
    for job in every:
        if states[job.name]:
            verb = "to check" if states[job.name].startswith(job_state.UNLESS) else "to run"
            print(f"  {verb}: {job.name} ({states[job.name]})")
            worker.state_file(folder, job).unlink(missing_ok=True)
            worker.now_file(folder, job).unlink(missing_ok=True)
    left = [job for job in every if states[job.name]]
    print(f"{len(every) - len(left)} of {len(every)} jobs are done.")
    if not left:
        return 0
    factor = costs.machine(threads)
    print(
        f"Running {slots} notebook(s) at once, {threads} thread(s) each; about {duration(_wall(left, factor, slots))}."
    )
    log = folder / ".logs" / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(HERE / "Snakefile"), "--directory", str(folder)),
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


def _profile(name: str) -> Path:
    """Return the folder of a profile, by its name or its path."""
    own = HERE / "profiles"
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


if __name__ == "__main__":
    sys.exit(main())
