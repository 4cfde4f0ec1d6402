"""The jobs of a study: which there are, in what order, with which parameters, at what cost."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_study

from rrr_utils.common import files, paths
from rrr_utils.study import analysis as analyses
from rrr_utils.study import analysis_costs, costs, job_state, jobs, run_notebook
from rrr_utils.study import study_file as study

STUDIES = sorted((tiny_study.PROJECT / "studies").glob("*.yaml"))


@pytest.fixture
def tiny(tmp_path: Path) -> study.Study:
    """Return the tiny study: one data set, one network with a stage 1, one strategy, one kind of images."""
    return study.load(tiny_study.project(tmp_path))


def test_the_jobs_of_a_small_study(tiny: study.Study) -> None:
    """Masks, stage 1, a strategy, its scores and the figures, each after what it reads."""
    found = {job.name: (job.kind, job.needs) for job in jobs.of(tiny)}
    head, tuning = "first/small/head/masked/02-fine-tuning", "first/small/dense/masked/02-fine-tuning"
    start, scores = "first/small/head/masked/03-scoring", "first/small/dense/masked/03-scoring"
    assert found == {
        "first/01-masking": ("masking", ()),
        head: ("head", ("first/01-masking",)),
        start: ("scoring", ("first/01-masking", head)),
        tuning: ("fine-tuning", ("first/01-masking", head)),
        scores: ("scoring", ("first/01-masking", head, tuning, start)),
        "04-figures": ("figures", ("first/01-masking", head, start, tuning, scores)),
    }


def test_checkpoint_0_of_all_strategies_is_scored_once(tiny: study.Study) -> None:
    """It is the last epoch of stage 1: scored there, read by the strategies, and no run of its own in the figures."""
    both = replace(tiny.networks[0], strategies=("dense", "all"))
    found = {job.name: job for job in jobs.of(replace(tiny, networks=(both,)))}
    start = found["first/small/head/masked/03-scoring"]
    assert start.parameters["scored_epochs"] == [1]
    assert not start.parameters["start_is_scored"]
    for strategy in ("dense", "all"):
        scores = found[f"first/small/{strategy}/masked/03-scoring"]
        assert scores.parameters["scored_epochs"] == [0, 2]
        assert scores.parameters["start_is_scored"]
        assert start.name in scores.needs
    assert found["04-figures"].parameters["runs"] == ["first/small/dense/masked", "first/small/all/masked"]
    late = replace(tiny, scoring=replace(tiny.scoring, epochs=(2,)))
    assert "first/small/head/masked/03-scoring" not in {job.name for job in jobs.of(late)}


def test_the_strategy_head_asks_for_the_scores_of_stage_1(tiny: study.Study) -> None:
    """Its scoring is a run of the figures; without another strategy there is no stage 2."""
    alone = replace(tiny.networks[0], strategies=("head",), tuning=None, head=study.Stage(3), seeds=(7,), units=9)
    found = {job.name: job for job in jobs.of(replace(tiny, networks=(alone,)))}
    head, scores = "first/small/head/masked/02-fine-tuning", "first/small/head/masked/03-scoring"
    assert list(found) == ["first/01-masking", head, scores, "04-figures"]
    assert found[scores].parameters["scored_epochs"] == [0, 2]
    assert (found[head].parameters["seeds"], found[head].parameters["units"]) == ([7], 9)
    assert found["04-figures"].parameters["runs"] == ["first/small/head/masked"]
    assert found["04-figures"].parameters["untrained_epochs"] == {"small": [0]}
    # Asked for together with strategies, its last epoch is scored for them too.
    more = replace(alone, strategies=("head", "dense"), tuning=study.Stage(2))
    found = {job.name: job for job in jobs.of(replace(tiny, networks=(more,)))}
    assert found[scores].parameters["scored_epochs"] == [0, 2, 3]


def test_a_network_may_be_scored_its_own_way(tiny: study.Study) -> None:
    """`scoring` of a network takes the place of the study's."""
    own = study.Scoring(explainers=({"name": "lime"},), epochs=(1,), images=7)
    found = {job.kind: job for job in jobs.of(replace(tiny, networks=(replace(tiny.networks[0], scoring=own),)))}
    assert found["scoring"].parameters["images"] == 7
    assert found["scoring"].parameters["scored_epochs"] == [1]


