"""Grad-CAM and Grad-CAM++ against calculation by hand, tf-keras-vis, and the defects of other implementations."""

import gc
import weakref
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage, signal

from rrr_utils.common import seeds
from rrr_utils.engine import gradients
from rrr_utils.explainers import GradCAM, GradCAMPlusPlus
from rrr_utils.networks import network as networks

BOTH = pytest.mark.parametrize("kind", [GradCAM, GradCAMPlusPlus], ids=lambda kind: kind.name)


def network(model, layer="conv"):
    """Return what the explainers ask of a Network, around a small model."""
    return SimpleNamespace(
        name="tiny", model=model, size=model.input_shape[1], classes=model.output_shape[-1], grad_cam_layer=layer
    )


def tiny(scale=1.0, seed=0):
    """Return a 12 px network, conv (3 channels, stride 2) - Dense 5 - logits 3, and its weights in float64."""
    draw = seeds.generator("tiny", seed)
    weights = [draw.normal(size=shape) / np.sqrt(np.prod(shape[:-1])) for shape in ((3, 3, 3, 3), (108, 5), (5, 3))]
    images = keras.Input((12, 12, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(3, 3, strides=2, padding="same", activation="relu", use_bias=False, name="conv")(x)
    x = keras.layers.Dense(5, activation="tanh", use_bias=False)(keras.layers.Flatten()(x))
    model = keras.Model(images, keras.layers.Dense(3, use_bias=False, name="logits")(x))
    model.set_weights([weights[0], weights[1], weights[2] * scale])
    return network(model), weights


def pictures(number=2, size=12):
    return seeds.generator("pictures", size).integers(0, 256, (number, size, size, 3), dtype=np.uint8)


def by_hand(image, weights, label):
    """Return activations (6, 6, 3) by SciPy's correlation and gradients by central differences, in float64."""
    x = image / 255.0
    # Keras pads an even side at stride 2 by one pixel, below and right.
    padded = np.pad(x, ((0, 1), (0, 1), (0, 0)))
    planes = [
        sum(signal.correlate2d(padded[..., c], weights[0][:, :, c, k], mode="valid") for c in range(3))[::2, ::2]
        for k in range(3)
    ]
    activations = np.maximum(np.stack(planes, axis=-1), 0)

    def logit(a):
        return (np.tanh(a.ravel() @ weights[1]) @ weights[2])[label]

    slopes = np.empty_like(activations)
    for place in np.ndindex(activations.shape):
        step = np.zeros_like(activations)
        step[place] = 1e-5
        slopes[place] = (logit(activations + step) - logit(activations - step)) / 2e-5
    return activations, slopes


def half_pixel(coarse, size):
    """Return the map at ``size`` pixels by SciPy's linear interpolation at half-pixel coordinates."""
    place = (np.arange(size) + 0.5) * len(coarse) / size - 0.5
    return ndimage.map_coordinates(coarse, np.meshgrid(place, place, indexing="ij"), order=1, mode="nearest")


def channel_weights(kind, activations, slopes):
    """Return the weights by the papers' equations as they are printed, one channel and position at a time."""
    weights = []
    for k in range(activations.shape[-1]):
        g = slopes[..., k]
        if kind is GradCAM:
            weights.append(g.sum() / g.size)
            continue
        alpha = g**2 / (2 * g**2 + g**3 * activations[..., k].sum())
        weights.append((alpha * np.maximum(g, 0)).sum())
    return weights


@BOTH
@pytest.mark.parametrize("label", [0, 1, 2])
def test_maps_agree_with_calculation_by_hand(kind, label):
    """Convolution by SciPy, gradients by finite differences, equations by loops, all in float64: within 1e-5."""
    net, weights = tiny()
    images = pictures()
    maps = kind()(net, images, [label, label])
    signed = kind()(net, images, [label, label], signed=True)
    for image, found, both_signs in zip(images, maps, signed):
        activations, slopes = by_hand(image, weights, label)
        cam = (activations * channel_weights(kind, activations, slopes)).sum(axis=-1)
        expected = half_pixel(np.maximum(cam, 0), 12)
        assert expected.max() > 0, "a zero map would prove nothing"
        assert_allclose(found, expected / expected.max(), atol=1e-5)
        expected = half_pixel(cam, 12)
        assert_allclose(both_signs, expected / abs(expected).max(), atol=1e-5)


def test_activations_and_gradients_agree_with_calculation_by_hand():
    """Both come back in float32, for each image's own class, within 1e-6."""
    net, weights = tiny()
    activations, slopes = gradients.activations_and_gradients(net, "conv", pictures(), [2, 0])
    assert activations.dtype == slopes.dtype == np.float32
    for place, label in enumerate([2, 0]):
        expected = by_hand(pictures()[place], weights, label)
        assert_allclose(activations[place], expected[0], atol=1e-6)
        assert_allclose(slopes[place], expected[1], atol=1e-6)


def red_and_green(scale=1.0, bias=(0.0, 0.0)):
    """Return a 32 px network whose channels see red and green, on 4 px cells; class 0 is for red, class 1 for green."""
    images = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(2, 4, strides=4, activation="relu", name="conv")(x)
    model = keras.Model(images, keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D()(x)))
    eyes = np.zeros((4, 4, 3, 2))
    eyes[:, :, 0, 0] = eyes[:, :, 1, 1] = 1 / 16
    model.set_weights([eyes, np.zeros(2), scale * np.array([[1, -1], [-1, 1]]), np.array(bias)])
    return network(model)


def red_left_green_right():
    image = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    image[0, 4:20, :16, 0] = 200
    image[0, 12:28, 16:, 1] = 150
    return image


@BOTH
@pytest.mark.parametrize("scale", [1e-8, 1e-5, 1e-2, 1.0, 30.0, 1e3])
def test_no_scale_of_the_gradient_blinds_a_map(kind, scale):
    """Logits times 1e-8 to 1e3: each class's map lies on its own colour, with a maximum of 1, never NaN."""
    image, net = red_left_green_right(), red_and_green(scale)
    red, green = (kind()(net, image, [label])[0] for label in (0, 1))
    assert red.max() == green.max() == 1
    # Interpolation reaches half a cell, 2 px, over the border at 16.
    assert_array_equal(red[:, 18:], 0)
    assert_array_equal(green[:, :14], 0)
    assert_allclose(red, kind()(red_and_green(), image, [0])[0], atol=1e-5)


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e3])
def test_grad_cam_does_not_depend_on_the_scale(scale):
    """On the network with curved layers too, Grad-CAM of scaled logits is the same map within 1e-5."""
    images = pictures()
    assert_allclose(GradCAM()(tiny(scale)[0], images, [0, 1]), GradCAM()(tiny()[0], images, [0, 1]), atol=1e-5)


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e3])
def test_grad_cam_plus_plus_keeps_its_equation_at_every_scale(scale):
    """Alpha depends on the scale by its definition; the map is the one the equation gives in float64."""
    images = pictures(1)
    activations, slopes = by_hand(images[0], tiny()[1], 1)
    weights = channel_weights(GradCAMPlusPlus, activations, slopes * scale)
    expected = half_pixel((activations * weights).sum(axis=-1), 12)
    assert_allclose(GradCAMPlusPlus()(tiny(scale)[0], images, [1])[0], expected / expected.max(), atol=1e-5)


