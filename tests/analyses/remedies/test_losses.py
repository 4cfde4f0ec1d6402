"""Remedies: each loss by hand, by finite differences or by its definition; what is frozen stays; plain is plain."""

import keras
import numpy as np
import pytest
import tiny_training
from hand_network import hand_network

from rrr_utils import metric
from rrr_utils.analyses import remedies
from rrr_utils.analyses.remedies import cgc, explanation_guided
from rrr_utils.analyses.remedies import network_halves as halves
from rrr_utils.analyses.remedies.cam_energy import cells
from rrr_utils.engine import passes as engine
from rrr_utils.engine import weights
from rrr_utils.explainers import GradCAM
from rrr_utils.networks import network as networks
from rrr_utils.networks.ensemble import ensemble
from rrr_utils.training import fit as training
from rrr_utils.training.batches import Batches

pytestmark = pytest.mark.tensorflow

tf = pytest.importorskip("tensorflow")
GUIDED = [
    remedies.Guided,
    remedies.RightReasons,
    remedies.CamEnergy,
    remedies.GradCamConsistency,
    remedies.ExplanationGuided,
    remedies.Counterexamples,
]
N, SIZE = tiny_training.N, tiny_training.SIZE


def precise(activation="softplus"):
    """A network in float64 that bends everywhere: two convolutions and a head."""
    layers = keras.layers
    inputs = keras.Input((6, 6, 3), name="images", dtype="float64")
    options = {"dtype": "float64", "activation": activation}
    x = layers.Rescaling(1 / 255, name="preprocess", dtype="float64")(inputs)
    x = layers.Conv2D(4, 3, name="first", **options)(x)
    x = layers.Conv2D(3, 2, name="second", **options)(x)
    outputs = layers.Dense(3, name="logits", dtype="float64")(layers.Flatten(name="flatten", dtype="float64")(x))
    model = keras.Model(inputs, outputs, name="precise")
    random = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(random.normal(0, 0.5, variable.shape))
    blocks = {"conv1": ("first",), "conv2": ("second",), "dense": ("flatten", "logits")}
    return networks.Network("precise", model, 6, 3, blocks, "second", np.zeros(3, np.float32))


def batch(n=3, size=6, seed=0):
    random = np.random.default_rng(seed)
    mask = np.zeros((n, size, size), np.float32)
    mask[:, 1:4, 2:5] = 1
    return random.uniform(0, 255, (n, size, size, 3)), {"label": np.arange(n) % 3, "mask": mask}


def stream(cls, folder, epochs=1, data=None, size=4):
    data = data or tiny_training.data()
    own = {"seed": 0, "study_seed": 0, "batch": size, "epochs": epochs, "folder": folder}
    others = Batches(data, "swapped", **own) if "other" in cls.needs else None
    return remedies.GuidedBatches(Batches(data, "original", **own), cls.needs, others)


def guided(cls, network, data=None):
    return cls(network, len((data or tiny_training.data()).ids)) if cls is remedies.Counterexamples else cls(network)


def fitted(model, batches, epochs=1, callbacks=(), optimizer=None):
    model.compile(optimizer or keras.optimizers.RMSprop(1e-2), jit_compile=False)
    options = {"steps_per_epoch": batches.batches.steps, "shuffle": False, "verbose": 0}
    return model.fit(batches, epochs=epochs, callbacks=list(callbacks), **options)


def test_the_gradient_penalty_is_that_of_finite_differences():
    """Its value from differences of the summed log-probabilities in every pixel, in float64, to seven digits."""
    network = precise()
    model = remedies.RightReasons(network)
    x, y = batch()

    def total(images):
        return np.asarray(tf.reduce_sum(tf.nn.log_softmax(network.model(images)), axis=1))

    slopes, step = np.zeros_like(x), 1e-3
    for place in np.ndindex(x.shape[1:]):
        moved = np.zeros_like(x)
        moved[(slice(None), *place)] = step
        slopes[(slice(None), *place)] = (total(x + moved) - total(x - moved)) / (2 * step)
    expected = np.mean(np.sum((slopes * (1 - y["mask"])[..., None]) ** 2, axis=(1, 2, 3)))
    found = float(model.penalty(model.raw(x), y))
    assert found == pytest.approx(expected, rel=1e-7)
    assert float(model.penalty(model.raw(x), {**y, "mask": np.ones((3, 6, 6))})) == 0


