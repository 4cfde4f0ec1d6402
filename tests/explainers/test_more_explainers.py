"""RISE, Score-CAM, LayerCAM, SISE and SEDC: against their definitions, by hand, by plain loops and by brute force."""

from itertools import combinations

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from rrr_utils import explainers, networks
from rrr_utils.common import seeds
from rrr_utils.engine import weights
from rrr_utils.explainers import (
    RISE,
    SEDC,
    SISE,
    Explainer,
    GradCAM,
    LayerCAM,
    ScoreCAM,
    feature_layers,
    layer_cam,
    lime,
    rise,
    sedc,
    sise,
    soft_masks,
)
from rrr_utils.networks import stack
from rrr_utils.scoring import scores as scoring

SMALL = [
    RISE(samples=30, cells=4, batch=7),
    ScoreCAM(channels=8, batch=3),
    LayerCAM(),
    SISE(channels=4, batch=3),
    SEDC(steps=3, batch=5),
]


def adopted(outputs_of, size):
    """Return the network with these outputs of ``(N, size, size, 3)`` images as they are."""
    images = keras.Input((size, size, 3))
    return networks.adopt(keras.Model(images, outputs_of(images)))


@pytest.fixture(scope="module")
def pictures():
    return seeds.generator("pictures").integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def curved(pictures):
    """A ConvNet at 32 px with random weights, whose classes are about as likely on the pictures."""
    network = networks.build("convnet", classes=3, size=32, weights=None, seed=2)
    kernel, offset = network.model.get_layer("logits").get_weights()
    network.model.get_layer("logits").set_weights([kernel, offset - np.asarray(network.model(pictures)).mean(axis=0)])
    return network


def bilinear(coarse, size):
    """Return PIL's half-pixel bilinear enlargement of ``(h, w)``."""
    return np.asarray(
        Image.fromarray(np.asarray(coarse, np.float32)).resize(size[::-1], Image.Resampling.BILINEAR), np.float64
    )


def finished(raw):
    """Return the positive part by its maximum."""
    kept = np.maximum(raw, 0)
    return kept / kept.max()


# --- what all keep ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", SMALL, ids=lambda each: each.name)
def test_maps_keep_the_contract(curved, pictures, each: Explainer):
    """In [0, 1] with maximum 1 or all zero; signed maps have that as positive part; other images do not matter."""
    classes, ids = np.array([0, 1, 2]), ["a", "b", "c"]
    classes = np.asarray(curved.model(pictures)).argmax(axis=1) if each.name == "sedc" else classes
    maps = each(curved, pictures, classes, ids)
    assert (maps.shape, maps.dtype) == ((3, 32, 32), np.float32)
    assert maps.min() >= 0
    assert set(maps.max(axis=(1, 2)).tolist()) <= {0.0, 1.0}
    assert maps.max() == 1
    signed = each(curved, pictures, classes, ids, signed=True)
    positive = np.maximum(signed, 0)
    assert_allclose(positive / np.maximum(positive.max(axis=(1, 2), keepdims=True), 1e-9), maps, atol=1e-5)
    assert_array_equal(each(curved, pictures, classes, ids), maps)
    alone = each(curved, pictures[1:2].astype(np.float32), classes[1:2], ids[1:2])
    assert_allclose(alone[0], maps[1], atol=1e-4)
    assert each(curved, pictures[:0], classes[:0], []).shape == (0, 32, 32)


@pytest.mark.parametrize("each", SMALL, ids=lambda each: each.name)
def test_a_network_that_does_not_react_has_a_zero_map(pictures, each):
    """The same logits for every image: no relevance anywhere, and no NaN."""
    network = networks.build("convnet", classes=3, size=32, weights=None, seed=2)
    kernel, offset = network.model.get_layer("logits").get_weights()
    network.model.get_layer("logits").set_weights([kernel * 0, offset + np.eye(3)[0]])
    assert each(network, pictures, np.zeros(3, int)).max() == 0


