"""What bfloat16 gains, and how far it drifts from float32."""

import time
from typing import Any

import inputs
import numpy as np

NETWORKS: dict[str, dict[str, Any]] = {
    "VGG16": {"name": "vgg16"},
    "ResNet50": {"name": "resnet50"},
    "MobileNet 1.0": {"name": "mobilenet"},
    "MobileNet 0.25": {"name": "mobilenet", "alpha": 0.25},
}


def bfloat16(
    networks: dict[str, dict[str, Any]] = NETWORKS, size: int = 224, number: int = 32, samples: int = 200
) -> list[dict[str, Any]]:
    """Return one row a network: images a second in both precisions, and how far logits and LIME's score drift.

    Drift of logits over ``number`` images, as root mean square and largest difference, beside the standard deviation of
    the logits themselves; of the score, for one image and the same ``samples`` perturbations, against a disk.
    """
    from rrr_utils import metric
    from rrr_utils.engine import passes as engine
    from rrr_utils.explainers import LIME

    images, classes = inputs.images(number, size).astype(np.float32), np.zeros(1, np.int64)
    rows = []
    for label, options in networks.items():
        network = inputs.network(**options, size=size)
        exact, short = (engine.forward(network, kind, 16) for kind in ("openvino", "openvino-bfloat16"))
        logits = [run(images) for run in (exact, short)]
        rate = [number / _median(run, images) for run in (exact, short)]
        maps = [LIME(samples=samples, batch=16)(run, images[:1], classes, ids=["image"]) for run in (exact, short)]
        scores = [float(metric.score(inputs.disks(1, size), each)[0]) for each in maps]
        drift = logits[1] - logits[0]
        rows.append(
            {
                "network": label,
                "weights": "ImageNet, random head" if inputs.has_weights(options["name"]) else "random",
                "float32_images_s": round(rate[0], 1),
                "bfloat16_images_s": round(rate[1], 1),
                "times_faster": round(rate[1] / rate[0], 2),
                "logit_rms": float(np.sqrt(np.mean(drift**2))),
                "logit_largest": float(np.abs(drift).max()),
                "logit_deviation": float(logits[0].std(axis=0).mean()),
                "score": round(scores[0], 4),
                "score_difference": scores[1] - scores[0],
                "samples": samples,
            }
        )
    return rows


def _median(run: Any, images: Any, number: int = 3) -> float:
    times = []
    for _ in range(number):
        start = time.perf_counter()
        run(images)
        times.append(time.perf_counter() - start)
    return float(np.median(times))
