"""Reliability: Krippendorff's printed example, alpha's definition in plain loops, and tables worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rrr_utils.analyses.reliability import statistics as reliability
from rrr_utils.common import seeds

NAN = float("nan")

# Four observers, twelve units: the example of Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), part
# C, which prints 0.743 (nominal), 0.815 (ordinal), 0.849 (interval) and 0.797 (ratio).
PRINTED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]


def by_definition(ratings):
    """Return ordinal alpha as it is defined, in plain loops: 1 minus observed over expected disagreement."""
    units = [[value for value in column if not np.isnan(value)] for column in np.asarray(ratings, float).T]
    units = [unit for unit in units if len(unit) > 1]
    everything = [value for unit in units for value in unit]
    values = sorted(set(everything))
    count = {value: everything.count(value) for value in values}

    def distance(one, other):
        low, high = min(one, other), max(one, other)
        between = sum(count[value] for value in values if low <= value <= high)
        return (between - (count[low] + count[high]) / 2) ** 2

    observed = sum(
        distance(one, other) / (len(unit) - 1)
        for unit in units
        for place, one in enumerate(unit)
        for other_place, other in enumerate(unit)
        if place != other_place
    ) / len(everything)
    expected = sum(
        distance(one, other)
        for place, one in enumerate(everything)
        for other_place, other in enumerate(everything)
        if place != other_place
    ) / (len(everything) * (len(everything) - 1))
    return 1 - observed / expected


@pytest.mark.parametrize(
    ("level", "printed"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_is_what_krippendorff_prints(level, printed):
    """His example of four observers and twelve units, with values missing, at every level."""
    assert round(reliability.alpha(PRINTED, level), 3) == printed


def test_alpha_is_its_definition():
    """Plain loops give the same, on the printed example and on random ranks with ties and gaps."""
    assert reliability.alpha(PRINTED) == pytest.approx(by_definition(PRINTED))
    draw = seeds.generator("ratings")
    for _ in range(5):
        ranks = reliability.within_ranks(draw.integers(0, 4, (4, 6)).astype(float)).T
        ranks[draw.random(ranks.shape) < 0.2] = NAN
        assert reliability.alpha(ranks) == pytest.approx(by_definition(ranks))


def test_alpha_at_its_ends():
    """Full agreement is 1, independent raters are near 0; equal or single ratings have none."""
    values = np.arange(5.0)[:, None] + np.zeros((1, 7))
    assert reliability.inter_rater(values) == 1
    noise = seeds.generator("noise").normal(size=(5, 400))
    assert abs(reliability.inter_rater(noise)) < 0.02
    assert np.isnan(reliability.alpha([[2, 2], [2, 2]]))
    assert np.isnan(reliability.alpha([[1, NAN], [NAN, 2]]))


def test_ranks_by_hand():
    """The highest value is 1; equals share; a missing one has none; where lower is better the order turns round."""
    values = np.array([[0.9, 0.5, NAN], [0.1, 0.5, 0.3], [0.4, 0.2, 0.8]])
    expected = np.array([[1, 1.5, NAN], [3, 1.5, 2], [2, 3, 1]])
    np.testing.assert_array_equal(reliability.within_ranks(values), expected)
    turned = np.array([[3, 2.5, NAN], [1, 2.5, 1], [2, 1, 2]])
    np.testing.assert_array_equal(reliability.within_ranks(values, lower_is_better=True), turned)


def test_lower_is_better_is_the_same_measure_turned_round():
    """A rate and one minus it rank methods alike once it is said which end is the good one."""
    values = seeds.generator("rates").random((4, 9))
    assert reliability.inter_rater(values) == pytest.approx(reliability.inter_rater(1 - values, lower_is_better=True))


def test_methods_correlate_as_scipy_says():
    """Spearman's correlation of every pair over the images that both have; a constant method has none."""
    values = seeds.generator("values").random((4, 12))
    np.testing.assert_allclose(reliability.inter_method(values), stats.spearmanr(values, axis=1).statistic)
    values[1, 3], values[2] = NAN, 0.5
    found = reliability.inter_method(values)
    both = [place for place in range(12) if place != 3]
    assert found[0, 1] == pytest.approx(stats.spearmanr(values[0, both], values[1, both]).statistic)
    assert np.isnan(found[2, 0])
    assert np.isnan(found[2, 1])


