"""Licences: what an installation with every extra brings is free to use beside code under the MIT licence."""

import ast
import re
from email.message import Message
from importlib import metadata

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# MIT, BSD, Apache 2.0, PSF, ISC and MPL 2.0, in the words in which packages state them, without blanks and signs; and
# of what some of them include HPND (as MIT-CMU), zlib, and what asks for nothing (0BSD, CC0, the Unlicense).
FREE = re.compile(
    r"(the)?mit(license|cmu)?|[023]?(clause)?bsd[023]?(clause)?(license)?|apache(software)?(license)?(version)?(20|2)?"
    r"|psf(20)?(license)?|python20|pythonsoftwarefoundationlicense|isc(license)?(iscl)?"
    r"|mplv?20|mozillapubliclicense20(mpl20)?|hpnd|zlib|cc010|unlicense"
)
# Looked up by hand, with what was found.
EXCEPTIONS = {
    "namex": "states nothing in its metadata; the licence file in its wheel is the Apache licence 2.0",
}
# Part of an extra and not installed for the tests; what they bring in turn is not followed here.
APART = {
    "torch": "a gigabyte; itself under a BSD licence, but a build for CUDA brings NVIDIA's libraries, under its terms"
}


def closure(*roots: str) -> tuple[dict[str, metadata.Distribution], set[str]]:
    """Return what these requirements bring on this machine, by name, and the names of what is not installed."""
    environment = default_environment()
    found: dict[str, metadata.Distribution] = {}
    missing, seen = set(), set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.add(name)
            continue
        for extra in {"", *requirement.extras} - {extra for other, extra in seen if other == name}:
            seen.add((name, extra))
            for asked in map(Requirement, found[name].requires or []):
                if asked.marker is None or asked.marker.evaluate({**environment, "extra": extra}):
                    waiting.append(asked)
    return found, missing


def stated(about: Message) -> list[str]:
    """Return what a package's metadata say of its licence: the SPDX expression, or else classifiers and a short text.

    The whole text of a licence, which some have in place of its name, is not read.
    """
    if about["License-Expression"]:
        return [about["License-Expression"]]
    classifiers = [text.split(" :: ")[1:] for text in about.get_all("Classifier", []) if text.startswith("License ::")]
    named = [parts[-1] for parts in classifiers if parts[-1] != "OSI Approved"]
    text = (about["License"] or "").strip()
    short = text.removeprefix("OSI Approved :: ")
    return named + [short] * (short not in ("", "UNKNOWN") and "\n" not in text)


def is_free(text: str) -> bool:
    """Whether a name or an SPDX expression is of the allowed licences: all of what AND joins, one of what OR does."""
    quoted = re.sub(r"[^\s()]+", lambda word: {"AND": "and", "OR": "or"}.get(word[0], repr(word[0])), text)
    try:
        tree = ast.parse(quoted, mode="eval").body
    except SyntaxError:  # a name with brackets or apostrophes
        return _named(text)
    return _holds(tree) if isinstance(tree, ast.BoolOp) else _named(text)


def _holds(tree: ast.expr) -> bool:
    if isinstance(tree, ast.BoolOp):
        return (all if isinstance(tree.op, ast.And) else any)(_holds(part) for part in tree.values)
    # Words that follow each other have become one text.
    return isinstance(tree, ast.Constant) and _named(str(tree.value))


def _named(text: str) -> bool:
    return bool(FREE.fullmatch(re.sub(r"[^a-z0-9]", "", text.lower())))


def refused(found: dict[str, metadata.Distribution]) -> dict[str, list[str]]:
    """Return the packages that state another licence or none, with what they state."""
    said = {name: stated(each.metadata) for name, each in found.items() if name not in EXCEPTIONS}
    return {name: words for name, words in said.items() if not words or not all(map(is_free, words))}


def everything() -> str:
    extras = metadata.metadata("rrr-utils").get_all("Provides-Extra", [])
    return f"rrr-utils[{','.join(extra for extra in extras if not extra.startswith('test'))}]"


def test_all_that_an_installation_brings_goes_with_mit():
    """The core with every extra, followed to the last requirement."""
    found, missing = closure(everything())
    assert {"numpy", "keras", "openvino", "onnxruntime", "scikit-learn", "papermill", "tornado"} <= set(found)
    assert missing <= set(APART), "not installed: run `make venv`"
    assert refused(found) == {}
    assert set(EXCEPTIONS) <= set(found), "an exception that is not needed"


def test_a_package_under_the_gpl_would_be_named():
    """krippendorff, which the tests have and the package does not, is refused, and nothing else with it."""
    found, _ = closure(everything(), "krippendorff>=0.9")
    assert list(refused(found)) == ["krippendorff"]
    assert "GPL" in str(refused(found)) or "General Public" in str(refused(found))


def test_extras_and_markers_are_followed():
    """An extra of another package counts where it is asked for; what is for another system does not."""
    assert "krippendorff" not in closure(everything())[0]
    plain, extra = closure("seaborn")[0], closure("seaborn[stats]")[0]
    assert "statsmodels" in extra
    assert "statsmodels" not in plain
    assert closure("rrr-utils; python_version < '3'")[0].keys() == closure("rrr-utils")[0].keys()
    assert "tensorflow-intel" not in closure(everything())[0]


@pytest.mark.parametrize(
    ("fields", "free"),
    [
        ({"License-Expression": "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0"}, True),
        ({"License-Expression": "(LGPL-2.1-or-later OR MIT) AND Apache-2.0"}, True),
        ({"License-Expression": "MIT AND GPL-3.0-or-later"}, False),
        ({"License-Expression": "GPL-2.0-only WITH Classpath-exception-2.0"}, False),
        ({"License-Expression": "LicenseRef-NVIDIA-Proprietary"}, False),
        ({"Classifier": "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"}, True),
        ({"Classifier": "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"}, False),
        ({"License": "3-Clause BSD License"}, True),
        ({"License": "MPL-2.0 AND MIT"}, True),
        ({"License": "GPLv3", "Classifier": "License :: OSI Approved :: MIT License"}, False),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved"}, False),
        ({"License": "MIT License\n\nPermission is hereby granted ..."}, False),
        ({"License": "Other/Proprietary License"}, False),
        ({}, False),
    ],
)
def test_licences_are_read_wherever_they_are_stated(fields, free):
    """An expression alone counts; else classifiers and a short text must both be free; nothing is not free."""
    about = Message()
    for name, value in fields.items():
        about[name] = value
    words = stated(about)
    assert (bool(words) and all(map(is_free, words))) == free
