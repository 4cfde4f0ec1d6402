"""Overinterpretation and stability on a small trained run: rows, identities, and what the tables' means are."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from rrr_utils import metric
from rrr_utils.analyses.overinterpretation import measure as overinterpretation
from rrr_utils.analyses.overinterpretation import statistics
from rrr_utils.analyses.overinterpretation import sufficient_subsets as sis
from rrr_utils.analyses.reliability import stability
from rrr_utils.analyses.reliability.statistics import stability_table
from rrr_utils.engine import passes as engine
from rrr_utils.networks import network as networks
from rrr_utils.networks.ensemble import ensemble
from rrr_utils.scoring import scores as scoring
from rrr_utils.study import analysis as analyses
from rrr_utils.tables import parquet as tables
from rrr_utils.training import fit as training

STAGE = training.Stage(1, "adam", 1e-3)
ASKED = {"pixels": 128, "shares": [0.1], "threshold": 0.55, "fills": ["neutral", "mean"], "most": 2}


@pytest.fixture(scope="module")
def examined(tiny_run, tmp_path_factory):
    run, data = tiny_run
    folder = tmp_path_factory.mktemp("pieces")
    cohort = {"splits": ["test"], "n": 4, "study_seed": 0}
    return *overinterpretation.examine_run(run, data, [0, 1], 1, folder, **cohort, **ASKED), folder


def test_every_kind_of_subset_has_its_rows(examined):
    """Four images of two seeds and their ensemble, each kind once, selected pixels by and before both colours."""
    kept, sufficient, _ = examined
    counts = kept.groupby(["voters", "seed", "kind", "fill", "shown"]).size()
    assert (counts == 4).all()
    assert set(kept["kind"]) == set(overinterpretation.KINDS)
    assert set(kept[["voters", "seed"]].apply(tuple, axis=1)) == {(1, 0), (1, 1), (2, 0)}
    of_selected = kept[kept["kind"] == "selected"].groupby(["fill", "shown"]).size()
    assert set(of_selected.index) == {("neutral", "neutral"), ("neutral", "mean"), ("mean", "mean")}
    count = round(0.1 * 32 * 32)
    assert (kept.loc[kept["kind"].isin(["selected", "random", "wrong class"]), "pixels"] == count).all()
    assert (kept.loc[kept["kind"].str.contains("neighbours"), "pixels"] > count).all()
    wrong = kept[kept["kind"] == "wrong class"]
    assert (wrong["target"] != wrong["predicted"]).all()
    assert (sufficient["found"] == (sufficient["certainty"] >= 0.55)).all()


def test_a_row_is_what_a_plain_pass_says(tiny_run, examined):
    """The first image of seed 1, by hand: its selection, its probability there, and its pixels on the object."""
    run, data = tiny_run
    place = int(data.cohort("test", 4, 0)[0])
    network, name = run.at(1, 1), data.ids[place]
    image = data.images[place][None]
    label = int(engine.forward(network)(image).argmax())
    (selection,) = sis.batched_gradient(network, image, [label], [name], pixels=128, fill=network.neutral)
    subset = selection.kept(round(0.1 * 32 * 32))
    logits = engine.forward(network)(sis.show(image, subset[None], network.neutral))
    kept = examined[0]
    rows = kept[(kept["voters"] == 1) & (kept["seed"] == 1) & (kept["image"] == name) & (kept["kind"] == "selected")]
    row = rows[(rows["fill"] == "neutral") & (rows["shown"] == "neutral")].iloc[0]
    assert row["confidence"] == pytest.approx(special.softmax(logits[0].astype(float))[label], abs=1e-5)
    assert row["on_object"] == pytest.approx(subset[data.masks[place] > 0].sum() / subset.sum())
    assert row["chance"] == pytest.approx(float(metric.chance(data.masks[place])[0]))
    assert row["answer"] == logits.argmax()


def test_finished_images_are_not_examined_again(tiny_run, examined, monkeypatch):
    """A second call reads its pieces and gives the same tables."""
    run, data = tiny_run
    kept, sufficient, folder = examined
    monkeypatch.setattr(overinterpretation, "examine", None)
    cohort = {"splits": ["test"], "n": 4, "study_seed": 0}
    again = overinterpretation.examine_run(run, data, [0, 1], 1, folder, **cohort, **ASKED)
    assert again[0].equals(kept)
    assert again[1].equals(sufficient)


def test_an_ensemble_is_the_mean_of_logits(tiny_run):
    """Of two networks, whose own models stay as they are; one alone, or another size, is none."""
    run, data = tiny_run
    members = [run.at(seed, 1) for seed in (0, 1)]
    images = data.images[:5]
    mean = np.mean([engine.forward(each)(images) for each in members], axis=0)
    np.testing.assert_allclose(engine.forward(ensemble(members).model)(images), mean, atol=1e-5)
    with pytest.raises(ValueError, match="An ensemble needs two networks or more"):
        ensemble(members[:1])
    other = networks.build("convnet", classes=2, size=64, weights=None)
    with pytest.raises(ValueError, match="of one size"):
        ensemble([members[0], other])


def test_training_on_few_pixels(tiny_run, tmp_path, monkeypatch):
    """Nine accuracies a seed; the original's on whole images is its own; selections and weights are kept."""
    run, data = tiny_run
    asked = {"study_seed": 0, "pixels": 256, "share": 0.1}
    rows = overinterpretation.retrain_run(run, data, STAGE, [0], 1, tmp_path, **asked)
    tables.write(rows, tmp_path / "t.parquet", "subset_accuracy")
    assert len(rows) == 9
    test = data.where("test")
    own = (engine.forward(run.at(0, 1))(data.images[test]).argmax(axis=1) == data.labels[test]).mean()
    whole = rows[(rows["trained"] == "whole") & (rows["tested"] == "whole")]
    assert whole["accuracy"].item() == pytest.approx(own)
    with np.load(tmp_path / "seed-0-selected.npz") as kept:
        assert (kept["kept"].sum(axis=(1, 2)) == round(0.1 * 1024)).all()
    monkeypatch.setattr(sis, "batched_gradient", None)
    assert overinterpretation.retrain_run(run, data, STAGE, [0], 1, tmp_path, **asked).equals(rows)
    assert set(statistics.retrained_table(rows)["seeds"]) == {1}


