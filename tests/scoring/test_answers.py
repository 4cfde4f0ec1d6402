"""Answers to test images before other backgrounds, held against the network asked by hand."""

import numpy as np
import pytest
from scipy import special, stats

from rrr_utils.datasets import images, splits
from rrr_utils.engine import passes as engine
from rrr_utils.scoring import answers

DONORS = {"other": 3, "same": 2, "images": None}


@pytest.fixture(scope="module")
def found(tiny_run):
    """The run, its images, and its answers with donors."""
    run, data = tiny_run
    return run, data, answers.answers_run(run, data, [0, 1], [0, 2], ["mean"], DONORS)


def test_other_backgrounds_are_asked_at_the_last_epoch_alone(found):
    """Every test image as it is at each epoch; six others of it once, and three and two with donors; of each seed."""
    _, data, table = found
    n = len(data.where("test"))
    counts = table.groupby(["epoch", "background"]).size().to_dict()
    once = {(2, name): 2 * n for name in ("mean", "grey", "alone", "mirrored")}
    # Of three test images of a class two others are left to lend theirs.
    assert counts == {
        (0, "original"): 2 * n,
        (2, "original"): 2 * n,
        **once,
        (2, "other class"): 6 * n,
        (2, "same class"): 4 * n,
    }


def test_donors_are_test_images_of_the_class_that_they_stand_for(found):
    """Of another class or of the image's own, never itself, none twice, the same for both seeds."""
    _, data, table = found
    label = dict(zip(data.ids, data.labels))
    for background, same in (("other class", False), ("same class", True)):
        rows = table[table["background"] == background]
        assert ((rows["donor"].map(label) == rows["label"]) == same).all()
        assert (rows["donor"] != rows["image"]).all()
        assert set(rows["donor"]) <= {data.ids[place] for place in data.where("test")}
        assert not rows.duplicated(["seed", "image", "donor"]).any()
        first, second = (rows[rows["seed"] == seed][["image", "donor"]].to_numpy().tolist() for seed in (0, 1))
        assert first == second


def test_an_answer_is_that_of_the_picture_made_by_hand(found):
    """Each kind of picture of one image, put together pixel by pixel, gets the row's answer."""
    run, data, table = found
    forward = engine.forward(run.at(1, 2))
    place = data.where("test")[1]
    mask, own = data.masks[place].astype(bool)[..., None], data.images[place]
    filled = images.fill_holes(own[None], data.masks[place][None])[0]
    rows = table[(table["seed"] == 1) & (table["epoch"] == 2) & (table["image"] == data.ids[place])]
    lent = rows[rows["background"] == "other class"].iloc[0]
    donor = data.ids.index(lent["donor"])
    by_hand = {
        "original": own,
        "grey": np.where(mask, own, 127),
        "alone": filled,
        "mirrored": np.where(mask, own, filled[:, ::-1]),
        "other class": np.where(mask, own, images.fill_holes(data.images[donor][None], data.masks[donor][None])[0]),
    }
    for background, picture in by_hand.items():
        logits = forward(picture[None].astype(np.uint8))[0].astype(np.float64)
        shares = special.softmax(logits)
        row = rows[rows["background"] == background].iloc[0]
        label = data.labels[place]
        assert row["predicted"] == logits.argmax()
        assert row["correct"] == (logits.argmax() == label)
        assert row["probability"] == pytest.approx(shares[label], abs=1e-4)
        assert row["margin"] == pytest.approx(shares[label] - np.delete(shares, label).max(), abs=1e-4)
        assert row["entropy"] == pytest.approx(stats.entropy(shares), abs=1e-4)


def test_each_background_is_that_of_the_donor_beside_it(tiny_run):
    """Pixel by pixel: the object is the image's, everything else the named donor's, its hole filled."""
    _, data = tiny_run
    shown = [each for each in answers.asked(data, [], DONORS, 0) if each.background.endswith("class")]
    assert len(shown) == DONORS["other"] + DONORS["same"]
    for each in shown:
        inside = data.masks[each.places].astype(bool)[..., None]
        lent = [data.ids.index(name) for name in each.donors]
        behind = images.fill_holes(data.images[lent], data.masks[lent])
        np.testing.assert_array_equal(each.images, np.where(inside, data.images[each.places], behind))


def test_a_bound_leaves_the_other_backgrounds_whole(tiny_run):
    """With two images at most only what others lend is asked of fewer; without donors nothing but backgrounds is."""
    _, data = tiny_run
    n = len(data.where("test"))
    shown = list(answers.asked(data, ["random"], {"other": 1, "same": 0, "images": 2}, 0))
    assert [(each.background, len(each.places)) for each in shown] == [
        *((name, n) for name in ("random", "grey", "alone", "mirrored")),
        ("other class", 2),
    ]
    assert [each.background for each in answers.asked(data, ["random", "mean"], {}, 0)] == ["random", "mean"]


def test_what_is_all_object_lends_nothing(tiny_run):
    """Its own background cannot be shown, and no image gets it; it is put before others' all the same."""
    import dataclasses

    _, data = tiny_run
    covered = data.where("test")[0]
    masks = np.array(data.masks)
    masks[covered] = 1
    shown = list(answers.asked(dataclasses.replace(data, masks=masks), [], DONORS, 0))
    assert all(data.ids[covered] not in each.donors for each in shown)
    assert [covered in each.places for each in shown[:3]] == [True, False, False]
    assert any(covered in each.places for each in shown if each.background == "other class")


def test_donors_follow_from_the_image_and_the_set_of_lenders():
    """The order of either list changes nothing; more donors begin with the fewer; a class of one has no other."""
    ids, labels = ["a", "b", "c", "d", "e", "f"], np.array([0, 0, 0, 1, 1, 2])

    def names(n, order=slice(None), same=False):
        lenders = ids[order]
        drawn = splits.donors(ids, labels, lenders, labels[order], n, 7, same=same)
        return [[lenders[place] for place in lent] for lent in drawn]

    assert names(2) == names(2, slice(None, None, -1))
    assert [long[:2] for long in names(3)] == names(2)
    assert [sorted(lent) for lent in names(9, same=True)] == [["b", "c"], ["a", "c"], ["a", "b"], ["e"], ["d"], []]
    assert sorted(names(9)[5]) == ["a", "b", "c", "d", "e"]
    assert len({tuple(lent) for lent in names(5)}) > 3
