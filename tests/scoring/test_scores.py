"""Scores of a network: rows, cohorts, the callback, and accuracy on changed backgrounds."""

import importlib.util

import keras
import numpy as np
import pandas as pd
import pytest

from rrr_utils import AvgScore, datasets, metric
from rrr_utils.explainers import LIME, GradCAM, Occlusion
from rrr_utils.masks import open_masker, prepared
from rrr_utils.networks import network as networks
from rrr_utils.scoring import scores as scoring
from rrr_utils.scoring import shift


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Forty generated images, ten of them to test on."""
    folder = tmp_path_factory.mktemp("data")
    dataset = datasets.open_dataset("confounded", None, {"images": 40})
    masker = open_masker("outlines", dataset, None)
    prepared.prepare("s", "d", dataset, masker, [64], folder, test_share=0.25, seed=0)
    return prepared.load(folder, 64)


def looks_only(at, threshold):
    """Return a Network that sums one corner: its logit for class 1 rises with the brightness of ``at``."""
    image = keras.Input((64, 64, 3))
    kernel = np.zeros((64, 64, 3, 2), np.float32)
    kernel[(*at, slice(None), 1)] = 1 / kernel[at].size
    features = keras.layers.Conv2D(2, 64, use_bias=False, name="sum")(image)
    logits = keras.layers.Flatten(name="logits")(features)
    model = keras.Model(image, logits)
    model.get_layer("sum").set_weights([kernel - np.array([threshold / kernel[..., 0].size, 0], np.float32)])
    return networks.Network(
        name="corner",
        model=model,
        size=64,
        classes=2,
        blocks={"dense": ("sum", "logits")},
        grad_cam_layer="sum",
        neutral=np.zeros(3, np.float32),
    )


def test_a_network_that_looks_at_one_corner_scores_what_lies_there():
    """Occlusion of a network that reads the left half: a mask of that half scores 1, of the other about 0."""
    network = looks_only((slice(None), slice(0, 32)), 0.0)
    pictures = np.full((2, 64, 64, 3), 200, np.uint8)
    masks = np.zeros((2, 64, 64), np.uint8)
    masks[0, :, :32] = 1
    masks[1, :, 32:] = 1
    rows = scoring.score_images(
        network, pictures, masks, np.array([1, 1]), ["a", "b"], [Occlusion(patch=16, stride=16)]
    )
    assert rows["score"].tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    assert rows["chance"].tolist() == [0.5, 0.5]
    assert rows["predicted"].tolist() == [1, 1]
    assert rows["correct"].all()


def test_a_zero_map_is_a_row_without_a_score():
    """A network that no patch can make less sure gives a zero map: NaN, marked, and the next image keeps its score."""
    network = looks_only((slice(None), slice(0, 32)), 0.0)
    pictures = np.zeros((2, 64, 64, 3), np.uint8)
    pictures[1] = 200
    masks = np.zeros((2, 64, 64), np.uint8)
    masks[:, :, :32] = 1
    rows = scoring.score_images(
        network, pictures, masks, np.array([1, 1]), ["a", "b"], [Occlusion(patch=16, stride=16)]
    )
    assert rows["zero_map"].tolist() == [True, False]
    assert np.isnan(rows["score"][0])
    assert rows["score"][1] == pytest.approx(1.0)


def test_the_explainers_of_a_study_get_its_settings_and_seed():
    """Names and parameters become explainers; only LIME draws, so only LIME has the study's seed."""
    asked = scoring.explainers([{"name": "grad_cam"}, {"name": "lime", "samples": 30}], seed=7)
    assert [each.name for each in asked] == ["grad_cam", "lime"]
    assert asked[1].samples == 30
    with pytest.raises(ValueError, match="Did you mean 'lime'"):
        scoring.explainers([{"name": "limee"}], seed=7)


def test_changed_backgrounds_keep_the_object(ready):
    """Every background leaves the object's pixels alone, changes the rest, and is the same when asked again."""
    places = ready.where("test")
    inside = ready.masks[places].astype(bool)
    original = ready.images[places]
    for background in ("random", "other", "mean", "free"):
        changed = shift.change_background(ready, places, background, seed=0)
        np.testing.assert_array_equal(changed[inside], original[inside])
        assert (changed[~inside] != original[~inside]).mean() > 0.9
        np.testing.assert_array_equal(changed, shift.change_background(ready, places, background, seed=0))


