"""What a job costs before it runs: forward passes, training images, seconds, disk."""

import heapq
import importlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rrr_utils.common import memory_limits
from rrr_utils.common.names import SOURCES
from rrr_utils.common.registry import own
from rrr_utils.study.study_file import Data, Model, Scoring, Stage, Study

if TYPE_CHECKING:
    from rrr_utils.explainers import Explainer

# A kernel that starts and imports TensorFlow, on any number of threads.
NOTEBOOK_SECONDS = 15.0
# The float32 matrix product of the machine on which the constants below were measured (two threads).
REFERENCE_GFLOPS = 187.0


@dataclass(frozen=True)
class Speed:
    """A network at ``size`` pixels on the reference machine: seconds a forward pass, and shares and factors of it.

    ``engine``: a forward pass in scoring, as a share of one in training; ``lower`` and ``head``: the shares of blocks 1
    to 3 and of the head, by operation count. ``whole`` and ``upper``: an image in training, all blocks and the last
    two, as a multiple of a forward pass. ``body``: the weights below the head, ``hidden``: the head's weights a cell of
    the last map, ``pixels``: a cell's width in pixels. ``channels``: of the last layer of every resolution;
    ``late``: which of these resolutions blocks 4 and 5 start from.
    ``bfloat16``: how many times faster a pass is in it, on a processor that multiplies it in tiles; on one that does
    not, a study that asks for it takes longer than is said here. ``occlusion``: the share of passes that are whole.
    """

    size: int
    forward: float
    engine: float
    lower: float
    head: float
    whole: float
    upper: float
    body: float
    hidden: int
    pixels: int
    channels: tuple[int, ...]
    bfloat16: float = 1.0
    occlusion: float = 1.0
    late: int = 2


SPEEDS = {
    "vgg16": Speed(
        224, 1 / 7.5, 1.0, 0.6, 0.01, 3.3, 1.8, 14.7e6, 256 * 512, 32, (64, 128, 256, 512, 512), 6.5, occlusion=0.25
    ),
    "resnet50": Speed(
        224, 1 / 24, 0.77, 0.48, 0.03, 4.0, 2.4, 23.6e6, 1024 * 2048, 32, (64, 256, 512, 1024, 2048), 4.8
    ),
    "mobilenet": Speed(
        224, 1 / 110, 0.7, 0.41, 0.05, 4.6, 2.1, 3.2e6, 512 * 1024, 32, (64, 128, 256, 512, 1024), 3.0, late=3
    ),
    "convnet": Speed(64, 0.00016, 1.0, 0.0, 0.1, 3.2, 3.2, 0.02e6, 64 * 48, 8, (16, 32, 48)),
}
# Beside its passes: seconds an image once, and at every checkpoint. Quickshift and the regression run on one thread, so
# they count for half of what they take, as all times here are for two.
_BESIDE = {"lime": (0.14, 0.004), "sedc": (0.14, 0.0)}
# Seconds to draw and move a training image of 224 pixels a side, on one thread of two as well.
_AUGMENTING = 0.0009
_MASK_SECONDS = {"outlines": 0.005, "deeplab": 0.03, "mask_rcnn": 4.0}
# What nobody has measured costs as much as this: a network, a masker, the passes of an explainer, the images of a data
# set of one's own, which are not imported for a plan.
_USUAL, _USUAL_MASKER, _USUAL_PASSES, _USUAL_IMAGES = "resnet50", "deeplab", 1000, 1000


@dataclass(frozen=True)
class Cost:
    """Forward passes and training images of a job, its bytes on disk, and seconds of work on the reference machine.

    ``shared`` are further bytes on disk, which give way to those of other jobs: see :func:`on_disk`.
    """

    passes: int = 0
    training_images: int = 0
    seconds: float = 1.0
    disk: int = 1_000_000
    shared: int = 0

    def part(self, share: float) -> "Cost":
        """Return the cost of a share of this work, for which what is shared has to be there all the same."""
        passes, images = round(share * self.passes), round(share * self.training_images)
        return Cost(passes, images, share * self.seconds, round(share * self.disk), self.shared)

    def expected(self, factor: float) -> float:
        """Return the seconds of a notebook with this work where work takes ``factor`` times the reference's time."""
        return NOTEBOOK_SECONDS + self.seconds * factor


