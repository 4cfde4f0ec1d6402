"""Accuracy with its interval, as trained and on changed backgrounds."""

from collections.abc import Sequence

import pandas as pd

from rrr_utils.statistics.cohorts import groups, refuse_mixed, select
from rrr_utils.statistics.intervals import drop_interval, proportion_interval

RUN = ("study", "data", "network", "strategy", "trained_on")


def accuracy_table(
    history: pd.DataFrame, masks: pd.DataFrame, by: Sequence[str] = (*RUN, "epoch", "split"), confidence: float = 0.95
) -> pd.DataFrame:
    """Return accuracy with its interval for each group of a history table.

    The number of images behind an accuracy is counted in the masks table (status "ok", by study, data and split).
    All seeds are tested on the same images, so the interval is Wilson's for the mean accuracy with the images of
    *one* run, stretched where a seed's own accuracy lies outside: images bound what one run can say, seeds what one
    training can.

    Returns
    -------
    Columns of ``by``; ``mean``, ``low``, ``high`` in [0, 1]; ``n`` images; ``seeds``; ``lowest`` and ``highest``
    accuracy over the seeds.

    Raises
    ------
    ValueError
        If a group mixes runs that do not compare, or the masks table has no image of its data set and split.
    """
    counts = masks[masks["status"] == "ok"].groupby(["study", "data", "split"]).size()
    keys = list(zip(history["study"], history["data"], history["split"]))
    unknown = sorted(set(keys) - set(counts.index))
    if unknown:
        raise ValueError(f"The masks table has no usable image of (study, data, split) {unknown[0]}. Pass its table.")
    frame = history.assign(n=[int(counts[key]) for key in keys])
    return _proportions(frame, by, confidence)


def shift_table(
    shift: pd.DataFrame, by: Sequence[str] = (*RUN, "epoch", "background"), confidence: float = 0.95
) -> pd.DataFrame:
    """Return accuracy under each background, and what is lost against the original one, for each group.

    Intervals are as in :func:`accuracy_table`. The drop's is Newcombe's for two proportions, which does not use that
    the images are the same under both backgrounds and is therefore wide rather than narrow, stretched over the
    seeds likewise.

    Returns
    -------
    The columns of :func:`accuracy_table`, and ``drop``, ``drop_low``, ``drop_high``: accuracy on original
    backgrounds minus accuracy on this one (0 for the original itself, NaN where there is none to compare with).

    Raises
    ------
    ValueError
        If ``by`` lacks ``background`` or a group mixes runs that do not compare.
    """
    if "background" not in by:
        raise ValueError(f"`by` must contain 'background', but {list(by)} was passed.")
    table = _proportions(shift, by, confidence)
    others = [column for column in by if column != "background"]
    drops = []
    for row in table.to_dict("records"):
        same = select(shift, {column: row[column] for column in others})
        before = shift[same & (shift["background"] == "original")].set_index("seed")
        after = shift[same & (shift["background"] == row["background"])].set_index("seed")
        drops.append(_drop(before, after, row["background"] == "original", confidence))
    return pd.concat([table, pd.DataFrame(drops, index=table.index)], axis=1)


def _proportions(frame: pd.DataFrame, by: Sequence[str], confidence: float) -> pd.DataFrame:
    rows = []
    for key, part in groups(frame, by):
        refuse_mixed(part, by)
        if part["seed"].duplicated().any() or ("background" in part and part["background"].nunique() > 1):
            raise ValueError(f"Seed {part['seed'].iloc[0]} stands twice in group {key}; put what differs into `by`.")
        accuracy, n = part["accuracy"].to_numpy(float), int(part["n"].min())
        low, high = proportion_interval(accuracy.mean() * n, n, confidence)
        rows.append(
            key
            | {
                "mean": float(accuracy.mean()),
                "low": min(low, float(accuracy.min())),
                "high": max(high, float(accuracy.max())),
                "n": n,
                "seeds": len(part),
                "lowest": float(accuracy.min()),
                "highest": float(accuracy.max()),
            }
        )
    return pd.DataFrame(rows)


def _drop(before: pd.DataFrame, after: pd.DataFrame, original: bool, confidence: float) -> dict[str, float]:
    both = before.index.intersection(after.index)
    if original or both.empty:
        value = 0.0 if original else float("nan")
        return {"drop": value, "drop_low": value, "drop_high": value}
    first, second = before.loc[both], after.loc[both]
    drop = first["accuracy"].to_numpy(float) - second["accuracy"].to_numpy(float)
    n_first, n_second = int(first["n"].min()), int(second["n"].min())
    low, high = drop_interval(
        first["accuracy"].mean() * n_first, n_first, second["accuracy"].mean() * n_second, n_second, confidence
    )
    return {
        "drop": float(drop.mean()),
        "drop_low": min(low, float(drop.min())),
        "drop_high": max(high, float(drop.max())),
    }