@BOTH
def test_the_explained_output_is_the_logit(kind):
    """A bias that makes the softmax exactly 1 changes nothing, while the authors' map goes blind to the class."""
    image = red_left_green_right()
    sure = red_and_green(bias=(100.0, 0.0))
    for label in (0, 1):
        assert_allclose(kind()(sure, image, [label]), kind()(red_and_green(), image, [label]), atol=1e-6)
    blind = [kind(protocol="authors")(sure, image, [label]) for label in (0, 1)]
    assert_array_equal(blind[0], blind[1])
    assert blind[0][0, 10, 8] > 0.5
    assert blind[0][0, 20, 24] > 0.5


@BOTH
def test_the_authors_protocol(kind):
    """Gradient of the probability, plus 1e-10, over its rms plus 1e-10; cubic zoom, then ReLU, then the maximum."""
    net, weights = tiny()
    images = pictures()
    maps = kind(protocol="authors")(net, images, [2, 2])
    for image, found in zip(images, maps):
        activations, _ = by_hand(image, weights, 2)
        slopes = np.stack([by_hand(image, weights, label)[1] for label in range(3)])
        logits = np.tanh(activations.ravel() @ weights[1]) @ weights[2]
        p = np.exp(logits) / np.exp(logits).sum()
        g = p[2] * (slopes[2] - np.tensordot(p, slopes, axes=1))
        g = (g + 1e-10) / (np.sqrt((g**2).mean()) + 1e-10)
        if kind is GradCAM:
            channels = g.mean(axis=(0, 1))
        else:
            first, second, third = (np.exp(p[2]) * g**power for power in (1, 2, 3))
            alpha = second / (2 * second + third * activations.sum(axis=(0, 1)))
            alpha /= alpha.sum(axis=(0, 1))
            channels = (alpha * np.maximum(first, 0)).sum(axis=(0, 1))
        expected = np.maximum(ndimage.zoom((activations * channels).sum(axis=-1), 2, order=3), 0)
        assert expected.max() > 0, "a zero map would prove nothing"
        assert_allclose(found, expected / expected.max(), atol=1e-4)


