"""The words of a study stand once, and each stands for something that is there."""

import ast
import subprocess
import sys
from collections.abc import Mapping

import pytest
import tiny_study

from rrr_utils.analyses.remedies.catalogue import CATALOGUE
from rrr_utils.analyses.zoo.rival_scores import RIVALS
from rrr_utils.common import names, registry
from rrr_utils.explainers.base import Explainer
from rrr_utils.masks import Masker
from rrr_utils.tables import parquet as tables

LISTS = {name: tuple(value) for name, value in vars(names).items() if name.isupper()}
PACKAGE = tiny_study.PROJECT / "rrr_utils"


def test_no_list_of_names_stands_twice():
    """No tuple, list or set written out in the package holds all words of a list; mappings from them may."""
    twice = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if path.name != "names.py" and isinstance(node, ast.Tuple | ast.List | ast.Set):
                words = {each.value for each in node.elts if isinstance(each, ast.Constant)}
                twice += [f"{path}:{node.lineno} {name}" for name, known in LISTS.items() if words >= {*known}]
    assert not twice


REGISTRIES = {name: value for name, value in vars(names).items() if name.isupper() and isinstance(value, Mapping)}


@pytest.mark.parametrize("name", REGISTRIES)
def test_each_word_stands_for_something_that_is_there(name):
    """What it names can be imported; explainers and maskers call themselves by it in tables."""
    for word in REGISTRIES[name]:
        made = registry.member("word", word, REGISTRIES[name])
        if name == "EXPLAINERS":
            assert issubclass(made, Explainer)
            assert made.name == word
        elif name == "MASKERS":
            assert issubclass(made, Masker)
            assert made.source == word


def test_the_rivals_of_the_score_have_the_names_in_order():
    """The table has a column for each, and each is a function of masks and maps."""
    assert tuple(RIVALS) == names.RIVALS
    assert tables.SCHEMAS["zoo_maps"].names[-8:] == list(names.MEASURES)


def test_the_catalogue_of_remedies_has_the_names_in_order():
    """The plan names what the catalogue has, and each entry calls itself by its word."""
    assert tuple(CATALOGUE) == names.REMEDIES
    assert [each.name for each in CATALOGUE.values()] == list(names.REMEDIES)


def test_a_study_is_read_and_planned_without_what_is_slow():
    """In a fresh process: nothing that is slow to import is loaded by the modules that read a study and list its jobs.

    Explainers and data sets check their own numbers when a study is read, and need NumPy for it, and nothing slower.
    """
    code = (
        "import sys; from rrr_utils import study; from rrr_utils.study import jobs;"
        "study.load; slow = ('numpy', 'pandas', 'keras', 'tensorflow');"
        "there = [name for name in slow if name in sys.modules];"
        "found = jobs.of(study.load('studies/smoke.yaml')); assert found;"
        "print(there + [name for name in slow[1:] if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=tiny_study.PROJECT, capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"