@pytest.mark.parametrize("cls", [remedies.RightReasons, remedies.CamEnergy, remedies.GradCamConsistency])
def test_the_derivative_of_a_penalty_is_that_of_finite_differences(cls):
    """In every direction of a random handful of weights of each layer, in float64: the gradient of a gradient."""
    network = precise()
    model = cls(network)
    x, y = batch()
    y["crops"] = cgc.draw_crops(["a", "b", "c"], 0, 0)
    with tf.GradientTape() as tape:
        value = model.penalty(model.raw(x), y)
    gradients = tape.gradient(value, model.trainable_variables)
    random, step = np.random.default_rng(1), 1e-4
    # The interpolation of CGC's crops and maps is TensorFlow's, in float32.
    exact, step = (1e-6, step) if cls is not remedies.GradCamConsistency else (2e-2, 1e-3)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        start = variable.numpy()
        direction = random.normal(size=start.shape)
        ends = []
        for sign in (1, -1):
            variable.assign(start + sign * step * direction)
            ends.append(float(model.penalty(model.raw(x), y)))
        variable.assign(start)
        along = 0.0 if gradient is None else float(np.sum(np.asarray(gradient) * direction))
        assert along == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=exact, abs=1e-7), variable.path


def test_info_nce_of_a_hand_worked_batch():
    """Two maps: the first like its positive, the second at a cosine of 0.6 to its own, and both at right angles."""
    anchors = np.array([[[2.0, 0], [0, 0]], [[0, 1], [0, 0]]])
    positives = np.array([[[7.0, 0], [0, 0]], [[0, 3], [4, 0]]])
    e = np.e
    expected = -(np.log(e**2 / (e**2 + 1)) + np.log(e**1.2 / (e**1.2 + 1))) / 2
    assert float(cgc.info_nce(anchors, positives, 0.5)) == pytest.approx(expected, rel=1e-12)
    # The other maps of the batch are the other *anchors*, here at 45 degrees, and not their positives, at 90.
    anchors[1], positives[1] = [[1, 1], [0, 0]], [[0, 1], [0, 0]]
    apart = e ** (2 / np.sqrt(2))
    expected = -(np.log(e**2 / (e**2 + apart)) + np.log(apart / (apart + apart))) / 2
    assert float(cgc.info_nce(anchors, positives, 0.5)) == pytest.approx(expected, rel=1e-12)
    assert float(cgc.info_nce(anchors[:1], positives[:1], 0.5)) == pytest.approx(0)


