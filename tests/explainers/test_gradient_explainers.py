"""Integrated gradients and SmoothGrad: against their definitions, on networks whose maps can be worked out by hand."""

import keras
import numpy as np
import pytest

from rrr_utils import networks
from rrr_utils.common import seeds
from rrr_utils.engine.gradients import input_gradients
from rrr_utils.explainers import IntegratedGradients, SmoothGrad, explainer
from rrr_utils.scoring import scores as scoring

SIZE = 6


def adopted(outputs_of):
    """Return the network with these outputs of ``(N, 6, 6, 3)`` images as they are."""
    images = keras.Input((SIZE, SIZE, 3))
    return networks.adopt(keras.Model(images, outputs_of(images)))


@pytest.fixture(scope="module")
def linear():
    """Two logits that are weighted sums of the pixels, and the weights ``(6, 6, 3, 2)``."""
    weights = seeds.generator("weights").normal(size=(SIZE * SIZE * 3, 2)).astype(np.float32)
    convolution = keras.layers.Conv2D(3, 1, use_bias=False, name="copy")
    dense = keras.layers.Dense(2, name="logits")
    network = adopted(lambda images: dense(keras.layers.Flatten()(convolution(images))))
    network.model.get_layer("copy").set_weights([np.eye(3, dtype=np.float32)[None, None]])
    network.model.get_layer("logits").set_weights([weights, np.array([0.3, -0.2], np.float32)])
    return network, weights.reshape(SIZE, SIZE, 3, 2)


@pytest.fixture(scope="module")
def pictures():
    return seeds.generator("pictures").integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)


def test_of_a_linear_network_by_hand(linear, pictures):
    """Integrated gradients are weight times distance from the baseline in one step, and the gradient is the weight."""
    network, weights = linear
    maps = IntegratedGradients(steps=1, baseline=10).attributions(network, pictures, [0, 1])
    for number in range(2):
        by_hand = (weights[..., number] * (pictures[number].astype(float) - 10)).sum(axis=-1)
        np.testing.assert_allclose(maps[number], by_hand, rtol=1e-4, atol=1e-3)
    smooth = SmoothGrad(samples=3)(network, pictures, np.array([0, 1]), signed=True)
    for number in range(2):
        by_hand = weights[..., number].sum(axis=-1)
        np.testing.assert_allclose(smooth[number], by_hand / np.abs(by_hand).max(), atol=1e-5)
    largest = SmoothGrad(samples=3, channels="largest")(network, pictures, np.array([0, 1]))
    by_hand = np.abs(weights[..., 0]).max(axis=-1)
    np.testing.assert_allclose(largest[0], by_hand / by_hand.max(), atol=1e-5)


def test_integrated_gradients_are_complete(tiny_network):
    """The sum over all pixels is the logit of the image minus that of the baseline, the better the more steps.

    From black: on the way from the neutral colour a ReLU network without offsets is linear, and one step is exact.
    """
    images = seeds.generator("larger").integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    classes = np.array([0, 2])
    plain = np.zeros_like(images)
    ends = [input_gradients(tiny_network, each, classes)[0][np.arange(2), classes] for each in (images, plain)]
    gaps = []
    for steps in (2, 16, 512):
        maps = IntegratedGradients(steps=steps, baseline=0).attributions(tiny_network, images, classes)
        gaps.append(np.abs(maps.sum(axis=(1, 2)) - (ends[0] - ends[1])).max())
    assert gaps[-1] < 0.02 * np.abs(ends[0] - ends[1]).min()
    assert gaps[-1] < gaps[1] < gaps[0]