@BOTH
@pytest.mark.parametrize("protocol", ["ours", "authors"])
def test_a_zero_map_stays_zero_and_is_not_nan(kind, protocol):
    """A black image has no activation: zero over zero, NaN in the authors' code, is a map of zeros."""
    images = np.concatenate([np.zeros((1, 32, 32, 3), np.uint8), red_left_green_right()])
    maps = kind(protocol=protocol)(red_and_green(), images, [0, 0])
    assert_array_equal(maps[0], np.zeros((32, 32)))
    assert maps[1].max() == 1


def test_where_the_authors_weights_are_nan_the_map_is_zero():
    """Alphas 1/4 and -1/4 sum to zero, which the authors divide by; the map is then zero and not NaN."""
    activations, scaled = np.full((1, 1, 2, 1), 2.0), np.array([0.5, -1.5]).reshape(1, 1, 2, 1)
    assert np.isnan(GradCAMPlusPlus()._authors_weights(activations, scaled)).all()

    class Divided(GradCAM):
        def _authors_weights(self, activations, scaled):
            return super()._authors_weights(activations, scaled) * np.nan

    maps = Divided(protocol="authors")(red_and_green(), red_left_green_right(), [0])
    assert_array_equal(maps, np.zeros((1, 32, 32)))


def test_a_class_without_positive_evidence_has_a_zero_map():
    """Where only the other class's colour is there, Grad-CAM is negative everywhere: zero, and -1 with signs."""
    image = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    image[..., 1] = 150
    assert_array_equal(GradCAM()(red_and_green(), image, [0]), np.zeros((1, 32, 32)))
    assert_allclose(GradCAM()(red_and_green(), image, [0], signed=True), -1)


@BOTH
@pytest.mark.parametrize("protocol", ["ours", "authors"])
def test_a_broken_network_stops_with_the_images_name(kind, protocol):
    """NaN in a weight is an error that names image and explainer, not a zero map."""
    net = red_and_green()
    weights = net.model.get_weights()
    weights[2][0, 0] = np.nan  # not in the convolution: ReLU would make it 0
    net.model.set_weights(weights)
    with pytest.raises(ValueError, match=f"{kind.name}, image 'cat.7': the gradient holds NaN"):
        kind(protocol=protocol)(net, red_left_green_right(), [0], ids=["cat.7"])


