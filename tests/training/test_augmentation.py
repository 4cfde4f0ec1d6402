"""Augmentation: the authors' random changes, against Keras and by hand."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from rrr_utils.training import augmentation
from rrr_utils.training.augmentation import Change


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)


def test_no_change_changes_nothing(image):
    """The change that is none, and the kind `none`, give the image to the bit."""
    assert_array_equal(augmentation.apply(image, Change()), image)
    assert_array_equal(augmentation.augment(image[None], ["a"], 0, 0, "none")[0], image)


def test_a_shift_by_hand(image):
    """A fifth of 20 pixels is 4: each pixel shows the one 4 below, and the last rows repeat the border."""
    moved = augmentation.apply(image, Change(down=0.2))
    assert_array_equal(moved[:16], image[4:])
    assert_array_equal(moved[16:], np.repeat(image[-1:], 4, axis=0))
    assert_array_equal(augmentation.apply(image, Change(across=0.2))[:, :16], image[:, 4:])


def test_a_quarter_turn_and_a_mirror_by_hand(image):
    """Ninety degrees are NumPy's rot90; a mirror exchanges left and right."""
    assert_array_equal(augmentation.apply(image, Change(angle=90)), np.rot90(image))
    assert_array_equal(augmentation.apply(image, Change(mirrored=True)), image[:, ::-1])


@pytest.mark.parametrize("number", range(5))
def test_changes_are_those_of_keras(image, number):
    """Keras' own function, which the authors' code calls, gives the same pixels for the same parameters."""
    keras = pytest.importorskip("keras.src.legacy.preprocessing.image")
    change = augmentation.draw(0, f"image-{number}", 3)._replace(mirrored=False)
    theirs = keras.apply_affine_transform(
        image.astype(np.float32),
        theta=change.angle,
        tx=change.across * 20,
        ty=change.down * 20,
        shear=change.shear,
        zx=change.wide,
        zy=change.high,
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode="nearest",
    )
    difference = np.abs(augmentation.apply(image, change).astype(float) - theirs)
    assert difference.max() <= 0.501  # ours are whole grey levels


def test_draws_stay_in_range_and_follow_from_names():
    """Two thousand draws fill the ranges of the authors' code; the same names give the same change."""
    drawn = np.array([augmentation.draw(1, f"image-{place}", 2) for place in range(2000)], float)
    for column, (low, high) in zip(drawn.T, [(-40, 40), (-0.2, 0.2), (-0.2, 0.2), (-0.2, 0.2), (0.8, 1.2), (0.8, 1.2)]):
        assert low <= column.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < column.max() <= high
    assert 0.45 < drawn[:, 6].mean() < 0.55
    assert augmentation.draw(1, "a", 2) == augmentation.draw(1, "a", 2)
    assert len({augmentation.draw(*names) for names in ((1, "a", 2), (2, "a", 2), (1, "b", 2), (1, "a", 3))}) == 4


def test_images_change_alone(image):
    """An image's change does not depend on its company."""
    pair = augmentation.augment(np.stack([image, image]), ["a", "b"], 0, 0, "authors")
    assert_array_equal(augmentation.augment(image[None], ["b"], 0, 0, "authors")[0], pair[1])
    assert not np.array_equal(pair[0], pair[1])
    with pytest.raises(ValueError, match=r"`augmentation` must be one of .*'author'.*Did you mean 'authors'\?"):
        augmentation.augment(image[None], ["a"], 0, 0, "author")


def test_masks_move_as_their_images():
    """A mask that is painted into its image, moved, is the moved image over 255, to its half grey level."""
    masks = np.random.default_rng(1).random((4, 16, 12)) < 0.5
    painted = np.repeat(np.where(masks, 255, 0).astype(np.uint8)[..., None], 3, axis=-1)
    ids = ["a", "b", "c", "d"]
    moved = augmentation.augment_masks(masks, ids, 3, 1, "authors")
    images = augmentation.augment(painted, ids, 3, 1, "authors")
    assert moved.dtype == np.float32
    assert np.abs(moved - images[..., 0] / 255).max() <= 0.501 / 255
    assert_array_equal(augmentation.augment_masks(masks, ids, 3, 1, "input-dropout"), masks)


@pytest.mark.parametrize("number", range(5))
def test_changes_are_those_of_scipy(image, number):
    """SciPy's affine map, channel by channel, in double precision; the mirror comes last."""
    change, size = augmentation.draw(0, f"image-{number}", 4), 20
    angle, shear = np.deg2rad([change.angle, change.shear])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    slant = np.array([[np.cos(shear), 0], [-np.sin(shear), 1]])
    matrix = turn @ slant @ np.diag([change.high, change.wide])
    middle = np.full(2, (size - 1) / 2)
    offset = middle - matrix @ middle + turn @ (np.array([change.down, change.across]) * size)
    planes = [
        ndimage.affine_transform(image[..., k].astype(float), matrix, offset, order=1, mode="nearest") for k in range(3)
    ]
    theirs = np.stack(planes, axis=-1)[:, :: -1 if change.mirrored else 1]
    assert np.abs(augmentation.apply(image, change) - theirs).max() <= 0.501  # ours are whole grey levels


def test_input_dropout_keeps_four_fifths_of_the_pixels():
    """A pixel goes whole, to grey; a fifth of them; others in the next epoch; the same for the same names."""
    white = np.full((2, 50, 50, 3), 255, np.uint8)
    found = augmentation.augment(white, ["a", "b"], 0, 1, "input-dropout")
    assert set(np.unique(found)) == {augmentation.GREY, 255}
    gone = (found == augmentation.GREY).all(axis=-1)
    assert_array_equal(gone, (found == augmentation.GREY).any(axis=-1))
    assert abs(gone.mean() - 0.2) < 0.02
    assert (gone[0] != gone[1]).any()
    assert_array_equal(augmentation.augment(white, ["a", "b"], 0, 1, "input-dropout"), found)
    assert (augmentation.augment(white, ["a", "b"], 0, 2, "input-dropout") != found).any()
