"""Analyses of a study: how they are asked for, which jobs they become, and their scores on a real checkpoint."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_study

from rrr_utils.analyses.controls import measure as controls
from rrr_utils.analyses.convergence import measure as convergence
from rrr_utils.analyses.mask_quality import measure as mask_quality
from rrr_utils.analyses.mask_quality import statistics
from rrr_utils.engine import weights
from rrr_utils.scoring import scores as scoring
from rrr_utils.study import costs, inputs, jobs, run_notebook
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables

ENTRY = """
analyses:
  - kind: convergence
    data: first
    network: small
    strategy: dense
    trained_on: masked
    epoch: 2
    images: 40
    splits: [train, test]
    explainers: [{name: grad_cam}]
  - {kind: mask-quality, data: first, network: small, strategy: head, trained_on: masked, epoch: 1, seeds: [1],
     maskers: [box, mask_rcnn], explainers: [{name: lime, samples: 20}]}
"""


def load(folder, text=ENTRY):
    path = tiny_study.project(folder)
    path.write_text(path.read_text() + text)
    return study.load(path)


def test_an_entry_becomes_a_job_after_its_checkpoint(tmp_path):
    """Its place is its run's; it needs the images, stage 1 and the training; the figures do not wait for it."""
    found = jobs.of(load(tmp_path))
    job = jobs.find(found, "first/small/dense/masked/06-convergence")
    assert job.kind == "analysis"
    assert job.outputs == ("convergence",)
    training_of = "first/small/{}/masked/02-fine-tuning".format
    assert job.needs == ("first/01-masking", training_of("head"), training_of("dense"))
    assert (job.parameters["orders"], job.parameters["epoch"], job.settings["head_epochs"]) == (100, 2, 1)
    assert job.parameters["seeds"] == [0, 1]
    other = jobs.find(found, "first/small/head/masked/05-mask-quality")
    assert other.needs == ("first/01-masking", training_of("head"))
    assert (other.parameters["maskers"], other.parameters["source"]) == (["box", "mask_rcnn"], "confounded")
    assert other.parameters["seeds"] == [1]
    assert jobs.find(found, jobs.FIGURES).needs == tuple(job.name for job in found[: found.index(job) - 1])
    root = tiny_study.PROJECT / "notebooks"
    for each in (job, other):
        run_notebook.check_parameters(root / f"{each.notebook}.ipynb", each.parameters)


def test_an_analysis_that_reads_the_data_depends_on_them(tmp_path, monkeypatch):
    """Mask quality opens the data set again: its stamp holds the state of the data and of the maskers' files."""
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RRR_RUNS", str(tmp_path / "runs"))
    plan = load(tmp_path)
    photographs = replace(plan, data=(replace(plan.data[0], source="oxford_pets", options={}),))
    job = jobs.find(jobs.of(photographs), "first/small/head/masked/05-mask-quality")
    assert set(inputs.hashes(job)) == {"images", "outlines", "model of mask_rcnn"}


