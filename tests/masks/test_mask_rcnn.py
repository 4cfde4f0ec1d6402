"""Mask R-CNN: what goes in, what is made of what comes out, and files that must not be trusted."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rrr_utils import masks
from rrr_utils.common.files import sha256
from rrr_utils.datasets import Dataset, Record
from rrr_utils.masks import mask_rcnn, model_files, onnx_model

# What the tiny network finds, by colour (RGB): label, score. A dog has the cat's colour with red and blue swapped.
CAT, CAT_2, DOG, FAINT_CAT, PERSON = (220, 60, 20), (250, 120, 250), (20, 60, 220), (230, 200, 40), (40, 200, 120)
FINDS = {CAT: (16, 0.95), CAT_2: (16, 0.9), DOG: (17, 0.95), FAINT_CAT: (16, 0.6), PERSON: (1, 0.99)}
GREY = (130, 130, 130)
# Always found and always wrong: a box without width, one that is not a number, one outside the image.
WRONG = np.array([[50, 50, 50, 80], [np.nan, 10, 20, 30], [-90, -90, -50, -50]], np.float32)
ZOO = ("6568", "6570", "6572", "6887")  # what the zoo's file calls boxes, labels, scores, masks


def tiny_network(names: tuple[str, ...] = ZOO, cells: int = 28) -> onnx.ModelProto:
    """Return a Mask R-CNN that looks at its input: it finds patches of the colours in ``FINDS``.

    A colour is recognised within 8 levels after the means are added again, so another channel order, other
    means or another scale find nothing or the wrong class. Every score is multiplied by 0 unless both sides
    are multiples of 32 and the last pixel, which is padding, is exactly zero. Masks are cut out by RoIAlign.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(value: object, dtype: type = np.float32) -> str:
        name = f"constant{len(constants)}"
        constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(operator: str, *inputs: str, **attributes: object) -> str:
        name = f"node{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    means = constant(np.reshape([102.9801, 115.9465, 122.7717], (3, 1, 1)))
    bgr = node("Add", "image", means)
    shape = node("Shape", "image")
    sides = [node("Gather", shape, constant(axis, np.int64)) for axis in (1, 2)]
    last = [node("Sub", side, constant(1, np.int64)) for side in sides]
    corner = node("Gather", node("Gather", "image", last[0], axis=1), last[1], axis=1)
    zero = node("Equal", node("ReduceSum", node("Abs", corner), keepdims=0), constant(0))
    rest = node("Add", *[node("Mod", side, constant(32, np.int64)) for side in sides])
    good = node("And", zero, node("Equal", rest, constant(0, np.int64)))
    good = node("Cast", good, to=TensorProto.FLOAT)
    counts = [
        node("Cast", node("Range", constant(0, np.int64), side, constant(1, np.int64)), to=TensorProto.FLOAT)
        for side in sides
    ]
    boxes, scores, found = [], [], []
    for colour, (_, score) in FINDS.items():
        wanted = constant(np.reshape(colour[::-1], (3, 1, 1)))
        far = node("ReduceMax", node("Abs", node("Sub", bgr, wanted)), axes=[0], keepdims=0)
        here = node("Less", far, constant(8))
        plane = node("Cast", here, to=TensorProto.FLOAT)  # (H, W)
        edges = []
        for axis, count in ((1, counts[1]), (0, counts[0])):  # x over rows, then y over columns
            line = node("ReduceMax", plane, axes=[0 if axis == 1 else 1], keepdims=0)
            on = node("Greater", line, constant(0.5))
            edges.append(
                (
                    node("ReduceMin", node("Where", on, count, constant(1e6)), keepdims=1),
                    node("ReduceMax", node("Where", on, count, constant(-1)), keepdims=1),
                )
            )
        (left, right), (top, bottom) = edges
        box = node("Unsqueeze", node("Concat", left, top, right, bottom, axis=0), axes=[0])
        grown = node("Add", box, constant([[-0.5, -0.5, 0.5, 0.5]]))  # RoIAlign of opset 12 has pixels at integers
        picture = node("Unsqueeze", plane, axes=[0, 1])
        present = node("ReduceMax", plane, keepdims=0)
        boxes.append(box)
        scores.append(node("Unsqueeze", node("Mul", node("Mul", present, good), constant(score)), axes=[0]))
        found.append(node("RoiAlign", picture, grown, constant([0], np.int64), output_height=cells, output_width=cells))
    wrong = len(WRONG)
    outputs = [
        node("Concat", *boxes, constant(WRONG), axis=0),
        node("Identity", constant([label for label, _ in FINDS.values()] + [16] * wrong, np.int64)),
        node("Concat", *scores, constant([0.99] * wrong), axis=0),
        node("Concat", *found, constant(np.ones((wrong, 1, cells, cells))), axis=0),
    ]
    nodes += [helper.make_node("Identity", [value], [name]) for value, name in zip(outputs, names)]
    return declare(nodes, constants, names, cells)


