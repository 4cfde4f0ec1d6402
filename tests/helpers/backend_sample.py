"""Maps, logits and losses of small networks from fixed weights, for comparing Keras' backends.

``python tests/helpers/backend_sample.py FOLDER`` writes them and the weights that it began with; where the weights are
there already, it begins with those.
"""

import sys
from pathlib import Path

import numpy as np

from rrr_utils.engine import passes as engine

if __name__ == "__main__":
    engine.start(1)

import keras

from rrr_utils import networks
from rrr_utils.engine import gradients, weights
from rrr_utils.explainers import LIME, GradCAM, GradCAMPlusPlus, Occlusion
from rrr_utils.training import fit as training

EXPLAINERS = {
    "grad_cam": GradCAM(),
    "grad_cam_authors": GradCAM(protocol="authors"),
    "grad_cam_plus_plus": GradCAMPlusPlus(),
    "occlusion": Occlusion(patch=8, stride=4),
    "lime": LIME(samples=60, seed=0),
}
SIZE, CLASSES = 32, 3


def branched() -> networks.Network:
    """Return a network with batch normalisation, a depthwise convolution and a shortcut round the explained layer."""
    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="first")(inputs)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(momentum=0.5, name="norm")(x))
    y = layers.Conv2D(6, 1, activation="relu", name="point")(layers.DepthwiseConv2D(3, padding="same", name="deep")(x))
    x = layers.Add(name="sum")([x, y])
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="pool")(x))
    return networks.adopt(
        keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x), name="branched"), preprocess="tf"
    )


def sample(folder: Path) -> dict[str, np.ndarray]:
    """Return all numbers by name; reads the start weights from ``folder``, or writes them there."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (9, SIZE, SIZE, 3), np.uint8)
    labels = np.arange(9) % CLASSES
    images[:, 4:14, 6:16] = (40 + 80 * labels)[:, None, None, None]
    masks = np.zeros((9, SIZE, SIZE), np.uint8)
    masks[:, 4:14, 6:16] = 1
    ids = [f"image-{place}" for place in range(9)]
    found: dict[str, np.ndarray] = {}
    plain = networks.build("convnet", classes=CLASSES, size=SIZE, weights=None)
    for name, network in (("convnet", plain), ("branched", branched())):
        file = folder / f"{name}.npz"
        if file.exists():
            everything = [layer.name for layer in network.model.layers]
            weights.put(network.model, weights.read(file), everything, str(file))
        else:
            weights.draw(network.model, 1)
            np.savez(file, **weights.take(network.model))
        start = weights.take(network.model)
        found[f"{name} logits"] = engine.forward(network, batch=4)(images)
        for explainer, each in EXPLAINERS.items():
            found[f"{name} {explainer}"] = each(network, images[:4], labels[:4], ids=ids[:4])
        # In `branched` a shortcut goes round this layer.
        inner = "conv2" if name == "convnet" else "point"
        both = gradients.activations_and_gradients(network, inner, images[:4], labels[:4])
        found[f"{name} activations"], found[f"{name} gradients"] = both
        for strategy in ("all", "dense"):
            weights.put(network.model, start, [layer.name for layer in network.model.layers], "the start")
            history = training.train(
                network,
                strategy,
                training.TrainingData(images, masks, labels, ids),
                training.Stage(3, "adam", 1e-3, batch=4),
                folder / f"{name}-{strategy}-{keras.backend.backend()}",
                trained_on="swapped" if strategy == "all" else "original",
                seed=0,
                evaluate={"train": (images, labels)},
            )
            found[f"{name} {strategy} losses"] = history["loss"].to_numpy()
    return found


if __name__ == "__main__":
    np.savez(Path(sys.argv[1]) / "sample.npz", **sample(Path(sys.argv[1])))
