"""Saved models: loaded by content, in safe mode, and refused with the reason and the remedy."""

import json
import os
import resource
import shutil
import time
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from rrr_utils import networks
from rrr_utils.common import paths
from rrr_utils.own_model import saved_models

layers = keras.layers


def classifier():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One model in both formats, its weights alone, and one whose layer is code."""
    folder = tmp_path_factory.mktemp("models")
    model = classifier()
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "alone.weights.h5")
    code = keras.Sequential([keras.Input((8, 8, 3)), layers.Lambda(lambda x: x + 1), layers.Flatten(), layers.Dense(2)])
    code.save(folder / "code.keras")
    code.save(folder / "code.h5")
    np.save(folder / "expected.npy", np.asarray(model(pictures())))
    return folder


def pictures():
    return np.random.default_rng(0).random((2, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize(("file", "name"), [("model.keras", "x.keras"), ("model.h5", "x.h5"), ("model.keras", "x.h5")])
def test_a_model_is_known_by_its_content(folder, tmp_path, file, name):
    """Keras' own format and HDF5 give the same answers as the model that was saved, whatever the file is called."""
    shutil.copy(folder / file, tmp_path / name)
    model = saved_models.load(tmp_path / name)
    np.testing.assert_allclose(np.asarray(model(pictures())), np.load(folder / "expected.npy"), atol=1e-6)


def repacked(source, target, changes):
    """Copy a `.keras` file with some of its members changed or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        for name, content in (members | changes).items():
            new.writestr(name, content)
    return target


def test_code_inside_a_model_is_refused(folder):
    """A Lambda layer is refused before Keras sees it, in either format."""
    for name in ("code.keras", "code.h5"):
        with pytest.raises(saved_models.BadModel, match=r"Lambda.*code of its own.*pass the model itself"):
            saved_models.load(folder / name)


def test_keras_safe_mode_is_on_as_well(folder, monkeypatch):
    """With our own look taken out, Keras refuses the Lambda layer, and we pass its reason on."""
    monkeypatch.setattr(saved_models, "_FOREIGN", {})
    for name in ("code.keras", "code.h5"):
        with pytest.raises(saved_models.BadModel, match=r"(?i)lambda"):
            saved_models.load(folder / name)


def test_what_is_no_model_is_refused_with_the_reason(folder, tmp_path):
    """Weights alone, another format, a damaged or a strange archive, an unknown layer, a folder, nothing at all."""
    text = tmp_path / "text.keras"
    text.write_text("not a model")
    torn = tmp_path / "torn.keras"
    torn.write_bytes((folder / "model.keras").read_bytes()[:2000])
    strange = repacked(folder / "model.keras", tmp_path / "strange.keras", {"assets/../../x": b"1"})
    config = json.loads(zipfile.ZipFile(folder / "model.keras").read("config.json"))
    config["config"]["layers"][1] |= {"class_name": "Mine", "module": "mine", "registered_name": "mine>Mine"}
    unknown = repacked(folder / "model.keras", tmp_path / "mine.keras", {"config.json": json.dumps(config)})
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"\x08\x08\x12\x07pytorch")
    torch = tmp_path / "model.pt"
    with zipfile.ZipFile(torch, "w") as archive:
        archive.writestr("model/data.pkl", b"")
    for path, words in (
        (folder / "alone.weights.h5", "weights and no model"),
        (text, "neither Keras' format nor HDF5"),
        (torn, "damaged"),
        (strange, "not exactly"),
        (unknown, r"it has a layer Mine, whose class is not known here\. If .* import the module that registers them"),
        (onnx, "Models of other frameworks are not read"),
        (torch, "it was written by PyTorch"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(saved_models.BadModel, match=words) as caught:
            saved_models.load(path)
        assert str(path) in str(caught.value)
    with pytest.raises(FileNotFoundError, match="There is no model"):
        saved_models.load(tmp_path / "nowhere.keras")


def test_links_to_other_files_are_not_followed(folder, tmp_path):
    """A weight that lies in another HDF5 file is refused, in a whole model and inside a `.keras` file."""
    linked = tmp_path / "linked.h5"
    shutil.copy(folder / "model.h5", linked)
    with h5py.File(linked, "a") as file:
        file["model_weights/elsewhere"] = h5py.ExternalLink("secret.h5", "/secret")
    with pytest.raises(saved_models.BadModel, match="link to another place"):
        saved_models.load(linked)
    inside = repacked(folder / "model.keras", tmp_path / "linked.keras", {"model.weights.h5": linked.read_bytes()})
    with pytest.raises(saved_models.BadModel, match="link to another place"):
        saved_models.load(inside)


def inside(path, change):
    """Change an HDF5 model in place and return its path."""
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def diamonds(file):
    """Groups that hold the one below under two names: 2 ** 40 ways to the lowest, and one that holds itself."""
    below = file.create_group("z0")
    for number in range(1, 41):
        group = file.create_group(f"z{number}")
        group["a"] = group["b"] = below
        below = group
    below["again"] = below


def claims(file):
    """A kernel of 4 GB that was never written."""
    file.create_dataset("kernel", shape=(32_000, 32_000), chunks=(1000, 1000), dtype="f4", compression="gzip")


def claims_in_parts(file):
    """The same in many kernels, each of which is small."""
    for number in range(256):
        file.create_dataset(f"kernel {number}", shape=(2000, 2000), chunks=(1000, 1000), dtype="f4", compression="gzip")


def asks(file):
    """A layer of 4 GB in the words of the configuration; nothing of it is in the file."""
    config = file.attrs["model_config"]
    file.attrs["model_config"] = config.replace('"units": 2', '"units": 10000000')


@pytest.mark.parametrize("change", [diamonds, claims, claims_in_parts, asks], ids=lambda change: change.__name__)
def test_small_files_take_little_time_and_memory(folder, tmp_path, change):
    """Loaded, or refused, in a second and in 100 MB more."""
    path = inside(shutil.copy(folder / "model.h5", tmp_path / "model.h5"), change)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    if change is diamonds:
        found = np.asarray(saved_models.load(path)(pictures()))
        np.testing.assert_allclose(found, np.load(folder / "expected.npy"), atol=1e-6)
    else:
        with pytest.raises(saved_models.BadModel, match=r"more than the .* that are read of a file of its size"):
            saved_models.load(path)
    assert time.monotonic() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
    assert saved_models.load(folder / "model.h5"), "what bounded the layers is gone again"


def test_an_archive_of_zeros_is_not_unpacked(folder, tmp_path):
    """What unpacks to a hundred times its size is refused by what the archive's list says."""
    weights = zipfile.ZipFile(folder / "model.keras").read("model.weights.h5")
    path = tmp_path / "large.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name in ("metadata.json", "config.json"):
            new.writestr(name, zipfile.ZipFile(folder / "model.keras").read(name))
        new.writestr("model.weights.h5", weights + bytes(100 * 2**20))
    with pytest.raises(saved_models.BadModel, match=r"stands for 104,.*more than the"):
        saved_models.load(path)
    packed = tmp_path / "packed.keras"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            new.writestr(name, zipfile.ZipFile(folder / "model.keras").read(name))
    assert saved_models.load(packed), "packed by another program, and not more than that"


