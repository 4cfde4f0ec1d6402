"""The networks: flat, raw RGB in, logits out, with named blocks, strategies, and a cut at the start of any block."""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from rrr_utils.common.choices import one_of
from rrr_utils.common.names import NETWORKS, STRATEGIES
from rrr_utils.common.registry import member
from rrr_utils.engine import weights as weights_of
from rrr_utils.engine.graph import node_of
from rrr_utils.networks import imagenet_files
from rrr_utils.networks.preprocessing import NEUTRAL, Preprocess

_BLOCKS = {
    "dense": ("dense",),
    "head": ("dense",),  # what the study calls stage 1
    "blocks4-5": ("conv4", "conv5"),
    "blocks1-3": ("conv1", "conv2", "conv3"),
}


@dataclass
class Network:
    """An image classifier with names for its parts.

    Attributes
    ----------
    name
        One of ``names.NETWORKS``, or the name of the adopted model.
    model
        A flat Functional Keras model: (N, size, size, 3) RGB 0 to 255 in, (N, classes) logits out. No layer of
        it is a model; its last layer is named ``logits``.
    size, classes
        Side of the square input in pixels; number of classes.
    blocks
        Layer names of ``conv1`` ... ``conv5`` and ``dense``, in the order of computation. Together they are all
        layers behind the preprocessing. Layers without weights (pooling, activations) belong to a block too.
    grad_cam_layer
        The layer whose output Grad-CAM reads: the last convolution's activation, before pooling or flattening.
    neutral
        Float32 (3,), the raw RGB colour that becomes 0 in the preprocessing.
    outputs, preprocess
        Of an adopted model: whether it gave ``"logits"`` or ``"probabilities"``, and what was put in front of it; both
        may be "", and ``outputs`` is for a network that was built here.
    """

    name: str
    model: keras.Model
    size: int
    classes: int
    blocks: dict[str, tuple[str, ...]]
    grad_cam_layer: str
    neutral: np.ndarray = field(repr=False)
    outputs: str = ""
    preprocess: str = ""

    def split(self, block: str) -> tuple[keras.Model, keras.Model]:
        """Return (prefix, suffix), cut at the start of ``block``: ``suffix(prefix(x))`` equals ``model(x)``.

        Both share the network's layers, hence its weights. Raises ``ValueError`` where more than one tensor
        crosses the cut, which happens in adopted models only.
        """
        one_of("block", block, self.blocks)
        first = self.model.get_layer(self.blocks[block][0])
        behind = {name for later in list(self.blocks)[list(self.blocks).index(block) :] for name in self.blocks[later]}
        crossing = {
            id(tensor): tensor
            for name in behind
            for tensor in node_of(self.model, self.model.get_layer(name)).input_tensors
            if tensor._keras_history.operation.name not in behind
        }
        if len(crossing) != 1:
            raise ValueError(
                f"{self.name} cannot be cut before block {block!r} (layer {first.name!r}): {len(crossing)} tensors "
                f"cross the cut, and a prefix needs exactly one. Cut before another of {list(self.blocks)}."
            )
        (cut,) = crossing.values()
        prefix = keras.Model(self.model.input, cut, name=f"{self.name}_before_{block}")
        suffix = keras.Model(cut, self.model.output, name=f"{self.name}_from_{block}")
        return prefix, suffix

    def trainable_layers(self, strategy: str) -> tuple[str, ...]:
        """Return the names of the layers with weights that ``strategy`` trains, in order of computation.

        ``dense`` is the head alone, ``blocks4-5`` and ``blocks1-3`` are those blocks with the head frozen, ``all``
        is everything; ``head``, the name of stage 1, is the same as ``dense``. Raises ``ValueError`` where the network
        has no such block.
        """
        one_of("strategy", strategy, (*STRATEGIES, "head"))
        wanted = tuple(self.blocks) if strategy == "all" else _BLOCKS[strategy]
        lacking = [block for block in wanted if block not in self.blocks]
        if lacking:
            raise ValueError(
                f"`strategy` {strategy!r} trains {list(wanted)}, but {self.name} has only the blocks "
                f"{list(self.blocks)}. Use 'dense' or 'all'."
            )
        names = [name for block in self.blocks if block in wanted for name in self.blocks[block]]
        return tuple(name for name in names if self.model.get_layer(name).weights)

    def set_strategy(self, strategy: str) -> tuple[str, ...]:
        """Make exactly the layers of ``strategy`` trainable and return their names.

        Everything else is frozen; frozen batch normalisation runs in inference mode and keeps its statistics.
        Compile the model again afterwards: Keras fixes the list of trained weights when it compiles.
        """
        chosen = self.trainable_layers(strategy)
        self.model.trainable = True
        for layer in self.model.layers:
            layer.trainable = layer.name in chosen
        return chosen