@pytest.mark.parametrize("each", SMALL, ids=lambda each: each.name)
def test_maps_of_a_stack_are_those_of_each_checkpoint_alone(pictures, each):
    """Every checkpoint gets the map that it has without company."""
    network = networks.build("convnet", classes=3, size=32, weights=None, seed=2)
    states = [weights.take(network.model)]
    for variable in network.model.get_layer("conv3").weights:
        variable.assign(variable.numpy() + 0.05 * seeds.generator("moved").random(variable.shape))
    states.append(weights.take(network.model))
    together = stack.Stack(network)
    for state in states:
        together.add(state)
    classes = np.array([0, 1, 2])
    maps = each.of_each(together, pictures, classes, list("abc"))
    assert maps.shape == (2, 3, 32, 32)
    other = networks.build("convnet", classes=3, size=32, weights=None, seed=4)
    for found, state in zip(maps, states, strict=True):
        weights.put(other.model, state, [layer.name for layer in other.model.layers], "the test")
        assert_allclose(found, each(other, pictures, classes, list("abc")), atol=1e-3)
    assert_array_equal(explainers.explain([each], together, pictures, classes, list("abc"))[0], maps)


@pytest.mark.parametrize("each", SMALL, ids=lambda each: each.name)
def test_they_work_on_an_adopted_network(each):
    """A model of another make, with pooling and normalisation of its own, not named in any study."""
    images = keras.Input((24, 24, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 3, activation="relu", padding="same")(x)
    x = keras.layers.BatchNormalization()(keras.layers.AveragePooling2D(2)(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.SeparableConv2D(5, 3, activation="elu")(x))
    keras.utils.set_random_seed(1)
    network = networks.adopt(keras.Model(images, keras.layers.Dense(2, activation="softmax")(x)))
    photos = seeds.generator("photos").integers(0, 256, (2, 24, 24, 3)).astype(np.uint8)
    maps = each(network, photos, np.array([0, 1]))
    assert maps.shape == (2, 24, 24)
    assert np.isfinite(maps).all()


def test_what_they_cannot_do_is_refused(curved):
    """Plain functions have no layer; probabilities and fused maps no sign; numbers have limits."""
    images, plain = np.zeros((1, 32, 32, 3), np.uint8), lambda given: np.zeros((len(given), 2))
    for each in (ScoreCAM(), LayerCAM(), SISE()):
        with pytest.raises(TypeError, match="needs a Network, because it reads a layer"):
            each(plain, images, np.array([0]))
    for each in (RISE(samples=2), SEDC()):
        assert each(plain, images, np.array([0])).max() == 0
        with pytest.raises(ValueError, match=f"{each.name}, image 'x': the network's output holds NaN"):
            each(lambda given: np.full((len(given), 2), np.nan), images, np.array([0]), ["x"])
    flat = adopted(lambda given: keras.layers.Dense(2)(keras.layers.Flatten()(given)), 32)
    for each in (ScoreCAM(), LayerCAM(), SISE(), GradCAM()):
        with pytest.raises(ValueError, match=r"reads the last convolution, but .* has none"):
            each(flat, images, np.array([0]))
    with pytest.raises(ValueError, match="no signed maps with output='probability'"):
        RISE(output="probability")(curved, images, np.array([0]), signed=True)
    with pytest.raises(ValueError, match="no signed maps with layers='all'"):
        LayerCAM(layers="all")(curved, images, np.array([0]), signed=True)
    with pytest.raises(ValueError, match="`shown` must be a chance"):
        RISE(shown=1)
    with pytest.raises(ValueError, match="`threshold` must be a share"):
        SISE(threshold=1)
    with pytest.raises(ValueError, match="`weighing` must be one of"):
        ScoreCAM(weighing="increases")


def test_a_study_gives_its_seed_to_what_draws():
    """RISE draws; the others do not, and take no seed."""
    made = scoring.explainers([{"name": name} for name in ("rise", "score_cam", "layer_cam", "sise", "sedc")], 7)
    assert made[0].seed == 7
    drawing = {name for name in explainers.EXPLAINERS if "seed" in explainers.options(name)}
    assert drawing == {name for name in explainers.EXPLAINERS if hasattr(explainers.explainer(name), "seed")}


# --- RISE -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_rise_is_a_plain_loop_over_masks(output):
    """Masks by PIL, one at a time, and equation 6; of logits with their mean taken off first."""
    size, cells, samples, shown = (20, 14), 3, 40, 0.4
    image = seeds.generator("one").integers(0, 256, (*size, 3)).astype(np.float64)
    weight = seeds.generator("weight").normal(size=(*size, 3)) / 1000

    def logits_of(images):
        value = (images * weight).sum(axis=(1, 2, 3))
        return np.stack([value, np.sin(value)], axis=1)

    grids, places = rise.draw(samples, cells, shown, 5, "x")
    high, wide = 7, 5  # cells of 20 / 3 and 14 / 3 pixels, rounded up
    values, masks = [], []
    for grid, place in zip(grids, places):
        large = bilinear(grid, ((cells + 1) * high, (cells + 1) * wide))
        top, left = int(place[0] * high), int(place[1] * wide)
        mask = large[top : top + size[0], left : left + size[1]]
        logits = logits_of((mask[..., None] * image + (1 - mask[..., None]) * 20)[None])[0]
        values.append(logits[1] if output == "logit" else np.exp(logits[1]) / np.exp(logits).sum())
        masks.append(mask)
    offset = np.mean(values) if output == "logit" else 0.0
    expected = sum((value - offset) * mask for value, mask in zip(values, masks)) / (samples * shown)
    found = RISE(samples, cells, shown, seed=5, output=output, fill=20, batch=9)(
        logits_of, image[None].astype(np.float32), [1], ["x"]
    )
    assert_allclose(found[0], finished(expected), atol=1e-4)
    assert expected.min() < 0 or output == "probability"


def test_rise_of_two_masks_by_hand():
    """With two masks the map is their difference, in favour of the one behind which the logit is higher."""
    image = np.full((1, 8, 8, 3), 100, np.float32)
    (one, two) = rise.masks_of(*rise.draw(2, 2, 0.5, 0, "x"), (8, 8))
    found = RISE(2, cells=2, fill=0)(lambda given: given.mean(axis=(1, 2)), image, [0], ["x"], signed=True)
    difference = (one - two) * np.sign(one.mean() - two.mean())
    assert_allclose(found[0], difference / np.abs(difference).max(), atol=1e-5)


def test_rise_finds_the_pixels_that_are_read_and_knows_no_offset():
    """A logit that reads the upper left corner has its highest relevance there, at any height of the logits."""
    image = np.full((1, 32, 32, 3), 200, np.float32)

    def corner(given):
        return given[:, :8, :8, 0].mean(axis=(1, 2))[:, None]

    maps = [
        RISE(400, cells=4, fill=0)(logits_of, image, [0])[0]
        for logits_of in (corner, lambda given: corner(given) + 1e4)
    ]
    assert_allclose(maps[0], maps[1], atol=1e-3)
    assert maps[0][:8, :8].min() > 0.5
    assert maps[0][20:, 20:].max() < 0.25
    plain = RISE(400, cells=4, fill=0, output="probability")(
        lambda given: np.pad(corner(given) / 200, ((0, 0), (0, 1))), image, [0]
    )[0]
    assert plain.min() > 0.5  # the published map: everywhere about the same


def test_rise_masks_follow_from_seed_and_id_at_every_size():
    """Fewer are the first of more; half of a mask is shown; the same grid covers a larger image alike."""
    grids, places = rise.draw(300, 7, 0.5, 0, "x")
    fewer, _ = rise.draw(20, 7, 0.5, 0, "x")
    assert_array_equal(grids[:20], fewer)
    assert (rise.draw(20, 7, 0.5, 0, "y")[0] != fewer).any()
    assert (rise.draw(20, 7, 0.5, 1, "x")[0] != fewer).any()
    small, large = (rise.masks_of(grids, places, (size, size)) for size in (28, 56))
    assert small.min() >= 0
    assert small.max() <= 1
    assert abs(small.mean() - 0.5) < 0.02
    assert np.abs(large.reshape(300, 28, 2, 28, 2).mean(axis=(2, 4)) - small).mean() < 0.06


# --- channels as masks, Score-CAM -------------------------------------------------------------------------------------


def test_blends_and_channels_by_hand():
    """Half a mask is half way to the colour; a channel from 2 to 6 becomes one from 0 to 1, a flat one 0."""
    image = np.full((1, 2, 3), 100, np.uint8)
    assert_array_equal(
        soft_masks.blend(image, np.array([[[1.0, 0.5]]]), np.float32([0, 50, 200]))[0, 0], [[100] * 3, [50, 75, 150]]
    )
    channels = np.stack([[[2.0, 4], [5, 6]], np.full((2, 2), 3.0)], axis=-1)
    assert_allclose(soft_masks.of_channels(channels, (2, 2)), [[[0, 0.5], [0.75, 1]], np.zeros((2, 2))])


@pytest.fixture(scope="module")
def linear():
    """Two logits that are weighted sums of the pixels of a layer ``copy``, that has the image's channels."""
    kernel = seeds.generator("weights").normal(size=(6 * 6 * 3, 2)).astype(np.float32) / 100
    convolution = keras.layers.Conv2D(3, 1, use_bias=False, name="copy")
    dense = keras.layers.Dense(2, name="logits")
    network = adopted(lambda images: dense(keras.layers.Flatten()(convolution(images))), 6)
    network.model.get_layer("copy").set_weights([np.eye(3, dtype=np.float32)[None, None]])
    network.model.get_layer("logits").set_weights([kernel, np.array([0.3, -0.2], np.float32)])
    return network, kernel.reshape(6, 6, 3, 2).astype(np.float64)


@pytest.fixture(scope="module")
def tiny():
    return seeds.generator("tiny").integers(0, 256, (2, 6, 6, 3)).astype(np.uint8)


@pytest.mark.parametrize("weighing", ["increase", "softmax", "probability"])
def test_score_cam_of_a_linear_network_by_hand(linear, tiny, weighing):
    """Three channels, which are the image's own colours: masks, increases and sum written out."""
    network, kernel = linear
    for number, label in enumerate((0, 1)):
        image = tiny[number].astype(float)
        masks = [(image[..., k] - image[..., k].min()) / np.ptp(image[..., k]) for k in range(3)]
        logits = np.array([np.einsum("hwc,hwcz->z", image * mask[..., None], kernel) for mask in masks])
        offsets = np.array([0.3, -0.2])
        weigh = logits[:, label]
        if weighing == "softmax":
            weigh = np.exp(weigh) / np.exp(weigh).sum()
        if weighing == "probability":
            shifted = np.exp(logits + offsets)
            weigh = (shifted / shifted.sum(axis=1, keepdims=True))[:, label]
        raw = image @ weigh
        found = ScoreCAM(weighing, fill=0)(network, tiny[number : number + 1], [label], signed=True)
        assert_allclose(found[0], raw / np.abs(raw).max(), atol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:Please import `zoom`:DeprecationWarning")
@pytest.mark.parametrize("channels", [None, 4])
def test_score_cam_agrees_with_tf_keras_vis(channels):
    """On a layer as wide as the image, where nothing is enlarged: the reference's map within 1e-4 of its maximum."""
    from tf_keras_vis.scorecam import Scorecam

    images = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(keras.layers.Rescaling(1 / 128, -1)(images))
    x = keras.layers.Conv2D(7, 3, padding="same", activation="relu", name="last")(x)
    keras.utils.set_random_seed(3)
    model = keras.Model(images, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(x)))
    network = networks.adopt(model)
    assert network.grad_cam_layer == "last"
    photos, labels = seeds.generator("reference").integers(0, 256, (1, 12, 12, 3)).astype(np.uint8), [2]
    expected = Scorecam(model)(
        lambda outputs: [outputs[place][label] for place, label in enumerate(labels)],
        photos.astype(np.float32),
        penultimate_layer="last",
        seek_penultimate_conv_layer=False,
        max_N=channels,
        normalize_cam=False,
    )
    expected = np.asarray(expected, np.float64)
    found = ScoreCAM("probability", channels=channels, fill=0)(network, photos, np.array(labels))
    assert_allclose(found, expected / expected.max(), atol=1e-4)
    assert np.ptp(expected) > 0


# --- LayerCAM ---------------------------------------------------------------------------------------------------------


def test_layer_cam_of_a_linear_network_by_hand(linear, tiny):
    """The gradient of a place is its weight: positive weights times the pixel, summed over channels."""
    network, kernel = linear
    found = LayerCAM()(network, tiny, [0, 1])
    for number in range(2):
        raw = (np.maximum(kernel[..., number], 0) * tiny[number]).sum(axis=-1)
        assert_allclose(found[number], raw / raw.max(), atol=1e-5)


@pytest.mark.tensorflow
def test_layer_cam_of_all_layers_step_by_step(curved, pictures):
    """Three layers by the tape and PIL: twice the shallow maps within tanh, and the largest of all."""
    tf = pytest.importorskip("tensorflow")
    names = ["conv1", "conv2", "conv3"]
    assert feature_layers.of(curved) == names
    both = keras.Model(
        curved.model.inputs, [*(curved.model.get_layer(name).output for name in names), curved.model.output]
    )
    classes = [2, 0, 1]
    with tf.GradientTape() as tape:
        *layers, logits = both([pictures.astype(np.float32)])
        chosen = tf.reduce_sum(logits * tf.one_hot(classes, 3))
    slopes = tape.gradient(chosen, layers)
    for number in range(3):
        parts = []
        for place, (activations, slope) in enumerate(zip(layers, slopes, strict=True)):
            coarse = keras.ops.relu(keras.ops.sum(keras.ops.relu(slope[number]) * activations[number], axis=-1))
            wide = bilinear(coarse, (32, 32))
            parts.append(wide / wide.max() if place == 2 else np.tanh(2 * wide / wide.max()))
        expected = np.maximum(np.maximum(parts[0], parts[1]), parts[2])
        found = LayerCAM(layers="all")(curved, pictures[number : number + 1], classes[number : number + 1])[0]
        assert_allclose(found, expected / expected.max(), atol=1e-4)
        last = LayerCAM()(curved, pictures[number : number + 1], classes[number : number + 1])[0]
        assert_allclose(last, parts[2], atol=1e-4)


def test_fusing_by_hand():
    """0.5 of the shallow maximum becomes tanh(1); a zero map adds nothing."""
    shallow, deep = np.array([[[0.0, 2.0, 4.0]]]), np.array([[[1.0, 0.0, 0.5]]])
    assert_allclose(layer_cam.fuse([shallow, deep]), [[[1, np.tanh(1), np.tanh(2)]]])
    assert_allclose(layer_cam.fuse([np.zeros((1, 1, 3)), deep]), deep)


# --- SISE -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "layers"),
    [
        (
            "mobilenet",
            {"alpha": 0.25},
            ["conv_pw_1_relu", "conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"],
        ),
        ("convnet", {}, ["conv1", "conv2", "conv3"]),
    ],
)
def test_layers_are_the_last_of_each_resolution(name, options, layers):
    """What the next pooling or strided convolution takes in, Grad-CAM's layer last."""
    assert feature_layers.of(networks.build(name, classes=2, size=64, weights=None, **options)) == layers


@pytest.mark.tensorflow
@pytest.mark.parametrize("output", ["logit", "probability"])
def test_sise_step_by_step(curved, pictures, output):
    """Layers, channels of positive gradient, masks one at a time, Otsu's cut: the four steps written out."""
    tf = pytest.importorskip("tensorflow")
    filters = pytest.importorskip("skimage.filters")
    names = ["conv1", "conv2", "conv3"]
    both = keras.Model(
        curved.model.inputs, [*(curved.model.get_layer(name).output for name in names), curved.model.output]
    )
    image, label = pictures[:1].astype(np.float32), 0
    with tf.GradientTape() as tape:
        *layers, logits = both([image])
        chosen = logits[:, label]
    slopes = tape.gradient(chosen, layers)
    plain = np.broadcast_to(curved.neutral, image.shape)
    bottom = float(curved.model(plain)[0, label])
    fused, used = None, []
    for activations, slope in zip(layers, slopes, strict=True):
        mean, total = np.mean(slope[0], axis=(0, 1)), np.zeros((32, 32))
        for channel in np.flatnonzero(mean > 0):
            mask = bilinear(activations[0, ..., channel], (32, 32))
            if np.ptp(mask) == 0:
                continue
            mask = (mask - mask.min()) / np.ptp(mask)
            behind = curved.model(mask[None, ..., None].astype(np.float32) * (image - plain) + plain)[0]
            value = (
                max(float(behind[label]) - bottom, 0) if output == "logit" else float(keras.ops.softmax(behind)[label])
            )
            total += value * mask / mask.sum()
            used.append(channel)
        each = (total - total.min()) / np.ptp(total)
        fused = each if fused is None else (fused + each) * (each > filters.threshold_otsu(each))
    found = SISE(output)(curved, pictures[:1], [label])[0]
    assert 20 < len(used) < 96
    # A pixel at the threshold may fall on either side of it.
    differs = np.abs(found - fused / fused.max()) > 1e-3
    assert differs.mean() < 0.005


def test_sise_by_hand():
    """Masks by their area and value; two maps added and cut where the deeper one is high."""
    masks = np.array([[[1.0, 1.0], [0, 0]], [[0, 0], [0, 1.0]], [[0.0, 0], [0, 0]]])
    assert_allclose(sise.layer_map(masks, np.array([4.0, 3.0, 9.0])), [[2, 2], [0, 3]])
    shallow, deep = np.array([[1.0, 0.5], [0.2, 0]]), np.array([[1.0, 0.9], [0.0, 0]])
    assert_allclose(sise.fuse([shallow, deep]), [[2, 1.4], [0, 0]])
    assert_allclose(sise.fuse([shallow, np.zeros((2, 2))]), 0)


def test_sise_chooses_channels_of_positive_gradient():
    """All above 0; those above half of the largest; the two largest."""
    slopes = np.array([0.1, -1.0, 0.9, 0.0, 1.0])
    assert SISE()._chosen(slopes).tolist() == [0, 2, 4]
    assert SISE(threshold=0.5)._chosen(slopes).tolist() == [2, 4]
    assert SISE(channels=2)._chosen(slopes).tolist() == [2, 4]
    assert SISE()._chosen(-np.abs(slopes)).tolist() == []


# --- SEDC -------------------------------------------------------------------------------------------------------------


def first_of(ask, count):
    """Return what a search begins with: the whole, and each superpixel hidden."""
    return ask(np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)]))


