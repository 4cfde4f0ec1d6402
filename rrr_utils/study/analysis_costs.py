"""What analyses cost that do more than explain by the run's network."""

import math
from typing import Any

from rrr_utils.study import costs
from rrr_utils.study.analysis import Analysis
from rrr_utils.study.study_file import Data, Model, Scoring

# An image in one step of a head's training on kept features.
HEAD_SECONDS = 0.0005
# An epoch of a remedy as a multiple of a plain one.
_TIMES = {"right-reasons": 2.5, "cam-energy": 2.0, "cgc": 5.0, "explanation-guided": 2.0, "ensemble": 3.0}


def overinterpretation(data: Data, model: Model, entry: Analysis, seeds: int) -> costs.Cost:
    """Return the cost of the selections of pixels, a gradient a step, and of training anew on what they leave."""
    options: Any = entry.options
    steps = math.ceil(model.size**2 / options.pixels)
    # By every colour, towards a wrong class, and for further disjoint subsets; each seed's network and the ensemble.
    each = len(options.fills) + options.subsets
    voters = seeds + (seeds if seeds > 1 else 0)
    pictures = min(entry.images * len(entry.splits), costs.images_of(data))
    gradients = pictures * each * steps * voters + (costs.images_of(data) * steps * seeds if options.retrain else 0)
    trained = (
        costs.training(data, model, model.stage(entry.strategy), entry.strategy, 2 * seeds)
        if options.retrain
        else costs.Cost()
    )
    return costs.Cost(
        passes=3 * gradients + trained.passes,
        training_images=trained.training_images,
        seconds=costs.pass_seconds(model) * 3 * gradients + (trained.seconds if options.retrain else 1.0),
        disk=200 * pictures * each * voters + trained.disk,
    )


def infodisent(data: Data, model: Model, entry: Analysis, seeds: int) -> costs.Cost:
    """Return the cost of one pass of the backbone an image, of three heads trained on it, and of their maps.

    A backbone that was trained differs from seed to seed, and runs once for each of them.
    """
    options: Any = entry.options
    n, speed = costs.images_of(data), costs.speed_of(model)
    backbones = 1 if entry.strategy in ("head", "dense") else seeds
    trained = round(n * (1 - data.test_share)) * options.training["epochs"] * seeds * 3
    what = Scoring(entry.explainers, (entry.epoch,), entry.images, entry.splits)
    maps = costs.analysis(data, model, what, options.networks, 0.0, seeds)
    passes = n * backbones * (2 if data.source == "confounded" else 1)
    # A head is small, but one of a few hundred channels solves as many equations a step.
    heads = trained * max(speed.head * costs.pass_seconds(model), HEAD_SECONDS)
    return costs.Cost(
        passes=passes + maps.passes,
        training_images=trained,
        seconds=costs.pass_seconds(model) * passes + heads + maps.seconds,
        disk=passes * speed.hidden // 16 + maps.disk,
    )


def remedies(data: Data, model: Model, entry: Analysis, seeds: int) -> costs.Cost:
    """Return the cost of training with every remedy, of the sweeps over strengths, and of scoring what is trained."""
    options: Any = entry.options
    each = costs.training(data, model, model.stage(entry.strategy), entry.strategy, 1)
    models = [name for name in options.remedies for _ in range(seeds)]
    models += [name for name in ("right-reasons", "cam-energy") if name in models for _ in options.factors]
    what = Scoring(entry.explainers, (entry.epoch,), entry.images, entry.splits, options.backgrounds)
    scored = costs.scoring(data, model, what, entry.strategy, 1, seeds * len(options.remedies))
    times = sum(_TIMES.get(name, 1.0) for name in models)
    return costs.Cost(
        passes=each.passes * len(models) + scored.passes,
        training_images=each.training_images * len(models),
        seconds=each.seconds * times + scored.seconds,
        disk=costs.trained_weights(model, entry.strategy) * 4 * seeds * len(options.remedies) + scored.disk,
    )


def zoo(data: Data, model: Model, entry: Analysis, seeds: int) -> costs.Cost:
    """Return the cost of training a slice of the zoo, and of asking each of its checkpoints.

    A checkpoint answers to its test images as they are and with six changes; its explainers run on the scored images,
    and on a few of them again on a network of random weights; each map is inserted and deleted step by step.
    """
    options: Any = entry.options
    n = costs.images_of(data)
    train = round(n * (1 - data.test_share))
    kinds, sizes = options.kinds, options.training_images or (train,)
    apiece = len(options.ties) * seeds  # trainings of each kind and size
    trained = sum(min(size, train) for size in sizes) * entry.epoch * apiece
    trainings = len(kinds) * len(sizes) * apiece
    models = trainings * max(len(options.checkpoints), 1)
    forward, speed, frozen = costs.pass_seconds(model), costs.speed_of(model), costs.frozen_share(model, entry.strategy)
    # Frozen blocks run once an image where the images stay, and once for all models of a tie.
    shared = 1 - frozen * (1 - len(options.ties) / models)
    factor = 1.0 if entry.strategy in ("head", "dense") else speed.whole
    # A remedy runs the whole network at every step.
    still = sum(kind in ("original", "masked") for kind in kinds)
    times = sum(_TIMES.get(kind, 1.0) for kind in kinds)
    work = trained * (factor * times - frozen * still) + frozen * still * sum(sizes) * apiece
    each, whole, apart = costs.explaining(model, entry.explainers, entry.images, models, shared)
    few = min(entry.images, 8)
    curves, tested = 2 * options.steps * len(entry.explainers), 7 * (n - train)
    asked = entry.images * (whole + curves) + few * whole + tested * shared
    return costs.Cost(
        passes=models * (entry.images * (each + curves) + few * each + tested),
        training_images=trained * len(kinds),
        # Every training compiles its step.
        seconds=forward * (work + speed.engine * models * asked) + apart + 2.0 * trainings,
        disk=400 * models * entry.images * len(entry.explainers)
        + 4 * costs.trained_weights(model, entry.strategy) * entry.epoch,
    )