def test_mean_background_by_hand(ready):
    """The mean colour counts background pixels of training images alone."""
    train = ready.where("train")
    outside = ready.masks[train] == 0
    np.testing.assert_allclose(shift.mean_background(ready), ready.images[train][outside].mean(axis=0))


def test_a_network_that_reads_the_background_loses_what_it_knew(ready):
    """A network of the background alone is right on its own backgrounds and guesses on free ones."""

    def reads_the_border(pictures):
        """Answer by the tint of the upper rows, which are background except where an object touches them."""
        border = pictures[:, :2].astype(float).mean(axis=(1, 2))
        cool = border[:, 2] - border[:, 0]
        return np.stack([-cool, cool], axis=1)

    rows = shift.accuracy_by_background(reads_the_border, ready, ["free", "mean"], epoch=1, seed=0)
    accuracy = rows.set_index("background")["accuracy"]
    assert accuracy["original"] >= 0.9
    assert accuracy["free"] <= 0.8
    assert accuracy["mean"] == pytest.approx(0.5, abs=0.2)
    assert rows["n"].tolist() == [10, 10, 10]


def fit(callbacks, epochs=3):
    """Train a tiny network on twelve pictures and return its history."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (12, 64, 64, 3)).astype("float32")
    network = networks.build("convnet", classes=2, size=64, weights=None, seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.model.compile("adam", loss, metrics=["accuracy"])
    labels = np.arange(12) % 2
    return network, network.model.fit(pictures, labels, epochs=epochs, verbose=0, callbacks=callbacks(pictures, labels))


def masks_of(pictures):
    masks = np.zeros(pictures.shape[:3], np.uint8)
    masks[:, 16:48, 16:48] = 1
    return masks


def test_the_callback_puts_the_score_beside_accuracy(tmp_path):
    """The history and a CSV log have a column an explainer, equal to the score of the same model computed apart."""
    made = []

    def callbacks(pictures, labels):
        made.append(AvgScore(pictures, masks_of(pictures), labels, [GradCAM(), LIME(samples=16)]))
        return [made[0], keras.callbacks.CSVLogger(tmp_path / "log.csv")]

    network, history = fit(callbacks)
    assert {"accuracy", "loss", "avg_score_grad_cam", "avg_score_lime"} <= set(history.history)
    assert len(history.history["avg_score_grad_cam"]) == 3
    assert "avg_score_lime" in pd.read_csv(tmp_path / "log.csv").columns
    callback = made[0]
    rows = scoring.score_images(network, callback.pictures, callback.masks, callback.labels, callback.ids, [GradCAM()])
    expected = metric.avg_score(rows["score"], rows["correct"]).mean
    np.testing.assert_allclose(history.history["avg_score_grad_cam"][-1], expected, rtol=1e-4)
    assert len(callback.rows) == len(callback.seconds) == 3


def test_the_callback_may_skip_epochs_but_never_the_last():
    """With every=2 of three epochs the second and the last are scored; the first is NaN."""
    _, history = fit(lambda pictures, labels: [AvgScore(pictures, masks_of(pictures), labels, [GradCAM()], every=2)])
    assert len(history.history["avg_score_grad_cam"]) == 3
    assert np.isnan(history.history["avg_score_grad_cam"][0])


def test_the_callback_scores_a_balanced_draw_that_stays():
    """images=4 of twelve: two of each class, the same at every epoch, with their own names, masks and labels."""
    made = []

    def callbacks(pictures, labels):
        made.append(AvgScore(pictures, masks_of(pictures), labels, [GradCAM()], images=4, seed=3))
        return made

    fit(callbacks)
    drawn = [rows["image"].tolist() for rows in made[0].rows]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 4
    for image, label in zip(made[0].rows[0]["image"], made[0].rows[0]["label"]):
        assert label == int(image.removeprefix("image-")) % 2
    assert sorted(made[0].rows[0]["label"]) == [0, 0, 1, 1]


def slow(monkeypatch, costs):
    """Let scoring an image cost a second, or what ``costs`` says next; time stands still otherwise."""
    clock, score = [0.0], scoring.score_images

    def timed(network, pictures, *rest):
        clock[0] += (costs.pop(0) if costs else 1.0) * len(pictures)
        return score(network, pictures, *rest)

    monkeypatch.setattr("rrr_utils.scoring.callback.score_images", timed)
    monkeypatch.setattr("rrr_utils.scoring.callback.time.perf_counter", lambda: clock[0])


def test_the_callback_keeps_to_its_budget_by_fewer_images(monkeypatch):
    """At a second an image and five seconds an epoch, five of twelve are scored, each epoch the same; it is said."""
    slow(monkeypatch, [])
    made = []

    def callbacks(pictures, labels):
        made.append(AvgScore(pictures, masks_of(pictures), labels, [GradCAM()], seconds=5))
        return made

    with pytest.warns(UserWarning, match="5 of 12 images are scored, at 1 s an image, to keep to 5 s"):
        _, history = fit(callbacks)
    assert history.history["avg_score_seconds"] == [5.0, 5.0, 5.0]
    drawn = [rows["image"].tolist() for rows in made[0].rows]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 5


def test_the_callback_leaves_epochs_out_that_would_take_longer(monkeypatch):
    """Not even one image of each class fits: all epochs but the last are NaN at no cost, and each is named."""
    slow(monkeypatch, [])
    with pytest.warns(UserWarning, match="AvgScore") as said:
        _, history = fit(
            lambda pictures, labels: [AvgScore(pictures, masks_of(pictures), labels, [GradCAM()], seconds=1.5)]
        )
    texts = [str(each.message) for each in said]
    assert [text for text in texts if "epoch 1 is not scored: 2 images would take 2 s, more than 1.5 s" in text]
    assert [text for text in texts if "epoch 2 is not scored" in text]
    assert not [text for text in texts if "epoch 3 is not scored" in text]
    assert history.history["avg_score_seconds"] == [0.0, 0.0, 2.0]
    assert np.isnan(history.history["avg_score_grad_cam"][:2]).all()


def test_the_cost_is_a_column_for_real_loggers(tmp_path):
    """CSVLogger writes a column for each explainer and one for the cost; TensorBoard, where it is, a curve each."""
    loggers = [keras.callbacks.CSVLogger(tmp_path / "log.csv")]
    if importlib.util.find_spec("tensorboard"):
        loggers.append(keras.callbacks.TensorBoard(tmp_path / "curves"))
    _, history = fit(
        lambda pictures, labels: [AvgScore(pictures, masks_of(pictures), labels, [GradCAM()], every=2), *loggers]
    )
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["avg_score_seconds"][0] == 0
    assert (log["avg_score_seconds"][1:] > 0).all()
    np.testing.assert_allclose(log["avg_score_seconds"], history.history["avg_score_seconds"])
    assert log["avg_score_grad_cam"].isna().tolist() == [True, False, False]
    if len(loggers) > 1:
        (file,) = (tmp_path / "curves" / "train").glob("events*")
        assert b"epoch_avg_score_seconds" in file.read_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": 0}, "`images` must be at least 1"),
        ({"seconds": 0}, "`seconds` must be above 0"),
        ({"labels": np.zeros(3, int)}, "same length"),
        ({"masks": np.full((4, 64, 64), 2.0)}, r"outside \[0, 1\]"),
        ({"explainers": []}, "at least one explainer"),
        ({"every": 0}, "`every` must be at least 1"),
    ],
)
def test_the_callback_refuses_bad_arguments_before_training(changes, words):
    """Mistakes are found when the callback is made, not after an epoch."""
    good = {
        "pictures": np.zeros((4, 64, 64, 3)),
        "masks": np.ones((4, 64, 64)),
        "labels": np.zeros(4, int),
        "explainers": [GradCAM()],
    }
    with pytest.raises(ValueError, match=words):
        AvgScore(**(good | changes))
