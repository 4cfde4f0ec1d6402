"""A study file: what a study runs, as frozen dataclasses that refuse what they do not know."""

import contextlib
import dataclasses
import reprlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rrr_utils.analyses.zoo import hypotheses
from rrr_utils.analyses.zoo.hypotheses import Hypothesis
from rrr_utils.common.choices import at_least, in_range, nearest, one_of, several
from rrr_utils.common.names import (
    AUGMENTATIONS,
    BACKGROUNDS,
    COMPOSED,
    DESIGNS,
    EXPLAINERS,
    MASKERS,
    NETWORKS,
    OPTIMIZERS,
    PRECISIONS,
    SOURCES,
    STRATEGIES,
    TRAINED_ON,
)
from rrr_utils.common.registry import check
from rrr_utils.study import analysis as analyses
from rrr_utils.study.analysis import Analysis, Known

# What a study file may hold; the project's own have 9 kB, 700 values and six levels at most.
LARGEST_FILE = 2**20  # bytes
MOST_VALUES = 100_000  # once aliases are followed; a text counts once more for every hundred letters
DEEPEST = 50  # levels of lists and mappings
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


class StudyError(ValueError):
    """A study file that cannot be run; the message names the file, the line and the remedy."""


class _Misplaced(ValueError):
    """What is wrong with one entry of a list, found only when the whole study is known."""

    def __init__(self, key: str, place: int, message: str) -> None:
        self.key, self.place = key, place
        super().__init__(message)


@dataclass(frozen=True)
class Data:
    """One data entry: a source of images, its options, and where its object masks come from.

    ``source`` and ``masks`` may be one's own, ``package.module:Name``: see :func:`rrr_utils.datasets.open_dataset` and
    :func:`rrr_utils.masks.open_masker`.
    """

    name: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    masks: str = "outlines"
    test_share: float = 0.3

    def __post_init__(self) -> None:
        _name(self.name)
        check("source", self.source, SOURCES)
        check("masks", self.masks, MASKERS)
        in_range("test_share", self.test_share, 0.0, 1.0)


@dataclass(frozen=True)
class Stage:
    """One stage of training: how long, with what optimiser, at what rate."""

    epochs: int
    optimizer: str = "rmsprop"
    rate: float = 1e-5
    batch: int = 32

    def __post_init__(self) -> None:
        at_least("epochs", self.epochs, 1)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        in_range("rate", self.rate, 0.0, 10.0)
        at_least("batch", self.batch, 1)


@dataclass(frozen=True)
class Model:
    """One network entry: an architecture at a size, its start weights, and how it is trained.

    ``architecture`` may be one's own, ``package.module:Name``: see :func:`rrr_utils.networks.network.build`.
    ``head`` is stage 1, the head alone on frozen features; without it (a network from scratch) training
    starts with ``tuning``. Among the strategies, ``head`` asks for the scores of stage 1 itself; a network with no
    other strategy needs no ``tuning``. ``units`` is the width of the head's hidden layer, by default the
    architecture's own; ``augmentation`` says how training images are changed. ``on`` names the data entries it runs
    on; empty means all of them. ``seeds`` and ``scoring`` take the place of the study's.
    """

    name: str
    architecture: str
    tuning: Stage | None = None
    head: Stage | None = None
    size: int = 224
    alpha: float = 1.0
    units: int | None = None
    augmentation: str = "none"
    weights: str | None = None
    strategies: tuple[str, ...] = STRATEGIES
    trained_on: tuple[str, ...] = ("original",)
    on: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    scoring: "Scoring | None" = None

    def __post_init__(self) -> None:
        _name(self.name)
        check("architecture", self.architecture, NETWORKS)
        at_least("size", self.size, 32)
        in_range("alpha", self.alpha, 0.0, 2.0)
        one_of("augmentation", self.augmentation, AUGMENTATIONS)
        several("strategies", self.strategies, (*STRATEGIES, "head"))
        if self.units is not None:
            at_least("units", self.units, 1)
        if self.head is None and "head" in self.strategies:
            raise ValueError("the strategy `head` is stage 1, so the network needs a `head`, but it has none.")
        if self.tuning is None and set(self.strategies) != {"head"}:
            raise ValueError("`tuning` is missing: every strategy but `head` trains by it.")
        several("trained_on", self.trained_on, TRAINED_ON)
        _different("seeds", self.seeds)

    def stage(self, strategy: str) -> Stage:
        """Return the stage of training that ``strategy`` belongs to."""
        stage = self.head if strategy == "head" else self.tuning
        assert stage is not None
        return stage


@dataclass(frozen=True)
class Scoring:
    """What is scored: which epochs, how many images of which split, by which explainers."""

    explainers: tuple[Mapping[str, Any], ...]
    epochs: tuple[int, ...]
    images: int = 50
    splits: tuple[str, ...] = ("train", "test")
    backgrounds: tuple[str, ...] = COMPOSED

    def __post_init__(self) -> None:
        at_least("images", self.images, 1)
        several("splits", self.splits, ("train", "test"))
        several("backgrounds", self.backgrounds, BACKGROUNDS, empty=True)
        if not self.epochs or min(self.epochs) < 0:
            raise ValueError(f"`epochs` must be a list of epochs from 0, but {list(self.epochs)} was passed.")
        _explainers(self.explainers)


