"""The paper's claims beside tables whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from rrr_utils.analyses.paper import claims, comparisons
from rrr_utils.common import paths
from rrr_utils.tables import parquet as tables

SEEDS, IMAGES = (0, 1, 2), 40
RUN = {"study": "s", "data": "d", "network": "n", "trained_on": "original"}


def scores(means, *, seeds=SEEDS, trained_on="original", explainers=("grad_cam", "lime"), epochs=(0, 10)):
    """Return a scores table: ``means[strategy]`` is the mean score at the last epoch, 0.4 is that of all at epoch 0.

    Each image has its own level, a seed and an explainer move it a little, and every image is classified right.
    """
    rng = np.random.default_rng(0)
    level = rng.normal(0, 0.1, IMAGES)
    parts = []
    for strategy, mean in means.items():
        for seed in seeds:
            for explainer in explainers:
                for epoch in epochs:
                    value = (mean if epoch else 0.4) + level + rng.normal(0, 0.01, IMAGES)
                    parts.append(
                        pd.DataFrame(
                            {
                                **RUN,
                                "trained_on": trained_on,
                                "strategy": strategy,
                                "seed": seed,
                                "epoch": epoch,
                                "split": "test",
                                "image": [f"image-{place}" for place in range(IMAGES)],
                                "correct": True,
                                "explainer": explainer,
                                "protocol": "ours",
                                "mask_source": "outlines",
                                "design": "",
                                "samples": 0,
                                "variant": "",
                                "score": np.clip(value, 0, 1),
                                "chance": 0.2,
                                "zero_map": False,
                            }
                        )
                    )
    return pd.concat(parts, ignore_index=True)


def history(accuracies, *, seeds=SEEDS, trained_on="original"):
    """Return a history table: ``accuracies[strategy]`` at epoch 10, 0.9 at epoch 0; a seed moves it by a thousandth."""
    rows = [
        {**RUN, "trained_on": trained_on, "strategy": strategy, "seed": seed, "epoch": epoch, "split": "test"}
        | {"loss": 0.1, "accuracy": (accuracy if epoch else 0.9) + 0.001 * seed}
        for strategy, accuracy in accuracies.items()
        for seed in seeds
        for epoch in (0, 10)
    ]
    return pd.DataFrame(rows)


def masks(n=10_000):
    return pd.DataFrame({"study": "s", "data": "d", "status": ["ok"] * n, "split": "test"})


def answers(wrong, n, *, seeds=SEEDS, trained_on="original"):
    """Return an answers table of ``n`` images, of which those in ``wrong[strategy, epoch]`` are answered wrongly."""
    images = np.arange(n)
    parts = [
        pd.DataFrame({"image": images.astype(str), "label": 0, "predicted": np.isin(images, list(places)).astype(int)})
        .assign(**RUN | {"trained_on": trained_on}, strategy=strategy, seed=seed, epoch=epoch)
        .assign(correct=lambda rows: rows["predicted"] == rows["label"])
        for (strategy, epoch), places in wrong.items()
        for seed in seeds
    ]
    return pd.concat(parts, ignore_index=True)


NO_ANSWERS = pd.DataFrame(columns=tables.SCHEMAS["answers"].names)
ALL = {"dense": 0.40, "blocks4-5": 0.55, "blocks1-3": 0.405, "all": 0.545}
FLAT = dict.fromkeys(ALL, 0.9)
UNTESTED = ("masked: accuracy", "masked: score", "masked: nothing", "settles", "masks", "within one network")


def words(score_rows, history_rows, n=10_000, answer_rows=NO_ANSWERS):
    table = comparisons.measured(score_rows, history_rows, masks(n), answer_rows)
    found = claims.verdicts(table)
    keys = {claim.words: claim.key for claim in claims.CLAIMS}
    return {keys[row["claim"]]: row["verdict"] for row in found.to_dict("records")}, table


def test_a_world_as_the_paper_tells_it():
    """Blocks 4 and 5 raise the score, all layers do likewise, blocks 1 to 3 do not, and accuracy stays."""
    found, table = words(scores(ALL), history(FLAT))
    assert found == {
        "flat": "holds",
        "late above dense": "holds",
        "all like late": "holds",
        "early like dense": "holds",
        # Dense layers and blocks 1 to 3 do not move at all, which is no common direction.
        "explainers agree": "holds in part",
        **dict.fromkeys(UNTESTED, "not testable here"),
    }
    late = table[table["claim"] == "late above dense"].set_index("what")
    assert sorted(late.index) == ["grad_cam", "lime"]
    assert set(zip(late["a"], late["b"], strict=True)) == {("blocks4-5", "dense")}
    moved = table[table["claim"] == "explainers agree"]
    assert set(moved["a"]) == {f"{strategy}, epoch 10" for strategy in ALL}
    assert late["difference"].tolist() == pytest.approx([0.15, 0.15], abs=0.01)
    assert late["n"].tolist() == [IMAGES, IMAGES]
    assert late["seeds"].tolist() == [3, 3]
    assert (late["p_holm"] >= late["p"]).all()


def test_a_world_against_the_paper():
    """Dense layers score higher, all layers lie far from blocks 4 and 5, and accuracy falls: nothing holds."""
    found, _ = words(
        scores({"dense": 0.6, "blocks4-5": 0.4, "blocks1-3": 0.3, "all": 0.7}), history(FLAT | {"all": 0.5})
    )
    assert found["late above dense"] == "does not hold"
    assert found["all like late"] == "does not hold"
    assert found["early like dense"] == "does not hold"
    assert found["flat"] == "holds in part"


def test_an_explainer_that_disagrees_makes_it_part():
    """One explainer sees blocks 4 and 5 rise, the other sees them fall."""
    up = scores({"dense": 0.4, "blocks4-5": 0.5}, explainers=("grad_cam",))
    down = scores({"dense": 0.4, "blocks4-5": 0.3}, explainers=("lime",))
    found, table = words(pd.concat([up, down], ignore_index=True), history(FLAT))
    assert found["late above dense"] == "holds in part"
    told = claims.board(claims.verdicts(table))
    (late,) = [row for (claim, _), row in told.iterrows() if "blocks 4 and 5 raises" in claim]
    assert late[["hold", "contrary"]].tolist() == ["1 of 2", 1]


def test_nothing_is_decided_by_too_few_images():
    """Accuracies of 20 test images are never known to be alike within two points."""
    found, table = words(scores(ALL), history(FLAT), n=20)
    assert found["flat"] == "undecided"
    assert (table[table["claim"] == "flat"]["low"] < -claims.ACCURACY_MARGIN).all()


@pytest.mark.parametrize(("images", "verdict"), [(19, "undecided"), (20, "holds")])
def test_fewer_than_20_images_that_all_get_right_decide_nothing(images, verdict):
    """However large the difference; wrong answers of one run take an image from the comparison."""
    rows = scores(ALL)
    wrong = (rows["image"].str.removeprefix("image-").astype(int) >= images) & (rows["strategy"] == "dense")
    found, table = words(rows.assign(correct=~wrong), history(FLAT))
    assert set(table[table["claim"] == "late above dense"]["n"]) == {images}
    assert (found["late above dense"], found["flat"]) == (verdict, "holds")


def test_what_seeds_move_is_asked_of_the_rows_that_are_compared():
    """Training images, variants and the authors' protocol do not count, however far seeds move them."""
    rows = scores(ALL)
    known = comparisons.seed_spread(rows)
    assert 0 < known < 0.02
    away = rows.assign(score=rows["seed"] / 2)
    others = [away.assign(split="train"), away.assign(variant="abs"), away.assign(protocol="authors")]
    assert comparisons.seed_spread(pd.concat([rows, *others], ignore_index=True)) == known
    assert comparisons.seed_spread(away) == 1.0


