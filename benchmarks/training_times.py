"""Augmented training by shared activations against plain `fit`; and what an epoch of each remedy takes."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from operations import multiply_adds, seeds_limit
from timing import Comparison

# A network from scratch at its own size, and one that is fine-tuned.
NETWORKS: tuple[dict[str, Any], ...] = (
    {"name": "convnet", "size": 64},
    {"name": "mobilenet", "size": 144, "alpha": 0.25},
)


def sharing(
    name: str,
    size: int = 224,
    trained: int = 64,
    evaluated: int = 32,
    epochs: int = 3,
    seeds: int = 3,
    batch: int = 32,
    **options: Any,
) -> Comparison:
    """Compare `training.train` of `head` and then `dense`, for seeds that share a folder, with Keras `fit`.

    Every image is augmented anew in every epoch; both ways take the same batches in the same order, and evaluate the
    same other images before the first and after every epoch. The quick way writes checkpoints as well.
    """
    import keras

    from rrr_utils.engine import weights
    from rrr_utils.training import fit as training
    from rrr_utils.training.batches import Batches

    network = inputs.network(name, size, **options)
    pictures, labels = inputs.images(trained + evaluated, size), np.arange(trained + evaluated) % 2
    ids = [f"image-{number}" for number in range(trained)]
    data = training.TrainingData(pictures[:trained], inputs.disks(trained, size), labels[:trained], ids)
    apart = pictures[trained:], labels[trained:]
    stage, drawn = training.Stage(epochs, "rmsprop", 1e-5, batch), {"augment": "authors", "study_seed": 0}
    start, layers = weights.take(network.model), [layer.name for layer in network.model.layers]

    def runs() -> Iterator[tuple[str, int, int]]:
        for seed in range(seeds):
            weights.put(network.model, start, layers, "the start")
            yield "head", seed, 0
            yield "dense", seed, epochs

    def quick() -> list[float]:
        losses = []
        with tempfile.TemporaryDirectory() as folder:
            shared = Path(folder) / "shared"
            for strategy, seed, before in runs():
                own = {"trained_on": "original", "seed": seed, "evaluate": {"test": apart}, "before": before}
                place = Path(folder) / f"{strategy}-{seed}"
                history = training.train(network, strategy, data, stage, place, **own, **drawn, shared=shared)
                losses.extend(history["loss"])
        return losses

    def plain() -> list[float]:
        losses = []
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        for strategy, seed, before in runs():
            network.set_strategy(strategy)
            # Keras' own choice, XLA, is several times slower on a processor.
            network.model.compile(keras.optimizers.RMSprop(1e-5), loss=loss, jit_compile=False)
            first = network.model.evaluate(*apart, batch_size=batch, verbose=0)
            own = {"batch": batch, "epochs": epochs, "folder": Path(tempfile.gettempdir()), "before": before}
            stream = Batches(data, "original", seed=seed, **own, **drawn)
            steps = {"epochs": epochs, "steps_per_epoch": stream.steps, "shuffle": False, "verbose": 0}
            found = network.model.fit(stream, **steps, validation_data=apart, validation_batch_size=batch)
            losses.extend([first, *found.history["val_loss"]])
        return losses

    def check(ours: list[float], theirs: list[float]) -> None:
        # Rounding grows with every step; the first epoch has no room for another cause.
        np.testing.assert_allclose(ours[:2], theirs[:2], rtol=1e-3)
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.02)

    def facts() -> dict[str, Any]:
        network.set_strategy("head")
        prefix, suffix = (multiply_adds(part) for part in network.split("dense"))
        limit = seeds_limit(prefix, suffix, trained, evaluated, epochs, seeds)
        return {"images": trained, "epochs": epochs, "seeds": seeds, "limit_by_operations": round(limit, 2)}

    return Comparison(quick, plain, check, facts)


def remedies(
    asked: Sequence[dict[str, Any]] = NETWORKS, names: Sequence[str] | None = None, number: int = 256, epochs: int = 4
) -> list[dict[str, Any]]:
    """Return a line a network and remedy: seconds of the processor an epoch, and their ratio to plain training.

    All layers are trained on ``number`` generated images; the first epoch, which compiles, is not counted. Members of
    an ensemble are trained one after the other.
    """
    from rrr_utils.analyses.remedies.catalogue import CATALOGUE
    from rrr_utils.analyses.remedies.fit import fit
    from rrr_utils.training import fit as training

    lines: list[dict[str, Any]] = []
    for options in asked:
        network = inputs.network(**options)
        data = training.TrainingData(
            inputs.images(number, network.size),
            inputs.disks(number, network.size),
            np.arange(number) % 2,
            [f"image-{place}" for place in range(number)],
        )
        stage = training.Stage(epochs, "rmsprop", 1e-5)
        plain = 0.0
        for name in names or tuple(CATALOGUE):
            kind = CATALOGUE[name]
            with tempfile.TemporaryDirectory() as folder:
                found = fit(network, "all", data, stage, kind, folder, seed=0, evaluate={})
            seconds = found.epoch * kind.members
            plain = plain or seconds
            line = {"network": network.name, "size": network.size, "remedy": name, "seconds": round(seconds, 3)}
            lines.append({**line, "times": round(seconds / plain, 2), "images": number, "n": epochs - 1})
    return lines
