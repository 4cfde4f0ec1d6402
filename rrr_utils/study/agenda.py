"""What is left to do of a study: which jobs, for which seeds, and why; what is done here or published is not."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rrr_utils.common import files, paths
from rrr_utils.study import job_state, jobs, published
from rrr_utils.study.jobs import Job
from rrr_utils.study.study_file import Study

DONE, PUBLISHED, LEFT = "done", "published", "left"
_FILE = ".agenda.json"


@dataclass(frozen=True)
class Item:
    """A job as it has to be run here: of one that is published in part, the other seeds alone.

    ``state`` is ``DONE``, ``PUBLISHED`` or ``LEFT``; ``why`` says what makes it so, in words.
    """

    job: Job
    state: str
    why: str = DONE


def of(study: Study) -> tuple[Item, ...]:
    """Return the jobs of a study in their order, each as it has to be run, and whether it has to.

    A job that is done but needs one that is not is to be looked at again when that one has ended: it is run only if the
    results which it reads have changed.
    """
    every, folder, results = jobs.of(study), paths.runs() / study.name, paths.results(study.name)
    elsewhere = published.outputs(every, results)
    done = {job.name for job in every if not job_state.why_not_done(job, folder, elsewhere)}
    left = published.remaining(every, results, done)
    items: dict[str, Item] = {}
    for job in every:
        asked = job
        if job.kind == "figures":
            asked = _with_published_rows(job, every, done, results)
        elif job.name not in done:
            asked = published.narrowed(job, left[job.name] or published.units(job))
        if job.name not in done and not left[job.name]:
            items[job.name] = Item(asked, PUBLISHED, f"published, made at {_commits(job, results)}")
            continue
        why = "" if asked is job and job.name in done else job_state.why_not_done(asked, folder, elsewhere)
        waiting = [need for need in job.needs if items[need].state == LEFT]
        if not why and waiting:
            why = f"{job_state.UNLESS}{waiting[0]}"
        items[job.name] = Item(asked, LEFT if why else DONE, why or DONE)
    return tuple(items.values())


def write(items: Sequence[Item], folder: Path) -> None:
    """Leave for the processes of jobs, in the study's ``folder`` of the runs, which are published and what others make.

    Each process makes one job, and need not find out about all others again.
    """
    asked = {
        item.job.name: {
            name: item.job.parameters[name] for name in ("seeds", "published") if name in item.job.parameters
        }
        for item in items
    }
    taken = [item.job.name for item in items if item.state == PUBLISHED]
    files.write_json(folder / _FILE, {"published": taken, "asked": asked})


def read(folder: Path) -> tuple[Set[str], dict[str, dict[str, Any]]]:
    """Return what :func:`write` left: the names of published jobs, and for the others the parameters that it chose."""
    try:
        found = files.read_json(folder / _FILE)
        return set(found["published"]), dict(found["asked"])
    except (OSError, ValueError, KeyError, TypeError):  # a job that was started by hand is made whole
        return set(), {}


def asked(job: Job, folder: Path) -> Job:
    """Return ``job`` as :func:`write` says that it has to be made."""
    chosen = read(folder)[1].get(job.name, {})
    job = published.narrowed(job, tuple(map(str, chosen.get("seeds", ())))) if job.kind in published.BY_SEED else job
    return replace(job, parameters={**job.parameters, **chosen}) if "published" in chosen else job


def _with_published_rows(figures: Job, every: Sequence[Job], done: Set[str], results: Path) -> Job:
    """Return the job of the figures, told of which seeds of each run the published rows are to be taken."""
    taken = {
        job.folder: [int(seed) for seed in published.published(job, results)]
        for job in every
        if job.kind == "scoring" and job.name not in done
    }
    taken = {run: seeds for run, seeds in taken.items() if seeds and run in figures.parameters["runs"]}
    return replace(figures, parameters={**figures.parameters, "published": taken}) if taken else figures


def _commits(job: Job, results: Path) -> str:
    commits = {made_of["commit"][:10] or "no commit" for made_of in published.published(job, results).values()}
    return ", ".join(sorted(commits))
