"""Networks: built, adopted, cut and stacked."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.networks.adoption import adopt
    from rrr_utils.networks.network import Network, build

# Where each name lives; imported on first use.
_HOMES = {
    "Network": "network",
    "adopt": "adoption",
    "build": "network",
}

__all__ = ["Network", "adopt", "build"]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