def test_disturbed_scores_have_their_rows(tiny_run, tmp_path):
    """Six disturbances and, of what draws, another draw; undisturbed rows are those of a plain scoring."""
    run, data = tiny_run
    settings = [{"name": "grad_cam"}, {"name": "smooth_grad", "samples": 3}]
    cohort = {"splits": ["test"], "n": 4, "study_seed": 0}
    scores = stability.score_run(run, data, settings, [0], 1, tmp_path, **cohort)
    counts = scores.groupby("variant").size().to_dict()
    assert counts.pop("other draw") == 4
    assert set(counts) == {"", *stability.disturbances(32)}
    assert set(counts.values()) == {8}
    places = data.cohort("test", 4, 0)
    plain = scoring.score_images(
        run.at(0, 1),
        data.images[places],
        data.masks[places],
        data.labels[places],
        [data.ids[place] for place in places],
        scoring.explainers(settings, 0),
    )
    np.testing.assert_allclose(scores[scores["variant"] == ""]["score"], plain["score"], atol=1e-5)
    table = stability_table(scores)
    assert len(table) == 2 * 6 + 1
    assert (table["moved"].dropna() >= 0).all()


def test_disturbances_by_hand():
    """A pixel to the right and down repeats the border; a mask of one pixel grows to nine and cannot shrink away."""
    image = np.arange(2 * 3, dtype=np.uint8).reshape(1, 2, 3)
    np.testing.assert_array_equal(stability.shift(image, 0, 1)[0], [[0, 0, 1], [3, 3, 4]])
    np.testing.assert_array_equal(stability.shift(image, 1, 0)[0], [[0, 1, 2], [0, 1, 2]])
    mask = np.zeros((2, 5, 5))
    mask[0, 2, 2] = 1
    mask[1, 1:4, :3] = 1
    assert stability.grow(mask, 1).sum(axis=(1, 2)).tolist() == [9, 20]
    # The border of the image is no edge of the object.
    assert stability.grow(mask, -1).sum(axis=(1, 2)).tolist() == [1, 2]
    np.testing.assert_array_equal(stability.grow(mask, 0), mask)
    noise = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3)).astype(np.uint8)
    near, far = (np.abs(stability.jpeg(noise, quality) - noise.astype(float)).mean() for quality in (95, 20))
    assert 0 < near < far


