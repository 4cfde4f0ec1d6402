"""Whether a job of a study is done, and what it reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rrr_utils.common import paths
from rrr_utils.study import inputs as on_disk
from rrr_utils.study import stamps
from rrr_utils.study.jobs import Job

_NOTHING: Mapping[str, Any] = {}
WAITS, UNLESS = "waits for ", "still holds unless the results change of "


class NotDone(RuntimeError):
    """A job whose results another one needs and that is not done; the message is its name."""


def provenance(job: Job, folder: Path, elsewhere: Mapping[str, Any] = _NOTHING) -> dict[str, Any]:
    """Return what decides the results of ``job``, run now (see :func:`rrr_utils.study.stamps.provenance`).

    Raises ``NotDone`` as :func:`inputs_of` does. Inputs and code are hashed, so whoever needs it twice keeps it.
    """
    return stamps.provenance(template(job), job.settings, inputs_of(job, folder, elsewhere))


def why_not_done(
    job: Job, folder: Path, elsewhere: Mapping[str, Any] = _NOTHING, made_of: Mapping[str, Any] | None = None
) -> str:
    """Return why ``job`` of the study in ``folder`` has to be run, or "" if its stamp says that it is done.

    ``elsewhere``: see :func:`inputs_of`. ``made_of`` is the job's :func:`provenance`, where that is at hand.
    """
    try:
        expected = provenance(job, folder, elsewhere) if made_of is None else made_of
    except NotDone as error:
        return f"{WAITS}{error}"
    return stamps.stale(folder / job.stamp, folder / f"{job.name}.ipynb", expected, job.outputs)


def inputs_of(job: Job, folder: Path, elsewhere: Mapping[str, Any] = _NOTHING) -> dict[str, Any]:
    """Return hashes of what ``job`` reads: outputs of other jobs, real data, mask models, weights.

    ``elsewhere`` holds those of jobs, by name, whose tables are published and that need not be done in ``folder``.

    Data that are not on this machine have None, which agrees with every stamp: what was computed where they are
    counts here too. Raises ``NotDone`` with the name of a job that ``job`` needs and that is not done.
    """
    inputs: dict[str, Any] = {}
    for need in job.needs:
        try:
            inputs[need] = stamps.outputs_of(folder / f"{need}.stamp.json")
        except (OSError, ValueError, KeyError, TypeError):
            if need not in elsewhere:
                raise NotDone(need) from None
            inputs[need] = elsewhere[need]
    return inputs | on_disk.hashes(job)


def template(job: Job) -> Path:
    """Return the notebook that ``job`` runs."""
    return paths.root() / "notebooks" / f"{job.notebook}.ipynb"
