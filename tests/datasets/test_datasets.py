"""Data sets read the original layouts, pair by name, and say what is missing."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import io

from rrr_utils import datasets
from rrr_utils.common.names import SOURCES
from rrr_utils.datasets import caltech101, cifar10, images
from rrr_utils.own_model import images as own_images

REAL = os.environ.get("RRR_DATA_DIR")
real_data = [pytest.mark.real_data, pytest.mark.skipif(REAL is None, reason="RRR_DATA_DIR is not set")]


def paint(path, height=20, width=30, value=100):
    """Write a grey picture and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path)
    return path


def mask(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


def kaggle(root, numbers=range(12)):
    for number in numbers:
        for name in ("cat", "dog"):
            paint(root / "dogs_vs_cats" / "train" / f"{name}.{number}.jpg")


def annotate(path, contour, box):
    path.parent.mkdir(parents=True, exist_ok=True)
    io.savemat(path, {"obj_contour": np.asarray(contour, float), "box_coord": np.asarray([box], np.uint16)})


# A box with corners (5, 3) and (14, 9) in x and y, counted from 0, drawn from the corner of a box at (4, 2) from 1.
SQUARE = ([[2, 11, 11, 2], [2, 2, 8, 8]], [2, 12, 4, 20])


def caltech(root, categories=("ant", "brain"), count=3):
    for category in categories:
        for number in range(1, count + 1):
            paint(root / f"caltech101/101_ObjectCategories/{category}/image_{number:04d}.jpg")
            annotate(root / f"caltech101/Annotations/{category}/annotation_{number:04d}.mat", *SQUARE)
    return root / "caltech101"


TRIMAP = np.full((20, 30), 2)
TRIMAP[5:15, 5:25] = 3
TRIMAP[7:13, 8:22] = 1


def pets(root, names=("Abyssinian_1", "Abyssinian_2", "Bengal_1", "pug_1", "american_bulldog_7")):
    for name in names:
        paint(root / f"oxford_pets/images/{name}.jpg")
        mask(root / f"oxford_pets/annotations/trimaps/{name}.png", TRIMAP)
    return root / "oxford_pets"


def own(root):
    for name in ("cat/a", "cat/b", "dog/a"):
        paint(root / "mine" / f"{name}.jpg")
        mask(root / "masks" / f"{name}.png", np.pad(np.full((4, 6), 255), ((0, 16), (0, 24))))
    return {"images": str(root / "mine"), "masks": str(root / "masks")}


# What all have in common.


@pytest.mark.parametrize("source", [name for name in SOURCES if name not in ("confounded", "folder")])
def test_missing_data_are_an_error_with_the_way_to_get_them(tmp_path, source):
    """The message names the folder, RRR_DATA_DIR and the command, with and without a data folder."""
    with pytest.raises(FileNotFoundError) as caught:
        datasets.open_dataset(source, tmp_path)
    for words in (
        str(tmp_path / source),
        "RRR_DATA_DIR",
        f"rrr fetch {source} --into {tmp_path}/{source}",
    ):
        assert words in str(caught.value)
    with pytest.raises(FileNotFoundError, match="Set RRR_DATA_DIR"):
        datasets.open_dataset(source, None)


@pytest.mark.parametrize("source", SOURCES)
def test_an_unknown_option_is_refused_with_the_nearest(tmp_path, source):
    """A misspelt option never passes in silence, whether or not the data are there."""
    with pytest.raises(ValueError, match=f"option of {source}"):
        datasets.open_dataset(source, tmp_path, {"imagges": 3})


def test_an_unknown_source_is_refused_with_the_nearest():
    """The list of sources and the one that was meant."""
    with pytest.raises(ValueError, match=r"Did you mean 'oxford_pets'"):
        datasets.open_dataset("oxfort_pets")


def test_one_class_only_is_refused(tmp_path):
    """A classifier needs two classes: one folder, one category, one species, only cats."""
    paint(tmp_path / "mine" / "cat" / "a.jpg")
    with pytest.raises(ValueError, match=r"has images of \['cat'\]; a classifier needs at least two"):
        datasets.open_dataset("folder", None, {"images": str(tmp_path / "mine")})
    caltech(tmp_path)
    with pytest.raises(ValueError, match=r"\['ant'\]"):
        datasets.open_dataset("caltech101", tmp_path, {"categories": ["ant"]})
    pets(tmp_path, ["Abyssinian_1", "Bengal_1"])
    with pytest.raises(ValueError, match=r"\['cat'\]"):
        datasets.open_dataset("oxford_pets", tmp_path)
    paint(tmp_path / "dogs_vs_cats/train/cat.1.jpg")
    with pytest.raises(ValueError, match=r"\['cat'\]"):
        datasets.open_dataset("dogs_vs_cats", tmp_path)


def test_no_class_at_all_is_refused(tmp_path):
    """An empty folder is no data set."""
    with pytest.raises(ValueError, match="has images of no class"):
        datasets.open_dataset("folder", tmp_path, {"images": "."})


def test_a_data_set_without_outlines_says_where_masks_come_from(tmp_path):
    """The photographs of cats and dogs have none."""
    kaggle(tmp_path)
    dataset = datasets.open_dataset("dogs_vs_cats", tmp_path)
    with pytest.raises(datasets.NoOutline, match=r"cat\.0.*`deeplab` or `mask_rcnn`"):
        dataset.outline(dataset.records[0])
    assert dataset.shifted(dataset.records[0]) is None


def test_a_record_without_a_file_is_refused():
    """A record made by hand for a data set of files."""
    dataset = datasets.Dataset("mine", ("a", "b"), (datasets.Record("a.0", 0),), ("a", "b"), "none", False)
    with pytest.raises(ValueError, match=r"Record a\.0 of data set 'mine' has no file"):
        dataset.image(dataset.records[0])


# Dogs vs. Cats.


def test_both_layouts_of_dogs_vs_cats_give_the_same_records(tmp_path):
    """train/cat.3.jpg and PetImages/Cat/3.jpg are both cat.3; what is not a photograph is counted."""
    kaggle(tmp_path / "a")
    for number in range(12):
        for name in ("Cat", "Dog"):
            paint(tmp_path / "b/dogs_vs_cats/PetImages" / name / f"{number}.jpg")
    (tmp_path / "b/dogs_vs_cats/PetImages/Cat/Thumbs.db").write_bytes(b"x")
    first, second = (datasets.open_dataset("dogs_vs_cats", tmp_path / name) for name in "ab")
    assert [(record.id, record.label) for record in first.records] == [(r.id, r.label) for r in second.records]
    assert [record.id for record in first.records[:4]] == ["cat.0", "cat.1", "cat.10", "cat.11"]
    assert second.records[0].path == tmp_path / "b/dogs_vs_cats/PetImages/Cat/0.jpg"
    assert second.notes == ("1 files are not named like photographs and were left out",)
    assert (first.classes, first.pictures) == (("cat", "dog"), False)
    assert first.image(first.records[0]).array.shape == (20, 30, 3)


def test_dogs_vs_cats_draws_a_balanced_part_by_seed(tmp_path):
    """Six of 24 are three of each; the same seed draws the same six; more than there are is refused."""
    kaggle(tmp_path)
    drawn = [datasets.open_dataset("dogs_vs_cats", tmp_path, {"images": 6, "seed": seed}).records for seed in (0, 0, 1)]
    assert [record.label for record in drawn[0]] == [0, 0, 0, 1, 1, 1]
    assert drawn[0] == drawn[1] != drawn[2]
    for choice in ("drawn", "authors"):
        with pytest.raises(ValueError, match="`images` asks for"):
            datasets.open_dataset("dogs_vs_cats", tmp_path, {"images": 26, "choice": choice})


def test_the_authors_choice_is_the_first_of_each_by_name(tmp_path):
    """As text, cat.10 and cat.11 come before cat.2."""
    kaggle(tmp_path)
    records = datasets.open_dataset("dogs_vs_cats", tmp_path, {"images": 6, "choice": "authors"}).records
    assert [record.id for record in records] == ["cat.0", "cat.1", "cat.10", "dog.0", "dog.1", "dog.10"]


def test_a_bad_photograph_is_found_when_it_is_asked_for(tmp_path):
    """Listing does not fail on an empty file; decoding it does, by name."""
    kaggle(tmp_path)
    path = tmp_path / "dogs_vs_cats/train/cat.5.jpg"
    path.write_bytes(b"")
    dataset = datasets.open_dataset("dogs_vs_cats", tmp_path)
    record = next(record for record in dataset.records if record.id == "cat.5")
    with pytest.raises(images.BadImage, match=r"cat\.5\.jpg: the file is empty"):
        dataset.image(record)


# Caltech 101.


def test_an_outline_by_hand(tmp_path):
    """A rectangle from x 5 to 14 and y 3 to 9 covers rows 3 to 9 and columns 5 to 14, its edge included or not."""
    caltech(tmp_path)
    dataset = datasets.open_dataset("caltech101", tmp_path)
    outline = dataset.outline(dataset.records[0])
    assert outline.shape == (20, 30)
    assert outline.dtype == np.float32
    assert set(np.unique(outline)) == {0.0, 1.0}
    assert outline[4:9, 6:14].all()
    outline[3:10, 5:15] = 0
    assert not outline.any()


def test_image_and_outline_are_paired_by_number(tmp_path):
    """One annotation removed: that image alone has none, and no other image's outline moves up."""
    root = caltech(tmp_path)
    annotate(root / "Annotations/ant/annotation_0003.mat", [[0, 5, 5, 0], [0, 0, 5, 5]], [1, 9, 1, 9])
    (root / "Annotations/ant/annotation_0002.mat").unlink()
    dataset = datasets.open_dataset("caltech101", tmp_path)
    by_id = {record.id: record for record in dataset.records}
    assert list(by_id) == [f"{name}/image_000{number}" for name in ("ant", "brain") for number in (1, 2, 3)]
    with pytest.raises(datasets.NoOutline, match=r"ant/image_0002 has no outline: there is no annotation .*_0002\.mat"):
        dataset.outline(by_id["ant/image_0002"])
    assert dataset.outline(by_id["ant/image_0003"])[2, 2] == 1
    assert dataset.outline(by_id["ant/image_0001"])[2, 2] == 0
    assert dataset.notes == ("1 images have no annotation",)


def test_annotation_folders_of_other_names_are_found(tmp_path):
    """Each of the four odd names, and the image folder's own name where somebody has renamed it."""
    for number, (category, odd) in enumerate(caltech101.ODD_NAMES.items()):
        root = tmp_path / str(number)
        caltech(root, (category, "ant"), 1)
        (root / "caltech101/Annotations" / category).rename(root / "caltech101/Annotations" / odd)
        dataset = datasets.open_dataset("caltech101", root)
        assert all(dataset.outline(record).any() for record in dataset.records)
    assert number == 3


def test_the_background_folder_is_no_category_and_unknown_categories_are_refused(tmp_path):
    """BACKGROUND_Google has no object; a misspelt category gets the nearest name."""
    root = caltech(tmp_path)
    paint(root / "101_ObjectCategories/BACKGROUND_Google/image_0001.jpg")
    assert datasets.open_dataset("caltech101", tmp_path).classes == ("ant", "brain")
    with pytest.raises(ValueError, match="Did you mean 'brain'"):
        datasets.open_dataset("caltech101", tmp_path, {"categories": ["ant", "brian"]})


def test_the_cap_is_drawn_by_seed_and_small_categories_are_noted(tmp_path):
    """Two of three ants, all of two brains where three are asked for; the same seed, the same draw."""
    caltech(tmp_path, ("ant",), 9)
    caltech(tmp_path, ("brain",), 2)
    dataset = datasets.open_dataset("caltech101", tmp_path, {"cap": 3})
    assert [record.label for record in dataset.records] == [0, 0, 0, 1, 1]
    assert dataset.notes == ("1 categories have fewer than 3 images: brain 2",)
    assert dataset.records == datasets.open_dataset("caltech101", tmp_path, {"cap": 3}).records
    assert dataset.records != datasets.open_dataset("caltech101", tmp_path, {"cap": 3, "seed": 1}).records


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"MATLAB 5.0 MAT-file" + b"\0" * 40, "cannot be read"),
        (b"\0" * 70_000, "has 70000 bytes, more than 65536"),
        ({"obj_contour": np.zeros((2, 5))}, "cannot be read .*box_coord"),
        ({"obj_contour": np.zeros((3, 5)), "box_coord": np.ones((1, 4))}, r"but they\s+have \(3, 5\) and \(1, 4\)"),
        ({"obj_contour": np.zeros((2, 2)), "box_coord": np.ones((1, 4))}, r"\(2, 2\)"),
        ({"obj_contour": np.full((2, 5), np.nan), "box_coord": np.ones((1, 4))}, "that no picture has"),
        ({"obj_contour": np.full((2, 5), 1e9), "box_coord": np.ones((1, 4))}, "that no picture has"),
        ({"obj_contour": "text", "box_coord": np.ones((1, 4))}, "cannot be read|but they"),
    ],
)
def test_a_damaged_annotation_is_refused_by_name(tmp_path, content, reason):
    """Empty, foreign, oversized, incomplete, of another shape, or with impossible numbers."""
    path = caltech(tmp_path) / "Annotations/ant/annotation_0001.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        io.savemat(path, content)
    dataset = datasets.open_dataset("caltech101", tmp_path)
    with pytest.raises(datasets.NoOutline, match=reason) as caught:
        dataset.outline(dataset.records[0])
    assert str(path) in caught.value.reason


