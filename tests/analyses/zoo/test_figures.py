"""Figures of the zoo draw what their tables hold."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from rrr_utils.analyses.zoo import figures, hypotheses
from rrr_utils.study import study_file as study

ENDS = (("", 0.0), ("_low", -0.05), ("_high", 0.05))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def models():
    kinds = ["original", "masked", "swapped", "swapped"]
    table = pd.DataFrame({"model": list("abcd"), "trained_on": kinds, "seen": [False, False, True, True]})
    for name, values in (("mean", [0.5, 0.9, 0.8, 0.7]), ("score", [0.1, 0.5, 0.4, 0.3]), ("accuracy", [0.9] * 4)):
        for end, step in ENDS:
            column = end[1:] if name == "mean" and end else name + end
            table[column] = np.array(values) + step
    return table


def test_every_model_is_drawn_in_both_panels():
    """Hollow where a model was trained on the outcome; the kinds keep their markers; a panel a predictor."""
    picture = figures.robustness(models(), {"accuracy": "test accuracy", "score": "the score"}, "accuracy elsewhere")
    left, right = picture.axes
    drawn = {line.get_label(): line for line in right.lines}
    swapped = drawn["another image's background (trained on this)"]
    np.testing.assert_allclose(swapped.get_xdata(), [0.4, 0.3])
    np.testing.assert_allclose(swapped.get_ydata(), [0.8, 0.7])
    assert swapped.get_markerfacecolor() == "white"
    assert drawn["images as they are"].get_markerfacecolor() != "white"
    (across, up) = right.containers[0][2]
    assert len(across.get_segments()) == len(up.get_segments()) == 1
    assert [axes.get_xlabel() for axes in (left, right)] == ["test accuracy", "the score"]
    assert left.get_ylabel() == "accuracy elsewhere"
    without = figures.robustness(models(), {"score": "the score"}, "accuracy elsewhere", guess=None)
    assert len(without.axes[0].lines) == len(right.lines) - 1
    with pytest.raises(ValueError, match="`trained_on` must be one of"):
        figures.robustness(models().replace("masked", "msked"), {"score": "x"}, "y")


def test_every_predictor_has_its_own_words():
    """All that a study may name, and no two alike."""
    names = [*hypotheses.PLAIN]
    for explainer in list(study.EXPLAINERS)[:4]:
        names += [f"{explainer}/{measure}/{cohort}" for measure in hypotheses.MEASURES for cohort in hypotheses.COHORTS]
    words = [figures.predictor_label(name) for name in names]
    assert len(set(words)) == len(names)
    assert figures.predictor_label("occlusion/above/all") == "AvgScore minus chance, Occlusion, all images"
    assert figures.predictor_label("grad_cam/pointing/own") == "pointing game, Grad-CAM"
    with pytest.raises(KeyError, match="abov"):
        figures.predictor_label("grad_cam/abov/own")


def test_rivals_stand_in_the_order_that_is_asked_for():
    """One dot a predictor inside groups, inside kinds and over all models."""
    table = pd.DataFrame({"predictor": ["one", "two", "three"]})
    for number, over in enumerate(("groups", "kinds", "pooled")):
        for end, step in ENDS:
            table[over + end] = np.array([0.1, 0.2, 0.3]) * (number + 1) + step
    (axes,) = figures.rivals(table, {"three": "the third", "one": "the first"}).axes
    drawn = {bar.get_label(): np.asarray(bar[0].get_xdata(), float) for bar in axes.containers}
    np.testing.assert_allclose(drawn["inside groups"], [0.3, 0.1])
    np.testing.assert_allclose(drawn["all models at once"], [0.9, 0.3])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["the third", "the first"]
    with pytest.raises(KeyError, match="four"):
        figures.rivals(table, {"four": "x"})


def test_images_needed_has_a_line_an_explainer():
    """Counts of images are the ticks."""
    table = pd.DataFrame(
        [
            {"explainer": name, "images": count, "right": 0.6 + count / 100, "low": 0.5, "high": 0.9}
            for name in ("grad_cam", "lime")
            for count in (1, 4)
        ]
    )
    (axes,) = figures.images_needed(table).axes
    drawn = {bar.get_label(): np.asarray(bar[0].get_ydata(), float) for bar in axes.containers}
    np.testing.assert_allclose(drawn["Grad-CAM"], [0.61, 0.64])
    assert set(drawn) == {"Grad-CAM", "LIME"}