def test_a_network_without_stage_1_starts_with_its_strategy(tiny: study.Study) -> None:
    """Without `head` there is no job `head`, and training starts from the start weights."""
    bare = replace(tiny, networks=(replace(tiny.networks[0], head=None),))
    found = {job.kind: job for job in jobs.of(bare)}
    assert "head" not in found
    assert found["fine-tuning"].parameters["head_epochs"] == 0
    assert found["figures"].parameters["untrained_epochs"] == {"small": [0]}
    found = {job.kind: job for job in jobs.of(tiny)}
    assert [found[kind].settings["head_epochs"] for kind in ("head", "fine-tuning", "scoring")] == [0, 1, 1]
    assert [found[kind].parameters["epochs"] for kind in ("head", "fine-tuning")] == [1, 2]
    assert found["scoring"].outputs == (
        "scores.parquet",
        "shift.parquet",
        "answers.parquet",
        "seed-0/scoring",
        "seed-1/scoring",
    )
    assert found["figures"].parameters["runs"] == ["first/small/dense/masked"]
    assert found["figures"].parameters["untrained_epochs"] == {}


def test_a_strategy_may_have_fewer_seeds_than_its_network(tiny: study.Study) -> None:
    """It is trained and scored with those alone; stage 1, from which others start, has all."""
    network = replace(tiny.networks[0], strategies=("dense", "all"), seeds=(0, 1, 2), seeds_of={"all": [1]})
    found = jobs.of(replace(tiny, networks=(network,)))
    seeds = {job.name.removeprefix("first/small/"): job.parameters.get("seeds") for job in found}
    assert seeds["all/masked/02-fine-tuning"] == seeds["all/masked/03-scoring"] == [1]
    assert seeds["dense/masked/03-scoring"] == seeds["head/masked/02-fine-tuning"] == [0, 1, 2]
    assert "seed-1/scoring" in jobs.find(found, "first/small/all/masked/03-scoring").outputs
    assert "seed-0/scoring" not in jobs.find(found, "first/small/all/masked/03-scoring").outputs
    with pytest.raises(ValueError, match=r"`seeds_of` must give 'all' a list of some of the network's own `seeds`"):
        replace(network, seeds_of={"all": [3]})
    with pytest.raises(ValueError, match=r"`seeds_of` must be one of \['dense', 'all'\]"):
        replace(network, seeds_of={"head": [1]})


