"""The study of disentangled heads: rows of a small run, tables by hand, rules of the verdicts, and figures."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import tiny_study

from rrr_utils import explainers, metric
from rrr_utils.analyses import infodisent
from rrr_utils.analyses.infodisent import claims as head_claims
from rrr_utils.analyses.infodisent import contributions as reading
from rrr_utils.analyses.infodisent import figures, statistics
from rrr_utils.analyses.infodisent import fit as fitting
from rrr_utils.analyses.infodisent import measure as examining
from rrr_utils.engine import passes as engine
from rrr_utils.scoring import scores as scoring
from rrr_utils.statistics import intervals
from rrr_utils.study import analysis as analyses
from rrr_utils.study import analysis_costs, costs, jobs, run_notebook
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables
from rrr_utils.training import checkpoints, runs
from rrr_utils.training import fit as training

STAGE = training.Stage(3, "adam", 1e-3, batch=8)
COHORT = {"splits": ["test"], "n": 4, "study_seed": 0}
SETTINGS = [{"name": "grad_cam"}]
ASKED = {**COHORT, "stage": STAGE, "explainers": SETTINGS, "prototypes": 2}


@pytest.fixture(scope="module")
def examined(tiny_run, tmp_path_factory):
    run, data = tiny_run
    folder = tmp_path_factory.mktemp("pieces")
    found, seconds = infodisent.examine_run(run, data, [0, 1], 1, folder, **ASKED)
    return found, seconds, folder


@pytest.fixture(scope="module")
def heads(tiny_run, examined):
    """The finished heads of both seeds, read again, with the features that they were trained on."""
    run, data = tiny_run
    return [examining.heads_of(run, data, seed, 1, examined[2], STAGE) for seed in (0, 1)]


def test_every_table_has_its_rows(tiny_run, examined):
    """Three heads, two seeds, six test images; two kinds of sums; at most two prototypes a channel and side."""
    _, data = tiny_run
    found, seconds, _ = examined
    assert set(found) == set(infodisent.TABLES)
    assert len(found["head_history"]) == 2 * 3 * 4 * 3  # seeds, heads, epochs with 0, splits
    assert len(found["head_answers"]) == 2 * 3 * 2 * 6  # test images, as they are and shifted
    assert len(found["decisions"]) == 2 * 2 * 2 * 6
    prototypes = found["prototypes"]
    assert prototypes.groupby(["seed", "side", "channel"]).size().max() == 2
    assert set(prototypes["image"]) <= {data.ids[place] for place in data.where("train")}
    assert (prototypes["excitation"] > 0).all()
    assert prototypes.drop_duplicates(["seed", "channel"]).groupby("seed")["usage"].sum().max() <= 1 + 1e-9
    scores = found["scores"]
    counts = scores.groupby(["explainer", "design", "variant"]).size()
    assert (counts == 8).all()
    names = {("infodisent", "heat maps", ""), ("infodisent", "places", ""), ("none", "", "gaussian")}
    assert set(counts.index) == names | {("grad_cam", "", each) for each in ("", "plain head", "average head")}
    assert (scores["epoch"] == STAGE.epochs).all()
    assert seconds.shape == (2, 3)
    assert (seconds.to_numpy() > 0).all()


def test_the_backbone_is_that_of_the_run(tiny_run, examined, heads):
    """The heads stand on the run's trained weights, which training them has not touched."""
    run, data = tiny_run
    network = run.at(1, 1)
    trained, _, _, given = heads[1]
    for each in trained.values():
        assert fitting.backbone_digest(each) == fitting.backbone_digest(network)
    prefix = network.split("dense")[0]
    np.testing.assert_allclose(given["train"][0], engine.forward(prefix)(data.images[data.where("train")]), atol=1e-5)
    expected = engine.forward(trained["disentangled"])(data.images[data.where("test")])
    rows = examined[0]["head_answers"]
    mine = rows[(rows["seed"] == 1) & (rows["head"] == "disentangled") & (rows["split"] == "test")]
    assert mine["predicted"].tolist() == expected.argmax(axis=1).tolist()
    checked = infodisent.exactness(trained["disentangled"], network, given["test"][0])
    assert checked.rotation < 1e-5
    assert checked.smallest >= 0
    assert checked.sums < 1e-5
    assert checked.backbone


