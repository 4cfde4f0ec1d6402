"""What every masker keeps to, the outlines of the data sets, and what is refused before any work."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rrr_utils import masks
from rrr_utils.datasets import Dataset, NoOutline, Record, open_dataset, sources
from rrr_utils.masks import deeplab, mask_rcnn, model_files

IMAGE = np.zeros((4, 5, 3), np.uint8)


@dataclass(frozen=True)
class Drawn(Dataset):
    """A data set with one given outline for all records."""

    drawn: np.ndarray | None = None

    def outline(self, record: Record) -> np.ndarray:
        return super().outline(record) if self.drawn is None else self.drawn


def drawn(outline: np.ndarray | None) -> Drawn:
    records = (Record("cat.0", 0), Record("dog.0", 1))
    return Drawn("drawn", ("cat", "dog"), records, ("cat", "dog"), "none", False, drawn=outline)


def outline_of(dataset: Dataset, image: np.ndarray = IMAGE) -> masks.Found:
    return masks.open_masker("outlines", dataset)(dataset.records[0], image)


def test_generated_outlines_come_through_exactly() -> None:
    """The mask of a generated image is the object that the generator drew, and counts as one object."""
    dataset = open_dataset("confounded", None, {"images": 6})
    masker = masks.open_masker("outlines", dataset)
    for record in dataset.records:
        found = masker(record, dataset.image(record).array)
        np.testing.assert_array_equal(found.mask, dataset.outline(record))
        assert (found.mask.dtype, found.objects, found.note) == (np.float32, 1, "")
    assert (masker.source, dict(masker.provenance)) == ("outlines", {})


def test_an_outline_becomes_0_and_1() -> None:
    """Whatever number type an outline has, the mask is float32: 1 from one half on, 0 below."""
    outline = np.array([[0.0, 0.49, 0.5, 1.0, 0.0]] * 4)
    np.testing.assert_array_equal(outline_of(drawn(outline)).mask, np.float32([[0, 0, 1, 1, 0]] * 4))
    assert outline_of(drawn(outline.astype(bool))).mask.dtype == np.float32


def test_an_empty_outline_is_no_object() -> None:
    """An outline that encloses nothing is no error: a zero mask, no object, and a note."""
    found = outline_of(drawn(np.zeros((4, 5))))
    assert (found.mask.shape, found.mask.sum(), found.objects) == ((4, 5), 0, 0)
    assert found.note == "the outline encloses nothing"


def test_a_missing_outline_is_another_finding_than_an_empty_one() -> None:
    """A record without an annotation raises NoOutline, which names the record."""
    with pytest.raises(NoOutline, match=r"cat\.0"):
        outline_of(drawn(None))


def test_an_outline_of_another_size_is_refused() -> None:
    """Height and width swapped: the error names the image, both shapes and the remedy."""
    with pytest.raises(ValueError, match=r"cat\.0 has shape \(5, 4\), but the image has \(4, 5\).*restore"):
        outline_of(drawn(np.ones((5, 4))))


@pytest.mark.parametrize(
    "image", [np.zeros((4, 5)), np.zeros((4, 5, 3)), np.zeros((4, 5, 4), np.uint8), np.zeros((0, 5, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    """A grey, a floating-point, a four-channel and an empty array are refused by the record's name."""
    with pytest.raises(ValueError, match=r"Image cat\.0 must be uint8 of shape \(height, width, 3\)"):
        outline_of(drawn(np.ones((4, 5))), image)


def test_a_masker_is_chosen_by_name() -> None:
    """An unknown source and an unknown option are refused with the valid ones and the nearest."""
    with pytest.raises(ValueError, match=r"`masks` must be one of.*'deeplabs'.*Did you mean 'deeplab'"):
        masks.open_masker("deeplabs", drawn(None))
    with pytest.raises(ValueError, match=r"`option of mask_rcnn` must be one of.*Did you mean 'threshold'"):
        masks.open_masker("mask_rcnn", drawn(None), treshold=0.5)
    with pytest.raises(ValueError, match="`option of outlines`"):
        masks.open_masker("outlines", drawn(None), model="x.onnx")


@pytest.mark.parametrize("source", ["deeplab", "mask_rcnn"])
def test_without_a_data_folder_the_error_names_the_variable(source: str) -> None:
    """A network without a file and without a data folder says which variable to set."""
    with pytest.raises(FileNotFoundError, match="RRR_DATA_DIR"):
        masks.open_masker(source, drawn(None))


@pytest.mark.parametrize(("text", "expected"), [("", None), (" 3 ", 3), ("4,2", 4)])
def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, expected: int | None) -> None:
    """OMP_NUM_THREADS bounds both engines; unset or empty leaves them their own choice."""
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert model_files.threads() == expected


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_impossible_threads_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A number of threads that is none is refused by name and not ignored."""
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    with pytest.raises(ValueError, match="OMP_NUM_THREADS must be a positive integer"):
        model_files.threads()


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        ((3, 5), (3, 5), True),
        ((3, 6), (3, 5), False),
        ((3, "width"), (3, 5), True),
        ((3, None), (3, 5), True),
        ((3, 5), (3, None), True),
        ((3,), (3, 5), False),
    ],
)
def test_open_sizes_agree_with_any(got: tuple, expected: tuple, same: bool) -> None:
    """A size that is left open, on either side, agrees with any number; the number of axes always counts."""
    assert model_files.same_shape(got, expected) is same


def test_outlines_need_no_engine(tmp_path: Path) -> None:
    """Opening the outlines imports neither inference engine nor TensorFlow."""
    code = (
        "import sys; from rrr_utils import datasets, masks; "
        "masks.open_masker('outlines', datasets.open_dataset('confounded', None, {'images': 4})); "
        "print([name for name in ('openvino', 'onnxruntime', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("name", "file"), [("deeplab", deeplab.FILE), ("mask_rcnn", mask_rcnn.FILE)])
def test_the_line_in_the_error_fetches_the_file(tmp_path: Path, name: str, file: str) -> None:
    """The source that a missing file's error names brings a file of exactly that name into that folder."""
    with pytest.raises(FileNotFoundError, match=f"fetch {name} --into '?{tmp_path}/masks"):
        model_files.locate(None, tmp_path, file, name)
    source = sources.load()[name]
    assert (source.into, [entry.name for entry in source.files]) == ("masks", [file])
