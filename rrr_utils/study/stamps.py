"""A run's completion stamp: what it was made of, so that it is known whether it has to be made again."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rrr_utils.common import files
from rrr_utils.study import notebook_code

# How code is hashed: by the definitions that a notebook reaches, wherever they stand.
_RULE = 2
_BACKENDS = ("tensorflow", "jax", "torch")
_DISTRIBUTIONS = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "pyyaml"}


def provenance(notebook: Path, parameters: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a run's results: parameters, inputs, code, versions, and the number of threads.

    ``code`` holds a hash for the notebook's code cells and for each definition that these reach (see
    :mod:`rrr_utils.study.notebook_code`), by where it stands, which is for messages: where it stands, and under which
    imports, does not count. ``versions`` holds the libraries which that code uses. ``showing`` holds both for what the
    notebook needs to draw and to sum up. The same state gives the same value: there are no times and no paths in it.
    """
    computing = notebook_code.of(notebook, parameters, showing=False)
    everything = notebook_code.of(notebook, parameters)
    libraries = versions(computing.libraries)
    known = set(computing.definitions.values())
    return {
        "rule": _RULE,
        "parameters": plain(parameters),
        "inputs": plain(inputs),
        "code": dict(computing.definitions),
        "versions": libraries,
        "threads": threads(),
        "showing": {
            "code": {name: digest for name, digest in everything.definitions.items() if digest not in known},
            "versions": {
                name: version for name, version in versions(everything.libraries).items() if name not in libraries
            },
        },
    }


