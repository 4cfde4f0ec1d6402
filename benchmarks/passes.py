"""Forward passes, Grad-CAM, and how near the passes come to the machine's own rate."""

import time
from typing import Any

import inputs
import numpy as np
from operations import multiply_adds
from timing import Comparison, Timed, seconds_of

# Products of the sizes that convolutions become: positions x kernel, times kernel x filters; and plain squares.
SHAPES = ((1024, 1024, 1024), (2048, 2048, 2048), (6272, 1152, 256), (6272, 2304, 512), (12544, 576, 128))


def forward(name: str = "mobilenet", size: int = 224, number: int = 256, **options: Any) -> Comparison:
    """Compare the engine's pass with Keras' ``predict``, 32 images at a time."""
    from rrr_utils.engine import passes as engine

    network, images = inputs.network(name, size, **options), inputs.images(number, size).astype(np.float32)
    kind, batch = engine.fastest(network.model), images[:32]
    run = engine.forward(network, kind)

    def facts() -> dict[str, Any]:
        # One batch in its place again and again: nothing is cut, copied or padded, so this is the engine itself.
        alone = seconds_of(lambda: [run(batch) for _ in range(number // len(batch))], number=9)
        return {"engine": kind, "passes_s": round(alone, 4)}

    return Comparison(
        lambda: run(images), lambda: network.model.predict(images, batch_size=32, verbose=0), inputs.close(1e-3), facts
    )


def cams(name: str, size: int = 224, number: int = 8, **options: Any) -> Comparison:
    """Compare Grad-CAM and Grad-CAM++ from one backward pass with tf-keras-vis, which takes one for each."""
    import keras
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.scores import CategoricalScore

    from rrr_utils.explainers import GradCAM, GradCAMPlusPlus, relevance
    from rrr_utils.explainers.grad_cam import together

    network = inputs.network(name, size, **options)
    images, classes = inputs.images(number, size).astype(np.float32), np.zeros(number, np.int64)
    asked = [GradCAM(batch=8), GradCAMPlusPlus(normalise_alphas=True, batch=8)]
    copy = keras.models.clone_model(network.model)
    copy.set_weights(network.model.get_weights())
    theirs = [kind(copy, clone=False) for kind in (Gradcam, GradcamPlusPlus)]

    def plain(**choices: Any) -> Any:
        return [
            each(
                CategoricalScore(0),
                images,
                penultimate_layer=network.grad_cam_layer,
                seek_penultimate_conv_layer=False,
                **choices,
            )
            for each in theirs
        ]

    def check(quick: Any, _: Any) -> None:
        # tf-keras-vis enlarges by another spline, so what is compared is its coarse map, enlarged as ours is. Alphas
        # divided by their sum lose digits in float32, which it computes in.
        for ours, coarse in zip(quick, plain(normalize_cam=False, expand_cam=False), strict=True):
            enlarged = relevance.upsample(np.asarray(coarse), (size, size))
            np.testing.assert_allclose(ours, relevance.finish(enlarged, ["image"] * len(enlarged)), atol=5e-3)

    return Comparison(lambda: together(asked, network, images, classes), plain, check)


def arithmetic(name: str, size: int = 224, samples: int = 64, seconds: float = 4.0, **options: Any) -> Comparison:
    """Compare LIME's passes of one image with the time of as many multiply-adds in the fastest matrix product.

    The quick way holds composing the images and the regression as well, but not the superpixels, which are remembered.
    The plain way is no other way to the maps: it says how long the operations would take at the machine's own rate,
    measured in the same process on the same threads just after.
    """
    from rrr_utils.engine import weights
    from rrr_utils.explainers import LIME

    network, image, explainer = inputs.network(name, size, **options), inputs.images(1, size), LIME(samples=samples)
    stack = inputs.stack(network, [weights.take(network.model)])
    work = multiply_adds(network.model) * samples
    rates: list[float] = []

    def quick() -> Any:
        return explainer.of_each(stack, image, np.zeros(1, np.int64), ids=["image"])

    def product() -> Timed:
        rates.append(matrix_product_rate(seconds))
        return Timed(2 * work / rates[-1], rates[-1])

    def check(maps: Any, rate: float) -> None:
        assert maps.max() == 1, "LIME's map is zero"
        assert rate > 0, "the matrix product took no time"

    def facts() -> dict[str, Any]:
        return {"multiply_adds": work, "product_gflops": round(float(np.median(rates)) / 1e9, 1)}

    return Comparison(quick, product, check, facts)


def matrix_product_rate(seconds: float = 4.0) -> float:
    """Return floating-point operations a second of the fastest float32 product of :data:`SHAPES`.

    Each shape is run by TensorFlow and by NumPy for its part of ``seconds``; the best run counts.
    """
    import tensorflow as tf

    best = 0.0
    part = seconds / (2 * len(SHAPES))
    for rows, inner, columns in SHAPES:
        left, right = np.ones((rows, inner), np.float32), np.ones((inner, columns), np.float32)
        for matmul, factors in ((np.matmul, (left, right)), (tf.matmul, (tf.constant(left), tf.constant(right)))):
            began = time.perf_counter()
            while time.perf_counter() - began < part:
                start = time.perf_counter()
                np.asarray(matmul(*factors))
                best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start))
    return best
