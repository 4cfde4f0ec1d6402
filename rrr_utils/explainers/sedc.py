"""SEDC: the evidence counterfactual, a small set of superpixels without which the network gives another class."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import progress
from rrr_utils.explainers import base, lime

# rows (n, K), True where a superpixel is shown -> logits (n, classes)
Ask = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


class SEDC(base.Perturbing):
    """SEDC (Vermeire, Brughmans, Goethals, de Oliveira and Martens 2022, arXiv 2004.07511): what to remove.

    The map is 1 on the superpixels of the set that is found, and 0 elsewhere: its score is the share of the evidence's
    area that lies on the object. Superpixels are those of :class:`~rrr_utils.explainers.LIME`, which are the paper's
    too (quickshift 4 / 200 / 0.2). The search is best first, and none of the set that it finds can be spared; see
    ``rrr_utils.explainers.sedc.search``. Where the network gives another class than the explained one, nothing has to
    be removed, and where ``steps`` do not suffice, nothing was found: both have a zero map. No value is below 0, so
    ``signed`` maps are the same.

    Parameters
    ----------
    steps
        How many sets may be enlarged; each costs a pass for every superpixel that it leaves. (The authors' code stops
        by the clock.)
    fill
        What a removed superpixel shows: a number or RGB from 0 to 255. Default: the network's neutral colour, as for
        :class:`~rrr_utils.explainers.Occlusion`; mid-grey for plain functions. (The authors' code has the image's mean
        colour, a blurred image and others.)
    batch
        How many images the network sees at once.
    """

    name = "sedc"
    alike = False

    def __init__(self, steps: int = 50, fill: float | Sequence[float] | None = None, batch: int = 32) -> None:
        super().__init__(batch=batch)
        self.steps, self.fill = base.at_least("steps", steps, 0), base.fill_of(fill)
        self.design = f"{steps} steps"
        self._lime = lime.LIME()

    def passes(self, size: int, channels: Sequence[int]) -> int:
        # Of about 50 superpixels, a set is enlarged some ten times before the class changes.
        return 50 * (1 + min(self.steps, 10))

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        several = base.is_stack(network)
        batch = network.batch if several else self.batch
        forward, colour = base.as_forward(network, batch), base.colour_of(network, self.fill)
        for place in progress.track(range(len(images)), self.name):
            own, name, image = int(classes[place]), ids[place], images[place]
            labels = lime.at_size(self._lime.superpixels_of(image), image.shape[:2])
            count = int(labels.max()) + 1
            asked = partial(_logits, forward, image, labels, colour, own, name, batch)
            # What every search begins with is the same for all checkpoints.
            first = asked(np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)]))
            yield np.stack(
                [
                    search(partial(_one, asked, number if several else None), start, own, self.steps)[labels]
                    for number, start in enumerate(first)
                ]
            ).astype(np.float64)


def search(ask: Ask, first: NDArray[np.float64], own: int, steps: int) -> NDArray[np.bool_]:
    """Return which superpixels have to be removed for another class than ``own``, ``(K,)`` bool; none if none is found.

    Best first, as in the paper: of all sets tried, the one whose removal has cost the class the most is enlarged by
    each further superpixel, until one of these sets changes the class, of several the one that costs it the most. What
    it costs is measured by the class's log odds, which order sets as its probability does and do not saturate. A set
    that has been tried by another way is not tried again. What is found need not be the smallest set there is, and a
    superpixel of it may have become superfluous: as long as some can be shown again without the class coming back, one
    of them is (our addition), that which leaves the class the least. So none of the set can be spared.

    Parameters
    ----------
    ask
        Takes rows ``(n, K)``, True where a superpixel is shown, to logits ``(n, classes)``.
    first
        ``(1 + K, classes)`` logits of the whole image and of the image without each superpixel.
    steps
        How many sets may be enlarged.
    """
    count = len(first) - 1
    removed = np.zeros(count, bool)
    if first[0].argmax() != own:
        return removed
    tried = [np.eye(count, dtype=bool)]
    odds = [log_odds(first[1:], own)]
    changed = first[1:].argmax(axis=1) != own
    seen = {row.tobytes() for row in tried[0]}
    for _ in range(steps):
        if changed.any():
            break
        everything, all_odds = np.concatenate(tried), np.concatenate(odds)
        best = int(all_odds.argmin())
        if np.isinf(all_odds[best]):
            break  # every set has been enlarged
        odds = [np.where(np.arange(len(all_odds)) == best, np.inf, all_odds)]
        larger = everything[best] | np.eye(count, dtype=bool)[~everything[best]]
        larger = larger[[row.tobytes() not in seen for row in larger]]
        tried = [everything]
        if not len(larger):
            continue
        seen.update(row.tobytes() for row in larger)
        logits = ask(~larger)
        tried.append(larger)
        odds.append(log_odds(logits, own))
        changed = logits.argmax(axis=1) != own
    if not changed.any():
        return removed
    removed = tried[-1][np.where(changed, odds[-1], np.inf).argmin()]
    while removed.sum() > 1:
        members = np.flatnonzero(removed)
        smaller = removed & ~np.eye(count, dtype=bool)[members]
        logits = ask(~smaller)
        changed = logits.argmax(axis=1) != own
        if not changed.any():
            break
        removed = smaller[np.where(changed, log_odds(logits, own), np.inf).argmin()]
    return removed


def log_odds(logits: NDArray[np.float64], own: int) -> NDArray[np.float64]:
    """Return the logarithm of p / (1 - p) of the class ``own``, (n,), from logits ``(n, classes)``."""
    others = np.delete(logits, own, axis=1)
    top = others.max(axis=1)
    return np.asarray(logits[:, own] - top - np.log(np.exp(others - top[:, None]).sum(axis=1)))


def _logits(
    forward: base.Forward,
    image: NDArray,
    labels: NDArray[np.intp],
    colour: NDArray[np.float32],
    own: int,
    name: str,
    batch: int,
    rows: NDArray[np.bool_],
    places: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Return the logits ``(checkpoints, n, classes)`` of the image with the superpixels that ``rows`` (n, K) show."""
    colours = np.broadcast_to(colour.astype(np.float64), (rows.shape[1], 3))
    parts = [
        base.stacked(forward, lime.compose(rows[start : start + batch], labels, image, colours), places)
        for start in range(0, len(rows), batch)
    ]
    return base.checked(np.concatenate(parts, axis=1), own, name, SEDC.name)


def _one(
    asked: Callable[..., NDArray[np.float64]], checkpoint: int | None, rows: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the logits ``(n, classes)`` of one checkpoint of a stack, or of the network that is no stack."""
    return asked(rows, None if checkpoint is None else [checkpoint])[0]
