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


@dataclass(frozen=True)
class Part:
    """A part of a study: jobs with one of the texts ``only`` in their names, of these the ``seeds``; empty means all.

    What they need belongs to it. The figures do not: they are drawn of all that is there when a part is published.
    """

    only: Sequence[str] = ()
    seeds: Sequence[int] = ()

    def of(self, every: Sequence[Job]) -> tuple[Job, ...]:
        """Return the jobs of this part, in their order; ``ValueError`` if there are none."""
        if not self.only and not self.seeds:
            return tuple(every)
        chosen: dict[str, Job] = {}
        for job in reversed(every):
            units = [unit for unit in published.units(job) if not self.seeds or unit in map(str, self.seeds)]
            named = not self.only or any(text in job.name for text in self.only)
            needed = any(job.name in later.needs for later in chosen.values())
            if job.kind != "figures" and (named or needed) and (units or job.kind == "masking"):
                chosen[job.name] = published.narrowed(job, units) if job.kind in published.BY_SEED else job
        if not chosen:
            raise ValueError(
                f"No job has {' or '.join(self.only) or 'a name'} in its name and one of the seeds {list(self.seeds)}. "
                f"The jobs: {[job.name for job in every]}."
            )
        return tuple(reversed(chosen.values()))


WHOLE = Part()


def of(study: Study, part: Part = WHOLE) -> tuple[Item, ...]:
    """Return the jobs of a study, or of a part, in their order, each as it has to be run, and whether it has to.

    A job that is done but needs one that is not is to be looked at again when that one has ended: it is run only if the
    results which it reads have changed.
    """
    whole, folder, results = jobs.of(study), paths.runs() / study.name, paths.results(study.name)
    every = part.of(whole)
    elsewhere = published.outputs(every, results)
    done = {job.name for job in every if not job_state.why_not_done(job, folder, elsewhere)}
    left = published.remaining(every, results, done)
    items: dict[str, Item] = {}
    for job in every:
        asked = job
        if job.kind == "figures":
            asked = with_published_rows(job, whole, [each for each in every if each.name in done], results)
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


def write(study: Study, items: Sequence[Item], folder: Path) -> None:
    """Leave for the processes of jobs, in the study's ``folder`` of the runs, which are not run and what others make.

    Each process makes one job, and need not find out about all others again.
    """
    asked = {
        item.job.name: {
            name: item.job.parameters[name] for name in ("seeds", "published") if name in item.job.parameters
        }
        for item in items
    }
    here = {item.job.name for item in items if item.state != PUBLISHED}
    taken = [job.name for job in jobs.of(study) if job.name not in here]
    files.write_json(folder / _FILE, {"not run": taken, "asked": asked})


def overwritten(study: Study, items: Sequence[Item]) -> list[str]:
    """Return the names of jobs that are to be run whose finished tables hold other seeds, which are not published."""
    folder, results = paths.runs() / study.name, paths.results(study.name)
    whole = {job.name: job for job in jobs.of(study)}
    found = []
    for job in (item.job for item in items if item.state == LEFT and item.job.kind in published.BY_SEED):
        try:
            made = set(map(str, files.read_json(folder / job.stamp)["parameters"]["seeds"]))
        except (OSError, ValueError, KeyError, TypeError):  # nothing that was finished
            continue
        if made & set(published.units(whole[job.name])) - {
            *published.units(job),
            *published.published(whole[job.name], results),
        }:
            found.append(job.name)
    return found


def read(folder: Path) -> tuple[Set[str], dict[str, dict[str, Any]]]:
    """Return what :func:`write` left: the names of jobs that are not run, and for others the parameters it chose."""
    try:
        found = files.read_json(folder / _FILE)
        return set(found["not run"]), dict(found["asked"])
    except (OSError, ValueError, KeyError, TypeError):  # a job that was started by hand is made whole
        return set(), {}


def asked(job: Job, folder: Path) -> Job:
    """Return ``job`` as :func:`write` says that it has to be made."""
    chosen = read(folder)[1].get(job.name, {})
    job = published.narrowed(job, tuple(map(str, chosen.get("seeds", ())))) if job.kind in published.BY_SEED else job
    return replace(job, parameters={**job.parameters, **chosen}) if "published" in chosen else job


def with_published_rows(figures: Job, every: Sequence[Job], done: Sequence[Job], results: Path) -> Job:
    """Return the job of the figures, told of which seeds of each run the published rows are to be taken.

    They are those that none of ``done`` has made here.
    """
    here = {job.folder: published.units(job) for job in done if job.kind == "scoring"}
    taken = {
        job.folder: [int(seed) for seed in published.published(job, results) if seed not in here.get(job.folder, ())]
        for job in every
        if job.kind == "scoring" and job.folder in figures.parameters["runs"]
    }
    taken = {run: seeds for run, seeds in taken.items() if seeds}
    return replace(figures, parameters={**figures.parameters, "published": taken}) if taken else figures


def _commits(job: Job, results: Path) -> str:
    commits = {made_of["commit"][:10] or "no commit" for made_of in published.published(job, results).values()}
    return ", ".join(sorted(commits))
