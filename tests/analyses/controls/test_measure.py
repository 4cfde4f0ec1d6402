"""Controls of the score: maps that know nothing, normalisations by hand, the cascade, and what the tests compare."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rrr_utils import metric
from rrr_utils.analyses.controls import measure as controls
from rrr_utils.analyses.controls import statistics
from rrr_utils.common import paths
from rrr_utils.statistics import variant_table
from rrr_utils.study import analysis as analyses

BLOCKS = {"conv1": ("conv1",), "conv2": ("conv2",), "dense": ("dense_1", "logits")}


def test_the_gaussian_has_the_masks_mean_and_stands_in_the_middle():
    """Small, large and lopsided masks: maximum 1, the mask's mean, symmetric; good at a mask in the middle alone."""
    masks = np.zeros((4, 20, 30))
    masks[0, 9:11, 14:16] = 1
    masks[1, :15] = 1
    masks[2, :3, :3] = 1
    masks[3, 5:15, 8:22] = 1
    maps = controls.gaussian(masks)
    assert maps.max(axis=(1, 2)).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), masks.mean(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(maps, maps[:, ::-1, ::-1], atol=1e-6)
    score, chance = metric.score(masks, maps), metric.chance(masks)
    assert score[3] > 1.8 * chance[3]
    assert score[2] < 0.1 * chance[2]


def test_a_gaussian_at_the_ends():
    """A mask that covers everything has a flat map, one of a single pixel the narrowest; an empty one is refused."""
    masks = np.zeros((2, 8, 8))
    masks[0] = 1
    masks[1, 3, 3] = 1
    full, single = controls.gaussian(masks)
    np.testing.assert_allclose(full, 1, atol=1e-6)
    assert single.sum() == pytest.approx(4)  # the four pixels about the middle
    with pytest.raises(ValueError, match="Mask 1 is empty"):
        controls.gaussian(masks * np.array([1, 0])[:, None, None])


def test_edges_of_a_square_by_hand():
    """A white square on black has its relevance on the two pixels about its border and none inside or outside."""
    image = np.zeros((1, 12, 12, 3))
    image[:, 3:9, 3:9] = 255
    (edges,) = controls.edges(image)
    assert edges.max() == 1
    assert edges[5:7, 5:7].max() == 0
    assert edges[0].max() == 0
    assert (edges[5, [2, 3, 8, 9]] > 0.9 * edges[5].max()).all()
    assert controls.edges(np.full((1, 6, 6, 3), 77)).max() == 0


def test_normalisations_by_hand():
    """From -2 to 4: by absolute value 0.5, 0, 1; by min-max 0, 1/3, 1. A flat map has nothing to scale."""
    signed = np.array([[[-2.0, 0.0, 4.0]]])
    np.testing.assert_allclose(controls.normalised(signed, "absolute"), [[[0.5, 0, 1]]])
    np.testing.assert_allclose(controls.normalised(signed, "min-max"), [[[0, 1 / 3, 1]]])
    assert controls.normalised(np.full((1, 2, 2), 0.3), "min-max").max() == 0
    with pytest.raises(ValueError, match=r"`how` must be one of .*Did you mean 'min-max'\?"):
        controls.normalised(signed, "minmax")


def test_the_cascade_goes_from_the_head_down_to_everything():
    """One block more each time; the last stage leaves nothing trained."""
    assert controls.cascade(BLOCKS) == {
        "randomised head": ("dense",),
        "randomised down to conv2": ("conv2", "dense"),
        "randomised all": ("conv1", "conv2", "dense"),
    }
    assert list(controls.names(controls.cascade(BLOCKS)).values()) == ["head", "down to conv2", "all"]


def test_similarity_is_spearmans_and_missing_for_a_flat_map():
    """Small maps are compared pixel by pixel; a monotone change changes nothing, the reverse is -1."""
    draw = np.random.default_rng(0)
    maps, others = draw.random((2, 3, 8, 8))
    expected = [stats.spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(maps, others)]
    np.testing.assert_allclose(controls.similarity(maps, others), expected)
    np.testing.assert_allclose(controls.similarity(maps, np.exp(3 * maps)), 1)
    np.testing.assert_allclose(controls.similarity(maps, 1 - maps), -1)
    assert np.isnan(controls.similarity(maps, np.zeros_like(maps))).all()


def table(variant, scores, *, explainer="grad_cam", protocol="ours", correct=True, seed=0):
    return pd.DataFrame(
        {
            "image": [f"i{number}" for number in range(len(scores))],
            "seed": seed,
            "split": "test",
            "explainer": explainer,
            "protocol": protocol,
            "variant": variant,
            "design": "",
            "samples": 0,
            "score": scores,
            "chance": 0.3,
            "correct": correct,
            "zero_map": np.isnan(scores),
        }
    )


@pytest.fixture
def scores():
    """Four images, the last one wrong; two explainers, a trivial map, a random network that is right on others."""
    right = [True, True, True, False]
    parts = [
        table("", [0.6, 0.7, 0.8, 0.1], correct=right),
        table("", [0.5, 0.5, 0.6, 0.9], explainer="lime", correct=right),
        table("gaussian", [0.4, 0.5, 0.6, 0.7], explainer="none", correct=right),
        table("randomised all", [0.3, np.nan, 0.4, 0.5], correct=[False, False, False, True]),
        table("randomised all", [0.5, 0.5, 0.6, 0.5], explainer="lime", correct=[False, False, False, True]),
        table("", [0.4, 0.5, 0.5, 0.1], protocol="authors", correct=right),
        table("", [0.8, 0.8, 0.8, 0.1], protocol="authors", explainer="lime", correct=right),
    ]
    return pd.concat(parts, ignore_index=True)


def test_compared_are_the_images_that_the_trained_network_gets_right(scores):
    """The random network's own answers do not decide; the wrong image is gone from every variant."""
    right = statistics.on_correct(scores)
    assert set(right["image"]) == {"i0", "i1", "i2"}
    assert len(right) == 7 * 3
    with pytest.raises(ValueError, match="no rows of the network as it was trained"):
        statistics.on_correct(scores[scores["variant"] != ""])


def test_paired_differences_by_hand(scores):
    """Each explainer minus the trivial map, minus its random self (zero maps left out), and theirs minus ours."""
    right = statistics.on_correct(scores)
    trivial = statistics.against_trivial(right, ["gaussian"]).set_index("explainer")
    assert trivial["difference"].to_dict() == pytest.approx({"grad_cam": 0.2, "lime": 0.1 / 3})
    random = statistics.against_variants(right, ["randomised all"]).set_index("explainer")
    assert random["difference"].to_dict() == pytest.approx({"grad_cam": 0.35, "lime": 0.0})
    assert random["n"].to_dict() == {"grad_cam": 2, "lime": 3}
    theirs = statistics.against_authors(right).set_index("explainer")
    assert theirs["difference"].to_dict() == pytest.approx({"grad_cam": -0.7 / 3, "lime": 0.8 / 3})


def test_the_ranking_changes_with_the_protocol(scores):
    """Ours puts Grad-CAM (0.7) before LIME (0.53), theirs LIME (0.8) before Grad-CAM (0.47)."""
    ranks = statistics.ranking(statistics.on_correct(scores))
    assert ranks["ours"].to_dict() == {"grad_cam": 1, "lime": 2}
    assert ranks["authors"].to_dict() == {"grad_cam": 2, "lime": 1}


def test_similarities_are_averaged_in_the_cascades_order():
    """The mean with its interval; a missing pair is counted and left out; the order of the rows stays."""
    rows = pd.DataFrame(
        {
            "explainer": "lime",
            "variant": ["randomised head"] * 3 + ["randomised all"] * 3,
            "seed": 0,
            "image": list("abc") * 2,
            "similarity": [0.8, 0.9, 1.0, 0.1, np.nan, 0.3],
        }
    )
    found = statistics.similarity_table(rows)
    assert found["variant"].tolist() == ["randomised head", "randomised all"]
    np.testing.assert_allclose(found["mean"], [0.9, 0.2])
    assert found["missing"].tolist() == [0, 1]
    assert (found["low"] < found["mean"]).all()


def test_numbers_have_names_without_spaces(scores):
    """What pages glue: every number finite or missing, every name one word."""
    right = statistics.on_correct(scores)
    survived = pd.DataFrame(
        {"explainer": ["lime"], "variant": ["randomised all"], "mean": 0.1, "low": 0.0, "high": 0.2}
    )
    numbers = statistics.control_numbers(
        variant_table(right),
        statistics.against_trivial(right, ["gaussian"]),
        statistics.against_variants(right, ["randomised all"]),
        survived,
        statistics.against_variants(right, ["randomised all"]),
        statistics.against_authors(right),
    )
    assert all(" " not in name for name in numbers)
    assert numbers["score_grad_cam_trained"] == pytest.approx(0.7)
    assert numbers["score_grad_cam_authors"] == pytest.approx(1.4 / 3)
    assert numbers["zero_maps_grad_cam_randomised_all"] == 1
    assert numbers["similar_randomised_all_lime_high"] == 0.2
    assert (numbers["chance"], numbers["n_images"], numbers["n_seeds"]) == (pytest.approx(0.3), 3, 1)


def test_every_kind_of_analysis_has_a_notebook():
    """The names in a study file lead to notebooks that are there."""
    for notebook in (kind.notebook for kind in analyses.KINDS.values()):
        assert (paths.root() / "notebooks" / f"{notebook}.ipynb").is_file()
