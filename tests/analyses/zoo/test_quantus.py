"""Rivals of the score against Quantus, where it is installed: in the benchmarks' environment, .venv-bench."""

import numpy as np
import pytest

from rrr_utils.analyses.zoo import rival_scores as measures

quantus = pytest.importorskip("quantus")


@pytest.fixture
def drawn():
    """40 maps without equal pixels, and masks of a quarter to a half of the image."""
    rng = np.random.default_rng(0)
    masks = np.zeros((40, 20, 20))
    for mask in masks:
        top, left = rng.integers(0, 8, 2)
        mask[top : top + 10, left : left + 12] = 1
    return masks, rng.permutation(40 * 400).reshape(40, 20, 20) / (40 * 400) + 1e-6


def ask(metric, masks, maps):
    same = {"model": None, "x_batch": np.zeros((len(maps), 1, 20, 20)), "y_batch": np.zeros(len(maps), int)}
    return metric(**same, a_batch=maps[:, None], s_batch=masks[:, None])


def test_pointing_game_and_top_pixels(drawn):
    """PointingGame, and TopKIntersection with a tenth of the pixels."""
    masks, maps = drawn
    quiet = {"disable_warnings": True, "abs": False, "normalise": False}
    np.testing.assert_allclose(measures.pointing(masks, maps), ask(quantus.PointingGame(**quiet), masks, maps))
    top = ask(quantus.TopKIntersection(k=40, **quiet), masks, maps)
    np.testing.assert_allclose(measures.top_inside(masks, maps), top)
