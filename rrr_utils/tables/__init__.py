"""Tables: their schemas, written whole, read by name."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.tables.parquet import read, write

# Where each name lives; imported on first use.
_HOMES = {
    "read": "parquet",
    "write": "parquet",
}

__all__ = ["read", "write"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.tables.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.tables' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
