"""Names that become folders of a study's runs, and what its jobs make in them: no two may meet."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rrr_utils.study.jobs import Job

# Two of them stand in one file's name, with more, and a file system takes 255 letters.
LONGEST = 64
# What a study's own folder holds beside its data sets: the tables of all runs, and the book that is built of them.
RESERVED = {"summary": "the tables of all runs", "book": "the study's own book"}
# Files that jobs write into the folders of data sets and runs.
_ENDINGS = (".ipynb", ".json", ".npy", ".npz", ".parquet", ".csv")


def check(name: str) -> None:
    """Raise ``ValueError`` unless ``name`` can become a folder of the runs."""
    if not name or not all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in name):
        raise ValueError(f"a `name` becomes a folder: letters, digits, '-', '_' and '.' only, but {name!r} was passed.")
    if name.startswith((".", "-")):
        raise ValueError(f"a `name` must not start with a dot or a hyphen, but {name!r} was passed.")
    if len(name) > LONGEST:
        raise ValueError(
            f"a `name` may have {LONGEST} letters, but {name[:20]!r}... has {len(name)}. Take a shorter one."
        )
    if "--" in name:
        raise ValueError(f"a `name` must not hold '--', which stands between names in files, but {name!r} was passed.")
    if name.casefold().endswith(_ENDINGS):
        raise ValueError(f"a `name` must not end like a file that a study writes ({', '.join(_ENDINGS)}): {name!r}.")


def check_data(name: str) -> None:
    """Raise ``ValueError`` if ``name``, of a data set, is one of what else lies in the study's folder."""
    if name.casefold() in RESERVED:
        raise ValueError(
            f"the `name` {name!r} of a data set is reserved: {name.casefold()}/ in the study's folder holds "
            f"{RESERVED[name.casefold()]}. Take another one."
        )


def same_folder(names: Sequence[str]) -> int | None:
    """Return the place of the first of ``names`` that is an earlier one again, as disks without upper case have it."""
    folded = [name.casefold() for name in names]
    return next((place for place, name in enumerate(folded) if name in folded[:place]), None)


def check_jobs(jobs: Iterable["Job"]) -> None:
    """Raise ``ValueError`` that names both if two jobs would write the same file, or one into a folder of another's.

    What a job makes anew it deletes first, so this is asked before anything runs. Upper case does not count.
    """
    made: dict[PurePosixPath, str] = {PurePosixPath(name): f"the study ({what})" for name, what in RESERVED.items()}
    del made[PurePosixPath("summary")]  # the job of the figures promises it
    files: dict[str, str] = {}
    for job in jobs:
        name = job.name.replace("/", "--").casefold()
        if files.setdefault(name, job.name) != job.name:
            raise ValueError(f"jobs {files[name]!r} and {job.name!r} would share the files called {name}. Rename one.")
        for path in _places(job):
            if made.setdefault(path, job.name) != job.name:
                raise ValueError(_meet(job.name, made[path], path))
    for path, owner in made.items():
        for above in path.parents:
            if made.get(above, owner) != owner:
                raise ValueError(_meet(owner, made[above], path))


def _places(job: "Job") -> list[PurePosixPath]:
    """Return what a job writes, relative to the study's folder, in lower case."""
    own = (f"{job.notebook}.ipynb", f"{job.notebook}.failed.ipynb", f"{job.notebook}.stamp.json")
    hidden = [f".{job.notebook}.{ending}" for ending in ("begun.json", "lock", "running.ipynb")]
    return [PurePosixPath(f"{job.folder}/{name}".casefold().lstrip("/")) for name in (*job.outputs, *own, *hidden)]


def _meet(one: str, other: str, path: PurePosixPath) -> str:
    return (
        f"{one!r} and {other!r} would both write {path}; one would delete what the other made. Rename a data set or "
        "a network, or leave one of them out."
    )
