"""Training: what moves and what does not, what is kept of every epoch, and that an interruption changes nothing."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_training
from tiny_training import SIZE, STAGE, Killed, contents, data, run, splits, tiny

from rrr_utils import networks
from rrr_utils.common import files
from rrr_utils.engine import weights
from rrr_utils.training import checkpoints
from rrr_utils.training import fit as training
from rrr_utils.training.batches import Batches


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that interrupted ones have to equal: its history and its files."""
    folder = tmp_path_factory.mktemp("whole")
    history = run(folder)
    return history, contents(folder)


def test_a_run_leaves_a_checkpoint_an_epoch_and_its_history(whole):
    """Epochs 0 to 2 and the record are all that is left, with a row for each epoch and split."""
    history, kept = whole
    assert list(kept) == ["SHA256SUMS", "epoch-00.npz", "epoch-01.npz", "epoch-02.npz", "record.json"]
    assert list(history.columns) == ["epoch", "split", "loss", "accuracy"]
    expected = [(epoch, split) for epoch in range(3) for split in ("train", "test")]
    assert list(zip(history["epoch"], history["split"])) == expected


def test_the_history_is_what_the_checkpoints_give_on_original_images(whole, tmp_path):
    """Loss and accuracy of every epoch equal Keras' own, of the restored network in inference mode, to 1e-6."""
    history, kept = whole
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content)
    network = tiny(seed=9)
    for row in history.itertuples():
        training.restore(network, tmp_path, row.epoch)
        images, labels = splits()[row.split]
        logits = network.model(images.astype(np.float32), training=False)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
        assert row.loss == pytest.approx(float(loss), abs=1e-6)
        assert row.accuracy == np.mean(np.argmax(np.array(logits), axis=1) == labels)


def test_training_is_that_of_a_plain_loop(whole, tmp_path):
    """One batch after another through Keras' train_on_batch ends with the same weights: none is lost or repeated."""
    network = tiny()
    network.set_strategy("all")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.model.compile(keras.optimizers.RMSprop(STAGE.rate), loss, jit_compile=False)
    stream = Batches(data(), "both", seed=0, study_seed=0, batch=STAGE.batch, epochs=STAGE.epochs, folder=tmp_path)
    assert len(stream) == 4
    for index in range(len(stream)):
        network.model.train_on_batch(*stream[index])
    (tmp_path / "epoch-02.npz").write_bytes(whole[1]["epoch-02.npz"])
    with np.load(tmp_path / "epoch-02.npz") as kept:
        for key, array in weights.take(network.model).items():
            np.testing.assert_allclose(kept[key], array, rtol=1e-5, atol=1e-6, err_msg=key)


def test_the_same_seed_gives_the_same_bits(whole, tmp_path):
    """Checkpoints, record and history are equal to the bit; another seed, or kind of image, gives others."""
    history = run(tmp_path / "again")
    assert contents(tmp_path / "again") == whole[1]
    assert history.equals(whole[0])
    run(tmp_path / "seed", seed=1)
    run(tmp_path / "masked", trained_on="masked")
    last = {name: contents(tmp_path / name)["epoch-02.npz"] for name in ("again", "seed", "masked")}
    assert len(set(last.values())) == 3


def test_the_network_learns(tmp_path):
    """Light and dark objects are told apart after a few epochs, on images that it has not seen."""
    stage = training.Stage(epochs=8, optimizer="adam", rate=1e-2, batch=4)
    history = run(tmp_path, stage=stage, trained_on="swapped")
    test = history[history["split"] == "test"].set_index("epoch")
    assert test.loc[8, "accuracy"] == 1
    assert test.loc[8, "loss"] < 0.5 * test.loc[0, "loss"]


def test_only_the_layers_of_the_strategy_move(tmp_path):
    """With the head alone, the convolution and the running statistics keep their bits, and no checkpoint has them."""
    network = tiny()
    before = weights.take(network.model)
    run(tmp_path, network, strategy="dense")
    after = weights.take(network.model)
    assert {key for key in before if not np.array_equal(before[key], after[key])} == {"logits/kernel", "logits/bias"}
    with np.load(tmp_path / "epoch-02.npz") as kept:
        assert set(kept.files) == {"logits/kernel", "logits/bias"}


