"""The claims of the paper, each beside what a study's tables say about it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

# Smaller than this, two scores or two accuracies are alike: about what another start of the head alone moves them by.
SCORE_MARGIN, ACCURACY_MARGIN = 0.03, 0.02
# The chance of even one false alarm among all tests of a table.
LEVEL = 0.05
# A mean over fewer images that all compared runs get right decides nothing.
FEWEST = 20

HOLDS, PART, NOT, OPEN, ONE_SEED = "holds", "holds in part", "does not hold", "undecided", "undecided (one seed)"
ABSENT = "not testable here"


class Claim(NamedTuple):
    """A claim: its name in the tables, in words, where in the paper (version 1) it stands, why nothing may test it.

    ``data`` is how the names of those data sets begin of which the paper says it; empty where it says it of all.
    """

    key: str
    words: str
    place: str
    why: str = "its runs are not published yet"
    data: str = ""

    @property
    def anchor(self) -> str:
        """The name by which a link on the page finds the claim's figure."""
        return "claim-" + "".join(letter if letter.isalnum() else "-" for letter in self.key)

    def said_of(self, data: str) -> str:
        """Return where the paper says it of the data set ``data``, or that it does not."""
        return self.place if data.startswith(self.data) else "beyond the paper"


CLAIMS = (
    Claim("flat", "Accuracy does not change over ten epochs of fine-tuning, whatever is trained", "3.3, Figure 3"),
    Claim(
        "late above dense",
        "Training blocks 4 and 5 raises the score above training the dense layers, by every explainer",
        "3.3, Figure 3",
    ),
    Claim("all like late", "Training all layers is like training blocks 4 and 5", "3.3, Figure 3"),
    Claim("early like dense", "Training blocks 1 to 3 is like training the dense layers", "3.3, Figure 3"),
    Claim("explainers agree", "The score changes in the same direction under every explainer", "3.3"),
    Claim("masked: accuracy", "Training on masked images lowers the accuracy", "3.3, Figure 5", data="caltech101"),
    Claim("masked: score", "Training on masked images raises the score", "3.3, Figure 5", data="caltech101"),
    Claim(
        "masked: nothing",
        "Training on masked images of Dogs vs. Cats changes nothing worth mentioning",
        "3.3",
        data="dogs-vs-cats",
    ),
    Claim("settles", "The mean score has settled after 50 images", "3.2", "no study of convergence is published yet"),
    Claim(
        "masks",
        "Of 200 automatic masks 182 are excellent",
        "3.1",
        "it was judged by eye; the page on automatic masks has their overlap with outlines drawn by hand",
    ),
    Claim(
        "within one network",
        "Scores compare within one network and one explainer only",
        "2",
        "it is a rule of reading; the pages on the zoo go beyond it, and rank models of one network and of several",
    ),
)
# After so many images the paper says that the mean has settled.
SETTLED = 50
# Of the table of comparisons.
COLUMNS = (
    *("claim", "data", "network", "what", "a", "b", "difference", "low", "high", "n", "fewest", "seeds"),
    *("p", "p_holm", "mixed_low", "mixed_high", "seed_sd", "image_sd", "by_image", "expected", "finding"),
)