def rows_of(confidences, kind="selected", **more):
    base = {"seed": 0, "voters": 1, "fill": "neutral", "shown": "neutral", "share": 0.05, "pixels": 5, "chance": 0.2}
    return pd.DataFrame(
        [
            base
            | {"kind": kind, "image": f"i{number}", "confidence": value, "target": 1, "answer": int(value > 0.5)}
            | {"label": number % 2, "on_object": value / 2}
            | more
            for number, value in enumerate(confidences)
        ]
    )


def test_the_means_by_hand():
    """Confidence 0.9, 0.4, 0.8, 0.7: mean 0.7; the answer stays on three of four; two answers are true."""
    rows = pd.concat([rows_of([0.9, 0.4, 0.8, 0.7]), rows_of([0.5, 0.3, 0.2, 0.6], "random")])
    table = statistics.subset_table(rows).set_index("kind")
    row = table.loc["selected"]
    assert row["confidence"] == pytest.approx(0.7)
    assert (row["kept_answer"], row["accuracy"]) == (0.75, 0.25)
    assert row["above"] == pytest.approx(0.35 - 0.2)
    assert row["confidence_low"] <= 0.7 <= row["confidence_high"]
    (against,) = statistics.selected_against(rows, ["random"]).to_dict("records")
    assert against["difference"] == pytest.approx(0.7 - 0.4)
    numbers = statistics.overinterpretation_numbers(statistics.subset_table(rows), pd.DataFrame(), None)
    assert numbers["confidence_selected_5"] == pytest.approx(0.7)
    assert numbers["confidence_random_5"] == pytest.approx(0.4)
    assert (numbers["n_images"], numbers["n_seeds"]) == (4, 1)


def test_sufficient_subsets_by_hand():
    """Two of three images have one; the right answers' are 0.1 and 0.3 of the image; one image has two of them."""
    base = {"seed": 0, "voters": 1, "chance": 0.2, "found": True, "correct": True, "number": 0}
    rows = pd.DataFrame(
        [
            base | {"image": "a", "certainty": 0.99, "pixels": 10.0, "share": 0.1, "score": 0.5},
            base | {"image": "a", "certainty": 0.99, "pixels": 20.0, "share": 0.2, "score": 0.1, "number": 1},
            base | {"image": "b", "certainty": 0.95, "pixels": 30.0, "share": 0.3, "score": 0.3},
            base
            | {"image": "c", "certainty": 0.6, "pixels": np.nan, "share": np.nan, "score": np.nan}
            | {"found": False, "correct": False},
        ]
    )
    table = statistics.sufficient_table(rows).set_index("answers")
    row = table.loc["right"]
    assert (row["asked"], row["found"], row["subsets"]) == (2, 2, 1.5)
    assert row["share"] == pytest.approx(0.2)
    assert row["above"] == pytest.approx(0.4 - 0.2)
    assert (table.loc["all", "asked"], table.loc["all", "found"]) == (3, 2)
    assert np.isnan(table.loc["wrong", "share"])


def test_impossible_options_are_refused():
    """Each option belongs to its kind and has its limits; the colours are those of the selection."""
    given = {"data": "d", "network": "n", "strategy": "all", "epoch": 1, "explainers": ({"name": "grad_cam"},)}
    made = analyses.Analysis.of(kind="overinterpretation", **given)
    assert made.options.parameters() == {
        "pixels": 100,
        "shares": [0.05, 0.1],
        "threshold": 0.9,
        "fills": ["neutral", "black", "mean"],
        "subsets": 3,
        "retrain": False,
    }
    assert analyses.Analysis.of(kind="reliability", **given).options.parameters() == {"mosaics": 20}
    for name, value, words in [
        ("pixels", 0, "`pixels` must be a whole number from 1 to"),
        ("threshold", 1.0, "`threshold` must be a number from 0 to 1, and neither"),
        ("shares", (1.5,), "`shares` must be a number from 0 to 1, and neither"),
        ("fills", ("grey",), "`fills` must be one of"),
        ("mosaics", 3, "`mosaics` belongs to analyses of kind 'reliability'"),
    ]:
        with pytest.raises(ValueError, match=words):
            analyses.Analysis.of(kind="overinterpretation", **given, **{name: value})
