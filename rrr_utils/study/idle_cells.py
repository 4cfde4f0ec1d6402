"""A cell that neither computes nor says anything for long is stuck: its kernel is stopped."""

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # which ipykernel brings

# Seconds; a study's longest silence without work, the start of a kernel on a busy machine, is below a minute.
DEFAULT = 3600.0
# Of one core: below this a process waits. A kernel that does nothing takes a thousandth.
_BUSY = 0.01


def limit() -> float:
    """Return ``$RRR_CELL_TIMEOUT`` in seconds, by default an hour; infinite for 0.

    Raises ``ValueError`` where it is not a number of at least 0.
    """
    text = os.environ.get("RRR_CELL_TIMEOUT", "")
    try:
        seconds = float(text) if text else DEFAULT
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise ValueError(f"RRR_CELL_TIMEOUT must be a number of seconds, 0 for no limit, but it is {text!r}.")
    return seconds or math.inf


class Watch:
    """Stops the kernels that this process started once they have neither worked nor said anything for ``seconds``.

    It stands in for the files to which papermill copies what a cell prints. ``stopped`` says whether it did.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.stopped = seconds, False
        self._last = time.monotonic()
        self._ended = threading.Event()

    def write(self, text: str) -> None:
        """Take what a cell prints for a sign of life."""
        self._last = time.monotonic()

    def flush(self) -> None:
        """Do nothing, as files that are not buffered."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watch while the block runs."""
        thread = threading.Thread(target=self._watch, daemon=True)
        if self.seconds < math.inf:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            if thread.ident is not None:
                thread.join()

    def _watch(self) -> None:
        tick = min(self.seconds / 10, 10.0)
        before, said = 0.0, 0.0
        while not self._ended.wait(tick):
            kernels = _below()
            worked, now = sum(map(_seconds, kernels)), _progress()
            # A process that has ended takes its seconds with it, which is a sign of life as well.
            if abs(worked - before) > _BUSY * tick or now != said:
                self._last = time.monotonic()
            before, said = worked, now
            if time.monotonic() - self._last > self.seconds and kernels:
                self.stopped = True
                for kernel in kernels:
                    with contextlib.suppress(psutil.Error):
                        kernel.kill()
                return


def _below() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _seconds(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:2])
    except psutil.Error:
        return 0.0


def _progress() -> float:
    """Return when the notebook last said how far it is."""
    try:
        return Path(os.environ["RRR_PROGRESS"]).stat().st_mtime
    except (KeyError, OSError):
        return 0.0