@BOTH
def test_a_seven_by_seven_map_stands_on_its_cells(kind):
    """An activation in cell (2, 4) of 7 x 7 gives a map around pixels 79.5 and 143.5 of 224, not 74.3 and 148.7."""
    images = keras.Input((224, 224, 3))
    x = keras.layers.Conv2D(1, 32, strides=32, use_bias=False, name="conv")(images)
    model = keras.Model(images, keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(x)))
    model.set_weights([np.ones((32, 32, 3, 1)), np.ones((49, 2)), np.zeros(2)])
    image = np.zeros((1, 224, 224, 3), dtype=np.uint8)
    image[0, 64:96, 128:160] = 10
    found = kind()(network(model), image, [0])[0]
    assert_allclose(ndimage.center_of_mass(found), [79.5, 143.5], atol=1e-3)
    stretched = ndimage.center_of_mass(kind(protocol="authors")(network(model), image, [0])[0])
    assert abs(stretched[0] - 74.3) < abs(stretched[0] - 79.5)


def test_normalised_alphas_meet_a_pole_that_the_papers_alphas_do_not():
    """Gradients 1 and -1/4 on a channel of sum 24 have alphas 1/26 and 1 / (2 - 6) = -1/4, which sum to -0.21."""
    activations, slopes = np.full((1, 1, 2, 1), 12.0), np.array([1.0, -0.25]).reshape(1, 1, 2, 1)
    assert_allclose(GradCAMPlusPlus()._weights(activations, slopes), [[1 / 26]])
    assert_allclose(GradCAMPlusPlus(normalise_alphas=True)._weights(activations, slopes), [[1 / 26 / (1 / 26 - 1 / 4)]])


def test_alphas_of_negative_activations_stay_in_range():
    """For a layer that is no ReLU the sum counts as 0 and alpha as 1/2, where 1 / (2 + g sum) would be infinite."""
    activations, slopes = np.full((1, 1, 2, 1), -1.0), np.ones((1, 1, 2, 1))
    assert_allclose(GradCAMPlusPlus()._weights(activations, slopes), [[1.0]])


def test_memory_does_not_grow_with_the_number_of_images(monkeypatch):
    """However many images, no more than `batch` go through the network at once, and the maps stay in order."""
    sizes = []
    whole = gradients.activations_and_gradients

    def count(net, layer, images, classes, target="logit"):
        sizes.append(len(images))
        return whole(net, layer, images, classes, target)

    net, images = tiny()[0], pictures(40)
    expected = np.concatenate([GradCAM()(net, images[place : place + 1], [place % 3]) for place in range(40)])
    monkeypatch.setattr(gradients, "activations_and_gradients", count)
    maps = GradCAM(batch=16)(net, images, np.arange(40) % 3)
    assert sizes == [16, 16, 8]
    assert_allclose(maps, expected, atol=1e-5)


def test_a_network_is_compiled_once_and_seen_as_it_is_now():
    """One trace serves every number of images; weights that change afterwards count; a lost model is forgotten."""
    net = tiny()[0]
    before = GradCAM()(net, pictures(), [0, 1])
    GradCAM()(net, pictures(5), [0] * 5)
    GradCAMPlusPlus()(net, pictures(21), [0] * 21)
    (compiled,) = gradients._passes[net.model].values()
    assert compiled.traces() == 1
    net.model.set_weights(tiny(seed=1)[0].model.get_weights())
    after = GradCAM()(net, pictures(), [0, 1])
    assert not np.allclose(before, after)
    assert_allclose(after, GradCAM()(tiny(seed=1)[0], pictures(), [0, 1]), atol=1e-5)
    gone = weakref.ref(net.model)
    del net, compiled
    gc.collect()
    assert gone() is None


