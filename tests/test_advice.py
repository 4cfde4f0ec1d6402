"""The advice follows from the tables: verdicts of several comparisons, the explainer that was right, its images."""

import pandas as pd
import pytest

from rrr_utils import advice
from rrr_utils.figures import remedies as drawn

TABLE = pd.DataFrame(
    [
        ("cgc", "a/n", "helps", 0.2, "alike", 0.0, 5.0, "sees it", "misses it"),
        ("cgc", "b/n", "no change", 0.0, "alike", 0.0, 7.0, "false alarm", "sees it"),
        ("swapped", "a/n", "helps", 0.4, "alike", 0.0, 1.1, "sees it", "says the contrary"),
        ("swapped", "b/n", "no change", 0.0, "lowers", -0.1, 1.1, "sees it", "undecided"),
        ("cam-energy", "a/n", "undecided", 0.0, "alike", 0.0, 2.0, "(undecided)", "undecided"),
        ("cam-energy", "b/n", "helps", 0.1, "alike", 0.0, 2.0, "(sees it)", "misses it"),
    ],
    columns=["remedy", "run", "helps", "shifted", "kept", "original", "times", "grad_cam", "lime"],
)


def test_explainers_are_witnesses():
    """Grad-CAM saw 3 of the 4 that count, LIME 1 of 4; in brackets, and undecided, counts for nothing."""
    found = advice.witnesses(TABLE, ["lime", "grad_cam"])
    assert found["explainer"].tolist() == ["grad_cam", "lime"]
    assert found["right"].tolist() == [3 / 4, 1 / 4]
    assert found["misses it"].tolist() == [0, 2]


def test_the_advice_in_words():
    """A remedy that costs accuracy anywhere is not advised; the numbers are those of the tables."""
    needed = pd.DataFrame({"explainer": ["grad_cam", "lime"], "a/n": [20, 90], "b/n": [31, 80], "most": [31, 90]})
    said = advice.sentences(TABLE, advice.witnesses(TABLE, ["grad_cam", "lime"]), needed)
    assert said[0] == "a/n: helps: cgc, swapped; undecided: cam-energy."
    assert said[1] == "b/n: helps: cam-energy; no change: cgc, swapped. Less accurate on images as they are: swapped."
    assert said[2].startswith("Which remedy: cgc, cam-energy; the largest gain without a loss anywhere is that of cgc")
    assert "6.0 times as long" in said[2]
    assert said[3].startswith("Which explainer: grad_cam, whose score was right about 3 of the 4 cases")
    assert said[4].startswith("How many images: 31 of them")
    none = TABLE.assign(helps="undecided", grad_cam="undecided", lime="undecided")
    said = advice.sentences(none, advice.witnesses(none, ["grad_cam", "lime"]), needed)
    assert "none helped" in said[2]
    assert "no remedy was judged clearly enough" in said[3]


def test_gains_are_drawn_by_run():
    """One panel a run, a dot a remedy, filled where it helps; an unknown remedy is refused."""
    figure = drawn.gains(TABLE)
    assert [axes.get_title() for axes in figure.axes] == ["a/n", "b/n"]
    colours = [line.get_markerfacecolor() for line in figure.axes[0].lines[1:]]
    assert colours == ["#0072B2", "#0072B2", "white"]
    with pytest.raises(ValueError, match="must be one of"):
        drawn.gains(TABLE.assign(remedy=["x", "x", "y", "y", "z", "z"]))


def test_without_published_tables_the_message_says_what_to_run(tmp_path):
    """And names where it looked."""
    pytest.importorskip("tensorflow")
    with pytest.raises(FileNotFoundError, match="make study STUDY=remedies"):
        advice.read([tmp_path])
