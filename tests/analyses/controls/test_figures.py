"""Figures of controls: what is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plots import EXPLAINERS, drawn, filled

from rrr_utils.analyses.controls import figures
from rrr_utils.figures.style import CHANCE, STYLE


def test_scores_by_variant_draws_the_table():
    """A panel an explainer, a row a variant; a map that no network made stands in every panel; chance is marked."""
    rows = {"": "as trained", "randomised all": "all", "gaussian": "Gaussian"}
    own = filled(explainer=EXPLAINERS, variant=("", "randomised all")).assign(chance=0.2)
    trivial = filled(explainer=("none",), variant=("gaussian",)).assign(chance=0.2)
    table = pd.concat([own, trivial], ignore_index=True)
    figure = figures.scores_by_variant(table, rows)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["as trained", "random: all", "Gaussian"]
    for axes, explainer in zip(figure.axes, EXPLAINERS):
        values = [container.lines[0].get_xdata()[0] for container in axes.containers]
        assert_allclose(values, [*own.loc[own["explainer"] == explainer, "mean"], *trivial["mean"]])
        assert any(
            line.get_color() == CHANCE["color"] and np.isclose(line.get_xdata()[0], 0.2)
            for line in axes.lines
            if len(line.get_xdata())
        )
    with pytest.raises(ValueError, match="`variant` must be one of"):
        figures.scores_by_variant(table, {"": "as trained"})


def test_survival_draws_the_stages_in_order():
    """One line an explainer over the stages, whatever the order of the rows."""
    stages = {"randomised head": "head", "randomised all": "all"}
    table = filled(explainer=EXPLAINERS, variant=tuple(stages))
    figure = figures.survival(table.sample(frac=1, random_state=0), stages)
    found = drawn(figure.axes[0])
    for explainer in EXPLAINERS:
        part = table[table["explainer"] == explainer]
        assert_allclose(found[STYLE["explainer"][explainer].label], [part[c] for c in ("mean", "low", "high")])
