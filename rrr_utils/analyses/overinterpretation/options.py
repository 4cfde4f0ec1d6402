"""What an analysis of overinterpretation may be told."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import FILLS
from rrr_utils.common.ranges import Part, Range


@dataclass(frozen=True)
class Options(options.Options):
    """How sure the network is of few pixels.

    ``pixels`` are masked a step, ``shares`` of them kept; a subset of ``threshold`` probability suffices, and up to so
    many ``subsets`` are looked for; ``fills`` are the colours that mask; with ``retrain`` the network is trained anew
    on the first of the shares alone.
    """

    notebook: ClassVar[str] = "08-overinterpretation"

    pixels: Annotated[int, Range(1, 1_000_000)] = 100
    shares: tuple[Part, ...] = (0.05, 0.1)
    threshold: Part = 0.9
    fills: tuple[str, ...] = ("neutral", "black", "mean")
    subsets: Annotated[int, Range(1, 1000)] = 3
    retrain: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for fill in self.fills:
            one_of("fills", fill, FILLS)
        if not self.shares:
            raise ValueError("`shares` must be a list of shares between 0 and 1, but it is empty.")

    @property
    def afresh(self) -> bool:
        return self.retrain
