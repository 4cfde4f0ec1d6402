"""InfoDisent: a head of orthogonal channels, one pixel each, whose answer is a short sum (arXiv 2409.10329)."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.infodisent.checking import Exactness, exactness
    from rrr_utils.infodisent.examining import TABLES, examine_run, heads_of
    from rrr_utils.infodisent.explaining import Reason, two_sided
    from rrr_utils.infodisent.heads import HEADS, attach
    from rrr_utils.infodisent.layers import ExtremePooling, OrthogonalChannels
    from rrr_utils.infodisent.maps import DESIGNS, InfoDisent

# Where each name lives. Keras takes ten seconds to import, and a page that reads tables does without.
_HOMES = {
    "DESIGNS": "maps",
    "HEADS": "heads",
    "TABLES": "examining",
    "Exactness": "checking",
    "ExtremePooling": "layers",
    "InfoDisent": "maps",
    "OrthogonalChannels": "layers",
    "Reason": "explaining",
    "attach": "heads",
    "examine_run": "examining",
    "exactness": "checking",
    "heads_of": "examining",
    "two_sided": "explaining",
}

__all__ = [
    "DESIGNS",
    "HEADS",
    "TABLES",
    "Exactness",
    "ExtremePooling",
    "InfoDisent",
    "OrthogonalChannels",
    "Reason",
    "attach",
    "exactness",
    "examine_run",
    "heads_of",
    "two_sided",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.infodisent.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.infodisent' has no attribute {name!r}")
