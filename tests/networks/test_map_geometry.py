"""Whether a layer's grid lies on the image: models that look elsewhere by construction are refused, others are not."""

import keras
import numpy as np
import pytest

from rrr_utils import explainers, networks
from rrr_utils.networks import map_geometry, self_check

layers, ops = keras.layers, keras.ops
SIZE = 64


class Crop(layers.Layer):
    """A crop whose class nobody knows."""

    def call(self, x):
        return x[:, 6:-6, 6:-6]


class Zoom(layers.Layer):
    """A crop that gives an image of the old size."""

    def call(self, x):
        return ops.image.resize(x[:, 16:48, 16:48], (SIZE, SIZE))


def model(front=lambda x: x, size=SIZE, convolution=None):
    keras.utils.set_random_seed(0)
    images = keras.Input((size, size, 3))
    x = front(layers.Rescaling(1 / 255)(images))
    x = (convolution or layers.Conv2D(8, 3, padding="same", activation="relu"))(x)
    return keras.Model(images, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def deep(middle):
    """What is odd stands between convolutions."""
    small = [layers.Conv2D(8, 3, strides=2, padding="same", activation="relu") for _ in range(2)]
    return model(lambda x: middle(small[1](small[0](x))))


def skipping(weight):
    """Pooled features of the first convolution go round the second, which is read, with this weight."""
    keras.utils.set_random_seed(0)
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(images))
    early = layers.Rescaling(weight)(layers.GlobalAveragePooling2D()(x))
    late = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, strides=2, activation="relu")(x))
    return keras.Model(images, layers.Dense(3)(layers.Concatenate()([early, late])))


def sums():
    """Residual blocks whose sums are arithmetic, and no layers."""
    keras.utils.set_random_seed(0)
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(layers.Rescaling(1 / 255)(images))
    for _ in range(2):
        x = x + layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def quadrants():
    """Cut into four that are put together again: each cut is a crop, and the whole lies where it lay."""
    images = keras.Input((SIZE, SIZE, 3))
    convolution = layers.Conv2D(8, 3, padding="same", activation="relu")
    rows = [
        layers.Concatenate(axis=2)([convolution(images[:, a : a + 32, b : b + 32]) for b in (0, 32)]) for a in (0, 32)
    ]
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Concatenate(axis=1)(rows))))


def tutorial():
    """Convolutions without padding, whose strides leave the last pixels over."""
    rest = [layers.MaxPooling2D(), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D()]
    return model(lambda x: rest[2](rest[1](rest[0](layers.Conv2D(8, 3)(x)))), 32, layers.Conv2D(8, 3))


def application(name, size=SIZE):
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, name)(weights=None, classes=3, input_shape=(size, size, 3))


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: model(layers.CenterCrop(40, 40)), "'center_crop.*' crops the image"),
        (lambda: model(layers.CenterCrop(224, 224), 256), "crops the image"),
        (lambda: model(lambda x: x[:, 2:30, 2:30], 32), "crops the image"),
        (lambda: model(lambda x: x[:, :, :48]), "crops .* right edge"),
        (lambda: model(Crop()), "'crop' crops"),
        (lambda: model(Zoom()), "'zoom' crops"),
        (lambda: model(layers.Resizing(64, 32, crop_to_aspect_ratio=True)), "crops the image"),
        (lambda: deep(layers.Cropping2D(4)), "crops the image"),
        (lambda: model(layers.ZeroPadding2D(16)), "pads or moves"),
        (lambda: model(lambda x: ops.pad(x, ((0, 0), (0, 24), (0, 0), (0, 0)))), "pads or moves .* lower edge"),
        (lambda: model(layers.Resizing(64, 128, pad_to_aspect_ratio=True)), "pads or moves"),
        (lambda: deep(layers.ZeroPadding2D(8)), "pads or moves"),
        (lambda: model(lambda x: ops.roll(x, 32, axis=1)), "pads or moves"),
        (lambda: model(lambda x: x[:, ::-1]), "flips"),
        (
            lambda: model(lambda x: layers.Reshape((SIZE, SIZE, 3))(ops.flip(layers.Reshape((SIZE**2, 3))(x), 1))),
            "flips",
        ),
        (lambda: model(layers.Permute((2, 1, 3))), "exchanges the axes"),
        (lambda: model(lambda x: ops.rot90(x, axes=(1, 2))), "exchanges the axes"),
        (lambda: model(layers.Permute((3, 1, 2))), "channels first"),
        (lambda: skipping(10.0), "other paths from the image to the answer, and 9.%"),
    ],
)
def test_a_map_that_would_lie_elsewhere_is_refused_by_its_cause(make, cause):
    """All that read the layer say why and what to take instead; what asks the whole model is not touched by it."""
    network = networks.adopt(make())
    images = self_check.noise(network.size).astype(np.uint8)[:1]
    for explainer in (explainers.GradCAM(), explainers.LayerCAM(), explainers.ScoreCAM()):
        with pytest.raises(ValueError, match=rf"cannot lay a map .*{cause}.*\['occlusion', 'lime'\]"):
            explainer(network, images, [0])
    explainers.Occlusion(patch=32, stride=32)(network, images, [0])


@pytest.mark.parametrize(
    "make",
    [
        model,
        lambda: model(layers.Resizing(96, 96)),
        lambda: model(layers.RandomFlip()),
        lambda: model(layers.ZeroPadding2D(3), 32, layers.Conv2D(8, 7, strides=2)),
        lambda: model(convolution=layers.Conv2D(8, 7, strides=4)),
        lambda: skipping(0.1),
        sums,
        quadrants,
        tutorial,
        *(lambda name=name: application(name) for name in ("VGG16", "MobileNet", "ResNet50", "EfficientNetB0")),
    ],
)
def test_a_map_that_lies_on_the_image_is_drawn(make):
    """Resizing, augmentation, the paddings of ordinary convolutions, and paths that decide little."""
    network = networks.adopt(make())
    assert map_geometry.trouble(network.model, network.grad_cam_layer) == ""
    if network.size == SIZE:
        assert explainers.GradCAM()(network, self_check.noise(SIZE)[:1], [0]).shape == (1, SIZE, SIZE)


def test_a_sum_of_branches_is_what_grad_cam_reads():
    """Not the last branch that goes into it."""
    assert networks.adopt(sums()).grad_cam_layer.endswith("_map")
