"""What a word stands for: a member of a registry, or one's own by `package.module:Name`."""

import sys

import pytest

from rrr_utils.common import registry

WORDS: registry.Registry = {"reader": "json.decoder:JSONDecoder", "three": 3}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Put a package on the path that says so when it is imported."""
    (tmp_path / "toypackage").mkdir()
    (tmp_path / "toypackage/__init__.py").write_text("LOADED = True")
    (tmp_path / "toypackage/maps.py").write_text("class Mine(dict): pass\nclass Other: pass\ndef made(): pass\nN = 1")
    (tmp_path / "toypackage/broken.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("toypackage")]:
        del sys.modules[name]


def test_a_word_gives_the_object_behind_it():
    """A text in the form of a reference is imported; anything else is itself; an unknown word names the nearest."""
    assert registry.member("word", "reader", WORDS).__name__ == "JSONDecoder"
    assert registry.member("word", "three", WORDS) == 3
    with pytest.raises(ValueError, match=r"`word` must be one of \['reader', 'three'\].* Did you mean 'three'\?"):
        registry.member("word", "tree", WORDS)


def test_ones_own_is_imported_and_checked(toy):
    """By its kind where one is asked for; else it must be something to call."""
    assert registry.member("word", "toypackage.maps:Mine", WORDS, dict).__name__ == "Mine"
    assert registry.member("word", "toypackage.maps:made", WORDS).__name__ == "made"
    for word, kind, message in (
        ("toypackage.maps:Min", dict, r"`word` names 'toypackage.maps:Min', but .*maps.py has no 'Min'\. .* 'Mine'"),
        ("toypackage.maps:Other", dict, r"must be a subclass of builtins.dict, and is a class of .*object"),
        ("toypackage.maps:made", dict, "must be a subclass of builtins.dict, and is of type function"),
        ("toypackage.maps:N", None, "it must be a function, and is of type int"),
        ("toypackage.broken:Mine", dict, "'toypackage.broken' cannot be imported: No module named 'no_such_module'"),
    ):
        with pytest.raises(ValueError, match=message):
            registry.member("word", word, WORDS, kind)


def test_a_plan_checks_words_without_importing(toy):
    """A module that is not there is refused; one that is there stays unloaded, and so does its package."""
    registry.check("word", "toypackage.maps:Anything", WORDS)
    registry.check("word", "three", WORDS)
    assert "toypackage" not in sys.modules
    for word in ("toypackage.charts:Mine", "toypackage.maps.deeper:Mine", "no_such_package:Mine"):
        with pytest.raises(ValueError, match=r"Python finds no module .*PYTHONPATH"):
            registry.check("word", word, WORDS)
    with pytest.raises(ValueError, match=r"Did you mean 'three'\?"):
        registry.check("word", "tree", WORDS)