def declare(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], names: tuple[str, ...], cells: int = 28
) -> onnx.ModelProto:
    """Return the graph with Mask R-CNN's declared inputs and outputs, sizes left open."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [3, "height", "width"])
    declared = [
        helper.make_tensor_value_info(names[0], TensorProto.FLOAT, ["n", 4]),
        helper.make_tensor_value_info(names[1], TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info(names[2], TensorProto.FLOAT, ["n"]),
        helper.make_tensor_value_info(names[3], TensorProto.FLOAT, ["n", 1, cells, cells]),
    ]
    graph = helper.make_graph(nodes, "mask_rcnn", [image], declared, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)


def scene(height: int, width: int, *patches: tuple[tuple[int, int, int], int, int, int, int]) -> np.ndarray:
    """Return a grey image with rectangles (colour, top, bottom, left, right)."""
    image = np.full((height, width, 3), GREY, np.uint8)
    for colour, top, bottom, left, right in patches:
        image[top:bottom, left:right] = colour
    return image


def rectangle(height: int, width: int, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((height, width), np.float32)
    mask[top:bottom, left:right] = 1
    return mask


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return pets("cat", "dog")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "tiny.onnx"
    onnx.save(tiny_network(), path)
    return path


@pytest.fixture(scope="module")
def masker(dataset: Dataset, network: Path) -> masks.Masker:
    return masks.open_masker("mask_rcnn", dataset, model=network)


def pets(*objects: str) -> Dataset:
    """Return a data set with one record, without a file, of every object."""
    records = tuple(Record(f"{name}.0", label) for label, name in enumerate(objects))
    return Dataset("pets", objects, records, objects, licence="none", pictures=False)


def record(dataset: Dataset, name: str) -> Record:
    return next(record for record in dataset.records if dataset.objects[record.label] == name)


def test_a_cat_is_found_where_it_is_and_a_dog_where_it_is(masker: masks.Masker, dataset: Dataset) -> None:
    """The mask is the patch of the record's class to the pixel, and the other class's patch is ignored."""
    image = scene(100, 60, (CAT, 20, 50, 10, 40), (DOG, 60, 90, 30, 55))
    cat, dog = masker(record(dataset, "cat"), image), masker(record(dataset, "dog"), image)
    np.testing.assert_array_equal(cat.mask, rectangle(100, 60, 20, 50, 10, 40))
    np.testing.assert_array_equal(dog.mask, rectangle(100, 60, 60, 90, 30, 55))
    assert (cat.objects, dog.objects, cat.mask.dtype) == (1, 1, np.float32)


def test_the_mask_is_the_union_of_the_instances(masker: masks.Masker, dataset: Dataset) -> None:
    """Two cats are one mask and two objects; a person and an uncertain cat (0.6) do not count."""
    image = scene(
        90, 120, (CAT, 10, 40, 10, 40), (CAT_2, 50, 80, 60, 110), (PERSON, 5, 45, 70, 110), (FAINT_CAT, 55, 85, 5, 40)
    )
    found = masker(record(dataset, "cat"), image)
    expected = rectangle(90, 120, 10, 40, 10, 40) + rectangle(90, 120, 50, 80, 60, 110)
    np.testing.assert_array_equal(found.mask, expected)
    assert found.objects == 2


def test_the_threshold_decides_about_an_uncertain_cat(dataset: Dataset, network: Path) -> None:
    """A cat with score 0.6 is left out at 0.7 and found at 0.5."""
    image = scene(60, 70, (FAINT_CAT, 20, 40, 20, 40))
    cat = record(dataset, "cat")
    strict = masks.open_masker("mask_rcnn", dataset, model=network)(cat, image)
    lenient = masks.open_masker("mask_rcnn", dataset, model=network, threshold=0.5)(cat, image)
    assert (strict.objects, strict.mask.sum()) == (0, 0)
    np.testing.assert_array_equal(lenient.mask, rectangle(60, 70, 20, 40, 20, 40))


@pytest.mark.parametrize(("height", "width"), [(40, 200), (200, 40), (97, 61), (61, 97), (640, 427), (1500, 900)])
def test_boxes_return_to_the_image_whatever_its_size(
    masker: masks.Masker, dataset: Dataset, height: int, width: int
) -> None:
    """Wide, tall, odd, enlarged and reduced images give the patch back, also where it touches a border."""
    top, left = height // 4, width // 2
    image = scene(height, width, (CAT, top, height, left, width))
    found = masker(record(dataset, "cat"), image)
    expected = rectangle(height, width, top, height, left, width)
    assert found.mask.shape == (height, width)
    if min(height, width) < 200:
        np.testing.assert_array_equal(found.mask, expected)
    else:  # resizing blurs the patch's edge, so the outermost pixel of two sides may go either way
        assert (expected - found.mask).min() == 0
        np.testing.assert_array_equal(found.mask[top + 1 :, left + 1 :], 1)


def test_a_round_cat_keeps_its_shape(masker: masks.Masker, dataset: Dataset) -> None:
    """A disk of radius 35 px comes back with an IoU above 0.97 through its 28 x 28 mask, and unshifted."""
    rows, columns = np.mgrid[:120, :160] + 0.5
    disk = (rows - 50) ** 2 + (columns - 90) ** 2 < 35**2
    image = np.where(disk[..., None], np.uint8(CAT), np.uint8(GREY))
    mask = masker(record(dataset, "cat"), image).mask.astype(bool)
    assert (mask & disk).sum() / (mask | disk).sum() > 0.97
    assert abs(rows[mask].mean() - 50) < 0.1
    assert abs(columns[mask].mean() - 90) < 0.1


def test_nothing_found_is_an_empty_mask(masker: masks.Masker, dataset: Dataset) -> None:
    """An image without a cat gives a zero mask, no objects, and a note that says so and counts the bad boxes."""
    found = masker(record(dataset, "cat"), scene(50, 70, (DOG, 10, 30, 10, 30)))
    assert (found.mask.shape, found.mask.sum(), found.objects) == ((50, 70), 0, 0)
    assert found.note == "no cat above 0.7; boxes without area: 2"


def test_preparation_by_hand() -> None:
    """A 500 x 375 photograph becomes 1067 x 800 in 1088 x 800, BGR minus the means, padded with zeros."""
    image = np.zeros((500, 375, 3), np.uint8)
    image[:] = (200, 100, 50)  # red, green, blue
    prepared, scale = mask_rcnn.prepare(image)
    assert (prepared.shape, prepared.dtype) == ((3, 1088, 800), np.float32)  # 1067 = 500 * 800 / 375 rounded
    assert scale == (800 / 375, 1067 / 500)
    np.testing.assert_allclose(prepared[:, 0, 0], [50 - 102.9801, 100 - 115.9465, 200 - 122.7717], rtol=1e-6)
    np.testing.assert_array_equal(prepared[:, :1067], np.broadcast_to(prepared[:, :1, :1], (3, 1067, 800)))
    np.testing.assert_array_equal(prepared[:, 1067:], 0)


@pytest.mark.parametrize(
    ("height", "width", "resized", "padded"),
    [
        (600, 900, (800, 1200), (800, 1216)),
        (900, 600, (1200, 800), (1216, 800)),
        (400, 1000, (533, 1333), (544, 1344)),  # 800 would make the longer side 2000: 1333 / 1000 holds
        (1600, 1600, (800, 800), (800, 800)),
        (1, 3000, (1, 1333), (32, 1344)),
    ],
)
def test_sizes_by_hand(height: int, width: int, resized: tuple[int, int], padded: tuple[int, int]) -> None:
    """The shorter side becomes 800, the longer stays within 1333, both are padded to multiples of 32."""
    prepared, scale = mask_rcnn.prepare(np.full((height, width, 3), 255, np.uint8))
    assert prepared.shape == (3, *padded)
    assert scale == (resized[1] / width, resized[0] / height)
    content = (prepared != 0).any(axis=0)
    assert (content.any(axis=1).sum(), content.any(axis=0).sum()) == resized


def test_pasting_by_hand() -> None:
    """A mask whose left half is 1 fills the left half of its box, at any scale, and is cut at the border.

    The box is inclusive: 10 to 37 are 28 pixels, one for each cell.
    """
    left = np.zeros((28, 28), np.float32)
    left[:, :14] = 1
    for box, scale, columns, rows in [
        ((10, 20, 37, 47), (1.0, 1.0), (10, 24), (20, 48)),  # a cell a pixel
        ((10, 20, 65, 75), (1.0, 1.0), (10, 38), (20, 76)),  # 56 pixels: column 27 is 0.75, column 28 is 0.25
        ((20, 80, 131, 303), (2.0, 4.0), (10, 38), (20, 76)),  # the same box in a resized image
        ((-14, -7, 13, 20), (1.0, 1.0), None, (0, 21)),  # the left half lies outside
        ((-7, 90, 20, 117), (1.0, 1.0), (0, 7), (90, 100)),  # cut on the left and below
    ]:
        union = np.zeros((100, 100), bool)
        covers = mask_rcnn.paste(union, left, np.float32(box), scale)
        expected = rectangle(100, 100, *rows, *(columns or (0, 0))).astype(bool)
        np.testing.assert_array_equal(union, expected)
        assert covers == (columns is not None)


def test_overlapping_instances_keep_each_others_pixels() -> None:
    """Two instances in one box, left half and right half, are the whole box together."""
    left = np.repeat([[1.0, 0.0]], 28, axis=0).repeat(14, axis=1).astype(np.float32)
    union = np.zeros((30, 30), bool)
    for mask in (left, 1 - left):
        assert mask_rcnn.paste(union, mask, np.float32([1, 1, 28, 28]), (1.0, 1.0))
    np.testing.assert_array_equal(union, rectangle(30, 30, 1, 29, 1, 29))


def test_a_box_far_away_or_between_pixels_covers_nothing() -> None:
    """Boxes beyond any image and boxes too thin to hold a pixel's centre are no instance and no error."""
    ones = np.ones((28, 28), np.float32)
    for box in [(1e30, 1e30, 3e30, 3e30), (-3e30, 0, -1e30, 5), (600, 600, 700, 700), (40, 40, 40.2, 90)]:
        union = np.zeros((50, 50), bool)
        assert not mask_rcnn.paste(union, ones, np.float32(box), (10.0, 10.0))
        assert not union.any()


