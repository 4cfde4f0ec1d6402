"""Passes through a network, as fast as this machine can; the one room that knows backends."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.engine.passes import fastest, forward, start

# Where each name lives; imported on first use.
_HOMES = {
    "fastest": "passes",
    "forward": "passes",
    "start": "passes",
}

__all__ = ["fastest", "forward", "start"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.engine.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.engine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