@pytest.mark.slow
def test_frozen_batch_normalisation_keeps_its_statistics(tmp_path):
    """Training MobileNet's blocks 4 and 5 moves their running means and variances, all of them, and nothing before."""
    network = networks.build("mobilenet", classes=2, size=32, alpha=0.25, weights=None)
    for layer in network.model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.full(layer.moving_mean.shape, 0.01, np.float32))
    before = weights.take(network.model)
    inputs = data(6, 32)
    stage = training.Stage(1, "rmsprop", 1e-3, batch=3)
    evaluate = {"train": (inputs.images, inputs.labels)}
    training.train(network, "blocks4-5", inputs, stage, tmp_path, trained_on="original", seed=0, evaluate=evaluate)
    after = weights.take(network.model)
    changed = {key for key in before if not np.array_equal(before[key], after[key])}
    statistics = {key for key in changed if key.split("/")[1].startswith("moving")}
    trained = [f"conv_{kind}_{number}_bn" for number in range(7, 14) for kind in ("dw", "pw")]
    assert statistics == {f"{layer}/moving_{kind}" for layer in trained for kind in ("mean", "variance")}
    assert {key.split("/")[0] for key in changed} <= set(network.trainable_layers("blocks4-5"))


def interrupted(tmp_path, at):
    """Train and die in the moment ``at``; then train again, as a new process would, and return the files."""
    calls = []
    original = files.atomic

    def dying(path):
        calls.append(("before", Path(path).name))
        if len(calls) == at:
            raise Killed
        return original(path)

    def hook(done, total, text):
        calls.append(("batch", done))
        if len(calls) == at:
            raise Killed

    patch = pytest.MonkeyPatch()
    patch.setattr(files, "atomic", dying)
    network = tiny()
    start = weights.take(network.model)
    try:
        run(tmp_path, network, progress=hook)
    except Killed:
        after = weights.take(network.model)
        assert all(np.array_equal(start[key], after[key]) for key in start)
        left = contents(tmp_path)
    else:
        left = None
    finally:
        patch.undo()
    return calls[-1], left


def test_an_interrupted_run_ends_as_if_nothing_had_happened(whole, tmp_path):
    """Killed before any of its files is written or after any batch, and run again: the same files to the bit.

    What is left at each kill pairs weights, optimizer and record of one epoch.
    """
    at, moments = 0, []
    while True:
        at += 1
        folder = tmp_path / str(at)
        moment, left = interrupted(folder, at)
        if left is None:
            break
        moments.append(moment)
        if "state.npz" in left:
            with np.load(folder / "state.npz") as state:
                record = json.loads(str(state["record"]))
                with np.load(folder / f"epoch-{record['epoch']:02d}.npz") as kept:
                    assert all(np.array_equal(state[key], kept[key]) for key in kept.files)
                assert record["history"][-1]["epoch"] == record["epoch"]
                assert state["hidden 0"] == 2 * record["epoch"]  # the optimizer has counted two batches an epoch
        history = run(folder)
        assert contents(folder) == whole[1], moment
        assert history.equals(whole[0])
        shutil.rmtree(folder)
    assert len(moments) == 4 + 3 * 3 + 2  # batches; checkpoint, its hash and state of three epochs; record and hash
    assert ("before", "state.npz") in moments


KILLED = """
import os, signal, sys
from rrr_utils.engine import passes as engine
sys.path.insert(0, {helpers!r})
if {threads}:
    engine.start({threads})
import tiny_training

def hook(done, total, text):
    print(done, total, text, flush=True)
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

tiny_training.run({folder!r}, progress=hook)
"""


@pytest.mark.slow
def test_a_run_killed_for_good_goes_on_in_another_process(whole, tmp_path):
    """SIGKILL in the middle of the second epoch, then the rest here: the same files to the bit."""
    threads = 0  # as many as this process has, the backend's default, because the bits depend on them
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        threads = tf.config.threading.get_intra_op_parallelism_threads()
    script = KILLED.format(helpers=str(Path(tiny_training.__file__).parent), folder=str(tmp_path), threads=threads)
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=1800)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert died.stdout.splitlines()[-1].startswith("3 4 epoch 2 of 2, loss ")
    assert sorted(contents(tmp_path)) == ["SHA256SUMS", "epoch-00.npz", "epoch-01.npz", "state.npz"]
    (tmp_path / ".epoch-02-torn.npz").write_bytes(b"half a file")
    steps = []
    history = run(tmp_path, progress=lambda done, total, text: steps.append(done))
    assert steps == [3, 4]
    assert contents(tmp_path) == whole[1]
    assert history.equals(whole[0])


