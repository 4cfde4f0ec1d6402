"""Pieces on disk: they stay while they are asked for in the same way, and go when anything else is asked."""

import json

import pandas as pd
import pytest

from rrr_utils import explainers
from rrr_utils.common import checksums
from rrr_utils.scoring import partial_results as pieces
from rrr_utils.scoring import scores as scoring
from rrr_utils.tables import parquet as tables
from rrr_utils.training import fit as training


def every():
    """Each explainer anew, as a second call makes them."""
    return scoring.explainers([{"name": name} for name in explainers.EXPLAINERS], 0)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_same_request_keeps_what_is_there(tiny_run, tmp_path):
    """All explainers, a stage of training and numbers: made again, they are the same settings."""
    run, _ = tiny_run
    folder = tmp_path / "pieces"
    for _ in range(2):
        pieces.keep(folder, run, [0], explainers=every(), stage=training.Stage(1, "adam", 1e-3), shares=(0.1,))
        (folder / "piece").touch()
    assert left(folder) == [pieces._FILE, "piece"]
    said = json.loads((folder / pieces._FILE).read_text())
    assert len(said["explainers"]) == len(explainers.EXPLAINERS)
    assert not any(" at 0x" in text for text in (folder / pieces._FILE).read_text().splitlines())
    assert len(said["images"]) == 64


@pytest.mark.parametrize(
    "changed", [{"n": 5}, {"explainers": scoring.explainers([{"name": "grad_cam"}], 0)}, {"more": 1}]
)
def test_another_request_removes_it(tiny_run, tmp_path, changed):
    """Another number, other explainers, a setting that was not there."""
    run, _ = tiny_run
    folder = tmp_path / "pieces"
    pieces.keep(folder, run, [0], n=4, explainers=every())
    (folder / "piece").touch()
    pieces.keep(folder, run, [0], **{"n": 4, "explainers": every(), **changed})
    assert left(folder) == [pieces._FILE]


def test_a_folder_of_other_things_is_left_alone(tiny_run, tmp_path):
    """It has no settings: nothing of it is used, and nothing removed."""
    run, _ = tiny_run
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="are not known to be pieces"):
        pieces.keep(tmp_path, run, [0], n=4)
    assert left(tmp_path) == ["thesis.tex"]


def test_scores_follow_the_request(tiny_run):
    """Scored again with other perturbations the rows change; as before, they are read and not computed."""
    run, data = tiny_run
    options = {"splits": ["test"], "n": 2, "study_seed": 0}

    def scored(samples):
        asked = scoring.explainers([{"name": "lime", "samples": samples}], 0)
        return scoring.score_run(run, data, asked, [0], [1], **options)

    first = scored(20)
    file = run.piece(0, "scores-01-test-0000")
    marked = tables.read(file, "scores").assign(score=0.5)
    pieces.write(marked, file, "scores")
    assert scored(20)["score"].tolist() == [0.5, 0.5]
    again = scored(40)
    assert again["samples"].tolist() == [40, 40]
    assert scored(20)["score"].tolist() == first["score"].tolist()


@pytest.mark.parametrize("harm", ["flip", "cut", "exchange", "unlisted"])
def test_a_piece_that_is_not_as_it_was_written_is_made_anew(tiny_run, harm):
    """One bit, a lost end, two whole pieces exchanged, one whose hash was never noted: the rows are the same again."""
    run, data = tiny_run
    asked = scoring.explainers([{"name": "grad_cam"}], 0)
    true = scoring.score_run(run, data, asked, [0], [0, 1], splits=["test"], n=2, study_seed=0)
    files = [run.piece(0, f"scores-{epoch:02d}-test-0000") for epoch in (0, 1)]
    first, second = (file.read_bytes() for file in files)
    if harm == "flip":
        # In the type of a page, whose checksum does not see it.
        files[1].write_bytes(second[:40] + bytes([second[40] ^ 4]) + second[41:])
    elif harm == "cut":
        files[1].write_bytes(second[:-9])
    elif harm == "exchange":
        files[0].write_bytes(second)
        files[1].write_bytes(first)
    else:
        tables.write(tables.read(files[1], "scores").assign(score=0.5), files[1], "scores")
        (files[1].parent / checksums.NAME).unlink()
    again = scoring.score_run(run, data, asked, [0], [0, 1], splits=["test"], n=2, study_seed=0)
    pd.testing.assert_frame_equal(again, true)
    assert [file.read_bytes() for file in files] == [first, second]
