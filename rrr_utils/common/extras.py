"""Which extra brings a package that is not installed: an import that fails says what to install."""

from collections.abc import Iterator
from contextlib import contextmanager

#: The extra of pyproject.toml that brings each package which the core does without.
EXTRA_OF = {
    **dict.fromkeys(("keras", "tensorflow", "h5py", "threadpoolctl"), "keras"),
    "torch": "torch",
    **dict.fromkeys(("openvino", "onnxruntime"), "masks"),
    "sklearn": "reasons",
    **dict.fromkeys(("statsmodels", "seaborn", "papermill", "nbformat"), "study"),
}


@contextmanager
def needed(what: str) -> Iterator[None]:
    """Where an import inside the block fails for want of an extra, say that ``what`` needs it, and the remedy.

    Raises ``ModuleNotFoundError`` with the name of the module that is missing. Other errors pass unchanged.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        # One that has been said already passes too: what asked first knows best what it is for.
        if package not in EXTRA_OF or "rrr-utils[" in error.msg:
            raise
        raise ModuleNotFoundError(
            f'{what} needs {package}, which is not installed: pip install "rrr-utils[{EXTRA_OF[package]}]"',
            name=error.name,
        ) from error
