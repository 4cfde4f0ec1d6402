"""A model of one's own: found to be wrong where it is, its doubtful answers first, and a report that stands alone."""

import dataclasses
import random
import re
import struct
import threading
from html.parser import HTMLParser

import keras
import numpy as np
import pandas as pd
import pytest
import tqdm
from PIL import Image

import rrr_utils as rrr
from rrr_utils.common import files
from rrr_utils.explainers import LIME, Occlusion
from rrr_utils.own_model import caveats as doubts
from rrr_utils.own_model import images as own_images
from rrr_utils.own_model import report

layers = keras.layers


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return rrr.example.make(tmp_path_factory.mktemp("example"), images=40)


@pytest.fixture(scope="module")
def found(example):
    """The network that was trained to be wrong, examined."""
    return rrr.examine(example.model, images=example.images, masks=example.masks, out=example.model.parent / "triage")


def test_the_ten_worst_of_a_model_that_reads_the_background_look_at_the_background(found):
    """Right on nearly all, and lost without its backgrounds; each of the ten worst has its relevance off the object."""
    assert found.accuracy > 0.9
    accuracy = found.backgrounds.set_index("background")["mean"]
    assert (accuracy[["random", "other", "mean"]] < 0.8).all()
    own = found.averages.query("cohort == 'own'").set_index("explainer")
    assert (own["verdict"] == "below chance").all()
    worst = found.worst(10)
    assert len(worst) == 10
    assert (worst["label"] == worst["predicted"]).all()
    for card in found.cards(list(worst["image"])):
        outside = 1 - card.mask.astype(float)
        for name, values in card.maps.items():
            on_background = (values * outside).sum() / values.sum()
            assert on_background > 0.85, (card.image, name)
            assert on_background > outside.mean(), (card.image, name)


def test_what_was_examined_is_said(found, example):
    """The layer for Grad-CAM, the preprocessing and the counts stand in the text; the tables lie in the folder."""
    text = str(found)
    assert "Grad-CAM reads: conv3" in text
    assert "scaled by preprocess" in text
    assert "40 of 40 used" in text
    scores = rrr.tables.read(found.path / "scores.parquet", "scores")
    assert len(scores) == 80
    assert rrr.tables.read(found.path / "shift.parquet", "shift")["background"].tolist() == [
        *("original", "random", "other", "mean")
    ]


