"""Foretelling: statistics by hand and against SciPy and scikit-learn, and zoos whose answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from rrr_utils.analyses.zoo import claims as foretelling
from rrr_utils.analyses.zoo import hypotheses
from rrr_utils.analyses.zoo import robustness as outcomes
from rrr_utils.analyses.zoo import statistics as stat
from rrr_utils.analyses.zoo.hypotheses import Hypothesis
from rrr_utils.common import paths
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables

RNG = np.random.default_rng(0)


def test_rank_correlations_agree_with_scipy():
    """Ties share ranks; a constant has none; a model of which nothing is known ranks last."""
    x, y = RNG.integers(0, 5, (12, 3)).astype(float), RNG.normal(size=12)
    expected = [stats.spearmanr(x[:, place], y).statistic for place in range(3)]
    np.testing.assert_allclose(stat.spearman(x, y), expected)
    assert np.isnan(stat.spearman(np.ones((12, 1)), y)).all()
    missing = np.array([[3.0], [np.nan], [5.0]])
    np.testing.assert_allclose(stat.spearman(missing, [2.0, 1.0, 3.0]), [1.0])
    # Drawings along the first axis give what each alone gives.
    drawn = RNG.integers(0, 12, (4, 12))
    np.testing.assert_allclose(stat.spearman(x[drawn], y[drawn])[2], stat.spearman(x[drawn[2]], y[drawn[2]]))


def test_partial_correlation_is_that_of_residuals():
    """The ranks' residuals after a straight line through the given ranks correlate alike."""
    z = RNG.normal(size=30)
    x, y = z + RNG.normal(size=30), z + RNG.normal(size=30)
    ranks = [stats.rankdata(each) for each in (x, y, z)]
    a, b = (each - np.polyval(np.polyfit(ranks[2], each, 1), ranks[2]) for each in ranks[:2])
    np.testing.assert_allclose(stat.partial(x[:, None], y, z), [np.corrcoef(a, b)[0, 1]])
    assert np.isnan(stat.partial(z[:, None], y, z)).all()


