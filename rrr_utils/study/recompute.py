"""One row of a published table, computed again: `rrr study recompute demo scores`.

Tables of a study's runs are dealt with here; a model of a zoo (table `zoo_models`) by :mod:`rrr_utils.study.remake`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rrr_utils.common import paths
from rrr_utils.common.choices import nearest, one_of
from rrr_utils.engine import passes as engine
from rrr_utils.study import costs, jobs, remake, stamps
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables

if TYPE_CHECKING:  # Keras takes ten seconds to import, and the threads have to be set before it
    from rrr_utils.training.runs import Run

# What is measured in a row of each table, and what tells it from the table's other rows.
VALUES = {
    "masks": ("area", "objects"),
    "history": ("loss", "accuracy"),
    "scores": ("score", "chance", "probability"),
    "shift": ("accuracy",),
    "answers": ("correct",),
}
# The table whose rows are models of a zoo.
ZOO = "zoo_models"
_RUN = ["data", "network", "strategy", "trained_on"]
_PLACE = {
    "masks": ["data", "image"],
    "history": [*_RUN, "seed", "epoch", "split"],
    "scores": [*_RUN, "seed", "epoch", "split", "image", "explainer", "protocol", "design", "samples", "variant"],
    "shift": [*_RUN, "seed", "epoch", "background"],
    "answers": [*_RUN, "seed", "epoch", "image"],
}
# Published to so many decimals: what the same weights give again on any machine.
TOLERANCE = 5e-4


@dataclass(frozen=True)
class Again:
    """A published row, what it came to now, and how far the seeds of its study lie apart in that place.

    ``published`` and ``now`` hold the measured values of the row by name; ``spread`` the largest difference between
    two seeds for each of them, the row's own being what it came to now or what was published, whichever is less; NaN
    where the study has one seed or the value does not depend on it.
    """

    row: pd.Series
    published: Mapping[str, float]
    now: Mapping[str, float]
    spread: Mapping[str, float]

    def verdict(self, name: str) -> str:
        """Return "the same" (to three decimals), "within the spread over seeds" or "differs" for a measured value."""
        before, now = self.published[name], self.now[name]
        if (np.isnan(before) and np.isnan(now)) or abs(before - now) < TOLERANCE:
            return "the same"
        return "within the spread over seeds" if abs(before - now) <= self.spread[name] else "differs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the row that the command line names; return 0, 1 if a value or weight differs, 2 if nothing was done."""
    parser = argparse.ArgumentParser(prog="rrr study recompute", description=__doc__)
    parser.add_argument("study", type=Path, help="a study file, for example studies/demo.yaml")
    parser.add_argument(
        "table", nargs="?", default="scores", help=f"one of {', '.join((*VALUES, ZOO))} (default: scores)"
    )
    parser.add_argument("--row", help=f"its number in the published table, from 0; of {ZOO} also a model's name (any)")
    parser.add_argument("--seed", type=int, help="draws the row; without it another one each time")
    parser.add_argument("--plan", action="store_true", help="say what it costs, and stop")
    chosen = parser.parse_args(arguments)
    try:
        plan = study.load(chosen.study)
        published = remake.published(plan.name) if chosen.table == ZOO else _published(plan.name, chosen.table)
        number = _number(published, chosen.row, chosen.seed)
        row = row_of(published, number)
        print(f"Row {number} of {len(published)} in data/results/{plan.name}/{chosen.table}.parquet:")
        print(row.to_string())
        if chosen.table == ZOO:
            return 0 if chosen.plan else _model(plan, str(row["model"]))
        left = missing(plan, row, chosen.table)
        factor = costs.machine(stamps.threads())
        for what, cost in left:
            print(f"To do: {what}, about {cost.seconds * factor:.0f} s")
        if not left:
            print("Its weights are there; nothing has to be trained.")
        if chosen.plan:
            return 0
        if "keras" not in sys.modules:  # threads are set before it is imported
            engine.start(stamps.threads())
        again = recompute(plan, published, number, chosen.table)
    except (ValueError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    table = pd.DataFrame({"published": again.published, "now": again.now, "spread over seeds": again.spread})
    verdicts = [again.verdict(name) for name in table.index]
    print(table.assign(verdict=verdicts).to_string())
    return int("differs" in verdicts)


def row_of(published: pd.DataFrame, number: int) -> pd.Series:
    """Return a row of a published table by its number; one that is not there raises ``ValueError``."""
    if not 0 <= number < len(published):
        raise ValueError(f"Rows are numbered from 0 to {len(published) - 1}, but {number} was asked for.")
    row: pd.Series = published.iloc[number]
    return row


def _number(published: pd.DataFrame, asked: str | None, seed: int | None) -> int:
    """Return the number of the row that was asked for by number or, in a zoo, by name; of any row if none was."""
    if asked is None:
        return int(np.random.default_rng(seed).integers(len(published)))
    if asked.isdecimal():
        return int(asked)
    names = published["model"].tolist() if "model" in published else []
    if asked not in names:
        raise ValueError(f"There is no row {asked!r}: expected a number.{nearest(asked, names)}")
    return names.index(asked)


def _model(plan: study.Study, name: str) -> int:
    """Train and measure a model of a zoo again and print it beside its published row; 1 if its weights differ."""
    if "keras" not in sys.modules:
        engine.start(stamps.threads())
    found = remake.compare(plan, name)
    print(found.to_string())
    same = str(found.loc["weights", "published"]) == str(found.loc["weights", "again"])
    print("The weights are the same to the bit." if same else "The weights differ: another machine or other code.")
    return int(not same)


def recompute(plan: study.Study, published: pd.DataFrame, number: int, table: str) -> Again:
    """Return the row ``number`` of a study's published table beside the same row, computed again.

    Images and masks are made, and networks trained, where they are not in the runs' folder yet: the row's seed alone,
    stage 1 first where there is one. What is there is used, and what is made stays for ``make study``. Of scores only
    the row's image is explained, of changed backgrounds and answers all test images are classified.

    Parameters
    ----------
    plan
        The study, see :func:`rrr_utils.study.load`.
    published
        The whole table, from which the spread over seeds is taken.
    table
        Its name: one of ``VALUES``.

    Raises
    ------
    ValueError
        If the study does not make the row (it was changed since), or the row does not come from a run of its own.
    """
    one_of("table", table, tuple(VALUES))
    row = row_of(published, number)
    data = next((each for each in plan.data if each.name == row["data"]), None)
    if data is None:
        raise ValueError(f"Study {plan.name} has no data {row['data']!r}: it was changed since the row was published.")
    _prepare(plan, data)
    found = _masks(plan, row) if table == "masks" else _MAKERS[table](plan, row, _trained(plan, row))
    names = VALUES[table]
    return Again(
        row,
        {name: float(row[name]) for name in names},
        {name: float(found[name]) for name in names},
        {name: _spread(published, number, table, name, float(found[name])) for name in names},
    )


def missing(plan: study.Study, row: pd.Series, table: str) -> list[tuple[str, costs.Cost]]:
    """Return what has to be made before the row can be, each with its cost on the reference machine.

    Raises ``ValueError`` where the study has no such data or run.
    """
    every = jobs.of(plan)
    left = []
    masking = jobs.find(every, f"{row['data']}/01-masking")
    folder = paths.runs() / plan.name
    if not (folder / masking.folder / "masks.parquet").exists():
        left.append((f"masks of {row['data']}", masking.cost))
    if table == "masks":
        return left
    for job in _trainings(every, row):
        if not (folder / job.folder / f"seed-{row['seed']}" / "training" / "record.json").exists():
            one = costs.Cost(seconds=job.cost.seconds / len(job.parameters["seeds"]))
            left.append((f"training {job.folder}, seed {row['seed']}", one))
    return left


def _published(name: str, table: str) -> pd.DataFrame:
    one_of("table", table, tuple(VALUES))
    file = paths.root() / "data" / "results" / name / f"{table}.parquet"
    if not file.exists():
        raise ValueError(f"There is no {file}: study {name} has not been published. `make publish STUDY={name}` does.")
    return tables.read(file, table)


def _trainings(every: tuple[jobs.Job, ...], row: pd.Series) -> list[jobs.Job]:
    """Return the training of the row's run, after that of the stage that it starts from."""
    job = jobs.find(every, "/".join(str(row[name]) for name in _RUN) + "/02-fine-tuning")
    before = [jobs.find(every, need) for need in job.needs]
    trainings = [each for each in before if each.kind == "head"] + [job]
    if int(row["seed"]) not in job.parameters["seeds"]:
        raise ValueError(f"{job.folder} is trained with the seeds {job.parameters['seeds']}, not {row['seed']}.")
    return trainings


def _prepare(plan: study.Study, data: study.Data) -> None:
    from rrr_utils import datasets
    from rrr_utils.masks import open_masker, prepared

    folder = paths.runs() / plan.name / data.name
    if (folder / prepared.TABLE).exists():
        return
    sizes = jobs.find(jobs.of(plan), f"{data.name}/01-masking").parameters["sizes"]
    dataset = datasets.open_dataset(data.source, paths.data_dir(), dict(data.options))
    masker = open_masker(data.masks, dataset, paths.data_dir())
    prepared.prepare(plan.name, data.name, dataset, masker, sizes, folder, test_share=data.test_share, seed=plan.seed)


def _trained(plan: study.Study, row: pd.Series) -> "Run":
    """Train what the row's weights need and return its run; trainings that are done are only looked at."""
    from rrr_utils.training import fit as training
    from rrr_utils.training import runs

    seed = int(row["seed"])
    for job in _trainings(jobs.of(plan), row):
        asked = job.parameters
        run = _run(asked)
        data = run.images()
        training.train(
            run.start(seed),
            run.strategy,
            runs.training_data(data),
            training.Stage(asked["epochs"], asked["optimizer"], asked["rate"], asked["batch"]),
            run.checkpoints(seed),
            trained_on=run.trained_on,
            seed=seed,
            study_seed=plan.seed,
            augment=asked["augmentation"],
            evaluate=runs.evaluation(data),
        )
    return run


def _run(asked: Mapping[str, Any]) -> "Run":
    from rrr_utils.training.runs import Run

    return Run(**{each.name: asked[each.name] for each in fields(Run)})


def _masks(plan: study.Study, row: pd.Series) -> pd.Series:
    found = tables.read(paths.runs() / plan.name / row["data"] / "masks.parquet", "masks")
    return _the_one(found, row, "masks")


def _history(plan: study.Study, row: pd.Series, run: "Run") -> pd.Series:
    from rrr_utils.common import files

    record = files.read_json(run.checkpoints(int(row["seed"])) / "record.json")
    return _the_one(run.label(pd.DataFrame(record["history"]), int(row["seed"])), row, "history")


def _scores(plan: study.Study, row: pd.Series, run: "Run") -> pd.Series:
    from rrr_utils.explainers import explain
    from rrr_utils.scoring import scores as scoring

    if row["variant"]:
        raise ValueError(f"The row is of the variant {row['variant']!r}, which an analysis made: run its notebook.")
    model = next(model for model in plan.networks if model.name == row["network"])
    what = model.scoring or plan.scoring
    same = ("explainer", "protocol", "design", "samples")
    asked = [
        each
        for each in scoring.explainers(what.explainers, plan.seed)
        if (each.name, each.protocol, each.design, each.samples) == tuple(row[name] for name in same)
    ]
    if not asked:
        raise ValueError(f"The study asks for no explainer {[row[name] for name in same]}: it was changed since.")
    seed, epoch, data = int(row["seed"]), int(row["epoch"]), run.images()
    run, epoch = _where(run, epoch)
    place = [data.ids.index(row["image"])]
    first = _first_scored(plan, run, epoch) if asked[0].control else None
    ((members, stack),) = run.stacks([seed], [epoch], first)
    pictures, masks, labels, ids = data.images[place], data.masks[place], data.labels[place], [row["image"]]
    member = members.index((seed, epoch))
    maps = explain(asked[:1], stack, pictures, labels, ids)
    rows = scoring.rows_of(stack(pictures)[member], [maps[0][member]], masks, labels, ids, asked[:1])
    return rows.iloc[0]


def _first_scored(plan: study.Study, run: "Run", epoch: int) -> int:
    """Return the checkpoint on which explainers with a control lean: the first that the run's scoring was asked for.

    Where stage 1 has no scoring of its own, a strategy's start is scored with that strategy, as its first: ``epoch``.
    """
    name = "/".join((run.data, run.network, run.strategy, run.trained_on)) + "/03-scoring"
    found = [job.parameters["scored_epochs"] for job in jobs.of(plan) if job.name == name]
    return int(found[0][0]) if found else epoch


def _shift(plan: study.Study, row: pd.Series, run: "Run") -> pd.Series:
    from rrr_utils.scoring import shift

    run, epoch = _where(run, int(row["epoch"]))
    stack = run.stack(int(row["seed"]), epoch)
    backgrounds = [] if row["background"] == "original" else [str(row["background"])]
    found = shift.accuracy_by_background(
        lambda pictures: stack(pictures)[0], run.images(), backgrounds, epoch=epoch, seed=plan.seed
    )
    return found[found["background"] == row["background"]].iloc[0]


def _answers(plan: study.Study, row: pd.Series, run: "Run") -> pd.Series:
    from rrr_utils.scoring import answers

    seed, (of, epoch) = int(row["seed"]), _where(run, int(row["epoch"]))
    (found,) = answers.answers_of(of.images(), of.stack(seed, epoch), [int(row["epoch"])])
    return _the_one(run.label(found, seed), row, "answers")


def _where(run: "Run", epoch: int) -> tuple["Run", int]:
    """Return the run and epoch whose weights a row is of: a strategy's epoch 0 is the last one of stage 1."""
    return (run.stage1(), run.head_epochs) if run.head_epochs and epoch == 0 else (run, epoch)


_MAKERS = {"history": _history, "scores": _scores, "shift": _shift, "answers": _answers}


def _the_one(found: pd.DataFrame, row: pd.Series, table: str) -> pd.Series:
    same = found[(found[_PLACE[table]] == row[_PLACE[table]]).all(axis=1)]
    if len(same) != 1:
        raise ValueError(f"{len(same)} rows, not one, were made for {row[_PLACE[table]].to_dict()}.")
    return same.iloc[0]


def _spread(published: pd.DataFrame, number: int, table: str, name: str, now: float) -> float:
    """Return the largest difference of a value between seeds.

    Once with the row's own as it was published and once as it came out now; the smaller of the two counts, so that
    neither a row that was changed nor a wrong computation widens what it is allowed.
    """
    if "seed" not in _PLACE[table]:
        return float("nan")
    row, by = published.iloc[number], [each for each in _PLACE[table] if each != "seed"]
    same = (published[by] == row[by]).all(axis=1) & (published["seed"] != row["seed"])
    if not same.any():
        return float("nan")
    others = published.loc[same, name].astype(float).tolist()
    return min(float(np.nanmax([*others, own]) - np.nanmin([*others, own])) for own in (float(row[name]), now))


if __name__ == "__main__":
    sys.exit(main())
