"""YAML read into frozen dataclasses, with the line and the valid name where something is wrong."""

import contextlib
import dataclasses
import math
import reprlib
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from rrr_utils.common.choices import nearest
from rrr_utils.study import analysis
from rrr_utils.study.analysis import Analysis

# What a study file may hold; the project's own have 9 kB, 700 values and six levels at most.
LARGEST_FILE = 2**20  # bytes
MOST_VALUES = 100_000  # once aliases are followed; a text counts once more for every hundred letters
DEEPEST = 50  # levels of lists and mappings
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


class StudyError(ValueError):
    """A study file that cannot be run; the message names the file, the line and the remedy."""


class Misplaced(ValueError):
    """What is wrong with one entry of a list, found only when the whole study is known."""

    def __init__(self, key: str, place: int, message: str) -> None:
        self.key, self.place = key, place
        super().__init__(message)


def read(path: Path, kind: type) -> Any:
    """Return the dataclass ``kind`` that the file ``path`` describes; raises ``StudyError``.

    Expected is UTF-8 of at most ``LARGEST_FILE`` bytes, ``MOST_VALUES`` values and ``DEEPEST`` levels once its aliases
    are followed. Tags that build objects are refused.
    """
    if path.exists() and not path.is_file():
        raise StudyError(f"{path} is a folder or a pipe; expected the file of a study.")
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        known = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise StudyError(
            f"There is no study file {path}.{nearest(path.stem, known)} Studies here: {', '.join(known) or 'none'}."
        ) from error
    root = _compose(content, path)
    _measure(root, path, {})
    return _build(kind, root, path, "the study")


def _compose(content: bytes, path: Path) -> yaml.Node:
    """Return the YAML tree of a file's ``content``, its aliases not yet followed."""
    if len(content) > LARGEST_FILE:
        raise StudyError(f"{path} has more than the {LARGEST_FILE:,} bytes that a study may have. Is it a study?")
    try:
        root = yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StudyError(f"{path}, line {line}: expected UTF-8, but {error}. Save the file as UTF-8.") from error
    except yaml.YAMLError as error:
        raise StudyError(f"{path} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise StudyError(f"{path} is nested too deeply: {DEEPEST} levels are read at most.") from error
    if root is None:
        raise StudyError(f"{path} is empty; expected a study (see studies/smoke.yaml).")
    return root


def _measure(node: yaml.Node, path: Path, known: dict[int, tuple[int, int]], level: int = 0) -> tuple[int, int]:
    """Return how many values ``node`` stands for once aliases are followed, and how many levels lie below it.

    Too many of either raise ``StudyError``. A node that aliases repeat is counted once and then ``known``, so that a
    few lines that stand for billions of values are refused at once.
    """
    if level + known.get(id(node), (0, 0))[1] > DEEPEST:
        raise _error(path, node, f"nested more than {DEEPEST} levels deep, or an alias stands inside its own anchor.")
    if id(node) not in known:
        below = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            below = [part for pair in below for part in pair]
        sizes = [_measure(part, path, known, level + 1) for part in below]
        size = 1 + sum(values for values, _ in sizes) + (0 if sizes else len(node.value) // 100)
        if size > MOST_VALUES:
            raise _error(
                path, node, f"{size:,} values once aliases are followed, more than the {MOST_VALUES:,} that are read."
            )
        known[id(node)] = size, max((1 + levels for _, levels in sizes), default=0)
    return known[id(node)]


def _build(kind: type, node: yaml.Node, path: Path, where: str) -> Any:
    """Return dataclass ``kind`` from a YAML mapping, checking every key and type on the way."""
    if not isinstance(node, yaml.MappingNode):
        raise _error(path, node, f"{where} must be a mapping of keys to values.")
    # The options of an analysis stand beside its other keys.
    kinds: list[Any] = [kind, *analysis.KINDS.values()] if kind is Analysis else [kind]
    hints = {name: hint for each in kinds for name, hint in typing.get_type_hints(each).items()}
    fields = {entry.name: entry for each in kinds for entry in dataclasses.fields(each)}
    if kind is Analysis:
        del fields["options"]
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        if not isinstance(key_node, yaml.ScalarNode):
            raise _error(path, key_node, f"a key of {where} must be a word. Valid: {sorted(fields)}.")
        if key not in fields:
            raise _error(
                path,
                key_node,
                f"unknown key `{key}` in {where}.{nearest(key, fields)} Valid: {sorted(fields)}.",
            )
        if key in values:
            raise _error(path, key_node, f"key `{key}` stands twice in {where}.")
        values[key] = _convert(hints[key], value_node, path, key)
    missing = [
        name
        for name, entry in fields.items()
        if name not in values and entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise _error(path, node, f"{where} lacks the key(s) {missing}.")
    try:
        return getattr(kind, "of", kind)(**values)
    except Misplaced as error:
        entries = next(value for key, value in node.value if key.value == error.key)
        raise _error(path, entries.value[error.place], str(error)) from error
    except ValueError as error:
        raise _error(path, node, str(error)) from error


def _convert(hint: Any, node: yaml.Node, path: Path, key: str) -> Any:
    """Return the value of ``node`` as type ``hint``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):  # X | None
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if node.tag == "tag:yaml.org,2002:null" else _convert(inner, node, path, key)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), node, path, f"`{key}`")
    if origin is tuple:
        if not isinstance(node, yaml.SequenceNode):
            raise _error(path, node, f"`{key}` must be a list.")
        return tuple(_convert(arguments[0], entry, path, key) for entry in node.value)
    value = _plain(node, path)
    if origin is not None:  # Mapping[str, Any]
        if not isinstance(value, dict):
            raise _error(path, node, f"`{key}` must be a mapping, but {short(value)} was passed.")
        return value
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):  # YAML 1.1 reads 1e-5 as text
            value = float(value)
    if not isinstance(value, hint) or isinstance(value, bool) != (hint is bool):
        raise _error(path, node, f"`{key}` must be of type {hint.__name__}, but {short(value)} was passed.")
    return value


class _Loader(yaml.SafeLoader):
    """PyYAML's loader of plain data, which also says where a value stands that its tag cannot hold."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError("expected a finite number")
            return value
        except (yaml.YAMLError, _Impossible):
            raise
        except Exception as error:  # 2024-13-45, `!!bool perhaps`, `!!int ""`: each fails in its own way
            raise _Impossible(node, error) from error


class _Impossible(ValueError):
    """A value that its tag cannot hold, and its place."""

    def __init__(self, node: yaml.Node, error: Exception) -> None:
        self.node = node
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        super().__init__(f"{short(node.value)} is no {kind} ({error}). Put it right, or in quotes to have a text.")


def _plain(node: yaml.Node, path: Path) -> Any:
    try:
        return _Loader("").construct_object(node, deep=True)
    except yaml.YAMLError as error:
        raise _error(path, node, str(error)) from error
    except _Impossible as error:
        raise _error(path, error.node, str(error)) from error


def short(value: Any) -> str:
    """Return ``value`` as a message shows it."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # a whole number with more digits than Python writes out
        return "a number with thousands of digits"


def _error(path: Path, node: yaml.Node, message: str) -> StudyError:
    if len(message) > 2_000:  # a value in it is a whole file
        message = f"{message[:1_000]} ... {message[-900:]}"
    return StudyError(f"{path}, line {node.start_mark.line + 1}: {message}")