def test_the_whole_loss_of_consistency_on_a_hand_worked_batch():
    """The crop is the image, mirrored once: three cross-entropies and half of the contrast, from two images."""
    model = remedies.GradCamConsistency(hand_network())
    # Left cell (red, green), right cell (red, green): logits (l0 - l1) + 3 r1 and (l1 - l0) + 3 r1.
    x = np.array([[[[2.0, 0, 0], [0, 1, 0]]], [[[0, 1, 0], [0, 0, 0]]]], np.float32)
    whole, mirrored = [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]
    y = {"label": np.array([0, 1]), "crops": np.array([[whole, mirrored]] * 2, np.float32)}

    def entropy(margin):
        return np.log1p(np.exp(-margin))

    # Margins of the labels: 2 * 2 and 2 * 1 as they are; mirrored, the left cells hold (0, 1) and (0, 0).
    whole_entropy = (entropy(4) + entropy(2)) / 2
    mirrored_entropy = (entropy(-2) + entropy(0)) / 2
    # G of the whole images for the predicted classes 0 and 1: activation times slope, (2 * 1, 1 * 3) and (1 * 1, 0).
    first, second = np.array([2.0, 3]), np.array([1.0, 0])
    # G of the mirrored images for the same classes: left (0, 1), right (2, 0): 0 * 1 - 1 and 2 * 0 + 0 * 3; left 0,
    # right (0, 1): 0 and 3.
    anchor_first, anchor_second = np.maximum([-1.0, 0], 0), np.array([0.0, 3])
    own = [0.0, anchor_second @ second[::-1] / (3 * 1)]
    other = 0.0
    assert first[::-1] @ anchor_first == 0
    contrast = -np.mean([np.log(np.exp(s / 0.5) / (np.exp(s / 0.5) + np.exp(other / 0.5))) for s in own])
    expected = 2 * whole_entropy + mirrored_entropy + 0.5 * contrast
    found = model.compute_loss(x, y, model(x))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_crops_follow_from_names_and_keep_half_of_the_image():
    """Boxes lie in the image; another epoch gives others, another order the same; the whole box is the image."""
    drawn = cgc.draw_crops(["a", "b", "c"], 0, 3)
    np.testing.assert_array_equal(drawn[[2, 0]], cgc.draw_crops(["c", "a"], 0, 3))
    assert not np.array_equal(drawn, cgc.draw_crops(["a", "b", "c"], 0, 4))
    many = cgc.draw_crops([f"{number}" for number in range(200)], 0, 0).reshape(-1, 5)
    assert many[:, :4].min() >= 0
    assert many[:, 2:4].max() <= 1 + 1e-6
    areas = (many[:, 2] - many[:, 0]) * (many[:, 3] - many[:, 1])
    assert areas.min() > 0.97 * cgc.LEAST
    assert 0.4 < many[:, 4].mean() < 0.6
    x = np.random.default_rng(0).uniform(0, 255, (2, 5, 5, 3)).astype(np.float32)
    boxes = np.array([[0, 0, 1, 1, 0], [0, 0, 1, 1, 1]], np.float32)
    np.testing.assert_allclose(cgc.change(x, boxes)[0], x[0], atol=1e-3)
    np.testing.assert_allclose(cgc.change(x, boxes)[1], x[1, :, ::-1], atol=1e-3)


def test_cam_energy_is_what_the_score_misses():
    """One minus the score of the explainer's map at the size of its cells, where masks are whole cells."""
    network = tiny_training.tiny()
    data = tiny_training.data()
    model = remedies.CamEnergy(network)
    activations, slopes = halves.cut(network).slopes(model.raw(data.images), data.labels)
    maps = np.maximum(np.sum(np.mean(slopes, axis=(1, 2), keepdims=True) * activations, axis=3), 0)
    masks = np.zeros(maps.shape, np.float32)
    masks[:, :2, :1] = 1
    scores = metric.score(masks, maps)
    grown = np.kron(masks, np.ones((1, 4, 4)))
    found = float(model.penalty(model.raw(data.images), {"label": data.labels, "mask": grown}))
    assert found == pytest.approx(np.mean(np.where(np.isnan(scores), 1, 1 - scores)), rel=1e-5)
    # The explainer's own map, brought to the image's size, has its maximum in the same cell.
    seen = GradCAM()(network, data.images, data.labels)
    assert seen.shape == data.masks.shape


def test_masks_are_brought_down_by_their_share():
    """A cell that is half object counts half."""
    mask = np.zeros((1, 4, 4))
    mask[0, :, :3] = 1
    np.testing.assert_allclose(cells(mask, (2, 2)), [[[1, 0.5], [1, 0.5]]])


def test_relevance_weighs_features_between_zero_and_two():
    """The most relevant one doubly, its opposite not at all, what says nothing once; a map of zeros changes nothing."""
    activations = np.array([[[[2.0, 1.0]], [[4.0, 0.0]]]])
    slopes = np.array([[[[1.0, -1.0]], [[-1.0, 5.0]]]])
    found = explanation_guided.relevance_weights(activations, slopes)
    np.testing.assert_allclose(found, [[[[1.5, 0.75]], [[0.0, 1.0]]]])
    np.testing.assert_allclose(explanation_guided.relevance_weights(activations, 0 * slopes), np.ones((1, 2, 1, 2)))


