"""The mixed model against the analysis of variance of a balanced table, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from rrr_utils import statistics
from rrr_utils.statistics.mixed_models import fit


def table(differences):
    """Return one row a seed (rows) and image (columns)."""
    seeds, images = differences.shape
    rows = [(seed, f"i{image}", differences[seed, image]) for seed in range(seeds) for image in range(images)]
    return pd.DataFrame(rows, columns=["seed", "image", "difference"])


def drawn(seed_sd, seeds=4, images=30):
    rng = np.random.default_rng(1)
    of_seed, of_image = rng.normal(0, seed_sd, (seeds, 1)), rng.normal(0, 0.1, (1, images))
    return 0.05 + of_seed + of_image + rng.normal(0, 0.05, (seeds, images))


def test_a_balanced_table_gives_the_mean_squares_answer():
    """REML of two crossed random effects is what mean squares give: s, i and rest, and the error of the mean."""
    d = drawn(0.08)
    seeds, images = d.shape
    of_seed = images * ((d.mean(1) - d.mean()) ** 2).sum() / (seeds - 1)
    of_image = seeds * ((d.mean(0) - d.mean()) ** 2).sum() / (images - 1)
    rest = d - d.mean(1, keepdims=True) - d.mean(0, keepdims=True) + d.mean()
    rest = (rest**2).sum() / ((seeds - 1) * (images - 1))
    found = fit(table(d))
    assert found["difference"] == pytest.approx(d.mean())
    assert found["seed_sd"] == pytest.approx(np.sqrt((of_seed - rest) / images), rel=1e-2)
    assert found["image_sd"] == pytest.approx(np.sqrt((of_image - rest) / seeds), rel=1e-2)
    assert found["rest_sd"] == pytest.approx(np.sqrt(rest), rel=1e-2)
    error = np.sqrt((of_seed + of_image - rest) / (seeds * images))
    # Student's t at 97.5% with three degrees of freedom is 3.182.
    assert found["high"] - found["difference"] == pytest.approx(3.182 * error, rel=2e-2)
    assert (found["n"], found["seeds"]) == (30, 4)


def test_seeds_that_differ_widen_the_interval():
    """The same images and rest: with seeds far apart the mean of another training is less sure."""
    near, far = fit(table(drawn(0.0))), fit(table(drawn(0.2)))
    assert near["seed_sd"] < 0.02 < 0.1 < far["seed_sd"]
    assert near["high"] - near["low"] < far["high"] - far["low"]


def test_one_seed_is_not_fitted():
    """What one training does says nothing of another: only the counts are there."""
    found = fit(table(drawn(0.1)[:1]))
    assert np.isnan([found["difference"], found["low"], found["seed_sd"]]).all()
    assert (found["n"], found["seeds"]) == (30, 1)


def test_sides_are_named_and_compared_on_the_same_images():
    """A zero map on one side leaves out its image under that seed; a side that names nothing is refused."""
    rows = []
    for strategy, value in (("dense", 0.4), ("all", 0.5)):
        for seed in (0, 1):
            for image in range(5):
                zero = strategy == "all" and seed == 1 and image == 4
                rows.append(
                    {
                        "study": "s",
                        "data": "d",
                        "network": "n",
                        "trained_on": "original",
                        "strategy": strategy,
                        "seed": seed,
                        "epoch": 1,
                        "split": "test",
                        "image": f"i{image}",
                        "correct": True,
                        "explainer": "lime",
                        "protocol": "ours",
                        "mask_source": "outlines",
                        "design": "",
                        "samples": 0,
                        "variant": "",
                        "chance": 0.2,
                        "zero_map": zero,
                        "score": np.nan if zero else value + 0.01 * image * (strategy == "all") + 0.002 * seed,
                    }
                )
    scores = pd.DataFrame(rows)
    (found,) = statistics.mixed(scores, {"strategy": "all"}, {"strategy": "dense"}).to_dict("records")
    assert found["explainer"] == "lime"
    assert (found["n"], found["seeds"]) == (5, 2)
    assert found["difference"] == pytest.approx(0.12, abs=0.005)
    with pytest.raises(ValueError, match="`b` names no row"):
        statistics.mixed(scores, {"strategy": "all"}, {"strategy": "head"})
