"""What an analysis of reliability may be told."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.ranges import Range


@dataclass(frozen=True)
class Options(options.Options):
    """On how many ``mosaics`` of each class measures are compared.

    Asked is whether measures and scores agree, and how far a score moves when the image is hardly changed.
    """

    notebook: ClassVar[str] = "09-reliability"
    # An image as it is, five times disturbed or drawn anew, and the mosaics.
    networks: ClassVar[int] = 7

    mosaics: Annotated[int, Range(2, 100_000)] = 20