def test_the_class_list_is_the_zoos() -> None:
    """80 different names, with cat 16 and dog 17 when the background is 0."""
    assert len(set(mask_rcnn.COCO)) == len(mask_rcnn.COCO) == 80
    assert mask_rcnn.COCO.index("cat") + 1 == 16
    assert mask_rcnn.COCO.index("dog") + 1 == 17
    assert (mask_rcnn.COCO[0], mask_rcnn.COCO[79]) == ("person", "toothbrush")


def test_outputs_called_by_their_names_may_stand_in_any_order(dataset: Dataset, tmp_path: Path) -> None:
    """A file with named outputs is read by name, a file with numbered ones by the zoo's order."""
    model = tiny_network(("boxes", "labels", "scores", "masks"))
    outputs = list(model.graph.output)[::-1]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    onnx.save(model, tmp_path / "named.onnx")
    masker = masks.open_masker("mask_rcnn", dataset, model=tmp_path / "named.onnx")
    found = masker(record(dataset, "cat"), scene(60, 70, (CAT, 20, 40, 20, 40)))
    np.testing.assert_array_equal(found.mask, rectangle(60, 70, 20, 40, 20, 40))


def test_the_file_is_on_record(masker: masks.Masker, network: Path) -> None:
    """The masker names its source, its file, the file's hash and the threshold."""
    assert masker.source == "mask_rcnn"
    assert masker.provenance == {"file": "tiny.onnx", "sha256": sha256(network), "threshold": "0.7"}


