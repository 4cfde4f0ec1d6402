"""The code behind a notebook: what is followed, what counts as a change, and what does not."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_study

from rrr_utils.study import notebook_code

HELPERS = """
import math

LIMIT = 3

def deep(value):
    return value + LIMIT

def deeper(value, step=1):
    return deep(value) * step

def unused():
    return "not reached"
"""
WORK = """
import numpy as np
from rrr_utils import helpers

def work(values):
    '''Work.'''
    # A comment.
    return [helpers.deeper(each) for each in np.asarray(values)]
"""
NOTEBOOK = "from rrr_utils import working\nworking.work([1, 2])"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that writes a whole package of modules, by name, in place of what was there."""
    folder = tmp_path / "package"
    monkeypatch.setattr(notebook_code, "PACKAGE", folder)

    def write(**modules: str) -> None:
        for path in folder.rglob("*.py"):
            path.unlink()
        for name, text in modules.items():
            room, _, module = name.rpartition("__in__")
            (folder / room).mkdir(parents=True, exist_ok=True)
            (folder / room / f"{module}.py").write_text(text)
        for path in (folder, *folder.iterdir()):
            if path.is_dir():
                (path / "__init__.py").touch()

    return write


def _code(tmp_path: Path, cells: str = NOTEBOOK, **options: object) -> notebook_code.Code:
    return notebook_code.of(tiny_study.notebook(tmp_path / "n.ipynb", cells), **options)  # type: ignore[arg-type]


def _hashes(tmp_path: Path, cells: str = NOTEBOOK, **options: object) -> set[str]:
    return set(_code(tmp_path, cells, **options).definitions.values())


def _names(tmp_path: Path, cells: str = NOTEBOOK, **options: object) -> set[str]:
    names = {name.removeprefix("rrr_utils.") for name in _code(tmp_path, cells, **options).definitions}
    return names - {"notebooks/n.ipynb"}


def test_what_is_reached_is_followed_and_nothing_else(package: Callable[..., None], tmp_path: Path) -> None:
    """From the cells through calls, constants and defaults; of the libraries those that are used."""
    package(helpers=HELPERS, working=WORK)
    assert _names(tmp_path) == {"working:work", "helpers:deeper", "helpers:deep", "helpers:LIMIT"}
    assert _code(tmp_path).libraries == {"numpy"}


MOVES = {
    "a move into a folder": {
        "room__in__helpers": HELPERS,
        "working": WORK.replace("from rrr_utils import helpers", "from rrr_utils.room import helpers"),
    },
    "a new file name and another alias": {
        "room__in__tools": HELPERS,
        "working": WORK.replace("import helpers", "import room").replace("helpers.deeper", "room.tools.deeper"),
    },
    "a split": {
        "limits": "LIMIT = 3",
        "helpers": HELPERS.replace("LIMIT = 3", "from rrr_utils import limits").replace("+ LIMIT", "+ limits.LIMIT"),
        "working": WORK,
    },
    "a merge": {
        "working": HELPERS + WORK.replace("from rrr_utils import helpers\n", "").replace("helpers.", ""),
    },
    "a face that hands on": {
        "room__in____init__": "_HOMES = {'deeper': 'inside'}",
        "room__in__inside": HELPERS,
        "working": WORK.replace("import helpers", "import room").replace("helpers.", "room."),
    },
    "an import inside the function": {
        "helpers": HELPERS,
        "working": WORK.replace("from rrr_utils import helpers\n", "").replace(
            "    # A comment.", "    from rrr_utils import helpers"
        ),
    },
    "what to say where an import fails": {
        "helpers": HELPERS,
        "working": WORK.replace("import numpy as np\n", "").replace(
            "    # A comment.", "    with needed('Work'):\n        import numpy as np"
        ),
    },
    "another way to import a library": {
        "helpers": HELPERS,
        "working": WORK.replace("import numpy as np", "from numpy import asarray").replace("np.asarray", "asarray"),
    },
    "words, layout and hints": {
        "helpers": HELPERS.replace("(value)", "(value: 'float') -> float", 1).replace("\n\n", "\n\n\n"),
        "working": WORK.replace("Work.", "Other words.").replace("# A comment.", ""),
    },
    "a command in a message": {
        "helpers": HELPERS + "TOLD = 'Run `python -m rrr_utils.tools.fetch`.'",
        "working": WORK.replace("helpers.deeper(each)", "helpers.deeper(each) or helpers.TOLD"),
    },
    "a change of what is not reached": {"helpers": HELPERS.replace("not reached", "never"), "working": WORK},
}


BEFORE = {
    "a command in a message": {
        "helpers": HELPERS + "TOLD = 'Run `python -m rrr_utils.fetch`.'",
        "working": MOVES["a command in a message"]["working"],
    }
}


