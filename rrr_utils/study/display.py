"""What a running study shows: bars on a terminal, a line now and then elsewhere."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rrr_utils.common import progress
from rrr_utils.study import costs, jobs, worker

# Seconds between two lines where there is no terminal: from the first to the second number, a fifth more each time.
EVERY, SELDOM = 15.0, 600.0


class Display:
    """Follow the jobs ``left`` of the study in ``folder``; ``seconds`` is what the plan expects of each."""

    def __init__(self, folder: Path, left: Sequence[jobs.Job], seconds: Mapping[str, float], slots: int) -> None:
        self.folder, self.left, self.seconds, self.slots = folder, left, dict(seconds), slots
        self.needs = {job.name: job.needs for job in left}
        self.terminal = sys.stdout.isatty()
        self.ended: dict[str, float] = {}
        self.drawn = 0
        self.shown, self.pause = -EVERY, EVERY
        self.said: tuple[int, str] | None = None

    def show(self) -> None:
        """Print the jobs that have ended since the last call, and how far the running ones are."""
        states = {job.name: worker.read_state(self.folder, job) for job in self.left}
        self._erase()
        for name, state in states.items():
            if state.get("state") in ("done", "same") and name not in self.ended:
                self.ended[name] = float(state["seconds"])
                took = (
                    f"done in {duration(state['seconds'])}"
                    if state["state"] == "done"
                    else "still holds, not run again"
                )
                print(f"  {name}: {took}", flush=True)
        running = {name: state for name, state in states.items() if state.get("state") == "running"}
        left = self.time_left(running)
        head = f"{len(self.ended)} of {len(self.left)} done, about {duration(left)} left"
        if self.terminal:
            self._draw([f"  {head}", *(f"  {self._line(job, running)}" for job in self.left if job.name in running)])
        elif time.monotonic() - self.shown >= self.pause:
            words = "; ".join(self._words(job) for job in self.left if job.name in running)
            if (said := (len(self.ended), words)) != self.said:
                self.said, self.shown, self.pause = said, time.monotonic(), min(1.2 * self.pause, SELDOM)
                print(f"{time.strftime('%H:%M:%S')}  {head}{'; running: ' + words if words else ''}", flush=True)

    def end(self) -> None:
        """Print what ended last and take the bars away."""
        self.shown = time.monotonic()
        self.show()
        self._erase()

    def time_left(self, running: Mapping[str, Mapping[str, Any]]) -> float:
        """Return the seconds that are left, by the plan, corrected by how long the jobs that have ended took."""
        measured = [(seconds, self.seconds[name]) for name, seconds in self.ended.items() if seconds > 0]
        # One job of the plan's own expectation counts as well, so that a first short job does not decide all.
        mean = sum(self.seconds.values()) / len(self.seconds)
        factor = (sum(took for took, _ in measured) + mean) / (sum(planned for _, planned in measured) + mean)
        left = {}
        for job in self.left:
            if job.name not in self.ended:
                expected = self.seconds[job.name] * factor
                passed = time.time() - running[job.name]["began"] if job.name in running else 0.0
                share = progress.read(worker.now_file(self.folder, job))[0] if job.name in running else 0.0
                # What a job says of itself is of one loop: it may lengthen the plan's expectation, not shorten it.
                left[job.name] = max(expected - passed, passed * (1 - share) * 0.1)
        return costs.wall_time(left, self.needs, self.slots)

    def _line(self, job: jobs.Job, running: Mapping[str, Mapping[str, Any]]) -> str:
        share, words = progress.read(worker.now_file(self.folder, job))
        if not words:  # the notebook has not said anything yet: the plan's expectation stands in
            share = min((time.time() - running[job.name]["began"]) / self.seconds[job.name], 0.95)
        bar = "█" * round(20 * share) + "·" * (20 - round(20 * share))
        return f"{bar} {duration(time.time() - running[job.name]['began']):>6}  {job.name}  {words}"

    def _words(self, job: jobs.Job) -> str:
        share, words = progress.read(worker.now_file(self.folder, job))
        return f"{job.name} {share:.0%} ({words})" if words else job.name

    def _draw(self, lines: list[str]) -> None:
        columns = shutil.get_terminal_size().columns
        for line in lines:
            print(line[: columns - 1])
        sys.stdout.flush()
        self.drawn = len(lines)

    def _erase(self) -> None:
        if self.drawn:
            print(f"\x1b[{self.drawn}A\x1b[J", end="")
            self.drawn = 0


def duration(seconds: float) -> str:
    """Return seconds as text: ``45 s``, ``3 min``, ``5.2 h``, ``3.1 d``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} d"


def size(number: float) -> str:
    """Return bytes as text: ``20 kB``, ``3 MB``, ``1.2 GB``."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number / 1e3:.0f} kB"
