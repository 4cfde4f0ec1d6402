"""Carry stamps over that hold a hash of every whole module: `python -m rrr_utils.convert_stamps STUDY.yaml ...`.

For runs of before stamps held definitions. A stamp that holds under the old rule, on unchanged code, is rewritten by
the new one; what it says of outputs stays. To be run before any module is moved or changed.
"""

import sys
from pathlib import Path
from typing import Any

from rrr_utils import files, job_state, jobs, old_closure, paths, stamps, study


def convert(path: Path) -> tuple[int, int]:
    """Rewrite the stamps of a study's finished runs; return how many were rewritten and how many did not hold."""
    plan = study.load(path)
    folder = paths.runs() / plan.name
    done = left = 0
    for job in jobs.of(plan):
        stamp = folder / job.stamp
        if not stamp.exists():
            continue
        inputs = job_state.inputs_of(job, folder)
        found = files.read_json(stamp)
        if found.get("rule"):
            continue
        if not _holds(found, job, inputs, folder):
            left += 1
            continue
        made_of = stamps.provenance(job_state.template(job), job.parameters, inputs)
        inputs = {name: found["inputs"][name] if value is None else value for name, value in made_of["inputs"].items()}
        kept = {name: found[name] for name in ("outputs", "executed", "made_on")}
        files.write_json(stamp, {**made_of, "inputs": inputs, **kept})
        done += 1
    return done, left


def _holds(found: dict[str, Any], job: jobs.Job, inputs: dict[str, Any], folder: Path) -> bool:
    """Return whether a stamp holds under the old rule: parameters, inputs, whole modules, versions and outputs."""
    notebook = job_state.template(job)
    everything = old_closure.of(notebook)
    code = {name: source.digest for name, source in everything.items()}
    libraries = stamps.versions({name for source in everything.values() for name in source.imports})
    then = {**found["showing"], **found["code"], **found["versions"]}
    now = code | libraries
    same_inputs = all(found["inputs"].get(name) == value for name, value in inputs.items() if value is not None)
    return (
        found["parameters"] == stamps.plain(job.parameters)
        and same_inputs
        and {name: value for name, value in then.items() if name in now or name.endswith((".py", ".ipynb"))} == now
        and found["threads"] == stamps.threads()
        and all(stamps.digest((folder / job.name).parent / name) == found["outputs"][name] for name in job.outputs)
        and stamps.digest(folder / f"{job.name}.ipynb") == found["executed"]
    )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        rewritten, stale = convert(Path(name))
        print(f"{name}: {rewritten} stamps are carried over, {stale} did not hold.")
