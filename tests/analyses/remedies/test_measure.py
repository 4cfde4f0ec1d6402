"""The comparison of remedies on a small run: equal terms, what is kept, and verdicts that follow their rules."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny_run as tiny
from hand_network import hand_network

from rrr_utils.analyses.remedies import background_influence as reach
from rrr_utils.analyses.remedies import figures as drawn
from rrr_utils.analyses.remedies import measure as comparison
from rrr_utils.analyses.remedies import statistics as told
from rrr_utils.analyses.remedies.catalogue import CATALOGUE, remedy
from rrr_utils.common import names, paths
from rrr_utils.engine import passes as engine
from rrr_utils.explainers import GradCAM
from rrr_utils.scoring.shift import change_background
from rrr_utils.study import jobs, run_notebook
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables
from rrr_utils.training import checkpoints, runs
from rrr_utils.training import fit as training

pytestmark = pytest.mark.tensorflow

STAGE = tiny.STAGE
NAMES = ["plain", "right-reasons", "ensemble"]
FACTORS = [1, 10]


@pytest.fixture(scope="module")
def made(tiny_run):
    """The tiny run and its images, and three remedies of one seed beside its plain training."""
    run, data = tiny_run
    found = comparison.compare(run, data, STAGE, NAMES, [0], study_seed=0, factors=FACTORS)
    asked = {"splits": ["test"], "n": 4, "backgrounds": ["random", "free"], "study_seed": 0}
    return run, data, (*found, *comparison.score(run, data, NAMES, [0], 2, [GradCAM()], **asked))


def test_the_tables_have_their_schemas_and_rows(made, tmp_path):
    """A row an epoch and split, a model, a factor, an image and a background; the remedy stands under trained_on."""
    history, fits, sweeps, scores, shift = made[2]
    for name, table in zip(("history", "fits", "sweeps", "scores", "shift"), made[2], strict=True):
        tables.write(table, tmp_path / "t.parquet", name)
    assert history.groupby("trained_on").size().to_dict() == {
        "plain": 6,
        "right-reasons": 6,
        "ensemble": 2,
    }
    assert fits["trained_on"].tolist() == NAMES
    assert fits.set_index("trained_on")["members"].to_dict()["ensemble"] == 3
    assert (fits["images"] == 18).all()
    assert fits.set_index("trained_on")["strength"].notna().tolist() == [False, True, False]
    assert sweeps["factor"].tolist() == FACTORS
    assert sweeps["chosen"].sum() == 1
    assert (sweeps["n"] == 2).all()
    assert scores.groupby("trained_on").size().eq(4).all()
    assert shift.groupby("trained_on").size().eq(3).all()


def test_plain_is_the_study_s_own_run_to_the_bit(made):
    """Checkpoint and history of `training.train`, and of the first member of the ensemble."""
    run, data, (history, *_) = made
    own = checkpoints.read(checkpoints.path(run.checkpoints(0), 2))
    plain = checkpoints.read(checkpoints.path(comparison.remedy_run(run, "plain").checkpoints(0), 2))
    joined = checkpoints.read(checkpoints.path(comparison.remedy_run(run, "ensemble").checkpoints(0), 2))
    assert set(plain) == set(own)
    for key, array in own.items():
        np.testing.assert_array_equal(plain[key], array)
        np.testing.assert_array_equal(joined[f"member0_{key}"], array)
        if key.endswith("kernel"):
            assert not np.array_equal(joined[f"member1_{key}"], array)
    rows = history[history["trained_on"] == "plain"].set_index(["epoch", "split"])
    expected = training.train(
        run.start(0),
        "all",
        runs.training_data(data),
        STAGE,
        run.checkpoints(0),
        trained_on="original",
        seed=0,
        evaluate=runs.evaluation(data),
    ).set_index(["epoch", "split"])
    np.testing.assert_allclose(rows["loss"], expected["loss"], rtol=1e-6)


def test_a_finished_model_is_not_trained_again(made, monkeypatch):
    """A second call reads what is there and gives the same tables; only what is missing is trained."""
    run, data, found = made
    monkeypatch.setattr(comparison, "fit", None)
    again = comparison.compare(run, data, STAGE, NAMES, [0], study_seed=0, factors=FACTORS)
    for before, after in zip(found[:3], again, strict=True):
        pd.testing.assert_frame_equal(before, after)
    with pytest.raises(TypeError):
        comparison.compare(run, data, STAGE, ["masked"], [0], study_seed=0, factors=FACTORS)


def test_the_strongest_penalty_that_costs_nothing_is_chosen():
    """Means over seeds: 0.985 of 0.995 is within two points and 0.97 is not."""
    table = pd.DataFrame(
        {
            "factor": [0.1, 0.1, 1, 1, 10, 10],
            "accuracy": [1.0, 0.99, 0.98, 0.99, 1.0, 0.94],
            "accuracy_other": [0.0, 0, 0, 0, 1, 1],
        }
    )
    assert comparison.choose(table) == 1


def test_every_remedy_is_known_everywhere():
    """The plan's list, the catalogue and the figure's labels agree; a misspelt name gets help."""
    assert tuple(CATALOGUE) == names.REMEDIES
    assert {*drawn.LABELS, "plain"} == set(CATALOGUE)
    assert all(each.masks for each in CATALOGUE.values() if each.taught)
    with pytest.raises(ValueError, match="Did you mean 'right-reasons'"):
        remedy("right-reason")


def test_an_ensemble_behind_frozen_layers_is_scored_like_each_seed_alone(made):
    """What its members share cannot be cut off once for all seeds; asked together they answer as one by one."""
    _, data, _ = made
    frozen = runs.Run("s", "d", "small", "dense", "original", "convnet", 32)
    comparison.compare(frozen, data, STAGE, ["ensemble"], [0, 1], study_seed=0, factors=FACTORS)
    asked = {"splits": ["test"], "n": 4, "backgrounds": ["random"], "study_seed": 0}
    together = comparison.score(frozen, data, ["ensemble"], [0, 1], 2, [GradCAM()], **asked)
    alone = [comparison.score(frozen, data, ["ensemble"], [seed], 2, [GradCAM()], **asked) for seed in (0, 1)]
    for number, table in enumerate(together):
        pd.testing.assert_frame_equal(table, pd.concat([each[number] for each in alone], ignore_index=True))
    assert together[0].groupby("seed")["score"].sum().nunique() == 2


def rows_of_scores(means, n=40, seeds=2):
    """Scores of n images that scatter around the mean of each remedy, the same scatter for all."""
    random = np.random.default_rng(0)
    scatter = random.normal(0, 0.05, n)
    rows = []
    for name, mean in means.items():
        for seed in range(seeds):
            noise = random.normal(0, 0.01, n)
            for place in range(n):
                value = float(np.clip(mean + scatter[place] + noise[place], 0, 1))
                rows.append({"trained_on": name, "seed": seed, "image": f"i{place}", "score": value})
    return pd.DataFrame(rows).assign(
        explainer="occlusion", design="", samples=0, chance=0.1, correct=True, zero_map=False, epoch=1, split="test"
    )


def rows_of_shift(accuracies, n=400, seeds=2):
    rows = [
        {"trained_on": name, "seed": seed, "background": background, "n": n, "correct": round(n * value)}
        for name, of_background in accuracies.items()
        for background, value in of_background.items()
        for seed in range(seeds)
    ]
    table = pd.DataFrame(rows)
    return table.assign(accuracy=table["correct"] / table["n"])


def test_verdicts_follow_the_rules():
    """One remedy helps and is seen, one helps unseen, one is praised for nothing, one was taught what it can do."""
    scores = rows_of_scores({"plain": 0.2, "cgc": 0.5, "swapped": 0.2, "cam-energy": 0.6, "masked": 0.5})
    flat = {"original": 0.9, "random": 0.5, "other": 0.5}
    shift = rows_of_shift(
        {
            "plain": flat,
            "cgc": {**flat, "random": 0.8},
            "swapped": {**flat, "random": 0.8, "other": 0.8, "original": 0.7},
            "cam-energy": flat,
            "masked": {**flat, "random": 0.8},
        }
    )
    taught = {"masked": ("random",), "cam-energy": ("occlusion",)}
    table = told.differences(scores, shift, taught)
    verdicts = table.set_index(["remedy", "what"])["verdict"]
    assert verdicts["cgc", "random"] == "raises"
    assert verdicts["swapped", "original"] == "lowers"
    assert verdicts["cgc", "occlusion"] == "raises"
    assert verdicts["swapped", "occlusion"] == "alike"
    judged = told.judged(table).set_index("remedy")
    assert judged["helps"].to_dict() == {
        "cgc": "helps",
        "swapped": "helps",
        # Newcombe's interval of two equal accuracies of 400 images is wider than the margin.
        "cam-energy": "undecided",
        "masked": "undecided",
    }
    assert judged["occlusion"].to_dict() == {
        "cgc": "sees it",
        "swapped": "misses it",
        "cam-energy": "(undecided)",
        "masked": "undecided",
    }
    assert judged.loc["swapped", "kept"] == "lowers"
    found = told.promises(table).set_index(["remedy", "what"])["verdict"]
    assert found["cgc", "kept"] == "undecided"
    picture = drawn.remedies(table)
    assert len(picture.axes) == 2


def test_small_uncertain_and_single_differences_decide_nothing():
    """Below the margin, p too large after Holm, an interval over 0, a single seed."""
    row = {"kind": "score", "low": 0.04, "high": 0.06, "difference": 0.05, "p_holm": 0.01, "seeds": 3}
    assert told.verdict(row) == "raises"
    assert told.verdict({**row, "low": 0.005, "high": 0.05, "difference": 0.02}) == "undecided"
    assert told.verdict({**row, "low": 0.005, "high": 0.025, "difference": 0.02}) == "alike"
    assert told.verdict({**row, "p_holm": 0.2}) == "undecided"
    assert told.verdict({**row, "low": -0.01}) == "undecided"
    assert told.verdict({**row, "seeds": 1}) == "undecided (one seed)"
    assert told.verdict({**row, "kind": "accuracy", "p_holm": float("nan")}) == "raises"
    assert told.verdict({**row, "low": float("nan")}) == "undecided"


@pytest.mark.parametrize(
    ("helps", "score", "said"),
    [
        ("helps", "raises", "sees it"),
        ("helps", "lowers", "says the contrary"),
        ("helps", "undecided", "misses it"),
        ("harms", "lowers", "sees it"),
        ("no change", "raises", "false alarm"),
        ("no change", "alike", "sees it"),
        ("mixed", "raises", "undecided"),
        ("undecided", "raises", "undecided"),
    ],
)
def test_what_a_score_says_of_a_remedy(helps, score, said):
    """By the rule, from the two verdicts."""
    assert told.sees(helps, score) == said


def test_agreement_and_the_images_that_it_takes():
    """Scores in the order of the accuracies have a rank correlation of 1; what was taught is left out."""
    order = {"plain": 0.2, "cgc": 0.3, "swapped": 0.4, "cam-energy": 0.9}
    scores = rows_of_scores(order)
    shift = rows_of_shift(
        {name: {"original": 0.9, "random": value, "other": 1 - value} for name, value in order.items()}
    )
    taught = {"swapped": ("other",), "cam-energy": ("occlusion",)}
    row = told.agreement(scores, shift, taught).iloc[0]
    assert row["backgrounds"] == "random"
    assert row["models"] == 6
    assert row["rho"] > 0.8
    needed = told.images_needed(scores).iloc[0]
    # The scatter of the images cancels; what is left is the noise of one seed of each side, 0.01 times the root of 2.
    assert needed["spread"] == pytest.approx(0.0141, rel=0.2)
    # 1.96 for the level and 0.84 for the power.
    assert needed["images"] == np.ceil((2.802 * needed["spread"] / told.SCORE_MARGIN) ** 2)


def test_time_is_a_ratio_to_plain_of_the_same_seed():
    """3 of 1 and 4 of 2 seconds are 2.5 times, from 2 to 3."""
    fits = pd.DataFrame(
        {"trained_on": ["plain", "cgc"] * 2, "seed": [0, 0, 1, 1], "epoch_seconds": [1.0, 3.0, 2.0, 4.0]}
    )
    assert told.time_ratios(fits).set_index("remedy").loc["cgc"].tolist() == [2.5, 2, 3]


def test_without_plain_training_there_is_nothing_to_compare_with():
    """The message says what to do."""
    scores, shift = rows_of_scores({"cgc": 0.5}), rows_of_shift({"cgc": {"original": 1.0}})
    with pytest.raises(ValueError, match="Name it among the remedies"):
        told.differences(scores, shift, {})


def test_how_far_a_background_reaches(made, tmp_path):
    """The change is the difference of two plain passes, for the first image; every remedy has its rows."""
    run, data, _ = made
    rows = reach.measure_run(run, data, NAMES, [0], 2, n=4, study_seed=0)
    tables.write(rows, tmp_path / "t.parquet", "reach")
    assert rows.groupby("trained_on").size().eq(4).all()
    places = data.cohort("test", 4, 0)
    place = int(places[0])
    network = comparison.remedy_run(run, "plain").at(0, 2)
    others = change_background(data, places, "other", 0)
    logits = engine.forward(network)(np.concatenate([data.images[[place]], others[:1]])).astype(float)
    margin = (logits[:, 1] - logits[:, 0]) * (1 if data.labels[place] else -1)
    row = rows[rows["trained_on"] == "plain"].iloc[0]
    assert row["image"] == data.ids[place]
    assert row["change"] == pytest.approx(margin[1] - margin[0], abs=1e-4)
    table = told.reach_table(rows).set_index("remedy")
    assert table.loc["plain", "steepness"] == 1
    assert table["outside"].between(0, 1).all()


def test_the_gradient_of_a_linear_network_shows_all():
    """Log odds are twice the left cell's red minus green: slopes of 2 and -2 there, and none in the right cell."""
    pictures = np.array([[[[2, 0, 0], [0, 1, 0]]], [[[0, 1, 0], [0, 0, 0]]]], np.uint8)
    masks = np.array([[[1, 0]], [[1, 0]]])
    found = reach.measure(hand_network(), pictures, masks, pictures[::-1], np.array([0, 1]))
    np.testing.assert_allclose(found["log_odds"], [4, 2], rtol=1e-5)
    np.testing.assert_allclose(found["change"], [-6, -6], rtol=1e-5)
    np.testing.assert_allclose(found["predicted"], [-6, -6], rtol=1e-5)
    np.testing.assert_allclose(found["inside"], [8, 8], rtol=1e-5)
    np.testing.assert_allclose(found["outside"], [0, 0], atol=1e-8)


