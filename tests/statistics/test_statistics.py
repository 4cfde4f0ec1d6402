"""Means, intervals, cohorts, paired tests and summary tables."""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from statsmodels.stats import multitest, proportion

from rrr_utils import statistics
from rrr_utils.common import seeds
from rrr_utils.statistics import intervals

KEY = {"study": "s", "data": "d", "network": "n"}
RUN = ["study", "data", "network", "strategy", "trained_on"]


def rows(scores, *, correct=None, chance=0.25, image=None, **key):
    """Return one row an image, named a, b, c ...; a NaN score is a zero map."""
    values = np.asarray(scores, dtype=float)
    names = image or [chr(ord("a") + place) for place in range(len(values))]
    defaults = KEY | {"strategy": "all", "trained_on": "original", "seed": 0, "epoch": 1, "split": "test"}
    frame = pd.DataFrame(
        {
            "image": names,
            "score": values,
            "chance": np.broadcast_to(chance, len(values)).astype(float),
            "correct": np.ones(len(values), bool) if correct is None else np.asarray(correct, bool),
            "zero_map": np.isnan(values),
        }
    )
    return frame.assign(**(defaults | {"explainer": "grad_cam"} | key))


def table(*parts):
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def study():
    """Two kinds of training, two epochs and two seeds of six images with known right and wrong answers.

    Right answers (1) of images a to f:

        seed 0   original  epoch 1   1 1 1 0 0 1        seed 1   original  epoch 1   1 1 1 1 0 1
                           epoch 2   1 1 0 1 0 1                           epoch 2   1 1 1 1 0 1
                 swapped   epoch 1   1 0 1 1 1 1                 swapped   epoch 1   1 1 1 1 1 0
                           epoch 2   1 1 1 1 1 1                           epoch 2   1 1 1 0 1 1
        always right         a f                                always right         a b c
    """
    right = {
        (0, "original", 1): "111001",
        (0, "original", 2): "110101",
        (0, "swapped", 1): "101111",
        (0, "swapped", 2): "111111",
        (1, "original", 1): "111101",
        (1, "original", 2): "111101",
        (1, "swapped", 1): "111110",
        (1, "swapped", 2): "111011",
    }
    random = np.random.default_rng(3)
    return table(
        *(
            rows(
                random.random(6).round(2),
                correct=[letter == "1" for letter in letters],
                chance=np.linspace(0.1, 0.35, 6),
                seed=seed,
                trained_on=trained_on,
                epoch=epoch,
                explainer=explainer,
            )
            for (seed, trained_on, epoch), letters in right.items()
            for explainer in ("grad_cam", "lime")
        )
    )


def images(frame, seed):
    return set(frame.loc[frame["seed"] == seed, "image"])


def test_the_authors_cohort_is_the_first_correct_by_name_at_each_epoch(study):
    """Two images of each run at each epoch, in the order of names and not of rows; with enough of them, `own`."""
    shuffled = study.sample(frac=1, random_state=5)
    chosen = statistics.cohort(shuffled, "authors", first=2)
    runs = chosen[chosen["seed"] == 0].groupby(["trained_on", "epoch", "explainer"])["image"].agg(lambda x: sorted(x))
    assert {key: "".join(names) for key, names in runs.items()} == {
        (trained_on, epoch, explainer): names
        for (trained_on, epoch), names in {
            ("original", 1): "ab",
            ("original", 2): "ab",
            ("swapped", 1): "ac",
            ("swapped", 2): "ab",
        }.items()
        for explainer in ("grad_cam", "lime")
    }
    assert chosen["correct"].all()
    # Rows keep their places: only fewer of them.
    assert chosen.index.tolist() == [row for row in shuffled.index if row in chosen.index]
    assert_frame_equal(statistics.cohort(study, "authors"), statistics.cohort(study, "own"))
    with pytest.raises(ValueError, match="`first` must be at least 1, but 0"):
        statistics.cohort(study, "authors", first=0)