def test_a_finished_run_is_not_repeated(whole, tmp_path):
    """Called again, with the start weights or the trained network, nothing is trained or written, only loaded."""
    run(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    network = tiny()
    for _ in range(2):
        history = run(tmp_path, network, progress=lambda *step: pytest.fail("a batch was trained"))
        assert history.equals(whole[0])
        with np.load(tmp_path / "epoch-02.npz") as kept:
            assert all(np.array_equal(kept[key], array) for key, array in weights.take(network.model).items())
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"network": 1},
        {"trained_on": "swapped"},
        {"stage": training.Stage(1, "rmsprop", 1e-2, batch=4)},
        {"strategy": "dense"},
        {"evaluate": {"test": splits()["test"]}},
    ],
)
def test_a_run_with_other_arguments_begins_anew(whole, tmp_path, change):
    """Another seed, start, kind of image, stage, strategy or split leaves nothing of the run before."""
    for folder in ("one", "fresh"):
        (tmp_path / folder).mkdir()
    for name, content in whole[1].items():
        (tmp_path / "one" / name).write_bytes(content)
    steps = []

    def options():
        return {**change, "network": tiny(change.get("network", 0))}

    history = run(tmp_path / "one", **options(), progress=lambda done, total, text: steps.append(done))
    assert steps == list(range(1, 2 * history["epoch"].max() + 1))
    kept = contents(tmp_path / "one")
    assert kept["record.json"] != whole[1]["record.json"]
    if "stage" in change:
        run(tmp_path / "fresh", **options())
        assert contents(tmp_path / "fresh") == kept


def test_a_run_whose_checkpoint_is_gone_is_repeated(whole, tmp_path):
    """A missing checkpoint makes a finished run unfinished; it comes back with the same bits."""
    for name, content in whole[1].items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "epoch-02.npz").unlink()
    run(tmp_path)
    assert contents(tmp_path) == whole[1]


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_whose_files_are_not_as_written_is_repeated(whole, tmp_path, finished):
    """One digit of the history, and checkpoints exchanged, also in the middle: the same bits come back."""
    if finished:
        for name, content in whole[1].items():
            (tmp_path / name).write_bytes(content)
        (tmp_path / "record.json").write_bytes(whole[1]["record.json"].replace(b'"accuracy": 0.', b'"accuracy": 1.', 1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoints, "read", lambda *_: pytest.fail("nothing of it is read"))
            patch.setattr(training._Run, "keep", lambda *_: (_ for _ in ()).throw(Killed))
            with pytest.raises(Killed):
                run(tmp_path)
    else:
        with pytest.raises(Killed):
            run(tmp_path, progress=lambda done, *_: (_ for _ in ()).throw(Killed) if done == 3 else None)
        (tmp_path / "epoch-00.npz").write_bytes((tmp_path / "epoch-01.npz").read_bytes())
    assert run(tmp_path).equals(whole[0])
    assert contents(tmp_path) == whole[1]


def test_a_checkpoint_of_another_epoch_in_its_place_is_refused(whole, tmp_path):
    """Both are whole; what reads the one that was overwritten is told by name."""
    for name, content in whole[1].items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "epoch-02.npz").write_bytes(whole[1]["epoch-01.npz"])
    with pytest.raises(ValueError, match=r"epoch-02\.npz is damaged \(.*SHA256SUMS says .*run the training of"):
        training.restore(tiny(), tmp_path, 2)


def test_a_full_disk_leaves_whole_files(whole, tmp_path, monkeypatch):
    """A disk that fills up in epoch 2 stops the run with the remedy; what was there stays, the rest follows later."""
    original = np.savez

    def full(path, **arrays):
        if Path(path).name.startswith(".epoch-02"):
            Path(path).write_bytes(b"the beginning")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(path, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match=r"The disk is full: .*epoch-02\.npz was not written.*run the same command again"):
        run(tmp_path)
    assert sorted(contents(tmp_path)) == ["SHA256SUMS", "epoch-00.npz", "epoch-01.npz", "state.npz"]
    monkeypatch.undo()
    run(tmp_path)
    assert contents(tmp_path) == whole[1]


def test_a_loss_that_is_not_finite_stops_with_its_epoch(tmp_path):
    """A huge rate diverges: the error names the epoch and the remedy, and the network has its start weights again."""
    network = tiny()
    start = weights.take(network.model)
    stage = training.Stage(5, "rmsprop", 1e25, batch=4)
    with pytest.raises(FloatingPointError, match=r"epoch [1-5]: training has diverged\. Use a smaller rate"):
        run(tmp_path, network, stage=stage)
    assert all(np.array_equal(start[key], array) for key, array in weights.take(network.model).items())
    assert not (tmp_path / "record.json").exists()


def test_progress_is_reported_after_every_batch(tmp_path):
    """Two batches in each of two epochs, with what is under way in words."""
    steps = []
    run(tmp_path, progress=lambda *step: steps.append(step))
    assert [step[:2] for step in steps] == [(done, 4) for done in range(1, 5)]
    assert steps[2][2].startswith("epoch 2 of 2, loss ")


