"""The options of a data set: frozen dataclasses built from a mapping that refuse what they do not know."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

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
    return kind(**values)


def whole(name: str, value: object, least: int, *, optional: bool = False) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer of at least ``least``, or None where that is allowed."""
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{name}` must be a whole number of at least {least}{' or null' if optional else ''}, "
            f"but {value!r} was passed."
        )


def switch(name: str, value: object) -> None:
    """Raise ``ValueError`` unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be true or false, but {value!r} was passed.")


def share(name: str, value: object) -> None:
    """Raise ``ValueError`` unless ``value`` is a number from 0 to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be a number from 0 to 1, but {value!r} was passed.")


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
