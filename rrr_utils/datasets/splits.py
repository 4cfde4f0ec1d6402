"""Splits and balanced draws by seed: which images are trained on, tested on and scored."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.common import seeds


def split(ids: Sequence[str], labels: ArrayLike, test_share: float, seed: int) -> NDArray[np.str_]:
    """Return ``"train"`` or ``"test"`` for each image, stratified by class.

    Of each class the share ``test_share``, rounded, is tested on; 1 tests on all, for a model that is not trained
    here. The order in which the images are given does not matter. Raises ``ValueError`` if a class has fewer than two
    images, because it needs one on either side.
    """
    labels = np.asarray(labels)
    if test_share == 1:
        return np.full(len(ids), "test", dtype="<U5")
    parts = np.full(len(ids), "train", dtype="<U5")
    for label in np.unique(labels):
        members = _shuffled(ids, labels == label, seed, "split")
        if len(members) < 2:
            raise ValueError(
                f"Class {label} has {len(members)} image(s) with a mask; it needs at least 2, one to train on and one "
                "to test on. Add images or leave the class out."
            )
        count = min(max(round(test_share * len(members)), 1), len(members) - 1)
        parts[members[:count]] = "test"
    return parts


def balanced(ids: Sequence[str], labels: ArrayLike, n: int, seed: int, name: str = "cohort") -> NDArray[np.int64]:
    """Return the sorted positions of ``n`` images drawn by seed, dealing one to each class in turn.

    Small classes run out and the others go on, so that fewer than ``n`` are returned only if there are fewer. A
    larger ``n`` contains the draw of a smaller one. The draw depends on ids and labels, not on their order.
    """
    labels = np.asarray(labels)
    piles = [list(_shuffled(ids, labels == label, seed, name)) for label in np.unique(labels)]
    drawn: list[int] = []
    while len(drawn) < n and any(piles):
        for pile in piles:
            if pile and len(drawn) < n:
                drawn.append(int(pile.pop(0)))
    return np.array(sorted(drawn), dtype=np.int64)


def donors(
    ids: Sequence[str],
    labels: ArrayLike,
    lenders: Sequence[str],
    lender_labels: ArrayLike,
    n: int,
    seed: int,
    *,
    same: bool,
) -> list[NDArray[np.int64]]:
    """Return for each image the positions in ``lenders`` of ``n`` different images that lend it their backgrounds.

    Of its own class, but never itself, with ``same``; else of other classes. Fewer where there are not so many. The
    draw follows from (``seed``, image id) and the set of lenders; a larger ``n`` begins with the draw of a smaller one.
    """
    classes, theirs = np.asarray(labels), np.asarray(lender_labels)
    order = np.array(sorted(range(len(lenders)), key=lenders.__getitem__), np.int64)
    drawn = []
    for name, label in zip(ids, classes, strict=True):
        able = order[(theirs[order] == label) == same]
        able = able[[lenders[place] != name for place in able]] if same else able
        drawn.append(seeds.generator(seed, "donors", same, name).permutation(able)[:n])
    return drawn


def _shuffled(ids: Sequence[str], members: NDArray[np.bool_], seed: int, name: str) -> NDArray[np.int64]:
    """Return the positions of ``members`` in an order that follows from each id alone."""
    positions = np.flatnonzero(members)
    keys = [(seeds.integer(seed, name, ids[place]), ids[place]) for place in positions.tolist()]
    return positions[sorted(range(len(positions)), key=keys.__getitem__)]
