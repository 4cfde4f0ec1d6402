"""What losses of gradients need of a backend: a slope that is differentiated again, and images brought to boxes."""

import keras
import numpy as np
import pytest

from rrr_utils.engine import backends, gradients, resampling


def cube(x):
    return x * x * x


def test_the_slope_of_a_slope_by_hand():
    """Of x cubed: 3 x squared, and of that 6 x; the values are those of each function."""
    x = keras.ops.convert_to_tensor(np.array([[1.0, -2.0], [0.5, 3.0]], np.float32))
    value, slope = gradients.with_slope(cube, x)
    np.testing.assert_allclose(value, [[1, -8], [0.125, 27]])
    np.testing.assert_allclose(slope, [[3, 12], [0.75, 27]])
    again, second = gradients.with_slope(lambda x: gradients.with_slope(cube, x)[1], x)
    np.testing.assert_allclose(again, slope)
    np.testing.assert_allclose(second, [[6, -12], [3, 18]])


def test_the_slope_of_a_loss_reaches_the_weights():
    """A network w x has the slope w at every x, and a loss of its square moves w: 2 is 2 - 0.1 * 2 * 2 after a step."""

    class Flat(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(gradients.with_slope(lambda x: self(x, training=False), x)[1]))

    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False)
    model = Flat(inputs, dense(inputs))
    dense.set_weights([np.array([[2.0]])])
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    model.fit(np.array([[1.0], [5.0]], np.float32), np.zeros((2, 1)), epochs=1, verbose=0)
    np.testing.assert_allclose(dense.get_weights()[0], [[1.6]], rtol=1e-6)


def test_a_loss_is_not_differentiated_by_the_statistics_that_its_step_moved():
    """With mean 2 and variance 1 of the batch as constants, the first image's output w x rises by about 1 for each w.

    By way of the statistics it would not rise at all: normalised, the batch is the same for every w.
    """

    class Normalised(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            gradients.hold(self.non_trainable_variables)
            return self(x, training=False)[0, 0]

    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False)
    norm = keras.layers.BatchNormalization(momentum=0.0, center=False, scale=False, epsilon=1e-6)
    model = Normalised(inputs, norm(dense(inputs)))
    dense.set_weights([np.array([[1.0]])])
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    model.fit(np.array([[1.0], [3.0]], np.float32), np.zeros((2, 1)), epochs=1, verbose=0, shuffle=False)
    np.testing.assert_allclose(norm.get_weights(), [[2], [1]])
    np.testing.assert_allclose(dense.get_weights()[0], [[0.9]], rtol=1e-5)


def test_a_box_of_an_image_by_hand():
    """The left half of a row of three has its corners on pixels 0 and 1: so 0, 0.5 and 1. A whole row stays itself."""
    row = np.array([[[[0.0], [1.0], [5.0]]]] * 2, np.float32)
    boxes = np.array([[0, 0, 1, 0.5], [0, 0, 1, 1]], np.float32)
    for found in (resampling.crop_and_resize(row, boxes), resampling._cropped(row, boxes)):
        np.testing.assert_allclose(np.asarray(found)[..., 0], [[[0, 0.5, 1]], [[0, 1, 5]]], atol=1e-6)


def test_the_mean_of_what_a_pixel_covers_by_hand():
    """Three columns become two: each the whole of one and half of the middle one."""
    row = np.array([[[[0.0], [3.0], [9.0]]]], np.float32)
    for found in (resampling.area(row, (1, 2)), resampling._covered(row, (1, 2))):
        np.testing.assert_allclose(np.asarray(found)[..., 0], [[[1, 7]]], rtol=1e-6)


def test_both_forms_say_the_same():
    """TensorFlow's operations and the products of matrices, on random boxes and sizes that do not divide."""
    random = np.random.default_rng(0)
    images = random.random((5, 11, 9, 3)).astype(np.float32)
    corner, side = random.random((5, 2)) / 2, 0.3 + random.random((5, 2)) / 5
    boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    np.testing.assert_allclose(resampling._cropped(images, boxes), resampling.crop_and_resize(images, boxes), atol=1e-5)
    np.testing.assert_allclose(resampling._covered(images, (4, 5)), resampling.area(images, (4, 5)), atol=1e-5)


def test_a_backend_that_was_never_tried_is_refused(monkeypatch):
    """Compiling and differentiating on it stop with those that there are."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    for ask in (backends.current, lambda: gradients.with_slope(cube, 1.0)):
        with pytest.raises(ValueError, match=r"`KERAS_BACKEND` must be one of .*'jax'.*'torch' was passed"):
            ask()
