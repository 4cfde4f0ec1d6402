"""What an analysis of remedies may be told."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import BACKGROUNDS, COMPOSED, REMEDIES
from rrr_utils.common.ranges import Range


@dataclass(frozen=True)
class Options(options.Options):
    """With which ``remedies`` the network is trained anew, for the run's own epochs, and scored.

    Strengths of penalties are chosen among ``factors``, and accuracy is measured behind ``backgrounds``.
    """

    notebook: ClassVar[str] = "11-remedies"

    remedies: tuple[str, ...] = REMEDIES
    factors: tuple[Annotated[float, Range(0, 1_000_000, ends=False)], ...] = (0.01, 0.1, 1.0, 10.0, 100.0)
    backgrounds: tuple[str, ...] = COMPOSED

    def __post_init__(self) -> None:
        super().__post_init__()
        for remedy in self.remedies:
            one_of("remedies", remedy, REMEDIES)
        for background in self.backgrounds:
            one_of("backgrounds", background, BACKGROUNDS)
        if "plain" not in self.remedies:
            raise ValueError(f"`remedies` must name 'plain', with which the others are compared, but {self.remedies}.")
        if not self.factors:
            raise ValueError("`factors` must be a list of numbers above 0, but it is empty.")

    @property
    def afresh(self) -> bool:
        # A choice among strengths holds images out.
        return len(self.factors) > 1

    def check(self, epoch: int, epochs: int) -> None:
        if epoch != epochs:
            raise ValueError(f"remedies are trained for the run's {epochs} epochs, so `epoch` must be {epochs}.")
