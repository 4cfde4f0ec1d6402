"""Overinterpretation: how sure a network is of few pixels, where they lie, and what can be learnt from them alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from rrr_utils import metric
from rrr_utils.analyses.overinterpretation import sufficient_subsets
from rrr_utils.common import progress
from rrr_utils.engine import passes
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks.ensemble import ensemble
from rrr_utils.scoring import partial_results
from rrr_utils.tables import parquet
from rrr_utils.training import fit
from rrr_utils.training.runs import Run, evaluation, training_data

# What is kept: the pixels that the selection masked last; as many random ones; each with its eight neighbours; and
# what a selection towards the second most probable class masked last.
KINDS = ("selected", "random", "neighbours", "random neighbours", "wrong class")
# On what networks are trained and tested: whole images, their selected pixels, as many random ones.
RETRAINED = ("whole", "selected", "random")

_TABLES = ("pixel_subsets", "sufficient_subsets")
_AT_ONCE = 32
# The colour that masks in whatever does not compare colours.
_FILL = "neutral"


def examine_run(
    run: Run,
    data: Prepared,
    seeds: Sequence[int],
    epoch: int,
    folder: Path,
    *,
    splits: Sequence[str],
    n: int,
    study_seed: int,
    pixels: int,
    shares: Sequence[float],
    threshold: float,
    fills: Sequence[str],
    most: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Examine the fixed cohort: rows of the tables ``pixel_subsets`` and ``sufficient_subsets``.

    Every seed's network is examined, and where there are several also their ensemble, with ``voters`` above 1 and the
    first of the seeds. Finished images are kept under ``folder``, so that an interrupted run goes on where it was.

    Parameters
    ----------
    pixels
        So many are masked in one step of the selection.
    shares
        Of the pixels of an image, which are kept.
    threshold
        The probability from which a subset is sufficient.
    fills
        Names of the colours that mask, of ``names.FILLS``; the neutral one is always among them.
    most
        So many disjoint sufficient subsets of an image are looked for.
    """
    settings: dict[str, Any] = {
        "pixels": pixels,
        "shares": shares,
        "threshold": threshold,
        "fills": list(dict.fromkeys((_FILL, *fills))),
        "most": most,
        "study_seed": study_seed,
    }
    given = {"epoch": epoch, "splits": splits, "n": n, **settings}
    partial_results.keep(folder, run, seeds, **given)
    networks = {seed: run.at(seed, epoch) for seed in seeds}
    asked: list[tuple[int, int, Any]] = [(seed, 1, network) for seed, network in networks.items()]
    if len(networks) > 1:
        asked.append((seeds[0], len(networks), ensemble(list(networks.values()))))
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in _TABLES}
    for seed, voters, network in progress.track(asked, f"subsets of {run.network}"):
        for split in splits:
            places = data.cohort(split, n, study_seed)
            for start in range(0, len(places), _AT_ONCE):
                files = {name: folder / f"seed-{seed}-{voters}-{split}-{start:04d}-{name}.parquet" for name in _TABLES}
                if not all(file.exists() for file in files.values()):
                    found = examine(network, data, places[start : start + _AT_ONCE], **settings)
                    for name, rows in zip(_TABLES, found, strict=True):
                        rows = rows.assign(epoch=epoch, split=split, voters=voters)
                        partial_results.write(run.label(rows, seed), files[name], name)
                for name in _TABLES:
                    parts[name].append(parquet.read(files[name], name))
    kept, sufficient = (pd.concat(parts[name], ignore_index=True) for name in _TABLES)
    return kept, sufficient


