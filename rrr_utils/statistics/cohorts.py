"""Which images a mean is taken over, and what one mean must not mix."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rrr_utils.common.choices import one_of

# Those that a summary shows side by side.
COHORTS = ("own", "common", "all")
# How many images the code of the paper's authors takes.
FIRST = 50

# What one mean must not mix: a score under one of these does not compare with a score under another.
FIXED = (
    "study",
    "data",
    "network",
    "strategy",
    "trained_on",
    "epoch",
    "split",
    "explainer",
    "protocol",
    "mask_source",
    "design",
    "samples",
    "variant",
)
GROUP = ("study", "data", "network", "seed")

# Epochs, of all networks or by network.
Ignored = Collection[int] | Mapping[str, Collection[int]]


def cohort(
    scores: pd.DataFrame,
    kind: str,
    *,
    group: Sequence[str] = GROUP,
    ignore_epochs: Ignored = (),
    first: int = FIRST,
) -> pd.DataFrame:
    """Return the rows of a scores table that a mean is taken over, in their order.

    ``own``: the images that a model itself gets right at that epoch, which is equation 2 of the paper. It favours
    the worse model, because the images that a bad model gets right are the easy ones. ``common``: the images that
    *every* run of a group gets right at *every* scored epoch, so that all its models are asked about the same
    images; a group shares ``group``, by default the data set, the network and the seed. An image that one of these
    runs did not score is left out too. ``all``: every image, right or wrong.

    Parameters
    ----------
    scores
        A table as ``tables`` describes it under "scores".
    ignore_epochs
        Epochs that do not decide who is in the common cohort, because the head is untrained there and right by
        luck; of all networks, or by the network's name. Their rows are returned all the same.
    first
        How many images ``authors`` takes at most, of each split at each epoch of each run.

    Raises
    ------
    ValueError
        If ``kind`` is unknown, a column is missing, no epoch is left to decide on, or ``first`` is below 1.
    """
    return scores[members(scores, kind, group, ignore_epochs, first)]


def members(
    scores: pd.DataFrame,
    kind: str,
    group: Sequence[str] = GROUP,
    ignore_epochs: Ignored = (),
    first: int = FIRST,
) -> "pd.Series[bool]":
    """Return which rows :func:`cohort` returns, on the index of ``scores``."""
    one_of("cohort", kind, (*COHORTS, "authors"))
    if kind == "all":
        return pd.Series(True, index=scores.index)
    need(scores, ["correct"], "the scores table")
    if kind == "own":
        return scores["correct"].astype(bool)
    if kind == "authors":
        return _first_correct(scores, group, first)
    within, run = [*group, "split"], ["strategy", "trained_on", "epoch"]
    need(scores, [*within, *run, "image"], "the scores table")
    deciding = scores[~_is_ignored(scores, ignore_epochs)]
    if len(scores) and deciding.empty:
        raise ValueError(f"`ignore_epochs` {ignore_epochs} leaves no epoch to decide the common cohort on.")
    runs = deciding[[*within, *run]].drop_duplicates().groupby(within).size().rename("runs")
    right = deciding.groupby([*within, "image", *run])["correct"].all().groupby([*within, "image"]).sum()
    counts = right.rename("right").reset_index().merge(runs.reset_index(), on=within)
    always = pd.MultiIndex.from_frame(counts.loc[counts["right"] == counts["runs"], [*within, "image"]])
    return pd.Series(pd.MultiIndex.from_frame(scores[[*within, "image"]]).isin(always), index=scores.index)


def _is_ignored(scores: pd.DataFrame, epochs: Ignored) -> "pd.Series[bool]":
    """Return the rows of epochs that do not decide."""
    if not isinstance(epochs, Mapping):
        return scores["epoch"].isin(list(epochs))
    ignored = pd.Series(False, index=scores.index)
    for network, own in epochs.items():
        ignored |= (scores["network"] == network) & scores["epoch"].isin(list(own))
    return ignored


def _first_correct(scores: pd.DataFrame, group: Sequence[str], first: int) -> "pd.Series[bool]":
    """Return the rows of the ``first`` correct images, by name, of every split at every epoch of every run."""
    if first < 1:
        raise ValueError(f"`first` must be at least 1, but {first} was passed.")
    run = [*group, "split", "strategy", "trained_on", "epoch"]
    need(scores, [*run, "image"], "the scores table")
    # An image stands in the table once an explainer; which images are taken does not depend on explainers.
    images = scores.loc[scores["correct"].astype(bool), [*run, "image"]].drop_duplicates().sort_values("image")
    chosen = pd.MultiIndex.from_frame(images[images.groupby(run).cumcount() < first])
    return pd.Series(pd.MultiIndex.from_frame(scores[[*run, "image"]]).isin(chosen), index=scores.index)


def check_scores(scores: pd.DataFrame) -> None:
    """Raise ``ValueError`` unless scores lie in [0, 1] and are NaN exactly for zero maps."""
    need(scores, ["seed", "image", "score", "chance", "correct", "zero_map"], "the scores table")
    if not scores.index.is_unique:
        raise ValueError("The scores table must have a unique index; pass `table.reset_index(drop=True)`.")
    missing = scores["score"].isna().to_numpy()
    zero = scores["zero_map"].to_numpy(bool)
    if (missing != zero).any():
        place = int(np.flatnonzero(missing != zero)[0])
        raise ValueError(
            f"A score must be NaN exactly where `zero_map` is true, but in row {place} (image "
            f"{scores['image'].iloc[place]!r}) it is {scores['score'].iloc[place]} with zero_map {zero[place]}."
        )
    outside = ~missing & ~scores["score"].between(0, 1).to_numpy()
    if outside.any():
        place = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"A score must lie in [0, 1], but that of image {scores['image'].iloc[place]!r} is "
            f"{scores['score'].iloc[place]}. Pass what `score` returned."
        )


def need(table: pd.DataFrame, columns: Collection[str], what: str) -> None:
    """Raise ``ValueError`` unless ``table`` has all ``columns``."""
    for column in columns:
        if column not in table.columns:
            raise ValueError(f"{what} needs the column {column!r}, but the table has {list(table.columns)}.")


def groups(table: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the values of ``by`` and the rows that have them, sorted; the whole table if ``by`` is empty."""
    need(table, by, "`by`")
    if not by:
        yield {}, table
        return
    # Columns such as `samples` may be empty for some explainers; such rows are a group, not dropped.
    for key, part in table.groupby(list(by), sort=True, dropna=False):
        yield dict(zip(by, key)), part


def refuse_mixed(part: pd.DataFrame, by: Sequence[str]) -> None:
    """Raise ``ValueError`` if the rows of one group do not compare, or an image stands twice under a seed."""
    for column in FIXED:
        if column in part.columns and column not in by and part[column].nunique(dropna=False) > 1:
            raise ValueError(
                f"One mean must not mix different values of {column!r}: {part[column].unique().tolist()[:4]}. "
                "Put it into `by`, or select one of them first."
            )
    if "image" in part.columns and part.duplicated(["seed", "image"]).any():
        image = part.loc[part.duplicated(["seed", "image"]), "image"].iloc[0]
        raise ValueError(f"Image {image!r} stands twice under one seed. Was the same table read twice?")


def select(table: pd.DataFrame, wanted: Mapping[str, object]) -> "pd.Series[bool]":
    """Return which rows have all the values ``wanted`` by column; a missing value matches a missing one."""
    chosen = pd.Series(True, index=table.index)
    for column, value in wanted.items():
        chosen &= table[column].isna() if pd.isna(value) else table[column] == value  # type: ignore[call-overload]
    return chosen