def on_disk(costs: Iterable[Cost]) -> int:
    """Return the bytes that jobs take together, of what they share at most what ``RRR_SHARED_GB`` allows."""
    every = list(costs)
    shared = min(sum(each.shared for each in every), memory_limits.nbytes("RRR_SHARED_GB"))
    return sum(each.disk for each in every) + shared


def masking(data: Data, sizes: Sequence[int]) -> Cost:
    """Return the cost of masking a data set: no passes of the networks, but of the model that finds the objects."""
    n = images_of(data)
    disk = n * sum(size * size for size in sizes) * (7 if data.source == "confounded" else 4)
    return Cost(seconds=mask_seconds(data, data.masks), disk=disk)


def training(data: Data, model: Model, stage: Stage, strategy: str, seeds: int) -> Cost:
    """Return the cost of training with one strategy, evaluated on all images before and after every epoch.

    Blocks that are frozen before the first trained one run once an image, and with the authors' augmentation once an
    image and epoch for all seeds, which share what comes out on disk as far as ``RRR_SHARED_GB`` goes; their passes are
    counted all the same.
    """
    n = images_of(data)
    each = round(n * (1 - data.test_share)) * stage.epochs
    images, passes = each * seeds, n * (stage.epochs + 1) * seeds
    forward, speed = pass_seconds(model), speed_of(model)
    factor = {"head": 1.0, "dense": 1.0, "blocks4-5": speed.upper}.get(strategy, speed.whole)
    frozen, shared, kept, makers = frozen_share(model, strategy), 0, 0, seeds
    if frozen and model.augmentation == "authors":
        shared = shared_bytes(data, model, stage, strategy)
        makers, kept = (1, n + each) if shared else (seeds, (n + each) * seeds)
    elif frozen and model.augmentation == "none" and not {"swapped", "both"} & set(model.trained_on):
        kept = n * seeds
    else:
        frozen = 0.0
    work = passes * (1 - frozen) + (factor - frozen) * images + frozen * kept
    moving = _AUGMENTING * (model.size / 224) ** 2 * each * makers if model.augmentation == "authors" else 0.0
    return Cost(
        passes=passes,
        training_images=images,
        seconds=forward * work + moving,
        disk=trained_weights(model, strategy) * 4 * (stage.epochs + 1) * seeds,
        shared=shared,
    )


def shared_bytes(data: Data, model: Model, stage: Stage, strategy: str) -> int:
    """Return the bytes of what the blocks that ``strategy`` freezes give for a stage's augmented images, and for those
    evaluated; 0 where it is not shared: no such blocks or images, weights that each seed draws, or above the budget.
    """
    if not frozen_share(model, strategy) or model.augmentation != "authors" or model.weights is None:
        return 0
    speed, n = speed_of(model), images_of(data)
    level = speed.late if strategy == "blocks4-5" else len(speed.channels) - 1
    side = model.size * 2 ** (len(speed.channels) - 1 - level) // speed.pixels
    nbytes = (round(n * (1 - data.test_share)) * stage.epochs + n) * side**2 * _channels(model)[level] * 4
    return nbytes if nbytes <= memory_limits.nbytes("RRR_SHARED_GB") else 0


def scoring(data: Data, model: Model, what: Scoring, strategy: str, epochs: int, seeds: int) -> Cost:
    """Return the cost of every explainer on its images at every scored epoch, and of all changed backgrounds.

    Passes are those that are asked for; the seconds know that blocks which the checkpoints share run once.
    """
    tested = round(images_of(data) * data.test_share)
    parts = [
        _explained(
            model, what.explainers, what.images * len(what.splits), strategy, epochs, len(what.curve_seeds) or seeds
        ),
        # As they are, twice: for the accuracies behind changed backgrounds, and for the answers.
        _explained(model, (), 0, strategy, epochs, seeds, tested * (2 + len(what.backgrounds))),
    ]
    for each in what.ends:
        settings = {name: value for name, value in each.items() if name != "images"}
        pictures = min(each.get("images", tested), tested)
        parts.append(_explained(model, (settings,), pictures, strategy, min(epochs, 2), seeds))
    if what.donors:
        lent = min(what.donors.images or tested, tested) * (what.donors.other + what.donors.same)
        shown = tested * (3 + len(what.backgrounds)) + lent
        parts.append(_explained(model, (), 0, strategy, 1, seeds, shown))
    return Cost(*(sum(getattr(part, each.name) for part in parts) for each in fields(Cost)))