def test_a_missing_file_says_how_to_fetch_it(dataset: Dataset, tmp_path: Path) -> None:
    """The error names the path and the line to type, and no address."""
    with pytest.raises(FileNotFoundError, match="rrr fetch mask_rcnn --into") as caught:
        masks.open_masker("mask_rcnn", dataset, tmp_path)
    assert str(tmp_path / "masks" / "MaskRCNN-12.onnx") in str(caught.value)
    assert "http" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None], ids=["empty", "text", "truncated"])
def test_a_damaged_file_is_refused(dataset: Dataset, network: Path, tmp_path: Path, content: bytes | None) -> None:
    """An empty, a foreign and a truncated file raise an error that names the file and the remedy."""
    path = tmp_path / "bad.onnx"
    path.write_bytes(network.read_bytes()[:2000] if content is None else content)
    with pytest.raises(model_files.BadModel, match="fetch it again") as caught:
        masks.open_masker("mask_rcnn", dataset, model=path)
    assert str(path) in str(caught.value)


def test_a_file_beyond_the_limit_is_refused_unread(dataset: Dataset, tmp_path: Path) -> None:
    """A file of 512 MiB and one byte is refused by its size (it is sparse: nothing of it is on the disk)."""
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:
        stream.truncate(512 * 2**20 + 1)
    with pytest.raises(model_files.BadModel, match="536870913 bytes"):
        masks.open_masker("mask_rcnn", dataset, model=path)


