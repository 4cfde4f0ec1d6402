"""The training batches: every image once an epoch, and behind the object what the kind of training says."""

import numpy as np
import pytest

from rrr_utils.datasets import images as pictures
from rrr_utils.training import augmentation
from rrr_utils.training.batches import TRAINED_ON, Batches, TrainingData

N, SIZE, BATCH, EPOCHS = 11, 8, 4, 3


def make(**changes):
    """Images whose first pixel says which they are, with an object of 4 x 4 in the corner that holds it."""
    images = np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE, 3), np.uint8)
    images[:, 0, 0] = np.arange(N)[:, None]
    masks = np.zeros((N, SIZE, SIZE), np.uint8)
    masks[:, :4, :4] = 1
    fields = {"images": images, "masks": masks, "labels": np.arange(N) % 2, "ids": [f"cat.{n}" for n in range(N)]}
    return TrainingData(**{**fields, **changes})


@pytest.fixture
def batches(tmp_path):
    def build(trained_on, data=None, seed=0, study_seed=0):
        data = data or make()
        return Batches(data, trained_on, seed=seed, study_seed=study_seed, batch=BATCH, epochs=EPOCHS, folder=tmp_path)

    return build


def epoch_of(stream, epoch):
    """The images of an epoch in the data's order, and the order in which they came."""
    parts = [stream[index] for index in range(epoch * stream.steps, (epoch + 1) * stream.steps)]
    images, labels = (np.concatenate(each) for each in zip(*parts))
    order = images[:, 0, 0, 0]
    np.testing.assert_array_equal(labels, order % 2)
    return images[np.argsort(order)], order


@pytest.mark.parametrize("trained_on", TRAINED_ON)
def test_every_image_comes_once_an_epoch_with_its_label(batches, trained_on):
    """Each epoch is a permutation of all images, another one each time; 11 images make batches of 4, 4 and 3."""
    stream = batches(trained_on)
    assert (stream.steps, len(stream)) == (3, 9)
    assert [len(stream[index][1]) for index in range(3)] == [4, 4, 3]
    orders = [epoch_of(stream, epoch)[1] for epoch in range(EPOCHS)]
    assert all(sorted(order) == list(range(N)) for order in orders)
    assert not np.array_equal(orders[0], orders[1])


@pytest.mark.parametrize("trained_on", TRAINED_ON)
def test_the_object_is_never_touched(batches, trained_on):
    """Whatever is done to the background, pixels of the object are unchanged to the bit; types stay as they are."""
    data = make()
    for epoch in range(EPOCHS):
        seen, _ = epoch_of(batches(trained_on, data), epoch)
        np.testing.assert_array_equal(seen[:, :4, :4], data.images[:, :4, :4])
        assert seen.dtype == np.uint8


def test_originals_are_passed_on(batches):
    """``original`` gives the images themselves."""
    np.testing.assert_array_equal(epoch_of(batches("original"), 1)[0], make().images)


def test_masked_backgrounds_are_drawn_once_by_the_study_seed(batches):
    """``masked`` gives the same random pixels in every epoch and to every run seed, others to another study seed."""
    data = make()
    expected = pictures.random_pixels(data.images, data.masks, data.ids, 7)
    for seed, epoch in ((0, 0), (0, 2), (1, 1)):
        np.testing.assert_array_equal(epoch_of(batches("masked", seed=seed, study_seed=7), epoch)[0], expected)
    assert not np.array_equal(epoch_of(batches("masked", study_seed=8), 0)[0], expected)


def test_swapped_backgrounds_are_anothers_without_its_object(batches):
    """``swapped`` gives one other image's filled background, the one that the draw by seed, id and epoch names."""
    data = make()
    filled = pictures.fill_holes(data.images, data.masks)
    donors = []
    for epoch in range(EPOCHS):
        seen, _ = epoch_of(batches("swapped", seed=5), epoch)
        donor = pictures.draw_donors(data.ids, data.ids, 5, "donor", epoch)
        assert (donor != np.arange(N)).all()
        np.testing.assert_array_equal(seen[:, 4:], filled[donor][:, 4:])
        np.testing.assert_array_equal(seen[:, :, 4:], filled[donor][:, :, 4:])
        donors.append(donor)
    assert not np.array_equal(donors[0], donors[1])
    assert not np.array_equal(epoch_of(batches("swapped", seed=6), 0)[0], epoch_of(batches("swapped", seed=5), 0)[0])


def test_both_swaps_exactly_one_half_of_each_epoch(batches):
    """Of 11 images 5 are swapped and 6 are originals, and others in the next epoch."""
    data = make()
    stream = batches("both")
    swapped = [(epoch_of(stream, epoch)[0] != data.images).any(axis=(1, 2, 3)) for epoch in range(EPOCHS)]
    assert [each.sum() for each in swapped] == [5, 5, 5]
    assert not np.array_equal(swapped[0], swapped[1])
    expected = epoch_of(batches("swapped"), 0)[0]
    np.testing.assert_array_equal(epoch_of(stream, 0)[0][swapped[0]], expected[swapped[0]])


