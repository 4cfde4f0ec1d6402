"""LIME against the lime package, scikit-learn, and models whose weights are known."""

import os
from functools import cache

import numpy as np
import pytest
from lime import lime_image
from lime.wrappers.scikit_image import SegmentationAlgorithm
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from rrr_utils.common import seeds
from rrr_utils.explainers import LIME, lime


@cache
def picture(size=224):
    """Return a scene (size, size, 3) uint8: a sky, a meadow with a gradient, a disk, some noise."""
    y, x = np.mgrid[:size, :size] / size
    scene = np.where((y < 0.4)[..., None], (90, 140, 220), np.stack([60 + 80 * x, 160 - 60 * y, 50 + 0 * x], axis=-1))
    scene = np.where((np.hypot(y - 0.55, x - 0.45) < 0.2)[..., None], (200, 60, 40), scene)
    noise = seeds.generator("scene", size).normal(scale=6, size=(size, size, 3))
    return np.clip(scene + noise, 0, 255).astype(np.uint8)


def quarters(size=16):
    """Return four square superpixels, 0 and 1 above, 2 and 3 below."""
    half = size // 2
    return np.kron(np.array([[0, 1], [2, 3]]), np.ones((half, half), int))


def curved(images):
    """A classifier of three classes that is no linear function of its superpixels."""
    x = np.asarray(images, dtype=np.float64) / 255
    value = x[:, 40:150, 60:140, 0].mean(axis=(1, 2)) * 4 - x[:, :90, :, 2].mean(axis=(1, 2))
    other = np.sin(5 * x[:, ::3, ::5, 1].mean(axis=(1, 2)))
    return np.stack([value**2, other, value * other], axis=1)


def marks(weights):
    """Return a classifier that reads one pixel in each quarter of 16 x 16: logit 0 is weights @ (pixel == 255)."""

    def forward(images):
        read = images[:, [2, 2, 12, 12], [2, 12, 2, 12], 0] == 255
        value = read @ np.asarray(weights, dtype=float)
        return np.stack([value, -value], axis=1)

    return forward


def marked(number=1):
    """Return black images with one white pixel in each quarter; hidden, a quarter is a dark grey."""
    images = np.zeros((number, 16, 16, 3), dtype=np.uint8)
    images[:, [2, 2, 12, 12], [2, 12, 2, 12]] = 255
    return images


class Recorder:
    """A classifier that keeps what it saw."""

    def __init__(self, forward):
        self.forward, self.seen = forward, []

    def __call__(self, images):
        self.seen.append(np.array(images))
        return self.forward(images)

    @property
    def images(self):
        return np.concatenate(self.seen)


class Given(np.random.RandomState):
    """A source of randomness that hands lime the rows it is told to use."""

    def __init__(self, rows):
        super().__init__(0)
        self.rows = rows

    def randint(self, low, high=None, size=None, dtype=int):
        assert (low, high, size) == (0, 2, self.rows.size)
        return self.rows.astype(int).ravel()


def by_lime(image, classifier, rows, label, **options):
    explainer = lime_image.LimeImageExplainer(random_state=Given(rows))
    return explainer.explain_instance(
        image, classifier, labels=(label,), top_labels=None, num_samples=len(rows), random_seed=0, **options
    )


def test_superpixels_are_those_of_lime():
    """The same labels as lime's own wrapper gives, every time, and without gaps."""
    image = picture()
    segments = lime.superpixels(image)
    theirs = SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2, random_seed=7)(image)
    assert_array_equal(segments, theirs)
    assert_array_equal(np.unique(segments), np.arange(segments.max() + 1))
    assert 10 < segments.max() < 200


def test_the_whole_explanation_is_that_of_lime(monkeypatch):
    """Given the same coins, lime sees the same images to the bit and finds the same weights within 1e-5."""
    monkeypatch.setitem(os.environ, "TQDM_DISABLE", "1")
    image, samples, label = picture(), 60, 2
    ours, theirs = Recorder(curved), Recorder(curved)
    relevance = LIME(samples=samples, seed=5)(ours, image[None], [label], ids=["scene"], signed=True)[0]
    segments = lime.superpixels(image)
    rows, labels = lime.perturbations(segments, image.shape[:2], samples, 5, "scene")
    explanation = by_lime(image, theirs, rows, label)
    assert_array_equal(ours.images, theirs.images)
    assert_array_equal(explanation.segments, labels)
    expected = np.zeros(len(rows[0]))
    for segment, weight in explanation.local_exp[label]:
        expected[segment] = weight
    weights = lime.coefficients(rows, curved(ours.images)[:, label])
    assert_allclose(weights, expected, atol=1e-5)
    assert abs(weights).max() > 1e-3, "weights below the tolerance would prove nothing"
    assert_allclose(relevance, (expected / abs(expected).max())[labels], atol=1e-5)


