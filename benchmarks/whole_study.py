"""A whole small study, with every shortcut and with none."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import inputs
import numpy as np
import pandas as pd
from timing import Comparison

STRATEGIES = ("dense", "blocks4-5", "blocks1-3", "all")


def study(
    size: int = 224,
    number: int = 48,
    scored: int = 12,
    samples: int = 1000,
    epochs: int = 10,
    strategies: tuple[str, ...] = STRATEGIES,
    alpha: float = 0.25,
) -> Comparison:
    """Compare stage 1, the strategies and the scores of four explainers after every epoch, as the notebooks make them,
    with the same without frozen prefixes, stacks, OpenVINO, incremental Occlusion and shared gradients.

    Images, masks and split are made before the clock runs; both ways write their checkpoints. The facts say how long
    each way trained and scored the last time.
    """
    from rrr_utils import datasets, masks, prepared, runs
    from rrr_utils.explainers import LIME, GradCAM, GradCAMPlusPlus, Occlusion

    place = tempfile.TemporaryDirectory()
    dataset = datasets.open_dataset("confounded", options={"images": number, "size": size})
    with _runs(place.name):
        folder = Path(place.name) / "benchmark" / "confounded"
        outlines = masks.open_masker("outlines", dataset)
        prepared.prepare("benchmark", "confounded", dataset, outlines, [size], folder, test_share=0.25, seed=0)
        ready = prepared.load(folder, size)
    patch, weights = size // 7, "imagenet" if inputs.has_weights("mobilenet") else None
    cams = [GradCAM(), GradCAMPlusPlus()]
    spent: dict[str, float] = {}

    def way(quick: bool) -> pd.DataFrame:
        parts, began = [], time.perf_counter()
        training = 0.0
        with tempfile.TemporaryDirectory() as folder, _runs(folder):
            shutil.copytree(Path(place.name) / "benchmark", Path(folder) / "benchmark")
            for strategy in ("head", *strategies):
                run = runs.Run(
                    "benchmark",
                    "confounded",
                    "mobilenet",
                    strategy,
                    "original",
                    "mobilenet",
                    size,
                    alpha,
                    weights,
                    epochs,
                )
                before = time.perf_counter()
                _train(run, ready, epochs, None if quick else 0)
                training += time.perf_counter() - before
                if strategy == "head":
                    continue
                asked = [*cams, LIME(samples=samples), Occlusion(patch, patch // 2, incremental=quick)]
                scores = (_together if quick else _one_by_one)(run, ready, asked, epochs, scored)
                parts.append(scores.assign(strategy=strategy))
        name = "" if quick else "against_"
        spent[f"{name}training_s"] = round(training, 1)
        spent[f"{name}scoring_s"] = round(time.perf_counter() - began - training, 1)
        return pd.concat(parts, ignore_index=True)

    def check(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
        key = ["strategy", "epoch", "explainer", "image"]
        ours, theirs = (each.set_index(key)["score"].sort_index() for each in (ours, theirs))
        assert ours.index.equals(theirs.index), "other scores were made"
        # Rounding of training grows over ten epochs, and turns the sign of a small relevance here and there.
        apart = np.abs(ours - theirs)
        assert (ours.isna() == theirs.isna()).mean() > 0.95, "zero maps differ"
        assert apart.median() < 0.005, f"half of the scores differ by {apart.median():.3f} or more"
        assert apart.quantile(0.99) < 0.2, f"a hundredth of the scores differs by {apart.quantile(0.99):.3f} or more"

    return Comparison(lambda: way(True), lambda: way(False), check, facts=lambda: spent, close=place.cleanup)


def _train(run: Any, ready: Any, epochs: int, budget: int | None) -> None:
    from rrr_utils import runs, training

    training.train(
        run.start(0),
        run.strategy,
        runs.training_data(ready),
        training.Stage(epochs, "rmsprop", 1e-5),
        run.checkpoints(0),
        trained_on="original",
        seed=0,
        evaluate=runs.evaluation(ready),
        budget=budget,
    )


def _together(run: Any, ready: Any, asked: list[Any], epochs: int, scored: int) -> pd.DataFrame:
    from rrr_utils import scoring

    return scoring.score_run(run, ready, asked, [0], range(epochs + 1), splits=["test"], n=scored, study_seed=0)


def _one_by_one(run: Any, ready: Any, asked: list[Any], epochs: int, scored: int) -> pd.DataFrame:
    from rrr_utils import checkpoints, scoring

    places, network, parts = ready.cohort("test", scored, 0), run.start(0), []
    ids = [ready.ids[place] for place in places]
    for epoch in range(epochs + 1):
        checkpoints.restore(network, run.checkpoints(0), epoch)
        for each in asked:
            rows = scoring.score_images(
                network, ready.images[places], ready.masks[places], ready.labels[places], ids, [each]
            )
            parts.append(rows.assign(epoch=epoch))
    return pd.concat(parts, ignore_index=True)


@contextmanager
def _runs(folder: str) -> Iterator[None]:
    """Let runs lie in ``folder`` inside the block."""
    before = os.environ.get("RRR_RUNS")
    os.environ["RRR_RUNS"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["RRR_RUNS"]
        else:
            os.environ["RRR_RUNS"] = before
