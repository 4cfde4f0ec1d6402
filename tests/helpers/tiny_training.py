"""A training that takes seconds: a small network, seven images, two epochs, and what a kill looks like."""

from pathlib import Path

import keras
import numpy as np

from rrr_utils import networks
from rrr_utils.engine import weights
from rrr_utils.networks.preprocessing import Preprocess
from rrr_utils.training import fit as training

N, SIZE = 7, 8
STAGE = training.Stage(epochs=2, optimizer="rmsprop", rate=1e-2, batch=4)


def tiny(seed=0):
    """A network with batch normalisation that compiles in a moment; its momentum of 0.5 moves in a few steps."""
    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    x = Preprocess("tf", name="preprocess")(inputs)
    x = layers.Conv2D(4, 3, strides=2, use_bias=False, name="convolution")(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(momentum=0.5, name="normalisation")(x))
    outputs = layers.Dense(2, name="logits")(layers.Flatten(name="flatten")(x))
    model = keras.Model(inputs, outputs, name="tiny")
    weights.draw(model, seed)
    blocks = {"conv1": ("convolution", "normalisation", "relu"), "dense": ("flatten", "logits")}
    return networks.Network("tiny", model, SIZE, 2, blocks, "relu", np.full(3, 127.5, np.float32))


def data(n=N, size=SIZE, seed=0):
    """Objects, light for class 1 and dark for class 0, before random backgrounds."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = random.integers(0, 256, (n, size, size, 3), np.uint8)
    masks = np.zeros((n, size, size), np.uint8)
    masks[:, : size // 2, : size // 2] = 1
    images[:, : size // 2, : size // 2] = np.where(labels, 230, 20)[:, None, None, None]
    return training.TrainingData(images, masks, labels, [f"image-{place}" for place in range(n)])


def splits(n=N, size=SIZE):
    train, test = data(n, size), data(6, size, seed=1)
    return {"train": (train.images, train.labels), "test": (test.images, test.labels)}


def run(folder, network=None, strategy="all", stage=STAGE, trained_on="both", seed=0, **options):
    network = network or tiny()
    options = {"evaluate": splits(), **options}
    return training.train(network, strategy, data(), stage, folder, trained_on=trained_on, seed=seed, **options)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


class Killed(BaseException):
    """What a kill looks like from inside."""
