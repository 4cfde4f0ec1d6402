"""Validators of what is chosen: values from a list, numbers in a range, each with one sentence for all of them."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def one_of(name: str, value: object, allowed: Iterable[object]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``allowed``.

    The message names the parameter, the allowed values, what was passed and, where one is near, the value
    that was probably meant.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {allowed}, but {value!r} was passed.{nearest(value, allowed)}")


def nearest(value: object, allowed: Iterable[object]) -> str:
    """Return " Did you mean 'x'?" for the allowed value nearest to ``value``, or an empty string."""
    near = get_close_matches(str(value), [str(choice) for choice in allowed], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def several(name: str, values: Sequence[str], allowed: Iterable[str], *, empty: bool = False) -> None:
    """Raise ``ValueError`` unless ``values`` are some of ``allowed``, none twice; none at all where ``empty``."""
    allowed = list(allowed)
    if not values and not empty:
        raise ValueError(f"`{name}` must name at least one of {allowed}, but the list is empty.")
    if len(set(values)) < len(values):
        raise ValueError(f"`{name}` must not repeat a value, but {list(values)} was passed.")
    for value in values:
        one_of(name, value, allowed)


def at_least(name: str, value: int, least: int) -> None:
    """Raise ``ValueError`` unless ``value`` is at least ``least``."""
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}, but {value} was passed.")


def in_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ``ValueError`` unless ``value`` lies between ``low`` and ``high``, and is neither."""
    if not low < value < high:
        raise ValueError(f"`{name}` must lie between {low} and {high}, but {value} was passed.")
