"""From a data set to arrays and the masks table: what is kept, what is left out and why."""

import errno
import os
from dataclasses import dataclass

import numpy as np
import pytest

from rrr_utils import datasets, metric
from rrr_utils.common import files
from rrr_utils.datasets.images import BadImage, Decoded
from rrr_utils.masks import centre_blob, open_masker, prepared
from rrr_utils.tables import parquet as tables


@dataclass(frozen=True)
class Troubled(datasets.Dataset):
    """Twelve pictures of which three cannot be used, each for another reason, and one is all object."""

    def image(self, record):
        if record.id == "b":
            raise BadImage("b.jpg", "the file is empty")
        picture = np.full((40, 60, 3), 10 * (1 + "abcdefghijkl".index(record.id)), np.uint8)
        return Decoded(picture, "GIF named .jpg" if record.id == "c" else "")

    def outline(self, record):
        if record.id == "d":
            raise datasets.NoOutline(record, "annotation d.png is missing")
        mask = np.zeros((40, 60), np.float32)
        if record.id == "f":
            mask[:] = 1
        elif record.id != "e":
            mask[:20, :30] = 1
        return mask


def troubled(labels="001111000011"):
    records = tuple(datasets.Record(name, int(label)) for name, label in zip("abcdefghijkl", labels, strict=True))
    return Troubled("troubled", ("cat", "dog"), records, ("cat", "dog"), "none", True)


def prepare(folder, dataset, sizes=(8, 20)):
    masker = open_masker("outlines", dataset, None)
    return prepared.prepare("s", "d", dataset, masker, sizes, folder, test_share=0.4, seed=0)


def test_what_cannot_be_used_is_listed_with_its_reason(tmp_path):
    """A bad image, a missing annotation and an empty mask are rows of the table and not of the arrays."""
    table = prepare(tmp_path, troubled()).set_index("image")
    assert table["status"].to_dict() == {
        **dict.fromkeys("acfghijkl", "ok"),
        "b": "bad image",
        "d": "no annotation",
        "e": "no object",
    }
    assert table["note"]["b"] == "the file is empty"
    assert "d.png is missing" in table["note"]["d"]
    assert table["note"]["c"] == "GIF named .jpg"
    assert "covers the whole image" in table["note"]["f"]
    assert (table.loc[list("bde"), "split"] == "").all()
    assert table["area"]["a"] == pytest.approx(0.25)
    ready = prepared.load(tmp_path, 20)
    assert ready.ids == tuple("acfghijkl")
    assert prepared.about(tmp_path)["counts"] == {"ok": 9, "bad image": 1, "no annotation": 1, "no object": 1}


def test_images_masks_and_labels_stay_together(tmp_path):
    """Each picture keeps its own grey, label and mask at every size."""
    prepare(tmp_path, troubled())
    for size in (8, 20):
        ready = prepared.load(tmp_path, size)
        assert ready.images.shape == (9, size, size, 3)
        assert ready.images[:, 0, 0, 0].tolist() == [10 * (1 + "abcdefghijkl".index(name)) for name in ready.ids]
        assert ready.labels.tolist() == [int("001111000011"["abcdefghijkl".index(name)]) for name in ready.ids]
        np.testing.assert_array_equal(ready.masks[0, : size // 2, : size // 2], 1)
        assert ready.masks[0].mean() == 0.25
        assert ready.shifted is None


def test_two_runs_give_the_same_bytes(tmp_path):
    """Arrays, table and facts are equal files."""
    for name in ("one", "two"):
        prepare(tmp_path / name, troubled())
    names = sorted(os.listdir(tmp_path / "one"))
    assert names == ["data.json", "images-20.npy", "images-8.npy", "masks-20.npy", "masks-8.npy", "masks.parquet"]
    for name in names:
        assert files.sha256(tmp_path / "one" / name) == files.sha256(tmp_path / "two" / name)


def test_a_class_without_a_usable_image_is_refused(tmp_path):
    """All dogs unusable: the error names the class, the counts and the remedy, and no table is left."""
    with pytest.raises(ValueError, match=r"no usable image of \['dog'\].*'no annotation': 1.*leave the classes out"):
        prepare(tmp_path, troubled(labels="010110000000"))
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_no_table(tmp_path, monkeypatch):
    """When the arrays do not fit, the table that would vouch for them is not written."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        prepare(tmp_path, troubled())
    assert not (tmp_path / "masks.parquet").exists()


def test_space_is_taken_before_it_is_filled(tmp_path, monkeypatch):
    """A mapped file on a full disk kills the process: so it is refused when it is made, and no draft is left."""
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("this system cannot take space at once")

    def full(descriptor, offset, length):
        assert length > 12 * 8 * 8
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"disk is full: the images take 0\.00 GB"):
        prepare(tmp_path, troubled())
    assert os.listdir(tmp_path) == []


def test_what_is_missing_is_named_with_the_notebook_that_makes_it(tmp_path):
    """Another size, or nothing at all, leads to notebook 01."""
    with pytest.raises(FileNotFoundError, match="01-masking"):
        prepared.about(tmp_path)
    prepare(tmp_path, troubled())
    with pytest.raises(FileNotFoundError, match=r"no images of 32 pixels.*01-masking"):
        prepared.load(tmp_path, 32)


def test_arrays_of_another_run_are_noticed(tmp_path):
    """Fewer images than the table lists is an error, not a shifted pairing."""
    prepare(tmp_path, troubled())
    np.save(tmp_path / "images-8.npy", np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"holds 3 images, but .* lists 9"):
        prepared.load(tmp_path, 8)


def test_generated_data_bring_their_shifted_images(tmp_path):
    """The same objects, another background: object pixels are equal, others are not."""
    dataset = datasets.open_dataset("confounded", None, {"images": 12})
    masker = open_masker("outlines", dataset, None)
    table = prepared.prepare("s", "d", dataset, masker, [64], tmp_path, test_share=0.5, seed=0)
    ready = prepared.load(tmp_path, 64)
    assert ready.shifted is not None
    inside = ready.masks.astype(bool)
    np.testing.assert_array_equal(ready.shifted[inside], ready.images[inside])
    assert (ready.shifted[~inside] != ready.images[~inside]).mean() > 0.9
    assert tables.read(tmp_path / "masks.parquet", "masks")["split"].tolist() == table["split"].tolist()
    assert sorted(np.bincount(ready.labels[ready.where("test")])) == [3, 3]


def test_each_mask_has_the_score_of_a_blob_in_the_middle(tmp_path):
    """That of a Gaussian with its mean at the largest size; what has no mask has none."""
    table = prepare(tmp_path, troubled())
    ready = prepared.load(tmp_path, 8)
    usable = table[table["status"] == "ok"]
    expected = metric.score(ready.masks, centre_blob.gaussian(ready.masks))
    np.testing.assert_allclose(usable["blob"], expected, rtol=1e-12)
    assert table.loc[table["status"] != "ok", "blob"].isna().all()
