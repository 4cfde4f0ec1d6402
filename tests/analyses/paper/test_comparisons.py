"""The comparisons of the paper's claims, from tables whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from rrr_utils.analyses.paper import claims, comparisons, rules
from rrr_utils.common import paths
from rrr_utils.statistics import crossed_effects
from rrr_utils.tables import parquet as tables

SEEDS, IMAGES = (0, 1, 2), 40
RUN = {"study": "s", "data": "dogs-vs-cats", "network": "mobilenet-25", "trained_on": "original"}
STRATEGIES = ("dense", "blocks4-5", "blocks1-3", "all")
ALL = {"dense": 0.40, "blocks4-5": 0.55, "blocks1-3": 0.405, "all": 0.545}
FOUR = ("grad_cam", "grad_cam_plus_plus", "occlusion", "lime")


def scores(means, *, seeds=SEEDS, explainers=FOUR, epochs=(0, 10), images=IMAGES, **run):
    """Return a scores table: ``means[strategy]`` is the mean score at the last epoch, 0.4 is that of all before.

    Each image has its own level, a seed and an explainer move it a little, and every image is classified right.
    """
    rng = np.random.default_rng(0)
    level = rng.normal(0, 0.1, images)
    about = {"split": "test", "correct": True, "protocol": "ours", "mask_source": "outlines", "design": ""}
    about |= {"samples": 0, "variant": "", "chance": 0.2, "zero_map": False}
    parts = []
    for strategy, mean in means.items():
        for seed in seeds:
            for explainer in explainers:
                for epoch in epochs:
                    value = (mean if epoch else 0.4) + level + rng.normal(0, 0.01, images)
                    key = {**RUN, **run, "strategy": strategy, "seed": seed, "epoch": epoch, "explainer": explainer}
                    image = [f"image-{place}" for place in range(images)]
                    parts.append(pd.DataFrame({**key, **about, "image": image, "score": np.clip(value, 0, 1)}))
    return pd.concat(parts, ignore_index=True)


def history(losses=(0.2, 0.2, 0.2), *, strategies=STRATEGIES, **run):
    """Return a history table: before stage 2 the loss on training images of each seed."""
    rows = [
        {**RUN, **run, "strategy": strategy, "seed": seed, "epoch": epoch, "split": split, "loss": loss}
        for strategy in strategies
        for seed, start in enumerate(losses)
        for epoch, split, loss in ((0, "train", start), (0, "test", 0.0), (10, "train", 0.0))
    ]
    return pd.DataFrame(rows).assign(accuracy=0.9)


def answers(wrong, n, *, seeds=SEEDS, **run):
    """Return an answers table of ``n`` images, of which those in ``wrong[strategy, epoch]`` are answered wrongly."""
    images = np.arange(n)
    parts = [
        pd.DataFrame({"image": images.astype(str), "correct": ~np.isin(images, list(places))}).assign(
            **RUN | run, strategy=strategy, seed=seed, epoch=epoch
        )
        for (strategy, epoch), places in wrong.items()
        for seed in seeds
    ]
    return pd.concat(parts, ignore_index=True)


NO_ANSWERS = answers({("dense", 0): []}, 1)[:0]
NO_HISTORY = history()[:0]
NO_SCORES = scores(ALL)[:0]


def told(*given):
    """Return the verdicts by claim and network, and the table of comparisons."""
    table = claims.judged(comparisons.measured(*given))
    return claims.verdicts(table).set_index(["claim", "network"]), table


def test_a_world_as_the_paper_tells_it():
    """Blocks 4 and 5 raise the score, all layers do likewise, blocks 1 to 3 do not, and accuracy stays."""
    same = {(strategy, epoch): [1] for strategy in STRATEGIES for epoch in (0, 10)}
    found, table = told(scores(ALL), history(), answers(same, 900))
    mine = found.xs("mobilenet-25", level="network")["verdict"]
    assert mine[mine != claims.NOT_RUN].to_dict() == {
        **dict.fromkeys(["flat", "late above dense", "all like late", "early like dense"], "supported"),
        "explainers agree": "supported",
        "settles": "undecided",
    }
    late = table[table["claim"] == "late above dense"]
    assert late["difference"].tolist() == pytest.approx([0.15] * 4, abs=0.01)
    assert set(zip(late["n"], late["seeds"], strict=True)) == {(IMAGES, 3)}
    assert set(zip(late["a"], late["b"], strict=True)) == {("blocks4-5", "dense")}
    assert set(found.drop("mobilenet-25", level="network")["verdict"]) == {claims.NOT_RUN}


def test_a_world_against_the_paper():
    """Dense layers score higher, all layers lie far from blocks 4 and 5, and one strategy loses answers."""
    same = {(strategy, epoch): [1] for strategy in STRATEGIES for epoch in (0, 10)} | {("all", 10): range(90)}
    means = {"dense": 0.6, "blocks4-5": 0.3, "blocks1-3": 0.35, "all": 0.7}
    found, _ = told(scores(means), history(), answers(same, 900))
    mine = found.xs("mobilenet-25", level="network")["verdict"]
    denied = ["flat", "late above dense", "all like late", "early like dense"]
    assert mine[denied].to_dict() == dict.fromkeys(denied, "contradicted")
    assert mine["explainers agree"] == "supported"  # they fall together


def test_the_interval_is_that_of_crossed_effects_with_pooled_seeds():
    """By hand from the table: seeds of the three comparisons of strategies under one explainer count together."""
    rows = scores(ALL)
    _, table = told(rows, history(), NO_ANSWERS)
    last = rows[(rows["explainer"] == "lime") & (rows["epoch"] == 10)]
    wide = last.pivot(index=["strategy", "seed"], columns="image", values="score")
    pairs = [("blocks4-5", "dense"), ("all", "blocks4-5"), ("blocks1-3", "dense")]
    parts = [crossed_effects.components((wide.loc[a] - wide.loc[b]).to_numpy()) for a, b in pairs]
    expected = crossed_effects.estimate(parts[0], crossed_effects.pooled(parts)).interval()
    row = table[(table["claim"] == "late above dense") & (table["what"] == "lime")].iloc[0]
    assert_allclose(row[["low", "high"]].astype(float), expected)
    assert row["seed_sd"] == pytest.approx(np.sqrt(np.mean([part.between_seeds for part in parts])))
    # What has nothing to do with it, another pool, another network, other answers, moves nothing.
    more = pd.concat([rows, scores(ALL, network="mobilenet-100")], ignore_index=True)
    given = pd.concat([history(), history(network="mobilenet-100")], ignore_index=True)
    _, again = told(more, given, answers({("dense", 0): [1], ("dense", 10): [2]}, 99))
    mine = again[(again["network"] == "mobilenet-25") & (again["what"] != "accuracy")].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, mine, check_dtype=False)


def test_one_seed_borrows_what_seeds_do_in_the_sister_network():
    """The same comparison and explainer of MobileNet 0.25; without it nothing is known."""
    alone = scores(ALL, seeds=(0,), network="mobilenet-100")
    given = pd.concat([history(), history(network="mobilenet-100")], ignore_index=True)
    _, table = told(pd.concat([scores(ALL), alone], ignore_index=True), given, NO_ANSWERS)
    late = table[(table["claim"] == "late above dense") & (table["what"] == "lime")].set_index("network")
    one, many = late.loc["mobilenet-100"], late.loc["mobilenet-25"]
    assert (one["borrowed"], many["borrowed"]) == (True, False)
    assert one["seed_sd"] == many["seed_sd"]
    assert (one["seeds"], one["finding"]) == (1, "supported")
    matrix = alone[(alone["explainer"] == "lime") & (alone["epoch"] == 10)].pivot(
        index="strategy", columns="image", values="score"
    )
    each = matrix.loc["blocks4-5"] - matrix.loc["dense"]
    assert one["error"] == pytest.approx(np.sqrt(one["seed_sd"] ** 2 + each.var() / IMAGES))
    found, table = told(alone, history(network="mobilenet-100"), NO_ANSWERS)
    assert found.loc[("late above dense", "mobilenet-100"), "verdict"] == "undecided"
    assert table["low"].isna().all()


def test_runs_that_had_nothing_to_learn_are_not_tested():
    """All seeds below 0.01: not tested; two of three: the third alone is asked; heads are always tested."""
    found, table = told(scores(ALL), history((0.009, 1e-6, 0.0)), NO_ANSWERS)
    assert found.loc[("late above dense", "mobilenet-25"), "verdict"] == claims.NOT_TESTED
    assert found.loc[("late above dense", "mobilenet-25"), "loss"] == 0.0
    assert not table["tested"].any()
    assert table["p"].isna().all()
    _, table = told(scores(ALL), history((0.2, 0.01, 0.0099)), NO_ANSWERS)
    assert table["tested"].all()
    assert set(table["seeds"]) == {2}
    starts = comparisons.stage_2(history((0.2, 0.01, 0.0099)))
    assert len(starts) == 4 * 3
    assert starts.groupby("seed")["tested"].unique().explode().tolist() == [True, True, False]
    run = {"data": "caltech101", "network": "mobilenet-25-wide"}
    heads = [scores({"head": mean}, trained_on=kind, **run) for kind, mean in (("original", 0.4), ("masked", 0.5))]
    found, _ = told(pd.concat(heads, ignore_index=True), NO_HISTORY, NO_ANSWERS)
    assert found.loc[("masked: score", "mobilenet-25"), "verdict"] == "supported"
    with pytest.raises(ValueError, match="has no loss on training images"):
        told(scores(ALL), NO_HISTORY, NO_ANSWERS)


def test_scores_count_where_both_sides_are_right_under_every_seed():
    """One image wrong on one side under one seed, one zero map: two of forty go; training images never came."""
    rows = scores(ALL)
    wrong = (rows["image"] == "image-3") & (rows["strategy"] == "dense") & (rows["seed"] == 1) & (rows["epoch"] == 10)
    zero = (rows["image"] == "image-7") & (rows["strategy"] == "blocks4-5") & (rows["seed"] == 2)
    rows = rows.assign(correct=~wrong, zero_map=zero, score=rows["score"].mask(zero))
    others = [rows.assign(split="train"), rows.assign(variant="absolute"), rows.assign(protocol="authors")]
    _, table = told(pd.concat([rows, *others], ignore_index=True), history(), NO_ANSWERS)
    counts = table.groupby(["claim", "a"])["n"].first()
    assert counts[("late above dense", "blocks4-5")] == IMAGES - 2
    assert counts[("all like late", "all")] == IMAGES - 1
    assert counts[("early like dense", "blocks1-3")] == IMAGES - 1
    with pytest.raises(ValueError, match="'design'"):
        told(rows.assign(design=np.where(rows["image"] == "image-5", "coin flips", "")), history(), NO_ANSWERS)


def test_only_the_first_and_the_last_epoch_count():
    """Scores at every epoch and those at the ends alone give the same table."""
    rows = scores(ALL, epochs=(0, 5, 10))
    ends = rows[rows["epoch"] != 5].reset_index(drop=True)
    given = history(), answers({("dense", 0): [1], ("dense", 5): range(9), ("dense", 10): [2]}, 50)
    pd.testing.assert_frame_equal(comparisons.measured(rows, *given), comparisons.measured(ends, *given))
    assert comparisons.measured(rows[rows["epoch"] == 10].reset_index(drop=True), history(), NO_ANSWERS).empty


def test_accuracies_are_compared_image_by_image_before_original_backgrounds():
    """One seed pools nothing; of three, 10 of 400 images are lost. Answers that all agree leave an interval."""
    given = answers({("dense", 0): [], ("dense", 10): range(10), ("all", 0): [], ("all", 10): []}, 400)
    _, table = told(NO_SCORES, history(), given)
    dense, same = (table[table["a"].str.startswith(name)].iloc[0] for name in ("dense", "all"))
    assert dense["difference"] == -10 / 400
    assert (dense["n"], dense["seeds"]) == (400, 3)
    # Seeds agree, so the padded images alone are left: a t interval of 402 values.
    padded = np.r_[np.full(10, -1.0), np.zeros(390), 1.0, -1.0]
    assert_allclose(dense[["low", "high"]].astype(float), stats.ttest_1samp(padded, 0).confidence_interval())
    assert -0.02 < same["low"] < 0 < same["high"] < 0.02
    backgrounds = [given.assign(background="original"), given.assign(background="random", correct=False)]
    _, again = told(NO_SCORES, history(), pd.concat(backgrounds, ignore_index=True))
    pd.testing.assert_frame_equal(table, again)


def test_an_explainer_is_held_against_the_mean_of_the_others_on_their_images():
    """LIME falls where three rise; it was scored on fewer images, on which alone it has a part in the others' mean."""
    up = scores({"blocks4-5": 0.5}, explainers=FOUR[:3])
    down = scores({"blocks4-5": 0.3}, explainers=("lime",), images=30)
    found, table = told(pd.concat([up, down], ignore_index=True), history(), NO_ANSWERS)
    agree = found.loc[("explainers agree", "mobilenet-25")]
    assert (agree["verdict"], agree["whom"]) == ("contradicted", "lime")
    rows = table[table["claim"] == "explainers agree"].set_index("what")
    means = rows["difference"]
    assert rows["n"].tolist() == [40, 40, 40, 30]
    assert rows.loc["lime", "other"] == pytest.approx(means[list(FOUR[:3])].mean(), abs=1e-9)
    assert rows.loc["grad_cam", "other"] == pytest.approx((0.1 + 0.1 - 0.1) / 3, abs=0.005)


