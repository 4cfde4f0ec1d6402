"""The options of a data set: frozen dataclasses built from a mapping that refuse what they do not know."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from rrr_utils.common import ranges
from rrr_utils.common.choices import one_of

Kind = TypeVar("Kind")


def build(kind: type[Kind], values: Mapping[str, Any], source: str) -> Kind:
    """Return the dataclass ``kind`` made of ``values``.

    An unknown option raises ``ValueError`` with the valid names and the nearest one; so do a missing option and a
    value that ``kind`` refuses.
    """
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    for name in values:
        one_of(f"option of {source}", name, [entry.name for entry in fields])
    missing = [entry.name for entry in fields if entry.default is dataclasses.MISSING and entry.name not in values]
    if missing:
        raise ValueError(f"Data set {source!r} needs the option(s) {missing}, but only {sorted(values)} were passed.")
    made = kind(**values)
    ranges.check(made)
    return made


def switch(name: str, value: object) -> None:
    """Raise ``ValueError`` unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be true or false, but {value!r} was passed.")


def names(name: str, value: object) -> None:
    """Raise ``ValueError`` unless ``value`` is None or a list of different names."""
    if value is None:
        return
    if (
        not isinstance(value, list | tuple)
        or not value
        or not all(isinstance(entry, str) for entry in value)
        or len(set(value)) < len(value)
    ):
        raise ValueError(f"`{name}` must be a list of different names or null, but {value!r} was passed.")
