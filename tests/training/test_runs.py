"""A run's folder, its start from stage 1, and its weights at any epoch."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from rrr_utils import datasets, metric
from rrr_utils.common import paths
from rrr_utils.engine import passes as engine
from rrr_utils.engine import weights
from rrr_utils.explainers import LIME, GradCAM, Occlusion
from rrr_utils.masks import open_masker, prepared
from rrr_utils.networks.stack import Stack
from rrr_utils.scoring import answers, shift
from rrr_utils.scoring import scores as scoring
from rrr_utils.tables import parquet as tables
from rrr_utils.tables import results
from rrr_utils.training import fit as training
from rrr_utils.training import runs

ASKED = [Occlusion(patch=12, stride=10), LIME(samples=30), GradCAM()]


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


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    """Make four images two pieces; all tests share the folder, so all cut alike."""
    monkeypatch.setattr(scoring, "_AT_ONCE", 3)


def scores_of(run, epochs=(0, 2)):
    return scoring.score_run(run, run.images(), ASKED, [3], epochs, splits=["train", "test"], n=4, study_seed=1)


def test_a_runs_scores_are_those_of_its_checkpoints(made):
    """All checkpoints together give the rows that `score_images` gives of each, in its order."""
    run, _ = made
    found = scores_of(run)
    data = run.images()
    expected = []
    for epoch in (0, 2):
        for split in ("train", "test"):
            at = data.cohort(split, 4, 1)
            ids = [data.ids[place] for place in at]
            rows = scoring.score_images(run.at(3, epoch), data.images[at], data.masks[at], data.labels[at], ids, ASKED)
            expected.append(rows.assign(epoch=epoch, split=split))
    expected = pd.concat(expected, ignore_index=True)
    same = ["epoch", "split", "explainer", "image", "label", "predicted", "correct", "zero_map", "chance"]
    pd.testing.assert_frame_equal(found[same], expected[same], check_dtype=False, check_categorical=False)
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-3)
    np.testing.assert_allclose(found["probability"], expected["probability"], atol=1e-5)
    assert found["seed"].unique().tolist() == [3]


def test_the_cohort_is_the_same_for_every_run_and_epoch(made):
    """Two strategies at two epochs are asked about the same images, balanced by class."""
    run, _ = made
    seen = []
    for strategy, epochs in (("head", (1, 2)), ("dense", (0, 2))):
        rows = scores_of(dataclasses.replace(run, strategy=strategy), epochs)
        for _, part in rows[rows["explainer"] == "lime"].groupby("epoch"):
            assert part.groupby("split").size().to_dict() == {"test": 4, "train": 4}
            assert part.groupby("split")["label"].sum().to_dict() == {"test": 2, "train": 2}
            seen.append(part["image"].tolist())
    assert all(images == seen[0] for images in seen)


def test_finished_images_are_not_scored_again(made, monkeypatch):
    """After an interruption only the images are scored whose pieces are missing, and the table is the same."""
    run, _ = made
    first = scores_of(run)
    asked = []
    original = scoring._score

    def counted(stack, data, places, explainers):
        asked.append((len(stack), len(places)))
        return original(stack, data, places, explainers)

    monkeypatch.setattr(scoring, "_score", counted)
    pd.testing.assert_frame_equal(scores_of(run), first)
    assert asked == []
    run.piece(3, "scores-02-test-0003").unlink()
    pd.testing.assert_frame_equal(scores_of(run), first)
    # The fourth image alone, at both epochs: in other company the matrix products could round otherwise.
    assert asked == [(2, 1)]


def test_epoch_0_is_read_from_the_scores_of_stage_1(made, monkeypatch):
    """It is not computed again: only epoch 2 is asked for, and the rows are those that stage 1 has."""
    run, _ = made
    whole, moved = scores_of(run), shift.shift_run(run, run.images(), [3], [0, 2], ["random"], study_seed=0)
    head = run.stage1()
    of_head = scores_of(head, (2,))
    tables.write(of_head, head.folder / "scores.parquet", "scores")
    rows = shift.shift_run(head, head.images(), [3], [2], ["random"], study_seed=0)
    tables.write(rows, head.folder / "shift.parquet", "shift")
    for file in [*run.folder.rglob("scores-00-*"), run.piece(3, "shift-00")]:
        file.unlink()
    stacked = []
    original = runs.Run.stacks
    monkeypatch.setattr(runs.Run, "stacks", lambda *asked: stacked.append(asked[2]) or original(*asked))
    options = {"splits": ["train", "test"], "n": 4, "study_seed": 1, "start_is_scored": True}
    found = scoring.score_run(run, run.images(), ASKED, [3], (0, 2), **options)
    same = ["strategy", "epoch", "split", "explainer", "image", "predicted", "correct"]
    pd.testing.assert_frame_equal(found[same], whole[same])
    starts, ends = (found[found["epoch"] == epoch]["score"].to_numpy() for epoch in (0, 2))
    np.testing.assert_array_equal(starts, of_head["score"])
    np.testing.assert_array_equal(ends, whole[whole["epoch"] == 2]["score"])
    # Alone in its stack the network rounds otherwise, and Occlusion of a new head takes differences of small numbers.
    np.testing.assert_allclose(starts, whole[whole["epoch"] == 0]["score"], atol=1e-2)
    again = shift.shift_run(run, run.images(), [3], [0, 2], ["random"], study_seed=0, start_is_scored=True)
    pd.testing.assert_frame_equal(again, moved)
    assert stacked == []
    run.piece(3, "scores-02-test-0003").unlink()
    scoring.score_run(run, run.images(), ASKED, [3], (0, 2), **options)
    assert stacked == [[2]]
    with pytest.raises(ValueError, match=r"must hold scores of seed 3 and epoch 2 by .*'lime'.*Score stage 1"):
        scoring.score_run(run, run.images(), ASKED[1:], [3], (0, 2), **options)


def test_later_epochs_lean_on_the_first(made, monkeypatch):
    """With a control, epoch 0 has the scores of its many samples, and epoch 2 what few add to them.

    Also where the checkpoints do not fit into one stack: the first one is in each.
    """
    run, _ = made
    monkeypatch.setenv("RRR_STACK_GB", "1e-9")
    monkeypatch.setattr(runs.Run, "piece", lambda self, seed, name: self.folder / "control" / f"{name}.parquet")
    options = {"splits": ["test"], "n": 4, "study_seed": 1}
    asked = [LIME(samples=20, design="orthogonal", control=120)]
    rows = scoring.score_run(run, run.images(), asked, [3], (0, 2), **options)
    assert rows["design"].unique().tolist() == ["orthogonal, control 120"]
    data = run.images()
    at = data.cohort("test", 4, 1)
    pictures, labels, ids = data.images[at], data.labels[at], [data.ids[place] for place in at]
    many = LIME(samples=120, design="orthogonal")
    expected = scoring.score_images(run.at(3, 0), pictures, data.masks[at], labels, ids, [many])
    np.testing.assert_allclose(rows[rows["epoch"] == 0]["score"], expected["score"], atol=1e-3)
    stack = Stack(run.start(3))
    for epoch in (0, 2):
        stack.add(weights.take(run.at(3, epoch).model))
    maps = asked[0].of_each(stack, pictures, labels, ids)
    np.testing.assert_allclose(rows[rows["epoch"] == 2]["score"], metric.score(data.masks[at], maps[1]), atol=1e-3)
    assert not np.allclose(maps[1], maps[0], atol=1e-2)


def test_the_first_epoch_stands_in_every_stack(made, monkeypatch):
    """Before the others of its seed, once in a stack, whether or not it is asked for; and the stack knows it."""
    run, _ = made
    ((members, stack),) = run.stacks([3, 3], [0, 1, 2], first=0)
    assert members == [(3, 0), (3, 1), (3, 2), (3, 0), (3, 1), (3, 2)]
    assert stack.starts == [0, 0, 0, 3, 3, 3]
    ((members, stack),) = run.stacks([3], [1, 2], first=0)
    assert (members, stack.starts) == ([(3, 0), (3, 1), (3, 2)], [0, 0, 0])
    monkeypatch.setenv("RRR_STACK_GB", "1e-9")
    parts = [(members, stack.starts) for members, stack in run.stacks([3], [0, 1, 2], first=0)]
    assert parts == [([(3, 0)], [0]), ([(3, 0), (3, 1)], [0, 0]), ([(3, 0), (3, 2)], [0, 0])]


def test_stacks_hold_every_checkpoint_in_as_few_as_fit(made, monkeypatch):
    """One stack where the weights fit, and several, with the same checkpoints in order, where they do not."""
    run, ends = made
    ((members, stack),) = run.stacks([3], [0, 1, 2])
    assert members == [(3, 0), (3, 1), (3, 2)]
    assert stack.cut == "dense"
    monkeypatch.setenv("RRR_STACK_GB", "1e-9")
    parts = list(run.stacks([3], [0, 1, 2]))
    assert [members for members, _ in parts] == [[(3, 0)], [(3, 1)], [(3, 2)]]
    (network,) = parts[2][1].networks()
    for ours, theirs in zip(network.model.get_weights(), ends["dense"], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_finished_shift_is_not_computed_again(made, monkeypatch):
    """Accuracy on changed backgrounds is read where it is there; one epoch that is missing gives the same table."""
    run, _ = made
    first = shift.shift_run(run, run.images(), [3], [0, 2], ["random"], study_seed=0)
    assert first.groupby("background")["n"].agg(list).to_dict() == {"original": [6, 6], "random": [6, 6]}
    alone = shift.accuracy_by_background(engine.forward(run.at(3, 2)), run.images(), ["random"], epoch=2, seed=0)
    assert first[first["epoch"] == 2]["correct"].tolist() == alone["correct"].tolist()
    run.piece(3, "shift-02").unlink()
    again = shift.shift_run(run, run.images(), [3], [0, 2], ["random"], study_seed=0)
    pd.testing.assert_frame_equal(again, first)
    monkeypatch.setattr(runs.Run, "stacks", None)
    pd.testing.assert_frame_equal(shift.shift_run(run, run.images(), [3], [0, 2], ["random"], study_seed=0), first)


def test_answers_of_every_checkpoint_and_of_the_start(made, tmp_path, monkeypatch):
    """Each test image's answer is the network's own; their mean is the history's accuracy; epoch 0 is stage 1's."""
    run, _ = made
    data = run.images()
    found = answers.answers_run(run, data, [3], [0, 2], [], {})
    assert found.groupby("epoch").size().to_dict() == {0: 6, 2: 6}
    last = found[found["epoch"] == 2]
    places = data.where("test")
    assert last["image"].tolist() == [data.ids[place] for place in places]
    logits = engine.forward(run.at(3, 2))(data.images[places])
    assert last["predicted"].tolist() == logits.argmax(axis=1).tolist()
    assert last["correct"].tolist() == (logits.argmax(axis=1) == data.labels[places]).tolist()
    shifted = shift.shift_run(run, data, [3], [0, 2], [], study_seed=0)
    assert found.groupby("epoch")["correct"].sum().tolist() == shifted["correct"].tolist()
    run.piece(3, "answers-02").unlink()
    pd.testing.assert_frame_equal(answers.answers_run(run, data, [3], [0, 2], [], {}), found)
    with pytest.raises(FileNotFoundError, match=r"answers\.parquet"):
        answers.answers_run(run, data, [3], [0, 2], [], {}, start_is_scored=True)
    head = run.stage1()
    rows = head.label(found[found["epoch"] == 0].assign(epoch=run.head_epochs, predicted=9, correct=False), 3)
    tables.write(rows, head.folder / "answers.parquet", "answers")
    again = answers.answers_run(run, data, [3], [0, 2], [], {}, start_is_scored=True)
    assert again[again["epoch"] == 0]["predicted"].tolist() == [9] * 6
    assert again["strategy"].unique().tolist() == [run.strategy]
    monkeypatch.setattr(runs.Run, "stacks", None)
    pd.testing.assert_frame_equal(answers.answers_run(run, data, [3], [0, 2], [], {}, start_is_scored=True), again)


def test_both_ends_are_scored_on_as_many_images_as_each_explainer_asks(made, monkeypatch):
    """First and last epoch alone; the fewer images are among the more; epoch 0 is read from stage 1's own table."""
    run, _ = made
    data, ends = run.images(), [{"name": "grad_cam"}, {"name": "occlusion", "patch": 12, "stride": 10, "images": 4}]
    found = scoring.score_ends(run, data, ends, [3], [0, 1, 2])
    counts = found.groupby(["explainer", "epoch", "split"]).size().to_dict()
    assert counts == {(name, epoch, "test"): n for name, n in (("grad_cam", 6), ("occlusion", 4)) for epoch in (0, 2)}
    by_name = found.groupby("explainer")["image"].agg(set)
    assert by_name["occlusion"] < by_name["grad_cam"]
    places = data.where("test")
    alone = scoring.score_images(
        run.at(3, 2),
        data.images[places],
        data.masks[places],
        data.labels[places],
        [data.ids[p] for p in places],
        [GradCAM()],
    ).set_index("image")["score"]
    last = found[(found["explainer"] == "grad_cam") & (found["epoch"] == 2)].set_index("image")["score"]
    np.testing.assert_allclose(last, alone[last.index], atol=1e-4)
    head = run.stage1()
    start = found[found["epoch"] == 0].assign(epoch=run.head_epochs, strategy="head", score=0.5)
    tables.write(start, head.folder / "end_scores.parquet", "end_scores")
    again = scoring.score_ends(run, data, ends, [3], [0, 1, 2], start_is_scored=True)
    assert again[again["epoch"] == 0]["score"].unique().tolist() == [0.5]
    assert again["strategy"].unique().tolist() == [run.strategy]
    tables.write(start.assign(samples=7), head.folder / "end_scores.parquet", "end_scores")
    with pytest.raises(ValueError, match=r"end_scores\.parquet must hold scores of seed 3"):
        scoring.score_ends(run, data, ends, [3], [0, 2], start_is_scored=True)
    assert len(scoring.score_ends(run, data, [], [3], [0, 2])) == 0
    assert scoring.score_run(run, data, [GradCAM()], [], [0], splits=["test"], n=4, study_seed=0).empty


