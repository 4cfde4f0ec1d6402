"""What the tables on subsets of pixels say: confidence, agreement and place of each kind, with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.analyses.reliability.statistics import spearman_over_images
from rrr_utils.statistics.intervals import bootstrap
from rrr_utils.statistics.means import holm

_KINDS = ["voters", "kind", "fill", "shown", "share"]


def subset_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each kind of subset with the means of ``pixel_subsets``, in the order in which kinds first stand.

    ``confidence`` in the target, ``kept_answer`` the share of images whose prediction stays (towards a wrong class:
    becomes that class), ``accuracy`` of the answers, ``on_object`` and ``above``, on_object minus chance. Each has an
    interval, ``_low`` and ``_high``: a bootstrap over images, and over seeds where there are several.
    """
    numbers = rows.assign(
        kept_answer=(rows["answer"] == rows["target"]).astype(float),
        accuracy=(rows["answer"] == rows["label"]).astype(float),
        above=rows["on_object"] - rows["chance"],
    )
    found = []
    for key, part in numbers.groupby(_KINDS, sort=False):
        record: dict[str, Any] = dict(zip(_KINDS, key, strict=True))
        record |= {"n": int(part["image"].nunique()), "seeds": int(part["seed"].nunique())}
        record |= {"pixels": float(part["pixels"].mean()), "chance": float(part["chance"].mean())}
        for name in ("confidence", "kept_answer", "accuracy", "on_object", "above"):
            record |= _with_interval(part, name)
        found.append(record)
    return pd.DataFrame(found)


def selected_against(rows: pd.DataFrame, others: Sequence[str] = ("random", "neighbours")) -> pd.DataFrame:
    """Return the paired difference in confidence, selected minus each other kind, on the same images and seeds.

    Both before the neutral colour; columns ``voters``, ``share``, ``kind``, ``difference`` with ``low`` and ``high``,
    ``p`` of Wilcoxon's signed rank test over images, and ``p_holm`` corrected for all rows.
    """
    from scipy import stats

    plain = rows[(rows["fill"] == "neutral") & (rows["shown"] == "neutral")]
    found = []
    for (voters, share), part in plain.groupby(["voters", "share"], sort=False):
        first = _matrix(part[part["kind"] == "selected"], "confidence")
        for kind in others:
            difference = first - _matrix(part[part["kind"] == kind], "confidence")
            low, high = bootstrap(difference)
            an_image = np.nanmean(difference, axis=0)
            found.append(
                {
                    "voters": voters,
                    "share": share,
                    "kind": kind,
                    "difference": float(np.nanmean(difference)),
                    "low": low,
                    "high": high,
                    "n": difference.shape[1],
                    "p": float(stats.wilcoxon(an_image).pvalue) if an_image.any() else 1.0,
                }
            )
    return holm(pd.DataFrame(found))


def sufficient_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what the first sufficient subsets look like, of right and of wrong answers and of both.

    Columns ``voters``, ``answers`` ("right", "wrong", "all"), how many images and seeds have one (``found``) of all
    (``asked``), ``share`` of the image, ``score`` on the object and ``above`` chance with intervals, ``chance``,
    ``subsets`` disjoint ones an image, ``empty`` those that need no pixel, and ``rho``, the rank correlation over
    images of the network's certainty and the subset's size. An empty subset has a size and no score.
    """
    rows = rows.assign(above=rows["score"] - rows["chance"])
    found = []
    for voters, part in rows.groupby("voters", sort=False):
        for answers, chosen in (
            ("all", part),
            ("right", part[part["correct"]]),
            ("wrong", part[~part["correct"]]),
        ):
            first = chosen[chosen["number"] == 0]
            there = first[first["found"]]
            several = chosen[chosen["found"]].groupby(["seed", "image"]).size()
            record: dict[str, Any] = {"voters": voters, "answers": answers, "asked": len(first), "found": len(there)}
            record |= {"subsets": float(several.mean()) if len(several) else float("nan")}
            record |= {"empty": int((there["pixels"] == 0).sum()), "chance": float(there["chance"].mean())}
            for name in ("share", "score", "above"):
                record |= _with_interval(there, name)
            rho, low, high = spearman_over_images(there, "certainty", "share")
            found.append(record | {"rho": rho, "rho_low": low, "rho_high": high})
    return pd.DataFrame(found)


def retrained_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each network (``trained``) on each kind of pixels (``tested``): mean, range of seeds."""
    groups = rows.groupby(["trained", "tested"], sort=False)["accuracy"]
    return groups.agg(accuracy="mean", lowest="min", highest="max", seeds="count").reset_index()


def overinterpretation_numbers(
    kinds: pd.DataFrame, sufficient: pd.DataFrame, retrained: pd.DataFrame | None
) -> dict[str, float]:
    """Return the numbers that pages quote, by name.

    ``<what>_<kind>_<share in per cent>``, of one network and before the neutral colour, for confidence, kept_answer,
    accuracy, on_object and above, each with ``_low`` and ``_high``; with ``_ensemble`` behind it of the ensemble; with
    ``_on_<colour>`` of the pixels that were selected by the neutral colour before another one. ``sis_<what>_<answers>``
    for share, score, above, found and subsets. ``trained_<kind>_tested_<kind>`` for accuracies.
    """
    found: dict[str, float] = {}
    for row in kinds.to_dict("records"):
        if row["fill"] != "neutral":
            continue
        end = f"{row['kind'].replace(' ', '_')}_{round(100 * row['share'])}"
        end += "" if row["voters"] == 1 else "_ensemble"
        end += "" if row["shown"] == "neutral" else f"_on_{row['shown']}"
        for name in ("confidence", "kept_answer", "accuracy", "on_object", "above"):
            found |= {f"{name}_{end}{edge}": row[f"{name}{edge}"] for edge in ("", "_low", "_high")}
    for row in sufficient.to_dict("records"):
        end = row["answers"] + ("" if row["voters"] == 1 else "_ensemble")
        for name in ("share", "score", "above"):
            found |= {f"sis_{name}_{end}{edge}": row[f"{name}{edge}"] for edge in ("", "_low", "_high")}
        found |= {f"sis_{name}_{end}": row[name] for name in ("found", "asked", "subsets", "empty")}
        found |= {f"sis_rho_{end}{edge}": row[f"rho{edge}"] for edge in ("", "_low", "_high")}
    for row in retrained.to_dict("records") if retrained is not None else ():
        found[f"trained_{row['trained']}_tested_{row['tested']}"] = row["accuracy"]
    single = kinds[kinds["voters"] == 1]
    return found | {
        "chance": float(single["chance"].mean()),
        "n_images": int(single["n"].max()),
        "n_seeds": int(single["seeds"].max()),
    }


def _with_interval(part: pd.DataFrame, name: str) -> Mapping[str, float]:
    matrix = _matrix(part, name)
    known = matrix[~np.isnan(matrix)]
    low, high = bootstrap(matrix) if known.size else (float("nan"), float("nan"))
    return {name: float(known.mean()) if known.size else float("nan"), f"{name}_low": low, f"{name}_high": high}


def _matrix(part: pd.DataFrame, name: str) -> NDArray[np.float64]:
    known = part.dropna(subset=[name])
    return known.pivot(index="seed", columns="image", values=name).sort_index(axis=1).to_numpy(float)
