"""What a job reads counts by its content, as its readers find it; data that are not here agree with every stamp."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_study
from PIL import Image

from rrr_utils.study import inputs, jobs, stamps, study_file


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of data with two classes of pictures, their masks, a mask model and weights by Keras' name."""
    folder = tmp_path / "data"
    monkeypatch.setenv("RRR_DATA_DIR", str(folder))
    monkeypatch.setenv("RRR_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for kind in ("images", "masks"):
            (folder / "pics" / kind / label).mkdir(parents=True)
        for number in range(3):
            image, mask = rng.integers(0, 256, (8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
            mask[2:5, 2:5] = 255
            for kind, values in (("images", image), ("masks", mask)):
                Image.fromarray(values).save(folder / "pics" / kind / label / f"{number}.bmp")
    for name in (
        "masks/deeplabv3_257_mv_gpu.tflite",
        "masks/MaskRCNN-12.onnx",
        "weights/mobilenet_2_5_224_tf_no_top.h5",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"numbers")
    return folder


def _job(tmp_path: Path, kind: str = "masking", weights: str | None = None, **entry: Any) -> jobs.Job:
    path = tmp_path / "studies" / "tiny.yaml"
    study = study_file.load(path if path.exists() else tiny_study.project(tmp_path))
    asked = {"source": "folder", "options": {"images": "pics/images", "masks": "pics/masks"}, "masks": "outlines"}
    changed = replace(
        study,
        data=(replace(study.data[0], **(asked | entry)),),
        networks=(replace(study.networks[0], weights=weights, alpha=0.25),),
    )
    return next(job for job in jobs.of(changed) if job.kind == kind)


def _changed(job: jobs.Job, before: Mapping[str, Any]) -> set[str]:
    after = inputs.hashes(job)
    assert after.keys() == before.keys()
    return {name for name in before if before[name] != after[name]}


def test_every_other_picture_and_mask_is_noticed(tmp_path: Path, data: Path) -> None:
    """Of the same size and with the old time of modification: inverted, exchanged, one for another, a file more."""
    job, pics = _job(tmp_path), data / "pics"
    before = inputs.hashes(job)
    assert set(before) == {"images", "outlines"}
    assert _changed(job, before) == set()

    def invert(kind: str) -> None:
        path = pics / kind / "cat" / "1.bmp"
        times = path.stat()
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def exchange() -> None:
        one, other = (pics / "images" / label / "1.bmp" for label in ("cat", "dog"))
        kept = one.rename(tmp_path / "kept")
        other.rename(one)
        kept.rename(other)

    both = {"images", "outlines"}
    for change, expected in (
        (lambda: invert("images"), {"images"}),
        (lambda: invert("masks"), {"outlines"}),
        (exchange, {"images"}),
        (lambda: shutil.copy2(pics / "images/cat/0.bmp", pics / "images/cat/2.bmp"), {"images"}),
        (lambda: shutil.copy2(pics / "images/cat/0.bmp", pics / "images/cat/9.bmp"), both),
        (lambda: (pics / "masks/dog/0.bmp").unlink(), both),
        (lambda: (pics / "images/dog").rename(pics / "images/wolf"), both),
    ):
        before = inputs.hashes(job)
        change()
        assert _changed(job, before) == expected


def test_links_are_followed_as_the_reader_follows_them(tmp_path: Path, data: Path) -> None:
    """A class folder that is a link, and a link that leads nowhere, which is an image that cannot be read."""
    job, cats = _job(tmp_path), data / "pics" / "images" / "cat"
    before = inputs.hashes(job)
    cats.rename(tmp_path / "elsewhere")
    cats.symlink_to(tmp_path / "elsewhere")
    assert _changed(job, before) == set()
    shutil.copy2(tmp_path / "elsewhere/0.bmp", tmp_path / "elsewhere/1.bmp")
    assert _changed(job, before) == {"images"}
    before = inputs.hashes(job)
    (cats / "gone.bmp").symlink_to("nowhere")
    assert _changed(job, before) == {"images", "outlines"}


def test_only_what_the_job_reads_counts(tmp_path: Path, data: Path) -> None:
    """Another data set, another model, and outlines that a network's masks replace leave a job as it is."""
    outlined, masked = _job(tmp_path), _job(tmp_path, masks="deeplab")
    before = inputs.hashes(outlined), inputs.hashes(masked)
    assert set(before[1]) == {"images", "model of deeplab"}
    (data / "others" / "cat").mkdir(parents=True)
    shutil.copy2(data / "pics/images/cat/0.bmp", data / "others/cat")
    (data / "masks/MaskRCNN-12.onnx").write_bytes(b"NUMBERS")
    assert not _changed(outlined, before[0])
    assert not _changed(masked, before[1])
    (data / "pics/masks/cat/0.bmp").write_bytes(b"other")
    assert not _changed(masked, before[1])
    (data / "masks/deeplabv3_257_mv_gpu.tflite").write_bytes(b"NUMBERS")
    assert _changed(masked, before[1]) == {"model of deeplab"}
    assert inputs.hashes(_job(tmp_path, source="confounded", options={"images": 8})) == {}


@pytest.mark.parametrize("kind", ["head", "fine-tuning", "scoring"])
def test_start_weights_are_an_input_of_every_job_that_builds_the_network(tmp_path: Path, data: Path, kind: str) -> None:
    """ImageNet's from the folder of data or, where it has none, Keras' own download; and those given by path."""
    job, path = _job(tmp_path, kind, "imagenet"), data / "weights/mobilenet_2_5_224_tf_no_top.h5"
    assert inputs.weights_file(job) == path
    before = inputs.hashes(job)
    path.write_bytes(b"NUMBERS")
    assert _changed(job, before) == {"weights"}
    own = tmp_path / "keras" / "models" / path.name
    own.parent.mkdir(parents=True)
    path.rename(own)
    assert inputs.weights_file(job) == own
    assert inputs.hashes(job)["weights"] is not None
    given = _job(tmp_path, kind, "weights/mine.npz")
    assert inputs.hashes(given) == {"weights": None}
    (data / "weights/mine.npz").write_bytes(b"numbers")
    assert inputs.hashes(given)["weights"] is not None
    assert inputs.hashes(_job(tmp_path, kind)) == {}


def test_what_is_not_here_agrees_with_every_stamp_and_what_cannot_be_opened_does_not(
    tmp_path: Path, data: Path
) -> None:
    """Data that were moved away have no hash; those that their reader refuses are other ones."""
    job = _job(tmp_path, masks="deeplab")
    recorded = inputs.hashes(job)
    shutil.rmtree(data / "pics/images/dog")
    assert _changed(job, recorded) == {"images"}
    data.rename(tmp_path / "away")
    here = inputs.hashes(job)
    assert here == {"images": None, "model of deeplab": None}
    assert stamps.here(here, recorded) == recorded
    assert stamps.here(here, {}) == {}


def test_a_source_and_a_masker_of_ones_own_are_inputs_too(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader is opened to learn what it names; what a masker reads is not known: every file among the models is."""
    (tmp_path / "mine.py").write_text(
        "from rrr_utils.datasets import folder\n"
        "def open_dataset(data_dir, options):\n"
        "    return folder.open_dataset(data_dir, {'images': 'pics/images', 'masks': 'pics/masks'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    job = _job(tmp_path, source="mine:open_dataset", options={}, masks="mine:Masker")
    before = inputs.hashes(job)
    assert set(before) == {"images", "outlines", "mask models"}
    (data / "pics/masks/cat/0.bmp").write_bytes(b"other")
    assert _changed(job, before) == {"outlines"}
    before = inputs.hashes(job)
    (data / "masks/MaskRCNN-12.onnx").write_bytes(b"NUMBERS")
    assert _changed(job, before) == {"mask models"}
    sys.modules.pop("mine")
