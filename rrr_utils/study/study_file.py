"""A study file: what a study runs, as frozen dataclasses that refuse what they do not know."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from rrr_utils.analyses.zoo import hypotheses
from rrr_utils.analyses.zoo.hypotheses import Hypothesis
from rrr_utils.common import ranges
from rrr_utils.common.choices import one_of, several
from rrr_utils.common.names import (
    AUGMENTATIONS,
    BACKGROUNDS,
    COMPOSED,
    EXPLAINERS,
    MASKERS,
    NETWORKS,
    OPTIMIZERS,
    SOURCES,
    STRATEGIES,
    TRAINED_ON,
)
from rrr_utils.common.ranges import Batch, Epoch, Epochs, Images, Part, Range, Rate, Seed
from rrr_utils.common.registry import check, own
from rrr_utils.study import analysis as analyses
from rrr_utils.study import checked_yaml, folder_names
from rrr_utils.study.analysis import Analysis, Known
from rrr_utils.study.checked_yaml import Misplaced, StudyError, short


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
    test_share: Part = 0.3

    def __post_init__(self) -> None:
        folder_names.check(self.name)
        folder_names.check_data(self.name)
        check("source", self.source, SOURCES)
        check("masks", self.masks, MASKERS)
        ranges.check(self)
        if own(self.source) is None:
            _options(self.source, self.options)


@dataclass(frozen=True)
class Stage:
    """One stage of training: how long, with what optimiser, at what rate."""

    epochs: Epochs
    optimizer: str = "rmsprop"
    rate: Rate = 1e-5
    batch: Batch = 32

    def __post_init__(self) -> None:
        ranges.check(self)
        one_of("optimizer", self.optimizer, OPTIMIZERS)


@dataclass(frozen=True)
class Model:
    """One network entry: an architecture at a size, its start weights, and how it is trained.

    ``architecture`` may be one's own, ``package.module:Name``: see :func:`rrr_utils.networks.build`.
    ``head`` is stage 1, the head alone on frozen features; without it (a network from scratch) training
    starts with ``tuning``. Among the strategies, ``head`` asks for the scores of stage 1 itself; a network with no
    other strategy needs no ``tuning``. ``units`` is the width of the head's hidden layer, by default the
    architecture's own; ``augmentation`` says how training images are changed. ``on`` names the data entries it runs
    on; empty means all of them. ``seeds`` and ``scoring`` take the place of the study's; ``seeds_of`` names fewer seeds
    for single strategies.
    """

    name: str
    architecture: str
    tuning: Stage | None = None
    head: Stage | None = None
    size: Annotated[int, Range(32, 2048)] = 224
    alpha: Annotated[float, Range(0, 2, ends=False)] = 1.0
    units: Annotated[int, Range(1, 100_000)] | None = None
    augmentation: str = "none"
    weights: str | None = None
    strategies: tuple[str, ...] = STRATEGIES
    trained_on: tuple[str, ...] = ("original",)
    on: tuple[str, ...] = ()
    seeds: tuple[Seed, ...] = ()
    seeds_of: Mapping[str, Any] = field(default_factory=dict)
    scoring: "Scoring | None" = None

    def __post_init__(self) -> None:
        folder_names.check(self.name)
        check("architecture", self.architecture, NETWORKS)
        ranges.check(self)
        one_of("augmentation", self.augmentation, AUGMENTATIONS)
        several("strategies", self.strategies, (*STRATEGIES, "head"))
        if self.head is None and "head" in self.strategies:
            raise ValueError("the strategy `head` is stage 1, so the network needs a `head`, but it has none.")
        if self.tuning is None and set(self.strategies) != {"head"}:
            raise ValueError("`tuning` is missing: every strategy but `head` trains by it.")
        several("trained_on", self.trained_on, TRAINED_ON)
        _different("seeds", self.seeds)
        for strategy, seeds in self.seeds_of.items():
            one_of("seeds_of", strategy, [each for each in self.strategies if each != "head"])
            if not isinstance(seeds, list | tuple) or not seeds or not set(seeds) <= set(self.seeds):
                raise ValueError(
                    f"`seeds_of` must give {strategy!r} a list of some of the network's own `seeds`, "
                    f"{list(self.seeds)}, but {seeds!r} was passed."
                )

    def seeds_for(self, strategy: str, usual: tuple[int, ...]) -> tuple[int, ...]:
        """Return the seeds that ``strategy`` is trained with, where the study's are ``usual``."""
        return tuple(self.seeds_of.get(strategy, ())) or self.seeds or usual

    def stage(self, strategy: str) -> Stage:
        """Return the stage of training that ``strategy`` belongs to."""
        stage = self.head if strategy == "head" else self.tuning
        assert stage is not None
        return stage


@dataclass(frozen=True)
class Donors:
    """How many test images of ``other`` classes, and of the ``same`` one, lend a test image their backgrounds.

    ``images`` bounds how many test images are put before them; None: all.
    """

    other: Annotated[int, Range(0, 1000)] = 10
    same: Annotated[int, Range(0, 1000)] = 5
    images: Images | None = None

    def __post_init__(self) -> None:
        ranges.check(self)


