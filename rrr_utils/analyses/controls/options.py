"""What an analysis of controls may be told: nothing."""

from dataclasses import dataclass
from typing import ClassVar

from rrr_utils.analyses import options


@dataclass(frozen=True)
class Options(options.Options):
    """Maps that know nothing, networks whose weights are random, other normalisations, the authors' protocol."""

    notebook: ClassVar[str] = "07-controls"
    # Random weights from the head to the first block, the trained ones, their signed maps, and the authors' protocol.
    networks: ClassVar[int] = 9