@dataclass(frozen=True)
class Plan:
    """How an architecture is made: its convolutions, what stands before and behind them, and its blocks.

    ``base`` is a name in ``keras.applications`` or a function of the preprocessed images; ``mode`` the preprocessing;
    ``units`` the usual width of ``dense_1``; ``block_of`` gives the block of a layer by its name, None for the head's.
    """

    base: str | Callable[[keras.KerasTensor], keras.KerasTensor]
    mode: str
    units: int
    grad_cam_layer: str
    block_of: Callable[[str], str | None]


def build(
    name: str,
    *,
    classes: int,
    size: int = 224,
    alpha: float = 1.0,
    units: int | None = None,
    weights: str | os.PathLike[str] | None = "imagenet",
    seed: int = 0,
) -> Network:
    """Return VGG16, ResNet50 (v1), MobileNet or the small ConvNet with a new head.

    The head is Flatten, Dense (``dense_1``, ReLU: 256 units on VGG16, 1024 on ResNet50, 512 on MobileNet, 64 on the
    ConvNet), Dense (``logits``, no activation).

    Parameters
    ----------
    name
        One of ``rrr_utils.common.names.NETWORKS``, or ``package.module:Name``, a function of one's own that takes
        the other parameters by name and returns a :class:`Network`; its layers have the same names every time, because
        checkpoints know weights by them.
    classes
        Number of logits, at least 2.
    size
        Side of the input in pixels, at least 32.
    alpha
        Width of MobileNet; 0.25, 0.5, 0.75 and 1.0 have ImageNet weights. Must be 1.0 elsewhere.
    units
        Width of ``dense_1``; by default as above.
    weights
        ``"imagenet"``: Keras' own file from ``$RRR_DATA_DIR/weights/`` if it is there, else Keras' own download. A
        file of that name whose hash is not a known one is used, with a warning that names it.
        A path: an HDF5 file in Keras' layout, or a ``.npz`` of this project; the file's head is used if it has one.
        ``None``: drawn from ``seed``, as the ConvNet always is unless a path is given.
    seed
        The head's start, and with ``weights=None`` the whole network's, follows from it alone.

    Every weight of the convolutions is set from the file, by layer and weight name, or ``ValueError`` names the
    first that is missing, of another shape, infinite or no number.
    """
    plan = member("name", name, NETWORKS)
    if classes < 2:
        raise ValueError(f"`classes` must be at least 2, but {classes} was passed: a classifier needs two classes.")
    if size < 32:
        raise ValueError(f"`size` must be at least 32 pixels, but {size} was passed.")
    if not isinstance(plan, Plan):
        given = plan(classes=classes, size=size, alpha=alpha, units=units, weights=weights, seed=seed)
        if not isinstance(given, Network):
            raise ValueError(
                f"`name` {name!r} must return a Network, but returned something of type {type(given).__name__}."
            )
        return given
    if alpha != 1.0 and plan.base != "MobileNet":
        raise ValueError(f"`alpha` is the width of MobileNet, but {alpha} was passed for {name}. Leave it out.")
    if alpha <= 0 or 32 * alpha < 1:
        raise ValueError(f"`alpha` must be at least 1/32, but {alpha} was passed.")
    if units is not None and units < 1:
        raise ValueError(f"`units` must be at least 1, but {units} was passed.")
    if weights == "imagenet" and not isinstance(plan.base, str):
        raise ValueError("The ConvNet has no ImageNet weights: it is trained from scratch. Pass weights=None.")

    images = keras.Input((size, size, 3), name="images")
    x = Preprocess(plan.mode, name="preprocess")(images)
    x = _applications(plan.base, alpha, None, x).output if isinstance(plan.base, str) else plan.base(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(units or plan.units, activation="relu", name="dense_1")(x)
    model = keras.Model(images, keras.layers.Dense(classes, name="logits")(x), name=name)

    network = Network(name, model, size, classes, _blocks(plan, model), plan.grad_cam_layer, NEUTRAL[plan.mode])
    weights_of.draw(model, seed)
    if weights is not None:
        _load(network, plan.base, alpha, weights)
    return network


# MobileNet has no blocks of its own. Those of the paper's code are cut before separable block 7; within the two
# halves a new block starts where the resolution has just been halved, except before separable block 6.
_MOBILENET = {0: "conv1", 1: "conv1", 2: "conv2", 3: "conv2", 4: "conv3", 5: "conv3", 6: "conv3"} | {
    number: "conv4" if number < 12 else "conv5" for number in range(7, 14)
}


def _vgg16(layer: str) -> str | None:
    found = re.match(r"block(\d)_", layer)
    return f"conv{found[1]}" if found else None


def _resnet50(layer: str) -> str | None:
    found = re.match(r"(conv\d)_", layer)
    # The pooling belongs to the block that it ends, as in VGG16.
    return found[1] if found else "conv1" if layer.startswith("pool1_") else None


def _mobilenet(layer: str) -> str | None:
    found = re.match(r"conv_(?:dw|pw|pad)_(\d+)", layer)
    return _MOBILENET[int(found[1])] if found else "conv1" if re.match("conv1(_|$)", layer) else None


def _convnet(layer: str) -> str | None:
    found = re.match(r"(?:conv|pool)(\d)$", layer)
    return f"conv{found[1]}" if found else None


def _three_convolutions(x: keras.KerasTensor) -> keras.KerasTensor:
    for number, filters in enumerate((16, 32, 48), start=1):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
    return x


VGG16 = Plan("VGG16", "caffe", 256, "block5_conv3", _vgg16)
RESNET50 = Plan("ResNet50", "caffe", 1024, "conv5_block3_out", _resnet50)
MOBILENET = Plan("MobileNet", "tf", 512, "conv_pw_13_relu", _mobilenet)
CONVNET = Plan(_three_convolutions, "tf", 64, "conv3", _convnet)


def _blocks(plan: Plan, model: keras.Model) -> dict[str, tuple[str, ...]]:
    blocks: dict[str, list[str]] = {}
    for layer in model.layers:
        block = "dense" if layer.name in ("flatten", "dense_1", "logits") else plan.block_of(layer.name)
        if block is not None:
            blocks.setdefault(block, []).append(layer.name)
        elif layer.name not in ("images", "preprocess"):
            raise RuntimeError(
                f"Layer {layer.name!r} of Keras' {model.name} belongs to no known block: this version of Keras "
                f"({keras.__version__}) names layers in another way. Install the version that the lock pins."
            )
    return {block: tuple(blocks[block]) for block in sorted(blocks, key=lambda block: (block == "dense", block))}


def _applications(
    keras_name: str, alpha: float, weights: str | None, tensor: keras.KerasTensor | None, size: int | None = None
) -> keras.Model:
    options = {"alpha": alpha} if keras_name == "MobileNet" else {}
    shape = None if size is None else (size, size, 3)
    build_base = getattr(keras.applications, keras_name)
    return build_base(include_top=False, weights=weights, input_tensor=tensor, input_shape=shape, **options)


def _load(network: Network, base: object, alpha: float, weights: str | os.PathLike[str]) -> None:
    convolutions = [name for block, names in network.blocks.items() if block != "dense" for name in names]
    if weights != "imagenet":
        arrays = weights_of.read(Path(weights))
        _finite(arrays, Path(weights))
        head = [name for name in network.blocks["dense"] if any(key.startswith(f"{name}/") for key in arrays)]
        weights_of.put(network.model, arrays, [*convolutions, *head], str(weights))
        return
    assert isinstance(base, str)
    path = imagenet_files.find(network.name, network.size, alpha)
    assert path is not None
    downloaded = None
    if not path.is_file():
        try:
            downloaded = _applications(base, alpha, "imagenet", None, network.size)
        except ValueError:  # an `alpha` without weights, or bytes that are not the published ones
            raise
        except Exception as error:  # Keras has no class of its own for a download that failed
            raise FileNotFoundError(f"{imagenet_files.lacking(path)}. Keras could not fetch them: {error}") from error
    # Where Keras cannot write to its own folder it keeps the file elsewhere.
    elsewhere = downloaded is not None and not path.is_file()
    arrays = weights_of.take(downloaded) if elsewhere else weights_of.read(path)
    _finite(arrays, path)
    if not elsewhere and (said := imagenet_files.doubt(path)):
        warnings.warn(said, stacklevel=3)
    weights_of.put(network.model, arrays, convolutions, str(path))


def _finite(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    for key, array in arrays.items():
        if not np.isfinite(array).all():
            raise weights_of.BadWeights(path, f"has values in {key!r} that are infinite or no numbers")
