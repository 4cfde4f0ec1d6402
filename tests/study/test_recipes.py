"""Adding a thing takes the files that CONTRIBUTING.md says, and one's own takes none: each recipe is followed here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import tiny_study
import yaml

from rrr_utils import datasets, explainers, masks
from rrr_utils.common import files
from rrr_utils.networks import network
from rrr_utils.study import jobs, worker
from rrr_utils.study import study_file as study

EXPLAINER = '''"""The slope of the logit at each pixel."""

import numpy as np

from rrr_utils.explainers import base


class Slope(base.Explainer):
    """The gradient of the logit, summed over channels without its sign."""

    name = "slope"

    def passes(self, size, channels):
        return 3

    def _explain(self, network, images, classes, ids, signed):
        yield np.abs(base.slopes_of(network, self.name)(images, classes)).sum(axis=-1)
'''
DATA = '''"""Bright squares, on the left or on the right."""

from dataclasses import dataclass

import numpy as np

from rrr_utils.datasets import options as checks
from rrr_utils.datasets.dataset import Dataset, Record
from rrr_utils.datasets.images import Decoded


@dataclass(frozen=True)
class Options:
    images: int = 40


class Squares(Dataset):
    def outline(self, record):
        mask = np.zeros((64, 64), np.float32)
        mask[20:44, 4 + 32 * record.label : 28 + 32 * record.label] = 1
        return mask

    def image(self, record):
        return Decoded(np.uint8(60 + 150 * self.outline(record)[..., None].repeat(3, -1)))


def about(options):
    return checks.build(Options, options, "squares").images


def open_dataset(data_dir, options):
    records = tuple(Record(f"square-{number:03d}", number % 2) for number in range(about(options)))
    return Squares("squares", ("left", "right"), records, ("left", "right"), "CC BY 4.0", True)
'''
NETWORK = """

TINY = Plan(_three_convolutions, "tf", 8, "conv3", _convnet)
"""
OWN_NETWORK = '''"""A network of one's own, adopted."""

import keras

from rrr_utils.engine.weights import draw
from rrr_utils.networks.adoption import adopt


def build(*, classes, size, alpha, units, weights, seed):
    layers = keras.layers
    parts = [layers.Rescaling(1 / 127.5, offset=-1, name="scale"), layers.Flatten(name="flat")]
    parts.insert(1, layers.Conv2D(8, 3, strides=2, activation="relu", name="conv"))
    model = keras.Sequential([keras.Input((size, size, 3)), *parts, layers.Dense(classes, name="logits")], name="mine")
    network = adopt(model)
    draw(network.model, seed)
    return network
'''
METRIC = '''def mean_inside(masks: ArrayLike, maps: ArrayLike) -> NDArray[np.float64]:
    """Return the mean of the map inside the object, ``(N,)``."""
    return (np.asarray(masks) * np.asarray(maps)).sum(axis=(1, 2)) / np.asarray(masks).sum(axis=(1, 2))