def test_the_integral_is_taken_at_the_middles_of_its_parts():
    """A logit that rises from seven tenths of the way on: of the middles of four parts, 1/8 to 7/8, one is beyond."""
    convolution, flatten = keras.layers.Conv2D(3, 1, use_bias=False, name="copy"), keras.layers.Flatten()
    gate, dense = keras.layers.Dense(1, "relu", name="gate"), keras.layers.Dense(2, name="logits")
    network = adopted(lambda images: dense(gate(flatten(convolution(images)))))
    total = SIZE * SIZE * 3 * 100.0
    network.model.get_layer("copy").set_weights([np.eye(3, dtype=np.float32)[None, None]])
    network.model.get_layer("gate").set_weights([np.ones((SIZE * SIZE * 3, 1)), np.array([-0.7 * total])])
    network.model.get_layer("logits").set_weights([np.array([[1.0, 0.0]]), np.zeros(2)])
    grey = np.full((1, SIZE, SIZE, 3), 100, np.uint8)
    maps = IntegratedGradients(steps=4, baseline=0).attributions(network, grey, [0])
    np.testing.assert_allclose(maps[0], 300 / 4, rtol=1e-5)


def test_the_plain_image_has_a_zero_map(tiny_network):
    """From the baseline to itself there is no way: no relevance, and no NaN."""
    plain = np.full((1, 32, 32, 3), tiny_network.neutral, np.float32)
    assert IntegratedGradients(steps=4)(tiny_network, plain, np.array([0])).max() == 0


def test_without_noise_smoothgrad_is_the_gradient(tiny_network):
    """One copy without noise: the gradient of the logit, summed over channels."""
    images = seeds.generator("larger").integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    found = SmoothGrad(samples=1, noise=0)(tiny_network, images, np.array([1, 0]), signed=True)
    slopes = input_gradients(tiny_network, images, [1, 0])[1].sum(axis=-1)
    np.testing.assert_allclose(found, slopes / np.abs(slopes).max(axis=(1, 2), keepdims=True), atol=1e-5)


@pytest.mark.parametrize("each", [IntegratedGradients(steps=5, batch=2), SmoothGrad(samples=5, batch=2)])
def test_maps_keep_the_contract(tiny_network, each):
    """In [0, 1] with maximum 1; signed maps have that as their positive part; other images do not matter."""
    images = seeds.generator("larger").integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    classes, ids = np.array([0, 1, 2]), ["a", "b", "c"]
    maps, signed = (each(tiny_network, images, classes, ids, signed=signed) for signed in (False, True))
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1)
    assert signed.min() < 0
    positive = np.maximum(signed, 0)
    np.testing.assert_allclose(maps, positive / positive.max(axis=(1, 2), keepdims=True), atol=1e-5)
    alone = each(tiny_network, images[1:2], classes[1:2], ids[1:2])
    np.testing.assert_allclose(alone[0], maps[1], atol=1e-4)


def test_noise_follows_from_seed_and_id(tiny_network):
    """The same id and seed give the same map, another seed another one."""
    images = seeds.generator("larger").integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    one, same, other = (
        SmoothGrad(samples=4, seed=seed)(tiny_network, images, np.array([0]), ["x"]) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.05


def test_what_they_cannot_do_is_refused(tiny_network):
    """A plain function has no gradients; absolute values no sign; steps and noise have limits."""
    images = np.zeros((1, 32, 32, 3), np.uint8)
    for each in (IntegratedGradients(), SmoothGrad()):
        with pytest.raises(TypeError, match="needs a Network, because it takes gradients"):
            each(lambda pictures: np.zeros((len(pictures), 2)), images, np.array([0]))
    with pytest.raises(ValueError, match="no signed maps with channels='largest'"):
        SmoothGrad(channels="largest")(tiny_network, images, np.array([0]), signed=True)
    with pytest.raises(ValueError, match="`steps` must be a whole number from 1 to"):
        IntegratedGradients(steps=0)
    with pytest.raises(ValueError, match="`noise` must be a share"):
        SmoothGrad(noise=2)
    with pytest.raises(ValueError, match="integrated_gradients has no parameter 'protocol'"):
        explainer("integrated_gradients", protocol="authors")


def test_a_study_can_ask_for_them():
    """Their names are a study's, and what draws gets the study's seed."""
    smooth, lime, steps = scoring.explainers(
        [{"name": "smooth_grad"}, {"name": "lime"}, {"name": "integrated_gradients", "steps": 8}], 7
    )
    assert (smooth.seed, lime.seed, steps.steps) == (7, 7, 8)
