"""Sufficient input subsets: against brute force, against a plain reference, and by hand."""

from itertools import combinations, permutations

import keras
import numpy as np
import pytest
from scipy import special

from rrr_utils.analyses.overinterpretation import sufficient_subsets as sis
from rrr_utils.common import seeds
from rrr_utils.engine.gradients import input_gradients
from rrr_utils.networks import network as networks

GREY = np.full(3, 127.5, np.float32)


@pytest.fixture(scope="module")
def network():
    """A ConvNet at 32 px with random weights, whose logits are spread so that probabilities are not all a half."""
    made = networks.build("convnet", classes=3, size=32, weights=None, seed=1)
    kernel = made.model.get_layer("logits").kernel
    kernel.assign(20 * kernel)
    return made


@pytest.fixture(scope="module")
def images():
    return seeds.generator("test images").integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


def odds_of(value):
    """Return what takes images of 2 x 3 pixels to ``value`` of their red channels, six numbers."""
    return lambda pictures: np.array([value(picture[..., 0].ravel()) for picture in pictures])


def brute_force(value, image, fill):
    """Return the greedy order by trying every set of the pixels that are left, with plain loops and no shortcut."""
    red = image[..., 0].ravel().astype(float)
    kept, order, seen = set(range(len(red))), [], []

    def of(pixels):
        return value(np.array([red[at] if at in pixels else fill for at in range(len(red))]))

    while kept:
        seen.append(of(kept))
        best = max(combinations(sorted(kept), len(kept) - 1), key=lambda left: (of(set(left)), -min(kept - set(left))))
        order += kept - set(best)
        kept = set(best)
    return order, [*seen, of(kept)]


@pytest.mark.parametrize(
    "value",
    [
        lambda x: float(x @ [3, -1, 2, 0.5, -4, 1]),
        lambda x: float(x[0] * x[4] - x[2] * x[3] + x[5]),  # pixels that matter together
        lambda x: float(max(x[0], x[1]) - x[2] ** 2),
        lambda x: 1.0,  # all equal: the first goes first
    ],
)
def test_backward_selection_is_what_brute_force_finds(value):
    """The same order and the same confidences, on six pixels, for functions in which pixels matter together."""
    image = np.repeat(np.array([[[1.0], [2.0], [0.5]], [[3.0], [1.0], [2.0]]]), 3, axis=2)
    found = sis.backward_selection(odds_of(value), image, 0.0)
    order, seen = brute_force(value, image, 0.0)
    assert found.order.tolist() == order
    assert found.masked.tolist() == list(range(7))
    np.testing.assert_allclose(found.confidence, special.expit(seen))


def test_of_a_sum_the_subset_is_the_smallest_that_suffices():
    """In a linear function the greedy subset is as small as the smallest of all 2 to the 6 subsets."""
    weights = np.array([3, -1, 2, 0.5, -4, 1.5])
    image = np.ones((2, 3, 3))
    found = sis.backward_selection(odds_of(lambda x: float(x @ weights) - 1), image, 0.0)
    for limit in (0.0, 0.8, 2.2, 4.9):
        threshold = float(special.expit(limit))
        fits = [
            set(chosen)
            for size in range(7)
            for chosen in combinations(range(6), size)
            if sum(weights[list(chosen)]) - 1 >= limit - 1e-12
        ]
        subset = found.sufficient(threshold) if found.confidence[0] >= threshold else None
        if subset is None:
            assert sum(weights) - 1 < limit
        else:
            assert subset.sum() == min(map(len, fits))


def test_the_last_crossing_counts_by_hand():
    """Confidence 0.95, 0.6, 0.93, 0.97, 0.2: the subset is what was there at 0.97, two pixels of five less one."""
    made = sis.Selection(
        np.array([4, 2, 0, 3, 1]), np.array([0, 1, 2, 3, 5]), np.array([0.95, 0.6, 0.93, 0.97, 0.2]), (1, 5)
    )
    np.testing.assert_array_equal(made.sufficient(0.9), [[False, True, False, True, False]])
    np.testing.assert_array_equal(made.sufficient(0.1), [[False] * 5])
    assert made.sufficient(0.96) is None
    with pytest.raises(ValueError, match="`threshold` must be a probability between 0 and 1, but 1 was passed"):
        made.sufficient(1)


def test_a_selection_that_ended_early_knows_no_smaller_subset():
    """Three of five pixels were masked: of the two that are left none is the more important."""
    made = sis.Selection(np.array([4, 2, 0, 1, 3]), np.array([0, 3]), np.array([0.95, 0.94]), (1, 5))
    assert made.sufficient(0.9).sum() == 2
    with pytest.raises(ValueError, match="`count` must be from 2 to 5 pixels, but 1 was passed"):
        made.kept(1)