def changing(ask, count, own):
    """Return all sets, from the smallest on, whose removal changes the class, by brute force."""
    found = []
    for size in range(1, count + 1):
        for members in combinations(range(count), size):
            shown = np.ones((1, count), bool)
            shown[0, list(members)] = False
            if ask(shown)[0].argmax() != own:
                found.append(set(members))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_sedc_of_a_sum_is_the_smallest_set_there_is(seed):
    """Where superpixels add up, brute force over all 2^8 sets finds none that is smaller."""
    effects = seeds.generator("sum", seed).normal(size=(8, 3)) + 0.3 * np.eye(3)[0]

    def ask(shown):
        return shown @ effects

    own = int(effects.sum(axis=0).argmax())
    found = set(np.flatnonzero(sedc.search(ask, first_of(ask, 8), own, 100)).tolist())
    every = changing(ask, 8, own)
    assert found in every
    # With three classes the cheapest way to one of them need not be the shortest to the other.
    assert len(found) <= len(every[0]) + 1
    two = effects[:, :2]
    own = int(two.sum(axis=0).argmax())
    every = changing(lambda shown: shown @ two, 8, own)
    found = set(
        np.flatnonzero(
            sedc.search(lambda shown: shown @ two, first_of(lambda shown: shown @ two, 8), own, 100)
        ).tolist()
    )
    assert found in every
    assert len(found) == len(every[0])


