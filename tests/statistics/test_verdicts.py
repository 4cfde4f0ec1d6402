"""Verdicts and the numbers that the pages quote."""

import pandas as pd
import pytest

from rrr_utils.statistics import verdicts


def scores(**changes):
    """Return one row of a summary of scores."""
    row = {
        "data": "d",
        "network": "n",
        "strategy": "all",
        "trained_on": "original",
        "epoch": 2,
        "split": "test",
        "explainer": "lime",
        "cohort": "common",
        "mean": 0.4,
        "low": 0.3,
        "high": 0.5,
        "n": 30,
        "images": 10,
        "seeds": 3,
        "zero_maps": 0,
        "chance": 0.25,
        "above": 0.15,
        "above_low": 0.05,
        "above_high": 0.25,
    }
    return row | changes


def shifts(**changes):
    """Return one row of a summary of accuracies."""
    row = {"data": "d", "network": "n", "strategy": "all", "trained_on": "original", "epoch": 2}
    row |= {"background": "random", "mean": 0.6, "low": 0.5, "high": 0.7, "n": 40, "seeds": 3}
    return row | changes


def summary(score_rows, shift_rows):
    return {"scores": pd.DataFrame(score_rows), "shift": pd.DataFrame(shift_rows)}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, "above chance"),
        (-0.2, -0.01, "below chance"),
        (-0.1, 0.1, "not told from chance"),
        (0.0, 0.1, "not told from chance"),
        (float("nan"), 0.1, "not measured"),
    ],
)
def test_the_verdict_is_what_the_interval_says(low, high, verdict):
    """Only an interval that leaves zero out decides."""
    assert verdicts.against_chance(low, high) == verdict


def test_one_seed_decides_nothing():
    """However clear the interval, a single seed is undecided."""
    table = verdicts.last_scores(summary([scores(seeds=1)], [shifts()]))
    assert table["verdict"].tolist() == ["undecided (one seed)"]
    table = verdicts.last_scores(summary([scores()], [shifts()]))
    assert table["verdict"].tolist() == ["above chance"]


def test_only_the_last_epoch_of_the_common_test_cohort_is_quoted():
    """Earlier epochs, training images and other cohorts stay out."""
    rows = [scores(mean=0.1, epoch=1), scores(mean=0.2, split="train"), scores(mean=0.3, cohort="own"), scores()]
    assert verdicts.last_scores(summary(rows, [shifts()]))["mean"].tolist() == [0.4]


def test_numbers_have_the_names_that_the_pages_use():
    """One network: short names; two: each name begins with its place."""
    found = verdicts.numbers(summary([scores()], [shifts()]))
    assert found["score_original_lime"] == 0.4
    assert found["above_original_lime_low"] == 0.05
    assert found["accuracy_original_random_high"] == 0.7
    assert (found["chance"], found["n_images"], found["n_test"], found["n_seeds"]) == (0.25, 10, 40, 3)
    rows = [scores(), scores(network="m", mean=0.9)]
    found = verdicts.numbers(summary(rows, [shifts(), shifts(network="m")]))
    assert found["score_d_m_all_original_lime"] == 0.9
    assert "score_original_lime" not in found
    assert (found["n_test_d_m_all"], found["n_seeds_d_m_all"], found["n_images_d_m_all"]) == (40, 3, 10)


def test_where_kinds_of_training_are_compared_their_numbers_are_quoted():
    """The strategies of another network, hundreds of numbers in a large study, are left to the page of claims."""
    runs = [{}, {"trained_on": "masked"}, {"network": "m", "strategy": "dense"}, {"network": "m"}]
    found = verdicts.numbers(summary([scores(**run) for run in runs], [shifts(**run) for run in runs]))
    assert found["score_d_n_all_masked_lime"] == 0.4
    assert not [name for name in found if "_m_" in name]


def test_kinds_of_training_are_compared_within_a_strategy_and_strategies_otherwise():
    """Two kinds: a panel a strategy. One kind: one panel of strategies. Every run is in exactly one panel."""
    columns = ["data", "network", "strategy", "trained_on"]
    runs = [("d", "a", "all", "original"), ("d", "a", "all", "masked"), ("d", "a", "dense", "original")]
    runs += [("d", "b", "all", "original"), ("d", "b", "dense", "original")]
    table = pd.DataFrame(runs, columns=columns)
    found = verdicts.panels(table)
    assert [(panel.title, panel.hue) for panel in found] == [
        ("a on d, all", "trained_on"),
        ("a on d, dense", "trained_on"),
        ("b on d", "strategy"),
    ]
    assert sorted(place for panel in found for place in panel.rows(table).index) == [0, 1, 2, 3, 4]
