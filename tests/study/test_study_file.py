"""Study files: what is refused, and how it is said."""

from pathlib import Path

import pytest

from rrr_utils.study import study_file as study

ROOT = Path(__file__).parents[2]

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
        ("size: 64", "size: 8", r"`size` must be a whole number from 32 to 2,048, but 8 was passed"),
        ("architecture: convnet", "architecture: convet", r"`architecture` must be one of .* Did you mean 'convnet'\?"),
        ("strategies: [all]", "strategies: [al]", r"`strategies` must be one of .*'al' was passed"),
        ("strategies: [all]", "strategies: all", r"line 11: `strategies` must be a list"),
        ("strategies: [all]", "strategies: []", r"must name at least one of"),
        ("name: lime", "nam: lime", r"must be a mapping with a `name`"),
        ("name: lime", "name: no_such.maps:Mine", r"line 15: `name` names 'no_such.maps:Mine', but Python finds no"),
        ("source: folder", "source: no_such:mine", r"line 6: `source` names .* Put its folder on PYTHONPATH"),
        ("architecture: convnet", "architecture: no_such:mine", r"line 8: `architecture` names 'no_such:mine'"),
        ("epochs: [0, 2]", "epochs: [0, 3]", r"asks for epoch 3, but network 'small' trains for 2 epochs"),
        ("seed: 3", "seed: 3\nseed: 4", r"key `seed` stands twice"),
        ("title: A title\n", "", r"lacks the key\(s\) \['title'\]"),
        ("name: tiny", "name: other", r"must be the file's own name 'tiny'"),
        ("name: pictures", "name: ../pictures", r"letters, digits"),
        ("seed: 3", "seed: !!python/object/apply:os.getcwd []", r"line 4: .*python/object"),
        ("seed: 3", "seed: [", r"not valid YAML"),
        ("rate: 1e-3", "rate: -1", r"`rate` must be a number from 0 to 10, and neither"),
        ("strategies: [all]", "strategies: [head]", r"the network needs a `head`, but it has none"),
        ("tuning: {epochs: 2, optimizer: adam, rate: 1e-3}", "units: 8", r"`tuning` is missing"),
        ("size: 64", "units: 0", r"`units` must be a whole number from 1 to 100,000, but 0 was passed"),
        ("size: 64", "seeds: [1, 1]", r"`seeds` must be a list of different integers"),
        ("size: 64", "scoring: {epochs: [4], explainers: [{name: lime}]}", r"asks for epoch 4, but network 'small'"),
    ],
)
def test_a_mistake_is_named_with_line_and_remedy(tmp_path, old, new, words):
    """One mistake at a time: unknown key, wrong type, impossible value, an object in disguise."""
    assert old in GOOD
    with pytest.raises(study.StudyError, match=words):
        load(tmp_path, GOOD.replace(old, new, 1))


def laughs(levels):
    """Return a list of ten, of lists of ten, and so on: few lines that stand for 10 ** levels values."""
    lists = ["  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lists.append(f"  a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    return "\n".join(lists)


OPTIONS = "{images: here}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed: 3", "[seed, sown]: 3", r"line 4: a key of the study must be a word\. Valid: \['about'"),
        ("seed: 3", "? {seed: 1}\n: 3", r"line 4: a key of the study must be a word"),
        ("title: A title", "title: 2024-13-45", r"line 2: '2024-13-45' is no timestamp \(month must be .*in quotes"),
        ("title: A title", "title: !!bool perhaps", r"line 2: 'perhaps' is no bool"),
        ("title: A title", "title: !!int ''", r"line 2: '' is no int"),
        ("title: A title", "title: !!timestamp now", r"line 2: 'now' is no timestamp"),
        (OPTIONS, "{images: here,\n    when: 2024-02-30}", r"line 7: '2024-02-30' is no timestamp"),
        (OPTIONS, "{[a]: 1}", r"(?s)line 6: .*unhashable key"),
        ("rate: 1e-3", f"rate: 1{'0' * 400}", r"line 12: `rate` must be of type float, but 10{50}"),
        (
            "title: A title",
            f"title: 0x{'f' * 9_000}",
            r"line 2: `title` must be of type str, but a number with thousands",
        ),
        ("title: A title", "title: &a [*a]", r"line 2: nested more than 50 levels deep, or an alias stands inside"),
        ("title: A title", f"title: {'[' * 60}{']' * 60}", r"line 2: nested more than 50 levels deep"),
        ("title: A title", f"title: {'[' * 9000}{']' * 9000}", r"tiny\.yaml is nested too deeply: 50 levels"),
        ("title: A title", "title: \n" + laughs(9), r"line 7: 111,111 values once aliases are followed"),
        ("title: A title", f"title: [&a {'x' * 100_000}{', *a' * 200}]", r"line 2: 20\d,\d+ values once aliases"),
        ("title: A title", f"title: A title # {'x' * 2**20}", r"tiny\.yaml has more than the 1,048,576 bytes"),
    ],
    ids=lambda text: text[:20],
)
def test_a_strange_file_is_refused_with_its_line(tmp_path, old, new, words):
    """Keys that are no words, values that their tags cannot hold, files that would take all memory."""
    assert old in GOOD
    with pytest.raises(study.StudyError, match=words) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert str(tmp_path / "tiny.yaml") in str(caught.value)
    assert len(str(caught.value)) < 3_000


