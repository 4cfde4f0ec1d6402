"""Where things are: the project, its runs, the data."""

import os
from pathlib import Path


def root() -> Path:
    """Return the project's folder: ``$RRR_ROOT``, else the folder above this package or the working directory.

    Raises ``FileNotFoundError`` with the remedy if none of them holds the project's ``pyproject.toml``.
    """
    if "RRR_ROOT" in os.environ:
        return Path(os.environ["RRR_ROOT"]).resolve()
    here = Path.cwd().resolve()
    for folder in (Path(__file__).resolve().parents[2], here, *here.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise FileNotFoundError(
        f"The project's folder was not found above {here}. Run the command inside a clone of the project, or set "
        "RRR_ROOT to the clone's folder."
    )


def runs() -> Path:
    """Return the folder of all runs: ``$RRR_RUNS``, else ``runs`` in the project. It need not exist yet."""
    return _from_environment("RRR_RUNS") or root() / "runs"


def shared_arrays(study: str) -> Path:
    """Return the folder of arrays that the trainings of ``study`` share; it is deleted when the study is done."""
    return runs() / study / ".shared"


def run_of(study: str) -> Path:
    """Return the folder of the runs of ``study``, made if need be; ``OSError`` if nothing can be written there."""
    folder = runs() / study
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("it is read-only")
    except OSError as error:
        raise OSError(
            f"Nothing can be written to {folder} ({error.strerror or error}). Let RRR_RUNS name a folder of yours: "
            "runs go there."
        ) from error
    return folder


def results(study: str) -> Path:
    """Return the folder of the published tables of ``study``, ``data/results/<study>`` in the project."""
    return root() / "data" / "results" / study


def data_dir() -> Path | None:
    """Return the folder of real data, ``$RRR_DATA_DIR``, or None where it is not set."""
    return _from_environment("RRR_DATA_DIR")


def given(value: Path | str, data: Path | str | None) -> Path:
    """Return the path that a study or an option names: ``~`` is the home, and a whole path is itself.

    A relative one counts from ``data``, the folder of real data, else from the project, and where there is neither from
    the working directory: not from that of a kernel, which is the notebook's own folder.
    """
    path = Path(value).expanduser()
    if path.is_absolute():
        return path
    if data is not None:
        return Path(data) / path
    try:
        return root() / path
    except FileNotFoundError:
        return path


def _from_environment(name: str) -> Path | None:
    if not os.environ.get(name):
        return None
    path = Path(os.environ[name]).expanduser()
    # A relative path is meant from the project: a kernel's working directory is the notebook's own folder. A whole
    # one needs no project, so that the package alone can be used anywhere.
    return path if path.is_absolute() else root() / path