def computing(made_of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a provenance that decides the numbers: all but the code that only shows them.

    Of the code only what it does remains, not where it stands.
    """
    found = {name: made_of.get(name) for name in ("parameters", "inputs", "versions", "threads")}
    return found | {"code": sorted(set((made_of.get("code") or {}).values()))}


def intact(stamp: Path, executed: Path, made_of: Mapping[str, Any], outputs: Iterable[str]) -> bool:
    """Return whether a stamp was made by the same computation as ``made_of`` and its outputs are as it left them.

    Then a run that has to be made again, because its figures changed, need not compute what it finds.
    """
    try:
        found = files.read_json(stamp)
        same = computing(found) == computing(made_of)
        return same and not any(_altered(executed.parent, name, found["outputs"]) for name in outputs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def stale(stamp: Path, executed: Path, expected: Mapping[str, Any], outputs: Iterable[str]) -> str:
    """Return why a run has to be made again, or "" if its stamp, its outputs and ``expected`` agree.

    ``expected`` is what :func:`provenance` returns now. A torn stamp, a missing or altered output, a changed
    parameter, module, input, library version or number of threads are each a reason, named with the first difference.
    """
    if not stamp.exists():
        return "not run yet" if not executed.exists() else "it has no stamp: it did not end"
    try:
        found = files.read_json(stamp)
        if not isinstance(found, dict) or not isinstance(found["outputs"], dict):
            raise ValueError("it is no stamp")
        if isinstance(found.get("code"), dict) and found.get("rule") != _RULE:
            return "its stamp is of an older form"
        shown, now = found["showing"], expected["showing"]
        for singular, names in (
            ("parameter", _differences(found["parameters"], expected["parameters"])),
            ("code of", _other_code(found["code"], expected["code"])),
            ("input", _differences(found["inputs"], here(expected["inputs"], found["inputs"]))),
            ("version of", _differences(found["versions"], expected["versions"])),
            ("only to show results:", _other_code(shown["code"], now["code"])),
            ("only to show results: version of", _differences(shown["versions"], now["versions"])),
        ):
            if names:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                return f"{singular} {names[0]} changed{more}"
        if found["threads"] != expected["threads"]:
            return f"it ran with {found['threads']} thread(s), now it is {expected['threads']}"
        for name in outputs:
            if reason := _altered(executed.parent, name, found["outputs"]):
                return reason
        if not executed.exists():
            return f"{executed.name} is missing"
        if digest(executed) != found["executed"]:
            return f"{executed.name} was altered"
    except (ValueError, KeyError, TypeError):
        return "its stamp is torn"
    return ""


def write(stamp: Path, executed: Path, made_of: Mapping[str, Any], outputs: Iterable[str]) -> None:
    """Write the stamp of a run that has ended: ``made_of`` with the hashes of its outputs. Written last, atomically.

    Raises ``FileNotFoundError`` that names the output which the notebook promised and did not write.
    """
    missing = [name for name in outputs if "*" not in name and not (executed.parent / name).exists()]
    if missing:
        raise FileNotFoundError(
            f"{executed.name} ran to its end, but did not write {missing} into {executed.parent}. The notebook must "
            "write every output that rrr_utils/study/jobs.py lists for it; the run is not counted as done."
        )
    hashes = {name: digest(executed.parent / name) for name in outputs}
    machine = {"system": platform.system(), "machine": platform.machine(), "processor": _processor()}
    files.write_json(stamp, {**made_of, "outputs": hashes, "executed": digest(executed), "made_on": machine})


def here(inputs: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``inputs`` with what is ``recorded`` in the place of None: data that are not on this machine.

    What was computed where they are counts here too.
    """
    return {
        name: recorded.get(name) if now is None else now
        for name, now in inputs.items()
        if now is not None or name in recorded
    }


def completed(made_of: Mapping[str, Any], record: Path) -> dict[str, Any]:
    """Return ``made_of`` with the inputs that are not here as the file ``record`` has them, a stamp for example."""
    try:
        return {**made_of, "inputs": here(made_of["inputs"], files.read_json(record)["inputs"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return dict(made_of)


def outputs_of(stamp: Path) -> dict[str, Any]:
    """Return the hashes of the outputs that a stamp records, which are the inputs of the next run."""
    return dict(files.read_json(stamp)["outputs"])


def places(folder: Path, output: str) -> list[Path]:
    """Return where an output lies in ``folder``; of a pattern the files there that it stands for."""
    return sorted(folder.glob(output)) if "*" in output else [folder / output]


def digest(path: Path) -> str | dict[str, str]:
    """Return a file's SHA-256; of a folder or a pattern that of each file in it, hidden ones left out."""
    if not path.is_dir() and "*" not in path.name:
        return files.sha256(path)
    base, pattern = (path.parent, path.name) if "*" in path.name else (path, "**/*")
    inside = {entry.relative_to(base).as_posix(): entry for entry in base.glob(pattern) if entry.is_file()}
    return {
        name: files.sha256(inside[name])
        for name in sorted(inside)
        if not any(part.startswith(".") for part in name.split("/"))
    }


def threads() -> int:
    """Return the number of threads that a run may use, ``$RRR_THREADS``, by default 1."""
    return int(os.environ.get("RRR_THREADS") or 1)


def backend() -> str:
    """Return the Keras backend that a run computes with, ``$KERAS_BACKEND``, by default TensorFlow."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def versions(imported: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of third-party libraries by the names under which they are imported.

    With Keras also its backend's: of TensorFlow, JAX and PyTorch the one that Keras runs on, and no other.
    """
    names = set(imported)
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    if "keras" in names:
        # The engine imports whichever backend Keras runs on; the others decide nothing, installed or not.
        names = names - set(_BACKENDS) | {backend()}
    for name in sorted(names - set(sys.stdlib_module_names)):
        for distribution in (_DISTRIBUTIONS.get(name, name), f"{name}-cpu"):
            try:
                found[name] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def _altered(folder: Path, name: str, recorded: Mapping[str, Any]) -> str:
    if name not in recorded:
        return f"output {name} is not in its stamp"
    if "*" not in name and not (folder / name).exists():
        return f"output {name} is missing"
    return f"output {name} was altered" if digest(folder / name) != recorded[name] else ""


def _differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*found, *expected} if found.get(name, ...) != expected.get(name, ...))


def _other_code(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return where code stands that does something else; the same code in another place is no difference."""
    there = set(found.values())
    changed = [name for name, digest in expected.items() if digest not in there]
    # Definitions that merely refer to a changed one come after it.
    changed.sort(key=lambda name: (expected[name].partition(".")[0] in {d.partition(".")[0] for d in there}, name))
    return changed or sorted(name for name, digest in found.items() if digest not in set(expected.values()))


def plain(value: Any) -> Any:
    """Return ``value`` as JSON has it, so that what is compared is what was written."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
