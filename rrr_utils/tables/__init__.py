"""Tables: their schemas, written whole, read by name."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.tables.parquet import read, write

# Where each name lives; imported on first use.
_HOMES = {
    "read": "parquet",
    "write": "parquet",
}

__all__ = ["read", "write"]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