def test_the_authors_map_is_that_of_lime(monkeypatch):
    """Five superpixels of the largest positive weights for the probability, as lime's own mask shows them."""
    monkeypatch.setitem(os.environ, "TQDM_DISABLE", "1")
    image, samples, label = picture(), 60, 0

    def probabilities(images):
        exponentials = np.exp(curved(images))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    relevance = LIME(samples=samples, protocol="authors")(curved, image[None], [label], ids=["scene"])[0]
    rows, _ = lime.perturbations(lime.superpixels(image), image.shape[:2], samples, 0, "scene")
    _, mask = by_lime(image, probabilities, rows, label).get_image_and_mask(label, positive_only=True, num_features=5)
    assert_array_equal(relevance, mask)
    assert 0 < mask.mean() < 1


def test_the_authors_map_explains_the_probability():
    """Where a quarter raises its class's logit and the other's more, its logit has relevance, its probability none."""

    def forward(images):
        read = (images[:, 2, 2, 0] == 255).astype(float)
        return np.stack([read, 3 * read], axis=1)

    shown = np.kron(np.array([[1, 0], [0, 0]]), np.ones((8, 8)))
    ours, theirs = LIME(samples=200), LIME(samples=200, protocol="authors")
    assert_array_equal(ours(forward, marked(), [0], segments=[quarters()])[0, :8, :8], 1)
    assert theirs(forward, marked(), [0], segments=[quarters()])[0, :8, :8].max() == 0
    assert_array_equal(theirs(forward, marked(), [1], segments=[quarters()])[0] * shown, shown)


def test_the_kernel_is_that_of_lime():
    """Cosine distance to the row of ones as scikit-learn has it, also for a row that shows nothing."""
    rows = seeds.generator("kernel").integers(0, 2, (30, 9)).astype(bool)
    rows[0], rows[1] = True, False
    distance = pairwise_distances(rows.astype(float), np.ones((1, 9)), metric="cosine").ravel()
    assert_allclose(lime.kernel(rows), np.sqrt(np.exp(-(distance**2) / 0.25**2)), rtol=1e-12)
    assert lime.kernel(rows)[0] == 1


@pytest.mark.parametrize(("samples", "superpixels"), [(200, 12), (40, 60), (2, 1)])
def test_the_linear_map_is_a_weighted_ridge_regression(samples, superpixels):
    """scikit-learn's Ridge gives the same weights, also with more superpixels than samples."""
    draw = seeds.generator("ridge", samples)
    rows, outputs = draw.integers(0, 2, (samples, superpixels)).astype(bool), draw.normal(loc=50, size=samples)
    rows[0] = True
    oracle = Ridge(alpha=1, fit_intercept=True).fit(rows, outputs, sample_weight=lime.kernel(rows))
    assert_allclose(lime.coefficients(rows, outputs), oracle.coef_, atol=1e-9)
    assert_allclose(lime.linear_map(rows) @ outputs, oracle.coef_, atol=1e-9)


def test_a_linear_model_gets_its_own_weights():
    """Where the logit is 3 and 1 for two quarters, -2 for one and 0 for the last, LIME says so.

    The ridge shrinks weights by a few percent at 1,000 samples, so the ratios are within 0.05.
    """
    signed = LIME(samples=1000)(marks([3, 1, -2, 0]), marked(), [0], segments=[quarters()], signed=True)[0]
    assert_allclose(signed, np.kron(np.array([[1, 1 / 3], [-2 / 3, 0]]), np.ones((8, 8))), atol=0.05)
    relevance = LIME(samples=1000)(marks([3, 1, -2, 0]), marked(), [0], segments=[quarters()])[0]
    assert_allclose(relevance, np.kron(np.array([[1, 1 / 3], [0, 0]]), np.ones((8, 8))), atol=0.05)
    assert_array_equal(relevance[8:, :8], 0)


