"""DeepLab: what goes in, what is made of the logits, and agreement with TFLite's own runtime."""

import os
from pathlib import Path

import numpy as np
import pytest
from skimage.transform import resize

from rrr_utils import masks
from rrr_utils.common import seeds
from rrr_utils.common.files import sha256
from rrr_utils.datasets import Dataset, Record, open_dataset
from rrr_utils.masks import deeplab, model_files, openvino_model

CAT, DOG, PERSON = 8, 12, 15
SHA256 = "68a539782c2c6a72f8aac3724600124a85ed977162b44e84cbae5db717c933c6"
RED, BLUE, GREY, BLACK = (255, 0, 0), (0, 0, 255), (128, 128, 128), (0, 0, 0)


def pets(*objects: str) -> Dataset:
    """Return a data set with one record, without a file, of every object."""
    records = tuple(Record(f"{name}.0", label) for label, name in enumerate(objects))
    return Dataset("pets", objects, records, objects, licence="none", pictures=False)


def tflite(path: Path, size: int = deeplab.SIZE, classes: int = 21) -> Path:
    """Write a TFLite network that looks at colours: red is a cat, blue a dog, black a person, the rest background.

    With channels in [-1, 1] the logits are 3 red for the cat, 3 blue for the dog, -3 green - 1 for the person
    and 1.5 for the background, so swapped channels change cats into dogs, and [0, 1] or [0, 255] lose the person.
    """
    import tensorflow as tf

    weights, bias = np.zeros((1, 1, 3, classes), np.float32), np.full(classes, -9, np.float32)
    weights[0, 0, 0, CAT], weights[0, 0, 2, DOG], weights[0, 0, 1, PERSON] = 3, 3, -3
    bias[[0, CAT, DOG, PERSON]] = 1.5, 0, 0, -1

    class Network(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32)])
        def run(self, image):
            return tf.nn.conv2d(image, weights, 1, "VALID") + bias

    network = Network()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.run.get_concrete_function()], network)
    path.write_bytes(converter.convert())
    return path


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tflite(tmp_path_factory.mktemp("network") / "colours.tflite")


@pytest.fixture(scope="module")
def data_dir() -> Path:
    if not os.environ.get("RRR_DATA_DIR"):
        pytest.skip("RRR_DATA_DIR is not set")
    folder = Path(os.environ["RRR_DATA_DIR"])
    if not (folder / "masks" / deeplab.FILE).is_file():
        pytest.skip(f"{folder / 'masks' / deeplab.FILE} is not there")
    return folder


def test_preparation_by_hand() -> None:
    """Red, green, blue stay in this order; 0, 128 and 255 become -1, 0.0039 and 1; the size is 257."""
    image = np.zeros((10, 30, 3), np.uint8)
    image[:] = (0, 128, 255)
    prepared = deeplab.prepare(image)
    assert (prepared.shape, prepared.dtype) == ((1, 257, 257, 3), np.float32)
    np.testing.assert_allclose(prepared[0, 0, 0], [-1, 128 / 127.5 - 1, 1], atol=1e-6)
    assert (prepared == prepared[:, :1, :1]).all()


def test_preparation_keeps_right_and_below_apart() -> None:
    """A wide image whose right half is white is white in the right half of the square, and nowhere else."""
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 30:] = 255
    prepared = deeplab.prepare(image)[0, ..., 0]
    np.testing.assert_array_equal(prepared[:, :124], -1)
    np.testing.assert_array_equal(prepared[:, 133:], 1)


def test_largest_by_hand() -> None:
    """Two cells become four pixels at 1/4 and 3/4 between them: 2, 1, -1, -2 against 0, 0, 0, 0.

    Resized as a mask instead, the border would lie at the same place; with the other class at 1.5 it moves:
    the winner is decided after the resizing, where 2 > 1.5 in one pixel of four only.
    """
    logits = np.zeros((1, 2, 3), np.float32)
    logits[0, :, 1] = 2, -2
    np.testing.assert_array_equal(deeplab.where_largest(logits, 1, 1, 4), [[True, True, False, False]])
    logits[0, :, 2] = 1.5
    np.testing.assert_array_equal(deeplab.where_largest(logits, 1, 1, 4), [[True, False, False, False]])


def test_a_tie_is_not_the_object() -> None:
    """Where two classes are equally likely, neither is taken for the object."""
    logits = np.ones((3, 3, 2), np.float32)
    assert not deeplab.where_largest(logits, 0, 5, 5).any()
    assert not deeplab.where_largest(logits, 1, 5, 5).any()


