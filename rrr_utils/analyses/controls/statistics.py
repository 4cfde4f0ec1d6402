"""What the controls of the score say: trained against random networks and trivial maps, ranks, and who is compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rrr_utils.statistics.cohorts import need
from rrr_utils.statistics.intervals import bootstrap
from rrr_utils.statistics.means import holm, paired


def on_correct(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the images that each network as it was trained gets right, whatever else was varied.

    A randomised network gets other images right, by luck: compared are all variants on the same images, those over
    which the trained network's AvgScore is taken. Raises ``ValueError`` if there is no row without a variant.
    """
    need(scores, ["seed", "split", "image", "variant", "correct"], "the scores table")
    plain = scores[(scores["variant"] == "") & scores["correct"]]
    if not (scores["variant"] == "").any():
        raise ValueError("The table has no rows of the network as it was trained (an empty `variant`).")
    keys = ["seed", "split", "image"]
    right = pd.MultiIndex.from_frame(plain[keys].drop_duplicates())
    return scores[pd.MultiIndex.from_frame(scores[keys]).isin(right)].reset_index(drop=True)


def against_trivial(scores: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """Return paired differences of each explainer and a map that no network made, of our protocol, on the same images.

    One row an explainer and one of ``variants``, ``difference`` explainer minus trivial map; columns as in
    :func:`~rrr_utils.statistics.paired`, and ``variant``.
    """
    ours = scores[(scores["protocol"] == "ours") & (scores["variant"] == "")]
    parts = []
    for variant in variants:
        trivial = scores[scores["variant"] == variant]
        # The same trivial map stands against every explainer.
        beside = [trivial.assign(explainer=name) for name in sorted(ours["explainer"].unique())]
        both = pd.concat([ours, *beside], ignore_index=True)
        parts.append(paired(both, {"variant": ""}, {"variant": variant}, cohort="all").assign(variant=variant))
    return holm(*parts)


def against_variants(scores: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """Return paired differences of each explainer as it is and under each of ``variants``, on the same images.

    One row an explainer and a variant, ``difference`` as it is minus varied; columns as in :func:`against_trivial`.
    """
    ours = scores[scores["protocol"] == "ours"]
    parts = [
        paired(ours, {"variant": ""}, {"variant": variant}, cohort="all").assign(variant=variant)
        for variant in variants
    ]
    return holm(*parts)


def against_authors(scores: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences of each explainer under the authors' protocol and under ours, authors' minus ours."""
    plain = scores[(scores["variant"] == "") & scores["protocol"].isin(["ours", "authors"])]
    return paired(plain, {"protocol": "authors"}, {"protocol": "ours"}, cohort="all")


def ranking(scores: pd.DataFrame, variants: Sequence[str] = ("",)) -> pd.DataFrame:
    """Return the rank of each explainer by its mean score, 1 the highest, for each of ``variants`` and each protocol.

    One row an explainer; the columns are the variants (the plain one "ours") and, where it was scored, "authors".
    """
    plain = scores[scores["variant"].isin(variants)]
    columns = {}
    for variant in variants:
        columns[variant or "ours"] = plain[(plain["protocol"] == "ours") & (plain["variant"] == variant)]
    columns["authors"] = plain[(plain["protocol"] == "authors") & (plain["variant"] == "")]
    return pd.DataFrame(
        {
            name: part.groupby("explainer")["score"].mean().rank(ascending=False, method="min").astype(int)
            for name, part in columns.items()
            if len(part)
        }
    )


def similarity_table(similarity: pd.DataFrame) -> pd.DataFrame:
    """Return the mean similarity of each explainer and variant with its bootstrap interval over images and seeds.

    Columns ``explainer``, ``variant``, ``mean``, ``low``, ``high``, ``n`` maps, ``images``, ``seeds`` and ``missing``,
    the pairs of which one map was the same everywhere. Variants keep the order in which they first stand.
    """
    rows = []
    for (explainer, variant), part in similarity.groupby(["explainer", "variant"], sort=False):
        known = part.dropna(subset=["similarity"])
        matrix = known.pivot(index="seed", columns="image", values="similarity").to_numpy(float)
        low, high = bootstrap(matrix)
        rows.append(
            {
                "explainer": explainer,
                "variant": variant,
                "mean": float(part["similarity"].mean()),
                "low": low,
                "high": high,
                "n": int(part["similarity"].notna().sum()),
                "images": int(part["image"].nunique()),
                "seeds": int(part["seed"].nunique()),
                "missing": int(part["similarity"].isna().sum()),
            }
        )
    return pd.DataFrame(rows)


def control_numbers(
    means: pd.DataFrame,
    trivial: pd.DataFrame,
    random: pd.DataFrame,
    survived: pd.DataFrame,
    normalised: pd.DataFrame,
    authors: pd.DataFrame,
) -> dict[str, float]:
    """Return the numbers that pages quote, by name; spaces in names of variants are underscores.

    ``score_<explainer>_<variant>`` (the plain one ``trained``, the other protocol ``authors``) with ``_low`` and
    ``_high``, and ``chance``; ``above_...`` for score minus chance; ``minus_<variant>_<explainer>`` for paired
    differences, as trained minus varied; ``authors_minus_ours_<explainer>``; ``similar_<variant>_<explainer>``;
    ``n_images``, ``n_seeds``.
    """
    found: dict[str, float] = {}
    for row in means.to_dict("records"):
        variant = row["variant"] or "trained"
        name = f"{row['explainer']}_{_slug(variant if row['protocol'] == 'ours' else row['protocol'])}"
        found |= {f"score_{name}": row["mean"], f"score_{name}_low": row["low"], f"score_{name}_high": row["high"]}
        found |= {f"above_{name}": row["above"], f"above_{name}_low": row["above_low"]}
        found |= {f"above_{name}_high": row["above_high"], f"zero_maps_{name}": row["zero_maps"]}
    for table in (trivial, random, normalised):
        for row in table.to_dict("records"):
            found |= _difference(f"minus_{_slug(row['variant'])}_{row['explainer']}", row)
    for row in authors.to_dict("records"):
        found |= _difference(f"authors_minus_ours_{row['explainer']}", row)
    for row in survived.to_dict("records"):
        name = f"similar_{_slug(row['variant'])}_{row['explainer']}"
        found |= {name: row["mean"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
    plain = means[(means["variant"] == "") & (means["protocol"] == "ours")]
    found |= {"chance": float(plain["chance"].mean()), "n_images": int(plain["images"].max())}
    return found | {"n_seeds": int(plain["seeds"].max())}


def _difference(name: str, row: Mapping[Any, Any]) -> dict[str, float]:
    return {name: row["difference"], f"{name}_low": row["low"], f"{name}_high": row["high"], f"{name}_p": row["p_holm"]}


def _slug(text: str) -> str:
    return text.replace(" ", "_")
