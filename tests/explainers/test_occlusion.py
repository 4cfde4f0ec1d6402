"""Occlusion against answers worked out by hand, and against the defects of other implementations."""

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from rrr_utils.common import seeds
from rrr_utils.explainers import Occlusion, base, occlusion


def linear(weights):
    """Return a classifier whose logit 1 is the sum of weights (H, W) x red, and its logit 0 minus that."""

    def forward(images):
        value = np.einsum("nhw,hw->n", images[..., 0].astype(np.float64), weights)
        return np.stack([-value, value], axis=1)

    return forward


def picture(height, width, *names):
    return seeds.generator("occlusion", *names).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


def by_loops(image, weights, patch, stride, fill):
    """Return mean drops by the definition: every position, every pixel, one at a time."""
    height, width = weights.shape
    tops = sorted({*range(0, height - patch + 1, stride), height - patch})
    lefts = sorted({*range(0, width - patch + 1, stride), width - patch})
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for top in tops:
        for left in lefts:
            here = slice(top, top + patch), slice(left, left + patch)
            drop = (weights[here] * (image[..., 0][here].astype(float) - fill)).sum()
            total[here] += max(0.0, drop)
            count[here] += 1
    return total / count


def test_a_hand_worked_map():
    """Only pixel (0, 0) counts: 2 x 2 patches at stride 1 on 3 x 3 cover it once, in a corner that is covered once.

    The one drop is 100. Pixels in row 0 and column 0 are covered by 1, 2, 1 patches, so the four pixels of that patch
    get 100 / 1, 100 / 2, 100 / 2, 100 / 4.
    """
    weights = np.zeros((3, 3))
    weights[0, 0] = 1
    image = np.full((1, 3, 3, 3), 100, dtype=np.uint8)
    relevance = Occlusion(patch=2, stride=1, fill=0)(linear(weights), image, [1])
    assert_allclose(relevance, [[[1, 0.5, 0], [0.5, 0.25, 0], [0, 0, 0]]])


@pytest.mark.parametrize(("height", "width", "patch", "stride"), [(12, 12, 4, 2), (13, 9, 4, 3), (9, 14, 5, 5)])
def test_a_linear_model_has_the_map_of_its_definition(height, width, patch, stride):
    """On a model that is linear in the pixels of one region the map is the mean drop, also for other than squares."""
    weights = np.zeros((height, width))
    weights[2:6, 5:8] = seeds.generator("region", height).normal(size=(4, 3))
    image = picture(height, width)
    expected = by_loops(image[0], weights, patch, stride, 127.5)
    relevance = Occlusion(patch=patch, stride=stride, batch=7)(linear(weights), image, [1])
    assert relevance.shape == (1, height, width)
    assert_allclose(relevance[0], expected / expected.max(), atol=1e-6)


def test_relevance_lies_on_the_region_that_decides():
    """With a bright region on black and a black fill, what no patch on the region covers is exactly zero."""
    image = np.zeros((1, 224, 224, 3), dtype=np.uint8)
    image[0, 96:128, 32:64] = 255
    relevance = Occlusion(fill=0)(linear(np.ones((224, 224))), image, [1])[0]
    assert relevance[96:128, 32:64].min() > 0.5
    outside = relevance.copy()
    outside[96 - 16 : 128 + 16, 32 - 16 : 64 + 16] = 0
    assert_array_equal(outside, 0)


@pytest.mark.parametrize(("size", "patch", "stride"), [((224, 224), 32, 16), ((64, 64), 12, 6), ((50, 37), 12, 5)])
def test_a_model_that_reacts_equally_everywhere_has_a_flat_map(size, patch, stride):
    """Border pixels, which fewer patches cover, get as much as the middle."""

    def anything_covered(images):
        same = (images == 200).all(axis=(1, 2, 3)).astype(float)
        return np.stack([same, -same], axis=1)

    image = np.full((1, *size, 3), 200, dtype=np.uint8)
    relevance = Occlusion(patch=patch, stride=stride)(anything_covered, image, [0])
    assert_allclose(relevance, 1, rtol=1e-6)


