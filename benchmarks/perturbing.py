"""LIME and Occlusion against their rivals, and many checkpoints together against one after another."""

import time
from collections.abc import Sequence
from typing import Any

import inputs
import numpy as np
from numpy.typing import NDArray
from operations import multiply_adds, sharing_limit
from timing import Comparison, Timed, seconds_of

CHECKPOINTS = 11


def lime_function(name: str = "mobilenet", size: int = 224, samples: int = 1000, **options: Any) -> Comparison:
    """Compare LIME of an image seen for the first time with the package lime, given a compiled function."""
    import tensorflow as tf

    network = inputs.network(name, size, **options)
    function = tf.function(lambda images: network.model(images, training=False))
    return _lime(network, lambda images: function(tf.constant(images, tf.float32)).numpy(), 50, samples)


def lime_predict(name: str = "mobilenet", size: int = 224, samples: int = 1000, **options: Any) -> Comparison:
    """Compare LIME of an image seen for the first time with the package lime as it is: ``predict``, batches of 10."""
    network = inputs.network(name, size, **options)
    return _lime(network, _predict(network), 10, samples)


def _lime(network: Any, predict: Any, batch: int, samples: int) -> Comparison:
    from rrr_utils.engine import passes as engine
    from rrr_utils.engine import weights
    from rrr_utils.explainers import LIME
    from rrr_utils.explainers.lime import superpixels

    image = inputs.images(1, network.size)
    stack = inputs.stack(network, [weights.take(network.model)])

    def quick() -> Any:
        # A new explainer: nothing is remembered of this image.
        return LIME(samples=samples).of_each(stack, image, np.zeros(1, np.int64), ids=["image"], signed=True)

    def facts() -> dict[str, Any]:
        # Neither way can do without the superpixels and the passes.
        many = np.repeat(image, samples, axis=0).astype(np.float32)
        kind = engine.fastest(network.model)
        run = engine.forward(network, kind, stack.batch)
        passes = seconds_of(lambda: run(many))
        cutting = seconds_of(lambda: superpixels(image[0]))
        return {"superpixels_s": round(cutting, 4), "passes_s": round(passes, 4)}

    return Comparison(
        quick,
        lambda: package_lime(image[0], predict, batch, samples),
        # Other coins, so the maps agree as far as so many samples do.
        lambda ours, theirs: inputs.correlate(0.9, ours[0, 0], theirs),
        facts,
    )


def package_lime(image: NDArray, predict: Any, batch: int, samples: int) -> NDArray[np.float64]:
    """Return the package lime's map of class 0, ``(H, W)``: each superpixel's weight on its pixels."""
    from lime.lime_image import LimeImageExplainer

    explainer = LimeImageExplainer(random_state=0)
    found = explainer.explain_instance(
        image, predict, labels=(0,), top_labels=None, num_samples=samples, batch_size=batch
    )
    weight = np.zeros(found.segments.max() + 1)
    for segment, value in found.local_exp[0]:
        weight[segment] = value
    return weight[found.segments]


def occlusion(name: str = "vgg16", size: int = 224, patch: int = 32, stride: int = 16) -> Comparison:
    """Compare Occlusion that computes what a patch reaches with whole passes in the same engine."""
    from rrr_utils.explainers import Occlusion

    network, image, classes = inputs.network(name, size), inputs.images(1, size), np.zeros(1, np.int64)
    quick, plain = Occlusion(patch, stride), Occlusion(patch, stride, incremental=False)
    return Comparison(
        lambda: quick(network, image, classes, signed=True),
        lambda: plain(network, image, classes, signed=True),
        inputs.close(1e-3),
    )


