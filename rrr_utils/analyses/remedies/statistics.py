"""What remedies change against plain training: in accuracy, behind changed backgrounds, in the score, and in time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from rrr_utils.statistics.intervals import drop_interval
from rrr_utils.statistics.means import average, holm, paired

PLAIN = "plain"
# Smaller than this, two scores or two accuracies are alike: the margins of the paper's claims.
SCORE_MARGIN, ACCURACY_MARGIN = 0.03, 0.02
# The chance of even one false alarm among all tests of a table, and a power that is usual.
LEVEL, POWER = 0.05, 0.8

RAISES, LOWERS, ALIKE, OPEN, ONE_SEED = "raises", "lowers", "alike", "undecided", "undecided (one seed)"
HELPS, HARMS, MIXED, NOTHING = "helps", "harms", "mixed", "no change"
SEES, MISSES, FALSE_ALARM, CONTRARY = "sees it", "misses it", "false alarm", "says the contrary"

# By words: how each verdict follows. Written before any table was computed.
RULES = {
    "a difference": "a remedy minus plain training, same seeds and images; scores are paired over all test images that "
    "were scored, right or wrong, and accuracies compared on all test images",
    "raises, lowers": "the whole interval is on that side of 0, the difference reaches the margin, and for scores "
    "Wilcoxon's p, corrected by Holm for the whole table, is below 5%",
    "alike": "the whole interval is within the margin",
    "helps": "accuracy is raised behind at least one changed background that the remedy was not taught, and lowered "
    "behind none; harms: the other way round; mixed: some are raised and some lowered",
    "no change": "accuracy is alike behind every changed background that the remedy was not taught",
    "cost in accuracy": "the same for test images as they are",
    "the score sees it": "the remedy helps and the explainer's score is raised, or it harms and the score is lowered",
    "the score misses it": "the remedy helps or harms, and the score is not told from before",
    "false alarm": "the score is raised or lowered, and the remedy neither helps nor harms",
}


class Promise(NamedTuple):
    """What a remedy's paper promises in our words, and what of our tables it is held against."""

    remedy: str
    paper: str
    words: str
    what: str


PROMISES = (
    Promise("right-reasons", "Ross et al. 2017", "generalises where training and test conditions differ", "shifted"),
    Promise("cgc", "Pillai et al. 2022", "its explanations lie more on the object, without any masks", "grad_cam"),
    Promise("cgc", "Pillai et al. 2022", "at no cost in accuracy", "kept"),
    Promise("explanation-guided", "Sun et al. 2020", "generalises to other domains", "shifted"),
    Promise(
        "counterexamples", "Schramowski et al. 2020", "corrects networks that are right for wrong reasons", "shifted"
    ),
    Promise("input-dropout", "Carter et al. 2021", "mitigates reliance on pixels that mean nothing", "grad_cam"),
    Promise("ensemble", "Carter et al. 2021", "mitigates reliance on pixels that mean nothing", "grad_cam"),
    Promise("masked", "Nguyen et al. 2020", "raises the score", "grad_cam"),
)

_EXPLAINER = ["explainer", "design", "samples"]


