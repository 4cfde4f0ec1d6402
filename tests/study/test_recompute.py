"""One row of a published table, computed again by the study's own notebooks; and the way there of every table."""

import os
import shutil
from collections import Counter
from unittest import mock

import nbformat
import numpy as np
import pandas as pd
import pytest
import tiny_study

from rrr_utils.common import paths
from rrr_utils.study import compared_outputs, job_state, jobs, recompute, row_jobs, run_notebook, worker
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables

PROJECT = tiny_study.PROJECT
STUDY = """
name: little
title: A network and a zoo
about: Small enough to be trained in a test.
seeds: [3, 4]
data:
  - {name: d, source: confounded, options: {images: 24, size: 32}, test_share: 0.25}
networks:
  - name: plain
    architecture: convnet
    size: 32
    weights: null
    strategies: [all]
    tuning: {epochs: 2, optimizer: adam, rate: 1.0e-3}
scoring:
  epochs: [0, 1, 2]
  images: 2
  explainers: [{name: grad_cam}, {name: lime, samples: 20, control: 40}]
  backgrounds: [random, other]
analyses:
  - {kind: zoo, data: d, network: plain, strategy: all, epoch: 2, images: 2, seeds: [4], ties: [1.0],
     kinds: [original, masked], checkpoints: [1, 2], training_images: [10], explainers: [{name: grad_cam}]}
"""
RUN = "d/plain/all/original"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A project with the study file and its tables, which its notebooks made in one kernel; no runs are left."""
    (tmp_path / "notebooks").symlink_to(PROJECT / "notebooks")
    path = tmp_path / "studies" / "little.yaml"
    path.parent.mkdir()
    path.write_text(STUDY, encoding="utf-8")
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    cells = []
    for job in jobs.of(study.load(path)):
        given = compared_outputs.defaults(job_state.template(job)) | job.parameters
        cells.append("\n".join(f"{name} = {value!r}" for name, value in given.items()))
        template = nbformat.read(job_state.template(job), as_version=4)
        own = [cell for cell in template.cells if cell.cell_type == "code"]
        cells += [cell.source for cell in own if "parameters" not in cell.metadata.get("tags", [])]
    together = tiny_study.notebook(tmp_path / "together.ipynb", *cells)
    with mock.patch.dict(os.environ, RRR_RUNS=str(tmp_path / "first")):
        worker.environment()
        run_notebook.execute(together, tmp_path / "executed.ipynb", {})
    made, target = tmp_path / "first" / "little", tmp_path / "data" / "results" / "little"
    shutil.copytree(made / "summary", target)
    shutil.copytree(made / RUN / "zoo", target / f"10-zoo--{RUN.replace('/', '--')}", ignore=lambda *_: [".pieces"])
    shutil.rmtree(tmp_path / "first")
    return path


def row_of(table: str, **which: object) -> str:
    (file,) = recompute.published("little", table)
    rows = row_jobs.read(file)
    return str(np.flatnonzero(np.all([rows[name] == value for name, value in which.items()], axis=0))[-1])


@pytest.mark.slow
def test_rows_come_out_the_same(published, capsys, monkeypatch):
    """Of training, a score that leans on a control, a mean and a zoo's model, from nothing, on the same machine.

    What was made for one row serves the next. Numbers that were changed in the published table are not confirmed.
    """
    mine = {"seed": 4, "epoch": 2, "split": "test"}
    history, model = row_of("history", **mine), "d-p100/plain-all/masked-10-seed4/epoch-01"
    for table, row, ran in (
        ("history", history, ["d/01-masking", f"{RUN}/02-fine-tuning"]),
        ("scores", row_of("scores", explainer="lime", **mine), [f"{RUN}/03-scoring"]),
        ("scores.csv", row_of("scores.csv", explainer="lime", cohort="all", epoch=2, split="test"), ["04-figures"]),
        ("zoo_models", model, [f"{RUN}/02-fine-tuning", f"{RUN}/10-zoo"]),
    ):
        assert recompute.main([str(published), table, "--row", row]) == 0, capsys.readouterr()
        said = capsys.readouterr().out
        assert [line.split()[2].rstrip(",") for line in said.splitlines() if line.startswith("To run")] == ran
        assert said.count("  the same\n") > 5
        assert "  differs" not in said
    assert "other bits" not in said, "the same weights to the bit"

    (file,) = recompute.published("little", "history")
    table = tables.read(file, "history")
    # Of one seed alone the number might still lie within the spread.
    tables.write(table.assign(loss=table["loss"] + 0.5), file, "history")
    monkeypatch.setattr(recompute, "run", lambda *_: recompute.scratch() / "little" / RUN / "history.parquet")
    assert recompute.main([str(published), "history", "--row", history]) == 1
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.endswith("differs"))
    name, before, now, *_ = line.split()
    assert name == "loss"
    assert float(before) == pytest.approx(table["loss"][int(history)] + 0.5, abs=1e-3)
    assert float(now) == pytest.approx(table["loss"][int(history)], abs=1e-3)


@pytest.fixture
def clone(monkeypatch, tmp_path):
    """The project as it is committed, without runs and real data."""
    monkeypatch.setenv("RRR_ROOT", str(PROJECT))
    monkeypatch.setenv("RRR_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("RRR_DATA_DIR", str(tmp_path / "none"))


def test_the_command_says_what_it_costs(clone, capsys):
    """With `--plan` nothing is made; what is not there is told with the nearest name; no table: all are listed."""
    demo, zoo = (str(PROJECT / "studies" / f"{name}.yaml") for name in ("demo", "zoo"))
    assert recompute.main([demo, "shift", "--row", "3", "--plan"]) == 0
    said = capsys.readouterr().out
    for notebook in ("02-fine-tuning", "03-scoring"):
        assert f"To run: confounded-noise/convnet/all/original/{notebook}, about " in said
    assert not recompute.scratch().exists()
    for given, message in (
        ([demo, "shift", "--row", "999"], "from 0 to"),
        ([demo, "shiift"], "Did you mean 'shift'"),
        ([zoo, "zoo_models", "--row", "confounded-noise-p080/convnet-all/swaped-300-seed0/epoch-12"], "swapped-300"),
        (
            [str(PROJECT / "studies" / "cpu-unaugmented.yaml"), "masks", "--row", "0"],
            "Not on this machine: The images of ",
        ),
    ):
        assert recompute.main([*given, "--seed", "0"]) == 2
        assert message in capsys.readouterr().err
    assert recompute.main([demo]) == 0
    said = capsys.readouterr().out
    assert "8 tables: 3 of figures; 1 of fine-tuning; 1 of masking; 3 of scoring." in said
    assert "history.parquet: 234 rows by seed, trained_on, split, epoch\n" in said


def the_jobs(name: str, table: str, **which: object) -> tuple[list[jobs.Job], str]:
    """Return the jobs for the first of the rows of a published table that ``which`` tells."""
    file = recompute.published(name, table)[0]
    rows = row_jobs.read(file)
    row = rows[np.all([rows[column] == value for column, value in which.items()], axis=0)].iloc[0]
    return row_jobs.plan(study.load(PROJECT / "studies" / f"{name}.yaml"), file, row)


def test_a_row_takes_its_own_seed_epoch_and_model_alone(clone):
    """Parameters by hand: a control adds the first epoch, a strategy's epoch 0 is scored with stage 1."""
    needed, why = the_jobs("demo", "scores", seed=2, epoch=8, explainer="lime", split="test")
    asked = needed[-1].parameters
    assert [job.parameters.get("seeds") for job in needed] == [None, [2], [2]]
    assert (asked["scored_epochs"], [each["name"] for each in asked["explainers"]]) == ([8], ["lime"])
    assert why == ""
    needed, _ = the_jobs("gpu-unaugmented", "scores", strategy="all", epoch=7, explainer="lime")
    assert (needed[-1].parameters["scored_epochs"], len(needed)) == ([0, 7], 5)
    needed, _ = the_jobs("gpu-unaugmented", "scores", strategy="all", epoch=7, explainer="occlusion")
    assert (needed[-1].parameters["scored_epochs"], len(needed)) == ([7], 4)
    needed, _ = the_jobs("gpu-unaugmented", "answers", strategy="all", epoch=0)
    assert needed[-1].parameters["start_is_scored"]
    assert [job.parameters["scored_epochs"] for job in needed if job.kind == "scoring"] == [[10], [0]]
    needed, _ = the_jobs("zoo", "zoo_maps", tie=0.8, trained_on="swapped", seed=0, epoch=12)
    assert [job.notebook for job in needed] == ["01-masking", "02-fine-tuning", "10-zoo"]
    names = ("ties", "kinds", "training_images", "seeds", "checkpoints")
    assert [needed[-1].parameters[name] for name in names] == [[0.8], ["swapped"], [300], [0], [12]]