def sharing(
    name: str = "mobilenet",
    size: int = 224,
    strategy: str = "dense",
    samples: int = 1000,
    occlude: bool = True,
    patch: int = 32,
    checkpoints: int = CHECKPOINTS,
    **options: Any,
) -> Comparison:
    """Compare one stack of all checkpoints of a strategy with a stack for each, in the same engine."""
    from rrr_utils.explainers import LIME, Occlusion

    network, image, classes = inputs.network(name, size, **options), inputs.images(1, size), np.zeros(1, np.int64)
    made = inputs.states(network, strategy, checkpoints)
    whole = inputs.stack(network, made)
    # One stack a checkpoint, with nothing to share.
    single = [inputs.stack(network, [state]) for state in made]
    asked = [LIME(samples=samples), *([Occlusion(patch, patch // 2)] if occlude else [])]

    def maps(stacks: Sequence[Any]) -> Any:
        return np.stack([np.concatenate([each.of_each(stack, image, classes) for stack in stacks]) for each in asked])

    return Comparison(
        lambda: maps([whole]),
        lambda: maps(single),
        inputs.close(2e-2),
        lambda: limits(network, whole.cut, checkpoints),
    )


def limits(network: Any, cut: str | None, checkpoints: int, number: int = 64) -> dict[str, Any]:
    """Return the limit of sharing what lies before ``cut``, by multiply-adds and by the times of the two parts."""
    from rrr_utils.engine import passes as engine

    if cut is None:
        return {}
    prefix, suffix = network.split(cut)
    work = [multiply_adds(part) for part in (prefix, suffix)]
    images = inputs.images(8, network.size).astype(np.float32)
    images = np.repeat(images, -(-number // 8), axis=0)[:number]
    times, given = [], images
    for part, batch in ((prefix, 32), (suffix, number if cut == "dense" else 32)):
        run = engine.forward(part, engine.fastest(part), batch)
        times.append(seconds_of(lambda run=run, given=given: run(given)) / number)
        given = run(given)
    return {
        "prefix_multiply_adds": work[0],
        "suffix_multiply_adds": work[1],
        "limit_by_operations": round(sharing_limit(*work, checkpoints), 2),
        "prefix_ms": round(1000 * times[0], 3),
        "suffix_ms": round(1000 * times[1], 3),
        "limit_by_time": round(sharing_limit(*times, checkpoints), 2),
    }


def as_the_authors(
    name: str = "mobilenet",
    size: int = 224,
    samples: int = 1000,
    patch: int = 32,
    timed: int = 2,
    checkpoints: int = CHECKPOINTS,
    **options: Any,
) -> Comparison:
    """Compare LIME and Occlusion of all checkpoints together with the package lime and a ``predict`` a row of patches.

    The plain way is run for the first ``timed`` checkpoints, and its time is taken as many times as there are more: it
    does the same for each.
    """
    from rrr_utils.engine import weights
    from rrr_utils.explainers import LIME, Occlusion
    from rrr_utils.explainers.lime import superpixels
    from rrr_utils.explainers.occlusion import covered, spread

    network, image, classes = inputs.network(name, size, **options), inputs.images(1, size), np.zeros(1, np.int64)
    made = inputs.states(network, "dense", checkpoints)
    stack, layers = inputs.stack(network, made), [layer.name for layer in network.model.layers]
    predict, sides = _predict(network), covered(size, patch, patch // 2)

    def quick() -> Any:
        # New explainers: the superpixels are cut anew.
        asked = [LIME(samples=samples), Occlusion(patch, patch // 2)]
        return [each.of_each(stack, image, classes, ids=["image"], signed=True) for each in asked]

    def drops() -> NDArray[np.float64]:
        logits = []
        for rows in sides:
            covering = np.repeat(image, len(sides), axis=0).astype(np.float32)
            for each, columns in zip(covering, sides, strict=True):
                each[np.outer(rows, columns)] = network.neutral
            logits.append(predict(covering)[:, 0])
        return predict(image)[0, 0] - np.stack(logits).astype(np.float64)

    def plain() -> Timed:
        taken, found = 0.0, []
        for state in made[:timed]:
            weights.put(network.model, state, layers, "the checkpoint")
            start = time.perf_counter()
            lime = package_lime(image[0], predict, 10, samples)
            occluded = spread(drops(), sides, sides)
            taken += time.perf_counter() - start
            found.append((lime, occluded / np.abs(occluded).max()))
        return Timed(taken * checkpoints / timed, found)

    def check(ours: Any, theirs: Any) -> None:
        for place, (lime, occluded) in enumerate(theirs):
            inputs.correlate(0.9, ours[0][place, 0], lime)
            inputs.close(5e-3)(ours[1][place, 0], occluded)

    def facts() -> dict[str, Any]:
        # What no way that keeps every sample and position can do without.
        parts, asked = limits(network, stack.cut, checkpoints), samples + len(sides) ** 2
        return {
            "against_checkpoints_timed": timed,
            "superpixels_s": round(seconds_of(lambda: superpixels(image[0])), 4),
            "frozen_s": round(asked * parts["prefix_ms"] / 1000, 4),
            "trained_s": round(asked * checkpoints * parts["suffix_ms"] / 1000, 4),
        }

    return Comparison(quick, plain, check, facts)


def _predict(network: Any) -> Any:
    return lambda images: network.model.predict(np.asarray(images, np.float32), verbose=0)
