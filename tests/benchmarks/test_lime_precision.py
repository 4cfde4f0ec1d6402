"""The comparison of LIME's scores in bfloat16 with float32: the right rows, image by image, each computed once."""

import importlib
from dataclasses import asdict

import pandas as pd
import pytest

from rrr_utils.common import paths
from rrr_utils.explainers import LIME
from rrr_utils.scoring import scores as scoring
from rrr_utils.tables import parquet as tables


@pytest.fixture(scope="module")
def precision():
    """The module of the benchmark."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(paths.root() / "benchmarks"))
        return importlib.import_module("lime_precision")


@pytest.mark.tensorflow
def test_rows_of_both_precisions_belong_to_one_image_and_checkpoint(precision, tiny_run, tmp_path, monkeypatch):
    """Float32 is what scoring in float32 gives, bfloat16 what the run's table holds; known images are not asked."""
    run, data = tiny_run
    settings = {"samples": 32, "design": "orthogonal", "control": 64}
    short, exact = LIME(**settings, precision="bfloat16"), LIME(**settings)
    made = {
        each.design: scoring.score_run(
            run, data, [each], [0, 1], [0, 1, 2], splits=["train", "test"], n=4, study_seed=0
        )
        for each in (exact, short)
    }
    # Each half moved by hand: a row of another seed, split, epoch or design would show.
    table = pd.concat(made.values(), ignore_index=True)
    table["score"] += 0.03 * (table["seed"] + 1) + 0.1 * table["epoch"] + (table["split"] == "train")
    tables.write(table, run.folder / "scores.parquet", "scores")
    asked = asdict(run) | {"seeds": [0, 1], "scored_epochs": [0, 1, 2], "images": 4}
    file = tmp_path / "precision.csv"
    precision.compare(asked, short, 0, 2, file)
    # What a short run left is kept, whatever it says, and only the others are asked.
    left = pd.read_csv(file)
    assert len(left) == 4
    left.assign(float32=7.0).to_csv(file, index=False)
    found = precision.compare(asked, short, 0, 4, file)
    monkeypatch.setattr(LIME, "of_each", None)
    pd.testing.assert_frame_equal(precision.compare(asked, short, 0, 4, file), found, atol=1e-6)
    assert found[["data", "network", "strategy", "size", "design"]].drop_duplicates().to_numpy().tolist() == [
        ["d", "small", "all", 32, "orthogonal, control 64"]
    ]
    assert (found["float32"] == 7.0).tolist() == [True] * 4 + [False] * 4
    assert found["epoch"].tolist() == [0, 2] * 4
    for row in found.itertuples():
        scored = {
            design: rows[
                (rows["seed"] == 0)
                & (rows["split"] == "test")
                & (rows["image"] == row.image)
                & (rows["epoch"] == row.epoch)
            ]["score"].item()
            for design, rows in made.items()
        }
        moved = scored["orthogonal, control 64, bfloat16"] + 0.03 + 0.1 * row.epoch
        assert row.bfloat16 == pytest.approx(moved, abs=1e-6)
        assert row.float32 in (7.0, pytest.approx(scored["orthogonal, control 64"], abs=1e-6))


def test_bfloat16_moves_vgg16_less_than_its_design_does(precision):
    """The committed table, why study `cpu` asks for it: the drift is a small part of the design's own error."""
    found = pd.read_csv(precision.FILE)
    designs = pd.read_csv(precision.FILE.with_name("lime_designs.csv"))
    own = designs[(designs["network"] == "vgg16") & (designs["checkpoint"] == "last") & (designs["samples"] == 128)]
    error = own.loc[own["design"] == "orthogonal, control 1,000", "rms"].item()
    drift = (found["bfloat16"] - found["float32"]).pow(2).groupby(found["epoch"]).mean().pow(0.5)
    assert set(found["network"]) == {"vgg16-160"}
    assert found.groupby("epoch")["image"].nunique().min() >= 10
    assert (drift < error / 5).all()
