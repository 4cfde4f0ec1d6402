"""Mosaics: which tiles they hold; their measures by hand, at every zero, and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from rrr_utils.analyses.reliability import mosaics
from rrr_utils.common import seeds


def flat(labels, size=8):
    """Return images of one colour each: their own number."""
    return np.stack([np.full((size, size, 3), number, np.uint8) for number in range(len(labels))])


def test_two_tiles_of_four_are_of_the_class():
    """Each tile is half of an image's side; target tiles are of the class, the others of none; no image twice."""
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    made = mosaics.build(flat(labels), labels, 5, seed=3)
    assert made.images.shape == (15, 8, 8, 3)
    assert made.classes.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert len(set(made.ids)) == 15
    places = set()
    for image, target, label in zip(made.images, made.target, made.classes):
        shown = image[::4, ::4, 0]
        np.testing.assert_array_equal(image[..., 0], np.repeat(np.repeat(shown, 4, axis=0), 4, axis=1))
        assert target.sum() == 2
        np.testing.assert_array_equal(labels[shown] == label, target)
        assert len(set(shown.ravel())) == 4
        places.add(tuple(target.ravel()))
    assert len(places) > 2
    same = mosaics.build(flat(labels), labels, 5, seed=3)
    np.testing.assert_array_equal(made.images, same.images)
    assert (mosaics.build(flat(labels), labels, 5, seed=4).images != made.images).any()


def test_all_images_of_a_class_are_used_before_any_again():
    """Six mosaics of class 0 have twelve tiles: each of its three images is in four."""
    labels = np.array([0, 0, 0, 1, 1])
    made = mosaics.build(flat(labels), labels, 6, seed=0)
    shown = made.images[:6, ::4, ::4, 0][made.target[:6]]
    assert np.bincount(shown).tolist() == [4, 4, 4]


@pytest.mark.parametrize(("labels", "size"), [([0, 0, 1], 8), ([0, 0, 0], 8), ([0, 0, 1, 1], 7)])
def test_too_little_for_a_mosaic_is_refused(labels, size):
    """A class of one image, a single class, an odd side."""
    with pytest.raises(ValueError, match="Mosaics need images of an even side"):
        mosaics.build(flat(labels, size), labels, 1, seed=0)


def test_measures_by_hand():
    """TP 6, FN 2, FP 3, TN 1: of a 4 x 4 map whose upper tiles are the target."""
    relevance = np.zeros((1, 4, 4))
    relevance[0, 0] = [1, 2, 3, 0]  # TP 6
    relevance[0, 1] = [0, -2, 0, 0]  # FN 2
    relevance[0, 3] = [3, 0, 0, -1]  # FP 3, TN 1
    target = np.array([[[True, True], [False, False]]])
    found = mosaics.masses(relevance, target)
    assert found.tolist() == [[6, 2, 3, 1]]
    expected = {
        "precision": 6 / 9,
        "sensitivity": 6 / 8,
        "specificity": 1 / 4,
        "accuracy": 7 / 12,
        "f1": 12 / 17,
        "false negative rate": 2 / 8,
        "false positive rate": 3 / 4,
    }
    values = mosaics.measures(found)
    assert tuple(values) == mosaics.MEASURES
    for name, value in expected.items():
        assert values[name][0] == pytest.approx(value), name
    np.testing.assert_allclose(mosaics.masses(7 * relevance, target), 7 * found)
    assert set(mosaics.LOWER_IS_BETTER) == {"false negative rate", "false positive rate"}


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        # no relevance at all
        ([0, 0, 0, 0], set(mosaics.MEASURES)),
        # none on the target tiles
        ([0, 0, 3, 1], {"sensitivity", "false negative rate"}),
        # none on the others
        ([2, 1, 0, 0], {"specificity", "false positive rate"}),
        # no positive relevance, and none on the target tiles
        ([0, 0, 0, 1], {"precision", "sensitivity", "f1", "false negative rate"}),
        # no positive relevance
        ([0, 2, 0, 1], {"precision"}),
    ],
)
def test_a_quotient_of_nothing_is_missing(found, missing):
    """Exactly the measures whose denominator is 0 are NaN; the others are in [0, 1]."""
    values = mosaics.measures([found])
    assert {name for name, value in values.items() if np.isnan(value[0])} == missing
    assert all(0 <= value[0] <= 1 for name, value in values.items() if name not in missing)


def test_the_authors_zeros_by_hand():
    """Their precision is 0 without positive relevance; F1 is 0 where both its parts are, NaN where sensitivity is."""
    found = [[0, 2, 0, 1], [0, 0, 3, 1], [0, 0, 0, 0], [6, 2, 3, 1]]
    values = mosaics.measures(found, "authors")
    np.testing.assert_allclose(values["precision"], [0, 0, 0, 2 / 3])
    np.testing.assert_allclose(values["f1"], [0, np.nan, np.nan, 12 / 17])
    np.testing.assert_allclose(values["sensitivity"], [0, np.nan, np.nan, 3 / 4])
    with pytest.raises(ValueError, match="`zeros` must be one of"):
        mosaics.measures(found, "zero")


def test_measures_are_those_of_a_classifier():
    """scikit-learn's, of one case a unit of relevance: positive is the prediction, the target tile is the truth."""
    for counts in seeds.generator("counts").integers(1, 9, (20, 4)):
        tp, fn, fp, tn = counts
        truth = [1] * (tp + fn) + [0] * (fp + tn)
        said = [1] * tp + [0] * fn + [1] * fp + [0] * tn
        values = {name: value[0] for name, value in mosaics.measures([counts]).items()}
        assert values["precision"] == pytest.approx(metrics.precision_score(truth, said))
        assert values["sensitivity"] == pytest.approx(metrics.recall_score(truth, said))
        assert values["specificity"] == pytest.approx(metrics.recall_score(truth, said, pos_label=0))
        assert values["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
        assert values["f1"] == pytest.approx(metrics.f1_score(truth, said))
        assert values["false negative rate"] == pytest.approx(1 - values["sensitivity"])
        assert values["false positive rate"] == pytest.approx(1 - values["specificity"])


class Fixed:
    """An explainer that returns the same map for every image."""

    design, samples = "", 0

    def __init__(self, name, relevance):
        self.name, self.relevance = name, relevance

    def __call__(self, network, images, classes, ids, signed):
        values = self.relevance if signed else np.maximum(self.relevance, 0)
        return np.repeat(values[None], len(images), axis=0)


def test_maps_without_a_sign_have_precision_alone():
    """Signed explainers are asked for both signs and have all seven measures, Grad-CAM has one."""
    labels = np.array([0, 0, 1, 1])
    made = mosaics.build(flat(labels), labels, 2, seed=0)
    relevance = np.ones((8, 8))
    relevance[:4] = -1
    rows = mosaics.score([Fixed("grad_cam", relevance), Fixed("lime", relevance)], None, made)
    assert rows.groupby("explainer")["measure"].unique().map(list).to_dict() == {
        "grad_cam": ["precision"],
        "lime": list(mosaics.MEASURES),
    }
    assert rows[rows["measure"] == "accuracy"]["value"].between(0, 1).all()
    assert len(rows) == 4 * 8
