"""What a word of a study stands for: a member of a registry, or one's own by ``package.module:Name``."""

import importlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from typing import Any, TypeAlias, TypeVar

from rrr_utils.common.choices import nearest, one_of

Member = TypeVar("Member")
# Written out as a dict of words to members, of which a stamp counts those that a job names (see study.definitions). A
# text ``package.module:Name`` stands for what is imported only when it is asked for.
Registry: TypeAlias = Mapping[str, Member]


def own(word: object) -> tuple[str, str] | None:
    """Return the module and the name in ``package.module:Name``, or None if ``word`` is of another form."""
    found = re.fullmatch(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", word) if isinstance(word, str) else None
    return (found[1], found[2]) if found else None


def check(what: str, word: object, words: Iterable[str]) -> None:
    """Raise ``ValueError`` unless ``word`` is one of ``words``, or one's own in a module that can be found.

    Nothing is imported, since that may take a framework's ten seconds: :func:`member` sees whether it is there and of
    the right kind, in the job that uses it.
    """
    if (parts := own(word)) is None:
        one_of(what, word, words)
    elif not _findable(parts[0]):
        raise ValueError(
            f"`{what}` names {word!r}, but Python finds no module {parts[0]!r}. Put its folder on PYTHONPATH, or take "
            f"one of {list(words)}."
        )


def member(what: str, word: str, registry: Registry[Any], kind: type | None = None) -> Any:
    """Return what ``word`` stands for: the registry's member, or what ``package.module:Name`` names.

    Raises ``ValueError`` for an unknown word, with the nearest one; and where one's own cannot be imported, is not in
    its module, or is not a subclass of ``kind`` (without a ``kind``: something to call), with what came instead.
    """
    if (parts := own(word)) is None:
        one_of(what, word, registry)
        found = registry[word]
        return getattr(importlib.import_module(there[0]), there[1]) if (there := own(found)) else found
    says = f"`{what}` names {word!r}, but"
    try:
        module = importlib.import_module(parts[0])
    except ImportError as error:
        raise ValueError(f"{says} {parts[0]!r} cannot be imported: {error}. Is its folder on PYTHONPATH?") from error
    if not hasattr(module, parts[1]):
        raise ValueError(f"{says} {module.__file__} has no {parts[1]!r}.{nearest(parts[1], dir(module))}")
    found = getattr(module, parts[1])
    if kind is None and not callable(found):
        raise ValueError(f"{says} it must be a function, and is of type {type(found).__name__}.")
    if kind is not None and not (isinstance(found, type) and issubclass(found, kind)):
        bases = f"a class of {found.__bases__}" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise ValueError(f"{says} it must be a subclass of {kind.__module__}.{kind.__qualname__}, and is {bases}.")
    return found


def _findable(module: str) -> bool:
    """Return whether there is such a module, without importing the packages around it."""
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    for name in below:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
    return spec is not None
