"""Networks: built, adopted, cut and stacked."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrr_utils.networks.adoption import adopt
    from rrr_utils.networks.network import NETWORKS, STRATEGIES, Network, build

# Where each name lives; imported on first use.
_HOMES = {
    "NETWORKS": "network",
    "Network": "network",
    "STRATEGIES": "network",
    "adopt": "adoption",
    "build": "network",
}

__all__ = ["NETWORKS", "STRATEGIES", "Network", "adopt", "build"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rrr_utils.networks.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rrr_utils.networks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
