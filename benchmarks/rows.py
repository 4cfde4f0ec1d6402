"""What is compared: each row makes a quick and a plain way to the same result, and checks that they agree."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Way = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One comparison: ``make()`` returns the quick way, the plain way, and what checks that their results agree."""

    what: str
    against: str
    target: float
    make: Callable[[], tuple[Way, Way, Callable[[Any, Any], None]]]
    quick: bool = True


def rows() -> list[Row]:
    """Return all comparisons, in the order in which they are run."""
    return [
        Row("forward passes, MobileNet 0.25, 224 px", "Keras predict", 4, _forward),
        Row("Grad-CAM and Grad-CAM++ together, VGG16, 224 px", "tf-keras-vis, both", 4, _grad_cam, quick=False),
        Row("Grad-CAM and Grad-CAM++ together, MobileNet 0.25, 224 px", "tf-keras-vis, both", 4, _grad_cam_mobilenet),
        Row("LIME, 1,000 samples, MobileNet 0.25", "lime, batches of 50, tf.function", 2.5, _lime_function),
        Row(
            "Occlusion, VGG16, 224 px, patch 32, stride 16",
            "169 whole passes in batches, same engine",
            3,
            _occlusion,
            quick=False,
        ),
        Row(
            "LIME (1,000) and Occlusion over 11 checkpoints, dense, MobileNet 0.25",
            "the same without sharing, same engine",
            8,
            _sharing,
            quick=False,
        ),
        Row("LIME, 1,000 samples, MobileNet 0.25", "lime, predict, batches of 10", 6, _lime_predict, quick=False),
    ]


def _network(name: str, **options: Any) -> Any:
    """Return a network at 224 px: ImageNet's weights where they are at hand, else random ones (speed is the same)."""
    from rrr_utils import networks

    weights = "imagenet" if os.environ.get("RRR_DATA_DIR") else None
    return networks.build(name, classes=2, size=224, weights=weights, **options)


def _images(count: int) -> np.ndarray:
    """Return smooth generated images, which quickshift cuts into some tens of superpixels."""
    from scipy import ndimage

    noise = np.random.default_rng(0).normal(size=(count, 224, 224, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 14, 14, 0))
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    return ((smooth - low) / (high - low) * 255).astype(np.uint8)


def _close(tolerance: float) -> Callable[[Any, Any], None]:
    def check(quick: Any, plain: Any) -> None:
        scale = max(float(np.abs(plain).max()), 1e-30)
        np.testing.assert_allclose(quick, plain, atol=tolerance * scale)

    return check


def _forward() -> tuple[Way, Way, Callable[[Any, Any], None]]:
    from rrr_utils import engine

    network, images = _network("mobilenet", alpha=0.25), _images(256).astype(np.float32)
    run = engine.forward(network, engine.fastest(network.model))
    return lambda: run(images), lambda: network.model.predict(images, batch_size=32, verbose=0), _close(1e-3)


def _grad_cam() -> tuple[Way, Way, Callable[[Any, Any], None]]:
    return _cams(_network("vgg16"))


def _grad_cam_mobilenet() -> tuple[Way, Way, Callable[[Any, Any], None]]:
    return _cams(_network("mobilenet", alpha=0.25))


def _cams(network: Any) -> tuple[Way, Way, Callable[[Any, Any], None]]:
    import keras
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.scores import CategoricalScore

    from rrr_utils.explainers import GradCAM, GradCAMPlusPlus, relevance
    from rrr_utils.explainers.grad_cam import together

    images, classes = _images(8).astype(np.float32), np.zeros(8, np.int64)
    asked = [GradCAM(batch=8), GradCAMPlusPlus(normalise_alphas=True, batch=8)]
    layer = keras.models.clone_model(network.model)
    layer.set_weights(network.model.get_weights())
    theirs = [kind(layer, clone=False) for kind in (Gradcam, GradcamPlusPlus)]

    def plain(**options: Any) -> Any:
        return [
            each(
                CategoricalScore(0),
                images,
                penultimate_layer=network.grad_cam_layer,
                seek_penultimate_conv_layer=False,
                **options,
            )
            for each in theirs
        ]

    def check(quick: Any, _: Any) -> None:
        # tf-keras-vis enlarges by another spline, so what is compared is its coarse map, enlarged as ours is. Alphas
        # divided by their sum lose digits in float32, which it computes in.
        for ours, coarse in zip(quick, plain(normalize_cam=False, expand_cam=False), strict=True):
            enlarged = relevance.upsample(np.asarray(coarse), (224, 224))
            np.testing.assert_allclose(ours, relevance.finish(enlarged, ["image"] * len(enlarged)), atol=5e-3)

    return lambda: together(asked, network, images, classes), plain, check


