"""Published notebooks whose code is not today's are listed, and no others."""

import csv
from pathlib import Path

import pytest
import tiny_study

from rrr_utils.study import older_code


def test_the_list_that_the_book_shows_is_true() -> None:
    """After a change of a notebook's code: `python -m rrr_utils.study.older_code` writes it again."""
    with (tiny_study.PROJECT / older_code.LISTED).open(encoding="utf-8", newline="") as stream:
        listed = [tuple(row.values())[:3] for row in csv.DictReader(stream)]
    assert listed == older_code.older(tiny_study.PROJECT)


@pytest.mark.parametrize(
    ("cells", "differs"),
    [
        (("import math\nmath.sqrt(x)",), False),
        (("# Why.\nfrom math import sqrt", "sqrt(x)"), False),
        (("import math\nmath.sqrt(x + 1)",), True),
        (("import math\nmath.sqrt(x)", "x"), True),
    ],
)
def test_what_cells_do_is_compared(tmp_path: Path, cells: tuple[str, ...], differs: bool) -> None:
    """Imports, comments, parameters and the cuts between cells do not count; what is computed does."""
    tiny_study.notebook(tmp_path / "notebooks/01-a.ipynb", "import math\nmath.sqrt(x)", parameters="x = 1")
    tiny_study.notebook(tmp_path / "book/published/s/01-a--d--n.ipynb", *cells, parameters="x = 2")
    assert older_code.older(tmp_path) == ([("s", "01-a", "d/n")] if differs else [])