def test_what_cannot_be_narrowed_is_said(clone):
    """An ensemble and a sweep need all seeds; other rows of these analyses one, a remedy its published factor."""
    analysis = "08-overinterpretation--confounded-noise--convnet--all--original"
    needed, why = the_jobs("overinterpretation", f"{analysis}/pixel_subsets", voters=3)
    assert (needed[-1].parameters["seeds"], "the ensemble of all seeds" in why) == ([0, 1, 2], True)
    needed, why = the_jobs("overinterpretation", f"{analysis}/pixel_subsets", voters=1, seed=2)
    assert (needed[-1].parameters["seeds"], needed[-1].parameters["retrain"], why) == ([2], False, "")
    needed, _ = the_jobs("overinterpretation", f"{analysis}/subset_accuracy", seed=1)
    assert needed[-1].parameters["retrain"]
    needed, why = the_jobs("remedies", "sweeps", trained_on="right-reasons", seed=1)
    assert (needed[-1].parameters["factors"], needed[-1].parameters["seeds"]) == ([0.1, 1, 10, 100], [0, 1])
    assert "all are tried" in why
    needed, _ = the_jobs("remedies", "reach", trained_on="right-reasons", seed=1)
    asked = needed[-1].parameters
    assert (asked["remedies"], asked["seeds"], len(asked["factors"])) == (["plain", "right-reasons"], [1], 1)


