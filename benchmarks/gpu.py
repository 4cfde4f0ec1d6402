"""Measures VGG16's pass on the device that JAX runs on, in its precision and in float32; writes ``results/gpu.json``.

Images go in from the processor's memory and logits come back to it, a batch at a time, as in scoring. Run it with
``KERAS_BACKEND=jax``, under the environment in which a study is to run there.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from rrr_utils.common import files
from rrr_utils.engine import passes as engine

FILE = Path(__file__).resolve().parent / "results" / "gpu.json"


def main() -> None:
    """Measure at the paper's size of images, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    engine.start()
    # Asked small first: on a processor the whole takes minutes, and its numbers must not replace a GPU's.
    if measure(size=32, batch=2, repeats=1)["device"] == "cpu":
        parser.error(f"JAX found no GPU, so {FILE.name} is left as it is. Install the build of JAX for it.")
    found = measure()
    files.write_json(FILE, found)
    print(found)


def measure(size: int = 224, batch: int = 32, repeats: int = 12) -> dict[str, Any]:
    """Return passes a second, and how far the device's own precision moves a logit.

    ``passes``: in the precision that JAX takes by itself, which on a GPU is TF32 (ten bits of fraction);
    ``passes_float32``: with all of float32's bits; both medians over ``repeats`` batches. ``drift`` is the largest
    difference of a logit between the two, ``largest_logit`` the largest absolute logit. Weights and images are random.
    Raises ``ValueError`` where Keras does not run on JAX.
    """
    import keras

    if keras.backend.backend() != "jax":
        raise ValueError(f"This measures JAX, but Keras runs on {keras.backend.backend()}. Set KERAS_BACKEND=jax.")
    import jax

    from rrr_utils.engine import weights
    from rrr_utils.networks import network as networks

    network = networks.build("vgg16", classes=2, size=size, weights=None, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3)).astype(np.float32)

    def rate() -> tuple[float, np.ndarray]:
        (run,) = engine.forward_each(network.model, [weights.take(network.model)], "compiled", batch)
        logits, seconds = run(images), []
        for _ in range(repeats):
            start = time.perf_counter()
            run(images)
            seconds.append(time.perf_counter() - start)
        return round(batch / float(np.median(seconds)), 1), logits

    passes, quick = rate()
    with jax.default_matmul_precision("highest"):
        passes_float32, exact = rate()
    return {
        "device": str(jax.devices()[0].device_kind),
        "jax": jax.__version__,
        "network": network.name,
        "size": size,
        "batch": batch,
        "passes": passes,
        "passes_float32": passes_float32,
        "drift": float(np.abs(quick - exact).max()),
        "largest_logit": float(np.abs(exact).max()),
    }


if __name__ == "__main__":
    main()