def test_an_outline_beside_the_picture_is_an_empty_mask(tmp_path):
    """Clipped to the picture, nothing is left; that is an image without an object, not an error."""
    root = caltech(tmp_path)
    annotate(root / "Annotations/ant/annotation_0001.mat", SQUARE[0], [200, 300, 200, 300])
    dataset = datasets.open_dataset("caltech101", tmp_path)
    assert dataset.outline(dataset.records[0]).sum() == 0


# Oxford-IIIT Pet.


def test_species_and_breeds_follow_from_the_name(tmp_path):
    """Capitalised breeds are cats; a breed's plain object is its species."""
    pets(tmp_path)
    species = datasets.open_dataset("oxford_pets", tmp_path)
    assert {record.id: record.label for record in species.records} == {
        "Abyssinian_1": 0,
        "Abyssinian_2": 0,
        "Bengal_1": 0,
        "american_bulldog_7": 1,
        "pug_1": 1,
    }
    breeds = datasets.open_dataset("oxford_pets", tmp_path, {"task": "breed"})
    assert breeds.classes == ("Abyssinian", "Bengal", "american_bulldog", "pug")
    assert breeds.objects == ("cat", "cat", "dog", "dog")
    assert [record.label for record in breeds.records] == [0, 0, 1, 2, 3]
    two = datasets.open_dataset("oxford_pets", tmp_path, {"breeds": ["Bengal", "pug"]})
    assert [record.id for record in two.records] == ["Bengal_1", "pug_1"]