@pytest.mark.parametrize("shape", [(9, 9), (40, 27), (23, 61)])
def test_largest_agrees_with_all_logits_resized(shape: tuple[int, int]) -> None:
    """The mask is the argmax of all logits resized by scikit-image (half-pixel bilinear), which resizes all at once."""
    logits = seeds.generator("logits", shape).normal(size=(9, 9, 6)).astype(np.float32)
    whole = resize(logits, (*shape, 6), order=1, mode="edge", anti_aliasing=False)
    for number in range(6):
        np.testing.assert_array_equal(deeplab.where_largest(logits, number, *shape), whole.argmax(-1) == number)


def test_the_class_list_is_pascal_vocs() -> None:
    """20 different names in alphabetical order, with cat 8 and dog 12 when the background is 0."""
    assert len(set(deeplab.VOC)) == 20
    assert list(deeplab.VOC) == sorted(deeplab.VOC)
    assert (deeplab.VOC.index("cat") + 1, deeplab.VOC.index("dog") + 1) == (CAT, DOG)


@pytest.mark.parametrize("name", ["disk", "background", "sports ball"])
def test_an_unknown_class_stops_before_any_work(tmp_path: Path, name: str) -> None:
    """A class that VOC lacks (its background is no object) is refused with the list, before the file is looked for."""
    with pytest.raises(ValueError, match=rf"cannot find \['{name}'\] of data set 'pets'.*tvmonitor.*outlines"):
        masks.open_masker("deeplab", pets("cat", name), tmp_path)


def test_a_missing_file_says_how_to_fetch_it(tmp_path: Path) -> None:
    """The error names the path and the line to type."""
    with pytest.raises(FileNotFoundError, match="rrr fetch deeplab --into") as caught:
        masks.open_masker("deeplab", pets("cat", "dog"), tmp_path)
    assert str(tmp_path / "masks" / "deeplabv3_257_mv_gpu.tflite") in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"\x1c\0\0\0TFL3" + b"\xff" * 100], ids=["empty", "text", "damaged"]
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty file, a foreign one and one with only the right beginning name the file and the remedy."""
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    with pytest.raises(model_files.BadModel, match="etch it again") as caught:
        masks.open_masker("deeplab", pets("cat", "dog"), model=path)
    assert str(path) in str(caught.value)


@pytest.mark.slow
def test_colours_are_found_where_they_are(colours: Path) -> None:
    """A red cat and a blue dog are masked to the pixel, each for its own record; a person is ignored."""
    dataset = pets("cat", "dog")
    masker = masks.open_masker("deeplab", dataset, model=colours)
    image = np.full((257, 257, 3), GREY, np.uint8)
    image[30:90, 40:200], image[120:180, 10:60], image[200:240, 200:240] = RED, BLUE, BLACK
    cat, dog = (masker(record, image) for record in dataset.records)
    red, blue = ((image == colour).all(axis=-1) for colour in (RED, BLUE))
    np.testing.assert_array_equal(cat.mask, red)
    np.testing.assert_array_equal(dog.mask, blue)
    assert (cat.mask.dtype, cat.objects, dog.objects) == (np.float32, 1, 1)
    person = pets("person", "cat")
    found = masks.open_masker("deeplab", person, model=colours)(person.records[0], image)
    np.testing.assert_array_equal(found.mask, (image == BLACK).all(axis=-1))
    assert masker.provenance == {"file": "colours.tflite", "sha256": sha256(colours)}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(100, 257), (400, 300), (64, 64)])
def test_masks_have_the_images_size_and_place(colours: Path, shape: tuple[int, int]) -> None:
    """A disk in an image of any size comes back with an IoU above 0.97 and its centre within 0.3 px."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    middle = 0.4 * shape[0], 0.6 * shape[1]
    disk = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < (0.3 * min(shape)) ** 2
    image = np.where(disk[..., None], np.uint8(RED), np.uint8(GREY))
    dataset = pets("cat", "dog")
    mask = masks.open_masker("deeplab", dataset, model=colours)(dataset.records[0], image).mask.astype(bool)
    assert mask.shape == shape
    assert (mask & disk).sum() / (mask | disk).sum() > 0.97
    assert abs(rows[mask].mean() - rows[disk].mean()) < 0.3
    assert abs(columns[mask].mean() - columns[disk].mean()) < 0.3


@pytest.mark.slow
def test_objects_are_connected_pieces(colours: Path) -> None:
    """Two patches that meet at a corner are one piece, a third one apart is another."""
    image = np.full((257, 257, 3), GREY, np.uint8)
    image[20:60, 20:60] = image[60:100, 60:100] = image[150:200, 150:200] = RED
    dataset = pets("cat", "dog")
    assert masks.open_masker("deeplab", dataset, model=colours)(dataset.records[0], image).objects == 2


