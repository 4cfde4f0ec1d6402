"""The disentangled head: exactly orthogonal, one pixel a channel, sums that are the logit, a backbone that stays."""

import keras
import numpy as np
import pytest
from scipy import linalg

from rrr_utils import networks
from rrr_utils.analyses import infodisent
from rrr_utils.analyses.infodisent import contributions as reading
from rrr_utils.analyses.infodisent import fit as fitting
from rrr_utils.engine import passes as engine
from rrr_utils.engine import weights
from rrr_utils.training import checkpoints
from rrr_utils.training import fit as training

STAGE = training.Stage(8, "adam", 1e-2, batch=16)


def backbone(size=32):
    return networks.build("convnet", classes=3, size=size, weights=None, seed=5)


def task(network, count=96):
    """Features of noise, with one bright channel for each of the three classes."""
    rng = np.random.default_rng(0)
    shape = network.split("dense")[0].output_shape[1:]
    labels = np.arange(count) % 3
    found = rng.random((count, *shape)).astype(np.float32)
    for place, label in enumerate(labels):
        found[place, rng.integers(shape[0]), rng.integers(shape[1]), label] += 2.0
    return found, labels


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A head that was trained for a while, and digests of all else before and after."""
    network = backbone()
    before = fitting.backbone_digest(network), checkpoints.weights_digest(network)
    made = infodisent.attach(network, "disentangled", seed=1)
    train = task(made)
    file = tmp_path_factory.mktemp("heads") / "head.npz"
    history, seconds = fitting.fit(made, train, STAGE, file, seed=0, splits={"train": train})
    after = fitting.backbone_digest(made), checkpoints.weights_digest(network)
    return made, train, history, seconds, file, before, after


def skewed(layer, scale):
    size = layer.skew.shape[0]
    layer.skew.assign(np.random.default_rng(3).normal(0, scale, (size, size)).astype(np.float32))
    return layer.matrix()


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_any_weight_gives_an_orthogonal_matrix(scale):
    """Small, large and absurd weights of 64 channels; determinant 1, lengths kept."""
    layer = infodisent.OrthogonalChannels()
    layer.build((None, 4, 4, 64))
    matrix = skewed(layer, scale).astype(np.float64)
    assert np.abs(matrix @ matrix.T - np.eye(64)).max() < 1e-6
    assert np.linalg.det(matrix) == pytest.approx(1.0, abs=1e-4)
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 64)).astype(np.float32)
    y = np.asarray(layer(x))
    np.testing.assert_allclose(y, np.einsum("kj,nhwj->nhwk", matrix, x), atol=1e-4)
    np.testing.assert_allclose((y**2).sum(axis=-1), (x**2).sum(axis=-1), rtol=1e-4)


def test_the_matrix_is_near_the_exponential_of_a_skew_matrix():
    """Cayley's map is the first Pade approximant of exp(-2 S), and a rotation by twice the arc tangent in a plane."""
    layer = infodisent.OrthogonalChannels()
    layer.build((None, 4, 4, 2))
    layer.skew.assign(np.array([[0.0, 0.25], [0.0, 0.0]], np.float32))
    angle = 2 * np.arctan(0.25)
    expected = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    np.testing.assert_allclose(layer.matrix(), expected, atol=1e-7)
    skew = np.array([[0.0, 0.25], [-0.25, 0.0]]) / 10
    layer.skew.assign(layer.skew / 10)
    np.testing.assert_allclose(layer.matrix(), linalg.expm(-2 * skew), atol=2e-5)


def test_pooling_takes_one_pixel_for_and_one_against():
    """By hand: largest 3 and smallest -1; nothing below 0; nothing above it."""
    maps = np.array([[3.0, 0.5, -4.0], [-1.0, 2.0, -0.5], [0.0, 1.0, -2.0], [1.0, 0.0, -3.0]])
    x = maps.reshape(1, 2, 2, 3).astype(np.float32)
    np.testing.assert_allclose(infodisent.ExtremePooling()(x), [[2.0, 2.0, -4.0]])


@pytest.mark.parametrize("head", infodisent.HEADS)
def test_a_head_keeps_the_networks_contract(head):
    """Flat, logits last, split and blocks as everywhere; the original network stays as it was."""
    network = backbone()
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    before = engine.forward(network)(images)
    made = infodisent.attach(network, head, seed=2)
    assert made.model.layers[-1].name == "logits"
    assert not any(isinstance(layer, keras.Model) for layer in made.model.layers)
    prefix, suffix = made.split("dense")
    whole = engine.forward(made)(images)
    np.testing.assert_allclose(engine.forward(suffix)(engine.forward(prefix)(images)), whole, atol=1e-5)
    np.testing.assert_array_equal(engine.forward(network)(images), before)
    trained_layers = {layer.name for layer in made.model.layers if layer.trainable_weights}
    assert trained_layers == set(fitting._weighted(made))
    again = infodisent.attach(backbone(), head, seed=2)
    assert checkpoints.weights_digest(again) == checkpoints.weights_digest(made)
    if head == "plain":
        assert made.model.get_layer("dense_1").units == network.model.get_layer("dense_1").units


