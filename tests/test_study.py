"""Study files: what is refused, and how it is said."""

from pathlib import Path

import pytest

from rrr_utils import study

ROOT = Path(__file__).parents[1]

GOOD = """\
name: tiny
title: A title
about: What it is for.
seed: 3
data:
  - {name: pictures, source: folder, options: {images: here}}
networks:
  - name: small
    architecture: convnet
    size: 64
    strategies: [all]
    tuning: {epochs: 2, optimizer: adam, rate: 1e-3}
scoring:
  epochs: [0, 2]
  explainers: [{name: lime, samples: 20}]
"""


def load(tmp_path, text):
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    return study.load(path)


def test_a_study_file_becomes_what_it_says(tmp_path):
    """Values, defaults and nested entries arrive with their types."""
    loaded = load(tmp_path, GOOD)
    assert (loaded.name, loaded.seed, loaded.seeds) == ("tiny", 3, (0,))
    assert loaded.data[0].options == {"images": "here"}
    assert loaded.networks[0].tuning == study.Stage(epochs=2, optimizer="adam", rate=0.001, batch=32)
    assert loaded.networks[0].head is None
    assert loaded.scoring.explainers == ({"name": "lime", "samples": 20},)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_of_the_repository_load(path):
    """Every study file that is shipped is valid."""
    assert study.load(path).name == path.stem


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed: 3", "sede: 3", r"tiny\.yaml, line 4: unknown key `sede` in the study\. Did you mean 'seed'\?"),
        ("epochs: 2,", "epoch: 2,", r"line 12: unknown key `epoch` in `tuning`\. Did you mean 'epochs'\?"),
        ("size: 64", "size: large", r"line 10: `size` must be of type int, but 'large' was passed"),
        ("size: 64", "size: true", r"line 10: `size` must be of type int, but True was passed"),
        ("size: 64", "size: 8", r"`size` must be at least 32, but 8 was passed"),
        ("architecture: convnet", "architecture: convet", r"`architecture` must be one of .* Did you mean 'convnet'\?"),
        ("strategies: [all]", "strategies: [al]", r"`strategies` must be one of .*'al' was passed"),
        ("strategies: [all]", "strategies: all", r"line 11: `strategies` must be a list"),
        ("strategies: [all]", "strategies: []", r"must name at least one of"),
        ("name: lime", "nam: lime", r"must be a mapping with a `name`"),
        ("epochs: [0, 2]", "epochs: [0, 3]", r"asks for epoch 3, but network 'small' trains for 2 epochs"),
        ("seed: 3", "seed: 3\nseed: 4", r"key `seed` stands twice"),
        ("title: A title\n", "", r"lacks the key\(s\) \['title'\]"),
        ("name: tiny", "name: other", r"must be the file's own name 'tiny'"),
        ("name: pictures", "name: ../pictures", r"letters, digits"),
        ("seed: 3", "seed: !!python/object/apply:os.getcwd []", r"line 4: .*python/object"),
        ("seed: 3", "seed: [", r"not valid YAML"),
        ("rate: 1e-3", "rate: -1", r"`rate` must lie between"),
        ("strategies: [all]", "strategies: [head]", r"the network needs a `head`, but it has none"),
        ("tuning: {epochs: 2, optimizer: adam, rate: 1e-3}", "units: 8", r"`tuning` is missing"),
        ("size: 64", "units: 0", r"`units` must be at least 1, but 0 was passed"),
        ("size: 64", "seeds: [1, 1]", r"`seeds` must be a list of different integers"),
        ("size: 64", "scoring: {epochs: [4], explainers: [{name: lime}]}", r"asks for epoch 4, but network 'small'"),
    ],
)
def test_a_mistake_is_named_with_line_and_remedy(tmp_path, old, new, words):
    """One mistake at a time: unknown key, wrong type, impossible value, an object in disguise."""
    assert old in GOOD
    with pytest.raises(study.StudyError, match=words):
        load(tmp_path, GOOD.replace(old, new, 1))


def test_a_missing_file_names_the_nearest_study(tmp_path):
    """A misspelt study is answered with the one that was probably meant."""
    (tmp_path / "demo.yaml").write_text(GOOD)
    with pytest.raises(study.StudyError, match=r"no study file .*demoo\.yaml\. Did you mean 'demo'\?"):
        study.load(tmp_path / "demoo.yaml")


def test_an_empty_file_is_refused(tmp_path):
    """A file without a study says what was expected."""
    with pytest.raises(study.StudyError, match="is empty"):
        load(tmp_path, "# nothing\n")