def halves(size=32):
    """A model that answers by the brighter half, left or right, and sees red alone: relevance by hand.

    A map of the left half's mean for class 0 and of the right half's for class 1.
    """
    inputs = keras.Input((size, size, 3))
    kernel = np.zeros((size, size, 3, 2), np.float32)
    kernel[:, : size // 2, 0, 0] = kernel[:, size // 2 :, 0, 1] = 1 / (255 * size * size / 2)
    sums = layers.Conv2D(2, size, use_bias=False, name="sums")
    outputs = layers.Activation("softmax")(layers.Flatten()(sums(inputs)))
    sums.set_weights([kernel])
    return keras.Model(inputs, outputs)


def paint(folder, name, bright, object_at, size=32):
    """Write an image whose half ``bright`` is red, and the mask of a square in the half ``object_at``."""
    picture, mask = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
    start = {"left": 0, "right": size // 2}
    picture[:, start[bright] : start[bright] + size // 2, 0] = 200
    mask[8:24, start[object_at] + 4 : start[object_at] + 12] = 255
    for kind, array in (("images", picture), ("masks", mask)):
        path = folder / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Five images: two right and looking beside the object, two right and looking at it, one wrong; one unmasked."""
    folder = tmp_path_factory.mktemp("hand")
    paint(folder, "left/off", "left", "right")
    paint(folder, "left/on", "left", "left")
    paint(folder, "right/off", "right", "left")
    paint(folder, "right/on", "right", "right")
    paint(folder, "right/wrong", "left", "right")
    paint(folder, "right/<script>alert(1)<!-- &amp", "right", "right")
    paint(folder, "right/bare", "right", "right")
    (folder / "masks" / "right" / "bare.png").unlink()
    return rrr.examine(
        halves(),
        images=folder / "images",
        masks=folder / "masks",
        explainers=[Occlusion(patch=4, stride=4)],
        backgrounds=["mean"],
        out=folder / "triage",
    )


def test_the_order_of_the_gallery_by_hand(by_hand):
    """Occlusion's relevance is the bright half evenly: a square of 128 of its 512 pixels scores 1/4, off it 0."""
    worst = by_hand.worst()
    chance = 128 / 1024
    assert worst["image"].tolist()[:2] == ["left/off", "right/off"]
    assert set(worst["image"][2:]) == {"left/on", "right/on", "right/<script>alert(1)<!-- &amp"}
    np.testing.assert_allclose(worst["above"], [-chance] * 2 + [0.25 - chance] * 3, atol=1e-6)
    np.testing.assert_allclose(worst["occlusion"], [0, 0, 0.25, 0.25, 0.25], atol=1e-6)
    assert by_hand.wrong()[["image", "label", "predicted"]].values.tolist() == [["right/wrong", "right", "left"]]
    average = by_hand.averages.query("cohort == 'own'").iloc[0]
    assert average["mean"] == pytest.approx(3 * 0.25 / 5)
    assert average["n"] == 5
    assert by_hand.masks.set_index("image").loc["right/bare", "status"] == "no annotation"


def test_a_wrong_answer_shows_both_classes(by_hand):
    """For the label the dark half says nothing; for the prediction the relevance lies off the object."""
    (label,) = by_hand.cards(["right/wrong"])
    (predicted,) = by_hand.cards(["right/wrong"], "predicted")
    assert (label.explained, predicted.explained) == ("right", "left")
    assert np.isnan(label.scores["occlusion"])
    assert predicted.scores["occlusion"] == pytest.approx(0, abs=1e-6)
    assert label.probability == pytest.approx(predicted.probability)
    assert label.probability > 0.5


class Page(HTMLParser):
    """The tags, attributes and text of a page; ``open`` holds the tags that were not closed."""

    VOID = ("meta", "img", "br", "link", "line", "rect", "path")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_report_stands_alone(found):
    """One well-formed file: no script, no address but data, every image with a text and data of its own."""
    path = found.report(worst=10)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"https?://|url\(|@import|\son\w+=", text)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) >= 10 * 3
    for attributes in pictures:
        assert attributes["src"].startswith("data:image/")
        assert len(attributes["alt"]) > 40
    assert len(text) < 1_500_000
    words = " ".join(" ".join(page.words).split())
    assert words.index(found.worst(1)["image"][0]) < words.index(found.worst(2)["image"][1])
    own = found.averages.query("cohort == 'own'").iloc[0]
    assert f"Grad-CAM puts {own['mean']:.0%} of its relevance on the object (below chance" in words


def test_names_of_files_are_text_whatever_they_hold(by_hand):
    """A file called like a script is shown and does not become one; what was left out is listed."""
    text = report.html(by_hand)
    assert "<script" not in text
    assert "right/&lt;script&gt;alert(1)&lt;!-- &amp;amp" in text
    assert "right/bare: no annotation" in " ".join(Page(text).words)
    assert "no relevance" in text


def test_the_outline_of_a_square_by_hand():
    """A square of rows 1 to 2 and columns 3 to 5 of an image has its edge at these pixels' outer borders."""
    mask = np.zeros((4, 8), np.uint8)
    mask[1:3, 3:6] = 1
    numbers = np.array(re.findall(r"([\d.]+) ([\d.]+)", report.outline_path(mask)), float)
    np.testing.assert_allclose([numbers.min(axis=0), numbers.max(axis=0)], [[3, 1], [6, 3]])


def test_models_of_many_shapes_are_examined(example, tmp_path):
    """A nested backbone behind preprocess_input, inside Sequential, saved: flattened, its layer found, grey neutral."""
    backbone = keras.Sequential(
        [keras.Input((64, 64, 3)), layers.Conv2D(4, 3, strides=4), layers.ReLU(name="features")], name="backbone"
    )
    inputs = keras.Input((64, 64, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = backbone(keras.applications.mobilenet.preprocess_input(x), training=False)
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    keras.Model(inputs, outputs).save(tmp_path / "nested.keras")
    found = rrr.examine(
        tmp_path / "nested.keras", example.images, example.masks, explainers=["grad_cam"], most=8, out=tmp_path / "t"
    )
    assert found.network.name == "nested"
    assert found.network.grad_cam_layer == "features"
    np.testing.assert_allclose(found.network.neutral, 127.5)
    assert sorted(found.scores["label"]) == [0] * 4 + [1] * 4
    assert found.scores["image"].nunique() == 8


def test_another_order_of_the_classes_is_noticed(example, tmp_path):
    """A model whose outputs are in the other order is right on nothing, and the note says which order it has."""
    found = rrr.examine(
        example.model, example.images, example.masks, classes=["disk", "cross"], explainers=["grad_cam"], out=tmp_path
    )
    assert found.accuracy < 0.1
    (note,) = found.notes
    assert "classes=['cross', 'disk']" in note
    assert found.worst().empty or len(found.worst()) < 4
    assert note.replace("'", "&#39;") in report.html(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ["cross", "disk", "star"]}, "tells 2 classes apart, but there are 3 classes"),
        ({"classes": ["cross", "dsik"]}, "The folder 'disk' of .* is none of `classes`.* Did you mean 'dsik'"),
        ({"classes": ["cross", "disk", "disk"]}, "names 'disk' more than once"),
        ({"model": object()}, "Keras model or the path of one, but a object was passed. Models of other frameworks"),
        ({"images": ["a"]}, "`images` must be the path of a folder"),
        ({"masks": None}, "`masks` must be the path of a folder, but None"),
        ({"most": 0}, "`most` must be a whole number of images, at least 1"),
        ({"most": "10"}, "`most` must be a whole number"),
        ({"explainers": ["grad_camm"]}, "Did you mean 'grad_cam'"),
        ({"explainers": "lime"}, "must be a list"),
        ({"explainers": ["lime", "lime"]}, "must differ"),
        ({"classes": {"cross", "disk"}}, "must be a list in the order of the model's outputs"),
        ({"preprocess": "mobilnet"}, "Did you mean 'mobilenet'"),
        ({"preprocess": keras.applications.mobilenet.preprocess_input}, "must be a name, such as 'mobilenet'"),
        ({"layer": "conv33"}, "Did you mean 'conv3'"),
        ({"backgrounds": ["meen"]}, "Did you mean 'mean'"),
        ({"masks": "deeplab"}, "cannot find .*cross.*objects="),
    ],
)
def test_mistakes_are_found_before_anything_is_computed(example, tmp_path, changes, words):
    """The message names what is allowed, and no folder is made."""
    out = tmp_path / "out"
    arguments = {"model": example.model, "images": example.images, "masks": example.masks, "out": out}
    with pytest.raises(ValueError, match=words):
        rrr.examine(**(arguments | changes))
    assert not out.exists()


