"""The tables of the speed page, from results that can be worked out by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import speeds

FOUND = {
    "machine": {"cores": 2},
    "rows": [
        {
            "what": "a",
            "against": "x",
            "ratio": 5.0,
            "target": 6,
            "median_s": 2.0,
            "against_median_s": 10.0,
            "first_s": 3.0,
            "against_first_s": 11.0,
            "first_counts": False,
            "n": 5,
            "note": "",
            "load": 0.1,
            "matrix_product_gflops": 187.0,
            "superpixels_s": 0.5,
            "passes_s": 0.75,
            "training_s": 0.5,
            "against_training_s": 1.0,
            "scoring_s": 1.5,
            "against_scoring_s": 9.0,
        },
        {
            "what": "b",
            "against": "x",
            "ratio": 8.0,
            "target": 8,
            "median_s": 4.0,
            "against_median_s": 32.0,
            "first_counts": True,
            "n": 1,
            "note": "Said.",
            "prefix_multiply_adds": 9_000_000,
            "suffix_multiply_adds": 1_000_000,
            "limit_by_operations": 5.5,
            "multiply_adds": 400e9,
            "product_gflops": 250.0,
            "frozen_s": 1.0,
            "trained_s": 2.2,
            "machine": {"cores": 64},
        },
        {"what": "c", "against": "x", "ratio": None, "target": 2, "n": 0, "not_run": "no rival"},
    ],
    "measures": {
        "memory": {
            "lines": [
                {"varied": "images", "value": 1, "peak_bytes": 2 * 1024**3},
                {"varied": "images", "value": 4, "peak_bytes": 2.25 * 1024**3},
                {"varied": "full stack", "value": 13, "peak_bytes": 3.5 * 1024**3},
            ]
        },
        "remedies": {
            "lines": [
                {
                    "network": "convnet",
                    "size": 64,
                    "remedy": "plain",
                    "seconds": 2.0,
                    "times": 1.0,
                    "images": 9,
                    "n": 3,
                },
                {"network": "convnet", "size": 64, "remedy": "cgc", "seconds": 9.0, "times": 4.5, "images": 9, "n": 3},
            ]
        },
        "growth": {
            "lines": [
                {"varied": "samples", "value": 250, "seconds": 1.0},
                {"varied": "samples", "value": 500, "seconds": 1.5},
                {"varied": "samples", "value": 1000, "seconds": 2.0},
            ]
        },
    },
}
EMPTY = {"machine": {}, "rows": [], "measures": {}}


def test_a_comparison_is_reached_below_or_not_run():
    """5 of 6 is below, 8 of 8 reached, none not run; and each has its note or its reason."""
    assert speeds.comparisons(FOUND)["result"].tolist() == ["below", "reached", "not run"]
    notes = speeds.notes(FOUND)["note"]
    assert notes.to_dict() == {("b", "x"): "Said.", ("c", "x"): "Not run: no rival"}


def test_seconds_say_whether_the_first_run_counts():
    """A row that was not run has no seconds."""
    table = speeds.seconds(FOUND)
    assert table["the first"].tolist() == ["left out", "counts"]
    assert table.loc[("a", "x"), ["seconds", "seconds, plain", "first run", "load"]].tolist() == [2.0, 10.0, 3.0, 0.1]


def test_limits():
    """10 s against superpixels and passes of 1.25 s: 8 at most; 2 x 400e9 operations in 4 s: 200 GFLOP/s."""
    lime, authors = speeds.needed(FOUND).to_dict("records")
    assert (lime["limit"], lime["the rest, s"], lime["measured"]) == (8.0, 0.75, 5.0)
    assert np.isnan(lime["shared, s"])
    assert (authors["limit"], authors["the rest, s"]) == (pytest.approx(10.0), pytest.approx(0.8))
    (rate,) = speeds.arithmetic(FOUND).to_dict("records")
    assert (rate["passes, GFLOP/s"], rate["product, GFLOP/s"]) == (200.0, 250.0)
    (shared,) = speeds.sharing(FOUND).to_dict("records")
    assert (shared["frozen, millions"], shared["limit by operations"], shared["measured"]) == (9.0, 5.5, 8.0)
    assert np.isnan(shared["limit by time"])


def test_a_study_is_taken_apart_and_other_machines_are_named():
    """Training twice as fast and scoring six times; the second row was measured on 64 cores."""
    (study,) = speeds.studies(FOUND).to_dict("records")
    assert (study["training, ratio"], study["scoring, ratio"]) == (2.0, 6.0)
    assert speeds.elsewhere(FOUND).to_dict("index") == {("b", "x"): {"cores": 64}}


def test_remedies_are_told_by_network_and_size():
    """CGC takes 4.5 times as long as plain training."""
    table = speeds.remedies(FOUND).set_index(["network", "remedy"])
    assert table["times"].to_dict() == {("convnet, 64 px", "plain"): 1.0, ("convnet, 64 px", "cgc"): 4.5}


def test_memory_and_growth():
    """3.5 GiB at most, a quarter more for more images; 4 times the samples in twice the time is an exponent of 1/2."""
    verdict = speeds.memory_verdict(FOUND)
    assert verdict["largest peak, GiB"] == 3.5
    assert verdict["more for 4 times the images, GiB"] == 0.25
    (row,) = speeds.growth_verdict(FOUND).to_dict("records")
    assert row == {"times as many": 4.0, "times as long": 2.0, "exponent": pytest.approx(0.5)}


def test_what_was_not_measured_is_an_empty_table(tmp_path):
    """The page can be drawn from any piece of the results; without a file the remedy is named."""
    for make in (speeds.comparisons, speeds.seconds, speeds.notes, speeds.sharing, speeds.needed, speeds.arithmetic):
        assert make(EMPTY).empty
    for make in (speeds.studies, speeds.elsewhere):
        assert make(EMPTY).empty
    for make in (speeds.memory, speeds.growth, speeds.growth_verdict, speeds.bfloat16, speeds.remedies):
        assert make(EMPTY).empty
    assert np.isnan(speeds.memory_verdict(EMPTY)["largest peak, GiB"])
    with pytest.raises(FileNotFoundError, match="make bench"):
        speeds.load(tmp_path / "latest.json")


def test_the_published_results_can_be_shown():
    """Every table of the page can be made of the results in the repository."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "latest.json"
    found = speeds.load(path)
    assert len(speeds.comparisons(found)) == len(json.loads(path.read_text(encoding="utf-8"))["rows"]) > 0
    assert len(speeds.seconds(found)) == speeds.comparisons(found)["ratio"].notna().sum()