def test_regret_by_hand():
    """The first predictor picks the model of 0.9 where the best has 1.0; two that are first share the pick."""
    x = np.array([[3.0, 1.0, np.nan], [1.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    np.testing.assert_allclose(stat.regret(x, [0.9, 1.0, 0.2]), [0.1, 0.05, 0.0])


def test_the_area_under_the_curve_agrees_with_scikit_learn():
    """Of "low" for the alarm, ties counting half; NaN where all models are alike."""
    x, bad = RNG.integers(0, 6, (20, 2)).astype(float), RNG.random(20) < 0.4
    expected = [roc_auc_score(bad, -x[:, place]) for place in range(2)]
    np.testing.assert_allclose(stat.roc_area(x, bad), expected)
    assert np.isnan(stat.roc_area(x, np.zeros(20, bool))).all()


def test_an_alarm_is_tried_where_its_threshold_was_not_chosen():
    """Group a's threshold, 2.5, is chosen on b, and b's, 1.5, on a: one of b's good models raises a false alarm."""
    x, bad = [1, 2, 3, 2, 3, 2], [True, False, False, True, False, True]
    found = stat.alarm_elsewhere(x, bad, ["a", "a", "a", "b", "b", "b"])
    # a: 1 < 2.5 raised, 2 < 2.5 a false alarm, 3 not. b: 2, 3, 2 are not below 1.5.
    assert found == stat.Alarm(1 / 3, 1 / 3, 3, 3, 1.5, 2.5)
    assert np.isnan(stat.alarm_elsewhere(x, [False] * 6, list("aaabbb")).sensitivity)


def test_a_group_whose_others_choose_no_threshold_is_not_counted():
    """All drops lie in a, so b has no threshold for it; of b, by a's threshold 1.5, nothing drops: nothing is told."""
    x, bad = np.array([1.0, 2.0, 3.0, 1.0, 2.0]), np.array([True, False, False, False, False])
    found = stat.alarm_elsewhere(x, bad, list("aaabb"))
    assert (found.with_drop, found.without) == (0, 2)
    assert np.isnan(found.sensitivity)
    # Nobody else knows the predictor of c.
    alone = stat.alarm_elsewhere([np.nan, np.nan, 1.0, 2.0], [True, False, True, False], list("aacc"))
    assert (alone.with_drop, alone.without) == (1, 1)


def test_predictions_of_unseen_groups_agree_with_scikit_learn():
    """Least squares on all other groups."""
    x, names = RNG.normal(size=(30, 2)), np.repeat(list("abc"), 10)
    y = x @ [1, -2] + RNG.normal(size=30)
    errors, plain = stat.unseen_errors(x, y, names)
    expected = cross_val_predict(LinearRegression(), x, y, groups=names, cv=LeaveOneGroupOut())
    np.testing.assert_allclose(errors, (y - expected) ** 2)
    np.testing.assert_allclose(plain[:10], (y[:10] - y[10:].mean()) ** 2)


def test_pairs_by_hand():
    """Two of three pairs are far enough apart; with one image of two the pair is right half of the time."""
    scores = np.array([[1.0, 0.0], [0.5, 0.2], [0.1, 0.1]])
    found = stat.pairs_right(scores, [1.0, 0.5, 0.45], 0.1, [1, 2], draws=400)
    # First against second and third: (1, 1) by the first image, (0, 0) by the second; (1, 1) by both.
    np.testing.assert_allclose(found, [0.5, 1.0], atol=0.06)
    assert np.isnan(stat.pairs_right(scores, [1, 1, 1], 0.1, [1])).all()


def test_images_that_no_model_has_are_no_images():
    """Columns of another group's images neither dilute a draw nor let more be asked than there are."""
    scores = np.array([[1.0, 0.0], [0.5, 0.2], [0.1, 0.1]])
    padded = np.column_stack([scores, np.full((3, 40), np.nan)])
    found = stat.pairs_right(padded, [1.0, 0.5, 0.45], 0.1, [1, 2, 3], draws=400)
    np.testing.assert_allclose(found[:2], [0.5, 1.0], atol=0.06)
    assert np.isnan(found[2])


def test_a_difference_is_taken_over_the_same_groups():
    """The second predictor is not known in b, so b does not count for the first either: 1 - 1, not 0 - 1."""
    cells = stat.cells(list("aaabbb"), list("tuvwxy"))
    draws = stat.draw(cells, 99)
    predictors = np.array([[1, 1], [2, 2], [3, 3], [3, np.nan], [2, np.nan], [1, np.nan]])
    outcome = np.array([1.0, 2, 3, 1, 2, 3])
    apart, _ = stat.within(cells, draws, stat.spearman, predictors, outcome)
    alike, drawn = stat.within(cells, draws, stat.spearman, predictors, outcome, alike=True)
    assert apart.tolist() == [0, 1]
    assert alike.tolist() == [1, 1]
    known = ~np.isnan(drawn).any(axis=1)
    np.testing.assert_allclose(drawn[known, 0], drawn[known, 1])


def test_draws_keep_trainings_and_groups_whole():
    """Both checkpoints of a training come together; a replicate has as many groups as there are."""
    cells = stat.cells(list("aaaabb"), ["t", "t", "u", "u", "v", "w"])
    assert [cell.places.tolist() for cell in cells] == [[0, 1, 2, 3], [4, 5]]
    draws = stat.draw(cells, 200)
    first = draws.inside[0].reshape(200, 2, 2)
    np.testing.assert_array_equal(np.unique(first.reshape(-1, 2), axis=0), [[0, 1], [2, 3]])
    assert draws.groups.shape == (200, 2)
    kinds = stat.cells(list("aaaabb"), list("ttuuvw"), list("xyxyxx"))
    assert [cell.places.tolist() for cell in kinds] == [[0, 2], [1, 3], [4, 5]]
    # The mean over the drawn groups, by hand: a has 1 and 3, b has 5.
    only = stat.Draws(draws.inside, np.array([[0, 1], [1, 1]]), np.array([[0, 1], [0, 0]]))
    each = [np.array([[1.0], [9.0]]), np.array([[3.0], [9.0]]), np.array([[5.0], [6.0]])]
    np.testing.assert_allclose(stat.over_groups(kinds, only, each), [[(1 + 3 + 6) / 3], [5.0]])


def test_p_values_by_hand():
    """Of 99 replicates 2 lie on the other side: (2 + 1) / 100, twice."""
    assert stat.two_sided(np.array([-1.0] * 2 + [1.0] * 97), 0.0) == pytest.approx(0.06)
    assert np.isnan(stat.two_sided(np.full(5, np.nan), 0.0))


@pytest.mark.parametrize(
    ("expected", "low", "high", "p", "verdict"),
    [
        ("above", 0.4, 0.6, 0.01, "supported"),
        ("above", 0.4, 0.6, 0.2, "undecided"),
        ("above", 0.2, 0.6, 0.01, "undecided"),
        ("above", 0.0, 0.2, 0.01, "refuted"),
        ("below", 0.0, 0.2, 0.01, "supported"),
        ("below", 0.4, 0.6, 0.01, "refuted"),
        ("nothing", -0.1, 0.1, np.nan, "supported"),
        ("nothing", 0.01, 0.1, np.nan, "refuted"),
        ("above", np.nan, np.nan, np.nan, "undecided"),
    ],
)
def test_verdicts_follow_from_the_interval(expected, low, high, p, verdict):
    """The whole interval on one side of the margin (0.3) decides; the corrected p-value only takes support away."""
    entry = Hypothesis("k", "w", "spearman", "test_accuracy", "other", expected=expected, margin=0.3)
    assert entry.verdict(low, high, p) == verdict


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"predictor": "grad_cam/scores/own"}, r"Did you mean 'score'\?"),
        ({"against": "test_acuracy"}, r"`against` must be one of .* Did you mean 'test_accuracy'\?"),
        ({"predictor": "shuffled/grad_cam/score/mine"}, r"`predictor` must be one of \['own', 'common', 'all'\]"),
        ({"outcome": "others"}, r"Did you mean 'other'\?"),
        ({"statistic": "pearson"}, r"`statistic` must be one of"),
        ({"expected": "more"}, r"`expected` must be one of"),
        ({"statistic": "alarm"}, r"k: an alarm is for a drop of accuracy .* 'other' was passed"),
        ({"statistic": "alarm", "outcome": "drop_removed"}, r"'drop_removed' was passed"),
        ({"statistic": "prediction", "over": "kinds"}, r"k: `prediction` is asked of all models at once"),
    ],
)
def test_a_misspelt_hypothesis_is_refused(change, words):
    """The nearest valid name is in the message."""
    right = {"key": "k", "words": "w", "statistic": "spearman", "predictor": "test_accuracy", "outcome": "other"}
    with pytest.raises(ValueError, match=words):
        Hypothesis(**(right | change))
    with pytest.raises(ValueError, match="must be unique"):
        hypotheses.check([Hypothesis(**right)] * 2)


