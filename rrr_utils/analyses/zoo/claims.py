"""Does the score foretell robustness? Predictors and outcomes of a zoo of models, and verdicts on its hypotheses."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats.multitest import multipletests
from statsmodels.tools.sm_exceptions import ConvergenceWarning, SingularMatrixWarning

from rrr_utils.analyses.zoo import hypotheses, statistics
from rrr_utils.analyses.zoo.hypotheses import Hypothesis

# Pages read the zoo, its rules and its verdicts here.
from rrr_utils.analyses.zoo.predictors import LEAST_COMMON as LEAST_COMMON
from rrr_utils.analyses.zoo.predictors import Zoo, cohorts, matrix, means
from rrr_utils.analyses.zoo.predictors import of as of
from rrr_utils.analyses.zoo.predictors import read as read
from rrr_utils.analyses.zoo.predictors import turned as turned
from rrr_utils.common import seeds
from rrr_utils.statistics.intervals import in_words, proportion_interval

# A drop of more than so much accuracy is one that an alarm should foretell; pairs of models whose outcomes are less
# apart decide nothing.
ALARM, APART = 0.1, 0.1
_POOLED = 999


def correlations(zoo: Zoo, outcome: str, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row a predictor: its rank correlation with an outcome, over groups, kinds and all models at once.

    Columns ``predictor``, ``models``, ``groups_n`` (in how many groups it is known and differs between models, of
    ``groups_all``); for each of ``groups``, ``kinds`` and ``pooled`` the value with
    ``_low`` and ``_high``; ``partial`` likewise, over groups at equal test accuracy; and ``reversed``: whether the
    interval over all models and one inside groups or kinds lie on different sides of zero (Simpson's paradox).
    A predictor that is the outcome itself is left out.
    """
    names = [name for name in (names or _listed(zoo)) if not _is_itself(name, outcome)]
    rows = pd.DataFrame({"predictor": names})
    for over in hypotheses.OVER:
        rows = rows.assign(**_columns(over, *_value(zoo, "spearman", names, outcome, over)))
    rows = rows.assign(**_columns("partial", *_value(zoo, "partial", names, outcome, "groups")))
    signs = {
        over: np.sign(rows[f"{over}_low"]) * (rows[f"{over}_low"] * rows[f"{over}_high"] > 0)
        for over in hypotheses.OVER
    }
    other = [signs["pooled"] * signs[over] < 0 for over in ("groups", "kinds")]
    cells = zoo.cells(outcome)
    x, y = zoo.predictors[names].to_numpy(), zoo.outcomes[outcome].to_numpy()
    known = [~np.isnan(statistics.spearman(x[cell.places], y[cell.places])) for cell in cells]
    return rows.assign(
        reversed=other[0] | other[1],
        models=sum(len(cell.places) for cell in cells),
        groups_n=np.sum(known, axis=0) if cells else 0,
        groups_all=len(cells),
    )


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`correlations` as a reader meets them: each number of a predictor with its interval in words."""
    named = table.set_index("predictor")
    overs = [over for over in (*hypotheses.OVER, "partial") if over in named]
    return pd.DataFrame({over: in_words(named[over], named[f"{over}_low"], named[f"{over}_high"]) for over in overs})


def plotted(zoo: Zoo, outcome: str, names: Sequence[str]) -> pd.DataFrame:
    """Return what `figures.robustness` draws: a row for every model that has the accuracy ``outcome``.

    Also those that were trained on it, which are marked. The accuracies have Wilson's intervals, the other predictors
    the mean over the scored images with 1.96 standard errors to either side; loss, entropy and probability have none.
    No number is turned.
    """
    models = zoo.models[zoo.models[f"accuracy_{outcome}"].notna()]
    seen = models["seen"].str.split().map(lambda seen: outcome in seen)
    found = models[["model", "trained_on"]].assign(seen=seen)
    accuracies = {
        "": f"accuracy_{outcome}",
        "test_accuracy": "accuracy_original",
        "accuracy_removed": "accuracy_removed",
    }
    for name in ("", *names):
        if name in accuracies:
            values = models[accuracies[name]]
            ends = [proportion_interval(value * n, n) for value, n in zip(values, models["n"], strict=True)]
            low, high = np.transpose(ends)
        elif name in hypotheses.PLAIN:
            values = low = high = models[name]
        else:
            explainer, measure, cohort = name.split("/")
            every, right = matrix(zoo.maps, zoo.models, explainer, measure)
            each, counted = every[models.index], cohorts(zoo.models, right)[cohort][models.index]
            known = ~np.isnan(each) & counted
            values = pd.Series(means(each, known), index=models.index)
            spread = np.where(known, (each - values.to_numpy()[:, None]) ** 2, 0.0).sum(axis=1)
            n = known.sum(axis=1)
            half = 1.96 * np.sqrt(spread / np.maximum(n - 1, 1) / np.maximum(n, 1))
            low, high = values - half, values + half
        ends_of = ("mean", "low", "high") if not name else (name, f"{name}_low", f"{name}_high")
        found = found.assign(**dict(zip(ends_of, (values, low, high), strict=True)))
    return found


def best(table: pd.DataFrame) -> str:
    """Return the predictor of :func:`correlations` whose rank correlation inside groups is the highest.

    Of those that are known in as many groups as any.
    """
    everywhere = table["groups"].where(table["groups_n"] == table["groups_n"].max())
    return str(table["predictor"].iloc[int(np.nanargmax(everywhere))])


def rivals(zoo: Zoo) -> list[str]:
    """Return the predictors that the page compares: those without a map, then each explainer's, by the paper's cohort.

    The score also over the images that all models of a group get right (where there are enough) and over all images.
    """
    names = [*hypotheses.PLAIN]
    for explainer in zoo.maps["explainer"].drop_duplicates():
        names += [f"{explainer}/{measure}/own" for measure in hypotheses.MEASURES]
        names += [f"{explainer}/above/{cohort}" for cohort in ("common", "all")]
    return [name for name in names if zoo.predictors[name].notna().any()]


def choices(zoo: Zoo, outcome: str, names: Sequence[str]) -> pd.DataFrame:
    """Return one row a predictor: what is lost by picking each group's model by it, with its interval.

    ``random`` is a pick by chance, the mean over the group's models.
    """
    cells = zoo.cells(outcome)
    y = zoo.outcomes[outcome].to_numpy()
    draws = statistics.draw(cells, zoo.resamples)
    rows = pd.DataFrame({"predictor": list(names)}).assign(
        **_columns("regret", *_value(zoo, "regret", names, outcome, "groups"))
    )
    nothing = np.zeros((len(zoo.models), 1))
    value, drawn = statistics.within(cells, draws, statistics.regret, nothing, y)
    chance = pd.DataFrame({"predictor": ["random"]}).assign(**_columns("regret", value, drawn))
    return pd.concat([rows, chance], ignore_index=True)


def alarms(zoo: Zoo, outcome: str, names: Sequence[str]) -> pd.DataFrame:
    """Return one row a predictor: how well it tells models that lose more than ten points from the others.

    ``area`` under the ROC curve of all models with its interval; then ``sensitivity`` and ``false_alarms`` with
    thresholds that other groups chose, ``low`` to ``high`` (as they are, not turned), of ``dropped`` and ``kept``
    models.
    """
    cells = zoo.cells(outcome)
    everyone = np.concatenate([cell.places for cell in cells])
    dropped = _dropped(zoo, outcome)[everyone]
    groups = zoo.models["group"].to_numpy()[everyone]
    rows = pd.DataFrame({"predictor": list(names)}).assign(
        **_columns("area", *_value(zoo, "alarm", names, outcome, "pooled"))
    )
    found = [statistics.alarm_elsewhere(zoo.predictors[name].to_numpy()[everyone], dropped, groups) for name in names]
    signs = np.array([-1.0 if turned(name) else 1.0 for name in names])
    ends = np.array([[each.low, each.high] for each in found]) * signs[:, None]
    return rows.assign(
        sensitivity=[each.sensitivity for each in found],
        false_alarms=[each.false_alarms for each in found],
        dropped=[each.with_drop for each in found],
        kept=[each.without for each in found],
        threshold_low=ends.min(axis=1),
        threshold_high=ends.max(axis=1),
    )


def predictions(zoo: Zoo, outcome: str, names: Sequence[str]) -> pd.DataFrame:
    """Return one row a predictor: how much of an outcome's variance it foretells in a group that was not looked at.

    Together with test accuracy, by a straight line fitted to the other groups: ``r2`` against the others' mean.
    """
    rows = pd.DataFrame({"predictor": list(names)})
    return rows.assign(**_columns("r2", *_value(zoo, "prediction", names, outcome, "pooled")))


def images_needed(zoo: Zoo, outcome: str, explainers: Sequence[str], counts: Sequence[int]) -> pd.DataFrame:
    """Return how often AvgScore over so many images ranks two models of a group right, one row an explainer and count.

    Of pairs whose outcomes are at least ten points apart; ``right`` is the mean over groups that have as many scored
    images, with the interval of drawing groups anew.
    """
    cells = zoo.cells(outcome)
    y = zoo.outcomes[outcome].to_numpy()
    rng = seeds.generator("images needed")
    chosen = rng.integers(len(cells), size=(zoo.resamples, len(cells)))
    rows = []
    for explainer in explainers:
        scores, _ = matrix(zoo.maps, zoo.models, explainer, "above")
        each = np.stack([statistics.pairs_right(scores[cell.places], y[cell.places], APART, counts) for cell in cells])
        low, high = statistics.percentile(_mean_of_known(each[chosen], 1))
        found = {"images": list(counts), "right": _mean_of_known(each, 0), "low": low, "high": high}
        rows.append(pd.DataFrame({"explainer": explainer, **found}))
    return pd.concat(rows, ignore_index=True)


def mixed(zoo: Zoo, outcome: str, name: str) -> pd.DataFrame:
    """Return the mixed model of an outcome: test accuracy, a predictor and the kind of training, with random groups.

    One row a fixed effect: ``effect`` on the outcome for one standard deviation, its 95 % interval, and ``p``. Groups
    have an intercept of their own, and so has each training inside its group: its checkpoints are not independent.
    """
    where = zoo.eligible(outcome) & zoo.predictors[name].notna()
    rows = zoo.models[where]
    columns = {"test accuracy": zoo.predictors.loc[where, "test_accuracy"], name: zoo.predictors.loc[where, name]}
    design = pd.DataFrame({key: (value - value.mean()) / value.std() for key, value in columns.items()})
    kinds = pd.get_dummies(rows["trained_on"], drop_first=True, dtype=float)
    design = pd.concat([design, kinds.rename(columns=lambda kind: f"trained on {kind}")], axis=1)
    # A formula takes no slash in a name.
    short = {column: f"x{number}" for number, column in enumerate(design.columns)}
    data = design.rename(columns=short).assign(
        y=zoo.outcomes.loc[where, outcome], group=rows["group"], training=rows["training"]
    )
    formula = f"y ~ {' + '.join(short.values())}"
    with warnings.catch_warnings():
        # Groups or trainings that do not differ have a variance at its bound of zero, which is an answer.
        for each in (ConvergenceWarning, SingularMatrixWarning):
            warnings.simplefilter("ignore", each)
        fitted = MixedLM.from_formula(
            formula, data, groups="group", re_formula="1", vc_formula={"training": "0 + C(training)"}
        ).fit(reml=True)
    terms = {"Intercept": "mean", **{name: column for column, name in short.items()}}
    interval = fitted.conf_int().loc[list(terms)]
    return pd.DataFrame(
        {
            "term": list(terms.values()),
            "effect": fitted.fe_params[list(terms)].to_numpy(),
            "low": interval[0].to_numpy(),
            "high": interval[1].to_numpy(),
            "p": fitted.pvalues[list(terms)].to_numpy(),
            "n": len(design),
        }
    )


def verdicts(zoo: Zoo, expected: Sequence[Hypothesis]) -> pd.DataFrame:
    """Return one row a hypothesis: its number with its interval, its p-value after Holm's correction, and its verdict.

    Hypotheses that expect nothing are controls and have no p-value. One whose outcome no model has is undecided.
    """
    rows: list[dict[str, Any]] = []
    for entry in expected:
        names = [entry.predictor, *([entry.against] if entry.against else [])]
        value, drawn = _value(zoo, entry.statistic, names, entry.outcome, entry.over, alike=True)
        estimate, replicates = value[0], drawn[:, 0]
        if entry.against:
            estimate, replicates = value[0] - value[1], drawn[:, 0] - drawn[:, 1]
        low, high = (float(end) for end in statistics.percentile(replicates))
        p = float("nan") if entry.expected == "nothing" else float(statistics.two_sided(replicates, entry.margin))
        cells = zoo.cells(entry.outcome, "kinds" if entry.over == "kinds" else "groups")
        rows.append({
            "key": entry.key, "words": entry.words, "statistic": entry.statistic, "over": entry.over,
            "outcome": entry.outcome, "expected": entry.expected, "margin": entry.margin, "value": float(estimate),
            "low": low, "high": high, "p": p, "models": sum(len(cell.places) for cell in cells),
            "groups": len({cell.group for cell in cells}),
        })  # fmt: skip
    found = pd.DataFrame(rows)
    tested = found["p"].notna()
    found["p_holm"] = np.nan
    if tested.any():
        found.loc[tested, "p_holm"] = multipletests(found.loc[tested, "p"], method="holm")[1]
    found["verdict"] = [
        entry.verdict(*row)
        for entry, row in zip(expected, found[["low", "high", "p_holm"]].to_numpy(float).tolist(), strict=True)
    ]
    return found


def board(found: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`verdicts` as a reader meets them: one row a hypothesis in words, its interval beside its number.

    Columns ``statistic``, ``over``, ``outcome``, ``value``, ``expected``, ``p_holm``, ``models`` and ``verdict``; what
    no model could answer has no value.
    """
    known = found["value"].notna() & found["low"].notna()
    expected = [
        "nothing" if row.expected == "nothing" else f"{row.expected} {row.margin:g}" for row in found.itertuples()
    ]
    shown = found.assign(
        value=in_words(found["value"], found["low"], found["high"]).where(known, ""),
        expected=expected,
        p_holm=[f"{p:.3f}" if p == p else "" for p in found["p_holm"].where(known)],
    )
    columns = ["statistic", "over", "outcome", "value", "expected", "p_holm", "models", "verdict"]
    return shown.set_index("words")[columns]


