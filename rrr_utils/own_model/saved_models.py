"""A saved Keras model loaded with suspicion: known by its content, nothing in it is executed."""

import contextlib
import inspect
import io
import json
import math
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from rrr_utils.networks import output_layer, preprocessing

BYTE_LIMIT = 4 * 2**30  # bytes of weights; VGG16 with its top has 0.6 GB
CONFIG_LIMIT = 16 * 2**20
# What Keras writes into a `.keras` file of an image classifier. (Assets belong to layers that look words up.)
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
# Layers that are code or files of their own, which a configuration can only name.
_FOREIGN = {
    "Lambda": "code of its own, which would run here",
    "TFSMLayer": "a folder of TensorFlow operations beside the file, which would run here",
}
# Arguments of Keras 2 that Keras 3 knows no more, with the values that ask for nothing.
_NOTHING: dict[str, tuple[Any, ...]] = {
    "groups": (1,),
    "renorm": (False,),
    "fused": (None, True, False),
    "virtual_batch_size": (None,),
}
_OTHERS = (
    "Models of other frameworks are not read: rebuild it in Keras and load its weights. (Occlusion and LIME explain "
    "any function from images to logits, see rrr_utils.explainers.)"
)
# The layers of this package that a saved network may hold are registered where they are defined.
REGISTERED = (preprocessing.Preprocess, output_layer.Linear, output_layer.TwoLogits, output_layer.LogProbabilities)


class BadModel(ValueError):
    """A file that was not loaded as a model; the message names it, the reason and the remedy."""

    def __init__(self, path: Path | str, reason: str, remedy: str) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path} was not loaded: {reason}. {remedy}")


def load(path: Path | str) -> keras.Model:
    """Return the model in a file that ``model.save`` wrote: Keras 3's own format, or a whole model as HDF5.

    The format is known by the content, not by the name. Both are loaded with ``safe_mode=True`` and are not compiled.
    Weights are read as plain numbers; links inside the file are not followed.

    Raises
    ------
    BadModel
        For a folder or a pipe, another format, weights without a model, a ``Lambda`` or ``TFSMLayer``, a layer of a
        class that is not known here, a member that does not belong there, weights of more than 4 GiB or of more than a
        file of its size can hold, a damaged file.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no model {path.resolve()}. Give the path of a file from `model.save(...)`.")
    if path.is_dir():
        raise BadModel(
            path,
            "it is a folder, and a SavedModel holds operations that may read and write files",
            "Where you trust it, make a model of it in Python and pass that: "
            f"images = keras.Input((size, size, 3)); layer = keras.layers.TFSMLayer({str(path)!r}, "
            "call_endpoint='serving_default'); model = keras.Model(images, layer(images)).",
        )
    if not path.is_file():
        raise BadModel(
            path, "it is a pipe or a device, and no file", "Save the model again: model.save('model.keras')."
        )
    with path.open("rb") as stream:
        start = stream.read(8)
    if start[:4] == b"PK\x03\x04" and _is_pytorch(path):
        raise BadModel(path, "it was written by PyTorch", _OTHERS)
    if start[:4] == b"PK\x03\x04":
        config, suffix = _keras_config(path), ".keras"
    elif start == b"\x89HDF\r\n\x1a\n":
        config, suffix = _hdf5_config(path), ".h5"
    else:
        raise BadModel(
            path,
            f"it begins with {start!r}, as neither Keras' format nor HDF5 does",
            _OTHERS
            if path.suffix in (".onnx", ".pt", ".pth", ".safetensors", ".tflite", ".pb")
            else "Save the model with model.save.",
        )
    for name in _classes(config):
        if name in _FOREIGN:
            raise BadModel(
                path,
                f"it has a layer {name}, which holds {_FOREIGN[name]}",
                "Write that layer as a class of its own and register it, or build the model in Python, load its "
                "weights, and pass the model itself.",
            )
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / f"model{suffix}"  # Keras goes by the name
        named.symlink_to(path.resolve())
        try:
            with _no_larger(path):
                return keras.saving.load_model(named, _older(config), compile=False, safe_mode=True)
        except BadModel:
            raise
        except Exception as error:  # whatever a configuration can name may fail to be built
            foreign = re.search(r"Could not locate class '([^']+)'", str(error))
            raise BadModel(
                path,
                f"it has a layer {foreign[1]}, whose class is not known here"
                if foreign
                else f"Keras {keras.__version__} refuses it ({type(error).__name__}: {_shortened(error)})",
                "If it has layers of your own, import the module that registers them first "
                "(@keras.saving.register_keras_serializable), or load it yourself and pass the model.",
            ) from error


def _shortened(error: Exception) -> str:
    """Return the message of ``error``; of a long one, which holds a whole configuration, the beginning and the end."""
    text = str(error).strip()
    return text if len(text) <= 600 else f"{text[:300]} ... {text[-300:]}"


def _older(config: Any) -> dict[str, Any]:
    """Return stand-ins for Keras' layers that were saved with arguments of Keras 2 which ask for nothing."""

    def stand_in(kind: Any) -> Any:
        def from_config(saved: dict[str, Any]) -> Any:
            return kind.from_config({key: value for key, value in saved.items() if key not in _lost(kind, saved)})

        return type(kind.__name__, (), {"from_config": staticmethod(from_config)})

    kinds = {(name, getattr(keras.layers, name, None)): saved for name, saved in _named(config) if saved}
    return {name: stand_in(kind) for (name, kind), saved in kinds.items() if kind and _lost(kind, saved)}


