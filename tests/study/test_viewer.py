"""The viewer: what it holds, what it shows in a browser, and what it refuses."""

import base64
import io
import json
import re
import shutil

import browser
import numpy as np
import pytest
import tiny_study
from PIL import Image

from rrr_utils import score
from rrr_utils.study import viewer

SIZE = 64
PUBLISHED = tiny_study.PROJECT / "book" / "published" / "viewer" / "viewer.html"
# What the map is of, the words and the chart, when the map has been painted.
STATE = """new Promise((done) => setTimeout(() => done([document.querySelector(".rrr-viewer").dataset.shown,
  document.querySelector("output").textContent, document.querySelector(".chart").getAttribute("aria-label")]), 150))"""
CHOOSE = """(([key, value]) => {
  const menu = document.getElementById("viewer-" + key);
  menu.value = value;
  menu.dispatchEvent(new Event("input"));
})"""
# The colours near the upper and the lower end of the map.
COLOURS = """[0.1, 0.9].map((part) =>
  [...document.querySelector("canvas").getContext("2d").getImageData(5, 28 * part, 1, 1).data])"""


def shown(**changes):
    """Two images, two trainings, two explainers, three epochs; every map lies on the upper half by a known share."""
    draw = np.random.default_rng(0)
    masks = np.zeros((2, SIZE, SIZE), np.uint8)
    masks[0, :32], masks[1, :16] = 1, 1
    maps = draw.random((2, 2, 3, 2, SIZE, SIZE)).astype(np.float32)
    maps[1, 0, 2, 0] = 0
    maps[1, 0, 2, 0, :48] = 1  # 32 of 48 rows lie on the object
    maps[0, 1, 0, 1] = 0  # no relevance
    fields = {
        "images": draw.integers(0, 255, (2, SIZE, SIZE, 3)).astype(np.uint8),
        "masks": masks,
        "labels": np.array([0, 1]),
        "ids": ["a", "b"],
        "classes": ["cat", "</script>dog"],
        "trainings": [("dense", "original"), ("all", "swapped")],
        "explainers": ["grad_cam", "lime"],
        "epochs": [0, 5, 10],
        "maps": maps,
        "logits": np.tile([2.0, 0.0], (2, 3, 2, 1)),
        "licence": "Somebody, CC BY 4.0",
    }
    return viewer.Shown(**fields | changes)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])


def test_its_numbers_are_the_scores_of_its_maps():
    """Scores, chance and answers are those of the full maps; names cannot end the script."""
    given = shown()
    found = data_of(viewer.html(given))
    first, second = found["images"]
    assert first["chance"] == 0.5
    assert first["scores"][1][0][2] == round(32 / 48, 4)
    assert second["scores"][0][1][0] is None
    assert second["scores"][1][1][1] == round(float(score(given.masks[1], given.maps[1, 1, 1, 1])[0]), 4)
    assert second["label"] == "</script>dog"
    assert (second["said"][0], second["odds"][0]) == ([0, 0, 0], [0.881] * 3)
    assert found["trainings"] == [[0, -1], [-1, 1]]
    assert [each["label"] for each in found["strategies"]] == ["dense layers", "all layers"]


def test_a_strip_holds_the_map_of_each_epoch():
    """The picture of a strip has the epochs below one another, to one of 32 levels."""
    found = data_of(viewer.html(shown()))
    address = found["images"][0]["maps"][1][0]
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("L"))
    assert strip.shape == (3 * 28, 28)
    np.testing.assert_array_equal(strip[2 * 28 : 2 * 28 + 20], 248)
    np.testing.assert_array_equal(strip[-6:], 0)


def test_it_asks_for_nothing_and_has_a_picture_without_a_script():
    """Every address is data, and a still picture with a text stands there until the script takes it away."""
    page = viewer.html(shown())
    assert all(each.startswith("data:") for each in re.findall(r'(?:src|href)="([^"]+)"', page))
    assert "fetch(" not in page
    still = re.search(r'<img class="still" src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)"', page)
    assert Image.open(io.BytesIO(base64.b64decode(still[1]))).size[0] > 200
    assert "cat: Grad-CAM" in still[2]
    assert "chance 50%" in still[2]