def left_out(zoo: Zoo) -> pd.DataFrame:
    """Return for each outcome and kind of training how many models count and how many do not, and why not."""
    rows = []
    for outcome in hypotheses.CHANGES:
        for kind, part in zoo.models.groupby("trained_on", sort=False):
            counted = int(zoo.eligible(outcome)[part.index].sum())
            seen = part["seen"].str.split().map(lambda names, outcome=outcome: outcome in names)
            why = "trained on it" if seen.all() else "the data have none" if not counted else ""
            rows.append(
                {"outcome": outcome, "trained_on": kind, "models": counted, "left_out": len(part) - counted, "why": why}
            )
    return pd.DataFrame(rows)


def common_images(zoo: Zoo) -> pd.DataFrame:
    """Return how many scored images all models of a group and seed get right; fewer than 20 decide nothing."""
    correct = zoo.maps[zoo.maps["variant"] == ""].drop_duplicates(["model", "image"])
    known = correct.merge(zoo.models[["model", "group", "seed"]], on="model")
    right = known.groupby(["group", "seed", "image"])["correct"].all()
    return right.groupby(["group", "seed"]).agg(common="sum", scored="size").reset_index()


def _listed(zoo: Zoo) -> list[str]:
    """Return the predictors of the table of rivals: those without a control, and that say something of any model."""
    controls = (hypotheses.KNOWN, hypotheses.SHUFFLED, hypotheses.RANDOMISED)
    names = map(str, zoo.predictors)
    return [name for name in names if name.split("/")[0] not in controls and zoo.predictors[name].notna().any()]