def test_the_last_position_is_covered():
    """At 64 px, patch 12 and stride 6, positions end at 52, so the last column of pixels is covered too."""
    positions = occlusion.covered(64, 12, 6)
    assert_array_equal(positions.argmax(axis=1), [0, 6, 12, 18, 24, 30, 36, 42, 48, 52])
    assert positions.any(axis=0).all()
    assert_array_equal(occlusion.covered(224, 32, 16).argmax(axis=1), np.arange(13) * 16)
    weights = np.zeros((64, 64))
    weights[:, 63] = 1
    image = np.full((1, 64, 64, 3), 250, dtype=np.uint8)
    assert Occlusion(patch=12, stride=6)(linear(weights), image, [1])[0, :, 63].min() > 0.9


def test_the_window_does_not_wrap_round_the_border():
    """A model that reads the left border alone has no relevance at the right, and the other way round."""
    image = np.full((1, 20, 20, 3), 250, dtype=np.uint8)
    weights = np.zeros((20, 20))
    weights[:, 0] = 1
    assert_array_equal(Occlusion(patch=6, stride=3)(linear(weights), image, [1])[0, :, 6:], 0)
    assert_array_equal(Occlusion(patch=6, stride=3)(linear(weights[:, ::-1]), image, [1])[0, :, :14], 0)


def test_no_change_is_zero_and_not_a_floor():
    """Pixels that do not matter get 0, where the authors' map (1 - min-max of the logits) gives them up to 1."""
    weights = np.zeros((32, 32))
    weights[8:12, 8:12] = 1
    weights[20:24, 20:24] = -1
    image = np.full((1, 32, 32, 3), 250, dtype=np.uint8)
    ours = Occlusion(patch=8, stride=4)(linear(weights), image, [1])[0]
    theirs = Occlusion(patch=8, stride=4, protocol="authors")(linear(weights), image, [1])[0]
    assert ours[0, 31] == ours[30, 2] == ours[22, 22] == 0
    assert theirs[0, 31] > 0.3
    signed = Occlusion(patch=8, stride=4)(linear(weights), image, [1], signed=True)[0]
    assert signed[22, 22] == pytest.approx(-signed[10, 10])
    assert signed[0, 31] == 0


def test_a_network_that_does_not_react_has_a_zero_map():
    """Constant logits give zeros, not NaN, by either protocol and in signed maps."""
    constant, image = (lambda images: np.full((len(images), 2), 3.7, np.float32)), picture(16, 12)
    for each in (Occlusion(patch=4, stride=2), Occlusion(patch=4, stride=2, protocol="authors")):
        assert_array_equal(each(constant, image, [0]), np.zeros((1, 16, 12)))
    assert_array_equal(Occlusion(patch=4, stride=2)(constant, image, [0], signed=True), np.zeros((1, 16, 12)))


def test_the_authors_protocol():
    """Logits at multiples of the stride alone, cubic zoom, min-max, one minus it."""
    height, width, patch, stride = 23, 14, 6, 3
    weights = seeds.generator("authors").normal(size=(height, width))
    image = picture(height, width)[0].astype(float)
    logits = np.empty((6, 3))
    for row in range(6):
        for column in range(3):
            hidden = image.copy()
            hidden[3 * row : 3 * row + patch, 3 * column : 3 * column + patch] = 127.5
            logits[row, column] = (hidden[..., 0] * weights).sum()
    wide = ndimage.zoom(logits, (height / 6, width / 3), order=3)
    expected = 1 - (wide - wide.min()) / (wide - wide.min()).max()
    each = Occlusion(patch=patch, stride=stride, protocol="authors")
    assert_allclose(each(linear(weights), image[None], [1])[0], expected, atol=1e-6)


def test_memory_does_not_grow_with_images_or_positions():
    """However many images and positions, the network never sees more than `batch` at once, and each position once."""
    seen = []

    def count(images):
        seen.append(len(images))
        return np.zeros((len(images), 2))

    for number, stride in ((1, 8), (3, 8), (3, 1)):
        seen.clear()
        Occlusion(patch=8, stride=stride, batch=10)(count, np.zeros((number, 24, 24, 3), np.uint8), [0] * number)
        positions = len(range(0, 17, stride)) ** 2
        assert max(seen) <= 10
        assert sum(seen) == number * (1 + positions)


