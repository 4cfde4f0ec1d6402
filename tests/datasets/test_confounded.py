"""The generated data: the object is the class, the background is tied to it, and each picture follows from its id."""

import math

import numpy as np
import pytest
from scipy import ndimage

from rrr_utils import datasets
from rrr_utils.datasets import confounded


def opened(**options):
    return datasets.open_dataset("confounded", None, options)


@pytest.fixture(scope="module", params=confounded.KINDS)
def made(request):
    return confounded.generate(images=300, background=request.param, p=0.9, seed=1)


def test_shapes_types_and_balance(made):
    """uint8 pictures of 64 pixels, hard masks, half of each class, ids that sort."""
    images, masks, labels, shifted, ids = made
    assert images.shape == shifted.shape == (300, 64, 64, 3)
    assert images.dtype == shifted.dtype == np.uint8
    assert masks.shape == (300, 64, 64)
    assert masks.dtype == np.float32
    assert np.bincount(labels).tolist() == [150, 150]
    assert ids[12] == "confounded-00012"
    assert list(ids) == sorted(ids)


def test_the_object_is_one_whole_plain_shape(made):
    """One piece, one colour, 25 to 37 pixels high and wide (radius 12 to 18), not cut off."""
    images, masks, _, _, _ = made
    for image, mask in zip(images, masks, strict=True):
        _, pieces = ndimage.label(mask)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert pieces == 1
        assert len(rows) == len(columns) == rows[-1] - rows[0] + 1
        assert 25 <= len(rows) <= 37
        assert len(rows) % 2 == 1
        assert len(np.unique(image[mask == 1], axis=0)) == 1
    assert {int(mask.any(axis=1).sum()) for mask in masks} == set(range(25, 38, 2))