def test_the_cost_by_hand(tmp_path, monkeypatch):
    """8 images in all, Grad-CAM's 3 passes and 1 for the answer, 2 seeds; a masker counts where its file is."""
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    plan = load(tmp_path)
    assert jobs.find(jobs.of(plan), "first/small/dense/masked/06-convergence").cost.passes == 8 * 4 * 2
    name = "first/small/head/masked/05-mask-quality"
    without = jobs.find(jobs.of(plan), name).cost
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "MaskRCNN-12.onnx").touch()
    cost = jobs.find(jobs.of(plan), name).cost
    assert cost.seconds - without.seconds == pytest.approx(8 * costs._MASK_SECONDS["mask_rcnn"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: convergence", "kind: convergense", r"line 22: `kind` must be .* Did you mean 'convergence'\?"),
        ("    orders: 9", "    ordres: 9", r"line 29: unknown key `ordres` in `analyses`\. Did you mean 'orders'\?"),
        ("    orders: 9", "    orders: 1", r"line 22: `orders` must be a whole number from 2"),
        ("    orders: 9", "    maskers: [box]", r"line 22: `maskers` belongs to analyses of kind 'mask-quality'"),
        ("data: first", "data: furst", r"line 22: `data` must be one of \['first'\].* Did you mean 'first'\?"),
        ("network: small", "network: smal", r"line 22: `network` .* Did you mean 'small'\?"),
        ("strategy: dense", "strategy: all", r"line 22: `strategy` must be one of \['head', 'dense'\]"),
        ("trained_on: masked", "trained_on: original", r"line 22: `trained_on` must be one of \['masked'\]"),
        ("epoch: 2", "epoch: 3", r"line 22: `epoch` must be from 0 to 2, but 3 was passed"),
        ("images: 40", "images: 0", r"line 22: `images` must be a whole number from 1"),
        ("splits: [train, test]", "splits: [tests]", r"line 22: `splits` .* Did you mean 'test'\?"),
        ("{name: grad_cam}", "{name: gradcam}", r"line 22: `name` .* Did you mean 'grad_cam'\?"),
        ("seeds: [1]", "seeds: [7]", r"line 32: `seeds` must be one of \[0, 1\]"),
        ("maskers: [box", "maskers: [bax", r"line 32: `maskers` .* Did you mean 'box'\?"),
        ("kind: mask-quality", "kind: controls", r"line 32: `maskers` belongs to analyses of kind 'mask-quality'"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, words):
    """The line is that of the entry, also where the mistake shows only beside the rest of the study."""
    text = ENTRY.replace("    images: 40\n", "    images: 40\n    orders: 9\n")
    assert old in text
    with pytest.raises(study.StudyError, match=words):
        load(tmp_path, text.replace(old, new, 1))


def test_the_same_analysis_twice_is_refused(tmp_path):
    """Both would write to one place."""
    entry = ENTRY.split("analyses:\n")[1].split("  - {")[0]
    with pytest.raises(study.StudyError, match=r"line 31: the analysis 'convergence' of .* stands twice"):
        load(tmp_path, "\nanalyses:\n" + entry + entry)


SETTINGS = [{"name": "grad_cam"}, {"name": "occlusion", "patch": 12, "stride": 10}]
COHORT = {"splits": ["test"], "n": 4, "study_seed": 0}


@pytest.fixture(scope="module")
def controlled(tiny_run, tmp_path_factory):
    run, data = tiny_run
    folder = tmp_path_factory.mktemp("pieces")
    return *controls.score_run(run, data, SETTINGS, [0], 1, folder, **COHORT), folder


def test_every_control_has_its_rows(controlled):
    """Both explainers as trained, under both protocols, both normalisations and all stages; two trivial maps."""
    scores, similarity, _ = controlled
    counts = scores.groupby(["protocol", "variant", "explainer"], sort=False).size()
    stages = ["head", "down to conv3", "down to conv2", "all"]
    expected = {("ours", "", "grad_cam"), ("ours", "", "occlusion"), ("authors", "", "grad_cam")}
    expected |= {("authors", "", "occlusion"), ("ours", "gaussian", "none"), ("ours", "edges", "none")}
    varied = [*controls.NORMALISATIONS, *(f"randomised {stage}" for stage in stages)]
    expected |= {("ours", variant, each["name"]) for variant in varied for each in SETTINGS}
    assert set(counts.index) == expected
    assert (counts == 4).all()
    assert len(similarity) == 4 * 2 * 4
    assert similarity["variant"].unique().tolist() == [f"randomised {stage}" for stage in stages]


def test_the_plain_rows_are_those_of_a_plain_scoring(tiny_run, controlled):
    """As trained, under our protocol: the scores that the scoring notebook gives."""
    run, data = tiny_run
    at = data.cohort("test", 4, 0)
    asked = scoring.explainers(SETTINGS, 0)
    ids = [data.ids[place] for place in at]
    expected = scoring.score_images(run.at(0, 1), data.images[at], data.masks[at], data.labels[at], ids, asked)
    scores = controlled[0]
    plain = scores[(scores["variant"] == "") & (scores["protocol"] == "ours")]
    assert plain["image"].tolist() == expected["image"].tolist()
    np.testing.assert_allclose(plain["score"], expected["score"], atol=1e-3)
    gaussian = scores[scores["variant"] == "gaussian"]
    np.testing.assert_allclose(gaussian["chance"], data.masks[at].mean(axis=(1, 2)))


def test_the_head_alone_is_drawn_anew_and_not_as_the_run_began(tiny_run):
    """The first stage keeps every convolution and changes the head; nothing is left of the run's own start."""
    run, _ = tiny_run
    stack = controls._randomised(run, 0, 1)
    trained, start = (weights.take(network.model) for network in (run.at(0, 1), run.start(0)))
    states = stack._states
    assert len(states) == 4
    for key, array in trained.items():
        if key.startswith(("dense_1/", "logits/")):
            assert key.endswith("bias") or not np.allclose(states[0][key], array)
            assert key.endswith("bias") or not np.allclose(states[0][key], start[key])
        else:
            np.testing.assert_array_equal(states[0][key], array)
    kernels = [key for key in trained if key.endswith("/kernel")]
    assert all(not np.allclose(states[-1][key], trained[key]) for key in kernels)


def test_finished_images_are_not_computed_again(tiny_run, controlled, monkeypatch):
    """A second call reads its pieces and gives the same tables."""
    run, data = tiny_run
    scores, similarity, folder = controlled
    monkeypatch.setattr(controls, "_score", None)
    again = controls.score_run(run, data, SETTINGS, [0], 1, folder, **COHORT)
    assert again[0].equals(scores)
    assert again[1].equals(similarity)


def test_the_same_maps_are_scored_under_other_masks(tiny_run, tmp_path):
    """Under a mask that covers everything every score is 1; where nothing was found there is no row."""
    run, data = tiny_run
    everything, nothing = np.ones_like(data.masks), np.array(data.masks)
    nothing[data.cohort("test", 4, 0)[0]] = 0
    asked = scoring.explainers(SETTINGS, 0)
    others = {"full": everything, "part": nothing}
    scores = mask_quality.score_run(run, data, asked, [0], 1, others, tmp_path, **COHORT)
    counts = scores.groupby(["mask_source", "explainer"]).size().unstack()
    assert counts.loc["outlines"].tolist() == counts.loc["full"].tolist() == [4, 4]
    assert counts.loc["part"].tolist() == [3, 3]
    full = scores[(scores["mask_source"] == "full") & ~scores["zero_map"]]
    np.testing.assert_allclose(full["score"], 1)
    same = statistics.by_masks(scores[scores["mask_source"] != "full"].assign(correct=True), "outlines")
    assert (same["difference"] == 0).all()
    tables.write(scores, tmp_path / "scores.parquet", "scores")
    with pytest.raises(ValueError, match="`others` must hold 24 masks, but 3 of 'few' were passed"):
        mask_quality.score_run(run, data, asked, [0], 1, {"few": everything[:3]}, tmp_path, **COHORT)


def test_all_images_are_scored_where_more_are_asked_than_there_are(tiny_run):
    """Both splits whole, once each, with the scores of a plain scoring."""
    run, data = tiny_run
    asked = scoring.explainers(SETTINGS[:1], 0)
    scores = convergence.score_run(run, data, asked, [0], 1, splits=["train", "test"], n=99, study_seed=0)
    assert scores["image"].tolist() == [data.ids[at] for split in ("train", "test") for at in data.where(split)]
    tables.write(scores, run.folder / "all.parquet", "scores")


ZOO = """
analyses:
  - {kind: zoo, data: first, network: small, strategy: dense, trained_on: masked, epoch: 2, ties: [0.5, 1],
     kinds: [original], checkpoints: [1, 2], explainers: [{name: grad_cam}]}
"""


def test_a_slice_of_the_zoo_opens_its_data_and_trains(tmp_path):
    """Its notebook gets the data set's source and how its models are trained, and its own settings."""
    text = ZOO.replace("strategy: dense", "strategy: head").replace("epoch: 2", "epoch: 1").replace("[1, 2]", "[1]")
    job = jobs.find(jobs.of(load(tmp_path, text)), "first/small/head/masked/10-zoo")
    asked = {name: job.parameters[name] for name in ("source", "options", "ties", "kinds", "checkpoints", "steps")}
    assert asked == {
        "source": "confounded",
        "options": {"images": 8},
        "ties": [0.5, 1.0],
        "kinds": ["original"],
        "checkpoints": [1],
        "steps": 8,
    }
    assert inputs.hashes(job) == {}
    assert (job.parameters["training_images"], job.trained["optimizer"], job.outputs) == ([], "rmsprop", ("zoo",))
    run_notebook.check_parameters(tiny_study.PROJECT / "notebooks" / "10-zoo.ipynb", job.parameters)


def test_what_trains_on_a_part_does_not_start_from_a_head_that_saw_all(tmp_path):
    """A zoo, retraining and a sweep over strengths are refused behind stage 1; a single strength is not."""
    refused = {
        "zoo": ZOO,
        "overinterpretation": ZOO.replace("zoo", "overinterpretation").replace(
            "ties: [0.5, 1],\n     kinds: [original], checkpoints: [1, 2]", "retrain: true"
        ),
        "remedies": ZOO.replace("zoo", "remedies").replace(
            "ties: [0.5, 1],\n     kinds: [original], checkpoints: [1, 2]", "remedies: [plain], factors: [1, 10]"
        ),
    }
    for kind, text in refused.items():
        with pytest.raises(study.StudyError, match=rf"the analysis '{kind}' trains .* Ask it of strategy 'head'"):
            load(tmp_path / kind, text)
    load(tmp_path / "one", refused["remedies"].replace("[1, 10]", "[1]"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[0.5, 1]", "[1.5]", r"`ties` must be a number from 0 to 1"),
        ("[0.5, 1]", "[1, 1]", r"`ties` must not repeat a value"),
        ("[original]", "[orignal]", r"`kinds` .* Did you mean 'original'\?"),
        ("[original]", "[]", r"`kinds` must name at least one"),
        ("[1, 2]", "[3]", r"`checkpoints` must not be later than `epoch`, 2"),
        ("[1, 2]", "[0]", r"`checkpoints` must be a whole number from 1"),
        ("kind: zoo", "kind: controls", r"`ties` belongs to analyses of kind 'zoo'"),
    ],
)
def test_a_mistake_in_a_zoo_is_named(tmp_path, old, new, words):
    """With the line of its entry."""
    with pytest.raises(study.StudyError, match=r"line 22: " + words):
        load(tmp_path, ZOO.replace(old, new, 1))
