"""What `make bench` measured, as the tables that the book shows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

GIBIBYTE = 1024**3
MEMORY_LIMIT = 4.0  # GiB
_KEY = ["what", "against"]


def load(path: Path | str) -> dict[str, Any]:
    """Return the results in ``path``: ``machine``, ``rows`` (comparisons) and ``measures`` (other tables).

    Raises ``FileNotFoundError`` with the remedy where there is none.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no {path.name} beside {path.parent.name}. Run `make bench` first.")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def comparisons(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a comparison: what, against, ratio (NaN where it was not run), target, and the ``result``.

    ``result`` is ``reached``, ``below`` or ``not run``.
    """
    table = _rows(found)[[*_KEY, "ratio", "target"]]
    table["result"] = np.select(
        [table["ratio"].isna(), table["ratio"] >= table["target"]], ["not run", "reached"], "below"
    )
    return table


def seconds(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return what each comparison rests on: median seconds of both ways, their first runs, how many, and under what.

    ``first run`` says whether the first runs are in the medians; ``load`` and ``GFLOP/s`` (of a float32 matrix product)
    were measured just before the row.
    """
    names = {
        "median_s": "seconds",
        "against_median_s": "seconds, plain",
        "first_s": "first run",
        "against_first_s": "first run, plain",
        "n": "n",
        "load": "load",
        "matrix_product_gflops": "GFLOP/s",
    }
    table = _rows(found, *names, "first_counts").dropna(subset="median_s")
    counts = table["first_counts"].map({True: "counts", False: "left out"})
    return table.assign(**{"the first": counts}).set_index(_KEY)[[*names, "the first"]].rename(columns=names)