def _is_itself(name: str, outcome: str) -> bool:
    return name == "accuracy_removed" and outcome.endswith("removed")


def _dropped(zoo: Zoo, outcome: str) -> NDArray[np.bool_]:
    """Return which models lose more than ten points; the outcome is turned, so a drop is below zero."""
    if not outcome.startswith("drop_"):
        raise ValueError(f"An alarm is for a drop, for example 'drop_other', but the outcome {outcome!r} was passed.")
    return np.asarray(zoo.outcomes[outcome].to_numpy() < -ALARM)


def _value(
    zoo: Zoo, statistic: str, names: Sequence[str], outcome: str, over: str, alike: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a statistic of each predictor, ``(P,)``, and of each bootstrap, ``(resamples, P)``.

    ``alike`` is for differences: inside groups or kinds all predictors are averaged over the same ones.
    """
    cells = zoo.cells(outcome, "kinds" if over == "kinds" else "groups")
    if not cells:
        return np.full(len(names), np.nan), np.full((2, len(names)), np.nan)
    x, y = zoo.predictors[list(names)].to_numpy(), zoo.outcomes[outcome].to_numpy()
    given = zoo.predictors["test_accuracy"].to_numpy()
    # Ranking all models anew takes longer than ranking those of a group.
    apart = statistic in ("alarm", "prediction") or over == "pooled"
    draws = statistics.draw(cells, min(zoo.resamples, _POOLED) if apart else zoo.resamples)
    how: Callable[..., Any] = statistics.pooled if apart else partial(statistics.within, alike=alike)
    if statistic == "spearman":
        return how(cells, draws, statistics.spearman, x, y)
    if statistic == "partial":
        return how(cells, draws, statistics.partial, x, y, given)
    if statistic == "regret":
        return how(cells, draws, statistics.regret, x, y)
    if statistic == "alarm":
        return how(cells, draws, statistics.roc_area, x, _dropped(zoo, outcome))
    everyone = np.sort(np.concatenate([cell.places for cell in cells]))
    errors, plain = np.full(x.shape, np.nan), np.full(len(x), np.nan)
    for place, name in enumerate(names):
        features = given[:, None] if name == "test_accuracy" else np.column_stack([given, x[:, place]])
        errors[everyone, place], plain[everyone] = statistics.unseen_errors(
            features[everyone], y[everyone], zoo.models["group"].to_numpy()[everyone]
        )
    return how(cells, draws, lambda mine, base: 1 - mine.sum(axis=0) / base.sum(), errors, plain)


def _mean_of_known(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=axis) / np.maximum(count, 1), np.nan)


def _columns(name: str, value: NDArray, replicates: NDArray) -> dict[str, NDArray]:
    low, high = statistics.percentile(replicates)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