def differences(scores: pd.DataFrame, shift: pd.DataFrame, taught: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return every remedy minus plain training, one row an outcome.

    Parameters
    ----------
    scores, shift
        Tables of one comparison, ``trained_on`` the remedy, with rows of :data:`PLAIN`; one epoch.
    taught
        By remedy, the backgrounds and explainers that its training aims at.

    Returns
    -------
    Columns ``remedy``, ``kind`` ("accuracy" or "score"), ``what`` (a background, "original" the one as it is, or an
    explainer), ``plain``, ``value``, ``difference`` with ``low`` and ``high``, ``n`` images, ``seeds``, ``p`` and
    ``p_holm`` of scores, ``taught``, and ``verdict`` by :data:`RULES`.

    Raises
    ------
    ValueError
        If there is no plain training to compare with.
    """
    for name, table in (("scores", scores), ("shift", shift)):
        if PLAIN not in set(table["trained_on"]):
            raise ValueError(
                f"The {name} table has no rows of {PLAIN!r}, with which remedies are compared; it has "
                f"{sorted(table['trained_on'].unique())}. Name it among the remedies."
            )
    order = [name for name in dict.fromkeys(shift["trained_on"]) if name != PLAIN]
    rows = [row for name in order for row in _accuracies(shift, name)]
    tests = []
    for name in order:
        found = paired(scores, {"trained_on": name}, {"trained_on": PLAIN}, by=_EXPLAINER, cohort="all")
        tests.append(found.assign(remedy=name))
    told = holm(*tests)
    for row in told.to_dict("records"):
        kept = {name: row[name] for name in ("remedy", "difference", "low", "high", "n", "seeds", "p", "p_holm")}
        rows.append({**kept, "kind": "score", "what": row["explainer"], "plain": row["mean_b"], "value": row["mean_a"]})
    table = pd.DataFrame(rows)
    table["taught"] = [row["what"] in taught.get(row["remedy"], ()) for row in table.to_dict("records")]
    table["verdict"] = [verdict(row) for row in table.to_dict("records")]
    return table[list(_COLUMNS)]


def verdict(row: Mapping[Any, Any]) -> str:
    """Return what one difference says, by :data:`RULES`."""
    low, high, difference = row["low"], row["high"], row["difference"]
    if any(np.isnan(value) for value in (low, high, difference)):
        return OPEN
    margin = ACCURACY_MARGIN if row["kind"] == "accuracy" else SCORE_MARGIN
    found = OPEN
    if -margin < low and high < margin:
        found = ALIKE
    elif (low > 0 or high < 0) and abs(difference) >= margin and not row["p_holm"] >= LEVEL:
        found = RAISES if difference > 0 else LOWERS
    return ONE_SEED if row["seeds"] == 1 and found != OPEN else found


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a remedy of :func:`differences`: ``helps``, ``kept`` and, an explainer each, whether it sees it.

    ``helps`` is the verdict on changed backgrounds, ``shifted`` the mean difference behind those that were not taught,
    ``shifted_low`` and ``shifted_high`` how far the intervals of the single ones reach, ``original`` the difference on
    images as they are and ``kept`` its verdict. A score that the remedy was taught is in brackets.
    """
    rows = []
    for remedy, part in table.groupby("remedy", sort=False):
        accuracies = part[part["kind"] == "accuracy"].set_index("what")
        changed = accuracies[(accuracies.index != "original") & ~accuracies["taught"]]
        helps = _together(changed["verdict"].tolist())
        row: dict[str, Any] = {
            "remedy": remedy,
            "helps": helps,
            "shifted": float(changed["difference"].mean()),
            "shifted_low": float(changed["low"].min()),
            "shifted_high": float(changed["high"].max()),
            "original": float(accuracies["difference"]["original"]),
            "kept": str(accuracies["verdict"]["original"]),
        }
        for score in part[part["kind"] == "score"].to_dict("records"):
            said = sees(helps, score["verdict"])
            row[score["what"]] = f"({said})" if score["taught"] else said
        rows.append(row)
    return pd.DataFrame(rows)


def sees(helps: str, score: str) -> str:
    """Return whether a score's verdict tells what a remedy does to accuracy on changed backgrounds."""
    direction = {HELPS: 1, HARMS: -1, NOTHING: 0}.get(helps)
    moved = {RAISES: 1, LOWERS: -1, ALIKE: 0, OPEN: 0}.get(score)
    if direction is None or moved is None:
        return OPEN
    if direction == 0:
        return FALSE_ALARM if moved else SEES if score == ALIKE else OPEN
    return MISSES if moved == 0 else SEES if moved == direction else CONTRARY


def promises(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each paper promises beside what :func:`differences` found, one row a promise that can be judged.

    ``shifted`` is held against ``helps``; ``kept`` against accuracy on images as they are, which must not be lowered;
    an explainer against its score, which must be raised.
    """
    verdicts = judged(table).set_index("remedy")
    rows = []
    for each in PROMISES:
        if each.remedy not in verdicts.index:
            continue
        part = table[table["remedy"] == each.remedy]
        if each.what == "shifted":
            found = str(verdicts["helps"][each.remedy])
            holds = {HELPS: "holds", HARMS: "does not hold", NOTHING: "does not hold", MIXED: "holds in part"}
            value = float(verdicts["shifted"][each.remedy])
        else:
            what, kind = ("original", "accuracy") if each.what == "kept" else (each.what, "score")
            row = part[(part["what"] == what) & (part["kind"] == kind)]
            if row.empty:
                continue
            found, value = str(row["verdict"].iloc[0]), float(row["difference"].iloc[0])
            alike = "holds" if each.what == "kept" else "does not hold"
            holds = {RAISES: "holds", LOWERS: "does not hold", ALIKE: alike}
        rows.append({**each._asdict(), "found": found, "difference": value, "verdict": holds.get(found, OPEN)})
    return pd.DataFrame(rows, columns=[*Promise._fields, "found", "difference", "verdict"])


def time_ratios(fits: pd.DataFrame) -> pd.DataFrame:
    """Return how many times longer than plain an epoch of each remedy takes, and the range over seeds."""
    each = fits.set_index(["trained_on", "seed"])["epoch_seconds"]
    plain = each.loc[PLAIN]
    ratios = each / plain.reindex(each.index.get_level_values("seed")).to_numpy()
    table = ratios.groupby("trained_on", sort=False).agg(times="mean", least="min", most="max")
    return table.reset_index().rename(columns={"trained_on": "remedy"})


def overview(scores: pd.DataFrame, shift: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Return one row a remedy: accuracy behind each background, mean score by explainer over all images, and time.

    ``n`` images were classified behind each background, ``scored`` of them scored, both by each of so many ``seeds``.
    """
    accuracy = shift.pivot_table(index="trained_on", columns="background", values="accuracy", sort=False)
    means = average(scores, ["trained_on", *_EXPLAINER], cohort="all", resamples=99)
    score = means.pivot(index="trained_on", columns="explainer", values="mean")
    times = time_ratios(fits).set_index("remedy")["times"]
    by = shift.groupby("trained_on")
    counts = pd.DataFrame({"n": by["n"].max(), "seeds": by["seed"].nunique()})
    counts["scored"] = scores.groupby("trained_on")["image"].nunique()
    table = accuracy.join(score).join(times).join(counts)
    return table.rename_axis("remedy").reset_index()


def agreement(scores: pd.DataFrame, shift: pd.DataFrame, taught: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return, by explainer, how models rank by score and by accuracy on changed backgrounds: Spearman's ``rho``.

    A model is a remedy and a seed; its accuracy is the mean over the backgrounds that no remedy was taught, so that all
    models are measured alike, and its score the mean over all images. Remedies that were taught that explainer's score
    are left out. ``within`` is the same of differences to the plain network of the seed, without it.
    """
    known = {background for each in taught.values() for background in each}
    free = shift[~shift["background"].isin([*known, "original"])]
    robust = free.groupby(["trained_on", "seed"])["accuracy"].mean()
    rows = []
    for explainer, part in scores.groupby("explainer", sort=False):
        means = part.groupby(["trained_on", "seed"])["score"].mean()
        kept = [name for name in means.index.unique("trained_on") if explainer not in taught.get(name, ())]
        both = pd.DataFrame({"score": means, "accuracy": robust}).loc[kept].dropna()
        change = both - both.loc[PLAIN].reindex(both.index.get_level_values("seed")).to_numpy()
        change = change.drop(index=PLAIN, level="trained_on")
        rows.append(
            {
                "explainer": explainer,
                "models": len(both),
                "rho": _spearman(both),
                "within": _spearman(change),
                "backgrounds": ", ".join(dict.fromkeys(free["background"])),
            }
        )
    return pd.DataFrame(rows)


def images_needed(scores: pd.DataFrame) -> pd.DataFrame:
    """Return, by explainer, how many images tell a difference in score as large as the margin from none.

    For somebody with one network before and after: ``spread`` is the standard deviation over images of a remedy minus
    plain of one seed, the mean over seeds and the median over remedies; ``images`` so many that a difference of the
    margin is told at the level of 5 % in ``POWER`` of all draws of images, a normal approximation.
    """
    a_seed = scores.dropna(subset=["score"]).pivot_table(
        index=["explainer", "image", "seed"], columns="trained_on", values="score"
    )
    change = a_seed.sub(a_seed[PLAIN], axis=0).drop(columns=PLAIN)
    spread = change.groupby(["explainer", "seed"]).std().groupby("explainer").mean().median(axis=1)
    table = spread.rename("spread").reset_index()
    errors = stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)
    return table.assign(images=np.ceil((errors * table["spread"] / SCORE_MARGIN) ** 2).astype(int))


def reach_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, by remedy, how far another background moves the label's log odds, and how much of it the gradient shows.

    ``change`` and ``predicted`` are medians over images and seeds of the absolute values of the table ``reach``,
    ``shown`` their ratio; ``outside`` is the share of the squared gradient that lies outside the object, in the mean,
    and ``steepness`` the median of its sum there as a multiple of plain training's.
    """
    sizes = rows.assign(
        change=rows["change"].abs(),
        predicted=rows["predicted"].abs(),
        share=rows["outside"] / (rows["inside"] + rows["outside"]).where(lambda total: total > 0),
    )
    groups = sizes.groupby("trained_on", sort=False)
    table = groups[["change", "predicted"]].median()
    table["shown"] = table["predicted"] / table["change"]
    table["outside"] = groups["share"].mean()
    steepness = groups["outside"].median()
    table["steepness"] = steepness / steepness[PLAIN]
    return table.rename_axis("remedy").reset_index()


_COLUMNS = (
    *("remedy", "kind", "what", "plain", "value", "difference", "low", "high"),
    *("n", "seeds", "p", "p_holm", "taught", "verdict"),
)


def _accuracies(shift: pd.DataFrame, remedy: str) -> list[dict[str, Any]]:
    """Return the differences behind every background: Newcombe's interval, stretched over the seeds."""
    rows = []
    for background in dict.fromkeys(shift["background"]):
        part = shift[shift["background"] == background]
        a, b = (part[part["trained_on"] == name].set_index("seed")["accuracy"] for name in (remedy, PLAIN))
        each = (a - b).dropna()
        n = int(part["n"].min())
        low, high = drop_interval(a[each.index].mean() * n, n, b[each.index].mean() * n, n)
        rows.append(
            {
                "remedy": remedy,
                "kind": "accuracy",
                "what": background,
                "plain": float(b[each.index].mean()),
                "value": float(a[each.index].mean()),
                "difference": float(each.mean()),
                "low": min(low, float(each.min())),
                "high": max(high, float(each.max())),
                "n": n,
                "seeds": len(each),
                "p": float("nan"),
                "p_holm": float("nan"),
            }
        )
    return rows


def _together(verdicts: Sequence[str]) -> str:
    if ONE_SEED in verdicts:
        return ONE_SEED
    raised, lowered = RAISES in verdicts, LOWERS in verdicts
    if raised or lowered:
        return MIXED if raised and lowered else HELPS if raised else HARMS
    return NOTHING if verdicts and set(verdicts) == {ALIKE} else OPEN


def _spearman(both: pd.DataFrame) -> float:
    return float(stats.spearmanr(both["score"], both["accuracy"]).statistic) if len(both) > 2 else float("nan")