def test_the_authors_cohort_takes_each_split_for_itself_and_fewer_where_fewer_are_right():
    """Training and test images have two places each; one that is right in one split alone takes none in the other."""
    scores = table(
        rows([0.1, 0.2, 0.3], image=["c", "a", "b"], correct=[True, True, True], split="train"),
        rows([0.4, 0.5, 0.6], image=["f", "e", "d"], correct=[True, False, False], split="test"),
    )
    chosen = statistics.cohort(scores, "authors", first=2)
    assert chosen.groupby("split")["image"].agg(sorted).to_dict() == {"train": ["a", "b"], "test": ["f"]}
    mean = statistics.average(scores, ["split"], cohort="authors", first=2).set_index("split")["mean"]
    assert mean.to_dict() == pytest.approx({"train": 0.25, "test": 0.4})


def test_common_cohort_by_hand(study):
    """The common cohort holds the images that every run of a seed gets right at every epoch."""
    common = statistics.cohort(study, "common")
    assert images(common, 0) == {"a", "f"}
    assert images(common, 1) == {"a", "b", "c"}
    assert len(common) == 2 * 8 + 3 * 8


def test_common_cohort_ignores_untrained_epochs(study):
    """An ignored epoch does not decide who is in, and its rows stay."""
    common = statistics.cohort(study, "common", ignore_epochs=[1])
    assert images(common, 0) == {"a", "b", "d", "f"}
    assert set(common["epoch"]) == {1, 2}
    with pytest.raises(ValueError, match="leaves no epoch"):
        statistics.cohort(study, "common", ignore_epochs=[1, 2])


def test_common_cohort_leaves_out_an_image_that_one_run_did_not_score(study):
    """An image missing from one run would change the composition of its mean, so it is in none."""
    missing = (study["image"] == "a") & (study["trained_on"] == "swapped") & (study["epoch"] == 2)
    assert images(statistics.cohort(study[~missing], "common"), 0) == {"f"}


def test_own_and_all_cohorts(study):
    """Own keeps each row that is right, all keeps every row, both in order."""
    assert_frame_equal(statistics.cohort(study, "own"), study[study["correct"]])
    assert_frame_equal(statistics.cohort(study, "all"), study)
    with pytest.raises(ValueError, match="must be one of"):
        statistics.cohort(study, "fixed")


def test_average_by_hand():
    """Mean, chance and their difference over the right images with a map; the zero map is counted beside.

    image     a     b     c     d     e
    score     0.2   0.4   -     0.6   0.9
    chance    0.1   0.3   0.2   0.2   0.2
    right     1     1     1     1     0      mean (0.2 + 0.4 + 0.6) / 3 = 0.4, chance (0.1 + 0.3 + 0.2) / 3 = 0.2
    """
    scores = rows([0.2, 0.4, np.nan, 0.6, 0.9], correct=[1, 1, 1, 1, 0], chance=[0.1, 0.3, 0.2, 0.2, 0.2])
    (row,) = statistics.average(scores, ["explainer"], cohort="own").to_dict("records")
    assert row["explainer"] == "grad_cam"
    assert row["cohort"] == "own"
    assert (row["n"], row["images"], row["seeds"], row["zero_maps"]) == (3, 3, 1, 1)
    assert_allclose([row["mean"], row["chance"], row["above"]], [0.4, 0.2, 0.2])
    assert 0.2 <= row["low"] < 0.4 < row["high"] <= 0.6
    assert row["above_low"] < 0.2 < row["above_high"]
    (row,) = statistics.average(scores, ["explainer"], cohort="all").to_dict("records")
    assert_allclose(row["mean"], 2.1 / 4)


def test_interval_of_one_seed_is_scipys_bca_and_near_the_normal_one():
    """For many images the bootstrap interval agrees with mean +- 1.96 standard errors."""
    values = np.random.default_rng(0).beta(2, 5, 400)
    (row,) = statistics.average(rows(values, image=[f"i{n}" for n in range(400)]), [], resamples=9999).to_dict(
        "records"
    )
    error = 1.959964 * values.std(ddof=1) / math.sqrt(400)
    assert_allclose([row["low"], row["high"]], [values.mean() - error, values.mean() + error], atol=0.06 * error)


