"""Batched Gradient SIS: the pixels of many images at a time, against one image after another."""

from typing import Any

import inputs
import numpy as np
from timing import Comparison, Timed

# What the plain way does of its images, and by how much its time is taken.
_PLAIN = 2


def subsets(
    name: str = "mobilenet", size: int = 224, number: int = 50, keep: float = 0.05, **options: Any
) -> Comparison:
    """Compare the selection down to ``keep`` of the pixels, 100 a step, with the definition, image by image.

    The plain way takes TensorFlow's gradient with respect to a mask, uncompiled, and is timed on two images.
    """
    import time

    import tensorflow as tf

    from rrr_utils.analyses.overinterpretation import sufficient_subsets

    network, images = inputs.network(name, size, **options), inputs.images(number, size)
    labels, ids = np.zeros(number, np.int64), [str(place) for place in range(number)]
    total, fill = size * size, np.asarray(network.neutral, np.float32)
    steps = int(np.ceil((total - int(keep * total)) / 100))

    def quick() -> Any:
        return sufficient_subsets.batched_gradient(network, images, labels, ids, pixels=100, fill=fill, keep=keep)

    def plain() -> Timed:
        began, found = time.perf_counter(), []
        for image in images[:_PLAIN].astype(np.float32):
            mask = np.zeros((size, size), np.float32)
            for step in range(steps):
                variable = tf.Variable(mask)
                with tf.GradientTape() as tape:
                    shown = (1 - variable[..., None]) * image + variable[..., None] * fill
                    probability = tf.nn.softmax(network.model(shown[None], training=False))[0, 0]
                gain = np.where(mask.ravel() == 0, tape.gradient(probability, variable).numpy().ravel(), -np.inf)
                if step == 0:
                    found.append(np.argpartition(-gain, 100)[:100])
                mask.ravel()[np.argpartition(-gain, 100)[:100]] = 1
        return Timed((time.perf_counter() - began) * number / _PLAIN, found)

    def check(quick_result: Any, plain_result: Any) -> None:
        # Gradients of two ways differ in the last bits, and with them the order of pixels that are nearly equal.
        for selection, first in zip(quick_result, plain_result):
            assert len(set(selection.order[:100]) & set(first)) >= 95

    return Comparison(quick, plain, check)
