"""The zoo: confounded data by property, outcomes of models whose answer is known, and the rows of a slice."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rrr_utils import datasets
from rrr_utils.analyses.remedies import catalogue
from rrr_utils.analyses.remedies import fit as fitting
from rrr_utils.analyses.zoo import confounded_data as worlds
from rrr_utils.analyses.zoo import measure as slices
from rrr_utils.analyses.zoo import options
from rrr_utils.analyses.zoo import robustness as outcomes
from rrr_utils.common import paths
from rrr_utils.engine import weights
from rrr_utils.masks import open_masker, prepared
from rrr_utils.scoring import scores as scoring
from rrr_utils.tables import parquet as tables
from rrr_utils.training import checkpoints
from rrr_utils.training import fit as training
from rrr_utils.training.runs import Run


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """120 generated images at 64 px, made ready, in a folder of runs of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRR_RUNS", str(tmp_path_factory.mktemp("runs")))
        dataset = datasets.open_dataset("confounded", None, {"images": 120})
        folder = paths.runs() / "s" / "d"
        prepared.prepare("s", "d", dataset, open_masker("outlines", dataset), [64, 32], folder, test_share=0.5, seed=0)
        yield prepared.load(folder, 64)


def corner(images):
    """The class whose tint the picture's rim has: a model that looks at the background alone."""
    rim = np.concatenate([images[:, :2].reshape(len(images), -1, 3), images[:, -2:].reshape(len(images), -1, 3)], 1)
    return (rim[..., 0].mean(axis=1) < rim[..., 2].mean(axis=1)).astype(int)


def shape(images):
    """Disk or cross by the one plain colour in the picture: a model that looks at the object alone."""
    answers = []
    for picture in np.asarray(images):
        colours = Counter(map(tuple, picture.reshape(-1, 3).tolist()))
        plain = [colour for colour, count in colours.items() if 100 < count < 2000]
        if not plain:
            answers.append(0)
            continue
        there = (picture == np.array(plain[0])).all(axis=2)
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        # A disk fills 0.79 of its box, a cross of these arms 0.44.
        answers.append(int(there.sum() < 0.6 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)))
    return np.array(answers)


@pytest.mark.parametrize("tie", [0.5, 1.0])
def test_outcomes_of_models_whose_answer_is_known(ready, tie):
    """The background's model falls as the background changes, the object's only when the object is gone."""
    world = worlds.world(ready, "confounded", {"images": 120}, tie, 0)

    def predict(images):
        return np.stack([np.eye(2)[model(images)] for model in (corner, shape)])

    found = outcomes.accuracies(predict, world, 0)
    tested = [dataset_label(world, place) for place in world.data.where("test")]
    share = np.mean(tested)
    background, looks_at_object = np.transpose([found[variant] for variant in outcomes.VARIANTS])
    by_variant = dict(zip(outcomes.VARIANTS, background, strict=True))
    assert by_variant["original"] == by_variant["removed"] == pytest.approx(share)
    assert by_variant["flipped"] == 0
    assert by_variant["other"] == pytest.approx(0.5, abs=0.2)
    assert by_variant["free"] == pytest.approx(0.5, abs=0.2)
    of_object = dict(zip(outcomes.VARIANTS, looks_at_object, strict=True))
    assert of_object.pop("removed") == 0.5
    assert set(of_object.values()) == {1.0}


def dataset_label(world, place):
    """Whether the background of an image is that of its class, seen by its tint."""
    return corner(world.data.images[[place]])[0] == world.data.labels[place]


def test_a_tie_changes_the_background_and_nothing_else(ready):
    """Objects, labels and split are the same for every tie; the share of tied backgrounds is the tie."""
    weak, strong = (worlds.world(ready, "confounded", {"images": 120}, tie, 0) for tie in (0.6, 1.0))
    inside = np.asarray(ready.masks) > 0
    np.testing.assert_array_equal(weak.data.images[inside], strong.data.images[inside])
    np.testing.assert_array_equal(weak.flipped, strong.flipped)
    assert weak.data.ids == ready.ids
    assert np.mean(corner(strong.data.images) == ready.labels) == 1
    assert np.mean(corner(weak.data.images) == ready.labels) == pytest.approx(0.6, abs=0.12)
    assert np.mean(corner(strong.flipped) == ready.labels) == 0


