"""The networks: what is frozen, what goes in, where they can be cut, and which weights they start from."""

import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from rrr_utils.engine import weights
from rrr_utils.networks import network as networks

SMALL = {"vgg16": 32, "resnet50": 32, "mobilenet": 32, "convnet": 32}
HEAD = ("dense_1", "logits")
VGG16_UPPER = ("block4_conv1", "block4_conv2", "block4_conv3", "block5_conv1", "block5_conv2", "block5_conv3")
VGG16_LOWER = (
    "block1_conv1",
    "block1_conv2",
    "block2_conv1",
    "block2_conv2",
    "block3_conv1",
    "block3_conv2",
    "block3_conv3",
)


def small(name, **options):
    return networks.build(
        name, classes=2, size=SMALL[name], alpha=0.25 if name == "mobilenet" else 1.0, **{"weights": None, **options}
    )


@pytest.fixture(scope="module")
def built():
    return {name: small(name) for name in networks.NETWORKS}


def pictures(size, n=3):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3)).astype(np.float32)


def separable(first, last):
    """The layers with weights of MobileNet's separable blocks ``first`` to ``last``."""
    return [f"conv_{kind}_{n}{end}" for n in range(first, last + 1) for kind in ("dw", "pw") for end in ("", "_bn")]


def bottlenecks(stage, blocks):
    """The layers with weights of a stage of ResNet50: three convolutions a block, and a shortcut in the first."""
    names = {f"{stage}_block{n}_{part}_{end}" for n in range(1, blocks + 1) for part in "123" for end in ("conv", "bn")}
    return names | {f"{stage}_block1_0_conv", f"{stage}_block1_0_bn"}


RESNET50_LOWER = {"conv1_conv", "conv1_bn"} | bottlenecks("conv2", 3) | bottlenecks("conv3", 4)
RESNET50_UPPER = bottlenecks("conv4", 6) | bottlenecks("conv5", 3)

TRAINED = {
    ("vgg16", "dense"): set(HEAD),
    ("vgg16", "blocks4-5"): set(VGG16_UPPER),
    ("vgg16", "blocks1-3"): set(VGG16_LOWER),
    ("vgg16", "all"): {*VGG16_LOWER, *VGG16_UPPER, *HEAD},
    ("resnet50", "dense"): set(HEAD),
    ("resnet50", "blocks4-5"): RESNET50_UPPER,
    ("resnet50", "blocks1-3"): RESNET50_LOWER,
    ("resnet50", "all"): RESNET50_LOWER | RESNET50_UPPER | set(HEAD),
    ("mobilenet", "dense"): set(HEAD),
    ("mobilenet", "blocks4-5"): set(separable(7, 13)),
    ("mobilenet", "blocks1-3"): {"conv1", "conv1_bn", *separable(1, 6)},
    ("mobilenet", "all"): {"conv1", "conv1_bn", *separable(1, 13), *HEAD},
    ("convnet", "dense"): set(HEAD),
    ("convnet", "blocks1-3"): {"conv1", "conv2", "conv3"},
    ("convnet", "all"): {"conv1", "conv2", "conv3", *HEAD},
}


@pytest.mark.parametrize(("name", "strategy"), TRAINED)
def test_exactly_the_layers_of_a_strategy_are_trainable(built, name, strategy):
    """A strategy trains the layers that are listed here by name, and every other weight is frozen."""
    network = built[name]
    network.set_strategy("dense" if strategy != "dense" else "all")  # whatever was trainable before
    returned = network.set_strategy(strategy)
    trainable = {layer.name for layer in network.model.layers if layer.trainable_weights}
    assert trainable == set(returned) == TRAINED[name, strategy]
    assert len(returned) == len(set(returned))
    trained_weights = {id(weight) for weight in network.model.trainable_variables}
    assert trained_weights == {
        id(w) for n in TRAINED[name, strategy] for w in network.model.get_layer(n).trainable_weights
    }


@pytest.mark.parametrize("name", ["mobilenet", "resnet50"])
def test_statistics_move_in_the_trained_blocks_alone(built, name):
    """A pass in training mode moves the running mean and variance of trained batch normalisation, and of no other."""
    network = built[name]
    before = weights.take(network.model)
    try:
        for strategy in networks.STRATEGIES:
            network.set_strategy(strategy)
            old = weights.take(network.model)
            network.model(pictures(32), training=True)
            moved = {key for key, array in weights.take(network.model).items() if not np.array_equal(array, old[key])}
            expected = {n for n in TRAINED[name, strategy] if n.endswith("_bn")}
            assert moved == {f"{n}/{kind}" for n in expected for kind in ("moving_mean", "moving_variance")}
    finally:
        weights.put(network.model, before, network.trainable_layers("all"), "the start")


