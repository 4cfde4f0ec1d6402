"""What a study asks beyond the paper's protocol: each entry is one notebook on one trained run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rrr_utils.common import names, registry
from rrr_utils.common.choices import one_of

# Each kind, and the notebook that answers it.
NOTEBOOKS = {
    "mask-quality": "05-mask-quality",
    "convergence": "06-convergence",
    "controls": "07-controls",
    "overinterpretation": "08-overinterpretation",
    "reliability": "09-reliability",
    "zoo": "10-zoo",
    "remedies": "11-remedies",
    "infodisent": "12-infodisent",
}
# What only one kind knows, with its default.
_OWN: dict[str, tuple[str, Any]] = {
    "maskers": ("mask-quality", ("deeplab",)),
    "orders": ("convergence", 100),
    "pixels": ("overinterpretation", 100),
    "shares": ("overinterpretation", (0.05, 0.1)),
    "threshold": ("overinterpretation", 0.9),
    "fills": ("overinterpretation", ("neutral", "black", "mean")),
    "subsets": ("overinterpretation", 3),
    "retrain": ("overinterpretation", False),
    "mosaics": ("reliability", 20),
    "ties": ("zoo", (0.5, 1.0)),
    "kinds": ("zoo", names.TRAINED_ON),
    "training_images": ("zoo", ()),
    "checkpoints": ("zoo", ()),
    "steps": ("zoo", 8),
    "remedies": ("remedies", names.REMEDIES),
    "factors": ("remedies", (0.01, 0.1, 1.0, 10.0, 100.0)),
    "backgrounds": ("remedies", names.COMPOSED),
    "prototypes": ("infodisent", 5),
    "training": ("infodisent", {"epochs": 30, "optimizer": "adam", "rate": 1e-3, "batch": 32}),
}
# `box` is the bounding box of the hand-made outline, in place of the silhouette.
MASKERS = (*(name for name in names.MASKERS if name != "outlines"), "box")
# What the models of a zoo are trained on; or on images as they are, with a remedy's penalty on what explanations show.
TRAINED_ON = (*names.TRAINED_ON, "right-reasons", "cam-energy")


@dataclass(frozen=True)
class Analysis:
    """One analysis of a run's checkpoint at ``epoch``, on ``images`` images of each of the ``splits``.

    ``mask-quality`` compares the masks of ``maskers`` with the hand-made ones, and the scores under both.
    ``convergence`` follows AvgScore image by image, in so many random ``orders``. ``controls`` scores maps that know
    nothing, networks whose weights are random, other normalisations and the authors' protocol. ``overinterpretation``
    asks how sure the network is of few pixels: ``pixels`` are masked a step, ``shares`` of them kept; a subset of
    ``threshold`` probability suffices, and up to so many ``subsets`` are looked for; ``fills`` are the colours that
    mask; with ``retrain`` the network is trained anew on the first of the shares alone. ``reliability`` asks whether
    measures on so many ``mosaics`` of each class, and scores, agree, and how far a score moves when the image is hardly
    changed. ``zoo`` trains many models like the run's, on data whose background is tied to the class with each of the
    probabilities ``ties`` (0: photographs as they are), on each of the ``kinds`` of images or with the remedy of that
    name, on so many ``training_images`` (none: all), and measures them after each of the epochs ``checkpoints`` (none:
    the last), with
    insertion and deletion in so many ``steps``. ``remedies`` trains the network anew with each of the ``remedies``, for
    the run's own epochs, of which ``epoch`` is the last, and scores it; strengths of penalties are chosen among
    ``factors``, and accuracy is measured behind ``backgrounds``. ``infodisent`` trains a disentangled head and two
    plain ones on the run's frozen backbone, as ``training`` says (epochs, optimizer, rate, batch), and keeps so many
    ``prototypes`` of each channel. More images than there are means all of them. ``seeds`` are some of the run's;
    empty means all of them.
    """

    kind: str
    data: str
    network: str
    strategy: str
    epoch: int
    explainers: tuple[Mapping[str, Any], ...]
    trained_on: str = "original"
    images: int = 50
    splits: tuple[str, ...] = ("test",)
    seeds: tuple[int, ...] = ()
    maskers: tuple[str, ...] | None = None
    orders: int | None = None
    pixels: int | None = None
    shares: tuple[float, ...] | None = None
    threshold: float | None = None
    fills: tuple[str, ...] | None = None
    subsets: int | None = None
    retrain: bool | None = None
    mosaics: int | None = None
    ties: tuple[float, ...] | None = None
    kinds: tuple[str, ...] | None = None
    training_images: tuple[int, ...] | None = None
    checkpoints: tuple[int, ...] | None = None
    steps: int | None = None
    remedies: tuple[str, ...] | None = None
    factors: tuple[float, ...] | None = None
    backgrounds: tuple[str, ...] | None = None
    prototypes: int | None = None
    training: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        one_of("kind", self.kind, NOTEBOOKS)
        for name, (kind, default) in _OWN.items():
            if kind == self.kind and getattr(self, name) is None:
                object.__setattr__(self, name, default)
            elif kind != self.kind and getattr(self, name) is not None:
                raise ValueError(f"`{name}` belongs to analyses of kind {kind!r}, but this one is {self.kind!r}.")
        for masker in self.maskers or ():
            registry.check("maskers", masker, MASKERS)
        if self.kind == "mask-quality" and not self.maskers:
            raise ValueError(f"`maskers` must name at least one of {list(MASKERS)}, but the list is empty.")
        least_of = {"orders": 2, "pixels": 1, "subsets": 1, "mosaics": 2, "steps": 2, "prototypes": 1}
        for name, least in least_of.items():
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, but {getattr(self, name)} was passed.")
        allowed_of = {
            "fills": names.FILLS,
            "remedies": names.REMEDIES,
            "backgrounds": names.BACKGROUNDS,
            "kinds": TRAINED_ON,
        }
        for name, allowed in allowed_of.items():
            for value in getattr(self, name) or ():
                one_of(name, value, allowed)
        if self.kind == "remedies" and "plain" not in (self.remedies or ()):
            raise ValueError(f"`remedies` must name 'plain', with which the others are compared, but {self.remedies}.")
        if self.factors is not None and not (self.factors and min(self.factors) > 0):
            raise ValueError(f"`factors` must be a list of numbers above 0, but {list(self.factors)} was passed.")
        if self.shares is not None and not (self.shares and all(0 < share < 1 for share in self.shares)):
            raise ValueError(f"`shares` must be a list of shares between 0 and 1, but {list(self.shares)} was passed.")
        if self.ties is not None and not (self.ties and all(0 <= tie <= 1 for tie in self.ties)):
            raise ValueError(f"`ties` must be a list of probabilities from 0 to 1, but {list(self.ties)} was passed.")
        if self.kind == "zoo" and not self.kinds:
            raise ValueError(f"`kinds` must name at least one of {list(TRAINED_ON)}, but the list is empty.")
        for name in ("ties", "kinds", "training_images", "checkpoints"):
            values = getattr(self, name) or ()
            if len(set(values)) < len(values):
                raise ValueError(f"`{name}` must not repeat a value, but {list(values)} was passed.")
        for name in ("training_images", "checkpoints"):
            if min(getattr(self, name) or (1,)) < 1:
                raise ValueError(f"`{name}` must be at least 1, but {list(getattr(self, name))} was passed.")
        if max(self.checkpoints or (0,)) > self.epoch:
            raise ValueError(
                f"`checkpoints` must not be later than `epoch`, {self.epoch}, but {list(self.checkpoints or ())} was "
                "passed."
            )
        if self.training is not None:
            _check_training(self.training)
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"`threshold` must lie between 0 and 1, but {self.threshold} was passed.")

    @property
    def own(self) -> dict[str, Any]:
        """The options that only this kind has, by name, as parameters of its notebook."""
        values = {name: getattr(self, name) for name in _OWN if getattr(self, name) is not None}
        values |= values.pop("training", {})
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @property
    def run(self) -> tuple[str, str, str, str]:
        """The data set, the network, the strategy and the kind of training images of its run."""
        return self.data, self.network, self.strategy, self.trained_on


def _check_training(training: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` unless ``training`` is a whole stage of training."""
    known = list(_OWN["training"][1])
    for name in training:
        one_of("training", name, known)
    missing = [name for name in known if name not in training]
    if missing:
        raise ValueError(f"`training` must have {known}, but lacks {missing}.")
    one_of("optimizer", training["optimizer"], names.OPTIMIZERS)
    whole = all(type(training[name]) is int and training[name] >= 1 for name in ("epochs", "batch"))
    if not whole or not isinstance(training["rate"], float) or not 0 < training["rate"] < 10:
        raise ValueError(
            f"`training` must have whole numbers of `epochs` and `batch`, at least 1, and a `rate` between 0 and 10 "
            f"written like 1.0e-3, but {dict(training)} was passed."
        )