def test_interval_of_several_seeds_agrees_with_the_analysis_of_variance():
    """Drawing seeds and images again has the variance var(seed)/S + var(image)/I + var(rest)/(S I)."""
    random = np.random.default_rng(1)
    n_seeds, n_images = 8, 60
    matrix = 0.5 + 0.05 * random.normal(size=(n_seeds, 1)) + 0.08 * random.normal(size=(1, n_images))
    matrix += 0.03 * random.normal(size=matrix.shape)
    names = [f"i{n:02}" for n in range(n_images)]
    scores = table(*(rows(line, seed=seed, image=names) for seed, line in enumerate(matrix)))
    (row,) = statistics.average(scores, [], resamples=9999).to_dict("records")
    of_seed, of_image = matrix.mean(1) - matrix.mean(), matrix.mean(0) - matrix.mean()
    rest = matrix - matrix.mean() - of_seed[:, None] - of_image[None]
    variance = of_seed.var() / n_seeds + of_image.var() / n_images + rest.var() / (n_seeds * n_images)
    assert_allclose(row["mean"], matrix.mean())
    assert_allclose(row["high"] - row["low"], 2 * 1.959964 * math.sqrt(variance), rtol=0.05)
    assert row["seeds"] == n_seeds
    assert row["n"] == n_seeds * n_images


def test_more_seeds_are_not_more_images():
    """Three runs that score every image alike say no more about images than one of them does."""
    values = np.random.default_rng(2).random(50)
    names = [f"i{n:02}" for n in range(50)]
    one = statistics.average(rows(values, image=names), [], resamples=9999)
    three = statistics.average(table(*(rows(values, image=names, seed=s) for s in range(3))), [], resamples=9999)
    width = [frame["high"].iloc[0] - frame["low"].iloc[0] for frame in (one, three)]
    assert_allclose(width[1], width[0], rtol=0.05)


def test_average_does_not_depend_on_order_or_on_other_groups(study):
    """The same rows give the same interval, shuffled, alone or among others; another seed gives another."""
    by = ["trained_on", "epoch", "explainer"]
    whole = statistics.average(study, by, cohort="own")
    shuffled = statistics.average(study.sample(frac=1, random_state=0), by, cohort="own")
    assert_frame_equal(whole, shuffled)
    lime = statistics.average(study[study["explainer"] == "lime"], by, cohort="own")
    assert_frame_equal(whole[whole["explainer"] == "lime"].reset_index(drop=True), lime)
    assert not whole["low"].equals(statistics.average(study, by, cohort="own", seed=1)["low"])


def test_average_stays_in_range(study):
    """Means lie inside their intervals and intervals inside [0, 1]."""
    means = statistics.average(study, ["trained_on", "epoch", "explainer"], cohort="all")
    assert (means["low"].between(0, means["mean"]) & means["high"].between(means["mean"], 1)).all()
    narrow = statistics.average(study, ["trained_on", "epoch", "explainer"], cohort="all", confidence=0.5)
    assert ((narrow["high"] - narrow["low"]) < (means["high"] - means["low"])).all()


@pytest.mark.parametrize(
    ("values", "correct", "n", "mean", "interval"),
    [
        ([0.3, 0.4], [0, 0], 0, math.nan, math.nan),
        ([np.nan, np.nan], [1, 1], 0, math.nan, math.nan),
        ([0.3, 0.4], [1, 0], 1, 0.3, math.nan),
        ([0.3, 0.3, 0.3], [1, 1, 1], 3, 0.3, 0.3),
    ],
    ids=["none right", "zero maps only", "one image", "no spread"],
)
def test_groups_without_enough_images_stay_in_the_table(values, correct, n, mean, interval):
    """A group with nothing to average is listed with n 0 and NaN, not dropped."""
    (row,) = statistics.average(rows(values, correct=correct), ["explainer"]).to_dict("records")
    assert row["n"] == n
    assert_allclose([row["mean"], row["low"], row["high"]], [mean, interval, interval])


def test_a_mean_must_not_mix_what_does_not_compare(study):
    """Two explainers, or one table read twice, in one mean are refused with the remedy."""
    with pytest.raises(ValueError, match=r"different values of 'explainer'.*Put it into `by`"):
        statistics.average(study, ["trained_on", "epoch"])
    with pytest.raises(ValueError, match="stands twice"):
        statistics.average(table(study, study), ["trained_on", "epoch", "explainer"])
    with pytest.raises(ValueError, match="needs the column 'explainers'"):
        statistics.average(study, ["explainers"])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("score", 1.2, "must lie in"), ("score", np.nan, "NaN exactly where"), ("zero_map", True, "NaN exactly where")],
)
def test_impossible_scores_are_refused(column, value, message):
    """A score above 1, or one that is missing without being a zero map, is refused with its image."""
    scores = rows([0.2, 0.4])
    scores.loc[1, column] = value
    with pytest.raises(ValueError, match=rf"(?s){message}.*'b'|'b'.*{message}|{message}.*image 'b'"):
        statistics.average(scores, ["explainer"])


