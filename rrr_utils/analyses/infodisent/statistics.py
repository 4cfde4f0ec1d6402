"""What the tables of the disentangled head say: accuracy beside plain heads, channels a decision takes, prototypes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common import seeds
from rrr_utils.statistics.intervals import Interval, bootstrap
from rrr_utils.statistics.means import holm, paired, variant_table


def head_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each head on each split, and what it is above the plain head's on the same images.

    Columns ``split``, ``head``, ``n`` images, ``seeds``, ``accuracy`` and ``above_plain``, both with ``_low`` and
    ``_high``: a bootstrap over images, and over seeds where there are several.
    """
    right = answers.assign(right=answers["correct"].astype(float))
    found = []
    for split, part in right.groupby("split", sort=False):
        plain = _matrix(part[part["head"] == "plain"], "right")
        for head, rows in part.groupby("head", sort=False):
            matrix = _matrix(rows, "right")
            record: dict[str, Any] = {"split": split, "head": head, "n": matrix.shape[1], "seeds": len(matrix)}
            found.append(record | _mean("accuracy", matrix) | _mean("above_plain", matrix - plain))
    return pd.DataFrame(found)


def decision_table(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return how many channels carry a decision, by head and by what is added up.

    Columns ``of``, ``head``, ``channels``, ``n`` images, ``seeds``, ``needed`` (mean) with ``_low`` and ``_high``,
    ``median``, ``share`` of the channels that are needed with its interval, ``contra``, the share of the absolute
    contributions that speak against, and ``fewer``, the head's needed channels minus the average head's on the same
    images, with its interval.
    """
    rows = decisions.assign(
        share=decisions["needed"] / decisions["channels"],
        contra=-decisions["contra"] / (decisions["pro"] - decisions["contra"]),
    )
    found = []
    for of, part in rows.groupby("of", sort=False):
        before = _matrix(part[part["head"] == "average"], "needed")
        for head, own in part.groupby("head", sort=False):
            matrix = _matrix(own, "needed")
            record: dict[str, Any] = {"of": of, "head": head, "channels": int(own["channels"].iloc[0])}
            record |= {"n": matrix.shape[1], "seeds": len(matrix), "median": float(own["needed"].median())}
            record |= _mean("needed", matrix) | _mean("share", _matrix(own, "share"))
            found.append(record | {"contra": float(own["contra"].mean())} | _mean("fewer", matrix - before))
    return pd.DataFrame(found)


def prototype_table(prototypes: pd.DataFrame) -> pd.DataFrame:
    """Return whether prototypes are on the object: by side, of the channels that are used and of all.

    Columns ``side``, ``channels`` ("used", "all"), ``n`` prototypes of ``k`` channels on ``images`` images, ``seeds``;
    ``on_object``, the mean share of the prototype's cell that is object, ``chance``, the same of a random cell, and
    ``above``, the difference; ``same_place``, the mean of that cell over the other images, and ``beyond``, on_object
    minus that, which a liking for the middle of the image does not explain; ``own_class``, the share of prototypes
    whose image is of the class that the channel favours. ``on_object``, ``above`` and ``beyond`` have ``_low`` and
    ``_high``: a bootstrap over images and seeds, an image with all the channels that it is a prototype of.
    """
    rows = prototypes.assign(
        above=prototypes["on_object"] - prototypes["chance"],
        beyond=prototypes["on_object"] - prototypes["same_place"],
    )
    found = []
    for side, part in rows.groupby("side", sort=False):
        for which, chosen in (("used", part[part["used"]]), ("all", part)):
            record: dict[str, Any] = {"side": side, "channels": which, "n": len(chosen)}
            record |= {"k": chosen[["seed", "channel"]].drop_duplicates().shape[0]}
            record |= {"images": int(chosen["image"].nunique()), "seeds": int(chosen["seed"].nunique())}
            record |= {"chance": chosen["chance"].mean(), "same_place": chosen["same_place"].mean()}
            record |= {"own_class": float((chosen["label"] == chosen["favours"]).mean())}
            for name in ("on_object", "above", "beyond"):
                low, high = clustered(*sums_and_counts(chosen, name))
                record |= {name: chosen[name].mean(), f"{name}_low": low, f"{name}_high": high}
            found.append(record)
    return pd.DataFrame(found)


def sums_and_counts(rows: pd.DataFrame, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of ``name`` and the number of rows for every seed and image, both ``(seeds, images)``."""
    groups = rows.groupby(["seed", "image"])[name]
    sums, counts = (each.unstack(fill_value=0).to_numpy(float) for each in (groups.sum(), groups.count()))
    return sums, counts


def clustered(
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    confidence: float = 0.95,
    resamples: int = 1999,
    seed: int = 0,
) -> Interval:
    """Return a bootstrap interval for the mean of rows of which an image has several, ``sum(sums) / sum(counts)``.

    Whole images are drawn again, with all their rows, and whole seeds where there are several, independently of each
    other (percentile). Fewer than two images have no interval (NaN).
    """
    n_seeds, n_images = sums.shape
    if n_images < 2:
        return Interval(float("nan"), float("nan"))
    generator = seeds.generator("clustered bootstrap", seed)
    rows = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), resamples).astype(float)
    columns = generator.multinomial(n_images, np.full(n_images, 1 / n_images), resamples).astype(float)
    total = ((rows @ counts) * columns).sum(axis=1)
    with np.errstate(invalid="ignore"):
        means = ((rows @ sums) * columns).sum(axis=1) / np.where(total > 0, total, np.nan)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def map_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean score of every explainer, design and head beside chance, over all images of the cohort.

    As :func:`~rrr_utils.statistics.variant_table`, with ``design``; ``variant`` names another head than the
    disentangled one, or ``gaussian``.
    """
    parts = [variant_table(part).assign(design=design) for design, part in scores.groupby("design", sort=False)]
    return pd.concat(parts, ignore_index=True)


def maps_against(scores: pd.DataFrame, design: str = "heat maps") -> pd.DataFrame:
    """Return paired differences of the head's own maps and everything else, own minus other, on the same images.

    One row another explainer, head or design; columns as in :func:`~rrr_utils.statistics.paired`, with ``explainer``,
    ``variant`` and ``design`` of the other.
    """
    own = scores[(scores["explainer"] == "infodisent") & (scores["design"] == design)]
    keys = ["explainer", "variant", "design"]
    parts = []
    for key in scores[keys].drop_duplicates().to_dict("records"):
        if (key["explainer"], key["design"]) == ("infodisent", design):
            continue
        other = scores[(scores[keys] == pd.Series(key)).all(axis=1)]
        sides = [("own", own), ("other", other)]
        both = pd.concat(
            [rows.assign(explainer="compared", design="", samples=0, variant=name) for name, rows in sides]
        )
        found = paired(both, {"variant": "own"}, {"variant": "other"}, cohort="all")
        parts.append(found.assign(**{str(name): value for name, value in key.items()}))
    return holm(*parts)


def head_numbers(
    heads: pd.DataFrame, taken: pd.DataFrame, places: pd.DataFrame, maps: pd.DataFrame
) -> dict[str, float]:
    """Return the numbers that pages quote, by name; spaces are underscores, intervals end in ``_low`` and ``_high``.

    ``accuracy_<head>_<split>`` and ``above_plain_...``; ``needed_<head>_<of>``, ``share_...``, ``fewer_...``,
    ``median_...``, ``contra_...`` and ``channels``; ``on_object_<side>_<which channels>``, ``above_...``,
    ``beyond_...``, ``chance_...``, ``own_class_...``, ``n_...`` and ``k_...``; ``score_<explainer>`` with the design or
    the head behind it, and ``score_above_...`` for score minus chance; ``n_test``, ``n_images``, ``n_seeds``.
    """
    found: dict[str, float] = {}
    for row in heads.to_dict("records"):
        found |= _three(row, ("accuracy", "above_plain"), f"{row['head']}_{row['split']}")
    for row in taken.to_dict("records"):
        end = f"{row['head']}_{row['of']}"
        found |= _three(row, ("needed", "share", "fewer"), end)
        found |= {f"{name}_{end}": row[name] for name in ("median", "contra")}
    for row in places.to_dict("records"):
        end = f"{row['side']}_{row['channels']}"
        found |= _three(row, ("on_object", "above", "beyond"), end)
        found |= {f"{name}_{end}": row[name] for name in ("chance", "same_place", "own_class", "n", "k", "images")}
    for row in maps.to_dict("records"):
        end = "_".join(part.replace(" ", "_") for part in (row["explainer"], row["design"], row["variant"]) if part)
        found |= {f"score_{end}": row["mean"], f"score_{end}_low": row["low"], f"score_{end}_high": row["high"]}
        found |= {f"score_above_{end}": row["above"], f"score_above_{end}_low": row["above_low"]}
        found |= {f"score_above_{end}_high": row["above_high"], f"zero_maps_{end}": row["zero_maps"]}
    return found | {
        "channels": int(taken["channels"].max()),
        "n_test": int(heads["n"].max()),
        "n_seeds": int(heads["seeds"].max()),
        "n_images": int(maps["images"].max()),
        "score_chance": float(maps["chance"].mean()),
    }


def _three(row: Any, names: Sequence[str], end: str) -> dict[str, float]:
    return {f"{name}_{end}{edge}": row[f"{name}{edge}"] for name in names for edge in ("", "_low", "_high")}


def _mean(name: str, matrix: NDArray[np.float64]) -> dict[str, float]:
    low, high = bootstrap(matrix)
    return {name: float(np.nanmean(matrix)), f"{name}_low": low, f"{name}_high": high}


def _matrix(part: pd.DataFrame, name: str) -> NDArray[np.float64]:
    return part.pivot(index="seed", columns="image", values=name).sort_index(axis=1).to_numpy(float)
