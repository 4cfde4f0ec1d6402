"""Ranges of numbers: what is outside is refused by name, and no number of a study is without one."""

import importlib
import inspect
import math
import re
import typing
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest

from rrr_utils import explainers
from rrr_utils.common import names, ranges
from rrr_utils.common.ranges import Range
from rrr_utils.study import analysis, study_file

SOURCES = [importlib.import_module(where.partition(":")[0]) for where in names.SOURCES.values()]
CLASSES = [
    *(study_file.Data, study_file.Stage, study_file.Model, study_file.Scoring, study_file.Study, study_file.Hypothesis),
    *(analysis.Analysis, *analysis.KINDS.values(), *(source.Options for source in SOURCES)),
]


@dataclass(frozen=True)
class Some:
    """Numbers of each form."""

    about: ClassVar[int] = 7
    count: Annotated[int, Range(1, 10)] = 5
    share: Annotated[float, Range(0, 1, ends=False)] = 0.5
    several: tuple[Annotated[float, Range(0, 1)], ...] = (0.0, 1.0)
    most: Annotated[int, Range(2, 9)] | None = None
    word: str = "any"

    def __post_init__(self) -> None:
        ranges.check(self)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("count", 16**5000, id="thousands of digits"),
        *(("count", value) for value in (0, 11, 10**12, 2.0, True, "5", None, math.nan)),
        *(("share", value) for value in (0, 1, math.nan, math.inf, -math.inf, "0.5")),
        *(("several", (0.5, value)) for value in (1.1, math.nan, None)),
        *(("most", value) for value in (1, 10)),
    ],
)
def test_what_is_outside_is_refused_by_name(name, value):
    """Too small, too large, of another type, not finite, and a number that Python does not write out."""
    with pytest.raises(ValueError, match=f"`{name}` must be a .*number from .* was passed"):
        Some(**{name: value})


def test_what_is_inside_is_taken():
    """The ends where they belong to it, and None where a field may be."""
    assert Some(count=10, share=1e-9, several=(), most=2, word="nan") != Some()


def bare(kind):
    """Return the fields that are numbers without a range."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        name
        for name, hint in hints.items()
        if typing.get_origin(hint) is not ClassVar and {int, float} & set(ranges.parts(hint))
    ]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_number_of_a_study_has_a_range(kind):
    """Of a study file, of each kind of analysis and of each data set."""
    assert not bare(kind)


def test_a_number_without_a_range_is_found():
    """The test above can fail: also inside a tuple, or beside None."""
    hints = {"one": int, "many": tuple[float, ...], "none": int | None, "word": str, "about": ClassVar[int]}
    assert bare(type("Bare", (Some,), {"__annotations__": hints})) == ["one", "many", "none"]


@pytest.mark.parametrize("name", names.EXPLAINERS)
def test_no_explainer_takes_a_number_without_an_end(name):
    """Of every explainer: whole numbers end, and others are finite."""
    parameters = inspect.signature(type(explainers.explainer(name))).parameters
    hints = {key: str(each.annotation) for key, each in parameters.items() if key != "seed"}
    numbers = {
        key: 10**12 if "int" in hint else math.nan for key, hint in hints.items() if re.search("int|float", hint)
    }
    assert "batch" in numbers
    for key, value in numbers.items():
        with pytest.raises(ValueError, match=f"{key}|A colour is"):
            explainers.explainer(name, **{key: value})