def test_names_cannot_end_or_hide_its_script():
    """A class called like a comment or a tag is text; the id may hold what a file's name may hold."""
    classes = ["<!--<script>", "</script>dog"]
    page = viewer.html(shown(classes=classes), name="cats & ${dogs}")
    assert data_of(page)["images"][0]["label"] == classes[0]
    assert "<!--" not in page.replace("&lt;!--", "")
    assert 'getElementById("cats \\u0026 ${dogs}")' in page
    assert 'id="cats &amp; ${dogs}"' in page


def test_one_that_is_too_large_is_refused(monkeypatch):
    """Beyond two megabytes it says so, and what to do."""
    monkeypatch.setattr(viewer, "LARGEST", 10_000)
    with pytest.raises(ValueError, match=r"must be below 10,000 bytes, but has .* Show fewer images"):
        viewer.html(shown())


def test_weights_that_are_not_there_are_missed(tmp_path):
    """Only epochs of which all trainings have the weights are shown; none at all is an error with the remedy."""
    for training, epochs in {"one": (0, 1, 2), "two": (0, 2, 3)}.items():
        (tmp_path / training).mkdir()
        for epoch in epochs:
            (tmp_path / training / f"epoch-{epoch:02d}.npz").touch()
    assert viewer._epochs([tmp_path / "one", tmp_path / "two"]) == [0, 2]
    with pytest.raises(FileNotFoundError, match="Run `make study`"):
        viewer._epochs([tmp_path / "one", tmp_path / "none"])


def test_the_published_one_is_small():
    """Below 1.4 MB, so that its page stays below 1.5; with all four strategies, explainers and the licence."""
    page = PUBLISHED.read_text(encoding="utf-8")
    assert len(page) < 1_400_000
    found = data_of(page)
    assert [len(found[name]) for name in ("strategies", "explainers", "epochs", "trained_on")] == [4, 4, 11, 2]
    assert "CC BY-SA 4.0" in page


@pytest.mark.slow
def test_it_works_in_a_browser(tmp_path):
    """By keyboard alone, the epoch changes map, words, chart; each menu too; a training that is not there is said."""
    if browser.CHROMIUM is None:
        pytest.skip("There is no Chromium on this machine: the viewer is not tried in a browser.")
    (tmp_path / "page.html").write_text(
        f"<!doctype html><meta name='viewport' content='width=device-width'>{viewer.html(shown())}", encoding="utf-8"
    )
    profile = tmp_path / "profile"
    with browser.chromium(profile) as tab, browser.served(tmp_path) as origin:
        tab.screen(390, 844, True)
        tab.open(f"{origin}/page.html")
        assert tab.run(STATE)[0] == "0 0 0 2"
        assert tab.run("document.querySelector('.still').hidden")
        tab.run("document.getElementById('viewer-epoch').focus()")
        for kind in ("rawKeyDown", "keyUp"):
            tab.ask("Input.dispatchKeyEvent", type=kind, key="ArrowLeft", code="ArrowLeft", windowsVirtualKeyCode=37)
        at, words, _ = tab.run(STATE)
        assert at == "0 0 0 1"
        assert "After epoch 5 the network says cat, with 88%: right." in words
        tab.run(f"{CHOOSE}(['strategy', 1])")
        assert tab.run(STATE)[1] == "The study has no such training."
        tab.run(f"{CHOOSE}(['trained_on', 1]); {CHOOSE}(['epoch', 2])")
        at, words, chart = tab.run(STATE)
        assert at == "0 0 1 2"
        assert words.startswith("Score: 67% of the relevance lies on the object; chance is 50%.")
        assert chart.endswith("epoch 10 67%")
        # The upper 48 of 64 rows are the brightest colour, the rest the darkest.
        bright, dark = tab.run(COLOURS)
        assert bright[:3] == data_of(viewer.html(shown()))["colours"][-1]
        assert sum(dark[:3]) < 20
        tab.run(f"{CHOOSE}(['explainer', 1]); {CHOOSE}(['image', 1])")
        assert tab.run(STATE)[0] == "1 1 1 2"
        assert tab.run("document.documentElement.scrollWidth") <= 390
    shutil.rmtree(profile, ignore_errors=True)