def made(informative, groups=8, seed=0, simpson=False):
    """The tables of a zoo whose Grad-CAM score is the accuracy before other backgrounds, or noise."""
    rng = np.random.default_rng(seed)
    models, maps = [], []
    for number in range(groups):
        for place in range(16):
            kind, epoch = ("original", "masked")[place % 2], 3 + 9 * (place // 8)
            robust = float(rng.uniform(0.4, 1.0))
            training = f"g{number}/{kind}-{place % 8}"
            row = dict.fromkeys(("study", "data", "network", "strategy", "weights"), "x")
            row |= dict.fromkeys((f"accuracy_{variant}" for variant in outcomes.VARIANTS), robust)
            row |= {"trained_on": kind, "seed": 0, "tie": 1.0, "training_images": 10, "epoch": epoch, "n": 100}
            row |= {"group": f"g{number}", "training": training, "model": f"{training}/{epoch}", "classes": 2}
            row |= {"seen": " ".join(outcomes.TRAINED[kind]), "known_tie": 1 - robust / 2}
            row |= {"accuracy_original": float(rng.uniform(0.9, 1.0)), "mean_probability": 0.9}
            row |= {"entropy": float(rng.random()), "loss": float(rng.random())}
            score = robust / 2 if informative else float(rng.uniform(0.1, 0.6))
            if simpson:
                # Inside a group more score means less robust; groups of more score are more robust.
                score, row["accuracy_other"] = number / 10 - robust / 20, number / 10 + robust / 20
            models.append(row)
            for image in range(6):
                measured = dict.fromkeys(("signed", "pointing", "top", "iou", "box", "insertion", "deletion"), 0.5)
                noisy = float(np.clip(score + rng.normal(0, 0.02), 0, 1))
                same = {"model": row["model"], "image": str(image), "explainer": "grad_cam", "correct": image > 0}
                for variant, value in (("", noisy), ("randomised", float(rng.random()))):
                    maps.append(same | {"variant": variant, "chance": 0.1, "score": value} | measured)
    frames = pd.DataFrame(models)[tables.SCHEMAS["zoo_models"].names], pd.DataFrame(maps)
    return foretelling.of(*frames, resamples=299)


def ask(zoo, **settings):
    asked = {"key": "k", "words": "w", "statistic": "spearman", "predictor": "grad_cam/above/own", "outcome": "other"}
    return foretelling.verdicts(zoo, [Hypothesis(**(asked | settings))]).iloc[0]


def test_a_score_that_knows_is_found_and_one_that_does_not_is_not():
    """The positive control and the negative ones, on tables that are made."""
    zoo, blind = made(True), made(False)
    found = ask(zoo, margin=0.3)
    assert found["verdict"] == "supported"
    assert found["value"] > 0.8
    assert (found["models"], found["groups"]) == (128, 8)
    assert ask(zoo, against="test_accuracy", margin=0.1)["verdict"] == "supported"
    assert ask(zoo, statistic="partial")["verdict"] == "supported"
    assert ask(zoo, over="kinds")["verdict"] == "supported"
    assert ask(zoo, predictor="known_tie", over="pooled", outcome="flipped", margin=0.3)["verdict"] == "supported"
    assert ask(zoo, statistic="alarm", outcome="drop_other", margin=0.7)["verdict"] == "supported"
    both = {"predictor": "test_accuracy", "against": "grad_cam/above/own"}
    assert ask(zoo, statistic="regret", **both, margin=0.01)["verdict"] == "supported"
    given = {"statistic": "prediction", "outcome": "drop_other", "against": "test_accuracy"}
    assert ask(zoo, **given)["verdict"] == "supported"
    for control in ("shuffled/grad_cam/above/own", "randomised/grad_cam/above/all"):
        assert ask(zoo, predictor=control, expected="nothing")["verdict"] == "supported"
    assert ask(blind, expected="nothing")["verdict"] == "supported"
    assert ask(blind, margin=0.5)["verdict"] == "refuted"
    assert ask(blind, expected="below", margin=0.5)["verdict"] == "supported"


def test_the_board_says_each_hypothesis_in_words():
    """Numbers with their intervals; what no two models can be compared for has none, and no p-value."""
    asked = {"words": "it is so", "statistic": "spearman", "predictor": "grad_cam/above/own", "outcome": "other"}
    entries = [
        Hypothesis(key="above", **asked, margin=0.3),
        Hypothesis(key="control", **asked, expected="nothing"),
        Hypothesis(key="flipped", **(asked | {"outcome": "free"})),
    ]
    zoo = made(True)
    zoo.outcomes["free"] = np.nan
    found = foretelling.verdicts(zoo, entries)
    told = foretelling.board(found)
    assert told.index.tolist() == ["it is so"] * 3
    row = found.iloc[0]
    assert told["value"].iloc[0] == f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    assert told["value"].iloc[2] == ""
    assert told["expected"].tolist() == ["above 0.3", "nothing", "above 0"]
    assert told["p_holm"].tolist() == [f"{row['p_holm']:.3f}", "", ""]
    assert told["verdict"].tolist() == found["verdict"].tolist()


def test_correlations_are_read_with_their_intervals():
    """Every kind of correlation beside its interval; one that is not known is empty."""
    nan = float("nan")
    numbers = {"groups": 0.412, "groups_low": -0.1, "groups_high": 0.7949, "pooled": nan, "pooled_low": nan}
    table = pd.DataFrame([{"predictor": "loss", "models": 9, **numbers, "pooled_high": nan, "reversed": False}])
    found = foretelling.with_intervals(table)
    assert found.to_dict("index") == {"loss": {"groups": "0.41 (-0.10 to 0.79)", "pooled": ""}}


def test_what_a_model_was_trained_on_is_no_outcome():
    """Masked models have no outcome on random pixels, and are counted with the reason."""
    zoo = made(True, groups=3)
    masked = zoo.models["trained_on"] == "masked"
    assert zoo.outcomes.loc[masked, "random"].isna().all()
    assert zoo.outcomes.loc[~masked, "random"].notna().all()
    table = foretelling.left_out(zoo).set_index(["outcome", "trained_on"])
    assert table.loc[("random", "masked"), ["models", "left_out"]].tolist() == [0, 24]
    assert table.loc[("random", "masked"), "why"] == "trained on it"
    assert table.loc[("other", "masked"), "left_out"] == 0


def test_simpsons_paradox_is_found():
    """Over all models the score seems to foretell robustness; inside every group it foretells the opposite."""
    found = foretelling.correlations(made(True, simpson=True), "other", ["grad_cam/above/own"]).iloc[0]
    assert found["pooled"] > 0.9
    assert found["groups_high"] < 0
    assert found["reversed"]
    assert not foretelling.correlations(made(True), "other", ["grad_cam/above/own"])["reversed"].any()


def test_cohorts_by_hand():
    """Own: the five images that a model gets right; all: six; common: below 20 images, so it decides nothing."""
    zoo = made(True, groups=2)
    first = zoo.models["model"].iloc[0]
    rows = zoo.maps[(zoo.maps["model"] == first) & (zoo.maps["variant"] == "")]
    own = (rows["score"] - rows["chance"])[rows["correct"]].mean()
    assert zoo.predictors["grad_cam/above/own"].iloc[0] == pytest.approx(own)
    assert zoo.predictors["grad_cam/score/all"].iloc[0] == pytest.approx(rows["score"].mean())
    assert zoo.predictors["grad_cam/above/common"].isna().all()
    assert foretelling.common_images(zoo)["common"].tolist() == [5, 5]


def test_less_is_better_is_turned():
    """Entropy and deletion are turned, and so is a drop; being lost without the object is good."""
    zoo = made(True, groups=2)
    np.testing.assert_allclose(zoo.predictors["entropy"], -zoo.models["entropy"])
    np.testing.assert_allclose(zoo.predictors["grad_cam/deletion/all"], -0.5)
    np.testing.assert_allclose(zoo.outcomes["drop_mean"], zoo.models["accuracy_mean"] - zoo.models["accuracy_original"])
    np.testing.assert_allclose(zoo.outcomes["removed"], -zoo.models["accuracy_removed"])
    assert not foretelling.turned("drop_removed")


def test_the_other_tables():
    """Choices beside a random pick, alarms with their thresholds, predictions, images needed, and the mixed model."""
    zoo, names = made(True), ["test_accuracy", "grad_cam/above/own"]
    picked = foretelling.choices(zoo, "other", names).set_index("predictor")
    assert picked.loc["grad_cam/above/own", "regret"] < 0.05 < picked.loc["test_accuracy", "regret"]
    assert picked.loc["random", "regret"] == pytest.approx(
        (zoo.outcomes["other"].groupby(zoo.models["group"]).agg(lambda each: each.max() - each.mean())).mean()
    )
    told = foretelling.alarms(zoo, "drop_other", names).set_index("predictor").loc["grad_cam/above/own"]
    assert told["area"] > 0.95
    assert told["sensitivity"] > 0.9 > 0.2 > told["false_alarms"]
    assert told["dropped"] + told["kept"] == 128
    assert foretelling.predictions(zoo, "drop_other", names)["r2"].iloc[1] > 0.8
    needed = foretelling.images_needed(zoo, "other", ["grad_cam"], [1, 6])
    assert 0.9 < needed["right"].iloc[0] < needed["right"].iloc[1]
    fixed = foretelling.mixed(zoo, "other", "grad_cam/above/own").set_index("term")
    assert fixed.loc["grad_cam/above/own", "low"] > 0.1
    assert fixed.loc["test accuracy", "low"] < 0 < fixed.loc["test accuracy", "high"]


def test_checkpoints_of_a_training_are_not_new_models():
    """Each model twice, as two checkpoints that hardly differ: the mixed model's interval hardly narrows."""
    zoo, rng = made(False, groups=4), np.random.default_rng(3)
    models = zoo.models[zoo.models["epoch"] == 12]
    again = models.assign(
        model=models["model"] + "+",
        epoch=13,
        accuracy_other=(models["accuracy_other"] + rng.normal(0, 0.005, len(models))).clip(0, 1),
    )
    maps = pd.concat([zoo.maps, zoo.maps.assign(model=zoo.maps["model"] + "+")], ignore_index=True)
    widths = []
    for rows in (models, pd.concat([models, again], ignore_index=True)):
        found = foretelling.mixed(foretelling.of(rows, maps), "other", "grad_cam/above/own").set_index("term")
        widths.append(float(np.ptp(found.loc["grad_cam/above/own", ["low", "high"]])))
    assert widths[1] > 0.9 * widths[0], "twice as many trainings would be 0.7 as wide"


def test_a_predictor_that_few_groups_know_is_not_the_best():
    """Known in one group alone, where it is perfect, it stands with that count, and another one is picked."""
    zoo = made(True, groups=3)
    first = zoo.models["group"] == "g0"
    odd = zoo.predictors.assign(entropy=zoo.outcomes["other"].where(first))
    table = foretelling.correlations(replace(zoo, predictors=odd), "other", ["entropy", "grad_cam/above/own"])
    assert table.set_index("predictor")["groups_n"].to_dict() == {"entropy": 1, "grad_cam/above/own": 3}
    assert table["groups"].iloc[0] == 1
    assert foretelling.best(table) == "grad_cam/above/own"


@pytest.mark.parametrize("name", ["zoo", "zoo-photos"])
def test_the_studies_ask_for_predictors_that_their_zoos_have(name):
    """Every hypothesis names an explainer that all slices of its study compute."""
    plan = study.load(paths.root() / "studies" / f"{name}.yaml")
    slices = [entry for entry in plan.analyses if entry.kind == "zoo"]
    everywhere = set.intersection(*({each["name"] for each in entry.explainers} for entry in slices))
    assert len({entry.key for entry in plan.hypotheses}) == len(plan.hypotheses)
    for entry in plan.hypotheses:
        for predictor in filter(None, (entry.predictor, entry.against)):
            parts = [part for part in predictor.split("/") if part not in ("shuffled", "randomised")]
            if len(parts) == 3 and name == "zoo":
                assert parts[0] in everywhere, entry.key
    least = {"zoo": 200, "zoo-photos": 80}[name]
    count = sum(
        len(entry.options.ties)
        * len(entry.options.kinds)
        * max(len(entry.options.training_images), 1)
        * max(len(entry.options.checkpoints), 1)
        * len(entry.seeds or next(each.seeds or plan.seeds for each in plan.networks if each.name == entry.network))
        for entry in slices
    )
    assert count >= least


def test_what_is_plotted():
    """Every model, marked where it was trained on the outcome, with intervals around accuracies and means."""
    zoo = made(True, groups=2)
    table = foretelling.plotted(zoo, "random", ["test_accuracy", "grad_cam/above/own"])
    assert len(table) == 32
    assert table["seen"].tolist() == (zoo.models["trained_on"] == "masked").tolist()
    for name in ("", "test_accuracy_", "grad_cam/above/own_"):
        middle = table[name[:-1] or "mean"]
        assert (table[f"{name}low"] < middle).all()
        assert (middle < table[f"{name}high"]).all()
    np.testing.assert_allclose(table["grad_cam/above/own"], zoo.predictors["grad_cam/above/own"])
    row = zoo.maps[(zoo.maps["model"] == table["model"].iloc[0]) & (zoo.maps["variant"] == "") & zoo.maps["correct"]]
    half = 1.96 * stats.sem(row["score"] - row["chance"])
    assert table["grad_cam/above/own_high"].iloc[0] - table["grad_cam/above/own"].iloc[0] == pytest.approx(half)
    listed = foretelling.rivals(zoo)
    assert listed[:2] == ["test_accuracy", "mean_probability"]
    assert "grad_cam/above/common" not in listed
    both = foretelling.correlations(zoo, "other", ["test_accuracy", "grad_cam/above/all"])
    assert foretelling.best(both) == "grad_cam/above/all"


def test_the_page_on_photographs_says_what_its_tables_say():
    """The alarm is supported and test accuracy misleads it; the rest is undecided; the shuffled control holds."""
    plan = study.load(paths.root() / "studies" / "zoo-photos.yaml")
    zoo = foretelling.read(paths.root() / "data" / "results" / "zoo-photos")
    verdicts = foretelling.verdicts(zoo, plan.hypotheses).set_index("key")["verdict"].to_dict()
    assert verdicts.pop("alarm") == "supported"
    assert verdicts.pop("shuffled") == "supported"
    assert set(verdicts.values()) == {"undecided"}
    told = foretelling.alarms(zoo, "drop_other", ["test_accuracy"])
    assert told["area_high"].item() < 0.5
    for heads in (True, False):
        ranks = {0: [], 1: []}
        mine = zoo.models[zoo.eligible("other") & (zoo.models["network"].str.endswith("-head") == heads)]
        for (_, tie), rows in mine.groupby(["group", "tie"]):
            if tie in ranks and len(rows) > 2:
                values = zoo.predictors.loc[rows.index, ["test_accuracy", "grad_cam/above/own"]]
                ranks[int(tie)].append(values.corrwith(zoo.outcomes.loc[rows.index, "other"], method="spearman"))
        never, always = (pd.concat(ranks[tie], axis=1).mean(axis=1) for tie in (0, 1))
        assert always["grad_cam/above/own"] > 0.5 > 0 > always["test_accuracy"]
        assert never["test_accuracy"] > 0.3 > never["grad_cam/above/own"]


def test_the_page_says_of_remedies_what_their_tables_say():
    """A penalty on Grad-CAM raises its score and no accuracy; no hypothesis is decided, and the controls hold."""
    plan = study.load(paths.root() / "studies" / "zoo-remedies.yaml")
    zoo = foretelling.read(paths.root() / "data" / "results" / "zoo-remedies")
    verdicts = foretelling.verdicts(zoo, plan.hypotheses).set_index("key")["verdict"].to_dict()
    assert verdicts.pop("shuffled") == verdicts.pop("randomised") == "supported"
    assert set(verdicts.values()) == {"undecided"}
    there = zoo.models[(zoo.models["tie"] == 0.95) & (zoo.models["epoch"] == 12)]
    score = zoo.predictors.loc[there.index, "grad_cam/above/own"].groupby(there["trained_on"]).mean()
    right = there.groupby("trained_on")["accuracy_other"].mean()
    assert score["cam-energy"] > score["original"] + 0.3
    assert right["cam-energy"] < right["original"] + 0.02
