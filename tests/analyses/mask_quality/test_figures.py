"""Figures of mask quality: what is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plots import EXPLAINERS, drawn, filled

from rrr_utils.analyses.mask_quality import figures
from rrr_utils.figures.style import STYLE


def test_overlaps_are_counted_in_their_bins():
    """Each masker's panel holds as many images as its rows; the median is marked."""
    table = pd.DataFrame({"image": list("abcd") * 2, "source": ["deeplab"] * 4 + ["box"] * 4})
    table = table.assign(iou=[0.0, 0.81, 0.82, 0.83, 0.4, 0.5, 0.6, 0.7])
    figure = figures.overlap_histogram(table, [0.5])
    for axes, median in zip(figure.axes, (0.815, 0.55)):
        heights = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert heights.max() in (1, 2)  # 0.81 and 0.82 share a bin
        assert any(np.allclose(line.get_xdata(), median) for line in axes.lines if len(line.get_xdata()))
    (axes,) = figures.overlap_histogram(table[:4].assign(source="mine"), [0.5]).axes
    assert axes.get_title(loc="left") == "mine"


def test_both_outlines_are_drawn():
    """The hand-made mask in white, the other in orange; a mask that is empty has no line."""
    images = np.full((2, 16, 16, 3), 100, np.uint8)
    masks = np.zeros((2, 16, 16))
    masks[:, 4:12, 4:12] = 1
    others = masks.copy()
    others[1] = 0
    first, second = figures.mask_pairs(images, masks, others, ["a", "b"]).axes
    assert len(first.collections) == 2
    assert len(second.collections) == 1
    with pytest.raises(ValueError, match="must belong together"):
        figures.mask_pairs(images, masks, others[:1], ["a", "b"])


def test_differences_are_drawn_by_masker():
    """One panel a table, one colour a masker, values and intervals as given."""
    table = filled(explainer=EXPLAINERS, mask_source=("deeplab", "box")).rename(columns={"mean": "difference"})
    tables = {"one": table, "two": table.assign(difference=0.1, low=0.0, high=0.3)}
    figure = figures.score_differences(tables, hue="mask_source", label="x")
    one, two = (drawn(axes) for axes in figure.axes)
    for source in ("deeplab", "box"):
        label = STYLE["mask_source"][source].label
        part = table[table["mask_source"] == source]
        assert_allclose(one[label], [part[name] for name in ("difference", "low", "high")])
        assert_allclose(two[label], [[0.1] * 4, [0.0] * 4, [0.3] * 4], atol=1e-12)
    with pytest.raises(ValueError, match="`tables` must hold at least one"):
        figures.score_differences({}, hue="mask_source", label="x")
