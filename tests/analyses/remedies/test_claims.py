"""The advice follows from the tables: verdicts of several comparisons, the explainer that was right, its images."""

import numpy as np
import pandas as pd
import pytest

from rrr_utils.analyses.remedies import claims as advice
from rrr_utils.analyses.remedies import figures as drawn
from rrr_utils.analyses.remedies import statistics as told
from rrr_utils.common import paths

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


TABLE = TABLE.assign(shifted_low=TABLE["shifted"] - 0.05, shifted_high=TABLE["shifted"] + 0.1)


def test_the_verdicts_at_a_glance():
    """A row a remedy, a column a run; a loss on images as they are is named."""
    found = advice.board(TABLE)
    assert found.loc["swapped"].tolist() == ["+40.0%: helps", "+0.0%: no change, less accurate"]
    assert found.index.tolist() == ["cgc", "swapped", "cam-energy"]


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
    assert said[2].startswith("Which remedy: cgc, cam-energy. They help somewhere")
    assert "right by grad_cam about 3 of 4, which" in said[3]
    assert said[4].startswith("How many images, scored before and after, tell a difference of 0.03")
    assert "grad_cam 31, lime 90." in said[4]
    tied = TABLE.assign(lime=TABLE["grad_cam"])
    said = advice.sentences(tied, advice.witnesses(tied, ["grad_cam", "lime"]), needed)
    assert "none stands out; of the cases" in said[3]
    assert "grad_cam about 3 of 4, lime about 3 of 4" in said[3]
    none = TABLE.assign(helps="undecided", grad_cam="undecided", lime="undecided")
    said = advice.sentences(none, advice.witnesses(none, ["grad_cam", "lime"]), needed)
    assert "none helped" in said[2]
    assert "no remedy was judged clearly enough" in said[3]


def test_gains_are_drawn_by_run():
    """One panel a run, a dot a remedy with its span and time, filled where it helps; an unknown remedy is refused."""
    figure = drawn.gains(TABLE)
    assert [axes.get_title() for axes in figure.axes] == ["a/n", "b/n"]
    dots = {line.get_markerfacecolor(): line.get_xdata().tolist() for line in figure.axes[0].lines[-2:]}
    assert dots == {"#0072B2": [0.4, 0.2], "white": [0.0]}
    bars = figure.axes[0].collections[0].get_segments()
    np.testing.assert_allclose([ends[:, 0] for ends in bars], [[0.35, 0.5], [-0.05, 0.1], [0.15, 0.3]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.1\u00d7", "2.0\u00d7", "5.0\u00d7"]
    with pytest.raises(ValueError, match="must be one of"):
        drawn.gains(TABLE.assign(remedy=["x", "x", "y", "y", "z", "z"]))


def test_without_published_tables_the_message_says_what_to_run(tmp_path):
    """And names where it looked."""
    pytest.importorskip("tensorflow")
    with pytest.raises(FileNotFoundError, match="make study STUDY=remedies"):
        advice.read([tmp_path])


@pytest.fixture(scope="module")
def published():
    """The differences, verdicts and reach of what the book shows of generated images."""
    pytest.importorskip("tensorflow")
    from rrr_utils.analyses.remedies.catalogue import CATALOGUE

    runs = advice.read([paths.root() / "data" / "results" / "remedies"])
    found = advice.differences(runs, {name: each.taught for name, each in CATALOGUE.items()})
    (each,) = runs.values()
    sure = each.reach.groupby("trained_on")["log_odds"].median()
    return (
        found,
        advice.verdicts(runs, found).set_index("remedy"),
        told.reach_table(each.reach).set_index("remedy"),
        sure,
    )


def test_the_chapter_says_of_generated_images_what_their_tables_say(published):
    """Changed images help; the right-reasons loss makes all slopes small and does not; Grad-CAM can be taught."""
    found, verdicts, reach, sure = published
    assert verdicts.loc[["masked", "swapped", "counterexamples"], "helps"].eq("helps").all()
    assert verdicts.loc["right-reasons", "helps"] != "helps"
    assert reach.loc["right-reasons", "steepness"] < 0.1
    assert reach.loc["right-reasons", "outside"] > reach.loc["plain", "outside"]
    assert sure["right-reasons"] < 0.2 * sure["plain"]
    scores = found[found["kind"] == "score"].set_index(["remedy", "what"])
    assert scores.loc[[("cam-energy", name) for name in ("grad_cam", "occlusion", "lime")], "difference"].min() > 0.3
    assert verdicts.loc["cam-energy", "helps"] != "helps"