def test_every_image_is_explained_by_itself():
    """Maps of three images are those of each alone, in their order, each for its own class."""
    weights = seeds.generator("alone").normal(size=(12, 12))
    images = np.concatenate([picture(12, 12, number) for number in range(3)])
    each = Occlusion(patch=4, stride=2)
    together = each(linear(weights), images, [0, 1, 0])
    for place, label in enumerate([0, 1, 0]):
        assert_array_equal(together[place : place + 1], each(linear(weights), images[place : place + 1], [label]))
    assert not np.allclose(together[0], each(linear(weights), images[:1], [1])[0])


def test_each_channel_is_filled_with_its_own_colour():
    """The network sees the image itself first, then one 2 x 2 patch a position in (1, 2, 3)."""
    seen = []

    def look(images):
        seen.append(images)
        return np.zeros((len(images), 2))

    image = picture(4, 6)
    Occlusion(patch=2, stride=2, fill=(1, 2, 3))(look, image, [0])
    expected = np.repeat(image, 7, axis=0).astype(np.float32)
    for number, (top, left) in enumerate(np.ndindex(2, 3), start=1):
        expected[number, 2 * top : 2 * top + 2, 2 * left : 2 * left + 2] = (1, 2, 3)
    assert_array_equal(np.concatenate(seen), expected)


def test_bytes_and_floats_give_the_same_map():
    """The type of the pixels does not matter, and the caller's image is not written to."""
    weights, image = seeds.generator("types").normal(size=(12, 12)), picture(12, 12)
    before = image.copy()
    each = Occlusion(patch=4, stride=2)
    assert_array_equal(each(linear(weights), image, [1]), each(linear(weights), image.astype(np.float32), [1]))
    assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"patch": 8, "stride": 9}, "`stride` must not exceed `patch`"),
        ({"patch": 0}, "`patch` must be a whole number from 1 to 1,000,000, but 0"),
        ({"patch": 8.5}, "`patch` must be a whole number"),
        ({"patch": 40}, "`patch` must not exceed the image, but 40 was passed for images of 24 pixels"),
    ],
)
def test_impossible_patches_are_refused(parameters, message):
    """A patch that leaves gaps or does not fit is an error, not a map with holes."""
    with pytest.raises(ValueError, match=message):
        Occlusion(**parameters)(lambda images: np.zeros((len(images), 2)), np.zeros((1, 32, 24, 3)), [0])


def test_a_network_is_covered_with_its_neutral_colour():
    """What covers becomes exactly 0 behind the preprocessing: an image of the neutral colour has a zero map."""
    from rrr_utils.networks import network as networks

    network = networks.build("convnet", classes=2, size=32, weights=None, seed=1)
    neutral = np.broadcast_to(network.neutral, (1, 32, 32, 3)).astype(np.float32)
    each = Occlusion(patch=8, stride=8)
    assert_array_equal(each(network, neutral, [0]), np.zeros((1, 32, 32)))
    assert each(network, neutral + 30, [0]).any() or each(network, neutral + 30, [1]).any()
    with pytest.raises(ValueError, match=r"\(N, 32, 32, 3\).*\(1, 40, 40, 3\)"):
        each(network, np.zeros((1, 40, 40, 3)), [0])
    with pytest.raises(ValueError, match="from 0 to 1, because the network has 2 classes, but 2"):
        each(network, neutral, [2])


def test_a_network_and_its_function_have_the_same_maps():
    """The compiled pass of a Network gives what the bare model gives, sees changed weights, and dies with its model."""
    from rrr_utils.explainers import LIME
    from rrr_utils.networks import network as networks

    network = networks.build("convnet", classes=2, size=32, weights=None, seed=1)
    images = picture(32, 32)
    for each in (Occlusion(patch=8, stride=8), LIME(samples=20)):
        for seed in (1, 2):
            weights = networks.build("convnet", classes=2, size=32, weights=None, seed=seed).model.get_weights()
            network.model.set_weights(weights)
            expected = each(network.model.predict_on_batch, images, [1], signed=True)
            assert_allclose(each(network, images, [1], signed=True), expected, atol=1e-4)
    assert len(base._passes[network.model]) == 2
    gone = weakref.ref(network.model)
    del network
    gc.collect()
    assert gone() is None