def test_dropout_resumes_to_the_bit(tmp_path):
    """An adopted model with Dropout draws from the run's seed, and goes on drawing where it was stopped."""

    def model():
        layers = keras.layers
        inputs = keras.Input((SIZE, SIZE, 3))
        x = layers.Dropout(0.5, name="dropout")(layers.Flatten(name="flatten")(inputs))
        made = keras.Model(inputs, layers.Dense(2, name="answer")(x), name="perceptron")
        weights.draw(made, 0)
        return networks.adopt(made)

    def stop(done, total, text):
        if done == 3:
            raise Killed

    run(tmp_path / "one", model(), trained_on="original")
    run(tmp_path / "seed", model(), trained_on="original", seed=1)
    with pytest.raises(Killed):
        run(tmp_path / "two", model(), trained_on="original", progress=stop)
    run(tmp_path / "two", model(), trained_on="original")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert contents(tmp_path / "seed")["epoch-01.npz"] != contents(tmp_path / "one")["epoch-01.npz"]


def test_restoring_refuses_what_is_not_there(whole, tmp_path):
    """An epoch that was not trained, a damaged file and another network's checkpoint are named, and nothing changes."""
    for name, content in whole[1].items():
        (tmp_path / name).write_bytes(content)
    network = tiny()
    before = weights.take(network.model)
    with pytest.raises(FileNotFoundError, match=r"epoch-07\.npz; .* has epochs \[0, 1, 2\]"):
        training.restore(network, tmp_path, 7)
    (tmp_path / "epoch-01.npz").write_bytes(whole[1]["epoch-01.npz"][:-100])
    with pytest.raises(ValueError, match=r"epoch-01\.npz is damaged.*run the training of"):
        training.restore(network, tmp_path, 1)
    checkpoints.write(tmp_path / "epoch-02.npz", {"elsewhere/kernel": np.zeros(3)})
    with pytest.raises(ValueError, match=r"weights of \['elsewhere'\], which tiny lacks"):
        training.restore(network, tmp_path, 2)
    checkpoints.write(tmp_path / "epoch-02.npz", {"logits/kernel": before["logits/kernel"] + 1})
    with pytest.raises(ValueError, match=r"epoch-02\.npz lacks 'logits/bias'"):
        training.restore(network, tmp_path, 2)
    assert all(np.array_equal(before[key], array) for key, array in weights.take(network.model).items())


def test_a_checkpoint_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    """Zeros that pack to a thousandth: the size is read in the archive's list, before any of them."""
    np.savez_compressed(tmp_path / "epoch-00.npz", **{"logits/kernel": np.zeros(100_000)})
    assert (tmp_path / "epoch-00.npz").stat().st_size < 10_000
    monkeypatch.setattr(checkpoints, "BYTE_LIMIT", 500_000)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(ValueError, match=r"epoch-00\.npz is damaged \(it would unpack to 800,\d+ bytes"):
        training.restore(tiny(), tmp_path, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "head only"}, "`strategy` must be one of"),
        ({"trained_on": "mask"}, "`trained_on` must be one of .* Did you mean 'masked'"),
        ({"evaluate": {"test": (np.zeros((2, 9, 9, 3), np.uint8), [0, 1])}}, r"\(N, 8, 8, 3\) .* but the test images"),
        (
            {"evaluate": {"test": (np.zeros((2, 8, 8, 3), np.uint8), [0, 2])}},
            "labels are 0 to 1, but those of the test",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, options, message):
    """An error names the argument; the folder stays as it was."""
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "folder", **options)
    assert not (tmp_path / "folder").exists()


def test_one_class_cannot_be_learned(tmp_path):
    """Training images of a single class are refused."""
    one = data()
    one.labels[:] = 1
    with pytest.raises(ValueError, match="All 7 training images are of class 1: there is nothing to learn"):
        training.train(tiny(), "all", one, STAGE, tmp_path, trained_on="original", seed=0, evaluate=splits())


@pytest.mark.parametrize(
    "change", [{"epochs": -1}, {"batch": 0}, {"rate": 0}, {"rate": float("nan")}, {"optimizer": "sgd"}]
)
def test_an_impossible_stage_is_refused(change):
    """Negative epochs, empty batches, a rate of zero or not a number, an unknown optimizer."""
    with pytest.raises(ValueError, match=r"A stage needs|`optimizer` must be one of"):
        training.Stage(**{"epochs": 1, "optimizer": "adam", "rate": 1e-3, "batch": 4, **change})
