"""One rival, in an environment of its own: started by `peers`, it answers each line of its input with its seconds.

It imports nothing of this project. Arguments: which rival, and the folder of its inputs, where it leaves its result.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Get ready, say so, and then run once a line."""
    rival, folder, threads = sys.argv[1], Path(sys.argv[2]), int(os.environ["RRR_THREADS"])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    run = {"xplique": xplique, "quantus": quantus}[rival](folder, threads)
    print(json.dumps({"ready": rival}), file=replies, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - start
        np.save(folder / "result.npy", np.asarray(result, np.float64))
        print(json.dumps({"seconds": seconds}), file=replies, flush=True)


def xplique(folder: Path, threads: int) -> Callable[[], Any]:
    """Return Xplique's Occlusion of the images in ``folder`` by its model."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras
    from xplique.attributions import Occlusion

    options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    images, targets = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("images", "targets"))
    explainer = Occlusion(
        model,
        batch_size=32,
        patch_size=options["patch"],
        patch_stride=options["stride"],
        occlusion_value=0.0,
    )
    return lambda: np.asarray(explainer(images, targets))


def quantus(folder: Path, threads: int) -> Callable[[], Any]:
    """Return Quantus' relevance mass accuracy of the maps in ``folder`` on its masks."""
    from quantus import RelevanceMassAccuracy

    metric = RelevanceMassAccuracy(abs=False, normalise=False, disable_warnings=True, display_progressbar=False)
    maps, masks = (np.load(folder / f"{name}.npy", allow_pickle=False)[:, None] for name in ("maps", "masks"))
    # It wants the images as well, and looks at their shape alone.
    images, labels = np.zeros(maps.shape, np.float32), np.zeros(len(maps), np.int64)
    return lambda: metric(model=None, x_batch=images, y_batch=labels, a_batch=maps, s_batch=masks, batch_size=64)


if __name__ == "__main__":
    main()