@pytest.mark.parametrize("seed", range(8))
def test_sedc_of_anything_changes_the_class_and_can_spare_none(seed):
    """Where superpixels act together, what is found changes the class, and with any of it shown again it does not."""
    generator = seeds.generator("together", seed)
    one, two = generator.normal(size=(7, 12)), generator.normal(size=(12, 2))

    def ask(shown):
        return np.maximum(shown @ one, 0) @ two

    own = int(ask(np.ones((1, 7), bool))[0].argmax())
    every = changing(ask, 7, own)
    found = set(np.flatnonzero(sedc.search(ask, first_of(ask, 7), own, 200)).tolist())
    assert bool(found) == bool(every)
    if found:
        assert found in every
        assert not any(found - {member} in every for member in found)


def test_sedc_shows_again_what_became_superfluous():
    """0 costs most alone and is taken first; 1 and 2 together change the class with or without it."""

    def ask(shown):
        hidden = ~shown
        value = 1.0 - 0.5 * hidden[:, 0] - 0.1 * hidden[:, 1] - 0.1 * hidden[:, 2] - 2.0 * (hidden[:, 1] & hidden[:, 2])
        return np.stack([value, np.zeros(len(shown))], axis=1)

    assert np.flatnonzero(sedc.search(ask, first_of(ask, 3), 0, 10)).tolist() == [1, 2]


