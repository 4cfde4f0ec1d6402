"""The jobs of a study for one row of a published table: which made it, and how little of their work it needs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rrr_utils.study import costs, jobs, study_file
from rrr_utils.study.analysis import Analysis
from rrr_utils.tables import parquet

RUN = ["data", "network", "strategy", "trained_on"]
# Keys that cannot be derived: a prototype is what was found, and so is how many pixels a share with neighbours has.
_KEYS = {
    "prototypes": ["seed", "channel", "side", "rank"],
    "pixel_subsets": ["seed", "split", "image", "voters", "kind", "fill", "shown", "share"],
}
# What a network answered tells no rows apart.
_ANSWERS = ("predicted", "answer", "target")
# How many scores a second the figures' notebook draws again, 1,999 times a mean.
_SUMMED_UP = 1500


def read(file: Path) -> pd.DataFrame:
    """Return a published table; to what is told of a zoo's model by its name, what the model is."""
    if file.suffix == ".csv":
        return pd.read_csv(file)
    table = parquet.read(file, file.stem)
    if file.stem != "zoo_maps":
        return table
    models = parquet.read(file.with_name("zoo_models.parquet"), "zoo_models")
    about = models[["model", "group", "tie", "trained_on", "training_images", "seed", "epoch"]]
    return table.merge(about, on="model", how="left", validate="many_to_one")


def key(table: pd.DataFrame, name: str) -> list[str]:
    """Return the fewest columns that tell the rows of a table apart; all others were measured, or follow from these.

    The seed, then words, whole numbers and fractions are taken where they part rows that are not parted yet, and left
    out again where the others do without. Names that hold the seed, as those of models do, would hide the other seeds.
    """
    if name in _KEYS:
        return _KEYS[name]

    def kind(column: str) -> int:
        letter = "b" if column in _ANSWERS else table[column].dtype.kind
        return 0 if column == "seed" else {"O": 1, "i": 2, "f": 3}.get(letter, 4)

    numbers = {str(each): pd.factorize(table[each], use_na_sentinel=False)[0] for each in table.columns}

    def parts(columns: Sequence[str]) -> int:
        together = np.zeros(len(table), np.int64)
        for each in columns:
            together = pd.factorize(together * len(table) + numbers[each])[0]
        return int(together.max(initial=-1)) + 1

    several = "seed" in table and table["seed"].nunique() > 1
    found: list[str] = []
    for column in sorted(numbers, key=kind):
        if several and kind(column) == 1 and table.groupby(column)["seed"].nunique().max() == 1:
            continue
        if parts(found) < len(table) and parts([*found, column]) > parts(found):
            found.append(column)
    for column in found[several:]:
        if parts(rest := [each for each in found if each != column]) == len(table):
            found = rest
    return found


def plan(whole: study_file.Study, file: Path, row: "pd.Series[Any]") -> tuple[list[jobs.Job], str]:
    """Return the jobs that make a row of a published table, the last of which writes it, and why they are no less.

    Raises ``ValueError`` if the study does not make the row: it was changed since it was published.
    """
    made = _job(whole, file, row)
    if made.kind == "figures":
        # An image counts where all runs of one data set and network get it right; others have no say.
        scores = parquet.read(file.with_name("scores.parquet"), "scores")
        scores = scores[(scores[RUN[:2]] == row[RUN[:2]]).all(axis=1)]
        there = set(scores[RUN].drop_duplicates().agg("/".join, axis=1)) if len(scores) else set()
        runs = [each for each in made.parameters["runs"] if each in there]
        if "/".join(row[RUN]) not in runs:
            raise ValueError(f"Study {whole.name} has no run {'/'.join(row[RUN])}: it was changed since.")
        cost = costs.Cost(seconds=len(scores) / _SUMMED_UP)
        one = replace(made, parameters={**made.parameters, "runs": runs}, needs=(), estimate=lambda: cost)
        return [one], "It is computed from published tables; nothing is trained. "
    narrow, why = (whole, "") if made.kind == "masking" else _narrowed(whole, made, file, row)
    every = list(jobs.of(narrow))
    needed: list[jobs.Job] = []
    for job in reversed(every):
        if job.name == made.name or any(job.name in later.needs for later in needed):
            needed.insert(0, job)
    return needed, why


