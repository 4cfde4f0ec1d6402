"""Progress of long work: a bar on a terminal or below a cell, a small file for whoever started the notebook."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, TypeVar

EVERY = 1.0

Item = TypeVar("Item")

# What is under way, outermost first: (what, done, total). It is shown, never read by anything that computes.
_levels: list[tuple[str, int, int]] = []
_depth = 0
_written = 0.0
_bar: Any = None


def track(iterable: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items of ``iterable`` and show how many are done.

    With the environment variable ``RRR_PROGRESS`` (a file's path) the state is written there at most once a second;
    otherwise there is a bar on stderr, if that is a terminal or somebody's notebook, unless ``TQDM_DISABLE`` is set or
    pytest runs the notebook (nbval): nobody looks then, and what is printed counts as an output.
    Calls may be nested. ``total`` defaults to the length; without a length only the count is shown.
    """
    global _depth
    total = total if total is not None else len(iterable) if isinstance(iterable, Sized) else 0
    level, _depth = _depth, _depth + 1
    try:
        if "RRR_PROGRESS" not in os.environ:
            yield from _tqdm()(iterable, desc=what, total=total or None, **_look(level))
            return
        _put(level, what, 0, total)
        for done, item in enumerate(iterable, start=1):
            yield item
            _put(level, what, done, total)
    finally:
        _depth = level
        del _levels[level:]


def report(done: int, total: int, what: str) -> None:
    """Show that ``done`` of ``total`` steps of ``what`` are done, where there is no iterable to follow."""
    global _bar
    if "RRR_PROGRESS" in os.environ:
        _put(_depth, what, done, total)
        return
    if _bar is None or _bar.desc.rstrip(": ") != what or done < _bar.n:
        if _bar is not None:
            _bar.close()
        _bar = _tqdm()(desc=what, total=total, **_look(_depth))
        if _bar.disable:
            _bar.desc = what
    _bar.update(done - _bar.n)
    if done >= total:
        _bar.close()
        _bar = None


def read(path: Path | str) -> tuple[float, str]:
    """Return what a progress file says: the share that is done, in [0, 1], and a line of text; (0, "") if none."""
    try:
        levels = json.loads(Path(path).read_text(encoding="utf-8"))["levels"]
        share, words = 0.0, []
        for what, done, total in reversed(levels):
            share = min((done + share) / total, 1.0) if total else 0.0
            words.append(f"{what} {done} of {total}" if total else f"{what} {done}")
        return share, ", ".join(reversed(words))
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, ""


def _tqdm() -> type:
    """Return tqdm's bar without the thread that tqdm starts, and never ends, to watch over bars that stand still."""
    from tqdm import tqdm  # here, since nothing is shown where RRR_PROGRESS is set

    return type("Bar", (tqdm,), {"monitor_interval": 0})


def _look(level: int) -> dict[str, Any]:
    """Return how tqdm shows the bar of a level."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    unseen = os.environ.get("TQDM_DISABLE") or "PYTEST_VERSION" in os.environ
    if type(shell).__name__ == "ZMQInteractiveShell" and not unseen:
        # A cell cannot move its cursor up, so the outermost bar stands alone, and it must not stay in the outputs.
        return {"disable": level > 0, "leave": False}
    return {"disable": None, "position": level, "leave": level == 0}


def _put(level: int, what: str, done: int, total: int) -> None:
    global _written
    _levels[level:] = [(what, done, total)]
    now = time.monotonic()
    if now - _written < EVERY and (level > 0 or done < total):
        return
    _written = now
    path = Path(os.environ["RRR_PROGRESS"])
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(json.dumps({"levels": _levels}), encoding="utf-8")
        draft.replace(path)
    except OSError:
        # A bar that cannot be shown, on a full disk for example, must not stop the work that it shows.
        return