def test_the_border_is_part_of_the_object_unless_switched_off(tmp_path):
    """10 x 20 pixels with the border, 6 x 14 without."""
    pets(tmp_path)
    areas = []
    for border in (True, False):
        dataset = datasets.open_dataset("oxford_pets", tmp_path, {"border": border})
        areas.append(dataset.outline(dataset.records[0]).sum())
    assert areas == [200, 84]


def test_pets_that_are_listed_but_absent_are_counted(tmp_path):
    """Of four names in the list two are there; three images are not in the list."""
    root = pets(tmp_path)
    lines = ["#Image CLASS-ID", "Abyssinian_1 1 1 1", "Abyssinian_3 1 1 1", "pug_1 2 2 1", "pug_2 2 2 1"]
    (root / "annotations/list.txt").write_text("\n".join(lines))
    assert datasets.open_dataset("oxford_pets", tmp_path).notes == (
        "2 of the 4 images named in list.txt are not there",
        "3 images are not named in list.txt; they are used",
    )


def test_bad_trimaps(tmp_path):
    """Missing, damaged and foreign ones are no outline, an empty one is an empty mask, another size stops."""
    root = pets(tmp_path)
    trimaps = root / "annotations/trimaps"
    (trimaps / "Abyssinian_1.png").unlink()
    (trimaps / "Abyssinian_2.png").write_bytes(b"\x89PNG")
    mask(trimaps / "Bengal_1.png", np.full((20, 30), 2))
    mask(trimaps / "american_bulldog_7.png", np.full((20, 30), 7))
    mask(trimaps / "pug_1.png", np.full((20, 31), 1))
    dataset = datasets.open_dataset("oxford_pets", tmp_path)
    missing, damaged, empty, foreign, other = dataset.records
    with pytest.raises(datasets.NoOutline, match=r"there is no trimap .*Abyssinian_1\.png"):
        dataset.outline(missing)
    with pytest.raises(datasets.NoOutline, match=r"trimap .*Abyssinian_2\.png: not an image"):
        dataset.outline(damaged)
    assert dataset.outline(empty).sum() == 0
    with pytest.raises(datasets.NoOutline, match=r"must hold 1, 2 and 3, but it holds \[7\]"):
        dataset.outline(foreign)
    with pytest.raises(ValueError, match=r"pug_1\.png has 20 x 31 pixels.*pug_1\.jpg has 20 x 30"):
        dataset.outline(other)


