"""Frozen blocks computed once: the same batches and losses as the whole network's, and when it is not done."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from tiny_training import Killed, contents, data, run, splits, tiny

from rrr_utils import networks
from rrr_utils.engine import weights
from rrr_utils.training import fit as training
from rrr_utils.training import frozen_activations as frozen


@pytest.mark.parametrize("trained_on", ["original", "masked"])
def test_training_on_kept_activations_equals_plain_training(tmp_path, trained_on):
    """History and weights of every epoch agree to rounding with those of the whole network, which stays the oracle."""
    quick = run(tmp_path / "quick", strategy="dense", trained_on=trained_on)
    plain = run(tmp_path / "plain", strategy="dense", trained_on=trained_on, budget=0)
    pd.testing.assert_frame_equal(quick, plain, rtol=1e-5)
    for epoch in range(3):
        with (
            np.load(tmp_path / "quick" / f"epoch-{epoch:02d}.npz") as one,
            np.load(tmp_path / "plain" / f"epoch-{epoch:02d}.npz") as other,
        ):
            assert one.files == other.files == ["logits/kernel", "logits/bias"]
            for key in one.files:
                np.testing.assert_allclose(one[key], other[key], rtol=1e-4, atol=1e-6, err_msg=key)
    assert quick["loss"].nunique() == len(quick)  # it has moved


def test_the_whole_network_has_the_trained_weights(tmp_path):
    """The layers behind the cut are the network's own: after training they hold the last checkpoint."""
    network = tiny()
    before = weights.take(network.model)
    run(tmp_path, network, strategy="dense", trained_on="original")
    after = weights.take(network.model)
    with np.load(tmp_path / "epoch-02.npz") as kept:
        assert all(np.array_equal(after[key], kept[key]) for key in kept.files)
    assert {key for key in before if not np.array_equal(before[key], after[key])} == {"logits/kernel", "logits/bias"}


def test_an_interrupted_run_on_kept_activations_ends_with_the_same_bits(tmp_path):
    """Killed in the second epoch and run again: the files of a run without interruption."""

    def stop(done, total, text):
        if done == 3:
            raise Killed

    run(tmp_path / "one", strategy="dense", trained_on="original")
    with pytest.raises(Killed):
        run(tmp_path / "two", strategy="dense", trained_on="original", progress=stop)
    run(tmp_path / "two", strategy="dense", trained_on="original")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.mark.slow
def test_blocks_four_and_five_of_mobilenet_train_on_kept_activations(tmp_path):
    """Batch normalisation is frozen before the cut and trained behind it: both ways give the same losses."""
    stage = training.Stage(2, "rmsprop", 1e-4, batch=3)
    inputs, histories = data(7, 32), []
    for name, budget in (("quick", None), ("plain", 0)):
        network = networks.build("mobilenet", classes=2, size=32, alpha=0.25, weights=None)
        options = {"trained_on": "original", "seed": 0, "evaluate": splits(7, 32), "budget": budget}
        histories.append(training.train(network, "blocks4-5", inputs, stage, tmp_path / name, **options))
    pd.testing.assert_frame_equal(*histories, rtol=1e-3)


AUGMENTED = {"trained_on": "both", "augment": "authors", "before": 1}


def counted(monkeypatch):
    """Count the images that frozen blocks are asked about."""
    counts, original = [], frozen.passes.forward

    def forward(model):
        asked = original(model)
        return lambda images: (counts.append(len(images)), asked(images))[1]

    monkeypatch.setattr(frozen, "passes", SimpleNamespace(forward=forward))
    return counts


@pytest.mark.parametrize("strategy", ["head", "dense"])
def test_seeds_share_the_activations_of_augmented_images(tmp_path, monkeypatch, strategy):
    """Three seeds equal plain `fit` on the same draws to rounding, and only the first runs the frozen blocks.

    Seven images in each of two epochs, and the seven and six that are evaluated.
    """
    counts = counted(monkeypatch)
    for seed in range(3):
        options = {"strategy": strategy, "seed": seed, **AUGMENTED}
        quick = run(tmp_path / f"quick-{seed}", **options, shared=tmp_path / "shared")
        assert sum(counts) == 2 * 7 + 7 + 6
        plain = run(tmp_path / f"plain-{seed}", **options, budget=0)
        pd.testing.assert_frame_equal(quick, plain, rtol=1e-5)
        assert quick["loss"].nunique() == len(quick)  # it has moved
    ends = {contents(tmp_path / f"quick-{seed}")["epoch-02.npz"] for seed in range(3)}
    assert len(ends) == 3  # orders differ