@dataclass(frozen=True)
class Study:
    """A study: the data, the networks, the scoring and what is analysed beyond it; no paths and no thread counts.

    ``hypotheses`` are what it expects of its tables, written down before they exist; no job depends on them.
    """

    name: str
    title: str
    about: str
    data: tuple[Data, ...]
    networks: tuple[Model, ...]
    scoring: Scoring
    seed: int = 0
    seeds: tuple[int, ...] = (0,)
    analyses: tuple[Analysis, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()

    def __post_init__(self) -> None:
        _name(self.name)
        hypotheses.check(self.hypotheses)
        for what, entries in (("data", self.data), ("networks", self.networks)):
            names = [entry.name for entry in entries]
            if not names:
                raise ValueError(f"`{what}` must have at least one entry, but it is empty.")
            if len(set(names)) < len(names):
                raise ValueError(f"the names in `{what}` must be unique, but they are {names}.")
        for network in self.networks:
            for data in network.on:
                one_of("on", data, [entry.name for entry in self.data])
            last = max((network.scoring or self.scoring).epochs)
            epochs = min(network.stage(strategy).epochs for strategy in network.strategies)
            if last > epochs:
                raise ValueError(
                    f"`scoring.epochs` asks for epoch {last}, but network {network.name!r} trains for {epochs} epochs."
                )
        if not self.seeds:
            raise ValueError("`seeds` must be a list of different integers, but it is empty.")
        _different("seeds", self.seeds)
        for place, entry in enumerate(self.analyses):
            try:
                at_least("images", entry.images, 1)
                several("splits", entry.splits, ("train", "test"))
                _explainers(entry.explainers)
                _different("seeds", entry.seeds)
            except ValueError as error:
                raise _Misplaced("analyses", place, str(error)) from error
        if wrong := analyses.check(self.analyses, self._runs()):
            raise _Misplaced("analyses", *wrong)

    def _runs(self) -> dict[tuple[str, str, str, str], Known]:
        """Return what analyses know of every run, by data set, network, strategy and training images."""
        return {
            (data.name, model.name, strategy, trained_on): Known(
                model.stage(strategy).epochs, model.seeds or self.seeds, bool(model.head) and strategy != "head"
            )
            for data in self.data
            for model in self.networks
            if not model.on or data.name in model.on
            for strategy in dict.fromkeys((*(("head",) if model.head else ()), *model.strategies))
            for trained_on in model.trained_on
        }


def load(path: Path | str) -> Study:
    """Return the study described by a YAML file.

    An unknown key, a missing key, a value of the wrong type and an impossible value raise ``StudyError``
    with the file, the line and, where one is near, the valid name that was probably meant. The file is read
    as plain data: YAML tags that build objects are refused. So are a file that is not UTF-8, that has more than
    1 MiB, or that becomes more than 100,000 values or 50 levels once its aliases are followed.
    """
    path = Path(path)
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
    study: Study = _build(Study, root, path, "the study")
    if study.name != path.stem:
        raise StudyError(
            f"{path}: `name` must be the file's own name {path.stem!r}, but {_short(study.name)} was passed."
        )
    return study


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
    kinds: list[Any] = [kind, *analyses.KINDS.values()] if kind is Analysis else [kind]
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
    except _Misplaced as error:
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
            raise _error(path, node, f"`{key}` must be a mapping, but {_short(value)} was passed.")
        return value
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):  # YAML 1.1 reads 1e-5 as text
            value = float(value)
    if not isinstance(value, hint) or isinstance(value, bool) != (hint is bool):
        raise _error(path, node, f"`{key}` must be of type {hint.__name__}, but {_short(value)} was passed.")
    return value


class _Loader(yaml.SafeLoader):
    """PyYAML's loader of plain data, which also says where a value stands that its tag cannot hold."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (yaml.YAMLError, _Impossible):
            raise
        except Exception as error:  # 2024-13-45, `!!bool perhaps`, `!!int ""`: each fails in its own way
            raise _Impossible(node, error) from error


class _Impossible(ValueError):
    """A value that its tag cannot hold, and its place."""

    def __init__(self, node: yaml.Node, error: Exception) -> None:
        self.node = node
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        super().__init__(f"{_short(node.value)} is no {kind} ({error}). Put it right, or in quotes to have a text.")


def _plain(node: yaml.Node, path: Path) -> Any:
    try:
        return _Loader("").construct_object(node, deep=True)
    except yaml.YAMLError as error:
        raise _error(path, node, str(error)) from error
    except _Impossible as error:
        raise _error(path, error.node, str(error)) from error


def _short(value: Any) -> str:
    try:
        return _SHORT.repr(value)
    except ValueError:  # a whole number with more digits than Python writes out
        return "a number with thousands of digits"


def _error(path: Path, node: yaml.Node, message: str) -> StudyError:
    if len(message) > 2_000:  # a value in it is a whole file
        message = f"{message[:1_000]} ... {message[-900:]}"
    return StudyError(f"{path}, line {node.start_mark.line + 1}: {message}")


def _name(name: str) -> None:
    if not name or not all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in name):
        raise ValueError(f"a `name` becomes a folder: letters, digits, '-', '_' and '.' only, but {name!r} was passed.")
    if name.startswith("."):
        raise ValueError(f"a `name` must not start with a dot, but {name!r} was passed.")


def _different(name: str, values: tuple[int, ...]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"`{name}` must be a list of different integers, but {list(values)} was passed.")


def _explainers(entries: tuple[Mapping[str, Any], ...]) -> None:
    if not entries:
        raise ValueError("`explainers` must name at least one explainer, but the list is empty.")
    for explainer in entries:
        if not isinstance(explainer, Mapping) or "name" not in explainer:
            raise ValueError(
                f"each of `explainers` must be a mapping with a `name`, for example {{name: lime, samples: 200}}, "
                f"but {_short(explainer)} was passed."
            )
        check("name", explainer["name"], EXPLAINERS)
        if "design" in explainer:
            one_of("design", explainer["design"], DESIGNS)
        if "precision" in explainer:
            one_of("precision", explainer["precision"], PRECISIONS)