def test_photographs_are_confounded_through_their_masks(ready):
    """The object stays, its background is the class's texture as often as the tie says; a tie of 0 changes nothing."""
    asked = (ready, "oxford_pets", {})
    world, plain = worlds.world(*asked, 0.75, 3), worlds.world(*asked, 0, 3)
    inside = np.asarray(ready.masks) > 0
    np.testing.assert_array_equal(world.data.images[inside], np.asarray(ready.images)[inside])
    np.testing.assert_array_equal(plain.data.images, ready.images)
    assert plain.flipped is None
    assert outcomes.changed(plain, ready.where("test"), "flipped", 0) is None
    assert outcomes.changed(plain, ready.where("test"), "free", 0) is None
    # Class 0 is red, class 1 is cyan.
    shown = (world.data.images[:, 0, :, 0].mean(axis=1) < world.data.images[:, 0, :, 2].mean(axis=1)).astype(int)
    assert np.mean(shown == ready.labels) == pytest.approx(0.75, abs=0.12)
    assert not (world.flipped[:, 0, :, 0].mean(axis=1) < world.flipped[:, 0, :, 2].mean(axis=1))[
        ready.labels == 1
    ].any()
    again = worlds.world(*asked, 0.75, 3)
    np.testing.assert_array_equal(again.data.images, world.data.images)


def test_the_known_tie_by_hand():
    """What a model saw: the tie, a guess, or the mean of the two."""
    kinds = ("original", "masked", "swapped", "both", "right-reasons", "cam-energy")
    assert [outcomes.known_tie(kind, 0.9) for kind in kinds] == [0.9, 0.5, 0.5, 0.7, 0.9, 0.9]
    assert np.isnan(outcomes.known_tie("original", 0.0))
    assert set(outcomes.TRAINED) == set(kinds) == set(options.KINDS)


@pytest.fixture(scope="module")
def slice_(ready):
    run = Run("s", "d", "small", "all", "original", "convnet", 32)
    stage, kinds = training.Stage(2, "adam", 1e-3), ["original", "swapped"]
    varied = {"ties": [0.5, 1.0], "kinds": kinds, "training_images": [20], "seeds": [0, 1], "checkpoints": [1, 2]}
    return slices.Slice(run, "confounded", {"images": 120}, stage, **varied, images=6, steps=4, study_seed=0)


EXPLAINERS = [{"name": "grad_cam"}, {"name": "occlusion", "patch": 8, "stride": 8}, {"name": "lime", "samples": 20}]


