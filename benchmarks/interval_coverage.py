"""Simulates how often the intervals of the paper's claims hold the truth; writes ``results/interval_coverage.csv``.

The truth is known where studies are drawn from a published one: its images are drawn again, with replacement; to their
effects come those of seeds, drawn from a normal distribution whose variance is the published one, and rests of
published cells. Comparisons that share a strategy share its seeds' effects. What is drawn goes through the functions
that judge the claims (:mod:`rrr_utils.statistics.crossed_effects`). It takes about ten minutes of one core.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.analyses.paper import comparisons
from rrr_utils.analyses.paper.rules import Asked, load
from rrr_utils.common import paths, seeds
from rrr_utils.statistics.crossed_effects import SeedVariance, components, estimate, images_needed, pooled
from rrr_utils.tables import parquet as tables

FILE = Path(__file__).resolve().parent / "results" / "interval_coverage.csv"
STUDIES = ("cpu-unaugmented", "gpu-unaugmented")
Matrix = NDArray[np.float64]


class Family(NamedTuple):
    """Comparisons whose seeds are pooled: of which network, for which pool, of what; and the published differences."""

    network: str
    of: str
    pool: str
    outcome: str
    asked: tuple[Asked, ...]
    matrices: tuple[Matrix, ...]


def main() -> None:
    """Simulate every published comparison under 3 and 5 seeds, and under one with a borrowed component."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000, help="studies drawn for each row")
    asked = parser.parse_args()
    table = simulated(families(*published()), asked.repeats)
    table.to_csv(FILE, index=False, float_format="%.4f", lineterminator="\n")
    print(table["coverage"].describe().round(3).to_string())


