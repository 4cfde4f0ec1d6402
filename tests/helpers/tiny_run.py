"""A small trained run for tests: a ConvNet at 32 px on 24 generated images, six of them test images."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rrr_utils import datasets
from rrr_utils.common import paths
from rrr_utils.masks import open_masker, prepared
from rrr_utils.masks.prepared import Prepared
from rrr_utils.training import fit as training
from rrr_utils.training import runs

SEEDS = (0, 1)
STAGE = training.Stage(2, "adam", 1e-3)
RUN = runs.Run("s", "d", "small", "all", "original", "convnet", 32)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[runs.Run, Prepared]]:
    """Give the run that was trained in ``folder`` and its images; until the end of the block the runs lie there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRR_RUNS", str(folder))
        yield RUN, RUN.images()


@contextmanager
def trained(folder: Path, seeds: Sequence[int], stage: training.Stage) -> Iterator[tuple[runs.Run, Prepared]]:
    """Train one network a seed and give the run and its images; until the end of the block ``folder`` has the runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRR_RUNS", str(folder))
        dataset = datasets.open_dataset("confounded", None, {"images": 24, "size": 32})
        place = paths.runs() / "s" / "d"
        prepared.prepare("s", "d", dataset, open_masker("outlines", dataset), [32], place, test_share=0.25, seed=0)
        data = RUN.images()
        for seed in seeds:
            training.train(
                RUN.start(seed),
                "all",
                runs.training_data(data),
                stage,
                RUN.checkpoints(seed),
                trained_on="original",
                seed=seed,
                evaluate=runs.evaluation(data),
            )
        yield RUN, data