def test_what_is_not_exact_is_seen(heads):
    """A negative weight, another backbone, and a channel that the sum does not know."""
    trained, _, _, given = heads[0]
    network = infodisent.attach(trained["plain"], "disentangled", 5)
    last = network.model.get_layer("logits").kernel
    last.assign(last - 0.1)
    checked = infodisent.exactness(network, heads[1][0]["plain"], given["test"][0])
    assert checked.smallest < 0
    assert not checked.backbone


def test_a_plain_head_is_the_study_s_own(tiny_run, tmp_path):
    """Its start and its training are those of the stage 1 that the study has: the same weights to the bit."""
    run, data = tiny_run
    network = run.start(0)
    network.set_strategy("head")
    mine = infodisent.attach(run.start(0), "plain", 0)
    assert checkpoints.weights_digest(mine) == checkpoints.weights_digest(network)
    training.train(
        network,
        "head",
        runs.training_data(data),
        STAGE,
        tmp_path / "training",
        trained_on="original",
        seed=0,
        evaluate=runs.evaluation(data),
    )
    found = fitting.features(mine, data.images, tmp_path, "images")
    places = data.where("train")
    given = {"train": (found[places], data.labels[places])}
    fitting.fit(mine, given["train"], STAGE, tmp_path / "h.npz", seed=0, splits=given)
    assert checkpoints.weights_digest(mine) == checkpoints.weights_digest(network)


def test_a_prototype_by_hand(tiny_run, examined, heads):
    """One channel of seed 1: its strongest training image, the cell, and the share of object in it and elsewhere."""
    _, data = tiny_run
    trained, _, _, given = heads[1]
    maps = reading.channel_maps(trained["disentangled"], given["train"][0])
    rows = examined[0]["prototypes"]
    row = rows[(rows["seed"] == 1) & (rows["side"] == "negative") & (rows["rank"] == 0)].iloc[0]
    values = np.maximum(-maps[..., row["channel"]], 0)
    image, *cell = np.unravel_index(values.argmax(), values.shape)
    places = data.where("train")
    assert row["image"] == data.ids[places[image]]
    assert [row["row"], row["column"]] == cell
    assert row["excitation"] == pytest.approx(values.max())
    side = 32 // row["cells"]
    window = (slice(cell[0] * side, (cell[0] + 1) * side), slice(cell[1] * side, (cell[1] + 1) * side))
    covered = data.masks[places][(slice(None), *window)].mean(axis=(1, 2))
    assert row["on_object"] == pytest.approx(covered[image])
    assert row["same_place"] == pytest.approx(np.delete(covered, image).mean())
    assert row["chance"] == pytest.approx(float(metric.chance(data.masks[places[image]])[0]))


def test_scores_are_those_of_a_plain_scoring(tiny_run, examined, heads):
    """The head's maps and Grad-CAM of the same network, by the function that scores everything else."""
    _, data = tiny_run
    at = data.cohort("test", 4, 0)
    ids = [data.ids[place] for place in at]
    asked = [infodisent.InfoDisent("places"), explainers.GradCAM()]
    network = heads[0][0]["disentangled"]
    expected = scoring.score_images(network, data.images[at], data.masks[at], data.labels[at], ids, asked)
    rows = examined[0]["scores"]
    mine = rows[(rows["seed"] == 0) & (rows["variant"] == "") & (rows["design"] != "heat maps")]
    np.testing.assert_allclose(mine["score"], expected["score"], atol=1e-5)


def test_finished_seeds_are_read(tiny_run, examined, monkeypatch):
    """A second call trains and examines nothing, and gives the same tables."""
    run, data = tiny_run
    found, _, folder = examined
    monkeypatch.setattr(examining, "prototypes_of", None)
    again, _ = infodisent.examine_run(run, data, [0, 1], 1, folder, **ASKED)
    for name in infodisent.TABLES:
        assert again[name].equals(found[name])