def test_disjoint_subsets_by_hand():
    """The highest pixel suffices: 5, then 4, then 3, until what is left is below 3; none is in two subsets."""
    image = np.repeat(np.array([[[5.0], [1.0], [4.0]], [[3.0], [2.0], [0.0]]]), 3, axis=2)

    def select(places, alive):
        odds = odds_of(lambda x: float(x.max()) - 2.5)
        return [sis.backward_selection(odds, image, 0.0, alive=one) for one in alive]

    (subsets,) = sis.disjoint(select, (1, 2, 3), 0.6)
    assert [np.flatnonzero(subset).tolist() for subset in subsets] == [[0], [2], [3]]
    (first,) = sis.disjoint(select, (1, 2, 3), 0.6, most=1)
    assert len(first) == 1
    assert sis.disjoint(select, (1, 2, 3), 0.95) == [[]]


def test_cells_are_masked_as_one(network, images):
    """With cells of 8 pixels 16 steps mask 64 pixels each, and every cell goes whole."""
    odds = lambda pictures: sis.log_odds(network.model(pictures).numpy(), [0] * len(pictures))  # noqa: E731
    found = sis.backward_selection(odds, images[0], GREY, cell=8)
    assert np.diff(found.masked).tolist() == [64] * 16
    for count in range(64, 1024, 64):
        cells = found.kept(count).reshape(4, 8, 4, 8).sum(axis=(1, 3))
        assert set(cells.ravel()) <= {0, 64}


def reference(network, image, label, fill, alive, steps, shuffled):
    """Batched Gradient BackSelect with one pixel a step, of one image, by TensorFlow's gradient of the probability."""
    tf = pytest.importorskip("tensorflow")
    mask = np.where(alive, 0.0, 1.0).astype(np.float32)
    order, seen = [], []
    rank = np.argsort(shuffled).reshape(mask.shape)
    for _ in range(steps):
        variable = tf.Variable(mask)
        with tf.GradientTape() as tape:
            shown = (1 - variable[..., None]) * image + variable[..., None] * fill
            probability = tf.nn.softmax(network.model(shown[None], training=False))[0, label]
        gain = tape.gradient(probability, variable).numpy()
        seen.append(float(probability))
        left = [tuple(at) for at in np.argwhere(mask == 0)]
        best = max(left, key=lambda at: (gain[at], -rank[at]))
        order.append(best[0] * mask.shape[1] + best[1])
        mask[best] = 1
    return order, seen


@pytest.mark.tensorflow
def test_one_pixel_a_step_is_the_plain_reference(network, images):
    """24 steps of two images: the same pixels in the same order, and the probabilities of a plain pass."""
    alive = np.zeros((2, 32, 32), bool)
    alive[:, 6:26, 6:26] = True
    labels = [2, 0]
    found = sis.batched_gradient(
        network, images[:2], labels, ["a", "b"], pixels=1, fill=GREY, alive=alive, keep=(400 - 24) / 1024
    )
    for number, (selection, name) in enumerate(zip(found, "ab")):
        shuffled = seeds.generator(0, "ties", name).permutation(1024)
        order, seen = reference(network, images[number], labels[number], GREY, alive[number], 24, shuffled)
        assert selection.order[:24].tolist() == order
        np.testing.assert_allclose(selection.confidence[:24], seen, atol=1e-5)
        assert set(selection.order) == set(np.flatnonzero(alive[number]))


def test_many_pixels_a_step_are_the_best_of_the_first_gradient(network, images):
    """The first 100 are those of the largest gradient with respect to the mask, worked out by hand from the pixels'."""
    label = np.array([1])
    (found,) = sis.batched_gradient(network, images[:1], label, ["a"], pixels=100, fill=GREY)
    _, slopes = input_gradients(network, images[:1], label, "probability")
    gain = (slopes[0] * (GREY - images[0])).sum(axis=-1).ravel()
    assert set(found.order[:100]) == set(np.argsort(-gain)[:100])
    assert (np.diff(gain[found.order[:100]]) <= 1e-7 * np.abs(gain).max()).all(), "the best of them first"
    assert found.masked.tolist() == [*range(0, 1024, 100), 1024]
    assert len(found.confidence) == len(found.masked)