def test_guided_features_are_asked_of_the_head():
    """On the hand-worked network: the cross-entropy of logits from features times their weights."""
    model = remedies.ExplanationGuided(hand_network())
    x = np.array([[[[2.0, 0, 0], [0, 1, 0]]]], np.float32)
    # Label 0: relevance 2 * 1 of the left cell's red and 1 * 3 of the right one's green, so weights 1 + 2 / 3 and 2.
    left, right = 2 * (1 + 2 / 3), 2.0
    margin = (left + 3 * right) - (-left + 3 * right)
    found = float(model.penalty(model.raw(x), {"label": np.array([0])}))
    assert found == pytest.approx(np.log1p(np.exp(-margin)), rel=1e-4)


def test_plain_is_training_to_the_bit(tmp_path):
    """The same batches through `fit` end with the weights that `training.train` ends with."""
    network = tiny_training.tiny()
    training.train(
        network,
        "all",
        tiny_training.data(),
        tiny_training.STAGE,
        tmp_path,
        trained_on="original",
        seed=0,
        evaluate=tiny_training.splits(),
    )
    own = tiny_training.tiny()
    own.set_strategy("all")
    fitted(remedies.Guided(own), stream(remedies.Guided, tmp_path, 2), 2)
    for key, array in weights.take(network.model).items():
        np.testing.assert_array_equal(array, weights.take(own.model)[key], err_msg=key)


@pytest.mark.parametrize("cls", GUIDED, ids=lambda cls: cls.__name__)
def test_what_is_frozen_does_not_move(cls, tmp_path):
    """With a frozen convolution and batch normalisation only the head moves, and it does."""
    network = tiny_training.tiny()
    network.set_strategy("dense")
    before = weights.take(network.model)
    callbacks = []
    data = tiny_training.data()
    if cls is remedies.Counterexamples:
        callbacks = [remedies.Corrections(data.images, data.masks, data.labels, every=1)]
    history = fitted(guided(cls, network), stream(cls, tmp_path, 2), 2, callbacks)
    assert np.isfinite(history.history["loss"]).all()
    after = weights.take(network.model)
    moved = {key for key, array in after.items() if not np.array_equal(array, before[key])}
    assert moved == {"logits/kernel", "logits/bias"}


@pytest.mark.parametrize("cls", [remedies.RightReasons, remedies.CamEnergy], ids=lambda cls: cls.__name__)
def test_a_penalty_falls_when_it_is_trained_on(cls, tmp_path):
    """With both terms alike at the start, a few epochs bring the penalty below its start."""
    network = tiny_training.tiny()
    network.set_strategy("all")
    model = cls(network)
    batches = stream(cls, tmp_path, 12)
    first = [batches[0], batches[1]]
    model.strength = remedies.calibrate(model, first)
    x, y = first[0]
    begin = model.strength * float(model.penalty(model.raw(x), y))
    entropy = np.mean([float(model.fit_term(x, y, model(x, training=False))) for x, y in first])
    sizes = np.mean([model.strength * float(model.penalty(model.raw(x), y)) for x, y in first])
    assert sizes == pytest.approx(entropy, rel=1e-5)
    fitted(model, batches, 12, optimizer=keras.optimizers.Adam(1e-2))
    assert model.strength * float(model.penalty(model.raw(x), y)) < begin


def test_a_penalty_of_nothing_has_no_strength(tmp_path):
    """Where the masks leave nothing outside, the message says so."""
    model = remedies.RightReasons(tiny_training.tiny())
    x, y = next(iter([stream(remedies.RightReasons, tmp_path)[0]]))
    with pytest.raises(ValueError, match="Are masks 1 everywhere"):
        remedies.calibrate(model, [(x, {**y, "mask": np.ones_like(y["mask"])})])


