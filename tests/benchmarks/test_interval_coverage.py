"""How often the intervals of the paper's claims hold the truth: the published simulation, and a small one."""

import importlib

import numpy as np
import pandas as pd
import pytest

from rrr_utils.analyses.paper.rules import Asked
from rrr_utils.common import paths


@pytest.fixture(scope="module")
def coverage():
    """The module of the benchmark."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(paths.root() / "benchmarks"))
        return importlib.import_module("interval_coverage")


@pytest.fixture(scope="module")
def published(coverage):
    return pd.read_csv(coverage.FILE)


@pytest.fixture(scope="module")
def families(coverage):
    return coverage.families(*coverage.published())


def test_intervals_hold_the_truth_as_often_as_they_say(published):
    """At five seeds, and at one with a borrowed variance, 93% in every setting; at three, six fall short by a point."""
    short = published[published["coverage"] < 0.93]
    assert set(short["seeds"]) == {3}
    assert len(short) == 6
    assert published["coverage"].min() > 0.92
    several = published[published["borrowed"] == 0].groupby("seeds")["coverage"].median()
    assert several.between(0.94, 0.96).all()
    assert set(published["seeds"]) == {1, 3, 5}


def test_a_small_simulation_of_published_tables_finds_the_same(coverage, published, families):
    """200 studies of one pool: what the table says, give or take three standard errors."""
    family = next(each for each in families if each[:4] == ("mobilenet-25", "fine-tuned", "strategies", "grad_cam"))
    assert [len(matrix) for matrix in family.matrices] == [3, 3, 3]
    rows = pd.DataFrame(coverage.simulated([family], 200))
    keys = ["network", "of", "what", "compared", "seeds", "borrowed", "images"]
    both = rows.merge(published, on=keys, suffixes=("", "_published"), how="left")
    assert (both["coverage"] - both["coverage_published"]).abs().max() < 3 * np.sqrt(0.95 * 0.05 / 200)
    assert both["seed_sd"].tolist() == pytest.approx(both["seed_sd_published"].tolist(), abs=1e-4)
    assert (both["images_needed"] == both["images_needed_published"]).all()
    assert both["coverage"].min() >= 0.88


def test_an_interval_that_leaves_seeds_out_is_found_out(coverage, families, monkeypatch):
    """The simulation can fail: with the variance between seeds taken as 0 too few intervals hold the truth."""
    family = next(each for each in families if each[:4] == ("mobilenet-25", "heads", "masked", "grad_cam"))
    honest = coverage.estimate
    monkeypatch.setattr(coverage, "estimate", lambda part, between: honest(part, between._replace(variance=0.0)))
    found = coverage.simulated([family], 100)["coverage"]
    assert found.max() < 0.9
    assert found.min() < 0.6


def test_comparisons_that_share_a_strategy_share_its_seeds(coverage):
    """a less b and c less a have effects that correlate at minus one half; where training starts there is none."""
    sides = {name: {"strategy": name, "trained_on": "original", "epoch": "last"} for name in "abc"}
    asked = [Asked("lime", sides["a"], sides["b"]), Asked("lime", sides["c"], sides["a"])]
    asked.append(Asked("lime", sides["a"], {**sides["a"], "epoch": "first"}))
    drawn = np.array(coverage._seed_effects(asked, np.array([1.0, 2.0, 1.0]), 20_000, np.random.default_rng(0)))
    assert drawn.std(axis=1) == pytest.approx([1.0, 2.0, 1.0], rel=0.03)
    correlated = np.corrcoef(drawn)
    assert correlated[0, 1] == pytest.approx(-0.5, abs=0.03)
    assert correlated[0, 2] == pytest.approx(np.sqrt(0.5), abs=0.03)
