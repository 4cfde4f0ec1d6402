"""What a job costs before it runs: forward passes, training images, seconds, disk."""

import heapq
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rrr_utils.common import memory_limits as limits
from rrr_utils.common import paths
from rrr_utils.study.analysis import Analysis
from rrr_utils.study.study_file import Data, Model, Scoring, Stage

# A kernel that starts and imports TensorFlow, on any number of threads.
NOTEBOOK_SECONDS = 15.0
# The float32 matrix product of the machine on which the constants below were measured (two threads).
REFERENCE_GFLOPS = 187.0


@dataclass(frozen=True)
class Speed:
    """A network at ``size`` pixels on the reference machine: seconds a forward pass, and shares and factors of it."""

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


# `engine`: a forward pass in scoring, as a share of one in training; `lower` and `head`: the shares of blocks 1 to 3
# and of the head, by operation count. `whole` and `upper`: an image in training, all blocks and the last two, as a
# multiple of a forward pass. `body`: the weights below the head, `hidden`: the head's weights a cell of the last map,
# `pixels`: a cell's width in pixels.
SPEEDS = {
    "vgg16": Speed(224, 1 / 7.5, 1.0, 0.6, 0.01, 3.3, 1.8, 14.7e6, 256 * 512, 32),
    "resnet50": Speed(224, 1 / 24, 0.77, 0.48, 0.03, 4.0, 2.4, 23.6e6, 1024 * 2048, 32),
    "mobilenet": Speed(224, 1 / 110, 0.7, 0.41, 0.05, 4.6, 2.1, 3.2e6, 512 * 1024, 32),
    "convnet": Speed(64, 0.00016, 1.0, 0.0, 0.1, 3.2, 3.2, 0.02e6, 64 * 48, 8),
}
# How many times faster a pass is in bfloat16 on the reference machine, whose processor multiplies it in tiles; on one
# that does not, a study that asks for it takes longer than is said here.
_BFLOAT16 = {"vgg16": 6.5, "resnet50": 4.8, "mobilenet": 3.0}
# Whole passes that incremental Occlusion saves on VGG16.
_INCREMENTAL = 0.25
# An epoch of a remedy as a multiple of a plain one.
_TIMES = {"right-reasons": 2.5, "cam-energy": 2.0, "cgc": 5.0, "explanation-guided": 2.0, "ensemble": 3.0}
# LIME beside its passes: quickshift once an image, a regression at every checkpoint. They run on one thread, so they
# count for half of what they take, as all times here are for two.
_SEGMENTATION_SECONDS = 0.14
_REGRESSION_SECONDS = 0.004
# Channels of the last layer of every resolution.
_CHANNELS = {
    "vgg16": (64, 128, 256, 512, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "mobilenet": (64, 128, 256, 512, 1024),
    "convnet": (16, 32, 48),
}
# Of an image, and how often SEDC enlarges a set of them before the class changes.
_SUPERPIXELS, _ENLARGED = 50, 10
# An image in one step of a head's training on kept features.
_HEAD_SECONDS = 0.0005
_MASK_SECONDS = {"outlines": 0.005, "deeplab": 0.03, "mask_rcnn": 4.0}
_KNOWN = {"confounded": 1200, "dogs_vs_cats": 3000, "oxford_pets": 7390, "cifar10": 60000}


@dataclass(frozen=True)
class Cost:
    """Forward passes and training images of a job, its bytes on disk, and seconds of work on the reference machine."""

    passes: int = 0
    training_images: int = 0
    seconds: float = 1.0
    disk: int = 1_000_000

    def expected(self, factor: float) -> float:
        """Return the seconds of a notebook with this work where work takes ``factor`` times the reference's time."""
        return NOTEBOOK_SECONDS + self.seconds * factor


def masking(data: Data, sizes: Sequence[int]) -> Cost:
    """Return the cost of masking a data set: no passes of the networks, but of the model that finds the objects."""
    n = images_of(data)
    disk = n * sum(size * size for size in sizes) * (7 if data.source == "confounded" else 4)
    return Cost(seconds=n * _MASK_SECONDS[data.masks], disk=disk)


def training(data: Data, model: Model, stage: Stage, strategy: str, seeds: int) -> Cost:
    """Return the cost of training with one strategy, evaluated on all images before and after every epoch.

    Blocks that are frozen before the first trained one run once an image; their passes are counted all the same.
    """
    n = images_of(data)
    images = round(n * (1 - data.test_share)) * stage.epochs * seeds
    passes = n * (stage.epochs + 1) * seeds
    forward, speed = _forward(model), SPEEDS[model.architecture]
    factor = {"head": 1.0, "dense": 1.0, "blocks4-5": speed.upper}.get(strategy, speed.whole)
    work, once = passes + factor * images, 0.0
    frozen = _frozen(model, strategy)
    if frozen and model.augmentation == "none" and not {"swapped", "both"} & set(model.trained_on):
        work, once = passes * (1 - frozen) + (factor - frozen) * images, frozen * n * seeds
    return Cost(
        passes=passes,
        training_images=images,
        seconds=forward * (work + once),
        disk=_weights(model, strategy) * 4 * (stage.epochs + 1) * seeds,
    )


def scoring(data: Data, model: Model, what: Scoring, strategy: str, epochs: int, seeds: int) -> Cost:
    """Return the cost of every explainer on the cohort at every scored epoch, and of all changed backgrounds.

    Passes are those that are asked for; the seconds know that blocks which the checkpoints share run once.
    """
    pictures = what.images * len(what.splits)
    checkpoints = epochs * seeds
    frozen = _frozen(model, strategy)
    held = max(limits.nbytes("RRR_STACK_GB"), 1)
    stacks = min(math.ceil(checkpoints * _weights(model, strategy) * 4 / held), checkpoints)
    # What a pass costs at each checkpoint, of the whole network's.
    shared = 1 - frozen + frozen * stacks / max(checkpoints, 1)
    each, whole, apart = _explaining(model, what.explainers, pictures, checkpoints, shared)
    # The first checkpoint of a seed is asked about more where it serves the others as control.
    asked = [explainer for explainer in what.explainers if explainer["name"] == "lime"]
    more = [max(lime.get("control", 0) - lime.get("samples", 1000), 0) for lime in asked]
    once = sum(count / _faster(model, lime) for count, lime in zip(more, asked, strict=True))
    backgrounds = round(images_of(data) * data.test_share) * (2 + len(what.backgrounds))
    passes = (pictures * each + backgrounds) * checkpoints + pictures * sum(more) * seeds
    return Cost(
        passes=passes,
        seconds=apart
        + _forward(model)
        * SPEEDS[model.architecture].engine
        * (checkpoints * (pictures * whole + backgrounds * shared) + pictures * once * seeds),
        disk=200 * pictures * checkpoints * len(what.explainers),
    )


def analysis(data: Data, model: Model, what: Scoring, networks: int, apart: float, seeds: int) -> Cost:
    """Return the cost of explaining ``what.images`` images a split by ``networks`` networks a seed, none of them alike.

    ``apart`` are seconds of other work.
    """
    pictures = min(what.images * len(what.splits), images_of(data))
    checkpoints = networks * seeds
    each, whole, regressions = _explaining(model, what.explainers, pictures, checkpoints, 1.0)
    forward = _forward(model) * SPEEDS[model.architecture].engine
    return Cost(
        passes=pictures * each * checkpoints,
        seconds=apart + regressions + forward * pictures * whole * checkpoints,
        disk=200 * pictures * checkpoints * len(what.explainers),
    )


def overinterpretation(data: Data, model: Model, entry: Analysis, seeds: int) -> Cost:
    """Return the cost of the selections of pixels, a gradient a step, and of training anew on what they leave."""
    steps = math.ceil(model.size**2 / (entry.pixels or 1))
    # By every colour, towards a wrong class, and for further disjoint subsets; each seed's network and the ensemble.
    each = len(entry.fills or ()) + (entry.subsets or 1)
    voters = seeds + (seeds if seeds > 1 else 0)
    pictures = min(entry.images * len(entry.splits), images_of(data))
    gradients = pictures * each * steps * voters + (images_of(data) * steps * seeds if entry.retrain else 0)
    trained = training(data, model, model.stage(entry.strategy), entry.strategy, 2 * seeds) if entry.retrain else Cost()
    return Cost(
        passes=3 * gradients + trained.passes,
        training_images=trained.training_images,
        seconds=_forward(model) * 3 * gradients + (trained.seconds if entry.retrain else 1.0),
        disk=200 * pictures * each * voters + trained.disk,
    )


def infodisent(data: Data, model: Model, entry: Analysis, seeds: int) -> Cost:
    """Return the cost of one pass of the backbone an image, of three heads trained on it, and of their maps.

    A backbone that was trained differs from seed to seed, and runs once for each of them.
    """
    assert entry.training is not None
    n, speed = images_of(data), SPEEDS[model.architecture]
    backbones = 1 if entry.strategy in ("head", "dense") else seeds
    trained = round(n * (1 - data.test_share)) * entry.training["epochs"] * seeds * 3
    what = Scoring(entry.explainers, (entry.epoch,), entry.images, entry.splits)
    maps = analysis(data, model, what, 3, 0.0, seeds)
    passes = n * backbones * (2 if data.source == "confounded" else 1)
    # A head is small, but one of a few hundred channels solves as many equations a step.
    heads = trained * max(speed.head * _forward(model), _HEAD_SECONDS)
    return Cost(
        passes=passes + maps.passes,
        training_images=trained,
        seconds=_forward(model) * passes + heads + maps.seconds,
        disk=passes * speed.hidden // 16 + maps.disk,
    )


def remedies(data: Data, model: Model, entry: Analysis, seeds: int) -> Cost:
    """Return the cost of training with every remedy, of the sweeps over strengths, and of scoring what is trained."""
    each = training(data, model, model.stage(entry.strategy), entry.strategy, 1)
    models = [name for name in entry.remedies or () for _ in range(seeds)]
    models += [name for name in ("right-reasons", "cam-energy") if name in models for _ in entry.factors or ()]
    what = Scoring(entry.explainers, (entry.epoch,), entry.images, entry.splits, entry.backgrounds or ())
    scored = scoring(data, model, what, entry.strategy, 1, seeds * len(entry.remedies or ()))
    times = sum(_TIMES.get(name, 1.0) for name in models)
    return Cost(
        passes=each.passes * len(models) + scored.passes,
        training_images=each.training_images * len(models),
        seconds=each.seconds * times + scored.seconds,
        disk=_weights(model, entry.strategy) * 4 * seeds * len(entry.remedies or ()) + scored.disk,
    )


def zoo(data: Data, model: Model, entry: Analysis, seeds: int) -> Cost:
    """Return the cost of training a slice of the zoo, and of asking each of its checkpoints.

    A checkpoint answers to its test images as they are and with six changes; its explainers run on the scored images,
    and on a few of them again on a network of random weights; each map is inserted and deleted step by step.
    """
    n = images_of(data)
    train = round(n * (1 - data.test_share))
    kinds, sizes = entry.kinds or (), entry.training_images or (train,)
    apiece = len(entry.ties or ()) * seeds  # trainings of each kind and size
    trained = sum(min(size, train) for size in sizes) * entry.epoch * apiece
    trainings = len(kinds) * len(sizes) * apiece
    models = trainings * max(len(entry.checkpoints or ()), 1)
    forward, speed, frozen = _forward(model), SPEEDS[model.architecture], _frozen(model, entry.strategy)
    # Frozen blocks run once an image where the images stay, and once for all models of a tie.
    shared = 1 - frozen * (1 - len(entry.ties or ()) / models)
    factor = 1.0 if entry.strategy in ("head", "dense") else speed.whole
    # A remedy runs the whole network at every step.
    still = sum(kind in ("original", "masked") for kind in kinds)
    times = sum(_TIMES.get(kind, 1.0) for kind in kinds)
    work = trained * (factor * times - frozen * still) + frozen * still * sum(sizes) * apiece
    each, whole, apart = _explaining(model, entry.explainers, entry.images, models, shared)
    few = min(entry.images, 8)
    curves, tested = 2 * (entry.steps or 2) * len(entry.explainers), 7 * (n - train)
    asked = entry.images * (whole + curves) + few * whole + tested * shared
    return Cost(
        passes=models * (entry.images * (each + curves) + few * each + tested),
        training_images=trained * len(kinds),
        # Every training compiles its step.
        seconds=forward * (work + speed.engine * models * asked) + apart + 2.0 * trainings,
        disk=400 * models * entry.images * len(entry.explainers) + 4 * _weights(model, entry.strategy) * entry.epoch,
    )


def mask_seconds(data: Data, masker: str) -> float:
    """Return the seconds that a masker takes for all images of a data set; one made from outlines takes none."""
    return images_of(data) * _MASK_SECONDS.get(masker, _MASK_SECONDS["outlines"])


def images_of(data: Data) -> int:
    """Return about how many images a data entry has, from its options alone; no image is opened."""
    options = data.options
    if data.source == "folder":
        folder = paths.given(str(options.get("images", "")), paths.data_dir())
        return sum(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else 1000
    if options.get("images"):
        return int(options["images"])
    if data.source == "caltech101":
        return len(options.get("categories") or range(101)) * min(int(options.get("cap") or 90), 90)
    return _KNOWN[data.source]


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


def _explaining(
    model: Model, explainers: Sequence[Mapping[str, Any]], pictures: int, checkpoints: int, shared: float
) -> tuple[int, float, float]:
    """Return an image's passes at a checkpoint, what these cost in whole passes, and the seconds beside all passes."""
    each, apart, whole = 1, 0.0, 1.0
    for explainer in explainers:
        name = explainer["name"]
        if name == "occlusion":
            patch, stride = (explainer.get(key, default) for key, default in (("patch", 32), ("stride", 16)))
            positions = (math.ceil((model.size - patch) / stride) + 1) ** 2
            each += positions
            whole += positions * shared * (_INCREMENTAL if model.architecture == "vgg16" else 1)
        elif name == "lime":
            each += explainer.get("samples", 1000)
            whole += explainer.get("samples", 1000) * shared / _faster(model, explainer)
            apart += pictures * (_SEGMENTATION_SECONDS + _REGRESSION_SECONDS * checkpoints)
        elif name == "rise":
            each += explainer.get("samples", 4000)
            whole += explainer.get("samples", 4000) * shared
        elif name in ("score_cam", "sise"):
            masks = _masks(model, name, explainer.get("channels"))
            each += 3 + masks
            whole += 3 + masks
        elif name == "sedc":
            passes = _SUPERPIXELS * (1 + min(explainer.get("steps", 50), _ENLARGED))
            each += passes
            whole += passes
            apart += pictures * _SEGMENTATION_SECONDS
        elif name in ("integrated_gradients", "smooth_grad"):
            gradients = explainer.get(*(("steps", 32) if name == "integrated_gradients" else ("samples", 25)))
            each += 3 * gradients
            whole += 3 * gradients
        else:
            layers = len(_CHANNELS[model.architecture]) if explainer.get("layers") == "all" else 1
            each += 3 * layers  # a pass and a gradient
            whole += 3 * layers
    return each, whole, apart


def _faster(model: Model, explainer: Mapping[str, Any]) -> float:
    """Return how many times faster the passes of an explainer are than in float32, by its ``precision``."""
    return _BFLOAT16.get(model.architecture, 1.0) if explainer.get("precision") == "bfloat16" else 1.0


def _masks(model: Model, name: str, most: int | None) -> int:
    """Return about how many masks Score-CAM or SISE makes of channels; half of them have a gradient above 0."""
    width = model.alpha if model.architecture == "mobilenet" else 1.0
    channels = [round(count * width) for count in _CHANNELS[model.architecture]]
    if name == "score_cam":
        return min(channels[-1], most or channels[-1])
    return sum(min(round(count / 2), most or count) for count in channels)


def _forward(model: Model) -> float:
    speed = SPEEDS[model.architecture]
    width = model.alpha**1.22 if model.architecture == "mobilenet" else 1.0
    return speed.forward * width * (model.size / speed.size) ** 2


def _frozen(model: Model, strategy: str) -> float:
    """Return the share of a forward pass that lies in the blocks before the first one that ``strategy`` trains."""
    speed = SPEEDS[model.architecture]
    # A narrow MobileNet has less body to the same head.
    head = speed.head * (model.alpha**-0.9 if model.architecture == "mobilenet" else 1.0)
    return {"head": 1 - head, "dense": 1 - head, "blocks4-5": speed.lower}.get(strategy, 0.0)


def _weights(model: Model, strategy: str) -> int:
    """Return about how many weights a checkpoint of ``strategy`` holds."""
    speed = SPEEDS[model.architecture]
    narrow = model.alpha if model.architecture == "mobilenet" else 1.0
    head = speed.hidden * narrow * (model.size // speed.pixels) ** 2
    body = speed.body * narrow**2
    return round(
        {"head": head, "dense": head, "blocks4-5": 0.9 * body, "blocks1-3": 0.1 * body}.get(strategy, head + body)
    )
