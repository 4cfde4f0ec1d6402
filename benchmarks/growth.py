"""How seconds and memory of scoring grow with images, samples and checkpoints."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from numpy.typing import NDArray

# What is varied, its three values, and what the others are meanwhile.
TIMED = {"images": (2, 4, 8), "samples": (250, 500, 1000), "checkpoints": (3, 6, 12)}
TIMED_AT = {"images": 2, "samples": 250, "checkpoints": 3}
HELD = {"images": (1, 2, 4), "samples": (32, 64, 128)}
HELD_AT = {"images": 1, "samples": 32, "checkpoints": 3}


def seconds(
    name: str = "mobilenet", size: int = 224, repeats: int = 3, grid: dict[str, Sequence[int]] = TIMED, **options: Any
) -> list[dict[str, Any]]:
    """Return the median seconds of scoring for every size: ``dense``, four explainers, one stack of checkpoints.

    Stacks are made and run once before the clock runs; superpixels are cut anew by every run.
    """
    network = inputs.network(name, size, **options)
    rows = []
    for varied, values in grid.items():
        for value in values:
            at = {**TIMED_AT, varied: value}
            stack = inputs.stack(network, inputs.states(network, "dense", at["checkpoints"]))
            pictures, disks = inputs.images(at["images"], size), inputs.disks(at["images"], size)
            score(stack, pictures, disks, at["samples"])
            taken = []
            for _ in range(repeats):
                start = time.perf_counter()
                score(stack, pictures, disks, at["samples"])
                taken.append(time.perf_counter() - start)
            rows.append({"varied": varied, "value": value, "seconds": round(float(np.median(taken)), 4), "n": repeats})
    return rows


def score(stack: Any, images: NDArray, masks: NDArray, samples: int) -> NDArray[np.float64]:
    """Return the scores of four explainers at every checkpoint of ``stack``, ``(explainers, checkpoints, images)``."""
    from rrr_utils import metric
    from rrr_utils.explainers import LIME, GradCAM, GradCAMPlusPlus, Occlusion, explain

    size = stack.network.size
    asked = [GradCAM(), GradCAMPlusPlus(), LIME(samples=samples), Occlusion(size // 7, size // 14)]
    maps = explain(asked, stack, images, np.zeros(len(images), np.int64))
    return np.array([[metric.score(masks, each) for each in found] for found in maps])


def memory(
    name: str = "vgg16", size: int = 224, grid: dict[str, Sequence[int]] = HELD, full: bool = True
) -> list[dict[str, Any]]:
    """Return the peak memory (bytes) of a process that scores, for every size: ``dense``, four explainers.

    With ``full``, also that of a stack that holds as many checkpoints of ``all`` as its budget allows.
    """
    plans = [
        (varied, value, {**HELD_AT, varied: value}, "dense") for varied, values in grid.items() for value in values
    ]
    if full:
        plans.append(("full stack", 0, {**HELD_AT, "samples": 16, "checkpoints": 0}, "all"))
    rows = []
    for varied, value, at, strategy in plans:
        numbers = [str(at[key]) for key in ("images", "samples", "checkpoints")]
        peak, checkpoints = peak_of([str(Path(__file__).with_name("memory.py")), name, str(size), strategy, *numbers])
        rows.append({"varied": varied, "value": value or checkpoints, "peak_bytes": peak})
    return rows


def peak_of(arguments: Sequence[str]) -> list[int]:
    """Run a Python script in a process of its own and return the whole numbers that it prints last."""
    # A shell between: a process begins with the peak of the one that it was forked from, which may hold gigabytes.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return [int(word) for word in done.stdout.split("\n")[-2].split()]
