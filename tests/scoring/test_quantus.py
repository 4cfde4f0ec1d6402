"""The score and the explainers beside Quantus: in its calling forms, and with the same numbers."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rrr_utils import score
from rrr_utils.explainers import Occlusion
from rrr_utils.scoring import quantus as relatives

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-bench" / "bin" / "python"
WAYS = ("quantus", "quantus_asks", "evaluate")
MASKS = np.zeros((2, 1, 8, 8))
MASKS[:, :, :4] = 1


def brightness(images):
    """Return logits: the brightness of the upper half for class 0, of the lower half for class 1."""
    return np.stack([images[:, :4].mean(axis=(1, 2, 3)), images[:, 4:].mean(axis=(1, 2, 3))], axis=1)


def test_an_explainer_is_an_explain_func_in_both_layouts():
    """Called as Quantus calls it, with channels first or last, it returns the maps that the explainer returns."""
    images = np.random.default_rng(0).integers(1, 255, (2, 8, 8, 3)).astype(np.float32)
    explainer = Occlusion(patch=4, stride=4)
    explain = relatives.explain_func(explainer)
    expected = explainer(brightness, images, [0, 1])
    for inputs in (images, np.moveaxis(images, -1, 1)):
        maps = explain(model=brightness, inputs=inputs, targets=np.array([0.0, 1.0]), method="ours", device=None)
        np.testing.assert_array_equal(maps, expected)
    np.testing.assert_allclose(score(MASKS, explain(brightness, images, [0, 1])), [1, 0])


def test_the_score_is_called_as_a_metric():
    """A list of numbers comes back, from maps or from an explain_func, whatever else is passed."""
    maps = np.zeros((2, 8, 8))
    maps[0, 3:7] = 1  # one of four rows lies on the object
    metric = relatives.Score()
    told = metric(
        model=None, x_batch=None, y_batch=None, a_batch=maps[:, None], s_batch=MASKS, device="cpu", softmax=True
    )
    assert told[0] == 0.25
    assert np.isnan(told[1])
    again = metric(
        model="a model",
        x_batch="images",
        y_batch="labels",
        s_batch=MASKS,
        explain_func=lambda model, inputs, targets, times: times * maps,
        explain_func_kwargs={"times": 3},
    )
    np.testing.assert_array_equal(again, told)


@pytest.mark.parametrize(
    ("batch", "words"),
    [({"a_batch": MASKS}, "`s_batch` must hold the masks"), ({"s_batch": MASKS}, "pass `explain_func`")],
)
def test_what_is_missing_is_named(batch, words):
    """Without masks, or without maps and a way to make them, it says what to pass."""
    with pytest.raises(ValueError, match=words):
        relatives.Score()(model=None, x_batch=None, y_batch=None, **batch)


def test_the_published_numbers_agree():
    """Every map of the book's table has the same number from both, to the rounding of 32 bits."""
    table = pd.read_csv(ROOT / "benchmarks" / "results" / "relatives.csv")
    assert len(table) == 72
    assert table["ours"].between(0.01, 0.99).mean() > 0.9
    for way in WAYS:
        np.testing.assert_allclose(table[way], table["ours"], atol=1e-6)


@pytest.mark.slow
def test_quantus_itself_gets_the_same_numbers(tmp_path):
    """The comparison, run again with the real package, gives the table that the book shows."""
    if not PEERS.exists():
        pytest.skip("Quantus is not compared again: there is no .venv-bench; `make bench-peers` makes it.")
    command = [str(PEERS), str(ROOT / "benchmarks" / "relatives.py"), str(tmp_path / "found.csv")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "tensorflow"})
    assert done.returncode == 0, done.stderr[-2000:]
    found = pd.read_csv(tmp_path / "found.csv")
    published = pd.read_csv(ROOT / "benchmarks" / "results" / "relatives.csv")
    for way in WAYS:
        np.testing.assert_allclose(found[way], found["ours"], atol=1e-6)
    np.testing.assert_allclose(found["ours"], published["ours"], atol=1e-4)