def two_strategies(seeds=(0,), explainers=("grad_cam",)):
    """Five images that gain 0.1, 0.2, 0.3, 0.4, 0.5 from dense to blocks4-5, under each seed and explainer."""
    base = np.array([0.1, 0.2, 0.3, 0.4, 0.45])
    gains = {"dense": 0.0, "blocks4-5": np.array([0.1, 0.2, 0.3, 0.4, 0.5])}
    return table(
        *(
            rows(base + gain, seed=seed, strategy=strategy, explainer=explainer)
            for seed, explainer, (strategy, gain) in product(seeds, explainers, gains.items())
        )
    )


def test_paired_by_hand():
    """Five gains, all positive: the difference is 0.3 and the exact p of the signed rank test is 2 / 2**5."""
    (row,) = statistics.paired(two_strategies(), {"strategy": "blocks4-5"}, {"strategy": "dense"}).to_dict("records")
    assert_allclose([row["mean_a"], row["mean_b"], row["difference"], row["p"]], [0.59, 0.29, 0.3, 0.0625])
    assert row["n"] == 5
    assert 0.1 <= row["low"] < 0.3 < row["high"] <= 0.5
    assert row["a"] == "strategy=blocks4-5"


def test_paired_turned_round_changes_the_sign_only():
    """a against b and b against a have opposite differences and the same p."""
    scores = two_strategies()
    forth = statistics.paired(scores, {"strategy": "blocks4-5"}, {"strategy": "dense"})
    back = statistics.paired(scores, {"strategy": "dense"}, {"strategy": "blocks4-5"})
    assert_allclose(back["difference"], -forth["difference"])
    assert_allclose(back["p"], forth["p"])


def test_paired_counts_an_image_once_however_many_seeds():
    """Repeating the runs under three seeds leaves n and p as they were."""
    scores = two_strategies(seeds=(0, 1, 2))
    (row,) = statistics.paired(scores, {"strategy": "blocks4-5"}, {"strategy": "dense"}).to_dict("records")
    assert (row["n"], row["seeds"]) == (5, 3)
    assert_allclose([row["difference"], row["p"]], [0.3, 0.0625])


def test_paired_leaves_out_images_without_a_map_on_either_side():
    """A zero map under one strategy takes the image out of both sides."""
    scores = two_strategies()
    scores.loc[(scores["image"] == "e") & (scores["strategy"] == "dense"), ["score", "zero_map"]] = [np.nan, True]
    (row,) = statistics.paired(scores, {"strategy": "blocks4-5"}, {"strategy": "dense"}).to_dict("records")
    assert row["n"] == 4
    assert_allclose([row["mean_a"], row["mean_b"], row["difference"]], [0.5, 0.25, 0.25])


def test_paired_says_how_many_images_the_poorest_seed_has():
    """Two of five images have no map under one seed: five images in all, three of that seed, none without images."""
    scores = two_strategies(seeds=(0, 1, 2))
    gone = (scores["seed"] == 1) & scores["image"].isin(["d", "e"]) & (scores["strategy"] == "dense")
    scores.loc[gone, ["score", "zero_map"]] = [np.nan, True]
    sides = {"strategy": "blocks4-5"}, {"strategy": "dense"}
    (row,) = statistics.paired(scores, *sides).to_dict("records")
    assert (row["n"], row["fewest"], row["seeds"]) == (5, 3, 3)
    (row,) = statistics.paired(scores.assign(correct=False), *sides).to_dict("records")
    assert row["fewest"] == 0


def test_paired_without_any_difference_or_any_image():
    """Equal scores give p 1; a cohort without images gives NaN and does not break Holm's correction."""
    same = table(rows([0.1, 0.2, 0.3], strategy="dense"), rows([0.1, 0.2, 0.3], strategy="all"))
    (row,) = statistics.paired(same, {"strategy": "all"}, {"strategy": "dense"}).to_dict("records")
    assert_allclose([row["difference"], row["p"], row["p_holm"]], [0, 1, 1])
    wrong = same.assign(correct=False)
    (row,) = statistics.paired(wrong, {"strategy": "all"}, {"strategy": "dense"}).to_dict("records")
    assert row["n"] == 0
    assert math.isnan(row["p"])
    assert math.isnan(row["p_holm"])