def test_disk_and_cross_by_hand():
    """A disk of radius r holds the lattice points of a circle; a cross its two bars, less the square in both."""
    dataset = opened(images=40)
    for record in dataset.records:
        mask = dataset.outline(record)
        box = mask[mask.any(axis=1)][:, mask.any(axis=0)]
        side = len(box)
        if record.label == 0:
            radius = side // 2
            assert box.sum() == sum(2 * math.isqrt(radius**2 - x**2) + 1 for x in range(-radius, radius + 1))
        else:
            arm = 2 * ((side // 2) // 4) + 1
            assert box.sum() == 2 * side * arm - arm**2
            assert box[side // 2].all()
            assert box[:, side // 2].all()
        assert box[0, 0] == box[-1, -1] == 0


def test_the_mask_share_is_a_seventh(made):
    """0.135 of the picture is object, on average."""
    assert made[1].mean() == pytest.approx(0.135, abs=0.01)


def test_every_object_stands_out_from_either_tint(made):
    """At least 80 levels from the tint of its own background and of the other."""
    images, masks, _, _, _ = made
    colours = np.array([image[mask == 1][0] for image, mask in zip(images, masks, strict=True)], dtype=float)
    assert np.linalg.norm(colours[:, np.newaxis] - confounded.TINTS, axis=2).min() >= 80


def test_shifted_keeps_the_object_and_changes_all_else(made):
    """Object pixels are equal to the bit; the background is another draw even where its class is the same."""
    images, masks, _, shifted, _ = made
    inside = masks == 1
    np.testing.assert_array_equal(images[inside], shifted[inside])
    different = (images != shifted).any(axis=3)
    assert (different.sum(axis=(1, 2)) / (~inside).sum(axis=(1, 2))).min() > 0.5


def background_classes(images, masks):
    """The class of each background as read from the pixels: warm (red above blue) is 0."""
    outside = [image[mask == 0].astype(float).mean(axis=0) for image, mask in zip(images, masks, strict=True)]
    return np.array([0 if colour[0] > colour[2] else 1 for colour in outside])


def test_the_tie_has_probability_p_and_the_shift_is_a_fair_coin(made):
    """Read from the pixels, 0.9 of the backgrounds are the class's own in the pictures and half in the shifted ones."""
    images, masks, labels, shifted, _ = made
    tied = background_classes(images, masks) == labels
    assert tied.mean() == pytest.approx(0.9, abs=0.05)
    coin = background_classes(shifted, masks)
    assert (coin == labels).mean() == pytest.approx(0.5, abs=0.09)
    assert np.corrcoef(coin, background_classes(images, masks))[0, 1] == pytest.approx(0, abs=0.17)


@pytest.mark.parametrize(("p", "share"), [(1.0, 1.0), (0.0, 0.0)])
def test_p_of_one_and_zero_are_certain(p, share):
    """Always, or never, the class's own background."""
    dataset = opened(images=40, p=p)
    assert np.mean([dataset.background_class(record) == record.label for record in dataset.records]) == share


def test_noise_has_its_tint_and_its_spread():
    """Means within 3 levels of the tint and a spread of 56 (a little less: the ends are cut off)."""
    images, masks, _, _, _ = confounded.generate(images=40, p=1.0)
    for label in (0, 1):
        outside = images[label::2][masks[label::2] == 0].astype(float)
        np.testing.assert_allclose(outside.mean(axis=0), confounded.TINTS[label], atol=3)
        assert outside.std(axis=0) == pytest.approx(55, abs=2)


def test_stripes_run_across_for_disks_and_down_for_crosses():
    """Along a stripe levels vary by the grain of 8 alone; across stripes they jump by 80."""
    images, masks, _, _, _ = confounded.generate(images=20, p=1.0, background="stripes")
    for number in range(20):
        outside = np.ma.masked_array(images[number, ..., 1].astype(float), masks[number] == 1)
        along, through = outside.std(axis=1).mean(), outside.std(axis=0).mean()
        if number % 2:
            along, through = through, along
        assert along == pytest.approx(8, abs=1.5)
        assert through == pytest.approx(40.8, abs=3)


def test_a_picture_follows_from_seed_and_id_alone():
    """More images, another order, another process or another p: image 7 shows the same object."""
    few, many = opened(images=8), opened(images=50)
    for name in ("image", "shifted", "outline"):
        first, second = (getattr(dataset, name)(dataset.records[7]) for dataset in (few, many))
        np.testing.assert_array_equal(getattr(first, "array", first), getattr(second, "array", second))
    loose = opened(images=8, p=0.0, background="stripes")
    np.testing.assert_array_equal(loose.outline(loose.records[7]), few.outline(few.records[7]))
    inside = few.outline(few.records[7]) == 1
    np.testing.assert_array_equal(loose.image(loose.records[7]).array[inside], few.image(few.records[7]).array[inside])
    other = opened(images=8, seed=1)
    assert (other.image(other.records[7]).array != few.image(few.records[7]).array).any()


def test_other_sizes_are_in_proportion():
    """At 128 pixels radii are 24 to 36, and the share is the same."""
    _, masks, _, _, _ = confounded.generate(images=60, size=128)
    heights = masks.any(axis=2).sum(axis=1)
    assert heights.min() >= 49
    assert heights.max() <= 73
    assert masks.mean() == pytest.approx(0.135, abs=0.015)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": 8}, r"option of confounded.*'image' was passed. Did you mean 'images'"),
        ({"background": "stripe"}, r"Did you mean 'stripes'"),
        ({"p": 1.5}, r"`p` must be a number from 0 to 1, but 1.5"),
        ({"images": 2}, r"`images` must be a whole number from 4 to 1,000,000, but 2"),
        ({"images": True}, r"`images` must be a whole number"),
        ({"size": 64.0}, r"`size` must be a whole number"),
        ({"seed": None}, r"`seed` must be a whole number"),
    ],
)
def test_options_are_checked(options, message):
    """An unknown key is refused with the nearest one, an impossible value with what is possible."""
    with pytest.raises(ValueError, match=message):
        opened(**options)