@pytest.mark.parametrize("trained_on", TRAINED_ON)
def test_a_batch_follows_from_its_number_alone(batches, trained_on):
    """Read backwards, or from the second epoch on as a resumed run does, every batch is the same to the bit."""
    forwards = [batches(trained_on)[index] for index in range(9)]
    stream = batches(trained_on)
    backwards = [stream[index] for index in reversed(range(9))][::-1]
    resumed = batches(trained_on)
    resumed.first = 1
    assert len(resumed) == 6
    for one, other in [*zip(forwards, backwards), *zip(forwards[3:], [resumed[index] for index in range(6)])]:
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("trained_on", TRAINED_ON)
def test_memory_maps_are_read_and_not_written(batches, tmp_path, trained_on):
    """Images on the disk, opened for reading alone, give the same batches and stay as they are."""
    data = make()
    np.save(tmp_path / "images.npy", data.images)
    mapped = make(images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    np.testing.assert_array_equal(
        epoch_of(batches(trained_on, mapped), 0)[0], epoch_of(batches(trained_on, data), 0)[0]
    )
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), data.images)
    assert [path.name for path in tmp_path.iterdir()] == ["images.npy"]


def test_an_image_that_is_all_object_lends_nothing(batches):
    """Its mask is 1 everywhere: it is trained on, but never a donor."""
    data = make()
    data.masks[3] = 1
    stream = batches("swapped", data)
    for epoch in range(EPOCHS):
        seen, _ = epoch_of(stream, epoch)
        np.testing.assert_array_equal(seen[3], data.images[3])
    assert 3 not in stream._donors


def test_masks_that_cannot_be_used_are_refused(batches):
    """An empty mask is named, and swapping needs two images with a background."""
    empty = make()
    empty.masks[4] = 0
    for trained_on in ("masked", "swapped", "both"):
        with pytest.raises(ValueError, match=r"masks of 1 training images are empty, 'cat\.4' first"):
            batches(trained_on, empty)
    batches("original", empty)
    full = make(masks=np.ones((N, SIZE, SIZE), np.float32))
    with pytest.raises(ValueError, match="Swapping needs two images with some background, but 0 of 11"):
        batches("swapped", full)
    with pytest.raises(ValueError, match=r"`trained_on` must be one of .* Did you mean 'swapped'"):
        batches("swaped")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((N, SIZE, SIZE, 3), np.float32)}, "must be uint8 of shape"),
        ({"masks": np.zeros((N, SIZE, 7))}, r"need masks of shape \(11, 8, 8\)"),
        ({"labels": np.zeros(3, int)}, r"labels of \(3,\)"),
        ({"ids": ["a"] * N}, "10 of them are repeated"),
    ],
)
def test_data_that_do_not_fit_are_refused(changes, message):
    """Images, masks, labels and ids of different lengths, sizes or types get an error with both shapes."""
    with pytest.raises(ValueError, match=message):
        make(**changes)


@pytest.mark.parametrize("trained_on", TRAINED_ON)
def test_augmentation_comes_last_and_is_the_study_seeds(tmp_path, trained_on):
    """Background first, then image and mask move alike, by study seed, id and an epoch that counts former stages.

    Donors and halves too, so that an image is the same for all run seeds; only the order is the run seed's.
    """
    data = make()
    options = {"study_seed": 5, "batch": BATCH, "epochs": EPOCHS, "folder": tmp_path}
    stream = Batches(data, trained_on, seed=3, **options, augment="authors", before=2)
    unmoved = Batches(data, trained_on, seed=5, **{**options, "epochs": 9})
    for index in (0, stream.steps + 1):
        places, epoch = stream.places(index), 2 + index // stream.steps
        images, labels = stream[index]
        names = [data.ids[place] for place in places]
        expected = augmentation.augment(unmoved.of(places, epoch), names, 5, epoch, "authors")
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labels, data.labels[places])
        moved = augmentation.augment_masks(data.masks[places], names, 5, epoch, "authors")
        np.testing.assert_array_equal(stream.masks(index), moved)
        assert not np.array_equal(moved, data.masks[places])
    other = Batches(data, trained_on, seed=4, **options, augment="authors", before=2)
    assert not np.array_equal(other.places(0), stream.places(0))
    np.testing.assert_array_equal(other.of(np.arange(N), 1), stream.of(np.arange(N), 1))
    # What the first stage ended with is not what the second begins with.
    assert not np.array_equal(stream.of(np.arange(N), 0), stream.of(np.arange(N), 1))


def test_input_dropout_is_the_run_seeds(tmp_path):
    """It is a remedy, whose published tables were drawn so; former stages do not count, and masks stay."""
    data, options = make(), {"study_seed": 0, "batch": N, "epochs": EPOCHS, "folder": tmp_path}
    stream = Batches(data, "original", seed=5, **options, augment="input-dropout", before=7)
    expected = augmentation.augment(data.images, data.ids, 5, 1, "input-dropout")
    np.testing.assert_array_equal(stream.of(np.arange(N), 1), expected)
    np.testing.assert_array_equal(stream.masks(0), data.masks[stream.places(0)])
    with pytest.raises(ValueError, match=r"`augmentation` must be one of"):
        Batches(data, "original", seed=0, **options, augment="all")
