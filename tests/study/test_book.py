"""The book of a run."""

from pathlib import Path

import pytest
import tiny_study

from rrr_utils.study import book, study_file


@pytest.mark.parametrize(
    ("make", "words"), [(book.book_of, "is not complete: 6 job"), (book.publish, "nothing to publish")]
)
def test_a_book_needs_a_complete_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, words) -> None:
    """Without the figures there is nothing to show: the error says what to do."""
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    monkeypatch.delenv("RRR_RUNS", raising=False)
    plan = study_file.load(tiny_study.project(tmp_path))
    with pytest.raises(RuntimeError, match=f"{words}.*Run `make study STUDY=tiny`"):
        make(plan)