def _lost(kind: Any, saved: dict[str, Any]) -> set[str]:
    known = inspect.signature(kind.__init__).parameters
    return {key for key, value in _NOTHING.items() if key in saved and saved[key] in value and key not in known}


def _is_pytorch(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _most(path: Path) -> int:
    """Return how many bytes of numbers a file may stand for: Keras does not pack them, so there is room to spare."""
    return 4 * path.stat().st_size + 32 * 2**20


def _keras_config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            strange = sorted(set(sizes) - _MEMBERS)
            if strange or set(sizes) != _MEMBERS or len(sizes) < len(archive.infolist()):
                raise BadModel(
                    path, f"it holds {sorted(sizes)[:6]}, not exactly {sorted(_MEMBERS)}", "Save it with Keras 3."
                )
            _check_size(path, sizes["config.json"], CONFIG_LIMIT)
            _check_size(path, sum(sizes.values()), min(_most(path), BYTE_LIMIT))
            config = archive.read("config.json")
            # In memory, as Keras itself reads it: where it is stored, it cannot be opened in place.
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as weights:
                _check_numbers(path, weights)
        return json.loads(config)
    except BadModel:
        raise
    except Exception as error:  # damaged bytes meet three readers with errors of every kind
        raise BadModel(path, f"it is damaged ({error})", "Save the model again.") from error


def _hdf5_config(path: Path) -> Any:
    _check_size(path, path.stat().st_size, BYTE_LIMIT)
    try:
        with h5py.File(path, "r") as file:
            _check_numbers(path, file)
            config = file.attrs.get("model_config")
            if config is None:
                raise BadModel(
                    path,
                    "it holds weights and no model",
                    "Build the model in Python, load these weights into it, and pass the model itself.",
                )
            return json.loads(config)
    except BadModel:
        raise
    except Exception as error:
        raise BadModel(path, f"it is damaged ({error})", "Save the model again.") from error


def _check_size(path: Path, claimed: int, most: int) -> None:
    if claimed > most:
        raise BadModel(
            path,
            f"it stands for {claimed:,} bytes, more than the {most:,} that are read of a file of its size",
            "Save the model again with Keras, which does not pack its numbers. Is it a classifier?",
        )


def _check_numbers(path: Path, file: h5py.File) -> None:
    """Refuse links, anything but numbers and names that lie in this very file, and more numbers than it can hold.

    Each group is opened once, however many names it has.
    """
    waiting, seen, claimed = [file["/"]], {h5py.h5o.get_info(file["/"].id).addr}, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise BadModel(path, f"{group.name}/{name} is a link to another place", "Save the model with Keras.")
            entry = group[name]
            place = h5py.h5o.get_info(entry.id).addr
            if place in seen:
                continue
            seen.add(place)
            if isinstance(entry, h5py.Group):
                waiting.append(entry)
                continue
            if entry.is_virtual or entry.external or entry.dtype.kind not in "fiubSO":
                raise BadModel(path, f"{entry.name} holds no plain numbers", "Save the model with Keras.")
            claimed += entry.nbytes
            _check_size(path, claimed, _most(path))


@contextlib.contextmanager
def _no_larger(path: Path) -> Iterator[None]:
    """Let layers make no more weights than the file can hold: a few letters can ask for any number of them."""
    plain, made = keras.layers.Layer.add_weight, 0

    def counted(layer: keras.layers.Layer, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal made
        made += 4 * math.prod(shape if isinstance(shape, list | tuple) else (shape or 1,))
        _check_size(path, made, _most(path))
        return plain(layer, shape, *args, **options)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = plain


def _classes(config: Any) -> Iterator[str]:
    """Yield every class that a configuration names, at any depth."""
    for name, _ in _named(config):
        yield name


def _named(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every class that a configuration names, at any depth, and what is saved of it."""
    waiting = [config]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            if isinstance(here.get("class_name"), str):
                saved = here.get("config")
                yield here["class_name"].rsplit(">", 1)[-1], saved if isinstance(saved, dict) else {}
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