'''
ANALYSIS = '''"""What an analysis of colour may be told."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from rrr_utils.analyses import options
from rrr_utils.common.ranges import Range


@dataclass(frozen=True)
class Options(options.Options):
    notebook: ClassVar[str] = "13-colour"

    shades: Annotated[int, Range(1, 100)] = 3
'''
ENTRY = {"data": "first", "network": "small", "strategy": "head", "trained_on": "masked", "epoch": 1}
ENTRY |= {"explainers": [{"name": "grad_cam"}]}


class Copy:
    """A copy of the package in which files are changed as a recipe says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, folder / "rrr_utils"
        self.touched: dict[str, int] = {}
        shutil.copytree(tiny_study.PROJECT / "rrr_utils", self.package, ignore=shutil.ignore_patterns("__pycache__"))

    def new(self, name: str, text: str) -> None:
        path = self.package / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.touched[name] = len(text.splitlines())

    def insert(self, name: str, before: str, text: str) -> None:
        path = self.package / name
        code = path.read_text()
        assert before in code
        path.write_text(code.replace(before, text + before, 1))
        self.touched[name] = self.touched.get(name, 0) + text.count("\n")

    def word(self, registry: str, word: str, stands_for: str) -> None:
        """Put a word at the head of a registry in `common/names.py`."""
        start = f"{registry}: Registry[str] = {{\n"
        path = self.package / "common" / "names.py"
        path.write_text(path.read_text().replace(start, f'{start}    "{word}": "rrr_utils.{stands_for}",\n', 1))
        self.touched["common/names.py"] = 1

    def python(self, code: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RRR_")}
        environment = kept | {"PYTHONPATH": str(self.folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def planned(self, study_file: dict) -> str:
        """Load the study and return the notebooks, parameters and passes of all its jobs."""
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(study_file))
        code = (
            "import sys, rrr_utils; from rrr_utils.study import costs, jobs, study_file;"
            "assert 'numpy' not in sys.modules;"
            "plan = study_file.load('tiny.yaml'); found = jobs.of(plan); assert 'keras' not in sys.modules;"
            "[print(job.notebook, job.parameters, job.cost.passes) for job in found]; print(costs.guesses(plan));"
            f"assert rrr_utils.__file__.startswith({str(self.folder)!r})"
        )
        return self.python(code)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Return a copy of the package."""
    return Copy(tmp_path)


@pytest.fixture
def tiny() -> dict:
    """Return the tiny study as plain data."""
    return yaml.safe_load(tiny_study.STUDY)


def test_a_new_explainer(copy: Copy, tiny: dict) -> None:
    """A module, a word, and a look in the figures; its passes are in the plan."""
    copy.new("explainers/slope.py", EXPLAINER)
    copy.word("EXPLAINERS", "slope", "explainers.slope:Slope")
    copy.insert(
        "figures/style.py", '        "grad_cam": Style(', '        "slope": Style("slope", "#123456", "h", "-"),\n'
    )
    tiny["scoring"]["explainers"] = [{"name": "slope"}]
    shown = copy.planned(tiny)
    assert "'explainers': [{'name': 'slope'}]" in shown
    assert shown.endswith("[]\n")  # nothing had to be guessed
    assert len(copy.touched) == 3


def test_a_new_data_set(copy: Copy, tiny: dict) -> None:
    """A module with records, classes and options, and a word; its address stands in `data/sources.yaml`."""
    copy.new("datasets/squares.py", DATA)
    copy.word("SOURCES", "squares", "datasets.squares:open_dataset")
    tiny["data"] = [{"name": "first", "source": "squares"}]
    assert "'source': 'squares'" in copy.planned(tiny)
    counted = "from rrr_utils.datasets import open_dataset; print(len(open_dataset('squares').records))"
    assert copy.python(counted) == "40\n"
    assert len(copy.touched) == 2


def test_a_new_network(copy: Copy, tiny: dict) -> None:
    """An entry beside the others and a word; until it is measured, the plan says what it is estimated as."""
    copy.insert("networks/network.py", "\n\ndef _blocks(", NETWORK.rstrip("\n"))
    copy.word("NETWORKS", "tiny", "networks.network:TINY")
    tiny["networks"][0]["architecture"] = "tiny"
    shown = copy.planned(tiny)
    assert "'architecture': 'tiny'" in shown
    assert "No experience with tiny: estimated as resnet50." in shown
    assert len(copy.touched) == 2


def test_a_new_metric(copy: Copy, tiny: dict) -> None:
    """A function, its entry, and a word: then the table has its column, and hypotheses and figures know it."""
    copy.insert("analyses/zoo/rival_scores.py", "# (masks, maps) -> (N,), by", METRIC)
    copy.insert("analyses/zoo/rival_scores.py", '    "pointing": pointing,', '    "inside": mean_inside,\n')
    path = copy.package / "common" / "names.py"
    path.write_text(path.read_text().replace('RIVALS = ("pointing"', 'RIVALS = ("inside", "pointing"'))
    expected = {"key": "H1", "words": "w", "statistic": "spearman", "predictor": "lime/inside/all"}
    expected |= {"outcome": "other", "expected": "above"}
    tiny["hypotheses"] = [expected]
    copy.planned(tiny)
    code = (
        "from rrr_utils.tables.schemas import SCHEMAS; print('inside' in SCHEMAS['zoo_maps'].names);"
        "from rrr_utils.analyses.zoo import figures; print(figures.predictor_label('lime/inside/own'));"
        "from rrr_utils.analyses.zoo.rival_scores import RIVALS; print(RIVALS['inside']([[[1, 0]]], [[[0.5, 1]]]))"
    )
    assert copy.python(code).split("\n")[:3] == ["True", "inside, LIME", "[0.5]"]


def test_a_new_analysis(copy: Copy, tiny: dict) -> None:
    """A room with its options and a word: its notebook gets them, and a mistake is named."""
    copy.new("analyses/colour/options.py", ANALYSIS)
    (copy.package / "analyses/colour/__init__.py").touch()
    copy.word("ANALYSES", "colour", "analyses.colour.options:Options")
    tiny["analyses"] = [{"kind": "colour", **ENTRY, "shades": 5}]
    (line,) = [each for each in copy.planned(tiny).splitlines() if each.startswith("13-colour")]
    assert "'shades': 5" in line
    assert len(copy.touched) == 2


def test_a_new_remedy(copy: Copy, tiny: dict) -> None:
    """An entry of the catalogue and a word."""
    entry = '    "harder": Remedy("harder", augment="input-dropout", strength=0.5),\n'
    copy.insert("analyses/remedies/catalogue.py", '    "plain": Remedy(', entry)
    path = copy.package / "common" / "names.py"
    path.write_text(path.read_text().replace('REMEDIES = (\n    "plain"', 'REMEDIES = (\n    "harder",\n    "plain"'))
    tiny["analyses"] = [{"kind": "remedies", **ENTRY, "remedies": ["plain", "harder"], "factors": [1.0]}]
    assert "'remedies': ['plain', 'harder']" in copy.planned(tiny)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a package of one's own on the path, and make a study that names what is in it."""
    (tmp_path / "toy").mkdir()
    for name, text in (("__init__", ""), ("maps", EXPLAINER), ("squares", DATA), ("nets", OWN_NETWORK)):
        (tmp_path / "toy" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("RRR_RUNS", str(tmp_path / "runs"))
    asked = yaml.safe_load((tiny_study.PROJECT / "studies/smoke.yaml").read_text())
    asked |= {"name": "own", "data": [{"name": "squares", "source": "toy.squares:open_dataset", "test_share": 0.25}]}
    network = {"name": "mine", "architecture": "toy.nets:build", "size": 64, "weights": None, "strategies": ["all"]}
    asked["networks"] = [network | {"tuning": {"epochs": 1, "optimizer": "adam", "rate": 1e-3}}]
    asked["scoring"] |= {"explainers": [{"name": "toy.maps:Slope"}], "epochs": [0, 1], "images": 4}
    asked["scoring"]["backgrounds"] = ["random"]
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(asked))
    yield path
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy"]:
        del sys.modules[name]


def test_ones_own_is_planned_without_a_changed_line(own: Path) -> None:
    """A study names an explainer, a data set and a network by module; none of them is imported for its jobs."""
    found = {job.kind: job.parameters for job in jobs.of(study.load(own))}
    assert found["masking"]["source"] == "toy.squares:open_dataset"
    assert found["fine-tuning"]["architecture"] == "toy.nets:build"
    assert found["scoring"]["explainers"] == [{"name": "toy.maps:Slope"}]
    assert not [name for name in sys.modules if name.startswith("toy")]


def test_what_is_of_another_kind_is_refused_where_it_is_used(own: Path) -> None:
    """The message names the word, what it must be or return, and what came."""
    (own.parent / "toy/wrong.py").write_text(
        "from rrr_utils.explainers import LIME\nclass Nameless(LIME): pass\ndef nothing(*_, **__): return 3\n"
    )
    for use, message in (
        (
            lambda: datasets.open_dataset("toy.wrong:nothing"),
            "must return a Dataset, but returned something of type int",
        ),
        (
            lambda: masks.open_masker("toy.wrong:nothing", None),
            r"must be a subclass of .*\.Masker, and is of type func",
        ),
        (
            lambda: network.build("toy.wrong:nothing", classes=2),
            "must return a Network, but returned something of type int",
        ),
        (
            lambda: explainers.explainer("toy.squares:Squares"),
            r"must be a subclass of .*\.Explainer, and is a class of",
        ),
        (lambda: explainers.explainer("toy.wrong:Nameless"), "must have a `name` of its own, other than"),
    ):
        with pytest.raises(ValueError, match=message):
            use()


@pytest.mark.slow
def test_ones_own_runs_to_its_figures(own: Path, tmp_path: Path) -> None:
    """All four notebooks, with nothing but what the package of one's own brings; tables know the explainer's name."""
    for job in jobs.of(study.load(own)):
        command = [sys.executable, "-m", "rrr_utils.study.worker", str(own), job.name]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
    folder = tmp_path / "runs" / "own"
    scores = pd.read_parquet(folder / "squares/mine/all/original/scores.parquet")
    assert set(scores["explainer"]) == {"slope"}
    assert len(scores) == 2 * 2 * 4
    stamp = files.read_json(folder / "squares/mine/all/original/03-scoring.stamp.json")
    assert {"toy.maps:Slope", "toy.nets:build"} <= set(stamp["code"])
    assert worker.read_state(folder, job)["state"] == "done"
