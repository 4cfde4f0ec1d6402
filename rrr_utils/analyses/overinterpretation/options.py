"""What an analysis of overinterpretation may be told."""

from dataclasses import dataclass
from typing import ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.choices import at_least, in_range, one_of
from rrr_utils.common.names import FILLS


@dataclass(frozen=True)
class Options(options.Options):
    """How sure the network is of few pixels.

    ``pixels`` are masked a step, ``shares`` of them kept; a subset of ``threshold`` probability suffices, and up to so
    many ``subsets`` are looked for; ``fills`` are the colours that mask; with ``retrain`` the network is trained anew
    on the first of the shares alone.
    """

    notebook: ClassVar[str] = "08-overinterpretation"

    pixels: int = 100
    shares: tuple[float, ...] = (0.05, 0.1)
    threshold: float = 0.9
    fills: tuple[str, ...] = ("neutral", "black", "mean")
    subsets: int = 3
    retrain: bool = False

    def __post_init__(self) -> None:
        at_least("pixels", self.pixels, 1)
        at_least("subsets", self.subsets, 1)
        for fill in self.fills:
            one_of("fills", fill, FILLS)
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise ValueError(f"`shares` must be a list of shares between 0 and 1, but {list(self.shares)} was passed.")
        in_range("threshold", self.threshold, 0, 1)

    @property
    def afresh(self) -> bool:
        return self.retrain
