"""What a study needs and this machine lacks is said before anything runs, with the command that gets it."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_study
from PIL import Image

from rrr_utils.study import jobs, launch, missing, study_file


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of data; Keras' own lies beside it."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, place in (("RRR_DATA_DIR", "data"), ("RRR_RUNS", "runs"), ("KERAS_HOME", "keras")):
        monkeypatch.setenv(name, str(tmp_path / place))
    return folder


def _jobs(tmp_path: Path, network: Any = None, **entry: Any) -> list[jobs.Job]:
    path = tmp_path / "studies" / "tiny.yaml"
    study = study_file.load(path if path.exists() else tiny_study.project(tmp_path))
    networks = (replace(study.networks[0], **(network or {})),)
    return list(jobs.of(replace(study, data=(replace(study.data[0], **entry),), networks=networks)))


def test_nothing_is_missing_of_generated_images(tmp_path: Path, data: Path) -> None:
    """Neither data nor weights are read; without a folder of data as well."""
    assert missing.of(_jobs(tmp_path), 2) == []


def test_data_mask_models_and_weights_are_named_with_the_command(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once for all jobs, at the size that is asked for, until it is there."""
    network = {"weights": "imagenet", "alpha": 0.25, "size": 160}
    left = _jobs(tmp_path, network, source="caltech101", options={}, masks="deeplab")
    images, model, weights = missing.of(left, 2)
    assert "The images of first" in images
    assert "`rrr fetch caltech101 --into" in images
    assert str(data / "masks" / "deeplabv3_257_mv_gpu.tflite") in model
    assert "`rrr fetch deeplab`" in model
    assert "mobilenet_2_5_160_tf_no_top.h5" in weights
    assert "`rrr fetch mobilenet_25_160`" in weights
    for name in (
        "caltech101/101_ObjectCategories/ant/image_0001.jpg",
        "caltech101/101_ObjectCategories/bee/image_0001.jpg",
    ):
        (data / name).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(data / name)
    assert missing.of(left, 2) == [model, weights]
    for name in ("masks/deeplabv3_257_mv_gpu.tflite", "weights/mobilenet_2_5_160_tf_no_top.h5"):
        (data / name).parent.mkdir()
        (data / name).touch()
    assert missing.of(left, 2) == []
    # No hash of the weights is published; that of the model is another one.
    (said,) = missing.doubts(left)
    assert "deeplabv3_257_mv_gpu.tflite is not the published file" in said
    monkeypatch.delenv("RRR_DATA_DIR")
    images, model, weights = missing.of(left, 2)
    assert "Set RRR_DATA_DIR" in images
    assert "RRR_DATA_DIR" in model
    assert "RRR_DATA_DIR" in weights


def test_weights_by_path_and_data_that_their_reader_refuses_are_named(tmp_path: Path, data: Path) -> None:
    """A file of one's own, and a folder of a single class."""
    (data / "pics" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(data / "pics" / "cat" / "a.png")
    images, weights = missing.of(
        _jobs(tmp_path, {"weights": "mine.npz"}, source="folder", options={"images": "pics"}), 1
    )
    assert "at least two classes" in images
    assert str(data / "mine.npz") in weights


def test_too_little_disk_or_memory_is_said(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the disk where the runs will lie, though the folder is not there yet; of memory by how many run at once."""
    left = _jobs(tmp_path)
    asked = []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=10))
    (said,) = missing.of(left, 2)
    assert asked == [tmp_path]
    assert "Disk: the study takes about" in said
    assert "RRR_RUNS" in said
    monkeypatch.undo()
    for free, slots, expected in (
        (1.3e9, 2, ""),
        (1.1e9, 2, "JOBS=1"),
        (2e9, 9, "JOBS=3"),
        (2e9, 3, ""),
        (None, 9, ""),
    ):
        monkeypatch.setattr(missing, "_memory", lambda free=free: free)
        told = missing.of(left, slots)
        assert [f"`{expected}`" in each for each in told] == ([True] if expected else [])
    assert (missing._memory() or 1) > 0


def test_a_study_that_lacks_something_is_planned_and_not_started(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan names it and ends well; the study refuses at once, and leaves nothing but its lock."""
    path = tiny_study.project(tmp_path)
    path.write_text(path.read_text().replace("source: confounded, options: {images: 8}", "source: oxford_pets"))
    for name, value in {**os.environ, "RRR_ROOT": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert launch.plan(path) == 0
    assert "\nMissing: The images of first: Data set 'oxford_pets' is not in" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match=r"Study tiny was not started\.\nMissing: The images of first: .*rrr fetch"):
        launch.run(path)
    assert [each.name for each in (tmp_path / "runs" / "tiny").iterdir()] == [".lock"]