def published() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the published scores and answers that the simulation draws from."""
    folders = [paths.root() / "data" / "results" / name for name in STUDIES]
    scores, answers = (
        pd.concat([tables.read(each / f"{name}.parquet", name) for each in folders], ignore_index=True)
        for name in ("scores", "answers")
    )
    return scores, answers


def families(scores: pd.DataFrame, answers: pd.DataFrame) -> list[Family]:
    """Return the comparisons of the rules that the tables hold, each once, by what their seeds are pooled over."""
    rules, values = load(), comparisons.by_run(scores, answers)
    found: dict[tuple[str, ...], dict[tuple[str, ...], tuple[Asked, Matrix]]] = {}
    for network, claim in product(rules.networks, rules.claims):
        for asked in (*claim.primary, *claim.shown) if claim.of in network.runs and claim.pool else ():
            table = comparisons.differences(values, network.runs[claim.of], asked).dropna(axis=1)
            if table.size:
                key = (network.key, claim.of, claim.pool, asked.outcome)
                found.setdefault(key, {})[comparisons.words(asked)] = (asked, table.to_numpy(float))
    return [Family(*key, *zip(*each.values(), strict=True)) for key, each in found.items()]


def simulated(every: Sequence[Family], repeats: int) -> pd.DataFrame:
    """Return a row a comparison, number of seeds and of images: the share of intervals that hold the truth.

    ``coverage`` where all comparisons of a pool have its seed variance, which the rules suppose; ``coverage_own`` where
    each has the one that was measured of it by itself, of two degrees of freedom. ``seed_sd``, ``own_seed_sd``,
    ``image_sd`` and ``rest_sd`` are the published standard deviations; ``half`` is half the mean interval.
    ``images_needed`` make it as long as the margin, under these seeds.
    """
    rules = load()
    sisters = {network.key: network.sister for network in rules.networks}
    several = {each[:4]: each for each in every if len(each.matrices[0]) > 1}
    rows = []
    for family in every:
        alone = len(family.matrices[0]) == 1
        lender = several.get((sisters[family.network], *family[1:4])) if alone else None
        if alone and lender is None:
            continue
        for n_seeds in (3, 5):
            for n_images in sorted({family.matrices[0].shape[1], 200}):
                rows += _rows(family, lender, n_seeds, n_images, repeats, rules.margin(family.outcome))
    return pd.DataFrame(rows)


def _rows(
    family: Family, lender: Family | None, n_seeds: int, n_images: int, repeats: int, margin: float
) -> Iterator[dict[str, Any]]:
    alone = lender is not None
    source = lender or family
    rng = seeds.generator("coverage", *family[:4], n_seeds, n_images)
    measured, lent = ([components(matrix) for matrix in each.matrices] for each in (family, source))
    # Seeds' own variances, without the rest that is in the means over images.
    own = np.maximum(0.0, [part.between_seeds - part.of_rest / part.images for part in lent]) ** 0.5
    shared = max(0.0, np.mean([part.between_seeds - part.of_rest / part.images for part in lent])) ** 0.5
    truths, held, half = np.array([part.mean for part in measured]), {}, {}
    for name, sds in {"coverage": np.full(len(own), shared), "coverage_own": own}.items():
        if alone and name == "coverage_own":
            continue
        drawn = [_study(family, source, sds, 1 if alone else n_seeds, n_seeds, n_images, rng) for _ in range(repeats)]
        low, high = np.moveaxis(np.array(drawn), -1, 0)
        held[name], half[name] = ((low <= truths) & (truths <= high)).mean(axis=0), (high - low).mean(axis=0) / 2
    variance = pooled(lent)
    if variance is None:
        raise ValueError(f"The pool of {source[:4]} has one seed, and two are needed.")
    between = SeedVariance(variance.variance, (n_seeds - 1) * len(own))
    for place, (asked, part) in enumerate(zip(family.asked, measured, strict=True)):
        a, b = comparisons.words(asked)
        yield {
            "network": family.network,
            "of": family.of,
            "what": family.outcome,
            "compared": f"{a} less {b}",
            "seeds": 1 if alone else n_seeds,
            "borrowed": n_seeds if alone else 0,
            "images": n_images,
            "coverage": held["coverage"][place],
            "coverage_own": held["coverage_own"][place] if "coverage_own" in held else float("nan"),
            "half": half["coverage"][place],
            "seed_sd": shared,
            "own_seed_sd": float("nan") if alone else own[place],
            "image_sd": part.image_variance**0.5,
            "rest_sd": part.of_rest**0.5,
            "images_needed": images_needed(part, between, margin, 1 if alone else n_seeds),
        }


def _study(
    family: Family, source: Family, sds: Matrix, n_seeds: int, lent: int, n_images: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Return the intervals that a drawn study gives for each comparison of a family."""
    of_source = _drawn(source, sds, n_seeds if source is family else lent, n_images, rng)
    between = pooled(components(matrix) for matrix in of_source)
    if between is None:
        raise ValueError(f"The pool of {source[:4]} has one seed, and two are needed.")
    drawn = of_source
    if source is not family:
        drawn = _drawn(family, np.full(len(family.asked), sds[0]), n_seeds, n_images, rng)
    return [tuple(estimate(components(matrix), between).interval()) for matrix in drawn]


def _drawn(family: Family, sds: Matrix, n_seeds: int, n_images: int, rng: np.random.Generator) -> list[Matrix]:
    effects = _seed_effects(family.asked, sds, n_seeds, rng)
    drawn = []
    for matrix, effect in zip(family.matrices, effects, strict=True):
        published = len(matrix)
        of_image = matrix.mean(axis=0)
        # A rest is estimated from as many cells as there are seeds, less one.
        rest = (matrix - of_image - matrix.mean(axis=1, keepdims=True) + matrix.mean()) * (
            np.sqrt(published / (published - 1)) if published > 1 else 0
        )
        images = rng.integers(matrix.shape[1], size=n_images)
        cells = of_image[images] + rest[rng.integers(published, size=(n_seeds, n_images)), images] + effect[:, None]
        drawn.append(comparisons.padded(cells, family.outcome))
    return drawn


def _seed_effects(asked: Sequence[Asked], sds: Matrix, n_seeds: int, rng: np.random.Generator) -> list[Matrix]:
    """Return an effect a seed for each comparison: sides that two comparisons share move both."""
    drawn: dict[tuple[str, ...], Matrix] = {}
    found = []
    for each, sd in zip(asked, sds, strict=True):
        effect, sides = np.zeros(n_seeds), 0
        for sign, side in ((1, each.a), (-1, each.b)):
            if side["epoch"] == "last":
                effect = effect + sign * drawn.setdefault(tuple(side.values()), rng.normal(size=n_seeds))
                sides += 1
        found.append(sd * effect / np.sqrt(sides))
    return found


if __name__ == "__main__":
    main()