def test_what_is_shared_changes_no_bit(tmp_path, monkeypatch):
    """Shared, not shared, no room, made anew: the same files. Killed in the second epoch and run again, too."""

    def stop(done, total, text):
        if done == 3:
            raise Killed

    options = {"strategy": "dense", **AUGMENTED}
    run(tmp_path / "alone", **options)
    run(tmp_path / "first", **options, shared=tmp_path / "shared")
    run(tmp_path / "second", **options, shared=tmp_path / "shared")
    with pytest.raises(Killed):
        run(tmp_path / "killed", **options, shared=tmp_path / "shared", progress=stop)
    assert "epoch-02.npz" not in contents(tmp_path / "killed")
    for file in (tmp_path / "shared").glob("*/epoch-002.float32"):
        file.write_bytes(file.read_bytes()[:-5])
    run(tmp_path / "killed", **options, shared=tmp_path / "shared")
    monkeypatch.setenv("RRR_SHARED_GB", "0")
    run(tmp_path / "none", **options, shared=tmp_path / "other")
    assert not list((tmp_path / "other").glob("*/*.float32"))
    assert '"before": 1' in (tmp_path / "alone" / "record.json").read_text()
    for name in ("first", "second", "killed", "none"):
        assert contents(tmp_path / name) == contents(tmp_path / "alone"), name


@pytest.mark.parametrize(
    "change", [{"study_seed": 1}, {"before": 3}, {"trained_on": "masked"}, {"network": 1}, {"trained_on": "original"}]
)
def test_what_decides_the_images_is_not_mixed(tmp_path, monkeypatch, change):
    """Another study seed, stage, kind of training or start has activations of its own."""
    options = {"strategy": "dense", **AUGMENTED, "shared": tmp_path / "shared"}
    run(tmp_path / "one", **options)
    counts = counted(monkeypatch)
    if "network" in change:
        change = {"network": tiny(seed=1)}
    run(tmp_path / "two", **{**options, **change})
    assert sum(counts) in (14, 27)  # what is evaluated is shared where the network is the same
    assert len(list((tmp_path / "shared").glob("*/epoch-*"))) == 4


def test_unaugmented_images_are_not_shared(tmp_path):
    """Their activations stay with the training, as before."""
    run(tmp_path / "one", strategy="dense", trained_on="original", shared=tmp_path / "shared")
    assert not (tmp_path / "shared").exists()


def test_frozen_blocks_are_a_pure_function(tmp_path):
    """Normalisation by its running statistics: an image's activations are its own, whatever stands beside it."""
    network = tiny()
    network.model.get_layer("normalisation").moving_mean.assign(np.full(4, 0.3, np.float32))
    network.set_strategy("dense")
    images = data().images
    plan = frozen.plan(network, ("logits",), "both", 7, augment="authors")
    together = frozen.Activations(network, plan, tmp_path).of(7, lambda start, stop: images[start:stop])
    expected = keras.Model(network.model.input, network.model.get_layer("relu").output)(images, training=False)
    np.testing.assert_allclose(together, expected, rtol=1e-5, atol=1e-6)
    network.model.get_layer("normalisation").moving_mean.assign(np.zeros(4, np.float32))
    other = frozen.Activations(network, plan, tmp_path).of(7, lambda start, stop: images[start:stop])
    assert not np.allclose(other, together)
    alone = frozen.Activations(network, plan, tmp_path).of(1, lambda start, stop: images[3:4])
    np.testing.assert_array_equal(alone[0], other[3])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["head", "dense", "blocks4-5"])
