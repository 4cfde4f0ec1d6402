"""What an analysis of convergence may be told."""

from dataclasses import dataclass
from typing import ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.choices import at_least


@dataclass(frozen=True)
class Options(options.Options):
    """In how many random ``orders`` AvgScore is followed image by image."""

    notebook: ClassVar[str] = "06-convergence"

    orders: int = 100

    def __post_init__(self) -> None:
        at_least("orders", self.orders, 2)
