"""Names that become folders: none may lead a job to what another one made."""

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_study

from rrr_utils.study import folder_names, jobs, study_file

TWICE = "data:\n  - {name: first, source: confounded, options: {images: 8}}"


def _load(tmp_path: Path, old: str, new: str) -> study_file.Study:
    path = tmp_path / "tiny.yaml"
    assert old in tiny_study.STUDY
    path.write_text(tiny_study.STUDY.replace(old, new), encoding="utf-8")
    study = study_file.load(path)
    jobs.of(study)
    return study


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("summary", r"line 7: .*'summary' of a data set is reserved: .*tables of all runs"),
        ("Summary", r"line 7: .*reserved: summary/ in"),
        ("book", r"line 7: .*reserved: .*the study's own book"),
        ("m" * 65, r"line 7: .*64 letters, but 'mmmmmmmmmmmmmmmmmmmm'\.\.\. has 65"),
        ("a--b", r"line 7: .*'--'"),
        ("masks.parquet", r"line 7: .*end like a file.*'masks\.parquet'"),
        ("Data.JSON", r"line 7: .*end like a file"),
        ("-rf", r"line 7: .*start with a dot or a hyphen"),
    ],
)
def test_a_name_that_a_study_uses_itself_is_refused_with_its_line(tmp_path: Path, name: str, message: str) -> None:
    """As the name of a data set; what is no folder of the study's own is refused for a network as well."""
    with pytest.raises(study_file.StudyError, match=message):
        _load(tmp_path, "name: first", f"name: {name}")
    if name.casefold() not in folder_names.RESERVED:
        with pytest.raises(study_file.StudyError, match=message.replace("line 7", "line 9")):
            _load(tmp_path, "name: small", f"name: {name}")
    else:
        _load(tmp_path, "name: small", f"name: {name}")


def test_names_that_differ_by_case_alone_are_refused_with_the_line_of_the_second(tmp_path: Path) -> None:
    """They are one folder on a disk that does not tell upper from lower case."""
    second = TWICE + "\n  - {name: First, source: confounded, options: {images: 8}}"
    with pytest.raises(study_file.StudyError, match=r"line 8: .*'First' differs from another one in `data` by upper"):
        _load(tmp_path, TWICE, second)
    _load(tmp_path, TWICE, second.replace("First", "second"))


def test_no_two_jobs_write_in_one_place(tmp_path: Path) -> None:
    """The same file, a file in another's folder, a stamp, a notebook, hidden files; also where upper case differs."""
    every = jobs.of(_load(tmp_path, "name: first", "name: first"))
    masking, figures = every[0], next(job for job in every if job.kind == "figures")
    longest = max(len(f"{job.name}.failed.ipynb".replace("/", "--")) for job in every)
    assert longest + 2 * folder_names.LONGEST < 255
    for name, outputs, message in (
        ("05-other", ("masks.parquet",), "first/masks.parquet"),
        ("05-other", ("DATA.json/inside.npy",), "first/data.json/inside.npy"),
        ("05-other", ("01-masking.stamp.json",), "01-masking.stamp.json"),
        ("05-other", ("01-masking.failed.ipynb",), "01-masking.failed.ipynb"),
        ("05-other", (".01-masking.begun.json",), "begun"),
        ("01-Masking", ("other",), "first--01-masking"),
    ):
        other = replace(masking, notebook=name, outputs=outputs)
        with pytest.raises(
            ValueError, match=r"'first/01-masking' .*would|would .*'first/01-masking'|first--01-masking"
        ) as caught:
            folder_names.check_jobs([*every, other])
        assert message in str(caught.value)
        with pytest.raises(ValueError, match="would"):
            folder_names.check_jobs([other, *every])
    for folder in ("summary", "Summary/convnet", "book", "book/source"):
        with pytest.raises(ValueError, match=f"would both write {folder.split('/')[0].casefold()}"):
            folder_names.check_jobs([replace(masking, folder=folder), figures])
    folder_names.check_jobs([*every, replace(masking, notebook="05-other", outputs=("other.parquet",))])