def test_a_head_needs_a_map():
    """A backbone that ends in one pixel has no places; an unknown head is refused."""
    with pytest.raises(ValueError, match="`head` must be one of"):
        infodisent.attach(backbone(), "sparse", seed=0)
    x = keras.Input((8, 8, 3))
    y = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="last")(x))
    adopted = networks.adopt(keras.Model(x, keras.layers.Dense(2)(y)))
    adopted.blocks = {
        "conv": (*adopted.blocks["conv"], adopted.blocks["dense"][0]),
        "dense": adopted.blocks["dense"][1:],
    }
    with pytest.raises(ValueError, match="Cut it before its pooling"):
        infodisent.attach(adopted, "disentangled", seed=0)


def test_training_keeps_what_it_must(trained):
    """Orthogonal within 1e-5, weights at least 0, backbone and the original's head to the bit; and it has learnt."""
    made, train, history, seconds, _, before, after = trained
    matrix = made.model.get_layer("channels").matrix().astype(np.float64)
    assert np.abs(matrix @ matrix.T - np.eye(len(matrix))).max() < 1e-5
    assert np.abs(matrix - np.eye(len(matrix))).max() > 0.01
    kernel = reading.class_weights(made)
    assert (kernel >= 0).all()
    assert (kernel == 0).any()
    assert before == after
    last = history[history["epoch"] == STAGE.epochs].iloc[0]
    first = history[history["epoch"] == 0].iloc[0]
    assert last["loss"] < 0.7 * first["loss"]
    assert last["accuracy"] > 0.8
    assert seconds > 0
    logits = engine.forward(made.split("dense")[1])(train[0])
    assert last["accuracy"] == pytest.approx((logits.argmax(axis=1) == train[1]).mean())


def test_a_finished_head_is_loaded(trained, monkeypatch):
    """The same call reads the file and ends with the same weights; other data trains anew."""
    made, train, history, seconds, file, _, _ = trained
    again = infodisent.attach(backbone(), "disentangled", seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", None)
        found, took = fitting.fit(again, train, STAGE, file, seed=0, splits={"train": train})
        assert found.equals(history)
        assert took == seconds
        assert checkpoints.weights_digest(again) == checkpoints.weights_digest(made)
        other = infodisent.attach(backbone(), "disentangled", seed=1)
        with pytest.raises(TypeError):
            fitting.fit(other, (train[0][:50], train[1][:50]), STAGE, file, seed=0, splits={"train": train})


def test_a_diverging_head_says_so(tmp_path):
    """Features that are not finite: the epoch is named, and no file is left."""
    made = infodisent.attach(backbone(), "average", seed=1)
    inputs, labels = task(made, 12)
    inputs[0] = np.nan
    with pytest.raises(FloatingPointError, match="after epoch 0"):
        fitting.fit(made, (inputs, labels), STAGE, tmp_path / "h.npz", seed=0, splits={"train": (inputs, labels)})
    assert not list(tmp_path.iterdir())


def test_features_are_computed_once(tmp_path, monkeypatch):
    """Those of the backbone's own pass; another head of the same backbone reads the file, another backbone does not."""
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    network = backbone()
    found = fitting.features(infodisent.attach(network, "plain", 0), images, tmp_path, "all")
    np.testing.assert_allclose(found, engine.forward(network.split("dense")[0])(images), atol=1e-6)
    monkeypatch.setattr(engine, "forward", None)
    other = infodisent.attach(network, "disentangled", 3)
    np.testing.assert_array_equal(fitting.features(other, images, tmp_path, "all"), found)
    weights.draw(network.model, seed=99)
    with pytest.raises(TypeError):
        fitting.features(other, images, tmp_path, "all")


def test_contributions_sum_to_the_logit(trained):
    """Read from the features with NumPy, against the network's own pass; likewise the margin between two classes."""
    made, (found, labels), *_ = trained
    logits = engine.forward(made.split("dense")[1])(found)
    kernel, pooled = reading.class_weights(made), reading.extremes(made, found).pooled
    others = (labels + 1) % 3
    rows = np.arange(len(labels))
    added = reading.contributions(pooled, kernel, labels)
    np.testing.assert_allclose(added.sum(axis=1), logits[rows, labels], atol=1e-5)
    between = reading.margins(pooled, kernel, labels, others)
    np.testing.assert_allclose(between.sum(axis=1), logits[rows, labels] - logits[rows, others], atol=1e-5)


def test_means_contribute_likewise(tmp_path):
    """The head of channels' means: a logit is the sum of weight times mean."""
    made = infodisent.attach(backbone(), "average", seed=1)
    found, labels = task(made, 20)
    logits = engine.forward(made.split("dense")[1])(found)
    added = reading.contributions(reading.means(found), reading.class_weights(made), labels)
    np.testing.assert_allclose(added.sum(axis=1), logits[np.arange(20), labels], atol=1e-5)


def test_extremes_are_where_they_are_said_to_be(trained):
    """The value in the named cell of the channel's map is the pooled one."""
    made, (found, _), *_ = trained
    got = reading.extremes(made, found[:7])
    flat = reading.channel_maps(made, found[:7]).reshape(7, -1, found.shape[-1])
    for values, where, sign in ((got.above, got.above_at, 1), (got.below, got.below_at, -1)):
        at = np.take_along_axis(flat, where[:, None], axis=1)[:, 0]
        np.testing.assert_array_equal(np.maximum(sign * at, 0), values)


def test_how_many_channels_a_decision_takes():
    """By hand: of 6, -3, 1, 0 the first two carry nine tenths; of four alike all; of nothing none."""
    added = [[1.0, 6.0, 0.0, -3.0], [2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 5.0, 0.0]]
    np.testing.assert_array_equal(reading.needed(added), [2, 4, 0, 1])
    np.testing.assert_array_equal(reading.needed(added, share=0.5), [1, 2, 0, 1])


def test_cells_keep_the_masks_mean():
    """By hand on 4 x 4 pixels, and with cells that cut through pixels."""
    mask = np.zeros((1, 4, 4))
    mask[0, :2, :3] = 1
    np.testing.assert_allclose(reading.cells(mask, (2, 2)), [[[1.0, 0.5], [0.0, 0.0]]])
    odd = np.random.default_rng(0).random((3, 10, 10))
    np.testing.assert_allclose(reading.cells(odd, (7, 3)).mean(axis=(1, 2)), odd.mean(axis=(1, 2)))


def test_the_strongest_images_of_a_channel():
    """By hand, ties in order."""
    values = np.array([[1.0, 0.0], [3.0, 2.0], [3.0, 5.0]])
    np.testing.assert_array_equal(reading.strongest(values, 2), [[1, 2], [2, 1]])


@pytest.fixture(scope="module")
def explained():
    """A head with channels that speak for and against, and images."""
    made = infodisent.attach(backbone(), "disentangled", seed=1)
    skewed(made.model.get_layer("channels"), 0.03)
    images = np.random.default_rng(4).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    return made, images, np.array([0, 1, 2, 0, 1])


def test_the_map_of_places_sums_to_the_logit(explained):
    """Signed and coarse: everything that a channel adds stands in the cells that were pooled."""
    made, images, labels = explained
    maps = infodisent.InfoDisent("places").coarse(made, images, labels)
    logits = engine.forward(made)(images)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), logits[np.arange(5), labels], rtol=1e-4, atol=1e-4)