@pytest.mark.slow
def test_nothing_found_is_an_empty_mask(colours: Path) -> None:
    """An image without the class gives a zero mask, no objects, and a note on what fills it instead."""
    dataset = pets("cat", "dog")
    masker = masks.open_masker("deeplab", dataset, model=colours)
    found = masker(dataset.records[0], np.full((50, 70, 3), BLUE, np.uint8))
    assert (found.mask.shape, found.mask.sum(), found.objects) == ((50, 70), 0, 0)
    assert found.note == "no pixel is cat; most are dog"


@pytest.mark.slow
@pytest.mark.parametrize(("size", "classes"), [(225, 21), (257, 20)])
def test_another_network_is_refused(tmp_path: Path, size: int, classes: int) -> None:
    """A network of another size or with another number of classes is refused, with both shapes in the error."""
    path = tflite(tmp_path / "other.tflite", size, classes)
    with pytest.raises(model_files.BadModel, match=r"\(1, 257, 257, 3\) in") as caught:
        masks.open_masker("deeplab", pets("cat", "dog"), model=path)
    assert f"({1}, {size}, {size}, {classes}) out" in str(caught.value)


@pytest.mark.slow
def test_the_engine_gives_new_arrays_and_takes_one_shape(colours: Path) -> None:
    """A second run does not overwrite the first one's result, and another shape or type is refused."""
    run = openvino_model.load(colours, (1, 257, 257, 3), (1, 257, 257, 21))
    first = run(np.ones((1, 257, 257, 3), np.float32))
    kept = first.copy()
    run(-np.ones((1, 257, 257, 3), np.float32))
    np.testing.assert_array_equal(first, kept)
    for bad in (np.ones((1, 256, 257, 3), np.float32), np.ones((1, 257, 257, 3))):
        with pytest.raises(ValueError, match=r"takes float32 of shape \(1, 257, 257, 3\)"):
            run(bad)


@pytest.mark.real_data
def test_logits_agree_with_tflites_own_runtime(data_dir: Path) -> None:
    """On noise, on flat grey and on photographs, OpenVINO's logits are LiteRT's within 1e-3, and the masks the same."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(
        str(data_dir / "masks" / deeplab.FILE), num_threads=1
    )
    interpreter.allocate_tensors()
    place, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    dataset = open_dataset("dogs_vs_cats", data_dir, {"images": 6})
    masker = masks.open_masker("deeplab", dataset, data_dir)
    assert isinstance(masker, deeplab.DeepLab)
    assert masker.provenance["sha256"] == SHA256
    noise = seeds.generator("noise").integers(0, 256, (300, 200, 3), dtype=np.uint8)
    images = [noise, np.full_like(noise, 128), *(dataset.image(record).array for record in dataset.records)]
    for image in images:
        interpreter.set_tensor(place, deeplab.prepare(image))
        interpreter.invoke()
        expected, logits = interpreter.get_tensor(result)[0], masker.logits(image)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-3)
        assert (logits.argmax(-1) == expected.argmax(-1)).mean() > 0.999


@pytest.mark.real_data
def test_masks_agree_with_hand_made_trimaps(data_dir: Path) -> None:
    """On 30 photographs of pets the mean IoU with the trimaps is above 0.5, and shifting the masks does not help."""
    dataset = open_dataset("oxford_pets", data_dir, {"images": 32})
    network, outlines = masks.open_masker("deeplab", dataset, data_dir), masks.open_masker("outlines", dataset)
    pairs = []
    for record in dataset.records:
        image = dataset.image(record).array
        outline = outlines(record, image)
        if outline.objects and len(pairs) < 30:
            pairs.append((network(record, image).mask.astype(bool), outline.mask.astype(bool)))
    assert len(pairs) == 30

    def iou(down: int, right: int) -> float:
        moved = [(np.roll(mask, (down, right), (0, 1)), outline) for mask, outline in pairs]
        return float(np.mean([(mask & outline).sum() / (mask | outline).sum() for mask, outline in moved]))

    assert iou(0, 0) > 0.5
    assert max(iou(-6, 0), iou(6, 0), iou(0, -6), iou(0, 6)) < iou(0, 0)


@pytest.mark.real_data
def test_cats_and_dogs_are_found(data_dir: Path) -> None:
    """On 40 photographs of cats and dogs the class is found on at least three quarters."""
    dataset = open_dataset("dogs_vs_cats", data_dir, {"images": 40})
    masker = masks.open_masker("deeplab", dataset, data_dir)
    found = [masker(record, dataset.image(record).array).objects > 0 for record in dataset.records]
    assert np.mean(found) >= 0.75
