"""What a kind of analysis may be told: what the options of all rooms share."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from rrr_utils.common import ranges


@dataclass(frozen=True)
class Options:
    """The options of a kind of analysis, which refuse impossible values with ``ValueError``.

    The range of a number stands in its type, see :mod:`rrr_utils.common.ranges`.

    Modules of options import nothing that is slow: a plan reads them.

    Attributes
    ----------
    notebook
        The name of the notebook that answers.
    opens_data
        Whether it opens the data set itself, beside the prepared images.
    networks
        How many networks a seed are explained, for a plan.
    afresh
        Whether it trains networks of its own that see a part of the training images or changed ones alone.
    """

    notebook: ClassVar[str]
    opens_data: ClassVar[bool] = False
    networks: ClassVar[int] = 1

    def __post_init__(self) -> None:
        ranges.check(self)

    @property
    def afresh(self) -> bool:
        return False

    def check(self, epoch: int, epochs: int) -> None:
        """Raise ``ValueError`` where these options do not go with the ``epoch`` of a run of so many ``epochs``."""

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the notebook that only this kind has."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
