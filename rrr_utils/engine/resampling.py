"""Images cut to boxes and brought to another size inside a loss, where Keras has no operation for it.

TensorFlow has its own operations; elsewhere both are products with a matrix for the rows and one for the columns.
"""

from typing import Any

import keras


def crop_and_resize(images: Any, boxes: Any) -> Any:
    """Return images ``(n, H, W, C)`` cut to boxes and brought back to H x W, float32.

    ``boxes`` float32 ``(n, 4)``: top, left, bottom and right as shares of the image, from 0 to 1. The corners of a box
    become the centres of the corner pixels, between which is interpolated linearly.
    """
    images = keras.ops.cast(images, "float32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.image.crop_and_resize(images, boxes, tf.range(tf.shape(images)[0]), images.shape[1:3])
    return _cropped(images, boxes)


def area(images: Any, size: tuple[int, int]) -> Any:
    """Return images ``(n, H, W, C)`` brought to ``size``, float32: each pixel the mean of what it covers."""
    images = keras.ops.cast(images, "float32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.image.resize(images, size, method="area")
    return _covered(images, size)


def _cropped(images: Any, boxes: Any) -> Any:
    rows = _hats(images.shape[1], boxes[:, 0], boxes[:, 2])
    columns = _hats(images.shape[2], boxes[:, 1], boxes[:, 3])
    return keras.ops.einsum("nik,nklc,njl->nijc", rows, images, columns)


def _covered(images: Any, size: tuple[int, int]) -> Any:
    rows, columns = _shares(images.shape[1], size[0]), _shares(images.shape[2], size[1])
    return keras.ops.einsum("ik,nklc,jl->nijc", rows, images, columns)


def _hats(length: int, start: Any, stop: Any) -> Any:
    """Return how much of each pixel ``k`` goes into pixel ``i`` of each box, ``(n, i, k)``."""
    places = keras.ops.arange(length, dtype="float32")
    at = (start[:, None] + (stop - start)[:, None] * places / max(length - 1, 1)) * (length - 1)
    return keras.ops.maximum(1 - keras.ops.abs(at[:, :, None] - places), 0)


def _shares(length: int, count: int) -> Any:
    """Return the share of each of ``count`` equal parts that pixel ``k`` covers, ``(i, k)``."""
    part, parts, places = (
        length / count,
        keras.ops.arange(count, dtype="float32"),
        keras.ops.arange(length, dtype="float32"),
    )
    begin, end = part * parts[:, None], part * (parts[:, None] + 1)
    return keras.ops.maximum(keras.ops.minimum(end, places + 1) - keras.ops.maximum(begin, places), 0) / part