def test_the_head_is_the_stage_one_strategy(built):
    """``head``, the name of stage 1, trains what ``dense`` trains, in order of computation."""
    assert built["vgg16"].trainable_layers("head") == built["vgg16"].trainable_layers("dense") == HEAD


def test_trainable_layers_come_in_order_of_computation(built):
    """The names are returned from the image to the logits."""
    assert built["vgg16"].trainable_layers("all") == (*VGG16_LOWER, *VGG16_UPPER, *HEAD)
    assert list(built["mobilenet"].trainable_layers("blocks4-5")) == separable(7, 13)


def test_a_strategy_needs_its_blocks(built):
    """The ConvNet has three blocks, so blocks 4 and 5 cannot be trained; a misspelling gets the nearest name."""
    with pytest.raises(ValueError, match=r"convnet has only the blocks .*'conv3', 'dense'.*Use 'dense' or 'all'"):
        built["convnet"].set_strategy("blocks4-5")
    with pytest.raises(ValueError, match="Did you mean 'blocks4-5'"):
        built["vgg16"].trainable_layers("block4-5")


@pytest.mark.parametrize(
    ("name", "units", "layer", "side"),
    [
        ("vgg16", 256, "block5_conv3", 2),
        ("resnet50", 1024, "conv5_block3_out", 1),
        ("mobilenet", 512, "conv_pw_13_relu", 1),
        ("convnet", 64, "conv3", 8),
    ],
)
def test_every_network_is_flat_with_logits_last(built, name, units, layer, side):
    """No layer is a model, the head has the paper's units, the last layer gives logits, the blocks are all layers."""
    network = built[name]
    layers = network.model.layers
    assert not any(isinstance(each, keras.Model) for each in layers)
    assert layers[-1].name == "logits"
    assert layers[-1].activation is keras.activations.linear
    assert network.model.get_layer("dense_1").units == units
    assert network.blocks["dense"] == ("flatten", "dense_1", "logits")
    assert [n for names in network.blocks.values() for n in names] == [each.name for each in layers[2:]]
    assert network.grad_cam_layer == layer
    assert network.model.get_layer(layer).output.shape[1:3] == (side, side)
    assert network.grad_cam_layer in network.blocks[list(network.blocks)[-2]]


def test_blocks_begin_where_the_resolution_halves(built):
    """Blocks of MobileNet and ResNet50 start at the layers named here; the rest follows from the order."""
    first = {block: names[0] for block, names in built["mobilenet"].blocks.items()}
    assert first == {
        "conv1": "conv1",
        "conv2": "conv_pad_2",
        "conv3": "conv_pad_4",
        "conv4": "conv_dw_7",
        "conv5": "conv_pad_12",
        "dense": "flatten",
    }
    last = {block: names[-1] for block, names in built["resnet50"].blocks.items()}
    assert last == {
        "conv1": "pool1_pool",
        "conv2": "conv2_block3_out",
        "conv3": "conv3_block4_out",
        "conv4": "conv4_block6_out",
        "conv5": "conv5_block3_out",
        "dense": "logits",
    }


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_prefix_and_suffix_make_the_whole(built, name):
    """Cut before any block, suffix(prefix(x)) equals the network, and both parts share its weights."""
    network = built[name]
    images = pictures(network.size)
    whole = np.array(network.model(images, training=False))
    assert np.ptp(whole) > 0
    for block, names in network.blocks.items():
        prefix, suffix = network.split(block)
        joined = np.array(suffix(prefix(images, training=False), training=False))
        np.testing.assert_allclose(joined, whole, rtol=1e-5, atol=1e-6 * np.abs(whole).max())
        assert {layer.name for layer in suffix.layers[1:]} >= set(names)
        assert not {layer.name for layer in prefix.layers} & set(names)
        assert {id(w) for w in [*prefix.weights, *suffix.weights]} == {id(w) for w in network.model.weights}
    with pytest.raises(ValueError, match="`block` must be one of"):
        network.split("conv6")


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("vgg16", keras.applications.vgg16.preprocess_input),
        ("resnet50", keras.applications.resnet.preprocess_input),
        ("mobilenet", keras.applications.mobilenet.preprocess_input),
        ("convnet", keras.applications.mobilenet.preprocess_input),
    ],
)
def test_preprocessing_is_that_of_keras(built, name, reference):
    """Raw RGB is prepared inside the network as keras.applications does it, and the neutral colour becomes 0."""
    network = built[name]
    layer = network.model.get_layer("preprocess")
    images = pictures(network.size)
    np.testing.assert_allclose(np.array(layer(images)), reference(images.copy()), rtol=0, atol=1e-5)
    neutral = np.broadcast_to(network.neutral, images.shape)
    np.testing.assert_allclose(np.array(layer(neutral)), 0, atol=1e-5)
    assert network.neutral.dtype == np.float32