def test_a_pipe_is_not_waited_for(tmp_path):
    """Nothing ever comes out of it."""
    os.mkfifo(tmp_path / "model.keras")
    with pytest.raises(saved_models.BadModel, match="a pipe or a device"):
        saved_models.load(tmp_path / "model.keras")
    with pytest.raises(saved_models.BadModel, match="a pipe or a device"):
        saved_models.load("/dev/zero")


def test_a_file_of_keras_2_is_loaded_as_teachable_machine_writes_it(tmp_path):
    """Nested models, and arguments that Keras 3 knows no more and that ask for nothing; others are refused."""
    inputs = keras.Input((16, 16, 3))
    x = layers.DepthwiseConv2D(3, name="depthwise")(layers.Conv2D(4, 3, name="convolution")(inputs))
    inner = keras.Model(inputs, layers.ReLU(6.0)(layers.BatchNormalization(name="normal")(x)), name="model1")
    features = keras.Sequential([keras.Input((16, 16, 3)), inner, layers.GlobalAveragePooling2D()])
    head = keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(2, "softmax", use_bias=False)])
    model = keras.Sequential([keras.Input((16, 16, 3)), features, head])
    path = tmp_path / "keras_model.h5"
    model.save(path)

    def rewrite(depthwise, normal):
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            for name, saved in saved_models._named(config):
                saved.update(depthwise if name == "DepthwiseConv2D" else {})
                saved.update(normal if name == "BatchNormalization" else {})
            file.attrs["model_config"] = json.dumps(config)

    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.float32)
    rewrite({"groups": 1}, {"renorm": False, "fused": True, "virtual_batch_size": None})
    loaded = saved_models.load(path)
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)
    assert networks.adopt(loaded).outputs == "probabilities"
    assert type(loaded.layers[0].layers[0].get_layer("depthwise")) is layers.DepthwiseConv2D
    rewrite({"groups": 2}, {})
    with pytest.raises(saved_models.BadModel, match="groups"):
        saved_models.load(path)


REAL = (paths.data_dir() or Path()) / "keras2"


@pytest.mark.skipif(not REAL.is_dir(), reason="the two real files are in $RRR_DATA_DIR/keras2")
@pytest.mark.parametrize(("name", "shape"), [("pretrainedResnet.h5", (32, 10)), ("vww_96.h5", (96, 2))])
def test_real_files_of_keras_2_are_loaded_and_adopted(name, shape):
    """Two classifiers that tf.keras 2 saved: with inputs and outputs as lists of one, and with `groups`."""
    network = networks.adopt(saved_models.load(REAL / name), preprocess="unit")
    assert (network.size, network.classes, network.outputs) == (*shape, "probabilities")
    assert network.grad_cam_layer


def test_the_line_for_a_savedmodel_folder_works(tmp_path):
    """The refusal says how to make a model of it, which is adopted and answers as the exported one."""
    model = classifier()
    model.layers[0](np.zeros((1, 8, 8, 3), np.float32))
    model.export(str(tmp_path / "exported"), verbose=False)
    with pytest.raises(saved_models.BadModel, match=r"it is a folder.*TFSMLayer") as refusal:
        saved_models.load(tmp_path / "exported")
    line = str(refusal.value).partition("pass that: ")[2].removesuffix(".")
    names = {"keras": keras, "size": 8}
    exec(line, names)
    network = networks.adopt(names["model"])
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(network.model(images), model(images), rtol=1e-5)
