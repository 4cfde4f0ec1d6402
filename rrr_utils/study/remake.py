"""One model of a zoo, trained and measured again, beside its published row."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from rrr_utils.common import paths
from rrr_utils.common.choices import nearest
from rrr_utils.study import jobs
from rrr_utils.study.study_file import Study
from rrr_utils.tables import parquet as tables

_MEASURED = tables.SCHEMAS["zoo_maps"].names[6:]


def published(name: str) -> pd.DataFrame:
    """Return the rows of ``zoo_models`` that a study has published, over all its slices, in the order of their files.

    Raises ``ValueError`` if it has published none.
    """
    places = sorted((paths.root() / "data" / "results" / name).glob("10-zoo--*/zoo_models.parquet"))
    if not places:
        raise ValueError(f"Study {name} has published no zoo of models. `make publish STUDY={name}` does.")
    return pd.concat([tables.read(place, "zoo_models") for place in places], ignore_index=True)


def compare(plan: Study, model: str) -> pd.DataFrame:
    """Train and measure a model anew and return its row, as a column ``again`` beside ``published`` where there is one.

    The index holds the columns of ``zoo_models``, then the mean of each measure of the maps by explainer. All of
    it is made from nothing in the runs, under the study's name and "-again". Raises ``ValueError`` with the nearest
    name for a model that the study does not have.
    """
    models, maps = remake(plan, model)
    columns = {"again": _one_column(models, maps)}
    for place in sorted((paths.root() / "data" / "results" / plan.name).glob("10-zoo--*")):
        both = (tables.read(place / f"{name}.parquet", name) for name in ("zoo_models", "zoo_maps"))
        rows, those = (table[table["model"] == model].reset_index(drop=True) for table in both)
        if len(rows):
            columns = {"published": _one_column(rows, those), **columns}
    return pd.DataFrame(columns)


def remake(plan: Study, model: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and measure one model of a study: its rows of the tables ``zoo_models`` and ``zoo_maps``."""
    # Imported here, because threads are set before TensorFlow starts.
    from rrr_utils import datasets, masks
    from rrr_utils.analyses.zoo import confounded_data as worlds
    from rrr_utils.analyses.zoo import measure as slices
    from rrr_utils.masks import prepared
    from rrr_utils.scoring import scores as scoring

    job, masking, tie, place = _find(plan, model)
    slice_ = slice_of(job.parameters)
    member, epoch = slice_.members()[place[0]], place[1]
    print(
        f"Training for {slice_.stage.epochs} epochs on {member.images or 'all'} images, then measuring:",
        file=sys.stderr,
    )
    print("a minute for a small network on generated images, some for photographs.", file=sys.stderr)
    again = replace(slice_, run=replace(slice_.run, study=f"{plan.name}-again"))
    folder = paths.runs() / again.run.study / again.run.data
    # What was made before is not what is asked for: nothing old may be confirmed.
    shutil.rmtree(folder, ignore_errors=True)
    dataset = datasets.open_dataset(job.parameters["source"], paths.data_dir(), job.parameters["options"])
    masker = masks.open_masker(masking.parameters["masks"], dataset, paths.data_dir())
    given = {"test_share": masking.parameters["test_share"], "seed": slice_.study_seed}
    prepared.prepare(again.run.study, again.run.data, dataset, masker, [again.run.size], folder, **given)
    data = again.run.images()
    tied = worlds.world(data, again.source, again.options, tie, again.study_seed)
    states = slices.trained(again, tied, [member], again.run.folder / "zoo" / f"tie-{round(100 * tie):03d}", [epoch])
    models, maps = slices.measure(
        again, tied, states, scoring.explainers(job.parameters["explainers"], again.study_seed)
    )
    return models.assign(study=plan.name), maps


def slice_of(parameters: Any) -> Any:
    """Return the slice that a job of the notebook 10-zoo measures."""
    from rrr_utils.analyses.zoo import measure as slices
    from rrr_utils.training import fit as training
    from rrr_utils.training.runs import Run

    names = ("study", "data", "network", "strategy", "trained_on", "architecture", "size", "alpha", "weights")
    run = Run(**{name: parameters[name] for name in (*names, "head_epochs", "units")})
    stage = training.Stage(*(parameters[name] for name in ("epoch", "optimizer", "rate", "batch")))
    varied = {name: parameters[name] for name in ("ties", "kinds", "training_images", "seeds", "images", "steps")}
    epochs = parameters["checkpoints"] or [parameters["epoch"]]
    return slices.Slice(
        run, parameters["source"], parameters["options"], stage, checkpoints=epochs,
        study_seed=parameters["study_seed"], **varied,
    )  # fmt: skip


def _find(plan: Study, model: str) -> tuple[jobs.Job, jobs.Job, float, tuple[int, int]]:
    """Return a model's job, that of its images, its tie, and the number of its training and its epoch."""
    every = jobs.of(plan)
    known = []
    for job in every:
        if job.notebook == "10-zoo":
            for name, *place in _names(job.parameters):
                known.append(name)
                if name == model:
                    masking = jobs.find(every, f"{job.parameters['data']}/01-masking")
                    tie, number, epoch = place
                    return job, masking, tie, (number, epoch)
    raise ValueError(f"Study {plan.name!r} has no model {model!r}.{nearest(model, known)} It has {len(known)} models.")


def _names(parameters: Any) -> Iterator[tuple[str, Any, int, int]]:
    slice_ = slice_of(parameters)
    for tie in slice_.ties:
        for number, member in enumerate(slice_.members()):
            for epoch in slice_.checkpoints:
                yield slice_.model(tie, member, epoch), tie, number, epoch


def _one_column(models: pd.DataFrame, maps: pd.DataFrame) -> "pd.Series[Any]":
    measured = maps[maps["variant"] == ""].groupby("explainer", sort=False)[_MEASURED].mean().stack()
    measured.index = [f"{explainer} {measure}" for explainer, measure in measured.index]
    return pd.concat([models.iloc[0], measured])