def test_heat_maps_are_weighted_by_what_channels_contribute(explained):
    """The formula a channel at a time, from features and NumPy, against the explainer's gradients."""
    made, images, labels = explained
    found = engine.forward(made.split("dense")[0])(images)
    maps = reading.channel_maps(made, found).astype(np.float64)
    added = reading.contributions(reading.extremes(made, found).pooled, reading.class_weights(made), labels)
    expected = np.zeros(maps.shape[:3])
    for image in range(5):
        for channel, amount in enumerate(added[image]):
            part = np.maximum(maps[image, ..., channel] * np.sign(amount), 0)
            if part.max() > 0:
                expected[image] += amount * part / part.max()
    got = infodisent.InfoDisent().coarse(made, images, labels)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("design", infodisent.DESIGNS)
def test_maps_keep_the_contract(explained, design):
    """Shape, type, range; a signed map has the sign of the raw one; batches do not matter."""
    made, images, labels = explained
    explainer = infodisent.InfoDisent(design)
    maps = explainer(made, images, labels)
    assert maps.shape == (5, 32, 32)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() == 1
    np.testing.assert_allclose(infodisent.InfoDisent(design, batch=2)(made, images, labels), maps, atol=1e-5)
    assert (np.abs(explainer(made, images, labels, signed=True)).max(axis=(1, 2)) == 1).all()


def test_other_networks_and_designs_are_refused():
    """With the remedy."""
    images = np.zeros((1, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match="Make one with"):
        infodisent.InfoDisent()(backbone(), images, np.array([0]))
    with pytest.raises(ValueError, match="`design` must be one of"):
        infodisent.InfoDisent("heat")


def test_a_saved_head_can_be_adopted(trained, tmp_path):
    """Saved, loaded without custom objects, adopted: the same logits and the same maps."""
    made, *_ = trained
    images = np.random.default_rng(4).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    made.model.save(tmp_path / "model.keras")
    adopted = networks.adopt(keras.models.load_model(tmp_path / "model.keras"))
    assert adopted.model.layers[-1].name == "logits"
    np.testing.assert_allclose(engine.forward(adopted)(images), engine.forward(made)(images), atol=1e-5)
    explainer = infodisent.InfoDisent("places")
    classes = np.array([0, 1, 2])
    np.testing.assert_allclose(explainer(adopted, images, classes), explainer(made, images, classes), atol=1e-4)
