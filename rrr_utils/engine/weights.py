"""Weights by layer and weight name: drawn from a seed, taken from a model, read from a file and put back whole."""

import math
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rrr_utils.common import seeds

LARGEST_FILE = 2 * 1024**3  # bytes, packed as well as unpacked; ResNet50 with its head has 0.5 GB

_ROLES = (  # Keras' own files come from several writers: `kernel:0`, `depthwise_kernel:0`, `block1_conv1_W_1:0`
    (re.compile(r"(^|_)(depthwise_)?kernel(_\d+)?$|_W(_\d+)?$"), "kernel"),
    (re.compile(r"(^|_)bias(_\d+)?$|_b(_\d+)?$"), "bias"),
    (re.compile(r"(^|_)gamma(_\d+)?$"), "gamma"),
    (re.compile(r"(^|_)beta(_\d+)?$"), "beta"),
    (re.compile(r"(^|_)(moving|running)_mean(_\d+)?$"), "moving_mean"),
    (re.compile(r"(^|_)(moving|running)_(variance|std)(_\d+)?$"), "moving_variance"),
)


class BadWeights(ValueError):
    """A weights file that was not read; the message names the file, what is wrong with it and the remedy."""

    def __init__(self, path: Path, reason: str, remedy: str = "Delete it and download it again.") -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} {reason}. {remedy}")


def take(model: keras.Model, layers: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Return copies of the weights of ``layers`` (default: all), batch normalisation's statistics included.

    Keys are ``<layer>/<weight>``, for example ``block5_conv3/kernel``; values have the weight's own dtype.
    """
    return {key: to_numpy(weight) for key, weight in variables(model, layers).items()}


def to_numpy(variable: Any) -> np.ndarray:
    """Return a copy of the value of a Keras variable."""
    return np.array(keras.ops.convert_to_numpy(keras.ops.copy(variable)))


def put(model: keras.Model, arrays: Mapping[str, np.ndarray], layers: Iterable[str], source: str) -> None:
    """Set every weight of ``layers`` from ``arrays`` (keys as in :func:`take`); others are not touched.

    A missing weight or another shape raises ``ValueError`` that names ``source``, the weight and both shapes;
    nothing has been changed then. Entries of ``arrays`` that belong to other layers are ignored.
    """
    targets = variables(model, layers)
    for key, variable in targets.items():
        if key not in arrays:
            raise ValueError(
                f"{source} lacks {key!r} of shape {tuple(variable.shape)}; it has {len(arrays)} weights. Nothing was "
                f"loaded: use the weights of this architecture, without its top, or weights=None."
            )
        if tuple(arrays[key].shape) != tuple(variable.shape):
            raise ValueError(
                f"{source}: {key!r} has shape {tuple(arrays[key].shape)}, but the network expects "
                f"{tuple(variable.shape)}. Nothing was loaded: the file belongs to another network, alpha or size."
            )
    for key, variable in targets.items():
        variable.assign(arrays[key])


def draw(model: keras.Model, seed: int) -> None:
    """Start all weights anew: kernels Glorot uniform, from the seed, the layer's name and the shape alone.

    Biases and batch normalisation keep the fixed values that they are built with. Drawn with NumPy, so that the
    start is the same under every Keras backend. (Glorot and Bengio 2010, eq. 16.)
    """
    for key, variable in variables(model, None).items():
        if key.endswith("/kernel"):
            shape = tuple(variable.shape)
            field, inputs, outputs = math.prod(shape[:-2]), *shape[-2:]
            # A depthwise output sees one channel. (Keras counts them all, and 13 such layers silence a MobileNet.)
            if isinstance(model.get_layer(key.split("/")[0]), keras.layers.DepthwiseConv2D):
                inputs = 1
            limit = math.sqrt(6.0 / (field * (inputs + outputs)))
            # float32 from the start: the head of ResNet50 alone has 100 million weights.
            values = seeds.generator(seed, "start", key).random(shape, dtype=np.float32)
            values *= np.float32(2 * limit)
            values -= np.float32(limit)
            variable.assign(values)


def read(path: Path | str) -> dict[str, np.ndarray]:
    """Return the weights in a file: HDF5 in Keras' layout (a group a layer) or a ``.npz`` of this project.

    The format is known by content, not by name. Nothing is unpickled, links inside the file are not followed, and
    only plain numbers are read. Raises ``BadWeights``, a ``ValueError`` naming the file: neither format, damaged, more
    than 2 GiB packed or unpacked, a member that is no array, or a weight of a name that no layer of this project has;
    and ``FileNotFoundError`` if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no weights file {path}. Put it there, or pass weights='imagenet' for Keras' own, or None."
        )
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise BadWeights(path, f"has {size:,} bytes, more than the {LARGEST_FILE:,} that are read", "Is it weights?")
    with path.open("rb") as stream:
        start = stream.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        kind, reader = "HDF5", _read_hdf5
    elif start[:4] == b"PK\x03\x04":
        kind, reader = ".npz", _read_npz
    else:
        raise BadWeights(path, f"is not a weights file: expected HDF5 or .npz, but it starts with {start!r}")
    try:
        return reader(path)
    except BadWeights:
        raise
    except Exception as error:  # damaged bytes meet both readers with errors of every kind
        raise BadWeights(path, f"is damaged {kind}, or holds more than plain numbers ({error})") from error


