"""The range of a number, declared in the type of an option: ``images: Annotated[int, Range(1, 1000)] = 50``."""

import numbers
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``; ``ends`` says whether these belong to it."""

    low: float
    high: float
    ends: bool = True

    def check(self, name: str, value: Any, kind: type = float) -> None:
        """Raise ``ValueError`` unless ``value`` is a finite number (an ``int``: a whole one) in this range."""
        wanted = numbers.Integral if kind is int else numbers.Real
        if isinstance(value, wanted) and not isinstance(value, bool) and self._holds(value):
            return
        # Python writes out no number of thousands of digits.
        shown = "one of hundreds of digits" if isinstance(value, int) and value.bit_length() > 1000 else repr(value)
        raise ValueError(
            f"`{name}` must be a {'whole ' if kind is int else ''}number from {self.low:,} to {self.high:,}"
            f"{'' if self.ends else ', and neither'}, but {shown} was passed."
        )

    def _holds(self, value: Any) -> bool:
        """Return whether ``value`` is inside; what is no number or infinite is not."""
        return self.low <= value <= self.high if self.ends else self.low < value < self.high


# More than any study of one machine has; what lies beyond is a slip of the keyboard.
IMAGES = Range(1, 1_000_000)
Images = Annotated[int, IMAGES]
Epoch = Annotated[int, Range(0, 10_000)]
Epochs = Annotated[int, Range(1, 10_000)]
Batch = Annotated[int, Range(1, 10_000)]
Rate = Annotated[float, Range(0, 10, ends=False)]
Seed = Annotated[int, Range(0, 2**63 - 1)]  # a column of int64 holds it
Share = Annotated[float, Range(0, 1)]
Part = Annotated[float, Range(0, 1, ends=False)]


def check(options: Any) -> None:
    """Raise ``ValueError`` unless every number of the dataclass ``options`` is in the range that its type declares."""
    for name, hint in typing.get_type_hints(type(options), include_extras=True).items():
        found = list(parts(hint))
        limits = [typing.get_args(part)[:2] for part in found if typing.get_origin(part) is Annotated]
        value = getattr(options, name)
        for kind, limit in limits:
            for each in value if isinstance(value, list | tuple) else [value]:
                if each is not None or type(None) not in found:
                    limit.check(name, each, kind)


def parts(hint: Any) -> Iterator[Any]:
    """Yield what a type is made of: of a tuple or a choice of types its members, with their ranges."""
    inner = () if typing.get_origin(hint) is Annotated else typing.get_args(hint)
    for part in inner:
        yield from parts(part)
    if not inner:
        yield hint
