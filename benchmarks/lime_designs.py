"""Measures what LIME's designs of perturbations are worth and writes ``results/lime_designs.csv``.

Three networks are trained and asked about thousands of perturbations of photographs of Oxford-IIIT Pet, which takes
hours; answers are kept in the folder of runs, and what is there is not computed again.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lime_logits
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common import files, seeds, spreadsheets
from rrr_utils.engine import passes as engine
from rrr_utils.explainers import designs, lime

RESULTS = Path(__file__).resolve().parent / "results"
SAMPLES = (64, 128, 256, 512, 1000)
CONTROL = 1000
# A design is recommended by what it costs a checkpoint in a study of this many, of which the first is asked more.
CHECKPOINTS = 11
# A tenth of the spread of scores between images: beside it this error is nothing in a mean over them.
ENOUGH = 0.025

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """Rows ``(n, K)`` and the label's logits of the first and the last checkpoint, ``(2, n)``."""

    rows: Rows
    logits: NDArray[np.float64]

    def __getitem__(self, which: slice | NDArray) -> "Asked":
        return Asked(self.rows[which], self.logits[:, which])

    def after(self, other: "Asked") -> "Asked":
        return Asked(np.concatenate([other.rows, self.rows]), np.concatenate([other.logits, self.logits], axis=1))

    def between(self, other: "Asked") -> "Asked":
        """Return the rows of ``other`` and of this by turns."""
        n = len(self.rows)
        rows = np.stack([other.rows[:n], self.rows], axis=1).reshape(2 * n, -1)
        return Asked(rows, np.stack([other.logits[:, :n], self.logits], axis=2).reshape(2, 2 * n))


@dataclass(frozen=True)
class Design:
    """Where a design's rows come from, which of the reference's sets these are, and how weights follow from them."""

    rows: Callable[[dict[str, Asked]], Asked]
    uses: str = ""
    control: bool = False
    weighted: bool = True


def _drawn_by_kernel(asked: dict[str, Asked]) -> Asked:
    """Keep each coin flip with its kernel weight as probability: a sample in which all rows count alike."""
    coins = asked["coins"]
    uniform = seeds.generator(lime_logits.SEED, "kept").random(len(coins.rows))
    return coins[uniform < lime.kernel(coins.rows)]


