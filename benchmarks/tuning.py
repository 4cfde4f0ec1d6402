"""Fine-tuning behind frozen blocks against plain Keras `fit`."""

import tempfile
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from operations import multiply_adds, tuning_limit
from timing import Comparison


def tuning(
    name: str,
    strategy: str,
    size: int = 224,
    trained: int = 64,
    evaluated: int = 32,
    epochs: int = 10,
    batch: int = 32,
    rate: float = 1e-5,
    **options: Any,
) -> Comparison:
    """Compare `training.train`, which keeps what frozen blocks give, with `fit` on the whole model, its layers frozen.

    Both take the same batches in the same order, and evaluate the same other images before the first and after every
    epoch. The quick way writes a checkpoint an epoch as well; the plain way writes nothing.
    """
    import keras

    from rrr_utils.engine import weights
    from rrr_utils.training import fit as training
    from rrr_utils.training.batches import Batches

    network = inputs.network(name, size, **options)
    images, labels = inputs.images(trained + evaluated, size), np.arange(trained + evaluated) % 2
    data = training.TrainingData(
        images[:trained],
        inputs.disks(trained, size),
        labels[:trained],
        [f"image-{number}" for number in range(trained)],
    )
    apart = images[trained:], labels[trained:]
    stage = training.Stage(epochs, "rmsprop", rate, batch)
    start, layers = weights.take(network.model), [layer.name for layer in network.model.layers]

    def begin() -> None:
        weights.put(network.model, start, layers, "the start")

    def quick() -> list[float]:
        begin()
        with tempfile.TemporaryDirectory() as folder:
            history = training.train(
                network, strategy, data, stage, folder, trained_on="original", seed=0, evaluate={"test": apart}
            )
        return history["loss"].tolist()

    def plain() -> list[float]:
        begin()
        network.set_strategy(strategy)
        network.model.compile(
            keras.optimizers.RMSprop(rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,  # Keras' own choice, XLA, is several times slower on a processor
        )
        before = network.model.evaluate(*apart, batch_size=batch, verbose=0)[0]
        with tempfile.TemporaryDirectory() as folder:
            stream = Batches(data, "original", seed=0, study_seed=0, batch=batch, epochs=epochs, folder=Path(folder))
            found = network.model.fit(
                stream,
                epochs=epochs,
                steps_per_epoch=stream.steps,
                shuffle=False,
                verbose=0,
                validation_data=apart,
                validation_batch_size=batch,
            )
        return [before, *found.history["val_loss"]]

    def check(ours: list[float], theirs: list[float]) -> None:
        # Rounding grows with every step; the first epochs have no room for another cause.
        np.testing.assert_allclose(ours[:2], theirs[:2], rtol=1e-3)
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.02)

    def facts() -> dict[str, Any]:
        first = next(
            block for block, names in network.blocks.items() if set(names) & set(network.set_strategy(strategy))
        )
        prefix, suffix = (multiply_adds(part) for part in network.split(first))
        return {
            "prefix_multiply_adds": prefix,
            "suffix_multiply_adds": suffix,
            "limit_by_operations": round(tuning_limit(prefix, suffix, trained, evaluated, epochs), 2),
        }

    return Comparison(quick, plain, check, facts)