def test_ends_and_donors_reach_the_notebook_and_are_promised(tiny: study.Study) -> None:
    """As parameters; the table of both ends is an output where it is asked for; impossible values are refused."""
    ends = ({"name": "grad_cam"}, {"name": "occlusion", "images": 40})
    asked = replace(tiny.scoring, ends=ends, donors=study.Donors(3, 2, 7), curve_seeds=(1,))
    job = {job.kind: job for job in jobs.of(replace(tiny, scoring=asked))}["scoring"]
    assert job.parameters["ends"] == list(ends)
    assert job.parameters["donors"] == {"other": 3, "same": 2, "images": 7}
    assert job.parameters["curve_seeds"] == [1]
    assert "end_scores.parquet" in job.outputs
    run_notebook.check_parameters(job_state.template(job), job.parameters)
    plain = {job.kind: job for job in jobs.of(tiny)}["scoring"]
    assert (plain.parameters["donors"], "end_scores.parquet" in plain.outputs) == ({}, False)
    for wrong, words in (
        ({"ends": ({"name": "lime"}, {"name": "lime", "samples": 9})}, "must not repeat"),
        (
            {"ends": ({"name": "lime", "images": 0},)},
            "`images` must be a whole number from 1 to 1,000,000, but 0 was passed",
        ),
        ({"curve_seeds": (1, 1)}, "`curve_seeds` must be a list of different integers"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(tiny.scoring, **wrong)
    for wrong in ({"other": -1}, {"images": 0}):
        with pytest.raises(ValueError, match="must be a whole number from"):
            study.Donors(**wrong)


def test_networks_run_only_on_the_data_that_they_name(tiny: study.Study) -> None:
    """`on` restricts a network; data that no network runs on are not masked; sizes are those of its networks."""
    data = (tiny.data[0], replace(tiny.data[0], name="second"), replace(tiny.data[0], name="third"))
    network = replace(tiny.networks[0], on=("first",))
    larger = replace(tiny.networks[0], name="large", size=96, on=("first", "second"))
    found = {job.folder: job for job in jobs.of(replace(tiny, data=data, networks=(network, larger)))}
    assert found["first"].parameters["sizes"] == [64, 96]
    assert found["second"].parameters["sizes"] == [96]
    assert "third" not in found
    assert "second/small/dense/masked" not in found


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_gives_jobs_that_the_notebooks_take(path: Path) -> None:
    """In each study file: unique names, needs before their users, and only parameters that the notebooks have."""
    found = jobs.of(study.load(path))
    names = [job.name for job in found]
    assert len(set(names)) == len(names)
    for place, job in enumerate(found):
        assert set(job.needs) <= set(names[:place])
        run_notebook.check_parameters(job_state.template(job), job.parameters)
    figures = jobs.find(found, jobs.FIGURES)
    assert figures.needs == tuple(job.name for job in found if job.kind not in ("figures", "analysis"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_jobs_of_a_study_stay_what_they_are(path: Path) -> None:
    """A parameter, an output or a need that changes makes finished runs stale: write `jobs.json` anew on purpose."""
    kept = files.read_json(Path(__file__).with_name("jobs.json"))
    found = {}
    for job in jobs.of(study.load(path)):
        text = json.dumps([job.kind, job.notebook, job.settings, job.outputs, job.needs], sort_keys=True)
        found[job.name] = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert found == kept[path.stem]


def test_masking_promises_the_other_backgrounds_of_data_that_are_drawn(tiny: study.Study) -> None:
    """Photographs have none; what a data set of one's own has is known when it has run."""
    for source, expected in (("confounded", ["shifted-64.npy"]), ("oxford_pets", []), ("json:mine", ["shifted-*.npy"])):
        changed = replace(tiny, data=(replace(tiny.data[0], source=source, options={}),))
        assert [name for name in jobs.of(changed)[0].outputs if name.startswith("shifted")] == expected


def test_an_unknown_job_is_refused_with_the_nearest_name(tiny: study.Study) -> None:
    """The error names the job that was probably meant."""
    with pytest.raises(ValueError, match=r"no job 'first/01-mask'\. Did you mean 'first/01-masking'\?"):
        jobs.find(jobs.of(tiny), "first/01-mask")


def test_the_cost_of_scoring_by_hand(tiny: study.Study) -> None:
    """2 splits x 50 images at 2 epochs with 3 seeds, 1 + 3 + 100 + 60 passes each; and 60 test images x 3 x 2 x 3."""
    explainers = (
        {"name": "grad_cam"},
        {"name": "occlusion", "patch": 12, "stride": 6},
        {"name": "lime", "samples": 60},
    )
    scoring = study.Scoring(explainers=explainers, epochs=(0, 2), images=50, backgrounds=("random",))
    data = replace(tiny.data[0], options={"images": 200})
    cost = costs.scoring(data, tiny.networks[0], scoring, "dense", epochs=2, seeds=3)
    # Occlusion of 64 pixels, patch 12, stride 6: positions 0, 6, ..., 48 and the last one at 52, so 10 a side.
    assert cost.passes == 2 * 50 * 2 * 3 * (1 + 3 + 100 + 60) + 60 * 3 * 2 * 3


def test_the_cost_of_ends_and_donors_by_hand(tiny: study.Study) -> None:
    """At 2 of 3 epochs of 3 seeds: 60 images x (1 + 3) and 40 x (1 + 60); once a seed: 60 x 4 and 20 x (3 + 2)."""
    plain = study.Scoring(
        explainers=({"name": "grad_cam"},), epochs=(0, 1, 2), backgrounds=("random",), curve_seeds=(1,)
    )
    asked = replace(
        plain, ends=({"name": "grad_cam"}, {"name": "lime", "samples": 60, "images": 40}), donors=study.Donors(3, 2, 20)
    )
    data = replace(tiny.data[0], options={"images": 200})
    before, after = (costs.scoring(data, tiny.networks[0], each, "all", epochs=3, seeds=3) for each in (plain, asked))
    assert before.passes == 2 * 50 * 3 * 1 * (1 + 3) + 60 * 3 * 3 * 3
    assert after.passes - before.passes == (60 * 4 + 40 * 61) * 2 * 3 + (60 * 4 + 20 * 5) * 3
    assert after.seconds > before.seconds


@pytest.mark.parametrize(
    ("explainer", "passes"),
    [
        ({"name": "rise", "samples": 20}, 20),
        ({"name": "score_cam"}, 3 + 256),
        ({"name": "score_cam", "channels": 40}, 3 + 40),
        ({"name": "sise"}, 3 + 8 + 16 + 32 + 64 + 128),
        ({"name": "sise", "channels": 20}, 3 + 8 + 16 + 3 * 20),
        ({"name": "layer_cam"}, 3),
        ({"name": "layer_cam", "layers": "all"}, 15),
        ({"name": "sedc", "steps": 4}, 50 * 5),
    ],
)
def test_the_passes_of_further_explainers_by_hand(tiny: study.Study, explainer: dict, passes: int) -> None:
    """Of MobileNet at a quarter of its width, whose five resolutions end in 16, 32, 64, 128 and 256 channels."""
    model = replace(tiny.networks[0], architecture="mobilenet", alpha=0.25)
    scoring = study.Scoring(explainers=(explainer,), epochs=(1,), images=10, splits=("test",), backgrounds=())
    data = replace(tiny.data[0], options={"images": 200})
    cost = costs.scoring(data, model, scoring, "all", epochs=1, seeds=1)
    assert cost.passes == 10 * (1 + passes) + 2 * 60


def test_the_cost_of_training_by_hand(tiny: study.Study) -> None:
    """200 images, 70 % of them trained on for 2 epochs by 3 seeds; all evaluated before and after each epoch."""
    cost = costs.training(replace(tiny.data[0], options={"images": 200}), tiny.networks[0], study.Stage(2), "all", 3)
    assert (cost.training_images, cost.passes) == (140 * 2 * 3, 200 * 3 * 3)


def test_what_is_shared_costs_once(tiny: study.Study) -> None:
    """Scoring 33 checkpoints: heads alone cost a few times one, blocks 4 and 5 less than all, and all 33 times one."""
    scoring = study.Scoring(explainers=({"name": "lime", "samples": 5000},), epochs=(0,), backgrounds=())

    def seconds(strategy: str, checkpoints: int) -> float:
        return costs.scoring(tiny.data[0], tiny.networks[0], scoring, strategy, checkpoints, 1).seconds

    assert seconds("all", 33) == pytest.approx(33 * seconds("all", 1), rel=0.1)  # superpixels once
    assert 2 * seconds("dense", 1) < seconds("dense", 33) < 0.3 * seconds("blocks4-5", 33)
    assert seconds("blocks4-5", 33) < 0.7 * seconds("all", 33)
    # Frozen blocks run once an image in training too, unless the images change every epoch.
    stage, swapped = study.Stage(10), replace(tiny.networks[0], trained_on=("swapped",))
    once, often = (costs.training(tiny.data[0], model, stage, "dense", 1) for model in (tiny.networks[0], swapped))
    assert once.passes == often.passes
    assert once.seconds < 0.3 * often.seconds


def test_frozen_blocks_run_once_for_all_seeds_on_augmented_images(
    tiny: study.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VGG16 at 160 pixels on 3,000 images: the first seed pays for blocks 1 to 3 and their 8.6 GB, others train alone.

    20 x 20 x 256 numbers of 4 bytes, for 2,100 images in 10 epochs and the 3,000 that are evaluated; the head's 5 x 5 x
    512, a MobileNet's 14 x 14 x 128 and 7 x 7 x 256. Without room, or with weights of its own, each seed pays.
    """
    data = replace(tiny.data[0], source="dogs_vs_cats", options={"images": 3000}, test_share=0.3)
    plain = replace(tiny.networks[0], architecture="vgg16", size=160, weights="imagenet", on=())
    vgg, stage = replace(plain, augmentation="authors"), study.Stage(10)
    narrow = replace(vgg, architecture="mobilenet", size=224, alpha=0.25)
    for model, strategy, numbers in (
        (vgg, "blocks4-5", 20 * 20 * 256),
        (vgg, "head", 5 * 5 * 512),
        (narrow, "blocks4-5", 14 * 14 * 128),
        (narrow, "dense", 7 * 7 * 256),
        (narrow, "blocks1-3", 0),
        (plain, "dense", 0),
        (replace(vgg, weights=None), "dense", 0),
    ):
        assert costs.shared_bytes(data, model, stage, strategy) == (2100 * 10 + 3000) * numbers * 4

    def seconds(model: study.Model, strategy: str, seeds: int) -> float:
        return costs.training(data, model, stage, strategy, seeds).seconds

    forward = costs.pass_seconds(vgg)
    once, another = seconds(vgg, "dense", 1), seconds(vgg, "dense", 3) - seconds(vgg, "dense", 2)
    assert once - another == pytest.approx(0.99 * forward * 24000, rel=0.02)  # and as many are moved
    assert another < 0.03 * once
    alone = replace(vgg, weights=None)
    assert seconds(alone, "dense", 3) == pytest.approx(3 * once)
    assert seconds(vgg, "all", 3) == pytest.approx(3 * seconds(vgg, "all", 1))
    both = [costs.training(data, each, stage, "blocks4-5", 3) for each in (vgg, alone)]
    nbytes = costs.shared_bytes(data, vgg, stage, "blocks4-5")
    assert ([each.shared for each in both], both[0].disk) == ([nbytes, 0], both[1].disk)
    assert costs.on_disk(both) == both[0].disk + nbytes + both[1].disk
    monkeypatch.setenv("RRR_SHARED_GB", "5")
    assert costs.on_disk(3 * [costs.Cost(disk=1, shared=2 * 10**9)]) == 3 + 5 * 10**9
    assert seconds(vgg, "dense", 3) < 1.1 * once
    assert seconds(vgg, "blocks4-5", 3) == pytest.approx(3 * seconds(vgg, "blocks4-5", 1))


def test_bfloat16_saves_seconds_and_no_passes(tiny: study.Study) -> None:
    """VGG16's 100 images are asked 1,000 rows at the first checkpoint, which is all but LIME's 64 at the second."""
    data, network = tiny.data[0], replace(tiny.networks[0], architecture="vgg16", size=160)

    def cost(model: study.Model, **more: str) -> costs.Cost:
        lime = {"name": "lime", "samples": 64, "control": 1000, **more}
        scoring = study.Scoring(explainers=(lime,), epochs=(0, 1), backgrounds=())
        return costs.scoring(data, model, scoring, "all", epochs=2, seeds=1)

    plain, short = cost(network), cost(network, precision="bfloat16")
    assert short.passes == plain.passes == 100 * (2 * (1 + 64) + 936) + 2 * 2 * round(8 * data.test_share)
    assert 0.1 * plain.seconds < short.seconds < 0.25 * plain.seconds
    small = replace(network, architecture="convnet", size=64)
    assert cost(small, precision="bfloat16") == cost(small)


def test_costs_grow_with_work(tiny: study.Study) -> None:
    """A larger image, a wider network, more blocks, and a slower machine take longer."""
    data, network, stage = tiny.data[0], tiny.networks[0], study.Stage(2)

    def seconds(model: study.Model, strategy: str = "all") -> float:
        return costs.training(data, model, stage, strategy, 1).seconds

    assert seconds(replace(network, size=128)) == pytest.approx(4 * seconds(network))
    assert seconds(replace(network, alpha=0.25)) < seconds(network)
    assert seconds(network, "dense") < seconds(network, "blocks4-5") < seconds(network, "all")
    cost = costs.training(data, network, stage, "all", 1)
    assert cost.expected(3) - cost.expected(1) == pytest.approx(2 * cost.seconds)


def test_images_are_counted_from_options(tmp_path: Path, tiny: study.Study) -> None:
    """The number of images follows from the options alone; a folder's files are counted."""
    (tmp_path / "mine" / "cat").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "mine" / "cat" / name).touch()
    for source, options, expected in (
        ("confounded", {"images": 240}, 240),
        ("dogs_vs_cats", {}, 3000),
        ("caltech101", {"cap": 60, "categories": ["ant", "crab"]}, 120),
        ("folder", {"images": str(tmp_path / "mine")}, 2),
    ):
        assert costs.images_of(replace(tiny.data[0], source=source, options=options)) == expected


def test_what_a_job_reads_is_found_where_the_notebook_finds_it(
    tmp_path: Path, tiny: study.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder of one's own counts from the data, so that other images in it are noticed."""
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RRR_RUNS", str(tmp_path / "runs"))
    for name in ("cat/a.jpg", "dog/a.jpg"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True)
        (tmp_path / "mine" / name).touch()
    entry = replace(tiny.data[0], source="folder", options={"images": "mine"})
    (masking, *_) = jobs.of(replace(tiny, data=(entry,), networks=tuple(replace(n, on=()) for n in tiny.networks)))
    before = job_state.inputs_of(masking, tmp_path)["images"]
    assert before is not None
    (tmp_path / "mine" / "cat" / "b.jpg").touch()
    assert job_state.inputs_of(masking, tmp_path)["images"] != before
    assert costs.images_of(entry) == 3


def test_what_nobody_has_measured_is_estimated_and_said(tiny: study.Study) -> None:
    """One's own data, masker, network and explainer have a usual cost, without being imported."""
    data = replace(tiny.data[0], options={"images": 200})
    assert costs.guesses(tiny) == []
    usual = replace(tiny.networks[0], architecture="resnet50", alpha=1.0)
    model = replace(usual, architecture="json:mine")
    assert costs.training(data, model, study.Stage(2), "all", 1) == costs.training(
        data, usual, study.Stage(2), "all", 1
    )
    scoring = study.Scoring(explainers=({"name": "json:mine"}, {"name": "json:mine", "samples": 20}), epochs=(1,))
    assert costs.analysis(data, model, scoring, 1, 0.0, 1).passes == 100 * (1 + 1000 + 20)
    own = replace(data, source="json:mine", masks="json:maskers", options={})
    assert costs.images_of(own) == 1000
    assert costs.masking(own, [64]).seconds == pytest.approx(costs.masking(replace(own, masks="deeplab"), [64]).seconds)
    assert costs.guesses(replace(tiny, data=(own,), networks=(replace(model, on=()),), scoring=scoring)) == [
        "No experience with json:mine: estimated as 1,000 images.",
        "No experience with json:maskers: estimated as deeplab.",
        "No experience with json:mine: estimated as resnet50.",
        "No experience with json:mine: estimated as 1,000 passes a map.",
        "No experience with json:mine: estimated as 20 passes a map.",
    ]


def test_wall_time_by_hand() -> None:
    """a (4 s), then b (3 s) and c (2 s), then d (1 s): 8 s with two slots, 10 s with one, 1 s when only d is left."""
    seconds = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}
    needs = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    assert costs.wall_time(seconds, needs, 2) == 8
    assert costs.wall_time(seconds, needs, 1) == 10
    assert costs.wall_time({"d": 1.0}, needs, 2) == 1
    assert costs.wall_time({}, needs, 2) == 0


def test_the_machine_is_measured() -> None:
    """The probe takes half a second and gives a positive factor."""
    assert 0.001 < costs.machine(1) < 1000


def test_the_cost_of_a_slice_of_the_zoo_by_hand(tiny: study.Study) -> None:
    """2 ties, 2 kinds, sizes 20 and 50, 3 seeds, 4 epochs, 2 checkpoints: 24 trainings, 48 models."""
    entry = analyses.Analysis.of(
        "zoo", data="first", network="small", strategy="dense", epoch=4, explainers=({"name": "grad_cam"},),
        images=10, ties=(0.5, 1.0),
        kinds=("original", "swapped"), training_images=(20, 50), checkpoints=(2, 4), steps=5,
    )  # fmt: skip
    data = replace(tiny.data[0], options={"images": 200})
    cost = analysis_costs.zoo(data, tiny.networks[0], entry, 3)
    assert cost.training_images == (20 + 50) * 4 * 2 * 2 * 3
    # Of each model: 10 images by Grad-CAM (4 passes) and two curves of 5 steps, 8 by random weights, 60 tested 7 times.
    assert cost.passes == 48 * (10 * (4 + 10) + 8 * 4 + 60 * 7)
    still = analysis_costs.zoo(
        data, tiny.networks[0], replace(entry, options=replace(entry.options, kinds=("original", "masked"))), 3
    )
    assert still.seconds < cost.seconds


def test_a_stack_holds_at_least_one_checkpoint(monkeypatch):
    """However little memory is allowed, no more than every checkpoint by itself is planned; more memory saves time."""
    plan = study.load(paths.root() / "studies" / "cpu.yaml")
    seconds = []
    for gigabytes in ("0", "1e-6", "4"):
        monkeypatch.setenv("RRR_STACK_GB", gigabytes)
        seconds.append(sum(job.cost.seconds for job in jobs.of(plan)))
    assert seconds[0] == seconds[1] > seconds[2]
