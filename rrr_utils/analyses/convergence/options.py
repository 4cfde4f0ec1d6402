"""What an analysis of convergence may be told."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.ranges import Range


@dataclass(frozen=True)
class Options(options.Options):
    """In how many random ``orders`` AvgScore is followed image by image."""

    notebook: ClassVar[str] = "06-convergence"

    orders: Annotated[int, Range(2, 100_000)] = 100
