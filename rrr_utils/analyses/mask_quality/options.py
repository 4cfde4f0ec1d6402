"""What an analysis of the masks may be told."""

from dataclasses import dataclass
from typing import ClassVar

from rrr_utils.analyses import options
from rrr_utils.common import names, registry

# `box` is the bounding box of the hand-made outline, in place of the silhouette.
MASKERS = (*(name for name in names.MASKERS if name != "outlines"), "box")


@dataclass(frozen=True)
class Options(options.Options):
    """Which ``maskers`` are compared with the hand-made masks, and the scores under both."""

    notebook: ClassVar[str] = "05-mask-quality"
    opens_data: ClassVar[bool] = True

    maskers: tuple[str, ...] = ("deeplab",)

    def __post_init__(self) -> None:
        super().__post_init__()
        for masker in self.maskers:
            registry.check("maskers", masker, MASKERS)
        if not self.maskers:
            raise ValueError(f"`maskers` must name at least one of {list(MASKERS)}, but the list is empty.")