def test_relevance_lies_on_the_region_that_decides():
    """A model that is linear in the pixels of one of quickshift's superpixels has nearly all relevance there."""
    image = picture()
    segments = lime.superpixels(image)
    region = segments == segments[123, 100]
    pixels = image[..., 0] * region
    bright = pixels > np.median(image[..., 0][region])

    def forward(images):
        value = images[..., 0][:, bright].mean(axis=1) / 10
        return np.stack([value, -value], axis=1)

    relevance = LIME(samples=300)(forward, image[None], [0])[0]
    assert_array_equal(relevance[region], 1)
    assert relevance[~region].max() < 0.1


def test_a_network_that_does_not_react_has_a_zero_map():
    """Constant logits give exact zeros, not the rounding of a regression blown up to 1; negative weights too."""
    constant = lambda images: np.full((len(images), 2), 3.7, np.float32)  # noqa: E731
    for each in (LIME(samples=50), LIME(samples=50, protocol="authors")):
        assert_array_equal(each(constant, marked(), [0], segments=[quarters()]), np.zeros((1, 16, 16)))
    harmful = LIME(samples=200)(marks([-1, -1, -1, -1]), marked(), [0], segments=[quarters()])
    assert_array_equal(harmful, np.zeros((1, 16, 16)))


def test_perturbations_follow_from_seed_and_id_alone():
    """Neither the order of images nor other images, an earlier call or another network changes what is shown."""
    images = np.stack([picture(), picture()[::-1], picture()[:, ::-1]])
    each = LIME(samples=12, seed=1, batch=12)
    first = Recorder(curved)
    each(first, images, [0, 1, 2], ids=["a", "b", "c"])
    again = Recorder(lambda batch: 1 - curved(batch)[:, ::-1])
    each(again, images[[2, 0]], [1, 0], ids=["c", "a"])
    assert_array_equal(again.seen[0], first.seen[2])
    assert_array_equal(again.seen[1], first.seen[0])
    alone = Recorder(curved)
    LIME(samples=12, seed=1)(alone, images[1:2], [1], ids=["b"])
    assert_array_equal(alone.images, first.seen[1])
    for seed, name in ((2, "b"), (1, "a")):
        other = Recorder(curved)
        LIME(samples=12, seed=seed)(other, images[1:2], [1], ids=[name])
        assert not np.array_equal(other.images, alone.images)


def test_two_models_are_compared_on_the_same_perturbations():
    """Without ids the pixels name the image: two networks see the same images, a second call gives the same map."""
    seen = [Recorder(curved), Recorder(lambda images: 2 * curved(images))]
    each = LIME(samples=10)
    maps = [each(forward, picture()[None], [0]) for forward in (*seen, seen[0])]
    assert_array_equal(seen[0].images[:10], seen[1].images)
    assert_array_equal(maps[0], maps[2])
    assert_allclose(maps[0], maps[1], atol=1e-6)


def test_fewer_samples_are_the_first_of_more():
    """A smaller budget tosses the same coins, so budgets can be compared."""
    few, many = (lime.perturbations(quarters(), (16, 16), samples, 0, "a")[0] for samples in (10, 1000))
    assert_array_equal(few, many[:10])
    assert few[0].all()
    assert 0.45 < many[1:].mean() < 0.55


def test_networks_of_another_size_see_the_same_coins():
    """At 8 pixels a superpixel one pixel wide vanishes; the others keep their columns and their places."""
    segments = np.zeros((16, 16), int)
    segments[:, 4], segments[:, 8:] = 5, 9
    at_16, whole = lime.perturbations(segments, (16, 16), 20, 0, "a")
    at_8, small = lime.perturbations(segments, (8, 8), 20, 0, "a")
    at_32, large = lime.perturbations(segments, (32, 32), 20, 0, "a")
    assert_array_equal(whole[:, ::4][0], [0, 1, 2, 2])
    assert_array_equal(small[0], [0, 0, 0, 0, 1, 1, 1, 1])
    assert_array_equal(at_8, at_16[:, [0, 2]])
    assert_array_equal(at_32, at_16)
    assert_array_equal(large, np.kron(whole, np.ones((2, 2), int)))


def test_superpixels_of_a_small_image_are_cut_at_224():
    """A 64 px image is segmented enlarged; its map has its own size, constant on each superpixel."""
    small = picture(64)
    large = np.asarray(Image.fromarray(small).resize((224, 224), Image.Resampling.BILINEAR))
    assert_array_equal(lime.superpixels(small), lime.superpixels(large))
    seen = Recorder(lambda images: np.stack([images[:, 20:40, 20:40, 0].mean(axis=(1, 2))] * 2, axis=1))
    relevance = LIME(samples=20)(seen, small[None], [0])
    assert relevance.shape == (1, 64, 64)
    _, labels = lime.perturbations(lime.superpixels(small), (64, 64), 20, 0, "any")
    for label in range(labels.max() + 1):
        assert len(np.unique(relevance[0][labels == label])) == 1


