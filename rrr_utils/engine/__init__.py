"""Passes through a network, as fast as this machine can; the one room that knows backends."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.engine.passes import fastest, forward, start

# Where each name lives; imported on first use.
_HOMES = {
    "fastest": "passes",
    "forward": "passes",
    "start": "passes",
}

__all__ = ["fastest", "forward", "start"]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
