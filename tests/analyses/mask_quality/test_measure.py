"""The quality of masks: overlaps by hand, what is compared, and what the score makes of another mask."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score, precision_score, recall_score

from rrr_utils import datasets
from rrr_utils.analyses.mask_quality import measure as mask_quality
from rrr_utils.analyses.mask_quality import statistics
from rrr_utils.masks import open_masker, prepared
from rrr_utils.statistics import proportion_interval
from rrr_utils.tables import parquet as tables


def test_overlap_by_hand():
    """2 x 2 pixels against the 2 x 3 that hold them: 4 of 6, all of it object, 4 of 6 of the object."""
    mask, reference = np.zeros((4, 4)), np.zeros((4, 4))
    mask[:2, :2] = 1
    reference[:2, :3] = 1
    assert mask_quality.overlap(mask, reference) == (4 / 6, 1.0, 4 / 6)
    assert mask_quality.overlap(reference, mask) == (4 / 6, 4 / 6, 1.0)


def test_overlap_is_jaccards_index_of_the_pixels():
    """Random masks: the same as scikit-learn counts pixel by pixel."""
    draw = np.random.default_rng(1)
    for _ in range(5):
        mask, reference = draw.random((9, 7)) < 0.4, draw.random((9, 7)) < 0.6
        expected = [f(reference.ravel(), mask.ravel()) for f in (jaccard_score, precision_score, recall_score)]
        np.testing.assert_allclose(mask_quality.overlap(mask, reference), expected)


def test_nothing_found_is_no_overlap_and_no_precision():
    """An empty mask counts as a miss; its precision is of nothing."""
    found = mask_quality.overlap(np.zeros((3, 3)), np.ones((3, 3)))
    assert (found.iou, found.recall) == (0, 0)
    assert np.isnan(found.precision)


def test_overlap_refuses_what_cannot_be_compared():
    """Other sizes, and a reference without an object."""
    with pytest.raises(ValueError, match=r"the same shape, but \(2, 2\) and \(3, 3\) differ"):
        mask_quality.overlap(np.ones((2, 2)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="`reference` is empty"):
        mask_quality.overlap(np.ones((2, 2)), np.zeros((2, 2)))


@pytest.fixture
def pets(tmp_path):
    """Four pictures of 8 x 6 with trimaps: a square of animal with a border of one pixel, 2 x 2 in 4 x 4."""
    for name in ("images", "annotations/trimaps"):
        (tmp_path / "oxford_pets" / name).mkdir(parents=True)
    trimap = np.full((8, 6), 2, np.uint8)
    trimap[2:6, 1:5] = 3
    trimap[3:5, 2:4] = 1
    for number, breed in enumerate(("Bengal_1", "Bengal_2", "pug_1", "pug_2")):
        picture = np.full((8, 6, 3), 40 * number, np.uint8)
        Image.fromarray(picture).save(tmp_path / "oxford_pets" / "images" / f"{breed}.jpg")
        Image.fromarray(trimap).save(tmp_path / "oxford_pets" / "annotations" / "trimaps" / f"{breed}.png")
    dataset = datasets.open_dataset("oxford_pets", tmp_path, {})
    folder = tmp_path / "ready"
    prepared.prepare("s", "d", dataset, open_masker("outlines", dataset), [32], folder, test_share=0.5, seed=0)
    return dataset, prepared.load(folder, 32)


def test_masks_are_compared_with_and_without_the_border(pets, tmp_path):
    """The box of the 4 x 4 outline is the outline; of the 2 x 2 without the border it holds a quarter."""
    dataset, ready = pets
    opened, left_out = mask_quality.open_maskers(["box"], dataset, None)
    assert left_out == {}
    quality, small = mask_quality.compare("s", dataset, opened, ready)
    assert len(quality) == 4 * 2
    by = quality.groupby("reference")[["iou", "precision", "recall", "area", "reference_area"]].agg(["min", "max"])
    assert by.loc["outlines"].tolist() == [1, 1, 1, 1, 1, 1, 16 / 48, 16 / 48, 16 / 48, 16 / 48]
    bare = by.loc["outlines without border"]
    assert bare.tolist() == [0.25, 0.25, 0.25, 0.25, 1, 1, 16 / 48, 16 / 48, 4 / 48, 4 / 48]
    np.testing.assert_array_equal(small["box"], ready.masks)
    tables.write(quality, tmp_path / "quality.parquet", "mask_quality")


def test_a_masker_without_its_file_is_left_out_with_the_reason(pets, tmp_path):
    """Its file is missing: named with the remedy. Anything else that is wrong stops everything."""
    opened, left_out = mask_quality.open_maskers(["mask_rcnn", "box"], pets[0], tmp_path)
    assert list(opened) == ["box"]
    assert "MaskRCNN-12.onnx" in left_out["mask_rcnn"]
    assert "fetch mask_rcnn" in left_out["mask_rcnn"]
    with pytest.raises(ValueError, match="`masks` must be one of"):
        mask_quality.open_maskers(["deeplap"], pets[0], tmp_path)


def rows(scores, source, shares, image=("a", "b", "c")):
    return pd.DataFrame(
        {
            "image": list(image),
            "seed": 0,
            "split": "test",
            "explainer": "grad_cam",
            "mask_source": source,
            "variant": "",
            "score": scores,
            "chance": shares,
            "correct": True,
            "zero_map": False,
        }
    )


def test_what_a_mask_moves_by_hand():
    """Differences -0.1, -0.2, -0.3 of the score; above chance 0.1 more each. A lost image does not count."""
    hand = rows([0.5, 0.6, 0.7, 0.9], "outlines", 0.4, image=("a", "b", "c", "d"))
    scores = pd.concat([hand, rows([0.4, 0.4, 0.4], "deeplab", 0.3)], ignore_index=True)
    (moved,) = statistics.by_masks(scores, "outlines").to_dict("records")
    assert moved["n"] == 3
    assert moved["mask_source"] == "deeplab"
    assert moved["difference"] == pytest.approx(-0.2)
    assert moved["low"] < -0.2 < moved["high"] < 0
    (above,) = statistics.by_masks(scores, "outlines", above=True).to_dict("records")
    assert above["difference"] == pytest.approx(-0.1)
    assert (above["mean_b"], above["mean_a"]) == (pytest.approx(0.2), pytest.approx(0.1))
    assert above["low"] == pytest.approx(moved["low"] + 0.1)
    assert above["high"] == pytest.approx(moved["high"] + 0.1)


def test_drift_by_overlap_by_hand():
    """Image a (IoU 0.4) moves by 0.1, b and c (0.8) by 0.2 and 0.4, one of them upwards."""
    hand = rows([0.5, 0.6, 0.7], "outlines", 0.4)
    scores = pd.concat([hand, rows([0.4, 0.8, 0.3], "deeplab", 0.3)], ignore_index=True)
    quality = pd.DataFrame({"source": "deeplab", "image": ["a", "b", "c"], "iou": [0.4, 0.8, 0.8]})
    found = statistics.drift_by_overlap(scores, quality, "outlines", [0.5, 0.9])
    assert found["images"].tolist() == [1, 2, 0]
    np.testing.assert_allclose(found["absolute"], [0.1, 0.3, np.nan])
    np.testing.assert_allclose(found["difference"], [-0.1, -0.1, np.nan])


def test_shares_above_thresholds_by_hand():
    """Of overlaps 0, 0.5, 0.6, 0.95: above 0.5 are two, above 0.9 one; on one image nothing was found."""
    quality = pd.DataFrame(
        {
            "source": "deeplab",
            "reference": "outlines",
            "image": list("abcd"),
            "found": [False, True, True, True],
            "iou": [0, 0.5, 0.6, 0.95],
            "precision": [np.nan, 0.5, 1.0, 1.0],
            "recall": 0.5,
            "area": 0.1,
            "reference_area": 0.2,
        }
    )
    (row,) = statistics.overlap_table(quality, [0.5, 0.9]).to_dict("records")
    assert (row["n"], row["found"], row["above_0.5"], row["above_0.9"]) == (4, 0.75, 0.5, 0.25)
    assert (row["mean"], row["median"]) == (pytest.approx(2.05 / 4), pytest.approx(0.55))
    assert row["precision"] == pytest.approx(2.5 / 3)
    assert (row["above_0.5_low"], row["above_0.5_high"]) == proportion_interval(2, 4)
    # Half of the masks are excellent: with the best half, the line lies at the median.
    found = statistics.excellent_numbers(quality, 100, 200)
    assert found["excellent_iou_deeplab"] == pytest.approx(0.55)
    assert (found["excellent_low"], found["excellent_high"]) == proportion_interval(100, 200)