def test_explaining_changes_nothing_of_the_network():
    """Batch normalisation runs on its stored statistics and keeps them, and no layer changes its trainable flag."""
    net = networks.build("mobilenet", classes=2, size=32, alpha=0.25, weights=None)
    net.set_strategy("blocks4-5")
    weights, flags = net.model.get_weights(), [layer.trainable for layer in net.model.layers]
    images = pictures(3, 32)
    together = GradCAM()(net, images, [0, 1, 0])
    for before, after in zip(weights, net.model.get_weights()):
        assert_array_equal(before, after)
    assert [layer.trainable for layer in net.model.layers] == flags
    alone = np.concatenate([GradCAM()(net, images[place : place + 1], [place % 2]) for place in range(3)])
    assert_allclose(together, alone, atol=1e-4)


@BOTH
def test_a_plain_function_is_refused(kind):
    """There is no layer to read in a function, and the error says what takes one."""
    with pytest.raises(TypeError, match=r"needs a Network.*LIME, Occlusion"):
        kind()(lambda images: np.zeros((len(images), 2)), np.zeros((1, 4, 4, 3)), [0])


def test_layers_that_cannot_be_read_are_refused():
    """An unknown layer, a flat one, one beside the path to the logits, and an unknown target are named."""
    net, images = tiny()[0], pictures()
    with pytest.raises(ValueError, match="Did you mean 'conv'"):
        gradients.activations_and_gradients(net, "conf", images, [0, 0])
    with pytest.raises(ValueError, match=r"'logits' must put out \(N, h, w, K\), but.*\(None, 3\)"):
        gradients.activations_and_gradients(net, "logits", images, [0, 0])
    with pytest.raises(ValueError, match="`target` must be one of"):
        gradients.activations_and_gradients(net, "conv", images, [0, 0], target="softmax")
    side = keras.layers.Conv2D(2, 3, name="side")(net.model.input)
    beside = network(SimpleNamespace(input_shape=(None, 12), output_shape=(None, 3)), "side")
    beside.model = keras.Model(net.model.input, [net.model.output, side])
    with pytest.raises(ValueError, match="do not depend on layer 'side'"):
        gradients.activations_and_gradients(beside, "side", images, [0, 0])


NETWORKS = [("vgg16", 1.0), ("resnet50", 1.0), ("mobilenet", 0.25)]


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:Please import `zoom`:DeprecationWarning")
@pytest.mark.parametrize(("name", "alpha"), NETWORKS, ids=[name for name, _ in NETWORKS])
def test_maps_agree_with_tf_keras_vis_on_the_real_networks(name, alpha):
    """Grad-CAM and, with normalised alphas, Grad-CAM++ are the reference's maps within 1e-4 of their maximum.

    The paper's alphas and the reference's tend to the same map as gradients shrink, so for a thousandth of the logit
    the default agrees with the reference too.
    """
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus

    net = networks.build(name, classes=3, size=96, alpha=alpha, weights=None, seed=3)
    images, labels = pictures(2, 96), [2, 0]

    def reference(kind, factor=1.0):
        maps = kind(net.model)(
            lambda logits: [factor * logits[place, label] for place, label in enumerate(labels)],
            images.astype(np.float32),
            penultimate_layer=net.grad_cam_layer,
            seek_penultimate_conv_layer=False,
            normalize_cam=False,
            expand_cam=False,
        )
        wide = np.stack([half_pixel(each, 96) for each in np.asarray(maps, dtype=np.float64)])
        largest = wide.max(axis=(1, 2), keepdims=True)
        assert largest.any(), "zero maps would prove nothing"
        return wide / np.where(largest > 0, largest, 1)

    assert_allclose(GradCAM()(net, images, labels), reference(Gradcam), atol=1e-4)
    normalised = GradCAMPlusPlus(normalise_alphas=True)
    assert_allclose(normalised(net, images, labels), reference(GradcamPlusPlus), atol=1e-4)
    weights = net.model.get_layer("logits").get_weights()
    net.model.get_layer("logits").set_weights([weights[0] * 1e-3, weights[1]])
    assert_allclose(GradCAMPlusPlus()(net, images, labels), reference(GradcamPlusPlus), atol=1e-3)