def _occlusion() -> tuple[Way, Way, Callable[[Any, Any], None]]:
    from rrr_utils.explainers import Occlusion

    network, image, classes = _network("vgg16"), _images(1), np.zeros(1, np.int64)
    quick, plain = Occlusion(), Occlusion(incremental=False)
    return (
        lambda: quick(network, image, classes, signed=True),
        lambda: plain(network, image, classes, signed=True),
        _close(1e-3),
    )


def _lime_function() -> tuple[Way, Way, Callable[[Any, Any], None]]:
    import tensorflow as tf

    network = _network("mobilenet", alpha=0.25)
    function = tf.function(lambda images: network.model(images, training=False))
    return _lime(network, lambda images: function(tf.constant(images, tf.float32)).numpy(), 50)


def _lime_predict() -> tuple[Way, Way, Callable[[Any, Any], None]]:
    network = _network("mobilenet", alpha=0.25)
    return _lime(network, lambda images: network.model.predict(images.astype(np.float32), verbose=0), 10)


def _lime(network: Any, predict: Any, batch: int) -> tuple[Way, Way, Callable[[Any, Any], None]]:
    from lime.lime_image import LimeImageExplainer

    from rrr_utils import weights
    from rrr_utils.explainers import LIME
    from rrr_utils.stack import Stack

    (image,) = _images(1)
    stack = Stack(network)
    stack.add(weights.take(network.model))

    def quick() -> Any:
        # A new explainer: nothing is remembered of this image.
        return LIME(samples=1000).of_each(stack, image[None], np.zeros(1, np.int64), ids=["image"], signed=True)

    def plain() -> Any:
        explainer = LimeImageExplainer(random_state=0)
        return explainer.explain_instance(
            image, predict, labels=(0,), top_labels=None, num_samples=1000, batch_size=batch
        )

    def check(quick: Any, plain: Any) -> None:
        # Other coins, so the maps agree as far as 1,000 samples do.
        (found,) = quick[:, 0]
        theirs = np.zeros(found.shape)
        for segment, value in plain.local_exp[0]:
            theirs[plain.segments == segment] = value
        correlation = np.corrcoef(found.ravel(), theirs.ravel())[0, 1]
        assert correlation > 0.9, f"the maps correlate at {correlation:.3f}"

    return quick, plain, check


def _sharing() -> tuple[Way, Way, Callable[[Any, Any], None]]:
    from rrr_utils import weights
    from rrr_utils.explainers import LIME, Occlusion
    from rrr_utils.stack import Stack

    network, images = _network("mobilenet", alpha=0.25), _images(1)
    rng, states = np.random.default_rng(0), []
    for _ in range(11):
        states.append(weights.take(network.model))
        for name in network.trainable_layers("dense"):
            for variable in network.model.get_layer(name).weights:
                variable.assign(variable.numpy() + 0.001 * rng.normal(size=variable.shape))
    whole = Stack(network)
    for state in states:
        whole.add(state)
    # One stack a checkpoint, with nothing to share; converted once, before the clock runs, as for the shared one.
    single = []
    for state in states:
        single.append(Stack(network))
        single[-1].add(state)
    classes, asked = np.zeros(1, np.int64), [LIME(samples=1000), Occlusion()]

    def maps(stacks: list[Any]) -> Any:
        return np.stack([np.concatenate([each.of_each(stack, images, classes) for stack in stacks]) for each in asked])

    return lambda: maps([whole]), lambda: maps(single), _close(2e-2)