@pytest.mark.parametrize("key", ["size", "architecture"])
def test_a_long_value_is_shortened_in_the_message(tmp_path, key):
    """A thousand lists behind aliases, or a text of 60,000 letters, in a place of one word."""
    where = {
        "size": ("size: 64", "size:\n" + laughs(4).replace("  a", "      a")),
        "architecture": ("convnet", "c" * 60_000),
    }
    with pytest.raises(study.StudyError, match=rf"line (8|11): `{key}` must be") as caught:
        load(tmp_path, GOOD.replace(*where[key], 1))
    assert len(str(caught.value)) < 2_200


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    """Latin-1: the line of the first byte that is no UTF-8, and the remedy."""
    (tmp_path / "tiny.yaml").write_bytes(GOOD.replace("is for", "ist für").encode("latin-1"))
    with pytest.raises(
        study.StudyError, match=r"tiny\.yaml, line 3: expected UTF-8, but .*0xfc.*Save the file as UTF-8"
    ):
        study.load(tmp_path / "tiny.yaml")


def test_a_missing_file_names_the_nearest_study(tmp_path):
    """A misspelt study is answered with the one that was probably meant."""
    (tmp_path / "demo.yaml").write_text(GOOD)
    with pytest.raises(study.StudyError, match=r"no study file .*demoo\.yaml\. Did you mean 'demo'\?"):
        study.load(tmp_path / "demoo.yaml")


def test_an_empty_file_is_refused(tmp_path):
    """A file without a study says what was expected."""
    with pytest.raises(study.StudyError, match="is empty"):
        load(tmp_path, "# nothing\n")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("patch: 12", "patch: 0", 38, "`patch` must be a whole number from 1 to"),
        ("patch: 12", "patch: 400", 15, "`patch` must not exceed the image, but 400 was passed for images of 64"),
        ("patch: 12", "patsh: 12", 38, "no parameter 'patsh'"),
        ("samples: 60", "samples: 1000000000000", 39, "`samples` must be a whole number from 2 to"),
        ("p: 0.98", "p: .nan", 11, "'.nan' is no float (expected a finite number)"),
        ("p: 0.98", "p: 1.5", 9, "`p` must be a number from 0 to 1"),
        ("batch: 32", "batch: 1000000000", 21, "`batch` must be a whole number from 1 to 10,000"),
        ("size: 64", "size: 1000000", 9, "`size` must be a whole number from 16 to"),
        ("images: 240", "images: 1000000000000", 9, "`images` must be a whole number from 4 to"),
        ("images: 12", "images: 1000000000000", 32, "`images` must be a whole number from 1 to"),
        ("rate: 1.0e-3", "rate: .inf", 21, "'.inf' is no float"),
        ("rate: 1.0e-3", "rate: 1e999", 21, "`rate` must be a number from 0 to 10, and neither"),
    ],
)
def test_a_number_that_can_never_be_run_is_refused_with_its_line(tmp_path, old, new, line, words):
    """Of the smoke study: the key and what is allowed, before anything is trained."""
    text = (ROOT / "studies" / "smoke.yaml").read_text()
    path = tmp_path / "smoke.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(study.StudyError) as caught:
        study.load(path)
    assert words in str(caught.value)
    assert f"line {line}:" in str(caught.value)