def _in_pairs(asked: dict[str, Asked]) -> Asked:
    """Put each row of a block before its complement, so that a cut block has whole pairs."""
    rows = asked["orthogonal"].rows
    block = designs.block(rows.shape[1])
    pairs = np.arange(block).reshape(2, block // 2).T.ravel()
    order = np.arange(len(rows)).reshape(-1, block)[:, pairs].ravel()
    return asked["orthogonal"][order]


def _without_complements(asked: dict[str, Asked]) -> Asked:
    """Keep the first half of each block: superpixels are orthogonal to each other, but not to their products."""
    rows = asked["orthogonal"].rows
    block = designs.block(rows.shape[1])
    return asked["orthogonal"][np.arange(len(rows)) % block < block // 2]


DESIGNS = {
    "coin flips": Design(lambda asked: asked["coins"], "coins"),
    "antithetic": Design(lambda asked: asked["complements"].between(asked["coins"]), "coins"),
    "balanced": Design(lambda asked: asked["balanced"]),
    "drawn by kernel": Design(_drawn_by_kernel, "coins", weighted=False),
    "orthogonal, no complements": Design(_without_complements, "orthogonal"),
    "orthogonal, in pairs": Design(_in_pairs, "orthogonal"),
    "orthogonal, fixed signs": Design(lambda asked: asked["fixed signs"]),
    "orthogonal": Design(lambda asked: asked["orthogonal"], "orthogonal"),
    "coin flips, control 1,000": Design(lambda asked: asked["coins"], "coins", control=True),
    "orthogonal, control 1,000": Design(lambda asked: asked["orthogonal"], "orthogonal", control=True),
}
BUILT = ("coin flips", "orthogonal", "coin flips, control 1,000", "orthogonal, control 1,000")


def main() -> None:
    """Train and ask what is not there yet, unless only the table is wanted, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only networks whose name holds this text are trained and asked")
    parser.add_argument("--table", action="store_true", help="ask nothing: write the tables of what is there")
    chosen = parser.parse_args()
    engine.start()
    if not chosen.table:
        lime_logits.prepare()
        for subject in lime_logits.SUBJECTS:
            if chosen.only in subject.name:
                lime_logits.train(subject)
                lime_logits.ask(subject)
    found = pd.concat([summary(errors(subject), subject) for subject in lime_logits.SUBJECTS], ignore_index=True)
    for name, table in (("lime_designs", found), ("lime_recommended", recommended(found))):
        files.write_text(RESULTS / f"{name}.csv", spreadsheets.csv(table, 5))
        print(f"Written: benchmarks/results/{name}.csv")


def errors(subject: lime_logits.Subject) -> pd.DataFrame:
    """Return one row a photograph, design, number of samples, draw and checkpoint: its score less the reference's.

    ``noise`` is the reference's own variance, a quarter of the squared difference between its halves' scores.
    """
    records = []
    for photograph in lime_logits.photographs(subject):
        asked = {name: Asked(photograph.rows[name], photograph.logits[name]) for name in photograph.rows}
        known: dict[str, tuple[NDArray, NDArray]] = {}
        for name, design in DESIGNS.items():
            if design.uses not in known:
                known[design.uses] = _reference(photograph, asked, design.uses)
            reference, noise = known[design.uses]
            for samples in SAMPLES:
                for draw, weights in enumerate(_draws(asked, design, samples)):
                    values = scores(photograph, weights)
                    records += [
                        (photograph.name, name, samples, draw, checkpoint, *each)
                        for checkpoint, *each in zip(("first", "last"), values - reference, noise, reference)
                    ]
    return pd.DataFrame(
        records, columns=["image", "design", "samples", "draw", "checkpoint", "error", "noise", "reference"]
    )


def summary(table: pd.DataFrame, subject: lime_logits.Subject) -> pd.DataFrame:
    """Return one row a design, number of samples and checkpoint: rms error and bias with 95 % intervals.

    Images count alike, however many draws they have; the reference's noise is taken off the mean square. Intervals are
    percentiles of 2,000 resamples of the images.
    """
    rows = []
    for (design, samples, checkpoint), part in table.groupby(["design", "samples", "checkpoint"], sort=False):
        part = part.assign(square=part["error"] ** 2 - part["noise"])
        images = part.groupby("image")[["square", "error", "noise", "reference"]].mean()
        drawn = seeds.generator(lime_logits.SEED, "bootstrap").integers(0, len(images), (2000, len(images)))
        squares, biases = (images[column].to_numpy()[drawn].mean(axis=1) for column in ("square", "error"))
        low, high = np.sqrt(np.maximum(np.quantile(squares, (0.025, 0.975)), 0))
        bias_low, bias_high = np.quantile(biases, (0.025, 0.975))
        rows.append(
            {
                "network": subject.name,
                "size": subject.size,
                "strategy": subject.strategy,
                "epochs": subject.epochs,
                "checkpoint": checkpoint,
                "design": design,
                "samples": samples,
                "images": len(images),
                "draws": part["draw"].nunique(),
                "rms": np.sqrt(max(images["square"].mean(), 0)),
                "rms_low": low,
                "rms_high": high,
                "bias": images["error"].mean(),
                "bias_low": bias_low,
                "bias_high": bias_high,
                "reference_noise": np.sqrt(images["noise"].mean()),
                "spread": images["reference"].std(),
            }
        )
    return pd.DataFrame(rows)


def recommended(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each network and purpose the cheapest (then the best) of the package's designs at the last checkpoint.

    ``image``: the rms error is no larger than that of 1,000 coin flips. ``mean``: it is at most ``ENOUGH``. ``passes``
    are a checkpoint's, in the mean over ``CHECKPOINTS`` of which a control's first is asked ``CONTROL``.
    """
    last = table[(table["checkpoint"] == "last") & table["design"].isin(BUILT)].copy()
    controlled = last["design"].str.contains("control")
    last["passes"] = last["samples"] + controlled * (CONTROL - last["samples"]) / CHECKPOINTS
    chosen = []
    for _, part in last.groupby("network", sort=False):
        part = part.sort_values(["passes", "rms"], kind="stable")
        plain = part[(part["design"] == "coin flips") & (part["samples"] == max(SAMPLES))].iloc[0]
        serves = {
            "image": part["rms"] <= plain["rms"],
            "mean": part["rms"] <= ENOUGH,
        }
        for purpose, good in serves.items():
            columns = ["network", "design", "samples", "passes", "rms", "rms_low", "rms_high", "bias", "images"]
            chosen.append({**part.loc[good, columns].iloc[0], "purpose": purpose})
    return pd.DataFrame(chosen)


def scores(photograph: lime_logits.Photograph, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score of the map of each row of superpixels' weights, without drawing the maps."""
    labels = photograph.labels.ravel()
    size, inside = np.bincount(labels), np.bincount(labels, photograph.mask.ravel())
    positive = np.maximum(weights, 0)
    with np.errstate(invalid="ignore"):  # a zero map has no score
        return np.asarray((positive @ inside) / (positive @ size))


def _reference(
    photograph: lime_logits.Photograph, asked: dict[str, Asked], used: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of all rows that are coin flips each by itself, but those used, and their variances."""
    sets = [asked[name] for name in ("coins", "orthogonal") if name != used]
    pool = asked["reference"]
    for each in sets:
        pool = pool.after(each)
    halves = [pool[np.arange(len(pool.rows)) // 2 % 2 == half] for half in (0, 1)]
    whole, *parts = (scores(photograph, lime.coefficients(*_with_whole(asked, each))) for each in (pool, *halves))
    return whole, (parts[0] - parts[1]) ** 2 / 4


def _draws(asked: dict[str, Asked], design: Design, samples: int) -> Iterator[NDArray[np.float64]]:
    """Yield the weights (first and last checkpoint) of each draw of so many samples that there are rows for."""
    try:
        pool = design.rows(asked)
    except KeyError:  # a set that was not asked about
        return
    if design.control and (samples >= CONTROL or len(pool.rows) < CONTROL - 1):
        return
    # The next draw begins with a block of 64.
    step = -(-samples // 64) * 64
    for start in range(0, len(pool.rows) - samples + 2, step):
        rows, logits = _with_whole(asked, pool[start : start + samples - 1])
        if not design.weighted:
            yield _unweighted(rows, logits)
        elif design.control:
            first = lime.coefficients(*_with_whole(asked, pool[: CONTROL - 1]))[0]
            yield np.stack([first, first + lime.coefficients(rows, logits[1] - logits[0])])
        else:
            yield lime.coefficients(rows, logits)


def _with_whole(asked: dict[str, Asked], part: Asked) -> tuple[Rows, NDArray[np.float64]]:
    """Return rows and logits with the whole image first, as the package has them."""
    together = part.after(asked["whole"])
    return together.rows, together.logits


def _unweighted(rows: Rows, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of a regression in which rows count alike, with as much ridge beside it as the kernel's."""
    centred = rows - rows.mean(axis=0)
    ridge = np.eye(rows.shape[1]) / lime.kernel(rows).mean()
    return np.asarray(np.linalg.solve(centred.T @ centred + ridge, centred.T @ logits.T).T)


if __name__ == "__main__":
    main()
