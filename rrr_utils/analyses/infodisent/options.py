"""What an analysis by InfoDisent may be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, get_args

from rrr_utils.analyses import options
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import OPTIMIZERS
from rrr_utils.common.ranges import Batch, Epochs, Range, Rate

_TRAINING = {"epochs": 30, "optimizer": "adam", "rate": 1e-3, "batch": 32}


@dataclass(frozen=True)
class Options(options.Options):
    """How a disentangled head and two plain ones are trained on the run's frozen backbone.

    As ``training`` says (epochs, optimizer, rate, batch); so many ``prototypes`` of each channel are kept.
    """

    notebook: ClassVar[str] = "12-infodisent"
    networks: ClassVar[int] = 3

    prototypes: Annotated[int, Range(1, 1000)] = 5
    training: Mapping[str, Any] = field(default_factory=lambda: dict(_TRAINING))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.training:
            one_of("training", name, _TRAINING)
        missing = [name for name in _TRAINING if name not in self.training]
        if missing:
            raise ValueError(f"`training` must have {list(_TRAINING)}, but lacks {missing}.")
        one_of("optimizer", self.training["optimizer"], OPTIMIZERS)
        for name, kind in (("epochs", Epochs), ("rate", Rate), ("batch", Batch)):
            number, limit = get_args(kind)
            limit.check(f"training.{name}", self.training[name], number)

    def parameters(self) -> dict[str, Any]:
        """Return the prototypes, and each part of ``training`` by its own name."""
        return {"prototypes": self.prototypes, **self.training}