def settling(means: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Return whether the mean score has settled after 50 images, as a row of ``comparisons.measured`` an explainer.

    ``difference`` is how far the mean of the first 50 images lies from that of all, in the median over random orders;
    ``low`` and ``high`` hold 95% of the orders. It has settled if these lie within the margin of alike scores, and has
    not if they do not: orders can be had without end, so nothing is left undecided. Seeds and p have no part in it.

    Parameters
    ----------
    means
        For each data set and explainer, what ``statistics.running_means`` returns.
    """
    rows = []
    for (data, explainer), orders in means.items():
        last = float(orders.loc[orders["n"] == orders["n"].max(), "mean"].iloc[0])
        away = orders.loc[orders["n"] == SETTLED, "mean"] - last
        low, high = float(away.quantile(0.025)), float(away.quantile(0.975))
        row: dict[str, Any] = {"claim": "settles", "data": data, "network": "", "what": explainer}
        row |= {"a": f"{SETTLED} images", "b": "all images", "difference": away.median(), "low": low, "high": high}
        row |= {"n": int(orders["n"].max()), "seeds": 1, "expected": "alike"}
        rows.append(row | {"finding": HOLDS if low > -SCORE_MARGIN and high < SCORE_MARGIN else NOT})
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each claim, data set and network of ``comparisons.measured``: ``verdict``, what it rests on.

    ``holds`` where every comparison holds, ``does not hold`` where none does and one says the contrary, ``holds in
    part`` where some hold, else undecided. ``held`` of ``asked`` comparisons hold, ``contrary`` say the contrary;
    ``least`` and ``most`` are the ends
    of their differences, ``low`` and ``high`` those of their intervals. A claim without any comparison has one row,
    ``not testable here``, with the reason ``why``.
    """
    rows: list[dict[str, Any]] = []
    for claim in CLAIMS:
        mine = table[table["claim"] == claim.key]
        about: dict[str, Any] = {"claim": claim.words, "in the paper": claim.place}
        if mine.empty:
            rows.append(
                {**about, "data": "", "network": "", "verdict": ABSENT, "held": 0, "asked": 0, "why": claim.why}
            )
        for (data, network), part in mine.groupby(["data", "network"], sort=True):
            rows.append(
                {
                    **about,
                    "in the paper": claim.said_of(str(data)),
                    "data": data,
                    "network": network,
                    "verdict": _together(part["finding"].tolist()),
                    "held": int((part["finding"] == HOLDS).sum()),
                    "contrary": int((part["finding"] == NOT).sum()),
                    "asked": len(part),
                    "least": float(part["difference"].min()),
                    "most": float(part["difference"].max()),
                    "low": float(part["low"].min()),
                    "high": float(part["high"].max()),
                    "n": int(part["n"].min()),
                    "seeds": int(part["seeds"].min()),
                }
            )
    return pd.DataFrame(rows)


def board(found: pd.DataFrame) -> pd.DataFrame:
    """Return those rows of :func:`verdicts` that rest on comparisons, as a reader meets them: one row a claim and run.

    The index holds the claim, as a link to :attr:`Claim.anchor`, with its place in the paper, and the run; ``verdict``;
    how many comparisons ``hold`` and say the ``contrary``; their ``differences`` and 95% ``intervals``, from end to
    end; images and seeds.
    """
    anchors = {claim.words: claim.anchor for claim in CLAIMS}
    rows = [
        {
            "claim": f'<a href="#{anchors[row["claim"]]}">{row["claim"]}</a> ({row["in the paper"]})',
            "run": ", ".join(filter(None, [row["data"], row["network"]])),
            "verdict": row["verdict"],
            "hold": f"{row['held']} of {row['asked']}",
            "contrary": int(row["contrary"]),
            "differences": _span(row["least"], row["most"]),
            "intervals": _span(row["low"], row["high"]),
            "images": int(row["n"]),
            "seeds": int(row["seeds"]),
        }
        for row in found[found["verdict"] != ABSENT].to_dict("records")
    ]
    return pd.DataFrame(rows).set_index(["claim", "run"])


def numbers(table: pd.DataFrame) -> dict[str, float]:
    """Return what the page of claims says of ``comparisons.measured`` in its sentences, by name.

    ``directed`` comparisons of scores hold as higher or lower, of which ``small`` are smaller than the margin of alike
    scores. Of ``flats`` accuracies that should stay, the intervals are ``half_low`` to ``half_high`` wide to either
    side; in ``blind`` of them this is more than the margin, or there is one seed, so that no two accuracies could have
    been called alike. ``decided`` comparisons of scores hold or say the contrary by their direction and have a mixed
    model, whose interval holds zero in ``open`` of them. Of ``accuracies`` that are compared, ``by_image`` are compared
    image by image.
    """
    scored = table[(table["what"] != "accuracy") & (table["expected"] != "alike")]
    held = scored[scored["finding"] == HOLDS]
    decided = scored[scored["finding"].isin([HOLDS, NOT]) & scored["mixed_low"].notna()]
    flat = table[table["claim"] == "flat"]
    half = (flat["high"] - flat["low"]) / 2
    return {
        "directed": len(held),
        "small": int((held["difference"].abs() < SCORE_MARGIN).sum()),
        "flats": len(flat),
        "half_low": float(half.min()),
        "half_high": float(half.max()),
        "blind": int(((half > ACCURACY_MARGIN) | (flat["seeds"] == 1)).sum()),
        "accuracies": int((table["what"] == "accuracy").sum()),
        "by_image": int(table["by_image"].eq(True).sum()),
        "decided": len(decided),
        "open": int(((decided["mixed_low"] <= 0) & (decided["mixed_high"] >= 0)).sum()),
    }


def finding(row: Mapping[Any, Any], spread: float) -> str:
    """Return what one comparison says of its claim.

    ``above`` and ``below``: its interval leaves zero out and the corrected p is below 5 %. ``alike``: its interval lies
    within the margin; outside it, the claim does not hold. Fewer than 20 images of any seed decide nothing; nor does
    one seed, unless the difference exceeds ``spread``, what seeds alone do.
    """
    low, high, difference = row["low"], row["high"], row["difference"]
    if any(np.isnan(value) for value in (low, high, difference)) or row["fewest"] < FEWEST:
        return OPEN
    margin = ACCURACY_MARGIN if row["what"] == "accuracy" else SCORE_MARGIN
    if row["expected"] == "alike":
        found = HOLDS if -margin < low and high < margin else NOT if low > margin or high < -margin else OPEN
    else:
        sign = -1 if row["expected"] == "below" else 1
        sure = np.isnan(row["p_holm"]) or row["p_holm"] < LEVEL
        left_out = min(sign * low, sign * high) > 0 or max(sign * low, sign * high) < 0
        found = (HOLDS if sign * difference > 0 else NOT) if sure and left_out else OPEN
    if row["seeds"] == 1 and found != OPEN and abs(difference) <= spread:
        return ONE_SEED
    return found


def _span(low: float, high: float) -> str:
    """Return two numbers as one text; one, where they are printed alike."""
    ends = [f"{value:+.3f}" for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _together(findings: Sequence[str]) -> str:
    held = sum(each == HOLDS for each in findings)
    if held == len(findings):
        return HOLDS
    if held:
        return PART
    if NOT in findings:
        return NOT
    return ONE_SEED if ONE_SEED in findings else OPEN