def _job(whole: study_file.Study, file: Path, row: "pd.Series[Any]") -> jobs.Job:
    """Return the job of a study that made a row, which follows from where its table lies."""
    notebook, *folder = file.parent.name.split("--")
    if folder or file.suffix == ".csv":
        return jobs.find(jobs.of(whole), "/".join([*folder, notebook]) if folder else jobs.FIGURES)
    place = {name: row[name] for name in RUN if name in row}
    for job in jobs.of(whole):
        same = all(job.parameters.get(name, value) == value for name, value in place.items())
        if job.kind != "analysis" and file.name in job.outputs and same:
            return job
    raise ValueError(f"Study {whole.name} makes no {file.stem} of {place}: it was changed since.")


def _narrowed(
    whole: study_file.Study, made: jobs.Job, file: Path, row: "pd.Series[Any]"
) -> tuple[study_file.Study, str]:
    """Return the study with no more seeds, epochs, explainers or models than a row needs, and why they are no less."""
    asked, why = made.parameters["seeds"], ""
    if row.get("seed", asked[0]) not in asked:
        raise ValueError(f"{made.name} has the seeds {asked}, not {row['seed']}: the study was changed since.")
    if row.get("voters", 1) > 1:
        why = "The row is of the ensemble of all seeds, so each of them is trained. "
    if file.stem == "sweeps":
        why = "A factor is chosen by all factors and seeds, so all are tried. "
    seeds = tuple(asked) if why else (int(row.get("seed", asked[0])),)
    model = next(each for each in whole.networks if each.name == made.parameters["network"])
    here = replace(model, seeds=seeds, seeds_of={})
    entries: tuple[Analysis, ...] = ()
    if made.kind == "scoring":
        here = replace(here, scoring=_scoring(model.scoring or whole.scoring, made, file, row))
    if made.kind == "analysis":
        entry = next(e for e in whole.analyses if made.outputs == (e.kind,) and "/".join(e.run) == made.folder)
        own = replace(entry.options, **_own(entry, file, row))
        entries = (replace(entry, seeds=seeds, options=own),)
    # Other networks stay: an image counts only if its mask is not empty at the size of any of them.
    networks = tuple(here if each is model else each for each in whole.networks)
    return replace(whole, networks=networks, analyses=entries), why


def _scoring(what: study_file.Scoring, made: jobs.Job, file: Path, row: "pd.Series[Any]") -> study_file.Scoring:
    """Return the scoring of one epoch: by a score's explainer, or behind a background with few images explained."""
    epoch, scored = int(row["epoch"]), made.parameters["scored_epochs"]
    if epoch not in scored:
        raise ValueError(f"{made.name} scores the epochs {scored}, not {epoch}: the study was changed since.")
    if file.stem != "scores":
        behind = [name for name in what.backgrounds if name == row.get("background")] or what.backgrounds[:1]
        return replace(what, epochs=(epoch,), explainers=what.explainers[:1], backgrounds=tuple(behind), images=4)
    own = tuple(each for each in what.explainers if each["name"] == row["explainer"])
    if not own:
        raise ValueError(f"{made.name} asks no explainer {row['explainer']!r}: the study was changed since.")
    # A control leans on the first checkpoint that is scored.
    epochs = {epoch, scored[0]} if any(each.get("control") for each in own) else {epoch}
    one = replace(what, splits=(row["split"],), backgrounds=what.backgrounds[:1])
    return replace(one, epochs=tuple(sorted(epochs)), explainers=own)


def _own(entry: Analysis, file: Path, row: "pd.Series[Any]") -> dict[str, Any]:
    """Return the options of an analysis that are other ones for a single row: those of its model, remedy or masks."""
    if entry.kind == "zoo":
        sizes = tuple(size for size in entry.options.parameters()["training_images"] if f"-{size}-seed" in row["model"])
        one = {"ties": (row["tie"],), "kinds": (row["trained_on"],), "checkpoints": (int(row["epoch"]),)}
        return {**one, "training_images": sizes}
    if entry.kind == "remedies":
        own = {"remedies": tuple(dict.fromkeys(("plain", row["trained_on"])))}
        fits = parquet.read(file.with_name("fits.parquet"), "fits")
        # The factor that the sweep has chosen is taken as it was published.
        factor = fits.loc[fits["trained_on"] == row["trained_on"], "factor"].dropna()
        return own if file.stem == "sweeps" or factor.empty else {**own, "factors": (float(factor.iloc[0]),)}
    if entry.kind == "overinterpretation":
        return {"retrain": file.stem == "subset_accuracy"}
    if entry.kind == "mask-quality":
        masks = row["source" if file.stem == "mask_quality" else "mask_source"]
        return {"maskers": (masks,)} if masks in entry.options.parameters()["maskers"] else {}
    return {}