def test_paired_refuses_what_is_not_there_or_not_two():
    """A side that names no row, or both sides the same, is an error that says which."""
    scores = two_strategies()
    with pytest.raises(ValueError, match="`a` names no row"):
        statistics.paired(scores, {"strategy": "head"}, {"strategy": "dense"})
    with pytest.raises(ValueError, match="must differ"):
        statistics.paired(scores, {"strategy": "dense"}, {"strategy": "dense"})


def test_holm_by_hand():
    """p = 0.01, 0.04, 0.03 become 3 x 0.01, and 2 x 0.03 for both of the others; NaN is not counted."""
    tests = [pd.DataFrame({"p": [0.01, np.nan]}), pd.DataFrame({"p": [0.04, 0.03]})]
    assert_allclose(statistics.holm(*tests)["p_holm"], [0.03, np.nan, 0.06, 0.06])
    p = np.random.default_rng(0).beta(0.3, 1, 40)
    assert_allclose(statistics.holm(pd.DataFrame({"p": p}))["p_holm"], multitest.multipletests(p, method="holm")[1])


def test_paired_corrects_over_its_rows():
    """Four explainers are four tests: each p is multiplied by four."""
    names = ("grad_cam", "grad_cam_plus_plus", "lime", "occlusion")
    tests = statistics.paired(two_strategies(explainers=names), {"strategy": "blocks4-5"}, {"strategy": "dense"})
    assert tests["explainer"].tolist() == sorted(names)
    assert_allclose(tests["p_holm"], 4 * tests["p"])


def test_proportion_interval_is_wilsons_formula():
    """45 of 50 against (p + z2/2n +- z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n); 0 of n starts at 0."""
    n, p, z = 50, 0.9, 1.959964
    centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [(centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)]
    assert_allclose(statistics.proportion_interval(45, 50), expected, rtol=1e-6)
    low, high = statistics.proportion_interval(0, 20)
    assert low == pytest.approx(0)
    assert 0.1 < high < 0.2
    for k, n in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="0 <= k <= n"):
            statistics.proportion_interval(k, n)