class Known(NamedTuple):
    """A run of a study: its number of epochs, its seeds, and whether its head was trained before, in stage 1."""

    epochs: int
    seeds: tuple[int, ...]
    after_stage1: bool = False


def check(entries: tuple[Analysis, ...], known: Mapping[tuple[str, str, str, str], Known]) -> tuple[int, str] | None:
    """Return the place of the first entry that the study cannot answer and what is wrong with it, or None.

    ``known`` holds the runs of the study, as :attr:`Analysis.run` names them.
    """
    seen = set()
    for place, entry in enumerate(entries):
        try:
            for name, position in (("data", 0), ("network", 1), ("strategy", 2), ("trained_on", 3)):
                there = [run for run in known if run[:position] == entry.run[:position]]
                one_of(name, getattr(entry, name), dict.fromkeys(run[position] for run in there))
            epochs, seeds, after_stage1 = known[entry.run]
            for seed in entry.seeds:
                one_of("seeds", seed, seeds)
        except ValueError as error:
            return place, str(error)
        if not 0 <= entry.epoch <= epochs:
            return place, f"`epoch` must be from 0 to {epochs}, but {entry.epoch} was passed."
        if entry.kind == "remedies" and entry.epoch != epochs:
            return place, f"remedies are trained for the run's {epochs} epochs, so `epoch` must be {epochs}."
        # A head that stage 1 has trained on all training images knows what these are meant to keep from it.
        afresh = (
            entry.kind == "zoo" or bool(entry.retrain) or (entry.kind == "remedies" and len(entry.factors or ()) > 1)
        )
        if after_stage1 and afresh:
            return place, (
                f"the analysis {entry.kind!r} trains on a part of the images or on changed ones alone, but "
                f"{entry.strategy!r} starts from a head that was trained on all of them. Ask it of strategy 'head', "
                "or of a network without `head`."
            )
        if (entry.kind, entry.run) in seen:
            return place, f"the analysis {entry.kind!r} of {'/'.join(entry.run)} stands twice."
        seen.add((entry.kind, entry.run))
    return None