def test_one_seed_decides_only_what_exceeds_the_spread_over_seeds():
    """Alone it decides nothing; beside another network's seeds, only a difference larger than these make."""
    alone = scores(ALL, seeds=(0,))
    found, _ = words(alone, history(FLAT, seeds=(0,)))
    assert found["late above dense"] == "undecided (one seed)"
    beside = scores({"dense": 0.4}).assign(network="other")
    _, table = words(pd.concat([alone, beside], ignore_index=True), history(FLAT, seeds=(0,)))
    late = table[(table["claim"] == "late above dense") & (table["network"] == "n")]
    assert late["finding"].tolist() == ["holds", "holds"]
    assert comparisons.seed_spread(beside) < 0.01
    # Untrained heads differ by luck, and that does not count.
    luck = beside.assign(strategy="head")
    luck.loc[(luck["epoch"] == 0) & (luck["seed"] == 1), "score"] = 0.0
    assert comparisons.seed_spread(luck) < 0.01
    assert comparisons.seed_spread(luck.assign(strategy="dense")) > 0.3


def test_masked_training_is_compared_with_the_same_strategy():
    """A head on masked images: lower accuracy and a higher score, as the paper found on Caltech 101."""
    both = pd.concat([scores({"head": 0.4}), scores({"head": 0.5}, trained_on="masked")], ignore_index=True)
    # An untrained head is right on half of the images, which must not decide who is compared.
    both.loc[(both["epoch"] == 0) & (both["image"] < "image-2"), "correct"] = False
    trained = pd.concat([history({"head": 0.9}), history({"head": 0.7}, trained_on="masked")], ignore_index=True)
    found, table = words(both, trained)
    assert found["masked: accuracy"] == found["masked: score"] == "holds"
    assert table[table["claim"] == "masked: score"]["n"].tolist() == [IMAGES, IMAGES]
    assert table[table["claim"] == "masked: accuracy"]["difference"].tolist() == pytest.approx([-0.2])