def test_a_run_is_opened_as_its_training_described_it(tmp_path, monkeypatch):
    """All that its notebook was told comes back; a place without a run, and a damaged description, say what to do."""
    monkeypatch.setenv("RRR_RUNS", str(tmp_path))
    place = ("s", "d", "small", "dense", "original")
    with pytest.raises(FileNotFoundError, match=r"run\.json: this run was not trained\. Run notebooks/02"):
        runs.Run.open(*place)
    stage = training.Stage(7, "rmsprop", 1e-4, 16)
    run = runs.Run(*place, "mobilenet", 64, 0.25, "imagenet", 3, 128, stage, "authors", 5)
    run.describe()
    assert runs.Run.open(*place) == run
    assert runs.Run.open(*place).stage1().folder.parts[-2:] == ("head", "original")
    file = run.folder / "run.json"
    for damage in ("{", "[]", file.read_text().replace('"size"', '"sizes"'), file.read_text().replace("1e-04", "-1")):
        file.write_text(damage.replace("0.0001", "-1.0"))
        with pytest.raises(ValueError, match=r"is damaged .* run that notebook again"):
            runs.Run.open(*place)


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
    # Runs that were scored before there were answers have none, and none are written for a study without any.
    assert found.answers.empty
    assert not (tmp_path / "summary" / "answers.parquet").exists()
    whole = {"epoch": [1], "image": ["i"], "label": [0], "predicted": [1], "correct": False, "background": "original"}
    given = run.label(pd.DataFrame({**whole, "donor": "", "probability": 0.5, "margin": 0.0, "entropy": 0.7}), 3)
    tables.write(given, tmp_path / "d" / "small" / "dense" / "original" / "answers.parquet", "answers")
    found = results.read(tmp_path, ["d/small/dense/masked", "d/small/dense/original"])
    assert found.answers["image"].tolist() == ["i"]
    results.write(found, tmp_path / "summary")
    assert len(tables.read(tmp_path / "summary" / "answers.parquet", "answers")) == 1
    with pytest.raises(ValueError, match="at least one run"):
        results.read(tmp_path, [])
