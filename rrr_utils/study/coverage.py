"""Which runs of a study are published, which are not, and what these would cost."""

import pandas as pd

from rrr_utils.study import jobs, study_file

_RUN = ["data", "network", "strategy", "trained_on"]


def coverage(plan: study_file.Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each data set and network entry of a study, in the study's order.

    Parameters
    ----------
    plan
        The study: what was asked.
    scores
        The study's published scores table: what there is. May be empty.

    Returns
    -------
    Columns ``data``, ``network``, ``asked`` and ``published`` (numbers of runs: strategies times kinds of training),
    ``not run`` (which, in words), ``passes`` (forward passes that these ask for, as the paper would make them) and
    ``hours`` (of training and scoring that they would take on the reference machine's two threads, with everything
    that is shared computed once).
    """
    there = set(zip(*(scores[name] for name in _RUN), strict=True)) if len(scores) else set()
    every = [job for job in jobs.of(plan) if job.kind in ("head", "fine-tuning", "scoring")]
    rows = []
    for data in plan.data:
        for model in plan.networks:
            if model.on and data.name not in model.on:
                continue
            asked = [(strategy, kind) for kind in model.trained_on for strategy in model.strategies]
            missing = [run for run in asked if (data.name, model.name, *run) not in there]
            # Stage 1 has to be trained again where any of the runs that start from it is missing.
            needed = {*missing, *(("head", kind) for _, kind in missing)}
            left = [
                job for job in every if tuple(job.folder.split("/")) in {(data.name, model.name, *r) for r in needed}
            ]
            rows.append(
                {
                    "data": data.name,
                    "network": model.name,
                    "asked": len(asked),
                    "published": len(asked) - len(missing),
                    "not run": ", ".join(f"{strategy} ({kind})" for strategy, kind in missing),
                    "passes": sum(job.cost.passes for job in left),
                    "hours": sum(job.cost.seconds for job in left) / 3600,
                }
            )
    return pd.DataFrame(rows)