def test_mobilenet_trains_on_shared_activations_as_on_images(tmp_path, strategy):
    """Three seeds share one folder; losses of the first epoch agree with plain `fit` within a thousandth."""
    stage, inputs = training.Stage(1, "rmsprop", 1e-4, batch=4), data(9, 64)
    for seed in range(3):
        histories = []
        for name, more in (("quick", {"shared": tmp_path / "shared"}), ("plain", {"budget": 0})):
            network = networks.build("mobilenet", classes=2, size=64, alpha=0.25, weights=None)
            options = {"trained_on": "original", "seed": seed, "evaluate": splits(9, 64), "augment": "authors", **more}
            histories.append(training.train(network, strategy, inputs, stage, tmp_path / f"{name}-{seed}", **options))
        pd.testing.assert_frame_equal(*histories, rtol=1e-3)
        assert len(list((tmp_path / "shared").glob("*/*.float32"))) == 3


def test_a_file_holds_what_memory_does_not(tmp_path, monkeypatch):
    """Beyond the limit of memory the activations lie in an unnamed file of the folder: the same bits."""
    run(tmp_path / "memory", strategy="dense", trained_on="masked")
    monkeypatch.setattr(frozen, "_IN_MEMORY", 0)
    mapped = []
    original = np.memmap
    monkeypatch.setattr(np, "memmap", lambda *args, **options: mapped.append(args) or original(*args, **options))
    run(tmp_path / "file", strategy="dense", trained_on="masked")
    assert len(mapped) == 3  # training, and the two splits, whose images are not masked
    assert contents(tmp_path / "file") == contents(tmp_path / "memory")


@pytest.mark.parametrize(
    ("strategy", "trained_on", "budget", "text"),
    [
        ("all", "original", None, "No block before conv1 is frozen"),
        ("dense", "swapped", None, r"Images change every epoch \(swapped\)"),
        ("dense", "both", None, r"Images change every epoch \(both\)"),
        ("dense", "original", 13 * 36 * 4 - 1, r"would take 1\.9e-06 GB for 13 images, more than .* RRR_FROZEN_GB"),
    ],
)
def test_where_nothing_is_kept_the_reason_is_said(strategy, trained_on, budget, text):
    """Nothing frozen, images that change, a budget that is a byte too small: the whole network runs."""
    network = tiny()
    plan = frozen.plan(network, network.trainable_layers(strategy), trained_on, 13, budget)
    assert plan.cut is None
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(plan.text)


def test_images_with_input_dropout_are_not_kept():
    """Pixels that the run seed drops differ between seeds: the text says that nothing is kept."""
    network = tiny()
    plan = frozen.plan(network, network.trainable_layers("dense"), "original", 13, augment="input-dropout")
    assert plan.cut is None
    assert plan.text.startswith("Images are augmented anew every epoch (input-dropout)")


def test_what_is_kept_is_counted():
    """3 x 3 x 4 activations of 4 bytes an image; a budget of just that is enough."""
    network = tiny()
    plan = frozen.plan(network, network.trainable_layers("dense"), "original", 13, 13 * 36 * 4)
    assert (plan.cut, plan.nbytes) == ("dense", 13 * 36 * 4)


def test_layers_that_draw_at_random_are_not_kept():
    """Dropout before the cut differs at every step, so it cannot be computed once."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, activation="relu", name="convolution")(layers.Dropout(0.5, name="dropout")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="answer")(layers.Flatten(name="flatten")(x)), name="random")
    network = networks.adopt(model)
    plan = frozen.plan(network, network.trainable_layers("dense"), "original", 4)
    assert plan.cut is None
    assert "draw at random" in plan.text


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_an_impossible_budget_is_refused(monkeypatch, text):
    """The error names the variable and what it holds."""
    monkeypatch.setenv("RRR_FROZEN_GB", text)
    network = tiny()
    with pytest.raises(ValueError, match=f"RRR_FROZEN_GB must be a number of gigabytes, 0 or more, but it is '{text}'"):
        frozen.plan(network, network.trainable_layers("dense"), "original", 4)


def test_the_variable_sets_the_budget(monkeypatch, tmp_path):
    """With RRR_FROZEN_GB=0 the whole network runs, and the record does not speak of kept activations."""
    run(tmp_path / "kept", strategy="dense", trained_on="original")
    monkeypatch.setenv("RRR_FROZEN_GB", "0")
    run(tmp_path / "whole", strategy="dense", trained_on="original")
    assert '"kept": "dense"' in (tmp_path / "kept" / "record.json").read_text()
    assert '"kept"' not in (tmp_path / "whole" / "record.json").read_text()