def test_two_examinations_into_one_folder_do_not_mix(example, tmp_path):
    """The second is refused while the first runs, and nothing of the first is touched."""
    out = tmp_path / "out"
    with files.exclusive_lock(out / ".lock", "the first"), pytest.raises(RuntimeError, match="already running"):
        rrr.examine(example.model, example.images, example.masks, explainers=["grad_cam"], out=out)
    assert [path.name for path in out.iterdir()] == [".lock"]


def test_a_model_without_convolution_is_refused_with_the_remedy(example, tmp_path):
    """Grad-CAM has nothing to read there; Occlusion works."""
    dense = keras.Sequential([keras.Input((64, 64, 3)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"has none.*'occlusion', 'lime'"):
        rrr.examine(dense, example.images, example.masks, out=tmp_path)
    asked = [{"name": "occlusion", "patch": 32, "stride": 32}]
    found = rrr.examine(dense, example.images, example.masks, explainers=asked, most=4, out=tmp_path)
    assert found.explainers[0].patch == 32
    assert "nothing: the model has no convolution" in str(found)


def test_an_automatic_mask_needs_the_names_of_classes_with_images_alone(example):
    """Classes are renumbered to the model's outputs, and those without images need no object that a masker knows."""
    dataset = own_images.open_dataset(
        example.images, "deeplab", ["zebra", "disk", "cross"], {"disk": "cat", "cross": "dog"}
    )
    assert dataset.classes == ("zebra", "disk", "cross")
    assert {dataset.objects[record.label] for record in dataset.records} == {"cat", "dog"}
    assert set(dataset.objects) == {"cat", "dog"}
    assert {(record.id.split("/")[0], record.label) for record in dataset.records} == {("disk", 1), ("cross", 2)}


@pytest.mark.parametrize("name", sorted(rrr.preprocessing.KERAS))
def test_preprocessing_by_the_name_of_a_keras_module_is_that_module_s(name):
    """The mode of each name does to raw RGB what ``preprocess_input`` of the module does."""
    pictures = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype(np.float32)
    module = getattr(keras.applications, name)
    mode = rrr.preprocessing.mode_of(name)
    ours = pictures if mode is None else np.asarray(rrr.preprocessing.Preprocess(mode)(pictures))
    np.testing.assert_allclose(ours, np.asarray(module.preprocess_input(pictures.copy())), atol=1e-4)


def test_ties_go_to_the_surer_answer_and_images_without_relevance_are_not_ranked(by_hand):
    """Two equal scores are ordered by probability; a zero map is left out of the order."""
    scores = by_hand.scores.copy()
    scores.loc[scores["image"] == "right/off", "probability"] = 0.99
    scores.loc[scores["image"] == "left/on", ["score", "zero_map"]] = [np.nan, True]
    changed = rrr.Triage(by_hand.network, by_hand.data, by_hand.explainers, by_hand.masks, scores, by_hand.shift, None)
    worst = changed.worst()
    assert worst["image"].tolist()[:2] == ["right/off", "left/off"]
    assert "left/on" not in set(worst["image"])
    assert isinstance(worst, pd.DataFrame)


def squares(folder, colours, size=16):
    """Write images of one grey each, by class, with the mask of a square in the middle; return their two folders."""
    mask = np.zeros((size, size), np.uint8)
    mask[4:12, 4:12] = 255
    for label, greys in colours.items():
        for number, grey in enumerate(greys):
            write(folder / "images" / label / f"{number}.png", np.full((size, size, 3), grey, np.uint8))
            write(folder / "masks" / label / f"{number}.png", mask)
    return folder / "images", folder / "masks"


def write(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def brighter(threshold, size=16):
    """A model with one sigmoid, which says the second class where the mean of what it gets is over ``threshold``."""
    mean = [keras.Input((size, size, 3)), layers.Conv2D(1, 1, use_bias=False), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*mean, layers.Dense(1, activation="sigmoid")], name="brighter")
    model.set_weights([np.full((1, 1, 3, 1), 1 / 3), np.array([[10.0]]), np.array([-10.0 * threshold])])
    return model


def test_both_sides_of_one_sigmoid_have_relevance_by_hand(tmp_path):
    """Covered with a grey between the two classes, each answer falls evenly but on a spot: 64 of 240 on the square."""
    images, masks = squares(tmp_path, {"dark": [5] * 2, "light": [40] * 2})
    for path in images.glob("*/*.png"):
        array = np.array(Image.open(path))
        array[:4, :4] = {"dark": 100, "light": 0}[path.parent.name]
        write(path, array)
    asked = [Occlusion(patch=4, stride=4, fill=20)]
    model = brighter(0.09)
    found = rrr.examine(model, images, masks, preprocess="unit", explainers=asked, backgrounds=["mean"], out=tmp_path)
    np.testing.assert_allclose(found.scores["score"], 64 / 240, rtol=1e-5)
    pictures = np.asarray(found.data.images, np.float32)
    second = np.asarray(model(pictures / 255))[:, 0]
    logits = np.asarray(found.network.model(pictures))
    np.testing.assert_allclose(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), second, rtol=1e-5)
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(found.network.neutral, 0)
    assert "scaled by preprocess" in str(found)


@pytest.mark.parametrize(
    ("dark", "words"),
    [
        ([5] * 12, r"right on 50% of 24 images, which is not told from guessing"),
        ([0] * 8 + [5] * 4, r"right on 83% of"),
    ],
)
def test_another_preprocessing_is_noticed(tmp_path, dark, words):
    """A model of RGB divided by 255 gets it raw and calls all but black light; the note names what it was trained on.

    The other modes of ``keras.applications`` bring these dark images below 0, where all are dark.
    """
    images, masks = squares(tmp_path, {"dark": dark, "light": [40] * 12})
    asked = {"explainers": ["occlusion"], "backgrounds": ["mean"], "out": tmp_path}
    note = rrr.examine(brighter(0.09), images, masks, **asked).notes[0]
    assert re.search(words, note)
    assert "with preprocess='unit' it is right on 100%" in note
    assert not any(
        "right on" in note for note in rrr.examine(brighter(0.09), images, masks, preprocess="unit", **asked).notes
    )


def test_few_right_answers_are_no_fault_of_the_model(tmp_path):
    """Two of two are not told from guessing, and the note asks for more images."""
    images, masks = squares(tmp_path, {"dark": [5], "light": [40]})
    found = rrr.examine(
        brighter(0.09), images, masks, preprocess="unit", explainers=["occlusion"], backgrounds=["mean"], out=tmp_path
    )
    assert "right on 100% of 2 images, which is not told from guessing (50%). These are too few" in found.notes[0]


def test_all_preprocessings_with_which_a_model_works_are_named(tmp_path):
    """Twelve dark and twelve light images do not tell four scalings apart: all are named, the best ones first.

    By "tf" the grey 180 of one light image becomes 0.41, below the threshold of 0.5; raw, even 5 is above it.
    """
    images, masks = squares(tmp_path, {"dark": [5] * 12, "light": [200] * 11 + [180]})
    asked = {"explainers": ["occlusion"], "backgrounds": ["mean"], "out": tmp_path}
    note = rrr.examine(brighter(0.5), images, masks, **asked).notes[0]
    told = re.findall(r"with preprocess='(\w+)' it is right on (\d+)%", note)
    assert sorted(told[:3]) == [("caffe", "100"), ("torch", "100"), ("unit", "100")]
    assert told[3:] == [("tf", "96")]


def test_a_model_that_says_one_thing_is_noticed(tmp_path):
    """Right on three of four images, and not told from a model that does not look: it answers one class alone."""
    images, masks = squares(tmp_path, {"dark": [5] * 30, "light": [6] * 4})
    found = rrr.examine(
        brighter(0.09), images, masks, preprocess="unit", explainers=["occlusion"], backgrounds=["mean"], out=tmp_path
    )
    assert "The model answers 'dark' on every image, which is right on 88% of them." in found.notes


def test_explainers_that_contradict_each_other_are_noticed(by_hand):
    """Of twelve right answers six are below chance by one explainer, and two others by the other: none by both."""
    rows = pd.concat([by_hand.scores.iloc[[0]]] * 24, ignore_index=True)
    rows["image"] = [f"left/{number}" for number in range(12)] * 2
    rows["explainer"] = ["occlusion"] * 12 + ["lime"] * 12
    rows["correct"], rows["chance"] = True, 0.5
    rows["score"] = [0.4] * 6 + [0.6] * 6 + [0.6] * 6 + [0.4] * 2 + [0.6] * 4
    two = dataclasses.replace(by_hand, scores=rows, explainers=(Occlusion(), LIME()))
    (note,) = doubts._of_explainers(two)
    assert "Occlusion and LIME contradict each other: of 8 right answers" in note
    assert "below chance by one of them, 0 do by both" in note
    agree = dataclasses.replace(two, scores=rows.assign(score=([0.4] * 6 + [0.6] * 6) * 2))
    assert not doubts._of_explainers(agree)
    few = dataclasses.replace(two, scores=rows[rows["image"].isin(["left/0", "left/6", "left/7", "left/11"])])
    assert not doubts._of_explainers(few)


def test_grad_cam_before_attention_is_noticed(tmp_path):
    """A small transformer on patches: its only convolution cuts patches, and attention mixes them."""
    inputs = keras.Input((16, 16, 3))
    patches = layers.Reshape((16, 4))(layers.Conv2D(4, 4, strides=4, name="patches")(inputs))
    mixed = layers.MultiHeadAttention(1, 4)(patches, patches)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(mixed)))
    images, masks = squares(tmp_path, {"dark": [5, 50, 90], "light": [40, 200, 250]})
    asked = {"backgrounds": ["mean"], "out": tmp_path}
    found = rrr.examine(model, images, masks, explainers=["grad_cam"], **asked)
    notes = doubts._of_explainers(found)
    assert any("Grad-CAM reads patches, and attention comes behind it" in note for note in notes)
    assert "Grad-CAM reads: patches, 4 x 4 cells" in str(found)
    assert not doubts._of_explainers(dataclasses.replace(found, explainers=(Occlusion(),)))
    flat = dataclasses.replace(found.network, grad_cam_layer=found.network.model.layers[-1].name)
    assert "which is no map" in str(dataclasses.replace(found, network=flat))


