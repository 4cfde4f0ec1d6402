"""What somebody reads of a notebook's parameters before a run: `papermill --help-notebook`."""

from pathlib import Path

import papermill
import pytest
import tiny_study

NOTEBOOKS = sorted((tiny_study.PROJECT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_parameter_says_what_it_is(path: Path) -> None:
    """A comment behind every default, which papermill shows as its help."""
    found = papermill.inspect_notebook(path)
    assert found
    assert not [name for name, about in found.items() if len(about["help"].split()) < 2]