def test_an_image_does_not_depend_on_the_others(network, images):
    """Alone or together, and whatever stands beside it: the same order."""
    together = sis.batched_gradient(network, images, [0, 1, 2], list("abc"), pixels=200, fill=GREY)
    (alone,) = sis.batched_gradient(network, images[1:2], [1], ["b"], pixels=200, fill=GREY)
    assert together[1].order.tolist() == alone.order.tolist()


def test_equal_pixels_go_in_an_order_of_the_images_own(network):
    """An image of the fill's colour has no gradient: no corner goes first, and another image has another order."""
    flat = np.full((2, 32, 32, 3), 127.5, np.float32)
    one, other = sis.batched_gradient(network, flat, [0, 0], ["a", "b"], pixels=256, fill=GREY)
    assert one.order.tolist() == seeds.generator(0, "ties", "a").permutation(1024).tolist()
    assert one.order.tolist() != other.order.tolist()


def test_log_odds_go_on_where_the_probability_is_one():
    """Of logits 60, 0, 0 the probability is 1 in float64, and the log odds are 60 - log 2."""
    assert sis.log_odds([[60.0, 0.0, 0.0]], [0])[0] == pytest.approx(60 - np.log(2))
    values = seeds.generator("logits").normal(size=(20, 4))
    classes = np.arange(20) % 4
    expected = special.softmax(values, axis=1)[np.arange(20), classes]
    np.testing.assert_allclose(special.expit(sis.log_odds(values, classes)), expected)


def test_gradients_of_log_odds_order_pixels_as_the_probabilitys(network, images):
    """Both are the same but for one factor an image, p (1 - p); where the network is sure only one is left."""
    labels = np.array([0, 1, 2])
    logits, slopes = input_gradients(network, images, labels, "probability")
    _, odds = input_gradients(network, images, labels, "log odds")
    p = special.softmax(logits.astype(float), axis=1)[np.arange(3), labels]
    np.testing.assert_allclose(slopes, odds * (p * (1 - p))[:, None, None, None], rtol=2e-3, atol=1e-7)
    bias = network.model.get_layer("logits").bias
    try:
        bias.assign([300.0, 0.0, 0.0])
        assert np.abs(input_gradients(network, images, np.zeros(3, int), "probability")[1]).max() == 0
        assert np.abs(input_gradients(network, images, np.zeros(3, int), "log odds")[1]).max() > 1e-4
    finally:
        bias.assign([0.0, 0.0, 0.0])


def test_what_is_shown_by_hand():
    """Two pixels kept, the fill elsewhere; a mean fill is the image's own; neighbours are the eight around."""
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    kept = np.array([[[True, False], [False, True]]])
    np.testing.assert_array_equal(
        sis.show(image, kept, [7, 8, 9])[0].tolist(), [[[0, 1, 2], [7, 8, 9]], [[7, 8, 9], [9, 10, 11]]]
    )
    np.testing.assert_allclose(sis.fill_colours("mean", image, GREY), [[4.5, 5.5, 6.5]])
    np.testing.assert_allclose(sis.fill_colours("neutral", image, GREY), [[127.5] * 3])
    with pytest.raises(ValueError, match="`fill` must be one of"):
        sis.fill_colours("grey", image, GREY)
    one = np.zeros((1, 5, 6), bool)
    one[0, 0, 2] = one[0, 4, 5] = True
    assert sis.with_neighbours(one).sum() == 6 + 4


def test_random_pixels_follow_from_names():
    """So many of them, the same for the same names, others for others, and each pixel as often as another."""
    assert sis.random_subset((8, 9), 20, 0, "a").sum() == 20
    np.testing.assert_array_equal(sis.random_subset((8, 9), 20, 0, "a"), sis.random_subset((8, 9), 20, 0, "a"))
    often = np.mean([sis.random_subset((8, 9), 36, 0, name) for name in range(400)], axis=0)
    assert np.abs(often - 0.5).max() < 0.13


def test_every_order_of_ties_can_come():
    """The best of several equals is a random one, not the first: each of three comes first in turn."""
    gain, here = np.zeros(3), np.ones(3, bool)
    first = {int(sis._largest(gain, here, np.array(order), 1)[0]) for order in permutations(range(3))}
    assert first == {0, 1, 2}


def test_the_backend_is_named_where_it_has_no_gradients(network, images, monkeypatch):
    """An unknown backend and an unknown target are refused with what there is."""
    with pytest.raises(ValueError, match="`target` must be one of"):
        input_gradients(network, images, [0, 0, 0], "odds")
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    fresh = networks.build("convnet", classes=2, size=32, weights=None)
    with pytest.raises(ValueError, match="`KERAS_BACKEND` must be one of"):
        input_gradients(fresh, images, [0, 0, 0])
