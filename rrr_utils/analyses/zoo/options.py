"""What an analysis by a zoo of models may be told."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.choices import several
from rrr_utils.common.names import TRAINED_ON
from rrr_utils.common.ranges import Epochs, Images, Range, Share

# Images as they are or changed; or as they are, with a remedy's penalty on what explanations show.
KINDS = (*TRAINED_ON, "right-reasons", "cam-energy")


@dataclass(frozen=True)
class Options(options.Options):
    """Which models like the run's are trained, and after which epochs they are measured.

    On data whose background is tied to the class with each of the probabilities ``ties`` (0: photographs as they are),
    on each of the ``kinds`` of images or with the remedy of that name, on so many ``training_images`` (none: all);
    measured after each of the epochs ``checkpoints`` (none: the last), with insertion and deletion in so many
    ``steps``.
    """

    notebook: ClassVar[str] = "10-zoo"
    opens_data: ClassVar[bool] = True

    ties: tuple[Share, ...] = (0.5, 1.0)
    kinds: tuple[str, ...] = TRAINED_ON
    training_images: tuple[Images, ...] = ()
    checkpoints: tuple[Epochs, ...] = ()
    steps: Annotated[int, Range(2, 10_000)] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ties:
            raise ValueError("`ties` must be a list of probabilities from 0 to 1, but it is empty.")
        several("kinds", self.kinds, KINDS)
        for name in ("ties", "training_images", "checkpoints"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"`{name}` must not repeat a value, but {list(values)} was passed.")

    @property
    def afresh(self) -> bool:
        return True

    def check(self, epoch: int, epochs: int) -> None:
        if max(self.checkpoints, default=0) > epoch:
            raise ValueError(
                f"`checkpoints` must not be later than `epoch`, {epoch}, but {list(self.checkpoints)} was passed."
            )