# One's own images.


def test_a_folder_is_classes_and_masks_of_the_same_name(tmp_path):
    """Subfolders are classes, ids are relative paths, and a mask is found whatever its suffix."""
    options = own(tmp_path)
    (tmp_path / "masks/dog/a.png").rename(tmp_path / "masks/dog/a.PNG")
    paint(tmp_path / "mine/dog/deep/er.png")
    paint(tmp_path / "mine/loose.jpg")
    dataset = datasets.open_dataset("folder", None, options)
    assert dataset.classes == dataset.objects == ("cat", "dog")
    assert [record.id for record in dataset.records] == ["cat/a", "cat/b", "dog/a", "dog/deep/er"]
    assert [dataset.outline(record).sum() for record in dataset.records[:3]] == [24, 24, 24]
    with pytest.raises(datasets.NoOutline, match=r"there is no mask .*masks/dog/deep/er\.png"):
        dataset.outline(dataset.records[3])
    assert dataset.notes == ("1 images lie beside the class folders and were left out", "1 images have no mask")
    assert datasets.open_dataset("folder", tmp_path, {"images": "mine"}).classes == ("cat", "dog")


def test_accents_that_macos_takes_apart_are_the_same_name(tmp_path):
    """A mask is found under either form; classes keep the order of the names on the disk, by which Keras numbers."""
    for folder, name in (("mine", "e\u0301lan"), ("masks", "\u00e9lan")):
        paint(tmp_path / folder / name / "u\u0308.png", value=255)
    for other in ("fox", "zebra"):
        paint(tmp_path / "mine" / other / "a.png")
        paint(tmp_path / "masks" / other / "a.png", value=255)
    options = {"images": str(tmp_path / "mine"), "masks": str(tmp_path / "masks")}
    dataset = datasets.open_dataset("folder", None, options)
    assert dataset.classes == ("\u00e9lan", "fox", "zebra")
    (record,) = (record for record in dataset.records if record.label == 0)
    assert record.id == "\u00e9lan/\u00fc"
    assert record.path.exists()
    paint(tmp_path / "masks" / "\u00e9lan" / "\u00fc.png", value=255)
    (tmp_path / "masks" / "\u00e9lan" / "u\u0308.png").unlink()
    dataset = own_images.open_dataset(tmp_path / "mine", tmp_path / "masks", ["zebra", "e\u0301lan", "fox"])
    assert dataset.classes == ("zebra", "\u00e9lan", "fox")
    (record,) = (record for record in dataset.records if record.label == 1)
    assert dataset.outline(record).all()
    paint(tmp_path / "mine" / "\u00e9lan" / "b.png")
    with pytest.raises(ValueError, match="accents stored in two ways"):
        datasets.open_dataset("folder", None, options)