def test_of_dogs_and_cats_the_paper_says_that_masked_training_changes_nothing():
    """The same tables under that name: a score that rises by a tenth is not alike; under another, beyond the paper."""
    both = pd.concat([scores({"head": 0.4}), scores({"head": 0.5}, trained_on="masked")], ignore_index=True)
    trained = pd.concat([history({"head": 0.9}), history({"head": 0.9}, trained_on="masked")], ignore_index=True)
    told = {}
    for data in ("dogs-vs-cats-half", "caltech101", "pets"):
        named = [table.assign(data=data) for table in (both, trained, masks(), NO_ANSWERS)]
        table = claims.verdicts(comparisons.measured(*named))
        table = table[table["claim"].str.contains("masked images") & (table["asked"] > 0)]
        told[data] = table[["in the paper", "verdict", "held", "asked"]].to_numpy().tolist()
    assert told["dogs-vs-cats-half"] == [["3.3", "holds in part", 1, 3]]
    assert told["caltech101"] == [["3.3, Figure 5", "undecided", 0, 1], ["3.3, Figure 5", "holds", 2, 2]]
    assert told["pets"] == [["beyond the paper", "undecided", 0, 1], ["beyond the paper", "holds", 2, 2]]


def test_accuracies_are_compared_image_by_image_where_answers_are_published():
    """The same 40 of 400 images are wrong before and after: alike by image, too wide an interval for two samples.

    Where a seed has no answers, or fewer than there are test images, accuracies are two samples again.
    """
    one = {"dense": 0.4}
    before, after = {("dense", 0): range(40)}, {("dense", 10): range(40)}
    flat = {}
    for name, given in (
        ("answers", answers(before | after, 400)),
        ("none", NO_ANSWERS),
        ("a seed less", answers(before | after, 400, seeds=SEEDS[:2])),
        ("an image less", answers(before | after, 399)),
    ):
        found, table = words(scores(one), history({"dense": 0.9}), n=400, answer_rows=given)
        row = table[table["claim"] == "flat"].iloc[0]
        flat[name] = (found["flat"], bool(row["by_image"]), row["high"] - row["low"] < 0.02)
    assert flat == {
        "answers": ("holds", True, True),
        "none": ("undecided", False, False),
        "a seed less": ("undecided", False, False),
        "an image less": ("undecided", False, False),
    }


def test_masked_training_lowers_an_accuracy_image_by_image():
    """Twelve of 200 answers are lost and two are won: below, with a p value that counts for Holm's correction."""
    both = pd.concat([scores({"head": 0.4}), scores({"head": 0.5}, trained_on="masked")], ignore_index=True)
    trained = pd.concat([history({"head": 0.9}), history({"head": 0.85}, trained_on="masked")], ignore_index=True)
    given = [
        answers({("head", 10): [0, 1]}, 200),
        answers({("head", 10): range(2, 14)}, 200, trained_on="masked"),
    ]
    found, table = words(both, trained, n=200, answer_rows=pd.concat(given, ignore_index=True))
    row = table[table["claim"] == "masked: accuracy"].iloc[0]
    assert (found["masked: accuracy"], row["by_image"], row["n"]) == ("holds", True, 200)
    assert row["difference"] == pytest.approx(-0.05)
    assert row["p"] <= row["p_holm"] < 0.05
    assert words(both, trained, n=200)[0]["masked: accuracy"] == "undecided"


