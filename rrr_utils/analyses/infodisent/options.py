"""What an analysis by InfoDisent may be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.choices import at_least, one_of
from rrr_utils.common.names import OPTIMIZERS

_TRAINING = {"epochs": 30, "optimizer": "adam", "rate": 1e-3, "batch": 32}


@dataclass(frozen=True)
class Options(options.Options):
    """How a disentangled head and two plain ones are trained on the run's frozen backbone.

    As ``training`` says (epochs, optimizer, rate, batch); so many ``prototypes`` of each channel are kept.
    """

    notebook: ClassVar[str] = "12-infodisent"
    networks: ClassVar[int] = 3

    prototypes: int = 5
    training: Mapping[str, Any] = field(default_factory=lambda: dict(_TRAINING))

    def __post_init__(self) -> None:
        at_least("prototypes", self.prototypes, 1)
        for name in self.training:
            one_of("training", name, _TRAINING)
        missing = [name for name in _TRAINING if name not in self.training]
        if missing:
            raise ValueError(f"`training` must have {list(_TRAINING)}, but lacks {missing}.")
        one_of("optimizer", self.training["optimizer"], OPTIMIZERS)
        whole = all(type(self.training[name]) is int and self.training[name] >= 1 for name in ("epochs", "batch"))
        if not whole or not isinstance(self.training["rate"], float) or not 0 < self.training["rate"] < 10:
            raise ValueError(
                "`training` must have whole numbers of `epochs` and `batch`, at least 1, and a `rate` between 0 and 10 "
                f"written like 1.0e-3, but {dict(self.training)} was passed."
            )

    def parameters(self) -> dict[str, Any]:
        """Return the prototypes, and each part of ``training`` by its own name."""
        return {"prototypes": self.prototypes, **self.training}
