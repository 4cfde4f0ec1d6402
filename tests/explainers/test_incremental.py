"""Incremental occlusion: the logits of whole passes, at every border, for checkpoints alone and together."""

import keras
import numpy as np
import pytest

from rrr_utils import networks
from rrr_utils.engine import weights
from rrr_utils.explainers import Occlusion, base, incremental
from rrr_utils.networks import stack


@pytest.fixture(scope="module")
def vgg():
    return networks.build("vgg16", classes=3, size=97, weights=None)


def pictures(n, size=97):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def chain(*layers, size=98):
    """Return a Network of ``layers`` and a head, adopted from Keras."""
    keras.utils.set_random_seed(3)
    head = [keras.layers.Flatten(), keras.layers.Dense(3)]
    return networks.adopt(keras.Sequential([keras.Input((size, size, 3)), *layers, *head]), preprocess="tf")


def logits(network, image, patch, stride, incremental_way):
    """Return the logits of the whole image and of every position, as Occlusion asks for them."""
    occlusion = Occlusion(patch, stride, batch=7, incremental=incremental_way)
    seen = []
    original = base.checked

    def kept(outputs, *rest):
        seen.append(np.array(outputs))
        return original(outputs, *rest)

    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(base, "checked", kept)
        occlusion(network, image[None], np.array([1]))
    return np.concatenate(seen, axis=1)


# At 97 pixels the poolings drop a row and a column of 97 and of 3; 21 and 11 leave a last position at the border.
@pytest.mark.parametrize(("patch", "stride"), [(21, 11), (16, 16), (33, 32), (80, 9), (97, 1)])
def test_logits_are_those_of_whole_passes(vgg, patch, stride):
    """Patches at every border, of odd and even sides, and one as large as the image."""
    image = pictures(1)[0]
    quick, plain = (logits(vgg, image, patch, stride, way) for way in (True, False))
    assert incremental.chain_of(vgg.model) is not None
    assert quick.shape == plain.shape
    spread = np.ptp(plain, axis=1).max()
    assert spread > 0
    np.testing.assert_allclose(quick, plain, atol=1e-4 * max(spread, np.abs(plain).max()))


@pytest.mark.parametrize(
    "layers",
    [
        [keras.layers.Conv2D(4, (5, 3), padding="same", use_bias=False), keras.layers.MaxPooling2D()],
        [keras.layers.MaxPooling2D(), keras.layers.Conv2D(4, 1, padding="same", activation="tanh")],
        [keras.layers.Conv2D(4, 3, padding="same", activation="relu") for _ in range(3)],
    ],
)
def test_other_chains(layers):
    """Kernels that are not square, without a bias, of one pixel; a pooling first; no pooling at all."""
    network, image = chain(*layers), pictures(1, 98)[0]
    quick, plain = (logits(network, image, 20, 13, way) for way in (True, False))
    assert incremental.chain_of(network.model) is not None
    np.testing.assert_allclose(quick, plain, atol=1e-5 * np.abs(plain).max())


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(4, 3, strides=2, padding="same"),
        keras.layers.Conv2D(4, 3, padding="valid"),
        keras.layers.Conv2D(4, 4, padding="same"),
        keras.layers.Conv2D(4, 3, padding="same", dilation_rate=2),
        keras.layers.Conv2D(4, 3, padding="same", activation="softmax"),
    ],
)
def test_what_is_no_chain_is_run_whole(layer):
    """A network that begins with anything else than a chain has no incremental way, and the same maps."""
    network = chain(layer)
    assert incremental.chain_of(network.model) is None
    maps = [Occlusion(33, 32, incremental=way)(network, pictures(1, 98), [0]) for way in (True, False)]
    np.testing.assert_array_equal(*maps)


def test_small_networks_are_run_whole():
    """At 64 pixels a whole pass costs less than cutting windows."""
    assert incremental.chain_of(networks.build("convnet", classes=2, size=64, weights=None).model) is None


def test_weights_that_change_later_count(vgg):
    """After a step of training, the maps are those of the new weights."""
    network = chain(keras.layers.Conv2D(4, 3, padding="same", activation="relu"), keras.layers.MaxPooling2D())
    occlusion, plain = Occlusion(30, 20), Occlusion(30, 20, incremental=False)
    before = occlusion(network, pictures(1, 98), [0], signed=True)
    for variable in network.model.weights:
        variable.assign(variable + 0.3 * np.random.default_rng(1).normal(size=variable.shape))
    after = occlusion(network, pictures(1, 98), [0], signed=True)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, plain(network, pictures(1, 98), [0], signed=True), atol=1e-4)


@pytest.mark.parametrize("strategy", ["dense", "blocks4-5"])
def test_a_stack_is_asked_incrementally(vgg, strategy):
    """Checkpoints of the head share the chain; others are asked one by one: the maps are those of whole passes."""
    network = networks.build("vgg16", classes=3, size=97, weights=None, seed=2)
    together = stack.Stack(network)
    for seed in range(2):
        for name in network.trainable_layers(strategy) if seed else ():
            for variable in network.model.get_layer(name).weights:
                variable.assign(variable + 0.02 * np.random.default_rng(seed).random(variable.shape))
        together.add(weights.take(network.model))
    images, classes = pictures(2), np.array([0, 2])
    quick, plain = (
        Occlusion(33, 32, incremental=way).of_each(together, images, classes, signed=True) for way in (True, False)
    )
    assert np.abs(quick[0] - quick[1]).max() > 0.01
    np.testing.assert_allclose(quick, plain, atol=2e-4)


def test_windows_do_not_grow_with_the_number_of_positions(vgg, monkeypatch):
    """However many positions there are, no more than a batch of windows is held at once."""
    sizes = []
    original = incremental._Windows.cut

    def counted(self, whole, tops, *rest):
        sizes.append(len(tops))
        return original(self, whole, tops, *rest)

    monkeypatch.setattr(incremental._Windows, "cut", counted)
    Occlusion(40, 8, batch=5)(vgg, pictures(1), [0])
    assert max(sizes) == 5
    assert sum(size for size in sizes) > 81


def test_a_small_patch_may_reach_the_end_of_what_checkpoints_share():
    """Where windows stay small up to the cut, the shared part is the chain alone, with nothing behind it to run."""
    network = networks.build("convnet", classes=2, size=128, weights=None)
    checkpoints = stack.Stack(network)
    for factor in (1.0, 0.5):
        head = network.model.get_layer("logits").kernel
        head.assign(head * factor)
        checkpoints.add(weights.take(network.model))
    assert checkpoints.cut == "dense"
    image, one = pictures(1, 128), np.array([1])
    quick, plain = (
        Occlusion(16, 16, incremental=way).of_each(checkpoints, image, one, signed=True) for way in (True, False)
    )
    assert np.abs(plain).max() > 0
    np.testing.assert_allclose(quick, plain, atol=1e-4)