def test_wilsons_and_newcombes_intervals_are_those_of_statsmodels():
    """To 1e-14, for whole counts and means of counts, at the ends, for few and many, at three levels."""
    draw = seeds.generator("proportions")
    for confidence in (0.9, 0.95, 0.99):
        for n1, n2 in ((1, 1), (7, 40), (2500, 300)):
            for k1, k2 in ((0, 0), (n1, 0), (n1, n2), (n1 // 2, n2 // 3), (n1 * draw.random(), n2 * draw.random())):
                known = proportion.proportion_confint(k1, n1, alpha=1 - confidence, method="wilson")
                assert_allclose(statistics.proportion_interval(k1, n1, confidence), known, rtol=0, atol=1e-14)
                known = proportion.confint_proportions_2indep(
                    k1, n1, k2, n2, method="newcomb", compare="diff", alpha=1 - confidence
                )
                assert_allclose(intervals.drop_interval(k1, n1, k2, n2, confidence), known, rtol=0, atol=1e-14)


def shifts(accuracies, n=100, **key):
    return pd.DataFrame(
        [
            KEY
            | {"strategy": "all", "trained_on": "original", "epoch": 1, "seed": seed, "background": background}
            | {"n": n, "correct": round(value * n), "accuracy": value}
            | key
            for background, values in accuracies.items()
            for seed, value in enumerate(values)
        ]
    )


def test_shift_table_by_hand():
    """Accuracy 0.98 as trained and 0.50 on other backgrounds: a drop of 0.48, Newcombe's interval around it.

    Wilson (n = 100): 0.98 -> 0.9300 to 0.9945; 0.50 -> 0.4038 to 0.5962. Newcombe: 0.48 - sqrt(0.05^2 + 0.0962^2) =
    0.3716, 0.48 + sqrt(0.0145^2 + 0.0962^2) = 0.5773.
    """
    table = statistics.shift_table(shifts({"original": [0.98], "other": [0.50]})).set_index("background")
    assert_allclose(table.loc["original", ["mean", "low", "high"]].astype(float), [0.98, 0.9300, 0.9945], atol=2e-4)
    assert_allclose(table.loc["other", ["mean", "low", "high"]].astype(float), [0.5, 0.4038, 0.5962], atol=2e-4)
    drop = table[["drop", "drop_low", "drop_high"]].astype(float)
    assert_allclose(drop.loc["other"], [0.48, 0.3716, 0.5773], atol=2e-4)
    assert_allclose(drop.loc["original"], 0)


def test_intervals_of_accuracy_hold_every_seed():
    """Seeds that differ by more than images explain stretch the interval, and both ends are shown."""
    table = statistics.shift_table(shifts({"original": [0.9, 0.9, 0.9], "other": [0.6, 0.75, 0.9]}))
    (row,) = table[table["background"] == "other"].to_dict("records")
    assert_allclose([row["mean"], row["low"], row["high"], row["lowest"], row["highest"]], [0.75, 0.6, 0.9, 0.6, 0.9])
    assert (row["n"], row["seeds"]) == (100, 3)
    assert_allclose([row["drop"], row["drop_low"], row["drop_high"]], [0.15, 0.0, 0.3], atol=1e-9)


def test_shift_table_without_the_original_has_no_drop():
    """Where there is nothing to compare with, the drop is NaN."""
    assert statistics.shift_table(shifts({"other": [0.5]}))["drop"].isna().all()
    with pytest.raises(ValueError, match="must contain 'background'"):
        statistics.shift_table(shifts({"other": [0.5]}), by=RUN)


def masks_and_history():
    masks = pd.DataFrame(
        {"study": "s", "data": "d", "split": ["test"] * 5 + [""], "status": ["ok"] * 5 + ["no object"]}
    )
    history = pd.DataFrame(
        [
            KEY
            | {"strategy": "all", "trained_on": "original", "split": "test", "loss": 0.1}
            | {"seed": seed, "epoch": epoch, "accuracy": 0.8}
            for seed, epoch in product((0, 1), (0, 1))
        ]
    )
    return masks, history


def test_accuracy_table_counts_the_usable_images():
    """Five usable images, 0.8 right: Wilson's interval for 4 of 5; an unknown split is an error."""
    masks, history = masks_and_history()
    table = statistics.accuracy_table(history, masks)
    assert table["epoch"].tolist() == [0, 1]
    assert (table["n"] == 5).all()
    assert_allclose(table[["low", "high"]].iloc[0].astype(float), statistics.proportion_interval(4, 5))
    with pytest.raises(ValueError, match="no usable image"):
        statistics.accuracy_table(history.assign(split="train"), masks)


def test_summary_has_a_row_for_every_cell_and_is_written_whole(study, tmp_path):
    """Three cohorts of each cell; the same tables give the same bytes; nothing else is left in the folder."""
    masks, history = masks_and_history()
    shift = shifts({"original": [0.9], "other": [0.5]})
    summary = statistics.summary(study, history, shift, masks, resamples=99)
    assert len(summary["scores"]) == 3 * 2 * 2 * 2
    assert {"mean", "low", "high", "n", "zero_maps", "chance", "cohort"} <= set(summary["scores"].columns)
    common = summary["scores"].query("cohort == 'common' and explainer == 'lime'")
    assert (common["n"] == 5).all()
    again = statistics.summary(study.sample(frac=1, random_state=1), history, shift, masks, resamples=99)
    paths = statistics.write_summary(summary, tmp_path / "one")
    others = statistics.write_summary(again, tmp_path / "two")
    assert [path.name for path in paths] == ["scores.csv", "accuracy.csv", "shift.csv"]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in others]
    assert sorted((tmp_path / "one").iterdir()) == sorted(paths)
    assert_allclose(pd.read_csv(paths[0])["mean"], summary["scores"]["mean"], atol=1e-6)


def test_numbers_with_intervals_in_words():
    """As a reader meets them: rounded, without an interval where there is none, empty where nothing is known."""
    value, low, high = (pd.Series(each, index=[3, 4, 5]) for each in ([0.8466, 0.5, np.nan],) * 3)
    low, high = low - 0.1, high.where(value > 0.6) + 0.1
    assert statistics.in_words(value, low, high).tolist() == ["0.85 (0.75 to 0.95)", "0.50", ""]
    assert statistics.in_words(value, low, high, 3).loc[3] == "0.847 (0.747 to 0.947)"