@pytest.mark.parametrize("what", MOVES)
def test_where_code_stands_does_not_count(package: Callable[..., None], tmp_path: Path, what: str) -> None:
    """Moving, splitting, merging, renaming files, other imports and other words change no hash."""
    package(**BEFORE.get(what, {"helpers": HELPERS, "working": WORK}))
    before = _hashes(tmp_path)
    package(**MOVES[what])
    assert _hashes(tmp_path) == before


CHANGES = {
    "a constant": ("LIMIT = 3", "LIMIT = 4", {"helpers:LIMIT"}),
    "a default argument": ("step=1", "step=2", {"helpers:deeper"}),
    "a helper three calls away": ("value + LIMIT", "value - LIMIT", {"helpers:deep"}),
    "a decorator": ("def deeper", "@np.vectorize\ndef deeper", {"helpers:deeper"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_what_code_does_counts(package: Callable[..., None], tmp_path: Path, what: str) -> None:
    """The definition that changed has another hash, and what does not refer to it keeps its own."""
    old, new, changed = CHANGES[what]
    package(helpers="import numpy as np\n" + HELPERS, working=WORK)
    before = _code(tmp_path).definitions
    package(helpers="import numpy as np\n" + HELPERS.replace(old, new), working=WORK)
    after = _code(tmp_path).definitions
    own = {name for name in after if after[name].partition(".")[0] != before[name].partition(".")[0]}
    assert {name.removeprefix("rrr_utils.") for name in own} == changed
    assert after["notebooks/n.ipynb"] == before["notebooks/n.ipynb"]


def test_names_that_mean_something_else_now_are_a_change(package: Callable[..., None], tmp_path: Path) -> None:
    """Two imports exchanged: every definition is as it was and still reached, and yet the results differ."""
    one, two = "def scale(x):\n    return x", "def scale(x):\n    return 2 * x"
    cells = "from rrr_utils import left, right\nleft.run(1), right.run(1)"
    run = "from rrr_utils.{} import scale\ndef run(x):\n    return scale(x) + {}"
    package(one=one, two=two, left=run.format("one", 0), right=run.format("two", 1))
    before = _hashes(tmp_path, cells)
    package(one=one, two=two, left=run.format("two", 0), right=run.format("one", 1))
    assert _hashes(tmp_path, cells) != before
    # A library's function as well.
    package(working="from scipy import ndimage\ndef work(x):\n    return ndimage.zoom(x)")
    before = _hashes(tmp_path)
    package(working="from scipy.other import ndimage\ndef work(x):\n    return ndimage.zoom(x)")
    assert _hashes(tmp_path) != before


SHADOWS = {
    "a parameter": "def work(helpers):\n    return helpers.deep",
    "a variable": "def work(x):\n    helpers = x\n    return helpers.deep",
    "a loop in a comprehension": "def work(x):\n    return [helpers.deep for helpers in x]",
    "a function inside": "def work(x):\n    def helpers():\n        return x\n    return helpers",
    "an outer function's": "def work(helpers):\n    def inner():\n        return helpers.deep\n    return inner",
    "what a with names": "def work(x):\n    with x as helpers:\n        return helpers.deep",
    "a caught error": "def work(x):\n    try:\n        x()\n    except E as helpers:\n        return helpers.deep",
}


@pytest.mark.parametrize("what", SHADOWS)
def test_a_local_name_is_not_the_module_of_that_name(package: Callable[..., None], tmp_path: Path, what: str) -> None:
    """A parameter or variable that is called like an imported module stands for itself."""
    package(helpers=HELPERS, working=f"from rrr_utils import helpers\n{SHADOWS[what]}")
    assert _names(tmp_path) == {"working:work"}


@pytest.mark.parametrize(
    "use",
    [
        "def work(x):\n    y = [helpers for helpers in x]\n    return helpers.deep(y)",
        "class work:\n    helpers = None\n    def run(self):\n        return helpers.deep(1)",
        "def work(x):\n    def inner(helpers):\n        pass\n    return helpers.deep(x)",
    ],
)
def test_a_local_name_ends_with_its_scope(package: Callable[..., None], tmp_path: Path, use: str) -> None:
    """After a comprehension, outside a function, and in the methods of a class with such an attribute."""
    package(helpers=HELPERS, working=f"from rrr_utils import helpers\n{use}")
    assert "helpers:deep" in _names(tmp_path)


def test_what_runs_on_loading_counts(package: Callable[..., None], tmp_path: Path) -> None:
    """Statements of a module that is used, and classes in it that a decorator registers somewhere."""
    command = "\nif __name__ == '__main__':\n    print('not when it is imported')"
    layers = (
        "import keras\nkeras.config('a')\n@keras.register('x')\nclass Layer:\n    size = 1\nclass Other: pass" + command
    )
    working = "from rrr_utils import layers\ndef work(x):\n    return layers.Other"
    package(layers=layers, working=working)
    assert _names(tmp_path) == {"working:work", "layers:Other", "layers:Layer", "layers:on loading"}
    before = _hashes(tmp_path)
    for old, new in (("size = 1", "size = 2"), ("config('a')", "config('b')"), ("'x'", "'y'")):
        package(layers=layers.replace(old, new), working=working)
        assert _hashes(tmp_path) != before


def test_what_is_set_inside_a_thing_belongs_to_it(package: Callable[..., None], tmp_path: Path) -> None:
    """An entry that is added to a table counts where the table is used, and only there."""
    helpers = "TABLE = {}\nOTHER = {}\nTABLE['a'] = 1\nOTHER['a'] = 1\ndef work(x):\n    return x, TABLE"
    package(working=helpers)
    assert _names(tmp_path) == {"working:work", "working:TABLE"}
    before = _hashes(tmp_path)
    package(working=helpers.replace("OTHER['a'] = 1", "OTHER['a'] = 2"))
    assert _hashes(tmp_path) == before
    package(working=helpers.replace("TABLE['a'] = 1", "TABLE['a'] = 2"))
    assert _hashes(tmp_path) != before


ROOM = """
from rrr_utils.choices import Registry
from rrr_utils.readers import cats

_READERS: "Registry[str]" = {"cats": cats.read, "dogs": "rrr_utils.readers.dogs:read", "fish": lambda: 3}

def open_it(name, like="birds"):
    return _READERS[name]
"""
READERS = {
    "readers__in____init__": ROOM,
    "readers__in__cats": "def read():\n    return 'cats'",
    "readers__in__dogs": "def read():\n    return 'dogs'",
}


def test_of_a_registry_only_the_members_count_that_are_named(package: Callable[..., None], tmp_path: Path) -> None:
    """By the job's parameters at any depth, by the notebook or by code on the way; another member changes no hash."""
    cells = "from rrr_utils import readers\nreaders.open_it(source)"
    package(**READERS)
    assert _names(tmp_path, cells) == {"readers:open_it"}
    asked = {"explainers": [{"name": "dogs"}], "rate": 3}
    found = {"readers:open_it", "readers:_READERS['dogs']", "readers.dogs:read"}
    assert _names(tmp_path, cells, parameters=asked) == found
    assert _names(tmp_path, f"{cells}\nreaders.open_it('dogs')") == found
    before = _hashes(tmp_path, cells, parameters=asked)
    for same in (
        {"readers__in__cats": "def read():\n    return 'lions'"},
        {"readers__in____init__": ROOM.replace('"fish": lambda: 3', '"fish": lambda: 4, "ant": 5')},
    ):
        package(**READERS | same)
        assert _hashes(tmp_path, cells, parameters=asked) == before
    for other in (
        {"readers__in__dogs": "def read():\n    return 'wolves'"},
        {"readers__in____init__": ROOM.replace("dogs:read", "cats:read")},
    ):
        package(**READERS | other)
        assert _hashes(tmp_path, cells, parameters=asked) != before


def test_a_default_that_is_not_taken_names_nothing(package: Callable[..., None], tmp_path: Path) -> None:
    """Of the parameters' defaults only those count that the job leaves as they are."""
    package(**READERS)
    cells = "from rrr_utils import readers\nreaders.open_it(source)"
    path = tiny_study.notebook(tmp_path / "n.ipynb", cells, parameters="source = 'dogs'\nrate = 1")
    found = {"rrr_utils.readers:_READERS['dogs']", "rrr_utils.readers.dogs:read"}
    assert found <= set(notebook_code.of(path).definitions)
    assert found <= set(notebook_code.of(path, {"rate": 2}).definitions)
    taken = notebook_code.of(path, {"source": "fish"}).definitions
    assert not found & set(taken)
    tiny_study.notebook(path, cells, parameters="source = 'cats'\nrate = 1")
    assert notebook_code.of(path, {"source": "fish"}).definitions == taken
    tiny_study.notebook(path, cells, parameters="source = 'cats'\nrate = 2")
    assert notebook_code.of(path, {"source": "fish"}).definitions != taken
    assert notebook_code.of(path, {"source": "fish", "rate": 3}).definitions != taken


def test_a_member_of_ones_own_is_hashed_by_its_definitions(
    package: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`package.module:Name` in a parameter brings what stands behind that name, in a folder or in a single file."""
    package(working=WORK, helpers=HELPERS)
    monkeypatch.syspath_prepend(tmp_path / "mine")
    (tmp_path / "mine/ours").mkdir(parents=True)
    (tmp_path / "mine/ours/__init__.py").touch()
    module = "from ours import more\nclass Mine:\n    def run(self):\n        return more.far()"
    (tmp_path / "mine/ours/maps.py").write_text(module)
    (tmp_path / "mine/ours/more.py").write_text("def far():\n    return 1")
    (tmp_path / "mine/single.py").write_text("def alone():\n    return 1")
    asked = {"explainers": [{"name": "ours.maps:Mine"}, {"name": "single:alone"}]}
    code = _code(tmp_path, parameters=asked)
    assert {"ours.maps:Mine", "ours.more:far", "single:alone"} <= set(code.definitions)
    assert {"ours", "single"} <= code.libraries
    (tmp_path / "mine/ours/more.py").write_text("def far():\n    return 22")
    assert set(_code(tmp_path, parameters=asked).definitions.values()) != set(code.definitions.values())


def test_files_that_code_names_count(package: Callable[..., None], tmp_path: Path) -> None:
    """A template, its neighbours, and the list of sources."""
    package(working="def work(x):\n    return 'report.html', 'sources.yaml'")
    for path in ("package/templates/report.html", "package/templates/style.html", "data/sources.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("before")
    before = _hashes(tmp_path)
    assert {"report.html", "style.html", "sources.yaml"} <= set(_code(tmp_path).definitions)
    for path in ("package/templates/style.html", "data/sources.yaml"):
        (tmp_path / path).write_text("after")
        assert _hashes(tmp_path) != before
        (tmp_path / path).write_text("before")


def test_a_module_used_as_a_whole_counts_whole(package: Callable[..., None], tmp_path: Path) -> None:
    """Where code chooses by name what it takes of a module, all of it counts, with what a face hands on."""
    package(
        room__in____init__="_HOMES = {'far': 'inside'}",
        room__in__inside="def far(): pass\ndef near(): pass",
        helpers=HELPERS,
    )
    cells = "from rrr_utils import helpers, room\ngetattr(helpers, name), getattr(room, name)"
    assert _names(tmp_path, cells) >= {"helpers:unused", "helpers:deep", "helpers:LIMIT", "room.inside:far"}


def test_what_only_shows_results_is_known_apart(package: Callable[..., None], tmp_path: Path) -> None:
    """Figures do not count towards the numbers of a notebook that works on images, but do for one that reads tables."""
    package(
        figures__in__grids="import seaborn\ndef draw():\n    return seaborn.plot()",
        room__in__statistics="def table(): return 1",
        prepared="def load(): return 1",
        progress="def report(): return 1",
        metric="def score(): return 1",
    )
    head = (
        "import matplotlib.pyplot as plt\nfrom rrr_utils.figures import grids\nfrom rrr_utils.room import statistics\n"
    )
    images = f"{head}from rrr_utils import metric, prepared, progress\n"
    images += "prepared.load(), metric.score(), progress.report(), grids.draw(), statistics.table(), plt.show()"
    computing = {"prepared:load", "metric:score"}
    assert _names(tmp_path, images) == computing | {"figures.grids:draw", "room.statistics:table"}
    assert _names(tmp_path, images, showing=False) == computing
    assert _code(tmp_path, images).libraries == {"seaborn", "matplotlib"}
    assert not _code(tmp_path, images, showing=False).libraries
    tables = f"{head}from rrr_utils import metric\nmetric.score(), grids.draw()"
    assert _names(tmp_path, tables, showing=False) == {"metric:score", "figures.grids:draw"}


def test_prose_does_not_count_and_cells_do(package: Callable[..., None], tmp_path: Path) -> None:
    """A comment in a cell changes nothing; a magic and a line do, and name the notebook alone."""
    package(working=WORK, helpers=HELPERS)
    before = _code(tmp_path).definitions
    assert _code(tmp_path, f"# Why.\n{NOTEBOOK}  # so").definitions == before
    for cells in (f"{NOTEBOOK}\n2", f"%matplotlib inline\n{NOTEBOOK}"):
        after = _code(tmp_path, cells).definitions
        assert [name for name in after if after[name] != before[name]] == ["notebooks/n.ipynb"]


def test_relative_imports_are_refused(package: Callable[..., None], tmp_path: Path) -> None:
    """They would depend on where a file stands."""
    package(working="from . import helpers\ndef work(x):\n    return helpers", helpers=HELPERS)
    with pytest.raises(ValueError, match=re.escape("working.py, line 1: imports inside the package are absolute")):
        _code(tmp_path)
