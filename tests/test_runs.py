"""A run's folder, its start from stage 1, and its weights at any epoch."""

import numpy as np
import pandas as pd
import pytest

from rrr_utils import datasets, paths, prepared, results, runs, tables, training
from rrr_utils.masks import open_masker


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A prepared data set, and a MobileNet at 32 px with random weights after stage 1 and one strategy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRR_RUNS", str(tmp_path_factory.mktemp("runs")))
        dataset = datasets.open_dataset("confounded", None, {"images": 24, "size": 32})
        masker = open_masker("outlines", dataset, None)
        folder = paths.runs() / "s" / "d"
        prepared.prepare("s", "d", dataset, masker, [32], folder, test_share=0.25, seed=0)
        ends = {}
        for strategy in ("head", "dense"):
            run = runs.Run("s", "d", "small", strategy, "original", "mobilenet", 32, 0.25, None, head_epochs=2)
            data = run.images()
            network = run.start(3)
            training.train(
                network,
                strategy,
                runs.training_data(data),
                training.Stage(2, "adam", 1e-3),
                run.checkpoints(3),
                trained_on="original",
                seed=3,
                evaluate=runs.evaluation(data),
            )
            ends[strategy] = network.model.get_weights()
        yield run, ends


def test_a_strategy_starts_where_stage_1_ended(made):
    """The start of stage 2 has the weights of the last epoch of stage 1, and so has its epoch 0."""
    run, ends = made
    for network in (run.start(3), run.at(3, 0)):
        for ours, theirs in zip(network.model.get_weights(), ends["head"], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_an_epoch_is_restored_whole(made):
    """The last epoch from its checkpoint equals the network as training left it."""
    run, ends = made
    for ours, theirs in zip(run.at(3, 2).model.get_weights(), ends["dense"], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_missing_stage_1_is_named(made):
    """A seed that was never trained leads to the folder and the remedy."""
    run, _ = made
    with pytest.raises(FileNotFoundError, match=r"head.original.seed-9.*Run the training"):
        run.start(9)


def test_training_and_test_images_do_not_mix(made):
    """The training part holds no test image, and both together are all usable images."""
    run, _ = made
    data = run.images()
    train = set(runs.training_data(data).ids)
    test = {data.ids[place] for place in data.where("test")}
    assert not train & test
    assert train | test == set(data.ids)
    assert {part: len(labels) for part, (_, labels) in runs.evaluation(data).items()} == {"train": 18, "test": 6}


def test_trained_blocks_by_hand(made):
    """The strategy `dense` trains the head's 256 x 512 + 512 and 512 x 2 + 2 weights and nothing else."""
    run, _ = made
    table = runs.trained_blocks(run.start(3))
    assert table.loc["dense", "weights"] == table.loc["dense", "trained"] == 256 * 512 + 512 + 512 * 2 + 2
    assert table.drop(index="dense")["trained"].sum() == 0


def test_a_finished_checkpoint_is_not_computed_again(made):
    """Pieces that are there are read; only what is missing is computed."""
    run, _ = made
    asked = []

    def rows(network, epoch):
        asked.append(epoch)
        return pd.DataFrame({"epoch": [epoch], "background": ["random"], "n": [4], "correct": [3], "accuracy": [0.75]})

    first = runs.each_checkpoint(run, "shift", [3], [0, 1], rows)
    (run.pieces(3) / "shift-01.parquet").unlink()
    again = runs.each_checkpoint(run, "shift", [3], [0, 1], rows)
    assert asked == [0, 1, 1]
    pd.testing.assert_frame_equal(first, again)
    assert again["strategy"].unique().tolist() == ["dense"]


def test_results_read_only_the_runs_that_are_named(made, tmp_path):
    """What an earlier version of a study left in its folder does not mix in."""
    run, _ = made
    rows = pd.DataFrame({"epoch": [1], "background": ["random"], "n": [4], "correct": [3], "accuracy": [0.75]})
    for kind in ("original", "masked"):
        folder = tmp_path / "d" / "small" / "dense" / kind
        tables.write(run.label(rows, 3).assign(trained_on=kind), folder / "shift.parquet", "shift")
        for name in ("history", "scores"):
            tables.write(pd.DataFrame(columns=tables.SCHEMAS[name].names), folder / f"{name}.parquet", name)
    tables.write(pd.DataFrame(columns=tables.SCHEMAS["masks"].names), tmp_path / "d" / "masks.parquet", "masks")
    found = results.read(tmp_path, ["d/small/dense/masked"])
    assert found.shift["trained_on"].tolist() == ["masked"]
    results.write(found, tmp_path / "summary")
    pd.testing.assert_frame_equal(tables.read(tmp_path / "summary" / "shift.parquet", "shift"), found.shift)
    with pytest.raises(ValueError, match="at least one run"):
        results.read(tmp_path, [])