def test_other_choices_change_verdicts_where_they_matter():
    """Images that one training gets wrong at another epoch count for the epochs compared; wrong ones only for all.

    Of 40 images 30 are wrong at epoch 5, so that ten decide nothing; 15 are wrong at the end.
    """
    rows = scores(ALL, epochs=(0, 5, 10))
    place = rows["image"].str.removeprefix("image-").astype(int)
    wrong = ((rows["epoch"] == 5) & (place >= 10)) | ((rows["epoch"] == 10) & (place >= 25))
    rows = rows.assign(correct=~wrong)
    tables = rows, history(FLAT), masks(), NO_ANSWERS
    found = comparisons.otherwise(comparisons.measured(*tables), *tables).reset_index().set_index("claim")
    late = found.loc[next(claim for claim in found.index if "blocks 4 and 5 raises" in claim)]
    assert late[["run", "here"]].tolist() == ["d, n", "undecided, 0 of 2"]
    assert late["right at the epochs compared"] == "holds, 2 of 2"
    assert late["right or wrong"] == "holds, 2 of 2"
    assert late["corrected within the claim"] == ""
    compared = comparisons.measured(*tables, comparisons.Rules(cohort="compared"), random_effects=False).set_index(
        ["claim", "what"]
    )
    assert compared.loc[("late above dense", "lime"), "n"] == 25
    assert compared["mixed_low"].isna().all()


def test_correction_within_a_claim_counts_its_own_comparisons():
    """Two of one claim: their smaller p value twice, and not as often as the table has rows."""
    tables = scores(ALL), history(FLAT), masks(), NO_ANSWERS
    every = comparisons.measured(*tables, random_effects=False)
    within = comparisons.measured(*tables, comparisons.Rules(family="claim"), random_effects=False)
    pd.testing.assert_frame_equal(every.drop(columns=["p_holm", "finding"]), within.drop(columns=["p_holm", "finding"]))
    late = within[within["claim"] == "late above dense"]
    assert late["p_holm"].min() == pytest.approx(2 * late["p"].min())
    assert (within["p_holm"].dropna() <= every["p_holm"].dropna() + 1e-12).all()


def test_against_the_others_an_explainer_does_not_decide_its_own_direction():
    """LIME rises by 0.2, Grad-CAM falls by 0.1: the mean rises, and against each other both go the other way."""
    up = scores({"dense": 0.6}, explainers=("lime",))
    down = scores({"dense": 0.3}, explainers=("grad_cam",))
    tables = pd.concat([up, down], ignore_index=True), history(FLAT), masks(), NO_ANSWERS
    for others, expected in ((False, ["does not hold", "holds"]), (True, ["does not hold", "does not hold"])):
        table = comparisons.measured(*tables, comparisons.Rules(others=others), random_effects=False)
        agree = table[table["claim"] == "explainers agree"].sort_values("what")
        assert agree["finding"].tolist() == expected, others


def test_how_many_pairs_of_strategies_are_alike():
    """Dense layers like blocks 1 to 3, and blocks 4 and 5 like all: two of six pairs, under each of two explainers."""
    (row,) = comparisons.alike(scores(ALL, seeds=(0, 1))).to_dict("records")
    assert row == {"data": "d", "network": "n", "pairs": 12, "alike": 4}
    assert comparisons.alike(scores({"dense": 0.4})).empty


def test_what_seeds_move_an_accuracy_by():
    """The largest range over seeds at one epoch; an untrained head and training images do not count."""
    rows = history({"dense": 0.9, "head": 0.8})
    assert comparisons.accuracy_spread(rows) == pytest.approx(0.002)
    rows.loc[(rows["strategy"] == "head") & (rows["epoch"] == 0) & (rows["seed"] == 0), "accuracy"] = 0.1
    assert comparisons.accuracy_spread(pd.concat([rows, rows.assign(split="train", accuracy=rows["seed"] / 9)])) < 0.01
    assert comparisons.accuracy_spread(rows[rows["seed"] == 0]) == float("inf")


def test_the_board_has_every_claim_that_was_tested_with_its_numbers():
    """Differences and intervals from end to end; a claim that nothing tested is not on it."""
    found = claims.verdicts(comparisons.measured(scores(ALL), history(FLAT), masks(), NO_ANSWERS))
    told = claims.board(found)
    assert len(told) == len(claims.CLAIMS) - len(UNTESTED)
    (late,) = [row for (claim, _), row in told.iterrows() if "blocks 4 and 5 raises" in claim]
    assert late[["verdict", "hold", "contrary", "images", "seeds"]].tolist() == ["holds", "2 of 2", 0, IMAGES, 3]
    least, most = map(float, late["differences"].split(" to "))
    low, high = map(float, late["intervals"].split(" to "))
    assert low < least < most < high
    claim, run = told.index[1]
    assert claim.startswith('<a href="#claim-late-above-dense">Training')
    assert claim.endswith("</a> (3.3, Figure 3)")
    assert run == "d, n"


