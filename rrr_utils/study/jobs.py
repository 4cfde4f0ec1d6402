"""The jobs of a study: which notebook runs with which parameters, after which others."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rrr_utils.common import paths
from rrr_utils.common.choices import nearest
from rrr_utils.common.registry import own
from rrr_utils.study import analysis_costs, costs, folder_names
from rrr_utils.study.analysis import Analysis
from rrr_utils.study.study_file import Data, Model, Scoring, Study

KINDS = ("masking", "head", "fine-tuning", "scoring", "figures", "analysis")
# What analyses cost that do more than explain.
_COSTS = {
    "overinterpretation": analysis_costs.overinterpretation,
    "zoo": analysis_costs.zoo,
    "remedies": analysis_costs.remedies,
    "infodisent": analysis_costs.infodisent,
}
# What names a run; its notebooks find out the rest.
_PLACE = ("study", "data", "network", "strategy", "trained_on")
# The notebook that reads the tables of a whole study.
FIGURES = "04-figures"


@dataclass(frozen=True)
class Job:
    """One notebook run.

    ``folder`` is relative to the study's folder in the runs ("" for the study itself); ``parameters`` are the
    notebook's flat parameters; ``needs`` are the names of the jobs whose results it reads; ``outputs`` are the
    files and folders that it promises, relative to ``folder``, or a pattern of files of which there may be none.
    ``trained`` is how the run was trained that it reads, which its notebook learns from the run's folder.
    """

    kind: str
    notebook: str
    folder: str
    parameters: Mapping[str, Any]
    outputs: tuple[str, ...]
    needs: tuple[str, ...] = ()
    trained: Mapping[str, Any] = field(default_factory=dict)
    # Asked for when a plan is printed: it imports NumPy, which listing the jobs of a study does without.
    estimate: Callable[[], costs.Cost] = field(default=costs.Cost, compare=False)

    @functools.cached_property
    def cost(self) -> costs.Cost:
        """What the job costs before it runs, an estimate."""
        return self.estimate()

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides its results beside code and inputs: its own parameters, and how its run was trained."""
        return {**self.trained, **self.parameters}

    @property
    def name(self) -> str:
        """The job's name, which is its place as well: ``<data>/<network>/<strategy>/<trained_on>/<notebook>``."""
        return f"{self.folder}/{self.notebook}" if self.folder else self.notebook

    @property
    def stamp(self) -> str:
        """The file, relative to the study's folder, that says that the job is done."""
        return f"{self.name}.stamp.json"


def of(study: Study) -> tuple[Job, ...]:
    """Return the jobs of ``study``, each after the jobs that it needs.

    Raises ``ValueError`` if one would write where another does.
    """
    jobs: list[Job] = []
    for data in study.data:
        models = [model for model in study.networks if not model.on or data.name in model.on]
        if models:
            jobs.append(_masking(study, data, models))
        for model in models:
            for trained_on in model.trained_on:
                jobs.extend(_training(study, data, model, trained_on))
    every = (*jobs, _figures(study, jobs), *(_analysis(study, entry, jobs) for entry in study.analyses))
    folder_names.check_jobs(every)
    return every


def find(jobs: tuple[Job, ...], name: str) -> Job:
    """Return the job called ``name``; an unknown name raises ``ValueError`` with the nearest one."""
    for job in jobs:
        if job.name == name:
            return job
    names = [job.name for job in jobs]
    raise ValueError(f"This study has no job {name!r}.{nearest(name, names)} Its jobs: {names}.")


def _masking(study: Study, data: Data, models: list[Model]) -> Job:
    sizes = sorted({model.size for model in models})
    return Job(
        kind="masking",
        notebook="01-masking",
        folder=data.name,
        parameters={
            "study": study.name,
            "data": data.name,
            "source": data.source,
            "options": dict(data.options),
            "masks": data.masks,
            "sizes": sizes,
            "test_share": data.test_share,
            "study_seed": study.seed,
        },
        outputs=(
            "masks.parquet",
            "data.json",
            *(f"{part}-{size}.npy" for size in sizes for part in ("images", "masks")),
            # The same objects before other backgrounds, which a data set of one's own may have too.
            *([f"shifted-{size}.npy" for size in sizes] if data.source == "confounded" else []),
            *(["shifted-*.npy"] if own(data.source) else []),
        ),
        estimate=partial(costs.masking, data, sizes),
    )


