"""What a job reads from disk beside the results of other jobs, and its hash: real data, mask models, weights."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rrr_utils.common import content_hashes, paths
from rrr_utils.common.names import MASKERS
from rrr_utils.common.registry import own
from rrr_utils.study.jobs import Job

# What stands for the hash of a file that a data set names and that is none: a link that leads nowhere, say.
_NO_FILE = "no file"
# Maskers that need a file; its source in data/sources.yaml is called like the masker.
WITH_FILE = tuple(masker for masker in MASKERS if masker != "outlines")


def hashes(job: Job) -> dict[str, str | None]:
    """Return the hash of each thing that ``job`` reads, by name; None of what is not on this machine.

    Of ``images`` and ``outlines`` it is one of what the data set's own reader finds (classes, ids, labels, the order)
    and of the content of every file that it names, so that links are followed as the reader follows them and another
    data set beside it does not count. Of a masker's model and of ``weights`` it is the SHA-256 of the file.
    """
    found: dict[str, str | None] = {}
    if opens_data(job):
        found |= _of_data(job)
    found |= _of_mask_models(job)
    if weights := weights_file(job):
        found["weights"] = _contents([weights])[weights]
    return found


def opens_data(job: Job) -> bool:
    """Return whether ``job`` reads the data set itself: a zoo generates its images, or takes those of masking."""
    parameters = job.parameters
    return "source" in parameters and "ties" not in parameters and parameters["source"] != "confounded"


def dataset(job: Job) -> Any:
    """Return the data set that ``job`` opens, opened as its notebook does."""
    from rrr_utils import datasets  # NumPy, and more for some

    return datasets.open_dataset(job.parameters["source"], paths.data_dir(), job.parameters["options"])


def mask_models(job: Job) -> dict[str, Path]:
    """Return the files of the networks that find objects for ``job``, by the masker's name, whether or not they exist.

    Empty without a folder of data; maskers of one's own are left out.
    """
    from rrr_utils.datasets import sources

    data, asked = paths.data_dir(), [name for name in _maskers(job.parameters) if name in WITH_FILE]
    if data is None or not asked:
        return {}
    known = sources.load()
    return {name: data / known[name].into / file.name for name in asked for file in known[name].files}


def weights_file(job: Job) -> Path | None:
    """Return the file of the weights that the networks of ``job`` start from; None where they are drawn."""
    from rrr_utils.networks import imagenet_files

    asked = job.settings.get("weights")
    if asked == "imagenet":
        return imagenet_files.find(*(job.settings[name] for name in ("architecture", "size", "alpha")))
    return paths.given(asked, paths.data_dir()) if asked is not None else None


def _of_data(job: Job) -> dict[str, str | None]:
    """Return the hash of the images of a job's data set, and that of its outlines if the job reads these."""
    names = ["images", *(["outlines"] if _reads_outlines(job.parameters) else [])]
    try:
        found = dataset(job)
    except FileNotFoundError:
        return dict.fromkeys(names)
    except Exception as error:  # a reader of one's own may fail in any way; the job itself will say how
        return dict.fromkeys(names, f"cannot be opened: {type(error).__name__}")
    facts = (found.classes, found.objects, found.licence, found.pictures, found.notes)
    files = {
        "images": [record.path for record in found.records],
        "outlines": [record.outline for record in found.records],
    }
    known = _contents(path for name in names for path in files[name] if path is not None)
    return {
        name: _together(
            [
                repr(facts),
                *(
                    repr((record.id, record.label, path and (path.name, known[path] or _NO_FILE)))
                    for record, path in zip(found.records, files[name], strict=True)
                ),
            ]
        )
        for name in names
    }


def _of_mask_models(job: Job) -> dict[str, str | None]:
    """Return the hash of each network that finds objects; for maskers of one's own that of all files beside these."""
    asked, data = _maskers(job.parameters), paths.data_dir()
    files = mask_models(job)
    known = _contents(files.values())
    found = {f"model of {name}": known[files[name]] if name in files else None for name in asked if name in WITH_FILE}
    if any(own(masker) for masker in asked):
        beside = [] if data is None else sorted(path for path in (data / "masks").rglob("*") if path.is_file())
        contents = [f"{path.name} {digest}" for path, digest in _contents(beside).items()]
        found["mask models"] = _together(contents) if contents else None
    return found


def _maskers(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return () if "ties" in parameters else tuple(parameters.get("maskers", filter(None, [parameters.get("masks")])))


def _reads_outlines(parameters: Mapping[str, Any]) -> bool:
    """Return whether a job reads the outlines of its data set: masking by a network does not."""
    return parameters.get("masks") not in WITH_FILE


def _contents(files: Iterable[Path]) -> dict[Path, str | None]:
    return content_hashes.of(files, paths.runs() / ".content-hashes")


def _together(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