def rows_of(values, measure="m", **more):
    """Return values ``(methods, images)`` as rows."""
    return pd.DataFrame(
        [
            {"measure": measure, "explainer": f"e{method}", "image": f"i{image:02d}", "value": value, **more}
            for method, column in enumerate(values)
            for image, value in enumerate(column)
        ]
    )


def test_the_table_has_the_numbers_of_the_functions():
    """Alpha and mean correlation of each measure, inside their intervals; more images, narrower intervals."""
    draw = seeds.generator("table")
    true = np.arange(5.0)[:, None]
    few, many = (true + 2 * draw.normal(size=(5, n)) for n in (8, 60))
    many[0, 0] = NAN
    table = reliability.reliability_table(pd.concat([rows_of(few, "few"), rows_of(-many, "many")]), ["many"])
    table = table.set_index("measure")
    assert table.loc["few", "alpha"] == pytest.approx(reliability.inter_rater(few))
    assert table.loc["many", "alpha"] == pytest.approx(reliability.inter_rater(many))
    assert table.loc["many", "missing"] == 1
    for name in ("alpha", "rho"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
    width = table["alpha_high"] - table["alpha_low"]
    assert width["many"] < width["few"]
    alone = reliability.reliability_table(rows_of(few[:1])).iloc[0]
    assert np.isnan(alone["alpha"])
    assert alone["verdict"] == "undecided"


def test_seeds_are_raters_of_the_same_images():
    """Two seeds with the same values: the same alpha as of the images twice, and an interval as wide as of one."""
    values = np.arange(4.0)[:, None] + seeds.generator("seeds").normal(size=(4, 10))
    two = pd.concat([rows_of(values, seed=0), rows_of(values, seed=1)])
    table = reliability.reliability_table(two).iloc[0]
    assert table["alpha"] == pytest.approx(reliability.inter_rater(np.tile(values, 2)))
    assert table["images"] == 10
    one = reliability.reliability_table(rows_of(values)).iloc[0]
    assert table["alpha_high"] - table["alpha_low"] == pytest.approx(one["alpha_high"] - one["alpha_low"], abs=0.1)
    matrix = reliability.method_table(two, "m")
    np.testing.assert_allclose(matrix, reliability.inter_method(values))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.81, 0.9, "reliable"),
        (0.7, 0.9, "tentative"),
        (0.5, 0.9, "undecided"),
        (0.1, 0.6, "unreliable"),
        (NAN, NAN, "undecided"),
    ],
)
def test_verdicts_are_krippendorffs_limits(low, high, said):
    """The whole interval decides: from 0.8 reliable, from 0.667 tentative, below it unreliable."""
    assert reliability.verdict(low, high) == said


def test_stability_by_hand():
    """Three images moved by 0.1, -0.2 and 0.1: 0.133 in size, 0 on average; the order of the images stays."""
    before, after = [0.2, 0.5, 0.9, NAN], [0.3, 0.3, 1.0, 0.4]
    after[1] = 0.35
    parts = [
        pd.DataFrame({"image": list("abcd"), "seed": 0, "explainer": "lime", "variant": name, "score": score})
        for name, score in (("", before), ("jpeg", after))
    ]
    (row,) = reliability.stability_table(pd.concat(parts)).to_dict("records")
    assert (row["variant"], row["n"]) == ("jpeg", 3)
    assert row["moved"] == pytest.approx((0.1 + 0.15 + 0.1) / 3)
    assert row["shift"] == pytest.approx(0.05 / 3)
    assert row["rho"] == 1
    assert row["spread"] == pytest.approx(np.std(before[:3], ddof=1))
    assert row["moved_low"] <= row["moved"] <= row["moved_high"]