def test_whether_fifty_images_show_the_change_of_all():
    """Images that all change alike: every draw does; images that jump by a half, either way: few do."""
    flat = scores({"blocks4-5": 0.5}, images=300)
    found, _ = told(flat, history(), NO_ANSWERS)
    assert found.loc[("settles", "mobilenet-25"), ["verdict", "share"]].tolist() == ["supported", 1.0]
    wild = flat.assign(score=np.where((flat["epoch"] == 10) & (flat["image"] < "image-2"), 0.9, 0.4))
    found, _ = told(wild, history(), NO_ANSWERS)
    settles = found.loc[("settles", "mobilenet-25")]
    assert settles["verdict"] == "contradicted"
    # The mean of 50 of 300 draws without replacement varies by the finite population's formula.
    change = (wild[wild["epoch"] == 10]["image"] < "image-2").mean()
    sd = 0.5 * np.sqrt(change * (1 - change) / 50 * 250 / 299)
    assert settles["share"] == pytest.approx(1 - 2 * stats.norm.sf(0.03 / sd), abs=0.05)
    found, _ = told(scores({"blocks4-5": 0.5}, images=199), history(), NO_ANSWERS)
    assert found.loc[("settles", "mobilenet-25"), "verdict"] == "undecided"


def test_swapped_sides_swap_the_comparison():
    """Blocks 4 and 5 less dense layers is minus the contrary, with the same finding of the contrary claim."""
    loaded = rules.load()
    claim = next(each for each in loaded.claims if each.key == "late above dense")
    back = claim._replace(expected="below", primary=tuple(each._replace(a=each.b, b=each.a) for each in claim.primary))
    given = scores({"dense": 0.42, "blocks4-5": 0.43}), history(), NO_ANSWERS
    one, other = (
        claims.judged(comparisons.measured(*given, loaded._replace(claims=(each,)))) for each in (claim, back)
    )
    assert_allclose(one["low"], -other["high"])
    assert_allclose(one["p"], other["p"])
    assert one["finding"].tolist() == other["finding"].tolist()


def test_tables_without_a_comparison_leave_every_claim_not_run():
    found, table = told(NO_SCORES, NO_HISTORY, NO_ANSWERS)
    assert table.empty
    assert set(found["verdict"]) == {claims.NOT_RUN}


@pytest.mark.parametrize("name", ["cpu-unaugmented", "gpu-unaugmented"])
def test_the_published_answers_are_those_behind_the_published_accuracies(name):
    """Counted over the images, they give each accuracy in front of the original backgrounds to the image."""
    folder = paths.root() / "data" / "results" / name
    key = ["data", "network", "strategy", "trained_on", "seed", "epoch"]
    given = tables.read(folder / "answers.parquet", "answers")
    shift = tables.read(folder / "shift.parquet", "shift")
    counted = given.groupby(key)["correct"].agg(correct="sum", n="size").reset_index()
    both = counted.merge(shift[shift["background"] == "original"], on=key, suffixes=("", "_shift"), how="left")
    assert (both["correct"] == both["correct_shift"]).all()
    assert (both["n"] == both["n_shift"]).all()
    assert not given.duplicated([*key, "image"]).any()
    assert (given["correct"] == (given["predicted"] == given["label"])).all()