def test_height_and_width_are_not_swapped():
    """On an image twice as wide as high the right superpixel is found, whatever size the segments have."""
    image = np.zeros((1, 8, 16, 3), dtype=np.uint8)
    image[0, 1, 12] = 255

    def forward(images):
        value = (images[:, 1, 12, 0] == 255).astype(float)
        return np.stack([value, -value], axis=1)

    for segments in (np.arange(4).reshape(2, 2), np.kron(np.arange(8).reshape(2, 4), np.ones((4, 4), int))):
        relevance = LIME(samples=200)(forward, image, [0], segments=[segments])[0]
        assert relevance.shape == (8, 16)
        assert relevance[0, 12] == 1
        assert relevance[4:].max() < 0.1
        assert relevance[:, :8].max() < 0.1


def test_mean_colours_are_cut_as_lime_cuts_them():
    """Levels 1 and 2 have the mean 1.5, which becomes 1 on whole levels and stays 1.5 in an image of fractions."""
    image, labels = np.array([[[1, 0, 9], [2, 0, 9]]], dtype=np.uint8), np.zeros((1, 2), int)
    assert_array_equal(lime.mean_colours(image, labels), [[1, 0, 9]])
    assert_array_equal(lime.mean_colours(image + np.float32([0.5, 0, 0]), labels), [[2, 0, 9]])


def test_bytes_and_floats_give_the_same_map():
    """The type of the pixels changes neither superpixels nor coins nor colours."""
    each = LIME(samples=16)
    assert_array_equal(each(curved, picture()[None], [0]), each(curved, picture()[None].astype(np.float32), [0]))


def test_memory_does_not_grow_with_images_or_samples():
    """The network never sees more than `batch` images at once, and each perturbation once."""
    for number, samples in ((1, 40), (3, 40), (1, 500)):
        seen = Recorder(marks([1, 2, 3, 4]))
        LIME(samples=samples, batch=24)(seen, marked(number), [0] * number, segments=[quarters()] * number)
        assert max(len(batch) for batch in seen.seen) <= 24
        assert len(seen.images) == number * samples


def test_an_image_is_segmented_once(monkeypatch):
    """Every checkpoint asks for the same images: the explainer remembers their superpixels, up to a bound."""
    calls = []

    def segment(image):
        calls.append(image)
        return quarters(224)

    monkeypatch.setattr(lime, "superpixels", segment)
    monkeypatch.setattr(lime, "_REMEMBERED", 2)
    images = np.stack([np.full((16, 16, 3), level, np.uint8) for level in (1, 2, 3)])
    each = LIME(samples=2)
    for _ in range(3):
        each(marks([1, 2, 3, 4]), images[:2], [0, 0])
    assert len(calls) == 2
    each(marks([1, 2, 3, 4]), images, [0, 0, 0])
    assert len(calls) == 3
    assert len(each._remembered) == 2
    each(marks([1, 2, 3, 4]), images[:1], [0])
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([quarters()] * 2, r"one array an image, but 2 were passed for images of shape \(1, 16, 16, 3\)"),
        ([quarters().astype(float)], r"image 'a' must be integers of shape \(h, w\), but float64 of shape \(16, 16\)"),
        ([quarters()[None]], r"int64 of shape \(1, 16, 16\)"),
    ],
)
def test_segments_that_do_not_fit_are_refused(segments, message):
    """The error names the image and both shapes."""
    with pytest.raises(ValueError, match=message):
        LIME(samples=4)(marks([1, 2, 3, 4]), marked(), [0], ids=["a"], segments=segments)


@pytest.mark.parametrize("low_high", [(0, 1), (-1, 1), (-3.5, 300)])
def test_superpixels_of_images_in_other_ranges(low_high):
    """A model with a range of its own is explained on the superpixels of the picture, not of a black square."""
    low, high = low_high
    levels = picture().copy()
    levels[0, 0], levels[-1, -1] = 0, 255
    image = levels.astype(np.float64) / 255 * (high - low) + low
    assert abs(lime._bytes(image).astype(int) - levels).max() <= 1
    assert lime._bytes(np.full((2, 2, 3), -1.0)).shape == (2, 2, 3)
