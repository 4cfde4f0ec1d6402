"""What the jobs that are left need and this machine lacks: data, mask models, weights, room on disk and in memory."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from rrr_utils.common import paths
from rrr_utils.study import costs, inputs
from rrr_utils.study.display import size
from rrr_utils.study.jobs import Job

# A kernel with TensorFlow and a small network has 0.76 GB, of which others share a part.
KERNEL = 600e6


def of(left: Sequence[Job], slots: int) -> list[str]:
    """Return a sentence, with the remedy, for each thing without which the jobs ``left`` would fail.

    ``slots`` notebooks run at once. The data are opened as the jobs open them; images are not decoded.
    """
    found = [*(each for job in left for each in files(job)), *_room(left, slots)]
    return list(dict.fromkeys(" ".join(each.split()) for each in found))


def doubts(left: Iterable[Job]) -> list[str]:
    """Return a sentence for each mask model and weights file whose hash is not the known one of its name."""
    from rrr_utils.networks import imagenet_files

    used = {path for job in left for path in (*inputs.mask_models(job).values(), inputs.weights_file(job))}
    return [said for path in sorted(filter(None, used)) if path.is_file() and (said := imagenet_files.doubt(path))]


def files(job: Job) -> list[str]:
    """Return what ``job`` reads and is not here, a sentence each; a masker that an analysis can leave out is none."""
    from rrr_utils.networks import imagenet_files

    lacks = []
    if inputs.opens_data(job):
        try:
            inputs.dataset(job)
        except Exception as error:  # a reader of one's own may fail in any way
            lacks.append(f"The images of {job.folder.split('/')[0]}: {error or type(error).__name__}")
    if (masker := job.parameters.get("masks")) in inputs.WITH_FILE:
        path = inputs.mask_models(job).get(masker)
        if path is None or not path.is_file():
            where = "no folder of data is set (RRR_DATA_DIR)" if path is None else f"there is no {path}"
            lacks.append(f"The model of masker {masker}: {where}: `rrr fetch {masker}` gets it.")
    weights = inputs.weights_file(job)
    if weights is not None and not weights.is_file():
        asked = job.settings["weights"]
        known = asked == "imagenet"
        lacks.append(
            f"{imagenet_files.lacking(weights)}." if known else f"There are no weights {weights}, named {asked}."
        )
    return lacks


def _room(left: Sequence[Job], slots: int) -> list[str]:
    found = []
    disk, folder = costs.on_disk(job.cost for job in left), _existing(paths.runs())
    if (free := shutil.disk_usage(folder).free) < disk:
        found.append(
            f"Disk: the study takes about {size(disk)}, and {folder} has {size(free)} free. Free some space, or let "
            "RRR_RUNS name a folder on another disk."
        )
    at_once = min(slots, len(left))
    memory = at_once * KERNEL
    if (there := _memory()) is not None and there < memory:
        found.append(
            f"Memory: {at_once} notebook(s) at once take {size(memory)} at least, and {size(there)} are free. Run "
            f"fewer at once, `JOBS={max(int(there // KERNEL), 1)}`, or end other programs."
        )
    return found


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _memory() -> int | None:
    """Return the bytes of memory that are free, on Linux, where a container may have less; None elsewhere."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        most, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        return min(free, max(most - used, 0))
    except (OSError, ValueError):  # no group, or one without a limit
        return free
