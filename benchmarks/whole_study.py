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
from timing import Comparison, Timed, seconds

STRATEGIES = ("dense", "blocks4-5", "blocks1-3", "all")


def study(
    size: int = 224,
    number: int = 48,
    scored: int = 12,
    samples: int = 1000,
    epochs: int = 10,
    strategies: tuple[str, ...] = STRATEGIES,
    alpha: float = 0.25,
    timed: int = 3,
) -> Comparison:
    """Compare stage 1, the strategies and the scores of four explainers after every epoch, as the notebooks make them,
    with the same without frozen prefixes, stacks, OpenVINO, incremental Occlusion and shared gradients.

    Images, masks and split are made before the clock runs; both ways write their checkpoints. The plain way scores only
    ``timed`` of the checkpoints, and the time of those behind the first, which compiles, is taken as many times as
    there are more: it does the same for each. The facts say how long each way trained and scored the last time.
    """
    from rrr_utils import datasets, masks
    from rrr_utils.explainers import LIME, GradCAM, GradCAMPlusPlus, Occlusion
    from rrr_utils.masks import prepared
    from rrr_utils.training import runs

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

    def train(strategy: str, quick: bool) -> Any:
        run = runs.Run(
            "benchmark", "confounded", "mobilenet", strategy, "original", "mobilenet", size, alpha, weights, epochs
        )
        _train(run, ready, epochs, None if quick else 0)
        return run

    def way(quick: bool) -> Timed:
        parts, training, scoring = [], 0.0, 0.0
        with tempfile.TemporaryDirectory() as folder, _runs(folder):
            shutil.copytree(Path(place.name) / "benchmark", Path(folder) / "benchmark")
            for strategy in ("head", *strategies):
                began = time.perf_counter()
                run = train(strategy, quick)
                training += time.perf_counter() - began
                if strategy == "head":
                    continue
                asked = [*cams, LIME(samples=samples), Occlusion(patch, patch // 2, incremental=quick)]
                if quick:
                    found = seconds(lambda run=run, asked=asked: _together(run, ready, asked, epochs, scored))
                else:
                    found = _one_by_one(run, ready, asked, epochs, scored, timed)
                scoring += found.seconds
                parts.append(found.result.assign(strategy=strategy))
        name = "" if quick else "against_"
        spent[f"{name}training_s"], spent[f"{name}scoring_s"] = round(training, 1), round(scoring, 1)
        return Timed(training + scoring, pd.concat(parts, ignore_index=True))

    def check(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
        key = ["strategy", "epoch", "explainer", "image"]
        ours, theirs = (each.set_index(key)["score"].sort_index() for each in (ours, theirs))
        assert theirs.index.isin(ours.index).all(), "other scores were made"
        ours = ours[theirs.index]
        # Rounding of training grows over ten epochs, and turns the sign of a small relevance here and there.
        apart = np.abs(ours - theirs)
        assert (ours.isna() == theirs.isna()).mean() > 0.95, "zero maps differ"
        assert apart.median() < 0.005, f"half of the scores differ by {apart.median():.3f} or more"
        assert apart.quantile(0.99) < 0.2, f"a hundredth of the scores differs by {apart.quantile(0.99):.3f} or more"

    return Comparison(lambda: way(True), lambda: way(False), check, facts=lambda: spent, close=place.cleanup)


def _train(run: Any, ready: Any, epochs: int, budget: int | None) -> None:
    from rrr_utils.training import fit as training
    from rrr_utils.training import runs

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
    from rrr_utils.scoring import scores as scoring

    return scoring.score_run(run, ready, asked, [0], range(epochs + 1), splits=["test"], n=scored, study_seed=0)


def _one_by_one(run: Any, ready: Any, asked: list[Any], epochs: int, scored: int, timed: int) -> Timed:
    """Score ``timed`` checkpoints from the first to the last, and return them with the seconds of all."""
    from rrr_utils.scoring import scores as scoring
    from rrr_utils.training import checkpoints

    places, network, parts = ready.cohort("test", scored, 0), run.start(0), []
    ids = [ready.ids[place] for place in places]

    def score(epoch: int) -> float:
        began = time.perf_counter()
        checkpoints.restore(network, run.checkpoints(0), epoch)
        for each in asked:
            rows = scoring.score_images(
                network, ready.images[places], ready.masks[places], ready.labels[places], ids, [each]
            )
            parts.append(rows.assign(epoch=epoch))
        return time.perf_counter() - began

    chosen = sorted({round(epoch) for epoch in np.linspace(0, epochs, timed)})
    first, *others = map(score, chosen)
    total = first + sum(others) * epochs / len(others)
    return Timed(total, pd.concat(parts, ignore_index=True))


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