def test_a_row_that_the_study_no_longer_makes_is_named(clone):
    """A seed, an epoch, an explainer or a run that was dropped from the study file is told before anything runs."""
    whole, (file,) = study.load(PROJECT / "studies" / "demo.yaml"), recompute.published("demo", "scores")
    row = row_jobs.read(file).iloc[0]
    for column, value in (("seed", 9), ("epoch", 77), ("explainer", "gone"), ("network", "gone")):
        changed = row.copy()
        changed[column] = value
        with pytest.raises(ValueError, match=f"{value}.*changed since"):
            row_jobs.plan(whole, file, changed)


def test_what_the_study_itself_has_done_is_not_made_again(clone, monkeypatch, tmp_path):
    """Images and weights of a run whose stamps hold are copied; its scores are not."""
    needed, _ = the_jobs("demo", "scores", seed=2)
    whole = study.load(PROJECT / "studies" / "demo.yaml")
    real = paths.runs() / "demo"
    assert recompute.to_do(whole, needed) == needed
    for job in needed:
        (real / job.stamp).parent.mkdir(parents=True, exist_ok=True)
        (real / job.stamp).write_text("{}")
    assert recompute.to_do(whole, needed) == needed, "their stamps do not hold"
    monkeypatch.setattr(job_state, "why_not_done", lambda job, folder: "")
    assert recompute.to_do(whole, needed) == needed[-1:]
    folder = real / needed[0].folder
    names = [*needed[0].outputs, "01-masking.ipynb", "01-masking.stamp.json", "other.parquet"]
    for name in names:
        (folder / name).write_text(name)
    recompute._copy(needed[0], real, tmp_path / "copy")
    copied = {path.name for path in (tmp_path / "copy" / needed[0].folder).iterdir()}
    assert copied == {*names} - {"other.parquet"}