def _explained(
    model: Model,
    explainers: Sequence[Mapping[str, Any]],
    pictures: int,
    strategy: str,
    epochs: int,
    seeds: int,
    shown: int = 0,
) -> Cost:
    """Return the cost of explaining ``pictures``, and of a pass of each of ``shown``, at every epoch and seed."""
    checkpoints = epochs * seeds
    frozen = frozen_share(model, strategy)
    held = max(memory_limits.nbytes("RRR_STACK_GB"), 1)
    stacks = min(math.ceil(checkpoints * trained_weights(model, strategy) * 4 / held), checkpoints)
    # What a pass costs at each checkpoint, of the whole network's.
    shared = 1 - frozen + frozen * stacks / max(checkpoints, 1)
    each, whole, apart = explaining(model, explainers, pictures, checkpoints, shared)
    # The first checkpoint of a seed is asked about more where it serves the others as control.
    asked = [_made(each) for each in explainers if own(each["name"]) is None]
    more = [max(each.control - each.samples, 0) for each in asked]
    once = sum(count / _faster(model, each) for count, each in zip(more, asked, strict=True))
    return Cost(
        passes=(pictures * each + shown) * checkpoints + pictures * sum(more) * seeds,
        seconds=apart
        + pass_seconds(model)
        * speed_of(model).engine
        * (checkpoints * (pictures * whole + shown * shared) + pictures * once * seeds),
        disk=200 * pictures * checkpoints * len(explainers),
    )


def analysis(data: Data, model: Model, what: Scoring, networks: int, apart: float, seeds: int) -> Cost:
    """Return the cost of explaining ``what.images`` images a split by ``networks`` networks a seed, none of them alike.

    ``apart`` are seconds of other work.
    """
    pictures = min(what.images * len(what.splits), images_of(data))
    checkpoints = networks * seeds
    each, whole, regressions = explaining(model, what.explainers, pictures, checkpoints, 1.0)
    forward = pass_seconds(model) * speed_of(model).engine
    return Cost(
        passes=pictures * each * checkpoints,
        seconds=apart + regressions + forward * pictures * whole * checkpoints,
        disk=200 * pictures * checkpoints * len(what.explainers),
    )


def mask_seconds(data: Data, masker: str) -> float:
    """Return the seconds that a masker takes for all images of a data set; one made from outlines takes as these do."""
    masker = "outlines" if masker == "box" else masker
    return images_of(data) * _MASK_SECONDS.get(masker, _MASK_SECONDS[_USUAL_MASKER])


def images_of(data: Data) -> int:
    """Return about how many images a data entry has, from its options alone; no image is opened."""
    if (about := _about(data.source)) is not None:
        return about(data.options)
    images = data.options.get("images")
    return images if isinstance(images, int) else _USUAL_IMAGES


def _about(source: str) -> Callable[[Mapping[str, Any]], int] | None:
    """Return the function from a source's options to the number of images, where there is one."""
    module, _, _ = SOURCES.get(source, "").partition(":")
    return getattr(importlib.import_module(module), "about", None) if module else None


def guesses(study: Study) -> list[str]:
    """Return what the estimates of a study rest on where nobody has measured, a sentence each."""
    scored: list[Any] = [study.scoring, *(model.scoring for model in study.networks if model.scoring), *study.analyses]
    asked = [each for entry in scored for each in entry.explainers]
    said = [
        *((each.source, f"{images_of(each):,} images") for each in study.data if not _about(each.source)),
        *((each.masks, _USUAL_MASKER) for each in study.data if each.masks not in _MASK_SECONDS),
        *((each.architecture, _USUAL) for each in study.networks if each.architecture not in SPEEDS),
        *((each["name"], f"{_unknown_passes(each):,} passes a map") for each in asked if own(each["name"])),
    ]
    return [f"No experience with {word}: estimated as {usual}." for word, usual in dict.fromkeys(said)]