def test_one_image_has_no_other_background(tmp_path):
    """Said before anything is scored, with what to leave out."""
    images, masks = squares(tmp_path, {"dark": [5]})
    asked = {"preprocess": "unit", "classes": ["dark", "light"], "explainers": ["occlusion"], "out": tmp_path / "out"}
    with pytest.raises(ValueError, match=r"there is one image with a mask.*backgrounds=\['random', 'mean'\]"):
        rrr.examine(brighter(0.09), images, masks, **asked)
    assert not (tmp_path / "out" / "scores.parquet").exists()


def test_maps_that_say_nothing_are_noticed(tmp_path):
    """Covered with black, no dark image becomes less dark: half of the images have no relevance, and a note says so."""
    images, masks = squares(tmp_path, {"dark": [5] * 12, "light": [40] * 12})
    found = rrr.examine(
        brighter(0.09), images, masks, preprocess="unit", explainers=["occlusion"], backgrounds=["mean"], out=tmp_path
    )
    (note,) = found.notes
    assert "Occlusion finds no relevance on 12 of 24 images" in note


def test_masks_that_say_nothing_are_noticed(tmp_path):
    """Masks that are white everywhere or black on white are said; those in an alpha channel are refused by name."""
    images, masks = squares(tmp_path, {"dark": [5] * 2, "light": [40] * 2})
    asked = {"explainers": ["occlusion"], "backgrounds": ["mean"]}
    constant = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(2, kernel_initializer="zeros")]
    )
    usual = rrr.examine(constant, images, masks, **asked, out=tmp_path / "usual")
    assert not any("masks" in note for note in usual.notes)
    for path in sorted(masks.glob("*/*.png")):
        grey = np.array(Image.open(path))
        write(tmp_path / "inverted" / path.relative_to(masks), 255 - grey)
        write(tmp_path / "white" / path.relative_to(masks), np.full_like(grey, 255))
        write(tmp_path / "alpha" / path.relative_to(masks), np.dstack([np.full((16, 16, 3), 255, np.uint8), grey]))
    found = rrr.examine(constant, images, tmp_path / "inverted", **asked, out=tmp_path / "out")
    assert any("white along 100% of the images' borders" in note for note in found.notes)
    with pytest.raises(ValueError, match=r"All 4 masks cover their whole image.* white objects on black"):
        rrr.examine(constant, images, tmp_path / "white", **asked, out=tmp_path / "out")
    write(tmp_path / "white/dark/0.png", np.array(Image.open(masks / "dark/0.png")))
    found = rrr.examine(constant, images, tmp_path / "white", **asked, out=tmp_path / "out")
    assert any("3 of 4 masks cover their whole image" in note for note in found.notes)
    with pytest.raises(ValueError, match=r"'dark/0': .*alpha/dark/0\.png is transparent in places .*Save it without"):
        rrr.examine(constant, images, tmp_path / "alpha", **asked, out=tmp_path / "out")