def variables(model: keras.Model, layers: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the variables of ``layers`` (default: all) by the keys of :func:`take`."""
    found: dict[str, Any] = {}
    for layer in model.layers if layers is None else [model.get_layer(name) for name in layers]:
        for variable in layer.weights:
            key = f"{layer.name}/{variable.name}"
            while key in found:  # a layer made of layers, in an adopted model
                key += "+"
            found[key] = variable
    return found


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    # What a member claims is also the most that zipfile reads of it.
    claimed = sum(member.file_size for member in members)
    if claimed > LARGEST_FILE:
        raise BadWeights(path, f"claims {claimed:,} bytes unpacked, more than the {LARGEST_FILE:,} that are read")
    if strange := [member.filename for member in members if not member.filename.endswith(".npy")]:
        raise BadWeights(path, f"holds {strange[0][:200]!r}. Expected arrays (.npy) alone, as numpy.savez writes them")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    # The state of an unfinished training has its record, a text, beside the weights.
    return {key: array for key, array in arrays.items() if array.dtype.kind in "fiub"}


def _read_hdf5(path: Path) -> dict[str, np.ndarray]:
    # Only weight files need it, and not every machine reads one.
    import h5py

    arrays: dict[str, np.ndarray] = {}
    claimed = 0

    def visit(name: str, entry: Any) -> None:
        nonlocal claimed
        if not isinstance(entry, h5py.Dataset):
            return
        if name.startswith("optimizer_weights/"):
            return
        if entry.dtype.kind != "f":
            raise BadWeights(path, f"is not a weights file: {name!r} is of type {entry.dtype}, not numbers")
        if entry.is_virtual or entry.external:
            raise BadWeights(path, f"is not read: {name!r} lies in another file")
        claimed += entry.nbytes
        if claimed > LARGEST_FILE:
            raise BadWeights(
                path, f"claims {claimed:,} bytes or more unpacked, more than the {LARGEST_FILE:,} that are read"
            )
        # A whole model's file keeps its weights one group deeper.
        key = f"{name.removeprefix('model_weights/').split('/')[0]}/{_role(path, name)}"
        if key in arrays:
            raise BadWeights(path, f"holds {key!r} twice", "Expected one group a layer, without nested models.")
        arrays[key] = entry[()].astype(np.float32)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays


def _role(path: Path, name: str) -> str:
    last = name.split("/")[-1].removesuffix(":0")
    for pattern, role in _ROLES:
        if pattern.search(last):
            return role
    raise BadWeights(
        path,
        f"is not read: no weight of these networks is called {name!r}",
        "Expected a file of Keras' applications without top.",
    )