def test_counterexamples_replace_what_is_marked(tmp_path):
    """Marked pixels come from the other image, all others stay; the callback marks outside the object alone."""
    network = tiny_training.tiny()
    data = tiny_training.data()
    model = remedies.Counterexamples(network, N)
    x, y = stream(remedies.Counterexamples, tmp_path)[0]
    np.testing.assert_array_equal(model.corrected(x, y), x)
    marks = np.zeros((N, SIZE, SIZE), bool)
    marks[y["place"][1], 5:, 5:] = True
    model.mark(marks)
    expected = x.copy()
    expected[1, 5:, 5:] = y["other"][1, 5:, 5:]
    np.testing.assert_array_equal(model.corrected(x, y), expected)
    callback = remedies.Corrections(data.images, data.masks, data.labels, every=1)
    callback.set_model(model)
    callback.set_params({"epochs": 2})
    callback.on_epoch_end(0)
    assert model.marks[y["place"][1], 5:, 5:].all()
    maps = GradCAM()(network, data.images, data.labels)
    np.testing.assert_array_equal(model.marks, marks | ((maps >= 0.5) & (data.masks < 0.5)))
    before = model.marks
    callback.on_epoch_end(1)  # the last: nothing is trained afterwards
    np.testing.assert_array_equal(model.marks, before)


def test_batches_carry_what_is_needed(tmp_path):
    """In the order of the plain batches, masks and places of the same images; moved masks are refused."""
    data = tiny_training.data()
    made = stream(remedies.Counterexamples, tmp_path)
    x, y = made[1]
    np.testing.assert_array_equal(x, data.images[y["place"]])
    np.testing.assert_array_equal(y["label"], data.labels[y["place"]])
    inside = data.masks[y["place"]] > 0
    np.testing.assert_array_equal(y["other"][inside], x[inside])
    assert (y["other"][~inside] != x[~inside]).any()
    x, y = stream(remedies.RightReasons, tmp_path)[1]
    assert set(y) == {"label", "mask"}
    own = {"seed": 0, "study_seed": 0, "batch": 4, "epochs": 1, "folder": tmp_path}
    moved = Batches(data, "original", augment="authors", **own)
    with pytest.raises(ValueError, match="moves objects away from under their masks"):
        remedies.GuidedBatches(moved, ("mask",))
    with pytest.raises(ValueError, match="goes with the need 'other'"):
        remedies.GuidedBatches(Batches(data, "original", **own), ("other",))


def test_members_side_by_side_are_an_ensemble():
    """The logits are the mean of the members', which stay as they are; the map is the ReLU of the sum of theirs."""
    members = [tiny_training.tiny(0), tiny_training.tiny(1)]
    images, labels = tiny_training.data().images, tiny_training.data().labels
    one = remedies.joined(members)
    np.testing.assert_allclose(engine.forward(one)(images), engine.forward(ensemble(members).model)(images), atol=1e-5)
    parts = []
    for each in members:
        activations, slopes = halves.cut(each).slopes(tf.constant(images, tf.float32), labels)
        parts.append(np.sum(np.mean(slopes, axis=(1, 2), keepdims=True) * activations, axis=3))
    activations, slopes = halves.cut(one).slopes(tf.constant(images, tf.float32), labels)
    found = np.sum(np.mean(slopes, axis=(1, 2), keepdims=True) * activations, axis=3)
    np.testing.assert_allclose(found, np.mean(parts, axis=0), atol=1e-5)
    assert GradCAM()(one, images, labels).shape == images.shape[:3]
    behind = {layer.name for layer in one.model.layers} - {"images", "member0_preprocess", "member1_preprocess"}
    assert {name for names in one.blocks.values() for name in names} == behind
    kept = weights.take(one.model)
    members[0].model.get_layer("logits").set_weights([np.zeros((36, 2)), np.zeros(2)])
    assert all(np.array_equal(array, kept[key]) for key, array in weights.take(one.model).items())
