"""The verdicts on the paper's claims, from the comparisons that a study's tables hold: see ``claims.yaml``."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rrr_utils.analyses.paper.rules import ACCURACY, Claim, Network, Rules, load
from rrr_utils.statistics import holm
from rrr_utils.statistics.crossed_effects import Estimate
from rrr_utils.statistics.intervals import in_words

SUPPORTED, CONTRADICTED, NO_DIFFERENCE = "supported", "contradicted", "no difference that counts"
UNDECIDED, NOT_TESTED, NOT_RUN = "undecided", "not tested", "not run"


def finding(row: Mapping[Any, Any], rules: Rules | None = None) -> str:
    """Return what one row of ``comparisons.measured`` finds of its claim, by the rules."""
    rules = rules or load()
    if not row["tested"]:
        return NOT_TESTED
    if row["expected"] == "settled":
        if np.isnan(row["share"]):
            return UNDECIDED
        return SUPPORTED if row["share"] >= rules.settled.share else CONTRADICTED
    if not _known(row, rules):
        return UNDECIDED
    low, high, margin = row["low"], row["high"], rules.margin(row["what"])
    if row["expected"] == "alike":
        beyond = low > margin or high < -margin
        return SUPPORTED if _within(row, rules) else CONTRADICTED if beyond else UNDECIDED
    if row["expected"] == "together":
        if against(row, rules) < rules.level:
            return CONTRADICTED
        return SUPPORTED if _side(low, high) * np.sign(row["other"]) > 0 else UNDECIDED
    side = _side(low, high) * (1 if row["expected"] == "above" else -1)
    if side:
        return SUPPORTED if side > 0 else CONTRADICTED
    return NO_DIFFERENCE if _within(row, rules) else UNDECIDED


def against(row: Mapping[Any, Any], rules: Rules | None = None) -> float:
    """Return the p value of what a row says against its claim: 1 where it says nothing, NaN where it was not tested.

    Below 5% where the row by itself contradicts the claim. Two explainers that disagree both have to be sure.
    """
    rules = rules or load()
    if not row["tested"] or row["expected"] == "settled" or not _known(row, rules):
        return float("nan")
    own = Estimate(row["mean"], row["error"], row["df"])
    if row["expected"] == "alike":
        return own.p(rules.margin(row["what"]))
    if row["expected"] == "together":
        if np.isnan(row["other"]) or row["mean"] * row["other"] >= 0:
            return 1.0
        return max(own.p(), Estimate(row["other"], row["other_error"], row["other_df"]).p())
    return own.p() if row["mean"] * (1 if row["expected"] == "above" else -1) < 0 else 1.0


def judged(table: pd.DataFrame, rules: Rules | None = None) -> pd.DataFrame:
    """Return ``comparisons.measured`` with ``finding``, ``small``, ``within``, ``p`` and ``p_holm``.

    ``small``: the difference is less than the margin; ``within``: so is the whole interval. ``p`` is :func:`against`,
    ``p_holm`` is corrected by Holm's method over the primary rows of a claim and a network.
    """
    rules = rules or load()
    rows = table.to_dict("records")
    table = table.astype({"primary": bool, "tested": bool}).assign(
        finding=[finding(row, rules) for row in rows],
        small=[abs(row["difference"]) < rules.margin(row["what"]) for row in rows],
        within=[_within(row, rules) for row in rows],
        p=[against(row, rules) for row in rows],
    )
    parts = [holm(part) for _, part in table[table["primary"]].groupby(["claim", "network"], sort=False)]
    return pd.concat([*parts, table[~table["primary"]].assign(p_holm=np.nan)], ignore_index=True)


def verdicts(table: pd.DataFrame, rules: Rules | None = None) -> pd.DataFrame:
    """Return the verdict on each claim for each network, from what :func:`judged` returns.

    One row each, claims and networks in the order of the rules: ``claim``, ``network``, ``verdict``; the ``title`` of
    the network and whether it ``counts``; how many primary comparisons are ``asked``, ``there`` and ``tested``; by
    ``whom`` it was contradicted, or shows no difference that counts, with the least ``p_holm`` where that decided;
    whether all their differences are ``small``; ``least`` and ``most`` of them, ``low`` and ``high`` of the intervals,
    ``n`` images and ``seeds`` at the least, the ``loss`` before stage 2 and the ``share`` that has settled. Runs that a
    network was not planned to have give no row.
    """
    rules = rules or load()
    return pd.DataFrame(
        [
            _verdict(table[table["primary"]], claim, network, rules)
            for claim in rules.claims
            for network in rules.networks
            if claim.of in network.runs
        ]
    )


def said(found: pd.DataFrame) -> "pd.Series[str]":
    """Return the verdicts in words, "(small)" beside a difference that is found and lies within the margin."""
    small = found["small"] & found["verdict"].isin([SUPPORTED, CONTRADICTED]) & found["share"].isna()
    return found["verdict"] + np.where(small, " (small)", "")


def quoted(found: pd.DataFrame, rules: Rules | None = None) -> dict[str, str]:
    """Return what a page quotes of the networks that count, by name and network, as ``masked--score_mobilenet-25``.

    ``verdict_...`` is :func:`said`, ``why_...`` the differences that it rests on, from end to end, with the ends of
    their intervals, images and seeds; empty where there are none.
    """
    rules = rules or load()
    anchors = {claim.key: claim.anchor.removeprefix("claim-") for claim in rules.claims}
    texts: dict[str, str] = {}
    for row in found[found["counts"]].assign(said=said(found)).to_dict("records"):
        name = f"{anchors[row['claim']]}_{row['network']}"
        ends = dict.fromkeys(f"{row[end]:+.3f}" for end in ("least", "most"))
        interval = "" if np.isnan(row["low"]) else f" ({row['low']:+.3f} to {row['high']:+.3f})"
        why = f"{' to '.join(ends)}{interval}, {row['n']:.0f} images, {row['seeds']:.0f} seeds" if row["there"] else ""
        texts |= {f"verdict_{name}": row["said"], f"why_{name}": why}
    return texts


def board(found: pd.DataFrame, rules: Rules | None = None) -> pd.DataFrame:
    """Return the verdicts as :func:`said`, with a row a claim and a column a network."""
    rules = rules or load()
    words = {claim.key: f'<a href="#{claim.anchor}">{claim.words}</a> ({claim.place})' for claim in rules.claims}
    wide = found.assign(said=said(found)).pivot(index="claim", columns="title", values="said").fillna("")
    titles = [network.title for network in rules.networks if network.title in wide]
    wide = wide.loc[list(words), titles].rename(index=words)
    return wide.rename_axis(index="The paper says", columns=None)


def shown(table: pd.DataFrame, rules: Rules | None = None) -> pd.DataFrame:
    """Return the rows of :func:`judged` as a reader meets them, by claim, network and what is compared."""
    rules = rules or load()
    titles = {network.key: network.title for network in rules.networks}
    told = table.assign(
        network=table["network"].map(titles),
        compared=table["a"] + " less " + table["b"],
        difference=in_words(table["difference"], table["low"], table["high"], 3),
        decides=table["primary"].map({True: "yes", False: ""}),
        borrowed=table["borrowed"].eq(True).map({True: "yes", False: ""}),
    )
    names = {"n": "images", "seed_sd": "seed", "image_sd": "image", "p_holm": "p (Holm)"}
    names |= {"images_needed": "images needed", "seeds_needed": "seeds needed"}
    columns = [
        "decides",
        "difference",
        "finding",
        "n",
        "seeds",
        "seed_sd",
        "borrowed",
        "image_sd",
        "p_holm",
        *list(names)[-2:],
    ]
    return told.set_index(["claim", "network", "compared", "what"])[columns].rename(columns=names).round(3)


def _verdict(primary: pd.DataFrame, claim: Claim, network: Network, rules: Rules) -> dict[str, Any]:
    rows = primary[(primary["claim"] == claim.key) & (primary["network"] == network.key)]
    refused = rows[(rows["finding"] == CONTRADICTED) & ~(rows["p_holm"] >= rules.level)]
    # What the correction does not let contradict may still lie within the margin.
    none = rows[rows["within"] & rows["finding"].isin([NO_DIFFERENCE, CONTRADICTED])]
    nothing = claim.expected in ("above", "below") and len(none) + rows["finding"].eq(SUPPORTED).sum() == len(rows)
    whole = len(rows) == len(claim.primary) and bool(rows["tested"].all())
    whom, p_holm = rows[:0], float("nan")
    if rows.empty:
        verdict = NOT_RUN
    elif not rows["tested"].any():
        verdict = NOT_TESTED
    elif whole and _supported(rows, claim):
        verdict = SUPPORTED
    elif len(refused):
        verdict, whom, p_holm = CONTRADICTED, refused, refused["p_holm"].min()
    elif whole and nothing:
        verdict, whom = NO_DIFFERENCE, none
    else:
        verdict = UNDECIDED
    return {
        "claim": claim.key,
        "network": network.key,
        "title": network.title,
        "counts": network.counts,
        "verdict": verdict,
        "asked": len(claim.primary),
        "there": len(rows),
        "tested": int(rows["tested"].sum()),
        "whom": ", ".join(_named(row) for row in whom.to_dict("records")),
        "p_holm": p_holm,
        "small": bool(len(rows) and rows["small"].all()),
        "least": rows["difference"].min(),
        "most": rows["difference"].max(),
        **{name: getattr(rows[name], how)() for name, how in _EXTREMES.items()},
    }


_EXTREMES = {"low": "min", "high": "max", "n": "min", "seeds": "min", "loss": "min", "share": "min"}


def _supported(rows: pd.DataFrame, claim: Claim) -> bool:
    if claim.expected == "together":
        return bool((rows["low"] > 0).all() or (rows["high"] < 0).all())
    return bool((rows["finding"] == SUPPORTED).all())


def _named(row: Mapping[Any, Any]) -> str:
    return f"{row['a']} less {row['b']}" if row["what"] == ACCURACY else row["what"]


def _known(row: Mapping[Any, Any], rules: Rules) -> bool:
    return not np.isnan(row["low"]) and row["n"] >= rules.fewest


def _within(row: Mapping[Any, Any], rules: Rules) -> bool:
    margin = rules.margin(row["what"])
    return _known(row, rules) and -margin < row["low"] and row["high"] < margin


def _side(low: float, high: float) -> int:
    return int(low > 0) - int(high < 0)