def test_torch_preprocessing_is_that_of_keras():
    """The third mode, for adopted models, agrees with keras.applications too."""
    layer = networks.Preprocess("torch")
    images = pictures(8)
    reference = keras.applications.imagenet_utils.preprocess_input(images.copy(), mode="torch")
    np.testing.assert_allclose(np.array(layer(images)), reference, atol=1e-5)


def test_images_may_be_bytes(built):
    """uint8 and float32 images give the same logits: nobody outside converts."""
    images = pictures(32)
    model = built["convnet"].model
    np.testing.assert_array_equal(np.array(model(images.astype(np.uint8))), np.array(model(images)))


def test_a_network_survives_saving(built, tmp_path):
    """A saved and loaded model gives the same logits, preprocessing included."""
    model = built["convnet"].model
    model.save(tmp_path / "model.keras")
    images = pictures(32)
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(again(images)), np.array(model(images)))


def test_start_weights_follow_from_the_seed_alone(built):
    """The same seed gives the same bits whatever was drawn before; another seed gives another head."""
    keras.utils.set_random_seed(99)
    first = weights.take(built["mobilenet"].model)
    again = weights.take(small("mobilenet").model)
    other = weights.take(small("mobilenet", seed=1).model)
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[key], again[key]) for key in first)
    for key in ("dense_1/kernel", "logits/kernel", "conv_dw_1/kernel"):
        assert not np.array_equal(first[key], other[key])


def test_start_weights_spread_as_glorot_says(built):
    """Kernels are uniform within sqrt(6 / (fan in + fan out)), by hand for two layers of 3 x 3."""
    convolution = weights.take(built["convnet"].model)["conv2/kernel"]  # 16 to 32 channels
    depthwise = weights.take(built["mobilenet"].model)["conv_dw_13/kernel"]  # each of 256 channels by itself
    for kernel, fans in ((convolution, 9 * 16 + 9 * 32), (depthwise, 9 + 9)):
        limit = np.sqrt(6 / fans)
        assert 0.99 * limit < np.abs(kernel).max() <= limit
        assert np.std(kernel) == pytest.approx(limit / np.sqrt(3), rel=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "vgg19"}, r"`name` must be one of .* Did you mean 'vgg16'"),
        ({"classes": 1}, "`classes` must be at least 2, but 1"),
        ({"size": 16}, "`size` must be at least 32 pixels, but 16"),
        ({"alpha": 0.5}, "`alpha` is the width of MobileNet, but 0.5 was passed for vgg16"),
        ({"name": "mobilenet", "alpha": 0}, "`alpha` must be at least 1/32"),
        ({"name": "convnet"}, "no ImageNet weights.*weights=None"),
        ({"weights": "nowhere.h5"}, "no weights file nowhere.h5"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    """Each impossible option gets an error that names it, what came, and what to do."""
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        networks.build(**{"name": "vgg16", "classes": 2, "size": 32, **options})


def keras_file(path, model, rename=None):
    """Write ``model``'s weights in the layout of Keras' own files: a group a layer, names by ``rename``."""
    with h5py.File(path, "w") as file:
        for key, array in weights.take(model).items():
            layer, weight = key.split("/")
            file.create_dataset(
                f"{layer}/{(rename or '{layer}/{weight}:0').format(layer=layer, weight=weight)}", data=array
            )


def test_imagenet_weights_come_from_the_data_folder(built, tmp_path, monkeypatch):
    """Keras' own file name under RRR_DATA_DIR is found, every convolution gets its tensor, the head is drawn."""
    (tmp_path / "weights").mkdir()
    source = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3))
    keras_file(tmp_path / "weights" / "mobilenet_2_5_224_tf_no_top.h5", source)
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    with pytest.warns(UserWarning, match=r"mobilenet_2_5_224_tf_no_top\.h5 is not the published file.*sha256:dbdb03ee"):
        loaded = weights.take(small("mobilenet", weights="imagenet").model)
    for key, array in weights.take(source).items():
        np.testing.assert_array_equal(loaded[key], array, err_msg=key)
    start = weights.take(built["mobilenet"].model)
    for key in ("dense_1/kernel", "logits/kernel"):
        np.testing.assert_array_equal(loaded[key], start[key], err_msg=key)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, monkeypatch, value):
    """One value in ImageNet's file, or in one given by path, names the file and the weight."""
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / "mobilenet_2_5_224_tf_no_top.h5"
    keras_file(path, keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3)))
    with h5py.File(path, "a") as file:
        file["conv_pw_3/conv_pw_3/kernel:0"][0, 0, 1, 2] = value
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    for asked in ("imagenet", path):
        with pytest.raises(ValueError, match=r"mobilenet_2_5_224_tf_no_top\.h5 has values in 'conv_pw_3/kernel' that"):
            small("mobilenet", weights=asked)