@dataclass(frozen=True)
class Scoring:
    """What is scored: which epochs, how many images of which split, by which explainers.

    ``curve_seeds`` are those whose ``images`` are scored at every epoch; empty means all. ``ends`` are the explainers
    of more test images at the first and the last epoch of every seed, each with its number of ``images``; all without
    it. With ``donors`` every run is also asked before the backgrounds of several other test images.
    """

    explainers: tuple[Mapping[str, Any], ...]
    epochs: tuple[Epoch, ...]
    images: Images = 50
    splits: tuple[str, ...] = ("train", "test")
    backgrounds: tuple[str, ...] = COMPOSED
    curve_seeds: tuple[Seed, ...] = ()
    ends: tuple[Mapping[str, Any], ...] = ()
    donors: Donors | None = None

    def __post_init__(self) -> None:
        ranges.check(self)
        _different("curve_seeds", self.curve_seeds)
        several("splits", self.splits, ("train", "test"))
        several("backgrounds", self.backgrounds, BACKGROUNDS, empty=True)
        if not self.epochs:
            raise ValueError(f"`epochs` must be a list of epochs from 0, but {list(self.epochs)} was passed.")
        _explainers(self.explainers)
        if self.ends:
            _explainers(self.end_explainers, what="ends")
            several("ends", [each["name"] for each in self.ends], [each["name"] for each in self.ends])
        for place, each in enumerate(self.ends):
            try:
                ranges.IMAGES.check("images", each.get("images", 1), int)
            except ValueError as error:
                raise Misplaced("ends", place, str(error)) from error

    @property
    def end_explainers(self) -> tuple[Mapping[str, Any], ...]:
        """The explainers of ``ends``, without their numbers of images."""
        return tuple(
            {key: value for key, value in each.items() if key != "images"} if isinstance(each, Mapping) else each
            for each in self.ends
        )


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
    seed: Seed = 0
    seeds: tuple[Seed, ...] = (0,)
    analyses: tuple[Analysis, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()

    def __post_init__(self) -> None:
        folder_names.check(self.name)
        ranges.check(self)
        hypotheses.check(self.hypotheses)
        for what, entries in (("data", self.data), ("networks", self.networks)):
            names = [entry.name for entry in entries]
            if not names:
                raise ValueError(f"`{what}` must have at least one entry, but it is empty.")
            if len(set(names)) < len(names):
                raise ValueError(f"the names in `{what}` must be unique, but they are {names}.")
            if (place := folder_names.same_folder(names)) is not None:
                raise Misplaced(
                    what,
                    place,
                    f"the name {names[place]!r} differs from another one in `{what}` by upper and lower case only, "
                    "which is the same folder on some disks. Rename one.",
                )
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
                ranges.check(entry)
                several("splits", entry.splits, ("train", "test"))
                _explainers(entry.explainers)
                _different("seeds", entry.seeds)
            except ValueError as error:
                raise Misplaced("analyses", place, str(error)) from error
        if wrong := analyses.check(self.analyses, self._runs()):
            raise Misplaced("analyses", *wrong)
        sizes = {network.name: network.size for network in self.networks}
        scoring = [(each.size, each.scoring or self.scoring) for each in self.networks]
        scored = [(size, (*each.explainers, *each.end_explainers)) for size, each in scoring]
        analysed = [(sizes[each.network], each.explainers) for each in self.analyses]
        for key, asked in (("networks", scored), ("analyses", analysed)):
            for place, (size, explainers) in enumerate(asked):
                try:
                    _explainers(explainers, size)
                except ValueError as error:
                    raise Misplaced(key, place, str(error)) from error

    def _runs(self) -> dict[tuple[str, str, str, str], Known]:
        """Return what analyses know of every run, by data set, network, strategy and training images."""
        return {
            (data.name, model.name, strategy, trained_on): Known(
                model.stage(strategy).epochs,
                model.seeds_for(strategy, self.seeds),
                bool(model.head) and strategy != "head",
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
    study: Study = checked_yaml.read(path, Study)
    if study.name != path.stem:
        raise StudyError(
            f"{path}: `name` must be the file's own name {path.stem!r}, but {short(study.name)} was passed."
        )
    return study


def _different(name: str, values: tuple[int, ...]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"`{name}` must be a list of different integers, but {list(values)} was passed.")


def _options(source: str, options: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` unless these are options of the data set ``source``, each in its range."""
    from rrr_utils.datasets.options import build  # NumPy reads the number of threads when it is imported

    module = importlib.import_module(SOURCES[source].partition(":")[0])
    if kind := getattr(module, "Options", None):
        build(kind, options, source)


def _explainers(entries: tuple[Mapping[str, Any], ...], size: int | None = None, what: str = "explainers") -> None:
    """Raise ``ValueError`` unless there are these explainers, with these parameters, for images of ``size`` pixels."""
    from rrr_utils.explainers import explainer as made  # as above

    if not entries:
        raise ValueError("`explainers` must name at least one explainer, but the list is empty.")
    for place, settings in enumerate(entries):
        try:
            if not isinstance(settings, Mapping) or "name" not in settings:
                raise ValueError(
                    f"each of `{what}` must be a mapping with a `name`, for example {{name: lime, samples: 200}}, "
                    f"but {short(settings)} was passed."
                )
            check("name", settings["name"], EXPLAINERS)
            if own(settings["name"]) is None:
                found = made(**settings)
                if size is not None:
                    found.check(size)
        except (ValueError, TypeError) as error:  # a text where a number is compared
            raise Misplaced(what, place, str(error)) from error