def test_a_mask_of_another_size_is_refused_with_both_names(tmp_path):
    """The message names mask and image with their sizes and the remedy."""
    options = own(tmp_path)
    mask(tmp_path / "masks/cat/a.png", np.full((10, 15), 255))
    dataset = datasets.open_dataset("folder", None, options)
    with pytest.raises(ValueError, match=r"masks/cat/a\.png has 10 x 15 .*mine/cat/a\.jpg has 20 x 30.*restore"):
        dataset.outline(dataset.records[0])


@pytest.mark.parametrize(("values", "area"), [((0, 1), 300), ((0, 255), 300), ((100, 200), 300), ((0, 0), 0)])
def test_masks_of_0_and_1_or_0_to_255_are_read(tmp_path, values, area):
    """Half of white and more is the object; an all-black mask is empty."""
    options = own(tmp_path)
    mask(tmp_path / "masks/cat/a.png", np.repeat(values, 15)[np.newaxis].repeat(20, axis=0))
    dataset = datasets.open_dataset("folder", None, options)
    assert dataset.outline(dataset.records[0]).sum() == area


def test_label_images_are_no_masks(tmp_path):
    """Objects by number with a border of 255, with and without a palette; three levels; a soft edge is none of them."""
    options = own(tmp_path)
    path = tmp_path / "masks/cat/a.png"
    dataset = datasets.open_dataset("folder", None, options)
    labels = np.zeros((20, 30), np.uint8)
    labels[2:18, 2:28] = 255
    labels[5:15, 5:25] = 1
    mask(path, labels)
    with pytest.raises(ValueError, match=r"has areas of the levels 0, 1, 255 and values up to 255; expected black and"):
        dataset.outline(dataset.records[0])
    voc = Image.fromarray(labels).convert("P")
    voc.putpalette([0, 0, 0, 64, 0, 0] + [0, 0, 0] * 253 + [224, 224, 192])
    voc.save(path)
    with pytest.raises(ValueError, match=r"levels 0, 64, 224 .*np\.where\(labels == number, 255, 0\)"):
        dataset.outline(dataset.records[0])
    # A thin border fills no area, but the object is far from white.
    labels[2:18, 2:28] = 0
    labels[4:16, 4:26] = 255
    labels[5:15, 5:25] = 1
    mask(path, labels)
    with pytest.raises(ValueError, match=r"levels 0, 1 and values up to 255"):
        dataset.outline(dataset.records[0])
    soft = np.full((20, 30), 0, np.uint8)
    soft[4:16, 4:26] = 128
    soft[5:15, 5:25] = 255
    mask(path, soft)
    assert dataset.outline(dataset.records[0]).sum() == 12 * 22
    path.unlink()
    Image.fromarray(soft).resize((30, 20)).save(tmp_path / "masks/cat/a.jpg", quality=70)
    dataset = datasets.open_dataset("folder", None, options)
    assert abs(dataset.outline(dataset.records[0]).sum() - 12 * 22) < 40


