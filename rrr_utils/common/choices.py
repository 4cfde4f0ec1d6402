"""One validator for values that come from a fixed list, with one sentence for all of them."""

from collections.abc import Iterable
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