def test_two_sides_add_up(heads):
    """All reasons of one image, for and against, sum to the difference of the logits; places are the peaks."""
    trained, _, _, given = heads[0]
    network, features = trained["disentangled"], given["test"][0][0]
    pro, contra = infodisent.two_sided(network, features, 0, 1, 99)
    logits = engine.forward(network.split("dense")[1])(features[None])[0]
    assert sum(each.added for each in [*pro, *contra]) == pytest.approx(logits[0] - logits[1], abs=1e-4)
    assert all(first.added >= second.added > 0 for first, second in pairwise(pro))
    assert all(first.added <= second.added < 0 for first, second in pairwise(contra))
    maps = reading.channel_maps(network, features[None])[0]
    for each in [*pro, *contra]:
        signed = maps[..., each.channel] * (1 if each.side == "positive" else -1)
        assert signed[each.row, each.column] == signed.max()
        assert each.heat.max() == 1
    assert len(infodisent.two_sided(network, features, 0, 1, 2)[0]) <= 2


def answers_of(rows):
    names = ["seed", "head", "image", "correct"]
    return pd.DataFrame(rows, columns=names).assign(split="test", correct=lambda table: table["correct"].astype(bool))


def test_accuracy_by_hand():
    """Two seeds and two images: three of four right, against two of four."""
    rows = [(0, "plain", "a", 1), (0, "plain", "b", 0), (1, "plain", "a", 1), (1, "plain", "b", 0)]
    rows += [(0, "disentangled", "a", 1), (0, "disentangled", "b", 1), (1, "disentangled", "a", 0)]
    rows += [(1, "disentangled", "b", 1)]
    table = statistics.head_table(answers_of(rows)).set_index("head")
    assert table.loc["disentangled", "accuracy"] == 0.75
    assert table.loc["disentangled", "above_plain"] == 0.25
    assert table.loc["plain", "above_plain"] == 0
    assert (table["n"].tolist(), table["seeds"].tolist()) == ([2, 2], [2, 2])


def decisions_of(needed, average=8):
    rows = [
        {"seed": seed, "head": head, "image": image, "of": "margin", "channels": 10, "needed": count}
        for seed in (0, 1)
        for head, count in (("average", average), ("disentangled", needed))
        for image in "abcdef"
    ]
    return pd.DataFrame(rows).assign(pro=3.0, contra=-1.0)


def test_channels_by_hand():
    """Two of ten channels against eight: six fewer; a quarter of what is said speaks against."""
    table = statistics.decision_table(decisions_of(2)).set_index("head")
    row = table.loc["disentangled"]
    assert row[["needed", "share", "fewer", "contra", "median"]].tolist() == pytest.approx([2, 0.2, -6, 0.25, 2])