def test_files_of_another_kind_are_counted(tmp_path):
    """A folder with TIFF among its images says how many were left out."""
    options = own(tmp_path)
    for name in ("x.tiff", "y.tiff", ".hidden"):
        (tmp_path / "mine/cat" / name).write_bytes(b"")
    assert datasets.open_dataset("folder", None, options).notes == ("2 files that end in .tiff were left out",)


@pytest.mark.parametrize(("white", "area"), [(1, 300), (255, 300), (65_535, 300)])
def test_masks_of_16_bits_are_read_by_their_levels(tmp_path, white, area):
    """As OpenCV and scikit-image write them: half of the picture is white, whatever white is there."""
    options = own(tmp_path)
    values = np.repeat(np.array([0, white], np.uint16), 15)[np.newaxis].repeat(20, axis=0)
    Image.fromarray(values).save(tmp_path / "masks/cat/a.png")
    dataset = datasets.open_dataset("folder", None, options)
    assert dataset.outline(dataset.records[0]).sum() == area
    Image.fromarray(values // max(white // 300, 1) * 7).save(tmp_path / "masks/cat/a.png")
    with pytest.raises(ValueError, match=r"has values up to \d+; expected 0 and 255"):
        dataset.outline(dataset.records[0])


def test_a_transparent_mask_is_refused_because_it_can_be_meant_two_ways(tmp_path):
    """White everywhere with the object in alpha, or a cut-out; one that is opaque everywhere is read."""
    options = own(tmp_path)
    picture = np.zeros((20, 30, 4), np.uint8)
    picture[:, :15, :3], picture[..., 3] = 255, 255
    dataset = datasets.open_dataset("folder", None, options)
    for kind in ("RGBA", "LA"):
        Image.fromarray(picture).convert(kind).save(tmp_path / "masks/cat/a.png")
        assert dataset.outline(dataset.records[0]).sum() == 300
    picture[:, 20:, 3] = 0
    for kind in ("RGBA", "LA"):
        Image.fromarray(picture).convert(kind).save(tmp_path / "masks/cat/a.png")
        with pytest.raises(ValueError, match=r"masks/cat/a\.png is transparent in places .*white where the object is"):
            dataset.outline(dataset.records[0])


def test_a_name_that_is_no_text_is_refused_with_the_remedy(tmp_path):
    """Latin-1 from an old archive: found when the folder is opened, not when results are written."""
    options = own(tmp_path)
    (tmp_path / "mine/cat/a.jpg").rename(tmp_path / "mine/cat" / os.fsdecode(b"caf\xe9.jpg"))
    with pytest.raises(ValueError, match=r"caf.udce9\.jpg' is not UTF-8.*Rename it"):
        datasets.open_dataset("folder", None, options)


def test_relative_folders_count_from_the_data_or_from_the_project(tmp_path, monkeypatch):
    """Not from the working directory of a kernel, which is that of its notebook."""
    own(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    for data_dir in (tmp_path, None):
        assert datasets.open_dataset("folder", data_dir, {"images": "mine"}).classes == ("cat", "dog")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.open_dataset("folder", "/nowhere", {"images": "~/mine"}).classes == ("cat", "dog")


def test_bad_masks_of_ones_own(tmp_path):
    """Numbered objects stop with the remedy, a damaged file is no outline, and without masks there are none."""
    options = own(tmp_path)
    mask(tmp_path / "masks/cat/a.png", np.full((20, 30), 7))
    (tmp_path / "masks/cat/b.png").write_bytes(b"")
    dataset = datasets.open_dataset("folder", None, options)
    with pytest.raises(ValueError, match=r"has values up to 7; expected 0 and 255"):
        dataset.outline(dataset.records[0])
    with pytest.raises(datasets.NoOutline, match=r"masks/cat/b\.png: the file is empty"):
        dataset.outline(dataset.records[1])
    bare = datasets.open_dataset("folder", None, {"images": options["images"]})
    with pytest.raises(datasets.NoOutline, match="set the option `masks`"):
        bare.outline(bare.records[0])


def test_folders_that_cannot_be_meant_are_refused(tmp_path):
    """Not there, two images of one name, masks among the images, and no path at all."""
    options = own(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Option `images` .*nowhere, which is not a folder"):
        datasets.open_dataset("folder", tmp_path, {"images": "nowhere"})
    with pytest.raises(ValueError, match="lie among the images"):
        datasets.open_dataset("folder", tmp_path, {"images": ".", "masks": "masks"})
    with pytest.raises(ValueError, match=r"needs the option\(s\) \['images'\]"):
        datasets.open_dataset("folder", tmp_path, {})
    with pytest.raises(ValueError, match=r"`masks` must be the path of a folder, but 3"):
        datasets.open_dataset("folder", tmp_path, {**options, "masks": 3})
    paint(tmp_path / "mine/cat/a.png")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png have the same name"):
        datasets.open_dataset("folder", tmp_path, options)


# CIFAR-10.


def cifar(root, labels=(3, 5, 0, 3, 9)):
    """Six files of pictures whose first pixel is (file, place, label), and red in all of the first row."""
    for number, name in enumerate(cifar10.FILES):
        pictures = np.zeros((len(labels), 3, 32, 32), np.uint8)
        for place, label in enumerate(labels):
            pictures[place, 0, 0] = 200
            pictures[place, :, 0, 0] = number, place, label
        path = root / "cifar10/cifar-10-batches-bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = np.concatenate([np.array(labels, np.uint8)[:, None], pictures.reshape(len(labels), -1)], axis=1)
        path.write_bytes(rows.tobytes())
    return path


def test_cifar10_is_read_from_its_binary_version(tmp_path):
    """Planes become channels, rows stay rows, and a picture is the one that its id names."""
    cifar(tmp_path)
    dataset = datasets.open_dataset("cifar10", tmp_path)
    assert (len(dataset.records), len(dataset.classes)) == (30, 10)
    by_id = {record.id: record for record in dataset.records}
    found = dataset.image(by_id["test_batch/00003"]).array
    assert (found.shape, found.dtype) == ((32, 32, 3), np.uint8)
    assert found[0, 0].tolist() == [5, 3, 3]
    assert found[0, 31].tolist() == [200, 0, 0]
    assert found[1].max() == 0
    assert by_id["test_batch/00003"].label == 3
    with pytest.raises(datasets.NoOutline):
        dataset.outline(dataset.records[0])


def test_cifar10_keeps_the_classes_that_are_asked_for(tmp_path):
    """Labels count the chosen classes, in CIFAR-10's order; objects have the names that DeepLab knows."""
    cifar(tmp_path)
    dataset = datasets.open_dataset("cifar10", tmp_path, {"classes": ["cat", "airplane"], "images": 6})
    assert (dataset.classes, dataset.objects) == (("airplane", "cat"), ("aeroplane", "cat"))
    assert [record.label for record in dataset.records].count(0) == 3
    for record in dataset.records:
        assert dataset.image(record).array[0, 0, 2] == {0: 0, 1: 3}[record.label]
    with pytest.raises(ValueError, match="Did you mean 'airplane'"):
        datasets.open_dataset("cifar10", tmp_path, {"classes": ["airplan", "cat"]})


def test_a_file_that_is_not_cifar10_is_named(tmp_path):
    """Cut short, with a label that is none, missing, and cut after it was opened."""
    path = cifar(tmp_path)
    whole = path.read_bytes()
    dataset = datasets.open_dataset("cifar10", tmp_path)
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"test_batch\.bin must hold up to 10,000 pictures of 3073 bytes, but"):
        datasets.open_dataset("cifar10", tmp_path)
    with pytest.raises(images.BadImage, match="ends before image test_batch/00004"):
        dataset.image(next(record for record in dataset.records if record.id == "test_batch/00004"))
    path.write_bytes(bytes([10]) + whole[1:])
    with pytest.raises(ValueError, match=r"test_batch\.bin has the label 10"):
        datasets.open_dataset("cifar10", tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no file .*test_batch\.bin"):
        datasets.open_dataset("cifar10", tmp_path)


# The real thing.


@pytest.mark.parametrize("source", [pytest.param(name, marks=real_data) for name in ("caltech101", "oxford_pets")])
def test_real_outlines_fit_their_images(source):
    """Every twentieth image decodes, its outline has its size, and what it encloses is plausible in the mean."""
    if not (Path(str(REAL)) / source).is_dir():
        pytest.skip(f"{source} is not in RRR_DATA_DIR")
    dataset = datasets.open_dataset(source, REAL)
    areas = []
    for record in dataset.records[::20]:
        outline = dataset.outline(record)
        assert outline.shape == dataset.image(record).array.shape[:2]
        areas.append(outline.mean())
    assert 0.2 < np.mean(areas) < 0.5


@pytest.mark.parametrize("source", [pytest.param("oxford_pets", marks=real_data)])
def test_the_odd_files_among_real_pets(source):
    """A GIF with an all-background trimap and an RGBA PNG, both named .jpg, are read and noted."""
    if not (Path(str(REAL)) / source).is_dir():
        pytest.skip(f"{source} is not in RRR_DATA_DIR")
    dataset = datasets.open_dataset(source, REAL)
    by_id = {record.id: record for record in dataset.records}
    assert dataset.image(by_id["Abyssinian_34"]).note == "GIF named .jpg"
    assert dataset.outline(by_id["Abyssinian_34"]).sum() == 0
    assert "alpha dropped" in dataset.image(by_id["Abyssinian_5"]).note


@pytest.mark.parametrize("source", [pytest.param("dogs_vs_cats", marks=real_data)])
def test_real_dogs_and_cats(source):
    """Balanced, decodable, and never to be shown."""
    if not (Path(str(REAL)) / source).is_dir():
        pytest.skip(f"{source} is not in RRR_DATA_DIR")
    dataset = datasets.open_dataset(source, REAL, {"images": 20})
    assert [record.label for record in dataset.records] == [0] * 10 + [1] * 10
    assert all(dataset.image(record).array.ndim == 3 for record in dataset.records)
    assert not dataset.pictures
