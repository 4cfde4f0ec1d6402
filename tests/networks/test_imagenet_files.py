"""Keras' files of ImageNet weights: their names are Keras' own, and another file by such a name is named."""

import hashlib
import inspect
import re
from pathlib import Path

import pytest

from rrr_utils.datasets import sources
from rrr_utils.networks import imagenet_files


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of data; Keras' own lies beside it."""
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_the_names_are_those_that_keras_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras itself says what it would download, at every width and size that it has, and at some that it has not."""
    import keras

    asked: list[str] = []

    class Asked(Exception):
        """Keras has said what it wants."""

    def get_file(name: str, *_: object, **__: object) -> None:
        asked.append(name)
        raise Asked

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    for network, model, sizes, widths in (
        ("mobilenet", keras.applications.MobileNet, (64, *imagenet_files.RESOLUTIONS, 256), (0.25, 0.5, 0.75, 1.0)),
        ("vgg16", keras.applications.VGG16, (224,), (1.0,)),
        ("resnet50", keras.applications.ResNet50, (224,), (1.0,)),
    ):
        for size in sizes:
            for alpha in widths:
                more = {"alpha": alpha} if network == "mobilenet" else {}
                with pytest.raises(Asked):
                    model(include_top=False, weights="imagenet", input_shape=(size, size, 3), **more)
                path = imagenet_files.find(network, size, alpha)
                assert path == tmp_path / "keras" / "models" / asked[-1]
                assert sources.source_of(asked[-1]) is not None, f"{asked[-1]} is in no source"
    assert imagenet_files.find("mine:Network", 224, 1.0) is None
    assert imagenet_files.find("convnet", 64, 1.0) is None


def test_hashes_of_the_sources_are_those_that_keras_has() -> None:
    """VGG16's and ResNet50's stand in Keras' code; of MobileNet's files Keras has none."""
    from keras.src.applications import mobilenet, resnet, vgg16

    for source, module in (("vgg16", vgg16), ("resnet50", resnet)):
        (file,) = sources.load()[source].files
        assert file.hash is not None
        assert file.hash.removeprefix("md5:") in inspect.getsource(module)
    assert not re.search(r"\b[0-9a-f]{32}\b", inspect.getsource(mobilenet))


def test_the_folder_of_data_comes_before_keras_own(tmp_path: Path, data: Path) -> None:
    """Where both have it; the message for a missing one names both places and the command."""
    name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    own = tmp_path / "keras" / "models" / name
    assert imagenet_files.find("vgg16", 224, 1.0) == own
    told = imagenet_files.lacking(own)
    for word in (name, str(data), str(own.parent), "`rrr fetch vgg16`"):
        assert word in told
    (data / name).touch()
    assert imagenet_files.find("vgg16", 224, 1.0) == data / name


def test_a_file_by_a_published_name_is_named_unless_its_hash_is_known(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known are the published hash, one of a copy, and one recorded at the first download; without any, nothing is."""
    published, copy, other = (f"sha256:{hashlib.sha256(text).hexdigest()}" for text in (b"one", b"two", b"three"))
    files = [
        sources.File("https://x/a", "a.h5", published, also=(copy,)),
        sources.File("https://x/b", "b.h5", also=(copy,)),
    ]
    monkeypatch.setattr(
        sources, "load", lambda: {"thing": sources.Source("thing", "", "weights", "", "", "", tuple(files))}
    )
    path, unknown = data / "a.h5", data / "b.h5"
    for text, said in ((b"one", False), (b"two", False), (b"three", True), (b"", True)):
        path.write_bytes(text)
        assert bool(imagenet_files.doubt(path)) == said
        unknown.write_bytes(text)
        assert not imagenet_files.doubt(unknown)
    told = imagenet_files.doubt(path)
    for word in (str(path), published, copy, hashlib.sha256(b"").hexdigest()):
        assert word in told
    for place in (path, unknown):
        place.with_name(f"{place.name}.sha256").write_text(f"{other.removeprefix('sha256:')}  {place.name}\n")
        place.write_bytes(b"three")
        assert not imagenet_files.doubt(place)
    unknown.write_bytes(b"four")
    assert imagenet_files.doubt(unknown)
    assert not imagenet_files.doubt(data / "mine.h5")