@pytest.mark.parametrize("place", ["initializer", "subgraph"])
@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin"])
def test_weights_outside_the_file_are_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, location: str
) -> None:
    """A file that names another file for its weights is refused, though that file is there to be read."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / location).write_bytes(np.zeros(4, np.float32).tobytes())
    monkeypatch.chdir(folder)  # ONNX Runtime would look in the current folder too
    outside = numpy_helper.from_array(np.zeros((1, 4), np.float32), "outside")
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        entry = outside.external_data.add()
        entry.key, entry.value = key, value
    model = tiny_network()
    boxes = next(node for node in model.graph.node if node.output[0] == ZOO[0])
    if place == "initializer":
        model.graph.initializer.append(outside)
        boxes.CopyFrom(helper.make_node("Add", [boxes.input[0], "outside"], [ZOO[0]]))
    else:
        inner = helper.make_node("Add", [boxes.input[0], "outside"], ["inner"])
        value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["n", 4])
        branch = helper.make_graph([inner], "branch", [], [value], [outside])
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        boxes.CopyFrom(helper.make_node("If", ["yes"], [ZOO[0]], then_branch=branch, else_branch=branch))
    path = folder / "outside.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(model_files.BadModel, match="self-contained"):
        masks.open_masker("mask_rcnn", dataset, model=path)


def changed(change: str) -> onnx.ModelProto:
    """Return the tiny network with one thing declared otherwise than the contract says."""
    model = tiny_network()
    graph = model.graph
    if change == "input name":
        graph.input[0].name = "picture"
        for node in graph.node:
            node.input[:] = ["picture" if name == "image" else name for name in node.input]
    elif change == "batch axis":
        graph.input[0].CopyFrom(helper.make_tensor_value_info("batch", TensorProto.FLOAT, [1, 3, "h", "w"]))
        graph.node.insert(0, helper.make_node("Squeeze", ["batch"], ["image"], axes=[0]))
        graph.input[0].name = "image"
        for node in graph.node:
            node.input[:] = ["squeezed" if name == "image" else name for name in node.input]
            node.output[:] = ["squeezed" if name == "image" else name for name in node.output]
        graph.node[0].input[0] = "image"
    elif change == "missing output":
        del graph.output[3]
    elif change == "order":
        first, second = (helper.make_empty_tensor_value_info("") for _ in range(2))
        first.CopyFrom(graph.output[1])
        second.CopyFrom(graph.output[0])
        graph.output[0].CopyFrom(first)
        graph.output[1].CopyFrom(second)
    elif change == "label type":
        graph.output[1].type.tensor_type.elem_type = TensorProto.INT32
        last = next(node for node in graph.node if node.output[0] == ZOO[1])
        last.CopyFrom(helper.make_node("Cast", list(last.input), [ZOO[1]], to=TensorProto.INT32))
    return model


@pytest.mark.parametrize("change", ["input name", "batch axis", "missing output", "order", "label type"])
def test_another_network_is_refused(dataset: Dataset, tmp_path: Path, change: str) -> None:
    """Another input name, rank, number, order or type of outputs is refused, with both contracts in the error."""
    path = tmp_path / "other.onnx"
    path.write_bytes(changed(change).SerializeToString())
    with pytest.raises(model_files.BadModel, match=r"another network.*image float32 \(3, height, width\) in"):
        masks.open_masker("mask_rcnn", dataset, model=path)


def test_masks_of_another_fineness_are_refused(tmp_path: Path, dataset: Dataset) -> None:
    """Masks of 14 x 14 cells are refused, also by a file that does not declare its outputs' shapes."""
    model = tiny_network(cells=14)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    path = tmp_path / "fourteen.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(model_files.BadModel, match=r"Expected.*28, 28.*14, 14"):
        masks.open_masker("mask_rcnn", dataset, model=path)