def test_verdicts_and_the_spread_over_seeds(tmp_path):
    """By hand: the spread is the smaller of two, so that neither number makes room for itself."""
    file = tmp_path / "history.parquet"
    same = {"study": "s", "data": "d", "network": "n", "strategy": "all", "trained_on": "original", "split": "test"}
    table = pd.DataFrame(
        [{**same, "seed": seed, "epoch": 1, "loss": loss, "accuracy": 0.5} for seed, loss in ((0, 1.0), (1, 1.2))]
    )

    def found(published: float, now: float) -> pd.Series:
        tables.write(table.assign(loss=now), file, "history")
        return recompute.compare(file, table.assign(loss=[published, 1.2]), 0, file).loc["loss"]

    assert row_jobs.key(table, "history") == ["seed"]
    assert found(1.0, 1.0004)["verdict"] == "the same"
    assert found(1.0, 1.05)["verdict"] == "within the spread over seeds"
    assert found(1.0, 1.05)["spread over seeds"] == pytest.approx(0.15)
    assert found(1.0, 9.0)["spread over seeds"] == pytest.approx(0.2)
    assert {found(*pair)["verdict"] for pair in ((1.0, 9.0), (9.0, 1.0), (1.0, np.nan))} == {"differs"}
    tables.write(table[1:], file, "history")
    with pytest.raises(ValueError, match="0 rows, not one"):
        recompute.compare(file, table, 0, file)


@pytest.mark.parametrize(
    ("name", "before", "now", "expected"),
    [
        ("loss", np.nan, np.nan, "the same"),
        ("needed", 4000.0, 4001.0, "the same"),
        ("n", 400.0, 401.0, "differs"),
        ("status", "ok", "no object", "differs"),
        ("design", "coin flips", np.nan, "differs"),
        ("epoch_seconds", 1.0, 5.0, "not compared"),
        ("weights", "0a", "0b", "other bits"),
    ],
)
def test_verdicts_without_a_spread(name, before, now, expected):
    """Three decimals, of a value above 1 so much of itself; words; times; hashes of weights."""
    assert recompute.verdict(name, before, now) == expected


@pytest.fixture(scope="module")
def every_table():
    files = [file for file in (PROJECT / "data" / "results").rglob("*") if file.suffix in (".parquet", ".csv")]
    return {file: row_jobs.read(file) for file in sorted(files)}


def test_every_published_table_can_be_computed_again_or_it_is_said_why(clone, every_table):
    """Each has a key, and its first and last row a job that writes it; nothing but missing data stands in the way."""
    counts: Counter[str] = Counter()
    base = PROJECT / "data" / "results"
    studies = {
        path.name: study.load(PROJECT / "studies" / f"{path.name}.yaml") for path in base.iterdir() if path.is_dir()
    }
    for file, table in every_table.items():
        whole = studies[file.relative_to(base).parts[0]]
        if table.empty:
            assert file.name == "sweeps.parquet"
            assert {entry.options.factors for entry in whole.analyses} == {(1,)}, "a single factor is not chosen"
            counts["without rows"] += 1
            continue
        assert not table.duplicated(row_jobs.key(table, file.stem)).any(), file
        for number in (0, -1):
            needed, _ = row_jobs.plan(whole, file, table.iloc[number])
            assert file.name in needed[-1].outputs or needed[-1].kind in ("figures", "analysis"), file
            real = any(job.parameters.get("source", "confounded") != "confounded" for job in needed)
            reason = recompute.cannot(needed)
            assert reason.startswith("Not on this machine: The images of ") == real, file
            assert bool(reason) == real, file
        counts["of data that are not here" if reason else "here"] += 1
    assert sum(counts.values()) == len(every_table)
    assert counts["without rows"] == 2
    print(dict(counts))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cpu-unaugmented/answers.parquet", ["seed", "network", "strategy", "trained_on", "image", "epoch"]),
        ("demo/scores.csv", ["trained_on", "explainer", "cohort", "epoch"]),
        ("controls/masks.parquet", ["image"]),
        (
            "zoo/10-zoo--confounded-noise--convnet-32--all--original/zoo_models.parquet",
            ["seed", "trained_on", "group", "training_images", "epoch"],
        ),
        (
            "remedies/11-remedies--confounded-noise--convnet--all--original/sweeps.parquet",
            ["seed", "trained_on", "factor"],
        ),
    ],
)
def test_keys_are_what_tells_rows_apart(every_table, name, expected):
    """By hand: what was measured is not among them, nor is a model's name, which would hide the other seeds."""
    file = PROJECT / "data" / "results" / name
    assert row_jobs.key(every_table[file], file.stem) == expected
