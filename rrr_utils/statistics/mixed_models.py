"""Seeds and images as random effects: a linear mixed model of a difference of scores."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from rrr_utils.common.extras import needed
from rrr_utils.statistics.cohorts import Ignored, check_scores, groups, members, need, refuse_mixed, select
from rrr_utils.statistics.means import side_by_side


def mixed(
    scores: pd.DataFrame,
    a: Mapping[str, object],
    b: Mapping[str, object],
    *,
    by: Sequence[str] = ("explainer",),
    cohort: str = "common",
    confidence: float = 0.95,
    ignore_epochs: Ignored = (),
) -> pd.DataFrame:
    """Return the difference of ``a`` and ``b`` in a mixed model with crossed random effects of seed and image.

    A score's difference under one seed on one image is the sum of the mean difference, an effect of the seed, one of
    the image, and a rest; all three are drawn from normal distributions whose variances are fitted by REML
    (statsmodels). So the interval is for *another* training on *other* images, where the bootstrap of
    :func:`~rrr_utils.statistics.paired` draws none but the seeds at hand. With s seeds the interval takes Student's t
    with s - 1 degrees of freedom, which few seeds make wide; where seeds do not differ at all it is cautious.

    Parameters are those of :func:`~rrr_utils.statistics.paired`.

    Returns
    -------
    Columns of ``by``; ``difference`` (a minus b) with ``low`` and ``high``; ``seed_sd``, ``image_sd`` and ``rest_sd``,
    the fitted standard deviations; ``n`` images and ``seeds``. With one seed, or fewer than two images, the model
    cannot be fitted and all but the counts are NaN.

    Raises
    ------
    ValueError
        If ``a`` or ``b`` names no row, or if a side mixes scores that do not compare.
    """
    check_scores(scores)
    chosen = scores[members(scores, cohort, ignore_epochs=ignore_epochs)]
    for name, wanted in (("a", a), ("b", b)):
        need(scores, wanted, f"`{name}`")
        if not select(scores, wanted).any():
            raise ValueError(f"`{name}` names no row of the table: {dict(wanted)} was passed.")
    rows = []
    for key, _ in groups(scores[select(scores, a) | select(scores, b)], by):
        left, right = (chosen[select(chosen, side) & select(chosen, key)] for side in (a, b))
        for part in (left, right):
            refuse_mixed(part, by)
        both = side_by_side(left, right)
        both = both.assign(difference=both["score_a"] - both["score_b"])
        rows.append(key | fit(both, confidence))
    return pd.DataFrame(rows)


def fit(table: pd.DataFrame, confidence: float = 0.95) -> dict[str, float]:
    """Fit the mean of ``difference`` with crossed random effects of ``seed`` and ``image``: see :func:`mixed`."""
    seeds, images = table["seed"].nunique(), table["image"].nunique()
    names = ("difference", "low", "high", "seed_sd", "image_sd", "rest_sd")
    counts = {"n": images, "seeds": seeds}
    if seeds < 2 or images < 2:
        return dict.fromkeys(names, float("nan")) | counts
    with needed("A mixed model"):
        from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
        from statsmodels.tools.sm_exceptions import ConvergenceWarning

    # One group, with a column of its own for each image and each seed; by formulas it would take twice as long.
    columns = [pd.get_dummies(table[name].to_numpy(), dtype=float) for name in ("image", "seed")]
    effects = VCSpec(["image", "seed"], [[list(each)] for each in columns], [[each.to_numpy()] for each in columns])
    ones = np.ones(len(table))
    model = MixedLM(table["difference"].to_numpy(float), ones[:, None], groups=ones, exog_vc=effects)
    with warnings.catch_warnings():
        # A variance of zero lies on the border of what is allowed, and is an answer.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = model.fit(reml=True, method=["powell", "lbfgs"])
    variance = dict(zip(model.exog_vc.names, map(float, found.vcomp), strict=True)) | {"rest": float(found.scale)}
    mean, half = float(found.fe_params[0]), stats.t.ppf((1 + confidence) / 2, seeds - 1) * _error(table, variance)
    spread = {name: np.sqrt(max(value, 0.0)) for name, value in variance.items()}
    values = (mean, mean - half, mean + half, spread["seed"], spread["image"], spread["rest"])
    return dict(zip(names, map(float, values), strict=True)) | counts


def _error(table: pd.DataFrame, variance: Mapping[str, float]) -> float:
    """Return the standard error of the mean under these variances: that of generalised least squares.

    statsmodels' own comes from a matrix of second derivatives, which is singular where a variance is zero.
    """
    together = np.diag(np.full(len(table), max(variance["rest"], 1e-12)))
    for name in ("seed", "image"):
        values = table[name].to_numpy()
        together += max(variance[name], 0.0) * (values[:, None] == values[None])
    return float(1 / np.sqrt(np.linalg.solve(together, np.ones(len(table))).sum()))