def test_weights_that_cannot_be_had_are_named_with_the_command(tmp_path, monkeypatch):
    """Without the file and without a network: which file, where it was looked for, and how to get it."""

    def nowhere(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    message = r"mobilenet_2_5_160_tf_no_top\.h5 .*RRR_DATA_DIR.*`rrr fetch mobilenet_25_160`.*Name or service not known"
    with pytest.raises(FileNotFoundError, match=message):
        networks.build("mobilenet", classes=2, size=160, alpha=0.25, weights="imagenet")


def test_the_names_of_older_writers_are_understood(built, tmp_path):
    """Weights called ``conv1_W_1:0`` and ``conv1_b_1:0``, as in Keras' VGG16 file, are kernels and biases."""
    with h5py.File(tmp_path / "old.h5", "w") as file:
        for key, array in weights.take(small("convnet", seed=5).model).items():
            layer, weight = key.split("/")
            file[f"{layer}/{layer}_{'W' if weight == 'kernel' else 'b'}_1:0"] = array
    loaded = weights.take(small("convnet", weights=tmp_path / "old.h5").model)
    for key, array in weights.take(small("convnet", seed=5).model).items():
        np.testing.assert_array_equal(loaded[key], array, err_msg=key)


def test_weights_of_this_project_can_be_given_by_path(tmp_path):
    """A .npz with all weights, head included, is loaded whole; without the head, the head follows the seed."""
    source = weights.take(small("convnet", seed=5).model)
    np.savez(tmp_path / "whole.npz", **source)
    loaded = weights.take(small("convnet", weights=str(tmp_path / "whole.npz")).model)
    assert all(np.array_equal(loaded[key], source[key]) for key in source)
    np.savez(tmp_path / "body.npz", **{key: array for key, array in source.items() if key.startswith("conv")})
    loaded = weights.take(small("convnet", weights=tmp_path / "body.npz", seed=7).model)
    head = weights.take(small("convnet", seed=7).model)
    assert np.array_equal(loaded["conv1/kernel"], source["conv1/kernel"])
    assert np.array_equal(loaded["logits/kernel"], head["logits/kernel"])


def test_weights_that_do_not_fit_are_refused(built, tmp_path):
    """A missing layer, another shape, an unknown name, nested groups of one name: each raises and names the weight."""
    model = built["convnet"].model
    path = tmp_path / "weights.h5"

    def refused(message, change):
        keras_file(path, model)
        with h5py.File(path, "a") as file:
            change(file)
        with pytest.raises(ValueError, match=message):
            small("convnet", weights=path)

    refused("weights.h5 lacks 'conv2/kernel' of shape .*16, 32", lambda file: file.__delitem__("conv2"))

    def reshape(file):
        del file["conv2/conv2/kernel:0"]
        file["conv2/conv2/kernel:0"] = np.zeros((3, 3, 8, 32), np.float32)

    refused(r"'conv2/kernel' has shape \(3, 3, 8, 32\), but the network expects \(3, 3, 16, 32\)", reshape)
    refused(
        "no weight of these networks is called 'conv2/scale:0'", lambda file: file.create_dataset("conv2/scale:0", (1,))
    )
    refused("holds 'conv2/kernel' twice", lambda file: file.create_dataset("conv2/other/kernel:0", (3, 3, 16, 32)))
    refused("not numbers", lambda file: file.create_dataset("conv2/note:0", data="text"))


def test_links_in_a_weights_file_are_not_followed(built, tmp_path):
    """A tensor that lies in another file behind a link counts as missing."""
    keras_file(tmp_path / "elsewhere.h5", built["convnet"].model)
    keras_file(tmp_path / "weights.h5", built["convnet"].model)
    with h5py.File(tmp_path / "weights.h5", "a") as file:
        del file["conv3"]
        file["conv3"] = h5py.ExternalLink(str(tmp_path / "elsewhere.h5"), "conv3")
    with pytest.raises(ValueError, match="lacks 'conv3/"):
        small("convnet", weights=tmp_path / "weights.h5")


def test_other_files_are_not_taken_for_weights(built, tmp_path, monkeypatch):
    """A pickle by the name of a weights file, a torn file and a huge one are refused by name, before they are read."""
    path = tmp_path / "weights.h5"
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match=r"weights\.h5 is not a weights file: expected HDF5"):
        small("convnet", weights=path)
    keras_file(path, built["convnet"].model)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"weights\.h5 is damaged HDF5.*download it again"):
        small("convnet", weights=path)
    np.savez(tmp_path / "pickle.npz", **{"conv1/kernel": np.array([{}], object)})
    with pytest.raises(ValueError, match=r"pickle\.npz is damaged \.npz, or holds .*allow_pickle.*download it again"):
        small("convnet", weights=tmp_path / "pickle.npz")
    monkeypatch.setattr(weights, "LARGEST_FILE", 1000)
    with pytest.raises(ValueError, match="3,000 bytes, more than the 1,000"):
        small("convnet", weights=path)