def examine(
    network: Any,
    data: Prepared,
    places: NDArray[np.int64],
    *,
    pixels: int,
    shares: Sequence[float],
    threshold: float,
    fills: Sequence[str],
    most: int,
    study_seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both tables for the images at ``places``, without the columns that all rows share.

    The class whose probability is followed is the one that the network predicts, right or wrong.
    """
    pictures, masks, labels = data.images[places], np.asarray(data.masks[places], float), data.labels[places]
    ids = [data.ids[place] for place in places]
    forward = passes.forward(network.model)
    logits = forward(pictures)
    ranked = np.argsort(-logits, axis=1, kind="stable")
    predicted, second = ranked[:, 0], ranked[:, 1]
    facts = {
        "image": ids,
        "label": labels,
        "predicted": predicted,
        "correct": predicted == labels,
        "certainty": _probability(logits, predicted),
    }
    colours = {name: sufficient_subsets.fill_colours(name, pictures, network.neutral) for name in fills}

    def select(
        fill: str, classes: NDArray, where: Any = slice(None), alive: Any = None
    ) -> list[sufficient_subsets.Selection]:
        return sufficient_subsets.batched_gradient(
            network,
            pictures[where],
            classes[where],
            list(np.array(ids)[where]),
            pixels=pixels,
            fill=colours[fill][where],
            alive=alive,
            seed=study_seed,
        )

    def rows(kind: str, kept: NDArray, share: float, fill: str, shown: str, target: NDArray) -> pd.DataFrame:
        answers = forward(sufficient_subsets.show(pictures, kept, colours[shown]))
        return pd.DataFrame(
            facts
            | {
                "kind": kind,
                "fill": fill,
                "shown": shown,
                "share": share,
                "pixels": kept.sum(axis=(1, 2)),
                "target": target,
                "confidence": _probability(answers, target),
                "answer": answers.argmax(axis=1),
                "on_object": metric.score(masks, kept.astype(float)),
                "chance": metric.chance(masks),
            }
        )

    found = {fill: select(fill, predicted) for fill in fills}
    wrong = select(_FILL, second)
    parts = []
    total = pictures.shape[1] * pictures.shape[2]
    for share in shares:
        count = round(share * total)
        drawn = np.stack(
            [sufficient_subsets.random_subset(pictures.shape[1:3], count, study_seed, share, name) for name in ids]
        )
        for fill in fills:
            kept = np.stack([each.kept(count) for each in found[fill]])
            parts.append(rows("selected", kept, share, fill, fill, predicted))
            if fill == _FILL:
                parts += [rows("selected", kept, share, fill, other, predicted) for other in fills if other != fill]
                grown = sufficient_subsets.with_neighbours(kept)
                parts.append(rows("neighbours", grown, share, fill, fill, predicted))
        parts.append(rows("random", drawn, share, _FILL, _FILL, predicted))
        grown = sufficient_subsets.with_neighbours(drawn)
        parts.append(rows("random neighbours", grown, share, _FILL, _FILL, predicted))
        kept = np.stack([each.kept(count) for each in wrong])
        parts.append(rows("wrong class", kept, share, _FILL, _FILL, second))

    def again(where: NDArray[np.int64], alive: NDArray[np.bool_]) -> Sequence[sufficient_subsets.Selection]:
        return found[_FILL] if alive.all() else select(_FILL, predicted, where, alive)

    sufficient = _sufficient(sufficient_subsets.disjoint(again, masks.shape, threshold, most), masks, facts)
    return pd.concat(parts, ignore_index=True), sufficient.assign(fill=_FILL, threshold=threshold)


def retrain_run(
    run: Run,
    data: Prepared,
    stage: fit.Stage,
    seeds: Sequence[int],
    epoch: int,
    folder: Path,
    *,
    study_seed: int,
    pixels: int,
    share: float,
) -> pd.DataFrame:
    """Train the network anew on few pixels of each image: rows of the table ``subset_accuracy``.

    For each seed its trained network selects ``share`` of the pixels of every image, of training and test, towards the
    class that it predicts; then the run's training is repeated from its start on these pixels alone, and on as many
    random ones, both before the neutral colour and with the true labels. The original network and both new ones are
    tested on whole test images and on both kinds of pixels. Selections and weights are kept under ``folder``.
    """
    given = {"stage": stage, "epoch": epoch, "pixels": pixels, "share": share, "study_seed": study_seed}
    partial_results.keep(folder, run, seeds, **given)
    parts = []
    names = data.where("test")
    for seed in progress.track(seeds, "training on few pixels"):
        trained = run.at(seed, epoch)
        kept = _all_selected(trained, data, folder / f"seed-{seed}-selected.npz", pixels, share, study_seed)
        count = round(share * kept[0].size)
        drawn = np.stack(
            [sufficient_subsets.random_subset(kept.shape[1:], count, study_seed, "all", name) for name in data.ids]
        )
        pictures = {"whole": data.images}
        for kind, which in (("selected", kept), ("random", drawn)):
            pictures[kind] = np.rint(sufficient_subsets.show(data.images, which, trained.neutral)).astype(np.uint8)
        for kind in RETRAINED:
            network = trained
            if kind != "whole":
                network = run.start(seed)
                changed = replace(data, images=pictures[kind])
                fit.train(
                    network,
                    run.strategy,
                    training_data(changed),
                    stage,
                    folder / f"seed-{seed}-{kind}",
                    trained_on="original",
                    seed=seed,
                    study_seed=study_seed,
                    evaluate=evaluation(changed),
                )
            forward = passes.forward(network)
            for tested in RETRAINED:
                right = int((forward(pictures[tested][names]).argmax(axis=1) == data.labels[names]).sum())
                row = {"trained": kind, "tested": tested, "share": share, "n": len(names), "correct": right}
                parts.append(run.label(pd.DataFrame([row | {"epoch": epoch, "accuracy": right / len(names)}]), seed))
    return pd.concat(parts, ignore_index=True)


def _all_selected(network: Any, data: Prepared, file: Path, pixels: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Return the pixels of every image that are selected for its predicted class, ``(N, H, W)``."""
    from rrr_utils.training import checkpoints

    if file.exists():
        return checkpoints.read(file)["kept"].astype(bool)
    predicted = passes.forward(network.model)(data.images).argmax(axis=1)
    count = round(share * data.images.shape[1] * data.images.shape[2])
    found = []
    for start in progress.track(range(0, len(data.ids), _AT_ONCE), "selected pixels"):
        here = slice(start, start + _AT_ONCE)
        selections = sufficient_subsets.batched_gradient(
            network,
            data.images[here],
            predicted[here],
            data.ids[here],
            pixels=pixels,
            fill=network.neutral,
            # Down to exactly the pixels that are kept: the rest of the order is not needed.
            keep=(count + 0.5) / data.images[0, ..., 0].size,
            seed=seed,
        )
        found += [each.kept(count) for each in selections]
    kept = np.stack(found)
    checkpoints.write(file, {"kept": kept.astype(np.uint8)})
    return kept


def _sufficient(found: Sequence[Sequence[NDArray[np.bool_]]], masks: NDArray, facts: dict[str, Any]) -> pd.DataFrame:
    """Return one row a subset, and one for an image that has none."""
    rows = []
    for place, of_image in enumerate(found):
        same = {name: values[place] for name, values in facts.items()}
        same["chance"] = float(masks[place].mean())
        missing = dict.fromkeys(("pixels", "share", "score"), float("nan"))
        if not of_image:
            rows.append(same | missing | {"number": 0, "found": False})
        for number, subset in enumerate(of_image):
            score = float(metric.score(masks[place], subset.astype(float))[0])
            sizes = {"pixels": float(subset.sum()), "share": float(subset.mean()), "score": score}
            rows.append(same | sizes | {"number": number, "found": True})
    return pd.DataFrame(rows)


def _probability(logits: ArrayLike, classes: NDArray) -> NDArray[np.float64]:
    return np.asarray(special.expit(sufficient_subsets.log_odds(logits, classes)))
