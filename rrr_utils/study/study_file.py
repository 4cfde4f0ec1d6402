"""A study file: what a study runs, as frozen dataclasses that refuse what they do not know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rrr_utils.analyses.zoo import hypotheses
from rrr_utils.analyses.zoo.hypotheses import Hypothesis
from rrr_utils.common.choices import at_least, in_range, one_of, several
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
    test_share: float = 0.3

    def __post_init__(self) -> None:
        folder_names.check(self.name)
        folder_names.check_data(self.name)
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
    size: int = 224
    alpha: float = 1.0
    units: int | None = None
    augmentation: str = "none"
    weights: str | None = None
    strategies: tuple[str, ...] = STRATEGIES
    trained_on: tuple[str, ...] = ("original",)
    on: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    seeds_of: Mapping[str, Any] = field(default_factory=dict)
    scoring: "Scoring | None" = None

    def __post_init__(self) -> None:
        folder_names.check(self.name)
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

    other: int = 10
    same: int = 5
    images: int | None = None

    def __post_init__(self) -> None:
        at_least("other", self.other, 0)
        at_least("same", self.same, 0)
        at_least("images", 1 if self.images is None else self.images, 1)


@dataclass(frozen=True)
class Scoring:
    """What is scored: which epochs, how many images of which split, by which explainers.

    ``curve_seeds`` are those whose ``images`` are scored at every epoch; empty means all. ``ends`` are the explainers
    of more test images at the first and the last epoch of every seed, each with its number of ``images``; all without
    it. With ``donors`` every run is also asked before the backgrounds of several other test images.
    """

    explainers: tuple[Mapping[str, Any], ...]
    epochs: tuple[int, ...]
    images: int = 50
    splits: tuple[str, ...] = ("train", "test")
    backgrounds: tuple[str, ...] = COMPOSED
    curve_seeds: tuple[int, ...] = ()
    ends: tuple[Mapping[str, Any], ...] = ()
    donors: Donors | None = None

    def __post_init__(self) -> None:
        at_least("images", self.images, 1)
        _different("curve_seeds", self.curve_seeds)
        several("splits", self.splits, ("train", "test"))
        several("backgrounds", self.backgrounds, BACKGROUNDS, empty=True)
        if not self.epochs or min(self.epochs) < 0:
            raise ValueError(f"`epochs` must be a list of epochs from 0, but {list(self.epochs)} was passed.")
        _explainers(self.explainers)
        if self.ends:
            _explainers(self.ends, "ends")
            several("ends", [each["name"] for each in self.ends], [each["name"] for each in self.ends])
        for each in self.ends:
            images = each.get("images", 1)
            if type(images) is not int or images < 1:
                raise ValueError(f"`images` of `ends` must be a whole number of at least 1, but {images!r} was passed.")


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
        folder_names.check(self.name)
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
                at_least("images", entry.images, 1)
                several("splits", entry.splits, ("train", "test"))
                _explainers(entry.explainers)
                _different("seeds", entry.seeds)
            except ValueError as error:
                raise Misplaced("analyses", place, str(error)) from error
        if wrong := analyses.check(self.analyses, self._runs()):
            raise Misplaced("analyses", *wrong)

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


def _explainers(entries: tuple[Mapping[str, Any], ...], what: str = "explainers") -> None:
    if not entries:
        raise ValueError("`explainers` must name at least one explainer, but the list is empty.")
    for explainer in entries:
        if not isinstance(explainer, Mapping) or "name" not in explainer:
            raise ValueError(
                f"each of `{what}` must be a mapping with a `name`, for example {{name: lime, samples: 200}}, "
                f"but {short(explainer)} was passed."
            )
        check("name", explainer["name"], EXPLAINERS)
        if "design" in explainer:
            one_of("design", explainer["design"], DESIGNS)
        if "precision" in explainer:
            one_of("precision", explainer["precision"], PRECISIONS)
