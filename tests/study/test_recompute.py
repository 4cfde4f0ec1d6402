"""One row of a published table, computed again from nothing."""

import numpy as np
import pandas as pd
import pytest

from rrr_utils.common import paths
from rrr_utils.scoring import answers, shift
from rrr_utils.scoring import scores as scoring
from rrr_utils.study import jobs, recompute
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables
from rrr_utils.tables import results

STUDY = """
name: little
title: Two stages
about: A network small enough to be trained in a test.
seeds: [3, 4]
data:
  - {name: d, source: confounded, options: {images: 24, size: 32}, test_share: 0.25}
networks:
  - name: small
    architecture: mobilenet
    size: 32
    alpha: 0.25
    strategies: [dense]
    head: {epochs: 1, optimizer: adam, rate: 1.0e-3}
    tuning: {epochs: 2, optimizer: adam, rate: 1.0e-3}
scoring:
  epochs: [0, 2]
  images: 2
  splits: [test]
  explainers: [{name: grad_cam}, {name: lime, samples: 20, control: 40}]
  backgrounds: [random, other]
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A study whose tables were made by the functions that the notebooks call; its runs are gone afterwards."""
    root = tmp_path_factory.mktemp("project")
    (root / "studies").mkdir()
    path = root / "studies" / "little.yaml"
    path.write_text(STUDY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRR_ROOT", str(root))
        patch.setenv("RRR_RUNS", str(root / "first"))
        plan = study.load(path)
        recompute._prepare(plan, plan.data[0])
        parts = {"history": [], "scores": [], "shift": [], "answers": []}
        every = jobs.of(plan)
        for strategy in ("head", "dense"):
            job = jobs.find(every, f"d/small/{strategy}/original/03-scoring")
            asked = job.parameters
            for seed in plan.seeds:
                row = {"data": "d", "network": "small", "strategy": strategy, "trained_on": "original", "seed": seed}
                run = recompute._trained(plan, pd.Series(row))
                record = pd.read_json(run.checkpoints(seed) / "record.json", typ="series")
                parts["history"].append(run.label(pd.DataFrame(record["history"]), seed))
            data, epochs, seeds = run.images(), asked["scored_epochs"], list(plan.seeds)
            more = {"study_seed": plan.seed, "start_is_scored": asked["start_is_scored"]}
            explainers = scoring.explainers(asked["explainers"], plan.seed)
            scores = scoring.score_run(run, data, explainers, seeds, epochs, splits=["test"], n=2, **more)
            changes = shift.shift_run(run, data, seeds, epochs, asked["backgrounds"], **more)
            tables.write(scores, run.folder / "scores.parquet", "scores")
            tables.write(changes, run.folder / "shift.parquet", "shift")
            right = answers.answers_run(run, data, seeds, epochs, start_is_scored=asked["start_is_scored"])
            tables.write(right, run.folder / "answers.parquet", "answers")
            parts["scores"].append(scores)
            parts["shift"].append(changes)
            parts["answers"].append(right)
        together = {name: pd.concat(part, ignore_index=True) for name, part in parts.items()}
        masks = tables.read(paths.runs() / "little" / "d" / "masks.parquet", "masks")
        results.write(results.Results(masks=masks, **together), root / "data" / "results" / "little")
    return root, path


@pytest.fixture
def again(published, monkeypatch):
    """The project as a fresh clone has it: published tables, and no runs."""
    root, path = published
    monkeypatch.setenv("RRR_ROOT", str(root))
    monkeypatch.setenv("RRR_RUNS", str(root / "second"))
    return study.load(path)


@pytest.mark.parametrize("table", recompute.VALUES)
def test_rows_come_out_the_same(again, table):
    """The first and the last row of each table, trained and explained again on the same machine."""
    published = recompute._published("little", table)
    for number in (0, len(published) - 1):
        found = recompute.recompute(again, published, number, table)
        for name in recompute.VALUES[table]:
            assert found.verdict(name) == "the same", (number, name, found)


def test_a_strategys_start_and_a_control_are_found(again):
    """Rows of LIME with a control variate, at a strategy's epoch 0 and at its last, for the second seed."""
    published = recompute._published("little", "scores")
    mine = published[(published["strategy"] == "dense") & (published["explainer"] == "lime") & (published["seed"] == 4)]
    assert set(mine["epoch"]) == {0, 2}
    for number in mine.index[[0, -1]]:
        found = recompute.recompute(again, published, int(number), "scores")
        assert found.verdict("score") == "the same", found


def test_a_row_that_was_changed_differs(again):
    """A number that was typed into the table is not confirmed, unless seeds lie as far apart."""
    published = recompute._published("little", "history")
    row, before = published.iloc[0], published["loss"].copy()
    place = [name for name in recompute._PLACE["history"] if name != "seed"]
    same = (published[place] == row[place]).all(axis=1)
    # Seeds that lie too near together to tell from the same number are set apart.
    published.loc[same & (published["seed"] != row["seed"]), "loss"] = before[0] + 0.2
    for far, spread, verdict in ((-0.15, 0.2, "within the spread over seeds"), (0.3, 0.1, "differs")):
        published.loc[0, "loss"] = before[0] + far
        found = recompute.recompute(again, published, 0, "history")
        assert found.spread["loss"] == pytest.approx(spread, abs=1e-3)
        assert found.verdict("loss") == verdict
    # What comes out wrong does not make room for itself.
    assert recompute._spread(
        published.assign(loss=[*before[:1], *published["loss"][1:]]), 0, "history", "loss", 9.0
    ) == (pytest.approx(0.2, abs=1e-3))
    wide = recompute.Again(found.row, {"loss": 1.0}, {"loss": 1.1}, {"loss": 0.05})
    assert wide.verdict("loss") == "differs"
    assert recompute.Again(found.row, {"loss": 1.0}, {"loss": np.nan}, {"loss": 9.0}).verdict("loss") == "differs"


def test_the_command_says_what_it_costs_and_what_came_out(published, monkeypatch, capsys):
    """From nothing it names masks and both trainings; with `--plan` it stops there; a bad row is told the range."""
    root, path = published
    monkeypatch.setenv("RRR_ROOT", str(root))
    monkeypatch.setenv("RRR_RUNS", str(root / "third"))
    last = len(recompute._published("little", "shift")) - 1
    assert recompute.main([str(path), "shift", "--row", str(last), "--plan"]) == 0
    said = capsys.readouterr().out
    for part in ("masks of d", "d/small/head/original, seed 4", "d/small/dense/original, seed 4"):
        assert f"To do: {part}" in said or f"To do: training {part}" in said
    assert not (root / "third").exists()
    assert recompute.main([str(path), "shift", "--row", str(last)]) == 0
    assert "the same" in capsys.readouterr().out
    assert recompute.main([str(path), "shift", "--row", str(last), "--plan"]) == 0
    assert "nothing has to be trained" in capsys.readouterr().out
    assert recompute.main([str(path), "shift", "--row", "999"]) == 2
    assert f"from 0 to {last}" in capsys.readouterr().err
    assert recompute.main([str(path), "sores"]) == 2
    assert "scores" in capsys.readouterr().err


def test_a_run_that_the_study_no_longer_makes_is_named(again):
    """A seed that was dropped from the study file is told, before anything is trained."""
    published = recompute._published("little", "scores").assign(seed=9)
    with pytest.raises(ValueError, match=r"seeds \[3, 4\], not 9"):
        recompute.recompute(again, published, 0, "scores")