def prototypes_of(above, seeds_=(0, 1), beyond=None):
    """Eight images, each a prototype of two channels; the second channel is not used."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in seeds_:
        for image in range(8):
            for channel in (0, 1):
                on_object = 0.4 + above + rng.normal(0, 0.02)
                rows.append({"seed": seed, "image": f"i{image}", "channel": channel, "on_object": on_object})
    shift = above if beyond is None else beyond
    return (
        pd.DataFrame(rows)
        .assign(
            side="positive",
            used=lambda table: table["channel"] == 0,
            chance=0.4,
            same_place=0.4 + above - shift,
            label=0,
        )
        .assign(favours=lambda table: table["channel"])
    )


def test_prototypes_by_hand():
    """Used channels and all; means, and the share whose image is of the favoured class."""
    table = statistics.prototype_table(prototypes_of(0.2)).set_index("channels")
    assert table.loc["used", "n"] == 16
    assert table.loc["all", "n"] == 32
    assert table.loc["used", "above"] == pytest.approx(0.2, abs=0.02)
    assert table.loc["used", "above_low"] > 0.15
    assert (table.loc["used", "own_class"], table.loc["all", "own_class"]) == (1.0, 0.5)
    assert (table.loc["used", "k"], table.loc["all", "k"]) == (2, 4)


def test_an_interval_of_clusters_knows_the_clusters():
    """A thousand rows of one image are one image: no interval; of many images with equal rows as a plain bootstrap."""
    assert np.isnan(statistics.clustered(np.array([[900.0]]), np.array([[1000.0]]))).all()
    values = np.random.default_rng(0).normal(size=(1, 60))
    plain = intervals.bootstrap(values)
    mine = statistics.clustered(5 * values, np.full((1, 60), 5.0))
    np.testing.assert_allclose(mine, plain, atol=0.05)
    uneven = statistics.clustered(np.array([[90.0, 0.0]]), np.array([[90.0, 10.0]]))
    assert uneven == (0.0, 1.0)


def found_of(**parts):
    scores = pd.DataFrame(
        [
            {
                "seed": seed,
                "image": f"i{image}",
                "explainer": name,
                "design": design,
                "variant": variant,
                "score": value,
            }
            for seed in (0, 1)
            for image in range(8)
            for name, design, variant, value in (
                ("infodisent", "heat maps", "", 0.5 + 0.01 * image),
                ("infodisent", "places", "", 0.45 + 0.01 * image),
                ("grad_cam", "", "", 0.6 + 0.01 * image),
                ("none", "", "gaussian", 0.3),
            )
        ]
    ).assign(epoch=1, split="test", label=0, predicted=0, probability=0.9, correct=True, protocol="ours", samples=0)
    scores = scores.assign(mask_source="outlines", chance=0.4, zero_map=False)
    scores = scores.assign(study="s", data="d", network="n", strategy="head", trained_on="original")
    rows = [(s, head, f"i{i}", 1) for s in (0, 1) for head in infodisent.HEADS for i in range(8)]
    usual = {"answers": answers_of(rows), "decisions": decisions_of(2), "prototypes": prototypes_of(0.2)}
    return head_claims.Found(history=pd.DataFrame(), scores=scores, **(usual | parts))


def said(found, run="pets/net/original"):
    table = head_claims.verdicts({run: found})
    return {(row.key, row.what): row.verdict for row in table.itertuples()}


def test_the_rules_can_say_either():
    """Each sentence with tables that speak for it and against it."""
    words = said(found_of())
    assert words["accurate", "minus average head"] == "holds"
    assert words["short", "of 10"] == "holds"
    assert words["object", "minus a random cell"] == "holds"
    assert words["maps", "minus chance"] == "holds"
    assert words["maps", "minus a Gaussian"] == "holds"
    assert words["grad_cam", "minus Grad-CAM"] == "does not hold"
    assert not any(key == "truth" for key, _ in words)
    wrong = [(s, head, f"i{i}", head != "disentangled") for s in (0, 1) for head in infodisent.HEADS for i in range(8)]
    words = said(
        found_of(answers=answers_of(wrong), decisions=decisions_of(9), prototypes=prototypes_of(-0.2, beyond=0.0))
    )
    assert words["accurate", "minus plain head"] == "does not hold"
    assert words["short", "of 10"] == "does not hold"
    assert words["object", "minus a random cell"] == "does not hold"
    assert words["object", "minus the same cell elsewhere"] == "undecided"


def test_where_the_truth_is_known_beside_may_be_right():
    """A network that reads the background has its prototypes there; one that learnt the object has them on it."""
    beside, on = (found_of(prototypes=prototypes_of(shift)) for shift in (-0.2, 0.2))
    what = ("truth", "minus a random cell")
    assert said(beside, "confounded-noise/convnet/original")[what] == "holds"
    assert said(on, "confounded-noise/convnet/original")[what] == "does not hold"
    assert said(on, "confounded-noise/convnet/swapped")[what] == "holds"


def test_one_seed_decides_nothing():
    """Whatever its interval says."""
    words = said(found_of(prototypes=prototypes_of(0.2, seeds_=(0,))))
    assert words["object", "minus a random cell"] == "undecided (one seed)"


def test_published_tables_are_read(examined, tmp_path):
    """From a folder as publishing names it; summaries of all runs stand below one another."""
    place = tmp_path / "12-infodisent--d--small--all--original"
    for name, rows in examined[0].items():
        tables.write(rows, place / f"{name}.parquet", name)
    found = head_claims.read(tmp_path)
    assert list(found) == ["d/small/original"]
    assert len(head_claims.verdicts(found)) == 2 + 1 + 2 + 2 + 1
    for what in ("heads", "decisions", "prototypes", "maps"):
        assert set(head_claims.per_run(found, what)["run"]) == {"d/small/original"}
    mine = found["d/small/original"]
    numbers = statistics.head_numbers(
        statistics.head_table(mine.answers),
        statistics.decision_table(mine.decisions),
        statistics.prototype_table(mine.prototypes),
        statistics.map_table(mine.scores),
    )
    assert numbers["n_test"] == 6
    assert numbers["channels"] == 48
    assert {"accuracy_disentangled_shifted", "needed_average_margin", "score_infodisent_heat_maps"} <= set(numbers)
    assert "score_above_grad_cam_plain_head_low" in numbers


def test_the_options_of_the_analysis():
    """Their defaults, and what is refused."""
    usual = {"kind": "infodisent", "data": "d", "network": "n", "strategy": "head", "epoch": 1, "explainers": ()}
    own = analyses.Analysis.of(**usual).options.parameters()
    assert own == {"prototypes": 5, "epochs": 30, "optimizer": "adam", "rate": 1e-3, "batch": 32}
    for training_of, words in (
        ({"epochs": 3}, "lacks"),
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"epochs": 3, "optimizer": "sgd", "rate": 0.1, "batch": 8}, "`optimizer` must be one of"),
        ({"epochs": 3, "optimizer": "adam", "rate": "1e-3", "batch": 8}, r"`training\.rate` must be a number from 0"),
        ({"epochs": 0, "optimizer": "adam", "rate": 0.1, "batch": 8}, "whole number from 1 to"),
    ):
        with pytest.raises(ValueError, match=words):
            analyses.Analysis.of(**usual, training=training_of)
    with pytest.raises(ValueError, match="belongs to analyses of kind 'infodisent'"):
        analyses.Analysis.of(**(usual | {"kind": "reliability"}), prototypes=3)


def test_figures_draw_what_they_are_given(tiny_run, examined):
    """Rows, labels, and what is refused."""
    _, data = tiny_run
    found = head_claims.Found(*(examined[0][name] for name in infodisent.TABLES))
    both = {"one": found, "two": found}
    places = head_claims.per_run(both, "prototypes")
    used = places[places["channels"] == "used"]
    heads = head_claims.per_run(both, "heads")
    for picture in (
        figures.prototypes_by_run(used),
        figures.accuracy_by_head(heads[heads["split"] == "test"]),
    ):
        assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == ["one", "two"]
        plt.close(picture)
    with pytest.raises(ValueError, match="rows share"):
        figures.prototypes_by_run(places)
    titles = {"logit": "the logit", "margin": "the margin"}
    picture = figures.channels_needed(found.decisions, titles)
    assert [axes.get_title() for axes in picture.axes] == list(titles.values())
    plt.close(picture)
    heat = np.eye(4)
    picture = figures.two_sided(
        data.images[0], data.masks[0], [heat, heat], [(0, 0), (1, 1)], ["+1", "-1"],
        [[data.images[1]], [data.images[1], data.images[2]]], [[(0, 1)], [(2, 2), (3, 3)]], 4,
    )  # fmt: skip
    assert len(picture.axes) == 6
    assert not picture.axes[2].get_visible()
    frame = picture.axes[5].patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_width()) == (23.5, 23.5, 8)
    plt.close(picture)


def test_the_analysis_becomes_a_job(tmp_path):
    """After its checkpoint, with the parameters that its notebook has; images of training count for three heads."""
    path = tiny_study.project(tmp_path)
    entry = "{kind: infodisent, data: first, network: small, strategy: head, trained_on: masked, epoch: 1, seeds: [1],"
    entry += " explainers: [{name: grad_cam}], training: {epochs: 4, optimizer: adam, rate: 1.0e-2, batch: 8}}"
    path.write_text(path.read_text() + f"\nanalyses:\n  - {entry}\n")
    plan = study.load(path)
    job = jobs.find(jobs.of(plan), "first/small/head/masked/12-infodisent")
    assert job.outputs == ("infodisent",)
    assert job.needs == ("first/01-masking", "first/small/head/masked/02-fine-tuning")
    assert (job.parameters["epochs"], job.parameters["rate"], job.parameters["prototypes"]) == (4, 0.01, 5)
    run_notebook.check_parameters(tiny_study.PROJECT / "notebooks" / "12-infodisent.ipynb", job.parameters)
    data = plan.data[0]
    trained = round(costs.images_of(data) * (1 - data.test_share)) * 4 * 3
    assert job.cost.training_images == trained
    assert job.cost.seconds >= trained * analysis_costs.HEAD_SECONDS