@pytest.mark.parametrize("name", ["remedies", "remedies-photos"])
def test_the_studies_ask_for_the_comparison(name):
    """Every remedy, by a job after the run's own training, with parameters that its notebook has."""
    plan = study.load(paths.root() / "studies" / f"{name}.yaml")
    found = [job for job in jobs.of(plan) if job.kind == "analysis"]
    assert found
    for job in found:
        assert job.outputs == ("remedies",)
        assert job.parameters["remedies"] == list(names.REMEDIES)
        assert job.trained["epochs"] == job.parameters["epoch"]
        run_notebook.check_parameters(paths.root() / "notebooks" / "11-remedies.ipynb", job.parameters)
        assert job.cost.seconds > 60


def test_a_study_is_refused_that_compares_with_nothing():
    """No plain training, another epoch than the last, a misspelt remedy, a strength of nothing."""
    plan = study.load(paths.root() / "studies" / "remedies.yaml")
    entry = plan.analyses[0]
    with pytest.raises(ValueError, match="must name 'plain'"):
        replace(entry.options, remedies=("cgc",))
    with pytest.raises(ValueError, match="Did you mean 'cgc'"):
        replace(entry.options, remedies=("plain", "cgcc"))
    with pytest.raises(ValueError, match="`factors` must be a number from 0 to 1,000,000, and neither, but 0"):
        replace(entry.options, factors=(0.0,))
    with pytest.raises(ValueError, match="`epoch` must be 12"):
        replace(plan, analyses=(replace(entry, epoch=11),))