def notes(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return what has to be said of single comparisons: what is included, and why one was not run."""
    table = _rows(found, "note", "not_run")
    said = table["not_run"].map(lambda reason: f"Not run: {reason}" if isinstance(reason, str) else None)
    table = table.assign(note=said.fillna(table["note"]))
    return table[table["note"].fillna("") != ""].set_index(_KEY)[["note"]]


def sharing(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return, where a frozen part runs once, what its size allows: the ratio that was measured beside two limits.

    Millions of multiply-adds an image before and behind the cut, and milliseconds of both parts in the engine; the
    limit by operations holds where both parts run at one rate, the limit by time counts what they took.
    """
    columns = ("prefix_multiply_adds", "suffix_multiply_adds", "prefix_ms", "suffix_ms", "limit_by_time")
    table = _rows(found, *columns, "limit_by_operations").dropna(subset="limit_by_operations")
    shown = {
        "frozen, millions": table["prefix_multiply_adds"].astype(float) / 1e6,
        "trained, millions": table["suffix_multiply_adds"].astype(float) / 1e6,
        "frozen, ms": table["prefix_ms"].astype(float),
        "trained, ms": table["suffix_ms"].astype(float),
        "limit by operations": table["limit_by_operations"].astype(float),
        "limit by time": table["limit_by_time"].astype(float),
        "measured": table["ratio"].astype(float),
        "target": table["target"].astype(float),
    }
    return table[_KEY].assign(**shown).set_index(_KEY)


def needed(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return the seconds that no way of asking every sample can do without, and the ratio that they allow.

    Superpixels; whole passes in the engine alone; of many checkpoints together, what they share once and what they do
    not share once each. ``the rest`` is the time of everything else; the limit holds if it were nothing.
    """
    names = {
        "superpixels_s": "superpixels, s",
        "passes_s": "passes, s",
        "frozen_s": "shared, s",
        "trained_s": "not shared, s",
    }
    table = _rows(found, *names, "median_s", "against_median_s")
    table = table[table[list(names)].notna().any(axis=1)]
    parts = table[list(names)].astype(float)
    without = parts.sum(axis=1)
    shown = {
        "the rest, s": table["median_s"].astype(float) - without,
        "limit": table["against_median_s"].astype(float) / without,
        "measured": table["ratio"].astype(float),
        "target": table["target"].astype(float),
    }
    return table[_KEY].join(parts.rename(columns=names)).assign(**shown).set_index(_KEY)


def studies(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return, where a whole study was timed, the seconds of its training and of its scoring, and the ratio of each."""
    table = _rows(found, "training_s", "against_training_s", "scoring_s", "against_scoring_s")
    table = table.dropna(subset="training_s")
    shown: dict[str, pd.Series] = {}
    for part in ("training", "scoring"):
        ours, theirs = table[f"{part}_s"].astype(float), table[f"against_{part}_s"].astype(float)
        shown |= {f"{part}, s": ours, f"{part}, plain, s": theirs, f"{part}, ratio": theirs / ours}
    return table[_KEY].assign(**shown).set_index(_KEY)


def elsewhere(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows and tables that were measured on another machine than that of the file, and on which."""
    measures = [{"what": name, "against": "", **each} for name, each in found["measures"].items()]
    other = [each for each in [*found["rows"], *measures] if "machine" in each]
    table = pd.DataFrame([{**{key: each[key] for key in _KEY}, **each["machine"]} for each in other])
    return table.set_index(_KEY) if len(table) else pd.DataFrame(columns=_KEY)


def arithmetic(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rate of the perturbation passes beside that of the fastest matrix product, in GFLOP/s."""
    table = _rows(found, "multiply_adds", "product_gflops", "median_s").dropna(subset="multiply_adds")
    shown = {
        "multiply-adds, 1e9": table["multiply_adds"].astype(float) / 1e9,
        "passes, GFLOP/s": 2 * table["multiply_adds"].astype(float) / 1e9 / table["median_s"].astype(float),
        "product, GFLOP/s": table["product_gflops"].astype(float),
        "measured": table["ratio"].astype(float),
        "target": table["target"].astype(float),
    }
    return table[_KEY[:1]].assign(**shown).set_index(_KEY[:1])


def memory(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return the peak memory of a process that scores, in GiB, one row a size."""
    table = _lines(found, "memory", "varied", "value", "peak_bytes")
    peak = table["peak_bytes"].astype(float) / GIBIBYTE
    return table.assign(**{"peak, GiB": peak}).set_index(["varied", "value"])[["peak, GiB"]]


def memory_verdict(found: Mapping[str, Any]) -> pd.Series:
    """Return the largest peak (GiB), and by how much it grows (GiB) from the fewest to the most images and samples."""
    table = memory(found)["peak, GiB"]
    growth = {
        f"more for 4 times the {varied}, GiB": table[varied].iloc[-1] - table[varied].iloc[0]
        for varied in ("images", "samples")
        if varied in table.index.get_level_values(0)
    }
    return pd.Series({"largest peak, GiB": table.max(), "allowed, GiB": MEMORY_LIMIT, **growth}, dtype=float)


def growth(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return the seconds of scoring for each size: ``varied``, ``value``, ``seconds``."""
    return _lines(found, "growth", "varied", "value", "seconds")


def growth_verdict(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return, for images, samples and checkpoints, how many times more of them there are, and how much longer it took.

    ``exponent`` is the slope between the ends on logarithmic axes: 1 is in proportion, less is better.
    """
    table = growth(found)
    ends = table.groupby("varied", sort=False)[["value", "seconds"]].agg(["first", "last"]).astype(float)
    times = ends["value", "last"] / ends["value", "first"]
    longer = ends["seconds", "last"] / ends["seconds", "first"]
    return pd.DataFrame({"times as many": times, "times as long": longer, "exponent": np.log(longer) / np.log(times)})


def bfloat16(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a network: images a second in both precisions, and how far logits and a LIME score drift."""
    names = {
        "weights": "weights",
        "float32_images_s": "float32, images/s",
        "bfloat16_images_s": "bfloat16, images/s",
        "times_faster": "times faster",
        "logit_rms": "logits: rms drift",
        "logit_largest": "largest drift",
        "logit_deviation": "deviation over images",
        "score": "LIME score",
        "score_difference": "its drift",
    }
    return _lines(found, "bfloat16", "network", *names).set_index("network").rename(columns=names)


def remedies(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a network and a remedy: ``seconds`` of an epoch, ``times`` plain training's, on so many images."""
    table = _lines(found, "remedies", "network", "size", "remedy", "seconds", "times", "images", "n")
    return table.assign(network=[f"{row.network}, {row.size} px" for row in table.itertuples()])


def _rows(found: Mapping[str, Any], *more: str) -> pd.DataFrame:
    return pd.DataFrame(found["rows"]).reindex(columns=[*_KEY, "ratio", "target", *more])


def _lines(found: Mapping[str, Any], name: str, *columns: str) -> pd.DataFrame:
    """Return a measure's lines with these columns; without rows where it has not been made."""
    return pd.DataFrame(found["measures"].get(name, {}).get("lines", [])).reindex(columns=list(columns))