def test_sedc_finds_nothing_where_there_is_nothing_to_find():
    """Another class from the start, too few steps, or a network that never changes: the empty set."""

    def ask(shown):
        return np.stack([shown.sum(axis=1) - 1.5, np.zeros(len(shown))], axis=1)

    first = first_of(ask, 5)
    assert sedc.search(ask, first, 0, 10).sum() == 4
    assert sedc.search(ask, first, 0, 2).sum() == 0
    assert sedc.search(ask, first, 1, 10).sum() == 0
    steady = lambda shown: np.tile([1.0, 0.0], (len(shown), 1))  # noqa: E731
    assert sedc.search(steady, first_of(steady, 3), 0, 100).sum() == 0


def test_sedc_log_odds_by_hand():
    """p = 3/4 has odds of 3 to 1, also with three classes."""
    assert_allclose(sedc.log_odds(np.log([[3.0, 1.0], [1.0, 1.0]]), 0), [np.log(3), 0])
    assert_allclose(sedc.log_odds(np.log([[1.0, 6.0, 1.0]]), 1), [np.log(3)])


def test_sedc_map_is_the_set_of_limes_superpixels_without_which_the_class_changes():
    """On an image of four coloured quarters: the network sees red, and the map is the red quarter."""
    image = np.zeros((1, 64, 64, 3), np.uint8)
    image[0, :32, :32] = [255, 0, 0]
    image[0, :32, 32:] = [0, 255, 0]
    image[0, 32:, :32] = [0, 0, 255]
    asked = []

    def logits_of(images):
        asked.append(len(images))
        red = (images[..., 0] > 200).mean(axis=(1, 2)) - (images[..., 1] > 200).mean(axis=(1, 2)) * 0.1
        return np.stack([red, np.full(len(images), 0.02)], axis=1)

    found = SEDC(fill=0)(logits_of, image, [0])[0]
    labels = lime.at_size(lime.superpixels(image[0]), (64, 64))
    for number in np.unique(labels):
        assert len(np.unique(found[labels == number])) == 1
    covered = image[0].copy()
    covered[found == 1] = 0
    assert logits_of(covered[None])[0].argmax() == 1
    assert logits_of(image)[0].argmax() == 0
    assert found[:32, :32].mean() > 0.8
    assert found[34:, 34:].max() == 0
    assert SEDC(fill=0)(logits_of, image, [1]).max() == 0
    assert max(asked) <= 32