def test_a_class_without_masks_names_the_file_that_is_looked_for(tmp_path):
    """Masks under other names: the message says which name is expected and which there are."""
    images, masks = squares(tmp_path, {"cat": [5, 6], "dog": [40]})
    for path in list(masks.glob("cat/*.png")):
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    with pytest.raises(ValueError, match=r"None of the 2 images of 'cat' has a mask.*cat/0\.png.*cat/0_mask\.png"):
        own_images.open_dataset(images, masks)


def test_masks_of_another_size_are_counted_with_the_remedy(tmp_path):
    """One line that resizes; where a photograph lies on its side by EXIF, one that turns it."""
    images, masks = squares(tmp_path, {"cat": [5, 6, 7], "dog": [40]})
    write(masks / "cat" / "1.png", np.zeros((8, 8), np.uint8))
    write(masks / "dog" / "0.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"2 of 4 masks .*cat/1\.png has 8 x 8 .*'1\.png'\)\.resize\(\(16, 16\)"):
        own_images.open_dataset(images, masks)
    images, masks = squares(tmp_path / "turned", {"cat": [5]})
    (images / "cat" / "0.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    write(images / "cat" / "0.jpg", np.zeros((16, 24, 3), np.uint8), exif=exif)
    write(masks / "cat" / "0.png", np.zeros((24, 16), np.uint8))
    with pytest.raises(ValueError, match=r"1 of 1 masks .* EXIF .*exif_transpose"):
        own_images.open_dataset(images, masks)
    words = b"Exif\0\0II*\0" + struct.pack("<IHHHI4sI", 8, 1, 0x0112, 2, 4, b"six", 0)  # a text, which it may not be
    write(images / "cat" / "0.jpg", np.zeros((16, 24, 3), np.uint8), exif=words)
    with pytest.raises(ValueError, match=r"1 of 1 masks .*resize"):
        own_images.open_dataset(images, masks)


def test_a_folder_that_is_not_there_or_holds_nothing_known_is_said(tmp_path):
    """What was expected, the network that was probably meant, and what was found instead."""
    images, masks = squares(tmp_path, {"cat": [5]})
    with pytest.raises(
        FileNotFoundError, match=r"`images` names .*nowhere, which is not a folder.*images/cat/tom\.jpg"
    ):
        own_images.open_dataset(tmp_path / "nowhere", masks)
    with pytest.raises(FileNotFoundError, match="Did you mean 'deeplab'"):
        own_images.open_dataset(images, "deeplabv3")
    write(tmp_path / "scans" / "cat" / "0.tif", np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"end in .*\.png.*1 files \(1 \.tif\), such as cat/0\.tif"):
        own_images.open_dataset(tmp_path / "scans", masks)


def test_the_file_of_a_mask_network_is_asked_for_by_the_name_that_it_has_here(example, tmp_path, monkeypatch):
    """Without a data folder the message names the argument of ``examine``."""
    monkeypatch.delenv("RRR_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=r"mask_options=\{'model'"):
        rrr.examine(
            example.model, example.images, "deeplab", objects={"cross": "cat", "disk": "dog"}, out=tmp_path / "out"
        )


def test_nothing_of_the_process_is_changed(by_hand, tmp_path, monkeypatch):
    """The state of Python's `random`, from which Keras draws seeds, and the threads are those of before."""
    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(2, 3), layers.Dropout(0.5), layers.Flatten()])
    model.add(layers.Dense(2, activation="softmax"))
    model.save(tmp_path / "model.keras")
    folder = by_hand.path.parent
    monkeypatch.setattr(tqdm.tqdm, "monitor", None)  # as in a process without any bar
    for each in (model, tmp_path / "model.keras"):
        before = random.getstate(), set(threading.enumerate())
        rrr.examine(each, folder / "images", folder / "masks", explainers=["occlusion"], out=tmp_path / "out")
        assert (random.getstate(), set(threading.enumerate())) == before


class LikesTheDark(layers.Layer):
    """Does nothing to noise, and draws random numbers where an image is even."""

    def call(self, x):
        even = keras.ops.std(x, axis=(1, 2, 3), keepdims=True) < 60
        return x + 100 * keras.random.normal(keras.ops.shape(x)) * keras.ops.cast(even, x.dtype)


def test_the_model_itself_is_asked_about_the_images_too(example, tmp_path):
    """What noise does not show is refused before anything is scored."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((64, 64, 3)), LikesTheDark(), layers.Conv2D(2, 3), layers.Flatten()])
    model.add(layers.Dense(2, activation="softmax"))
    with pytest.raises(ValueError, match=r"on the images a probability .* differs from its own by"):
        rrr.examine(model, example.images, example.masks, out=tmp_path, explainers=["grad_cam"])
    assert not (tmp_path / "scores.parquet").exists()


def test_a_crop_is_refused_before_anything_is_computed_and_log_p_is_said(example, tmp_path):
    """Grad-CAM by the cause, with what to ask for instead, which works and says that it explains log p."""
    inputs = keras.Input((64, 64, 3))
    x = layers.Conv2D(4, 3)(layers.CenterCrop(40, 40)(layers.Rescaling(1 / 255)(inputs)))
    p = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, 0.9 * p + 0.05)
    arguments = {"images": example.images, "masks": example.masks, "out": tmp_path / "out", "most": 8}
    with pytest.raises(ValueError, match=r"grad_cam cannot lay .* crops the image.*explainers=\['occlusion', 'lime'\]"):
        rrr.examine(model, **arguments)
    assert not (tmp_path / "out").exists()
    found = rrr.examine(model, **arguments, explainers=["occlusion"], backgrounds=["mean"])
    assert "logarithm of the label's probability" in found.about["explained"]
    assert "logarithm of the label&#39;s probability" in found.report().read_text()