@pytest.fixture(scope="module")
def measured(slice_, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slice")
    data, asked = slice_.run.images(), scoring.explainers(EXPLAINERS, 0)
    return *slices.measure_slice(slice_, data, asked, folder), data, asked, folder


def test_every_model_has_its_rows(measured, tmp_path):
    """8 models a tie, each with 3 explainers and 2 randomised ones on 6 images; tables keep their schemas."""
    models, maps, *_ = measured
    assert len(models) == 2 * 8
    assert models["model"].is_unique
    assert models.groupby("group").size().tolist() == [8, 8]
    assert models["group"].unique().tolist() == ["d-p050/small-all", "d-p100/small-all"]
    assert models.groupby("training").size().eq(2).all()
    assert models["weights"].nunique() == 16
    counts = maps.groupby(["variant", "explainer"]).size()
    assert counts["", "lime"] == counts["randomised", "occlusion"] == 16 * 6
    assert ("randomised", "lime") not in counts
    assert set(models.loc[models["trained_on"] == "swapped", "seen"]) == {"other free flipped"}
    for name, frame in (("zoo_models", models), ("zoo_maps", maps)):
        tables.write(frame, tmp_path / f"{name}.parquet", name)
        pd.testing.assert_frame_equal(tables.read(tmp_path / f"{name}.parquet", name), frame)
    with pytest.raises(ValueError, match=r"missing: \['weights'\]"):
        tables.write(models.drop(columns="weights"), tmp_path / "x.parquet", "zoo_models")


def test_rows_are_what_the_model_says_alone(slice_, measured):
    """One model, trained and asked by itself, has the row that it has in company; so have its scores."""
    models, maps, data, asked, folder = measured
    tied = worlds.world(data, slice_.source, slice_.options, 1.0, 0)
    member = slices.Member("swapped", 20, 1)
    states = slices.trained(slice_, tied, [member], folder / "again", [2])
    alone, its_maps = slices.measure(slice_, tied, states, asked)
    name = slice_.model(1.0, member, 2)
    row = models[models["model"] == name].reset_index(drop=True)
    assert alone["weights"].tolist() == row["weights"].tolist()
    pd.testing.assert_frame_equal(alone, row, rtol=1e-4)
    same = maps[maps["model"] == name].reset_index(drop=True)
    pd.testing.assert_frame_equal(its_maps, same, check_dtype=False, rtol=1e-3, atol=1e-4)
    # And what a plain scoring of the network says.
    network = slice_.run.start(1)
    checkpoints.restore(network, folder / "again" / member.name, 2)
    places = data.cohort("test", 6, 0)
    ids = [data.ids[place] for place in places]
    scores = scoring.score_images(
        network, tied.data.images[places], data.masks[places], data.labels[places], ids, asked
    )
    here = same[same["variant"] == ""].set_index(["explainer", "image"])["score"]
    there = scores.set_index(["explainer", "image"])["score"]
    np.testing.assert_allclose(here, there.loc[here.index], atol=1e-3)


def test_remedies_are_kinds_of_training_too(slice_, ready, tmp_path):
    """The weights of a remedy's own training after every epoch, another one's than plain training; nothing was seen."""
    data, asked = slice_.run.images(), scoring.explainers(EXPLAINERS[:1], 0)
    tied = worlds.world(data, slice_.source, slice_.options, 1.0, 0)
    few = replace(slice_, ties=[1.0], kinds=["original", "right-reasons", "cam-energy"], seeds=[1])
    states = slices.trained(few, tied, few.members(), tmp_path)
    assert sorted(epoch for _, epoch in states) == [1, 1, 1, 2, 2, 2]
    plain, penalised, _ = few.members()
    for epochs in (1, 2):
        network = few.run.start(1)
        some = slices._some(slices.training_data(tied.data), 20, 0)
        stage, remedy = replace(few.stage, epochs=epochs), catalogue.remedy("right-reasons")
        fitting.fit(network, "all", some, stage, remedy, tmp_path / "own", seed=1, study_seed=0, evaluate={})
        for key, array in weights.take(network.model).items():
            np.testing.assert_array_equal(states[penalised, epochs][key], array)
    assert any(not np.array_equal(states[plain, 2][key], states[penalised, 2][key]) for key in states[plain, 2])
    models, _ = slices.measure(few, tied, states, asked)
    assert models["trained_on"].tolist() == ["original"] * 2 + ["right-reasons"] * 2 + ["cam-energy"] * 2
    assert (models["seen"] == "").all()
    assert (models["known_tie"] == 1.0).all()
    assert models["weights"].is_unique


def test_an_interrupted_slice_goes_on(slice_, measured, monkeypatch):
    """Finished groups are read and not computed; a finished training is not repeated."""
    models, maps, data, asked, folder = measured

    def refuse(*_, **__):
        raise AssertionError("it is computed again")

    tied = worlds.world(data, slice_.source, slice_.options, 0.5, 0)
    member = slices.Member("original", 20, 0)
    first = slices.trained(slice_, tied, [member], folder / "kept")
    monkeypatch.setattr(training, "train", refuse)
    again = slices.trained(slice_, tied, [member], folder / "kept")
    assert first.keys() == again.keys()
    monkeypatch.setattr(slices, "measure", refuse)
    read = slices.measure_slice(slice_, data, asked, folder)
    pd.testing.assert_frame_equal(read[0], models)
    pd.testing.assert_frame_equal(read[1], maps)
    with pytest.raises(AssertionError, match="computed again"):
        slices.measure_slice(replace(slice_, ties=[0.7]), data, asked, folder)


def test_photographs_behind_a_frozen_base(ready, tmp_path):
    """A new head on a MobileNet, on photographs as they are: outcomes that the data lack are missing."""
    run = Run("s", "d", "mobile", "head", "original", "mobilenet", 64, 0.25)
    varied = {"ties": [0], "kinds": ["masked"], "training_images": [], "seeds": [0], "checkpoints": [1]}
    photos = slices.Slice(
        run, "oxford_pets", {}, training.Stage(1, "rmsprop", 1e-3), **varied, images=4, steps=2, study_seed=0
    )
    models, maps = slices.measure_slice(photos, ready, scoring.explainers([{"name": "grad_cam"}], 0), tmp_path / "p")
    assert models[["accuracy_flipped", "accuracy_free", "known_tie"]].isna().all(axis=None)
    there = ["accuracy_original", "accuracy_random", "accuracy_other", "accuracy_mean", "accuracy_removed"]
    assert models[there].notna().all(axis=None)
    assert (len(models), len(maps)) == (1, 4 + 4)
    assert models["group"].tolist() == ["d-p000/mobile-head"]
