"""Validators of what is chosen from a list, with one sentence for all of them."""

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
