"""The page on foretelling says what its tables say."""

import json
from pathlib import Path

import pytest

from rrr_utils.analyses.zoo import claims as foretelling
from rrr_utils.common import paths
from rrr_utils.study import study_file as study

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "data" / "results" / "zoo"


@pytest.fixture(scope="module")
def zoo():
    return foretelling.read(RESULTS)


@pytest.fixture(scope="module")
def glued():
    found = {}
    for cell in json.loads((ROOT / "book" / "zoo.ipynb").read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
            if name and not name.startswith("fig_"):
                (text,) = (value for mime, value in output["data"].items() if mime.endswith("text/plain"))
                found[name] = float("".join(text))
    return found


def test_the_tables_are_whole_and_small(zoo):
    """At least 200 models, each with its maps and its name once; below 10 MB."""
    assert len(zoo.models) >= 200
    assert zoo.models["model"].is_unique
    assert set(zoo.maps["model"]) == set(zoo.models["model"])
    assert sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file()) < 10_000_000


def test_the_prose_follows_from_the_verdicts(zoo):
    """What the page calls found, not decided, or failed has that verdict; the controls find what they must."""
    plan = study.load(paths.root() / "studies" / "zoo.yaml")
    verdict = foretelling.verdicts(zoo, plan.hypotheses).set_index("key")["verdict"]
    explainers = ("grad-cam", "grad-cam-plus-plus", "occlusion", "lime")
    for key in (*(f"{name}-foretells" for name in explainers), "pooled", "within-kinds", "flipped", "unseen-group",
                "beyond-accuracy", "beats-deletion", "alarm"):  # fmt: skip
        assert verdict[key] == "supported", key
    for key in ("accuracy-is-blind", "beats-accuracy", "mean-colour", "beats-no-map", "beats-pointing"):
        assert verdict[key] == "undecided", key
    assert verdict["all-images-are-better"] != "supported"
    for key in ("shuffled", "randomised-grad-cam", "randomised-occlusion", "known-tie"):
        assert verdict[key] == "supported", key


def test_the_prose_follows_from_the_numbers(glued):
    """Test accuracy ranks inside kinds and misleads between them; what needs no map tells drops best."""
    assert glued["kinds_test_accuracy"] > 0.8 > glued["groups_test_accuracy"]
    assert glued["area_test_accuracy"] < 0.55
    assert glued["r2_test_accuracy"] < 0.2 < glued["r2_grad_cam"] < glued["r2_removed"]
    assert glued["area_grad_cam"] < glued["area_removed"]
    assert glued["groups_removed"] < glued["value_grad-cam-foretells"]
    assert glued["groups_pointing"] >= glued["value_grad-cam-foretells"]
    assert glued["high_mean-colour"] > 0.3 > glued["value_mean-colour"]
    assert glued["regret_grad_cam"] < glued["regret_test_accuracy"] < glued["regret_random"]
    assert glued["right_grad_cam"] < glued["right_occlusion"]
    assert glued["common_least"] < glued["common_needed"]