def test_results_that_do_not_belong_together_are_refused(tmp_path: Path, dataset: Dataset) -> None:
    """A file that declares what it should, but gives one label too few, is refused when it does so."""
    model = tiny_network()
    labels = next(node for node in model.graph.node if node.output[0] == ZOO[1])
    model.graph.initializer.append(numpy_helper.from_array(np.full(7, 16), "seven"))
    labels.input[0] = "seven"
    path = tmp_path / "seven.onnx"
    path.write_bytes(model.SerializeToString())
    masker = masks.open_masker("mask_rcnn", dataset, model=path)
    with pytest.raises(model_files.BadModel, match=r"'boxes': \(8, 4\), 'labels': \(7,\).*one n for all"):
        masker(record(dataset, "cat"), scene(40, 50))


def test_an_unknown_class_stops_before_any_work(tmp_path: Path) -> None:
    """A data set with a class that COCO lacks is refused with the list, before the file is even looked for."""
    with pytest.raises(ValueError, match=r"cannot find \['sofa'\].*toothbrush"):
        masks.open_masker("mask_rcnn", pets("cat", "sofa"), model=tmp_path / "no.onnx")


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_an_impossible_threshold_is_refused(dataset: Dataset, network: Path, threshold: float) -> None:
    """A threshold below 0, of 1 or more, or not a number is refused by name."""
    with pytest.raises(ValueError, match="`threshold` must be a score"):
        masks.open_masker("mask_rcnn", dataset, model=network, threshold=threshold)


def test_the_engine_is_quiet(network: Path) -> None:
    """Opening and running prints nothing, on standard output or on standard error."""
    code = (
        "import sys, numpy as np; from pathlib import Path; from rrr_utils.masks import onnx_model; "
        "onnx_model.load(Path(sys.argv[1]))(np.zeros((3, 64, 64), np.float32))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(network)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert onnx_model.OUTPUTS.keys() == {"boxes", "labels", "scores", "masks"}
