"""The face of a room: names that are imported from their modules on first use."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rrr_utils.common.extras import needed


def face(room: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of the package ``room``, which hands out the names in ``homes``.

    ``homes`` holds for each name the module of the room, dotted, in which it stands. TensorFlow takes ten seconds to
    import, so nothing is imported before it is used. Where that needs an extra that is not installed,
    ``ModuleNotFoundError`` says which.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        with needed(f"{room}.{name}"):
            return getattr(importlib.import_module(f"{room}.{homes[name]}"), name)

    def listing() -> list[str]:
        return sorted({*vars(sys.modules[room]), *homes})

    return get, listing
