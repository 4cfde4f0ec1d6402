"""The process that runs one job, its environment, its lock, its end: `python -m rrr_utils.study.worker STUDY JOB`."""

import argparse
import contextlib
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rrr_utils.common import files, paths
from rrr_utils.study import agenda, job_state, jobs, published, run_notebook, stamps, study_file

OPEN_FILES = 256  # of a kernel with TensorFlow; 64 are too few
# What the libraries below read to learn how many threads they may use.
THREADS = (
    "RRR_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job of a study, unless it is done; return 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m rrr_utils.study.worker", description="Run one job of a study.")
    parser.add_argument("study", type=Path, help="a study file, for example studies/demo.yaml")
    parser.add_argument("job", help="a job's name, as `make plan` prints it")
    chosen = parser.parse_args(arguments)
    began = time.time()
    try:
        plan = study_file.load(chosen.study)
        every, folder, results = jobs.of(plan), paths.run_of(plan.name), paths.results(plan.name)
        job = agenda.asked(jobs.find(every, chosen.job), folder)
        _die_with_parents()
        _open_files()
        environment(now_file(folder, job))
        state = state_file(folder, job)
        with _alone(folder / f"{job.name}.ipynb"):
            made_of = job_state.provenance(job, folder, published.outputs(every, results))
            reason = job_state.why_not_done(job, folder, made_of=made_of)
            if not reason:
                (folder / job.stamp).touch()
                print(f"{job.name} is up to date.")
                _note(state, state="same", seconds=0.0)
                return 0
            print(f"{job.name}: {reason}.")
            _note(state, state="running", began=began, pid=os.getpid())
            if job.kind == "scoring":
                # Its epoch 0 is the end of stage 1, whose rows are published where it was not made here.
                for need in (each for each in every if each.name in job.needs and each.kind == "scoring"):
                    if published.published(need, results):
                        published.restore(need, folder, results)
            run_notebook.run(
                job_state.template(job),
                folder / f"{job.name}.ipynb",
                job.parameters,
                folder / job.stamp,
                job.outputs,
                made_of=made_of,
            )
            _note(state, state="done", seconds=round(time.time() - began, 1))
        print(f"{job.name} is done in {time.time() - began:.0f} s.")
        return 0
    except (ValueError, RuntimeError, OSError) as error:
        with contextlib.suppress(NameError, OSError):
            _note(state, state="failed", message=str(error))
        print(error, file=sys.stderr)
        return 1


def _open_files() -> None:
    """Let this process and its kernel open as many files as they need, or raise ``RuntimeError`` with the remedy."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < OPEN_FILES:
        raise RuntimeError(
            f"A job opens up to {OPEN_FILES} files at once, but {most} are allowed here. Allow more with "
            f"`ulimit -n {OPEN_FILES}`, in a new shell where that is refused, and run the same command again."
        )
    if allowed != resource.RLIM_INFINITY and allowed < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, most))


def environment(progress: Path | None = None) -> None:
    """Set what kernels inherit: absolute places, threads, the Keras backend, a fixed order of sets, no bars."""
    os.environ.update(dict.fromkeys(THREADS, str(stamps.threads())))
    os.environ.update(
        {
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
            "PYTHONHASHSEED": "0",
            "KERAS_BACKEND": stamps.backend(),
            "TQDM_DISABLE": "1",
            "RRR_ROOT": str(paths.root()),
            "RRR_RUNS": str(paths.runs()),
        }
    )
    if paths.data_dir() is not None:
        os.environ["RRR_DATA_DIR"] = str(paths.data_dir())
    if progress is not None:
        os.environ["RRR_PROGRESS"] = str(progress)
        progress.parent.mkdir(parents=True, exist_ok=True)
        progress.unlink(missing_ok=True)


def state_file(folder: Path, job: jobs.Job) -> Path:
    """Return the file that says how far ``job`` is, for those who watch; no result depends on it."""
    return folder / ".progress" / f"{job.name.replace('/', '--')}.state.json"


def read_state(folder: Path, job: jobs.Job) -> dict[str, Any]:
    """Return what the process of ``job`` noted last: ``state`` (running, done, same, failed) and more; {} if none."""
    try:
        found = files.read_json(state_file(folder, job))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def now_file(folder: Path, job: jobs.Job) -> Path:
    """Return the file into which the notebook of ``job`` writes its progress (see :mod:`rrr_utils.common.progress`)."""
    return folder / ".progress" / f"{job.name.replace('/', '--')}.now.json"


def launcher() -> str:
    """Return this process as ``$RRR_LAUNCHER`` names it, so that the jobs which it starts end with it."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Hold the notebook's own lock; wait a little for a run that is just being ended with its killed parents."""
    lock = output.with_name(f".{output.stem}.lock")
    for _ in range(20):
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(files.exclusive_lock(lock, output.stem))
            except RuntimeError:
                time.sleep(0.5)
                continue
            yield
            return
    with files.exclusive_lock(lock, output.stem):
        yield


def _note(place: Path, **what: Any) -> None:
    # Who watches must not stop who works: a full disk is reported by the run itself.
    with contextlib.suppress(OSError):
        files.write_json(place, what)


def _die_with_parents() -> None:
    """End this process within a second when its parent or the launcher of the study has been killed.

    A kernel ends with the process that started it; so nothing of a killed study works on in the background.
    """
    parent = os.getppid()
    host, _, number = os.environ.get("RRR_LAUNCHER", "").rpartition(":")

    def watch() -> None:
        while os.getppid() == parent and _alive(int(number)):
            time.sleep(0.5)
        os._exit(1)

    # On another machine of a cluster the launcher cannot be seen.
    if host == socket.gethostname():
        threading.Thread(target=watch, daemon=True).start()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main())