def machine(threads: int) -> float:
    """Return how many times longer than the reference this machine takes with ``threads`` threads (half a second).

    Its float32 matrix product is timed; the caller has told the libraries how many threads they may use.
    """
    import numpy as np  # here, because the number of threads is read when NumPy is imported

    square = np.ones((1024, 1024), np.float32)
    square @ square
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < 0.5:
        square @ square
        count += 1
    return REFERENCE_GFLOPS / (2 * 1.024**3 * count / elapsed)


def wall_time(seconds: Mapping[str, float], needs: Mapping[str, Sequence[str]], slots: int) -> float:
    """Return how long jobs take when ``slots`` of them run at once, each after those that it needs.

    ``seconds`` holds the jobs that are left, in an order in which each follows what it needs; a need that is not among
    them counts as done.
    """
    ended: dict[str, float] = {}
    running: list[float] = [0.0] * slots
    waiting = list(seconds)
    while waiting:
        ready = {
            name: max((ended[need] for need in needs[name] if need in seconds), default=0.0)
            for name in waiting
            if all(need in ended or need not in seconds for need in needs[name])
        }
        name = min(ready, key=lambda name: ready[name])
        end = max(heapq.heappop(running), ready[name]) + seconds[name]
        heapq.heappush(running, end)
        ended[name] = end
        waiting.remove(name)
    return max(ended.values(), default=0.0)


def explaining(
    model: Model, explainers: Sequence[Mapping[str, Any]], pictures: int, checkpoints: int, shared: float
) -> tuple[int, float, float]:
    """Return an image's passes at a checkpoint, what these cost in whole passes, and the seconds beside all passes."""
    each, apart, whole = 1, 0.0, 1.0
    for settings in explainers:
        if own(settings["name"]):
            passes, part = _unknown_passes(settings), 1.0
        else:
            explainer = _made(settings)
            passes = explainer.passes(model.size, _channels(model))
            part = (shared if explainer.alike else 1.0) / _faster(model, explainer)
            part *= speed_of(model).occlusion if explainer.name == "occlusion" else 1.0
        each += passes
        whole += passes * part
        once, often = _BESIDE.get(settings["name"], (0.0, 0.0))
        apart += pictures * (once + often * checkpoints)
    return each, whole, apart


def _made(settings: Mapping[str, Any]) -> "Explainer":
    from rrr_utils.explainers import explainer  # here, because it imports NumPy, which reads the number of threads

    return explainer(**settings)


def _unknown_passes(settings: Mapping[str, Any]) -> int:
    samples = settings.get("samples")
    return samples if isinstance(samples, int) else _USUAL_PASSES


def _faster(model: Model, explainer: "Explainer") -> float:
    """Return how many times faster the passes of an explainer are than in float32, by its precision."""
    return speed_of(model).bfloat16 if getattr(explainer, "precision", "") == "bfloat16" else 1.0


def speed_of(model: Model) -> Speed:
    return SPEEDS.get(model.architecture, SPEEDS[_USUAL])


def _channels(model: Model) -> list[int]:
    width = model.alpha if model.architecture == "mobilenet" else 1.0
    return [round(count * width) for count in speed_of(model).channels]


def pass_seconds(model: Model) -> float:
    speed = speed_of(model)
    width = model.alpha**1.22 if model.architecture == "mobilenet" else 1.0
    return speed.forward * width * (model.size / speed.size) ** 2


def frozen_share(model: Model, strategy: str) -> float:
    """Return the share of a forward pass that lies in the blocks before the first one that ``strategy`` trains."""
    speed = speed_of(model)
    # A narrow MobileNet has less body to the same head.
    head = speed.head * (model.alpha**-0.9 if model.architecture == "mobilenet" else 1.0)
    return {"head": 1 - head, "dense": 1 - head, "blocks4-5": speed.lower}.get(strategy, 0.0)


def trained_weights(model: Model, strategy: str) -> int:
    """Return about how many weights a checkpoint of ``strategy`` holds."""
    speed = speed_of(model)
    narrow = model.alpha if model.architecture == "mobilenet" else 1.0
    head = speed.hidden * narrow * (model.size // speed.pixels) ** 2
    body = speed.body * narrow**2
    return round(
        {"head": head, "dense": head, "blocks4-5": 0.9 * body, "blocks1-3": 0.1 * body}.get(strategy, head + body)
    )
