"""What the controls of the score say: trained against random networks and trivial maps, ranks, and who is compared."""

from collections.abc import Sequence

import pandas as pd

from rrr_utils.statistics.cohorts import need
from rrr_utils.statistics.means import average, paired


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
    return pd.concat(parts, ignore_index=True)


def against_variants(scores: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """Return paired differences of each explainer as it is and under each of ``variants``, on the same images.

    One row an explainer and a variant, ``difference`` as it is minus varied; columns as in :func:`against_trivial`.
    """
    ours = scores[scores["protocol"] == "ours"]
    parts = [
        paired(ours, {"variant": ""}, {"variant": variant}, cohort="all").assign(variant=variant)
        for variant in variants
    ]
    return pd.concat(parts, ignore_index=True)


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


def variant_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean score of every explainer, protocol and variant with its interval and chance."""
    return average(scores, ["explainer", "protocol", "variant"], cohort="all")