def _training(study: Study, data: Data, model: Model, trained_on: str) -> Iterator[Job]:
    """Yield stage 1 where there is one, and its scores; then each strategy and its scores.

    All strategies start where stage 1 ended, so their epoch 0 is scored there, once.
    """
    masking = f"{data.name}/01-masking"
    make = partial(_fine_tuning, study, data, model, trained_on)
    epochs = (model.scoring or study.scoring).epochs
    stage1 = start = None
    if model.head is not None:
        stage1 = make("head", (masking,))
        yield stage1
        asked = set(epochs if "head" in model.strategies else ())
        if 0 in epochs and set(model.strategies) != {"head"}:
            asked.add(model.head.epochs)
        if asked:
            start = _scoring(study, data, model, stage1, tuple(sorted(asked)))
            yield start
    for strategy in model.strategies:
        if strategy == "head":
            continue
        tuning = make(strategy, (masking, stage1.name) if stage1 else (masking,))
        yield tuning
        yield _scoring(study, data, model, tuning, epochs, start if 0 in epochs else None)


def _fine_tuning(study: Study, data: Data, model: Model, trained_on: str, strategy: str, needs: tuple[str, ...]) -> Job:
    second = strategy != "head" and model.head is not None
    stage, seeds = model.stage(strategy), model.seeds_for(strategy, study.seeds)
    return Job(
        kind="head" if strategy == "head" else "fine-tuning",
        notebook="02-fine-tuning",
        folder=f"{data.name}/{model.name}/{strategy}/{trained_on}",
        parameters={
            "study": study.name,
            "data": data.name,
            "network": model.name,
            "architecture": model.architecture,
            "strategy": strategy,
            "trained_on": trained_on,
            "seeds": list(seeds),
            "size": model.size,
            "alpha": model.alpha,
            "units": model.units,
            "weights": model.weights,
            # Stage 2 starts where stage 1 ended; 0 where there is no stage 1, or this is it.
            "head_epochs": model.head.epochs if second and model.head else 0,
            "epochs": stage.epochs,
            "optimizer": stage.optimizer,
            "rate": stage.rate,
            "batch": stage.batch,
            "augmentation": model.augmentation,
            "study_seed": study.seed,
        },
        needs=needs,
        outputs=("run.json", "history.parquet", *(f"seed-{seed}/training" for seed in seeds)),
        estimate=partial(costs.training, data, model, stage, strategy, len(seeds)),
    )


def _scoring(
    study: Study, data: Data, model: Model, tuning: Job, epochs: tuple[int, ...], start: Job | None = None
) -> Job:
    """Return the job that scores the checkpoints of ``tuning``; epoch 0 is taken from ``start`` where that is given."""
    scoring, seeds = model.scoring or study.scoring, tuning.parameters["seeds"]
    computed = [epoch for epoch in epochs if epoch or start is None]
    return Job(
        kind="scoring",
        notebook="03-scoring",
        folder=tuning.folder,
        parameters={
            **{name: tuning.parameters[name] for name in (*_PLACE, "seeds")},
            "scored_epochs": list(epochs),
            "start_is_scored": start is not None,
            "images": scoring.images,
            "splits": list(scoring.splits),
            "explainers": [dict(explainer) for explainer in scoring.explainers],
            "backgrounds": list(scoring.backgrounds),
            "curve_seeds": list(scoring.curve_seeds),
            "ends": [dict(explainer) for explainer in scoring.ends],
            "donors": dataclasses.asdict(scoring.donors) if scoring.donors else {},
        },
        trained=_trained(tuning),
        # A stage 2 checkpoint holds the layers that were trained: the rest comes from stage 1.
        needs=(*tuning.needs, tuning.name, *((start.name,) if start else ())),
        outputs=(
            *("scores.parquet", "shift.parquet", "answers.parquet"),
            *(("end_scores.parquet",) if scoring.ends else ()),
            *(f"seed-{seed}/scoring" for seed in seeds),
        ),
        estimate=partial(costs.scoring, data, model, scoring, tuning.parameters["strategy"], len(computed), len(seeds)),
    )