def test_tables_without_a_comparison_leave_every_claim_untested():
    """One strategy trained on one kind of images, scored once: nothing to compare, and no row."""
    found, table = words(scores({"dense": 0.4}, epochs=(10,)), history({})[:0].reindex(columns=history(FLAT).columns))
    assert table.empty
    assert set(found.values()) == {"not testable here"}


def orders(reach):
    """Return running means of 100 orders: after 50 images up to ``reach`` from the mean of all, 0.5."""
    ends = np.linspace(-reach, reach, 100)
    parts = [pd.DataFrame({"order": n, "n": [50, 200], "mean": [0.5 + away, 0.5]}) for n, away in enumerate(ends)]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(("reach", "verdict"), [(0.02, "holds"), (0.1, "does not hold")])
def test_a_mean_has_settled_where_95_of_100_orders_lie_within_the_margin(reach, verdict):
    """After 50 of 200 images; the ends of the interval are those of the orders."""
    rows = claims.settling({("pets", "grad_cam"): orders(reach)})
    assert rows[["low", "high"]].to_numpy().ravel() == pytest.approx([-0.95 * reach, 0.95 * reach])
    found = claims.verdicts(rows)
    (row,) = found[found["claim"].str.contains("settled")].to_dict("records")
    assert (row["verdict"], row["data"], row["asked"], row["n"]) == (verdict, "pets", 1, 200)


def test_the_mixed_model_stands_beside_the_bootstrap():
    """Same difference, both intervals hold it; accuracies have none."""
    _, table = words(scores(ALL), history(FLAT))
    late = table[table["claim"] == "late above dense"]
    assert (late["mixed_low"] < late["difference"]).all()
    assert (late["difference"] < late["mixed_high"]).all()
    assert table.loc[table["what"] == "accuracy", "mixed_low"].isna().all()


def test_the_numbers_of_the_page_by_hand():
    """Two of three differences that hold are small; of three accuracies one interval is too wide, one has one seed."""
    rows = [
        # claim, what, expected, difference, low, high, mixed_low, mixed_high, finding; all with three seeds but one
        ("late above dense", "grad_cam", "above", 0.02, 0.01, 0.03, -0.1, 0.1, "holds"),
        ("explainers agree", "lime", "below", -0.01, -0.03, -0.001, -0.02, -0.005, "holds"),
        ("masked: score", "lime", "above", 0.5, 0.4, 0.6, np.nan, np.nan, "holds"),
        ("masked: score", "occlusion", "above", -0.5, -0.6, -0.4, -0.9, 0.0, "does not hold"),
        ("masked: score", "grad_cam", "above", 0.01, -0.1, 0.1, -0.9, 0.9, "undecided"),
        ("all like late", "lime", "alike", 0.0, -0.01, 0.01, -0.1, 0.1, "holds"),
        ("flat", "accuracy", "alike", 0.0, -0.01, 0.01, np.nan, np.nan, "holds"),
        ("flat", "accuracy", "alike", 0.0, -0.01, 0.05, np.nan, np.nan, "undecided"),
        ("flat", "accuracy", "alike", 0.3, 0.28, 0.31, np.nan, np.nan, "does not hold"),
        ("masked: accuracy", "accuracy", "below", -0.001, -0.1, -0.01, np.nan, np.nan, "holds"),
    ]
    names = ["claim", "what", "expected", "difference", "low", "high", "mixed_low", "mixed_high", "finding"]
    table = pd.DataFrame(rows, columns=names).assign(seeds=3, by_image=[np.nan] * 6 + [True, True, False, True])
    assert claims.numbers(table)["blind"] == 1
    table.loc[table["finding"] == "does not hold", "seeds"] = 1
    assert claims.numbers(table) == {
        "directed": 3,
        "small": 2,
        "accuracies": 4,
        "by_image": 3,
        "decided": 3,
        "open": 2,
        "flats": 3,
        "blind": 2,
        "half_low": pytest.approx(0.01),
        "half_high": pytest.approx(0.03),
    }


def test_p_values_are_corrected_for_all_rows_together():
    """With Holm, the smallest p is multiplied by the number of tests."""
    _, table = words(scores(ALL), history(FLAT))
    tested = table.dropna(subset=["p"])
    smallest = tested.loc[tested["p"].idxmin()]
    assert smallest["p_holm"] == pytest.approx(min(1.0, smallest["p"] * len(tested)))


@pytest.mark.parametrize("name", ["cpu", "gpu"])
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
