"""What holds for all tests, and what many of them read: it is built once a process.

Tests of TensorFlow, OpenVINO and tf-keras-vis are skipped on another Keras backend.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Keras takes seconds to import, and most tests need none of this: fixtures import what they use.
if TYPE_CHECKING:
    from rrr_utils.masks.prepared import Prepared
    from rrr_utils.networks import Network
    from rrr_utils.training.runs import Run

BACKEND = os.environ.get("KERAS_BACKEND") or "tensorflow"

# Files that take longest, the longest first: begun last, one of them would keep a single process at work at the end.
LONGEST = (
    "study/test_workflow.py",
    "analyses/remedies/test_measure.py",
    "analyses/remedies/test_losses.py",
    "own_model/test_examination.py",
    "analyses/infodisent/test_measure.py",
    "explainers/test_more_explainers.py",
    "study/test_recompute.py",
    "analyses/zoo/test_measure.py",
    "analyses/overinterpretation/test_measure.py",
    "explainers/test_lime.py",
    "study/test_slurm.py",
    "study/test_run_notebook.py",
    "book/test_book.py",
    "book/test_browser.py",
    "networks/test_network.py",
    "networks/test_stack.py",
    "training/test_fit.py",
    "training/test_runs.py",
    "engine/test_passes.py",
    "study/test_analysis.py",
    "analyses/controls/test_measure.py",
    "analyses/infodisent/test_heads.py",
    "test_package.py",
)
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; skip tests marked ``tensorflow`` where Keras runs on another backend."""
    places = {HERE / name: place for place, name in enumerate(LONGEST)}
    gone = [str(path) for path in places if not path.is_file()]
    if gone:
        raise pytest.UsageError(f"tests/conftest.py names files that are not there: {', '.join(gone)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))
    for item in items:
        if BACKEND != "tensorflow" and item.get_closest_marker("tensorflow"):
            item.add_marker(pytest.mark.skip(reason=f"is about TensorFlow or its converters; Keras runs on {BACKEND}"))


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs that :func:`tiny_run` hands out copies of."""
    import tiny_run

    folder = tmp_path_factory.mktemp("trained")
    with tiny_run.trained(folder, tiny_run.SEEDS, tiny_run.STAGE):
        return folder


@pytest.fixture(scope="module")
def tiny_run(_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["Run", "Prepared"]]:
    """A ConvNet at 32 px, seeds 0 and 1, after two epochs on 24 generated images, and these images.

    The training is that of the session; the folder is the module's own copy, in which analyses may leave their pieces.
    """
    import tiny_run

    folder = tmp_path_factory.mktemp("copied") / "runs"
    shutil.copytree(_trained, folder)
    with tiny_run.opened(folder) as made:
        yield made


@pytest.fixture(scope="session")
def tiny_network() -> "Network":
    """A ConvNet at 32 px for three classes with random weights. To be read: a test that changes one builds its own."""
    from rrr_utils import networks

    return networks.build("convnet", classes=3, size=32, weights=None, seed=2)