def _trained(tuning: Job) -> dict[str, Any]:
    """Return how a run was trained: what its folder says to the notebooks that read it."""
    return {name: value for name, value in tuning.parameters.items() if name not in (*_PLACE, "seeds")}


def _figures(study: Study, jobs: list[Job]) -> Job:
    return Job(
        kind="figures",
        notebook=FIGURES,
        folder="",
        parameters={
            "study": study.name,
            # The scores of stage 1 are in the tables of the strategies, as their epoch 0, unless they are asked for.
            "runs": [job.folder for job in jobs if job.kind == "scoring" and _is_asked(study, job.parameters)],
            # A network guesses at epoch 0 of its first stage, and must not decide there which images all get right.
            "untrained_epochs": {
                model.name: [0] for model in study.networks if model.head is None or "head" in model.strategies
            },
        },
        needs=tuple(job.name for job in jobs),
        outputs=("summary",),
    )


def _analysis(study: Study, entry: Analysis, jobs: list[Job]) -> Job:
    """Return the job of an analysis; it reads the images and the checkpoints of its run, and none of its scores."""
    data = next(data for data in study.data if data.name == entry.data)
    model = next(model for model in study.networks if model.name == entry.network)
    tuning = find(tuple(jobs), f"{'/'.join(entry.run)}/02-fine-tuning")
    raw = {"source": data.source, "options": dict(data.options)} if entry.options.opens_data else {}
    seeds = list(entry.seeds or tuning.parameters["seeds"])
    return Job(
        kind="analysis",
        notebook=entry.options.notebook,
        folder=tuning.folder,
        parameters={
            **{name: tuning.parameters[name] for name in _PLACE},
            "seeds": seeds,
            "epoch": entry.epoch,
            "images": entry.images,
            "splits": list(entry.splits),
            "explainers": [dict(explainer) for explainer in entry.explainers],
            **raw,
            **entry.options.parameters(),
        },
        needs=(*tuning.needs, tuning.name),
        trained=_trained(tuning),
        outputs=(entry.kind,),
        estimate=partial(_analysis_cost, data, model, entry, len(seeds)),
    )


def _analysis_cost(data: Data, model: Model, entry: Analysis, seeds: int) -> costs.Cost:
    if entry.kind in _COSTS:
        return _COSTS[entry.kind](data, model, entry, seeds)
    apart = sum(costs.mask_seconds(data, masker) for masker in _at_hand(getattr(entry.options, "maskers", ())))
    what = Scoring(entry.explainers, (entry.epoch,), entry.images, entry.splits)
    return costs.analysis(data, model, what, entry.options.networks, apart, seeds)


def _at_hand(maskers: tuple[str, ...]) -> list[str]:
    """Return the maskers whose files are there: an analysis leaves the others out and says so."""
    if "mask_rcnn" not in maskers:
        return list(maskers)
    from rrr_utils.masks.mask_rcnn import FILE  # here, because it imports NumPy, which reads the number of threads

    base = paths.data_dir() or paths.root() / "data" / "downloads"
    return [masker for masker in maskers if masker != "mask_rcnn" or (base / "masks" / FILE).is_file()]


def _is_asked(study: Study, parameters: Mapping[str, Any]) -> bool:
    """Return whether the study names the strategy of a scoring job."""
    network = next(model for model in study.networks if model.name == parameters["network"])
    return parameters["strategy"] in network.strategies