TWO = {f"conv1/{name}": np.full(shape, 0.5, np.float32) for name, shape in (("kernel", (3, 3, 3, 16)), ("bias", 16))}


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_a_damaged_weights_file_is_named_whatever_the_reader_raises(tmp_path, suffix):
    """Cut short at 20 places, one byte turned over at 400: weights, or an error with the file and the remedy."""
    path = tmp_path / f"weights.{suffix}"
    if suffix == "npz":
        np.savez(path, **TWO)
    else:
        with h5py.File(path, "w") as file:
            for key, array in TWO.items():
                file[key] = array
    whole, messages = path.read_bytes(), []
    torn = [whole[: len(whole) * part // 21] for part in range(1, 21)]
    places = np.random.default_rng(0).choice(np.arange(8, len(whole)), 400, replace=False)
    for content in torn + [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in places]:
        path.write_bytes(content)
        try:
            weights.read(path)
        except weights.BadWeights as error:
            messages.append(str(error))
    assert len(messages) > 40
    assert all(str(path) in message and ("Delete it" in message or "Expected" in message) for message in messages)


def test_weights_are_bounded_by_what_they_unpack_to(tmp_path, monkeypatch):
    """Two arrays of 60,000 bytes in a few hundred packed ones, where 100,000 in all are read: neither is touched."""
    zeros = {f"conv1/{name}": np.zeros(15_000, np.float32) for name in ("kernel", "bias")}
    np.savez_compressed(tmp_path / "bomb.npz", **zeros)
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        for key, array in zeros.items():
            file.create_dataset(key, data=array, compression="gzip")
    monkeypatch.setattr(weights, "LARGEST_FILE", 100_000)
    for name in ("bomb.npz", "bomb.h5"):
        assert (tmp_path / name).stat().st_size < 10_000
        with pytest.raises(weights.BadWeights, match=rf"{name} claims 120,\d+ bytes .*more than the 100,000"):
            weights.read(tmp_path / name)
    monkeypatch.setattr(weights, "LARGEST_FILE", 121_000)
    assert weights.read(tmp_path / "bomb.npz").keys() == weights.read(tmp_path / "bomb.h5").keys() == zeros.keys()


def test_a_npz_holds_plain_numbers_alone(tmp_path):
    """A member that is no array is refused by name; a text beside the weights, as a state's record, is left out."""
    np.savez(tmp_path / "a.npz", **TWO, record=np.array("a text"))
    assert weights.read(tmp_path / "a.npz").keys() == TWO.keys()
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("conv1/gamma", b"bytes")
    with pytest.raises(weights.BadWeights, match=r"a\.npz holds 'conv1/gamma'\. Expected arrays"):
        weights.read(tmp_path / "a.npz")


def test_a_network_is_unchanged_by_weights_that_do_not_fit(built):
    """When one of several weights is missing, none has been changed."""
    network = small("convnet")
    before = weights.take(network.model)
    half = {key: array + 1 for key, array in before.items() if key != "logits/bias"}
    with pytest.raises(ValueError, match="the file lacks 'logits/bias'"):
        weights.put(network.model, half, network.trainable_layers("all"), "the file")
    assert all(np.array_equal(before[key], array) for key, array in weights.take(network.model).items())


needs_data = pytest.mark.skipif(
    "RRR_DATA_DIR" not in os.environ, reason="RRR_DATA_DIR is not set: no weights, no photographs"
)


def photographs(size, numbers):
    from PIL import Image

    folder = Path(os.environ["RRR_DATA_DIR"]) / "dogs_vs_cats" / "train"
    files = [folder / f"{kind}.{n}.jpg" for n in numbers for kind in ("cat", "dog")]
    return np.stack(
        [np.asarray(Image.open(file).convert("RGB").resize((size, size), Image.Resampling.BOX)) for file in files]
    )


@pytest.mark.real_data
@needs_data
@pytest.mark.parametrize(
    ("name", "alpha", "file", "tensors"),
    [
        ("mobilenet", 0.25, "mobilenet_2_5_224_tf_no_top.h5", 135),
        ("mobilenet", 1.0, "mobilenet_1_0_224_tf_no_top.h5", 135),
        ("vgg16", 1.0, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", 26),
    ],
)
def test_every_real_tensor_arrives(name, alpha, file, tensors):
    """Every tensor in the file is in the network under its layer's name, to the bit, and there are no others."""
    network = networks.build(name, classes=2, size=32, alpha=alpha)
    loaded = weights.take(network.model)
    found = []

    def visit(path, entry):
        if isinstance(entry, h5py.Dataset):
            found.append(path)
            layer = network.model.get_layer(path.split("/")[0])
            assert any(np.array_equal(entry[()], np.array(weight)) for weight in layer.weights), path

    with h5py.File(Path(os.environ["RRR_DATA_DIR"]) / "weights" / file) as opened:
        opened.visititems(visit)
    assert len(found) == tensors == len([key for key in loaded if not key.startswith(HEAD)])


@pytest.mark.real_data
@needs_data
def test_vgg16_features_are_those_of_keras():
    """On a photograph, block 5 equals keras.applications.VGG16 with the same tensors and preprocess_input."""
    network = networks.build("vgg16", classes=2, size=64)
    reference = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    with h5py.File(
        Path(os.environ["RRR_DATA_DIR"]) / "weights" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ) as file:
        for layer in reference.layers:
            if layer.weights:
                layer.set_weights([file[layer.name][f"{layer.name}_{kind}_1:0"][()] for kind in "Wb"])
    photos = photographs(64, [0])
    expected = np.array(reference(keras.applications.vgg16.preprocess_input(photos.astype(np.float32)), training=False))
    found = np.array(network.split("dense")[0](photos, training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.max())


@pytest.mark.real_data
@pytest.mark.slow
@needs_data
def test_imagenet_features_tell_cats_from_dogs():
    """A linear probe on MobileNet 0.25's features finds the animal; on random weights it hardly does."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    photos = photographs(144, range(100))  # cat, dog, cat, dog, ...
    labels = np.tile([0, 1], 100)
    accuracy = {}
    for start in ("imagenet", None):
        prefix, _ = networks.build("mobilenet", classes=2, size=144, alpha=0.25, weights=start).split("dense")
        features = prefix.predict(photos, verbose=0).mean(axis=(1, 2))
        features = StandardScaler().fit(features[:100]).transform(features)
        probe = LogisticRegression(C=0.01, max_iter=1000).fit(features[:100], labels[:100])
        accuracy[start] = probe.score(features[100:], labels[100:])
    print(accuracy)
    assert accuracy["imagenet"] >= 0.75
    assert accuracy["imagenet"] > accuracy[None] + 0.15
