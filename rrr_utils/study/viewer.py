"""A part of a page to look at maps with: choose image, explainer and training, and slide through the epochs."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from rrr_utils import explainers, metric
from rrr_utils.common import files, paths, progress
from rrr_utils.common.logits import softmax
from rrr_utils.figures.grids import COLOURS, explanation_grid
from rrr_utils.figures.style import STYLE
from rrr_utils.masks import prepared
from rrr_utils.own_model import report
from rrr_utils.study import jobs, study_file

LARGEST = 2_000_000  # bytes of the part
LEVELS = 32  # of relevance; more are not told apart, and compress worse
_PICTURE = 256  # pixels of a photograph at most
# Pixels of a map at most: cells of Grad-CAM and Occlusion are larger than these, superpixels of LIME finer.
_SIDES = {"grad_cam": 28, "grad_cam_plus_plus": 28, "occlusion": 28}
_SIDE = 64


@dataclass(frozen=True)
class Shown:
    """What a viewer shows.

    ``images`` uint8 ``(N, S, S, 3)``, ``masks`` uint8 0 or 1 ``(N, S, S)``, ``labels`` int ``(N,)`` into ``classes``,
    ``ids`` N names; ``trainings`` are T pairs (strategy, trained on), ``explainers`` E names, ``epochs`` P numbers;
    ``maps`` float32 ``(T, E, P, N, S, S)`` in [0, 1] of the labels' classes, and ``logits`` ``(T, P, N, classes)``;
    ``licence`` names the source of the images.
    """

    images: NDArray
    masks: NDArray
    labels: NDArray
    ids: Sequence[str]
    classes: Sequence[str]
    trainings: Sequence[tuple[str, str]]
    explainers: Sequence[str]
    epochs: Sequence[int]
    maps: NDArray[np.float32]
    logits: NDArray
    licence: str


def gather(plan: study_file.Study, n: int = 6, data: str | None = None, network: str | None = None) -> Shown:
    """Return the maps of ``n`` test images at every epoch of a study's trainings of one ``network`` on one data set.

    The first of each in the study if none is named; its first seed. Epochs are those of which all trainings still have
    the weights. Reads the runs and writes nothing; takes a minute or two for each training of a narrow MobileNet.

    Raises
    ------
    FileNotFoundError
        If the weights of a training are not there.
    ValueError
        If the study has no such training, or if the licence of the data set does not let its pictures be shown.
    """
    # Imported here because Keras takes seconds to import, and drawing does not need it.
    from rrr_utils.scoring import scores as scoring
    from rrr_utils.training.runs import Run

    every = jobs.of(plan)
    asked = next(job for job in every if job.notebook == jobs.FIGURES).parameters["runs"]
    scored = [job.parameters for job in every if job.kind == "scoring" and job.folder in asked]
    data = data or str(scored[0]["data"])
    network = network or str(next((each["network"] for each in scored if each["data"] == data), ""))
    chosen = [each for each in scored if each["data"] == data and each["network"] == network]
    if not chosen:
        known = sorted({(each["data"], each["network"]) for each in scored})
        raise ValueError(
            f"Study {plan.name} must train the network on the data, but ({data}, {network}) is not in {known}."
        )
    runs = [Run.open(plan.name, data, network, each["strategy"], each["trained_on"]) for each in chosen]
    ready, seed = runs[0].images(), chosen[0]["seeds"][0]
    if not ready.pictures:
        raise ValueError(f"Pictures of {data} must not be shown ({ready.licence}). Name a data set that may.")
    epochs = _epochs([run.checkpoints(seed) for run in runs])
    places = ready.cohort("test", n, plan.seed)
    images, labels = ready.images[places], ready.labels[places]
    ids = [ready.ids[place] for place in places]
    tools = scoring.explainers(chosen[0]["explainers"], plan.seed)
    maps, logits = [], []
    for run in progress.track(runs, "maps of each training"):
        parts = [
            (stack(images), np.stack(explainers.explain(tools, stack, images, labels, ids)))
            for _, stack in run.stacks([seed], epochs)
        ]
        logits.append(np.concatenate([part for part, _ in parts]))
        maps.append(np.concatenate([part for _, part in parts], axis=1))
    return Shown(
        images=images,
        masks=ready.masks[places],
        labels=labels,
        ids=ids,
        classes=ready.classes,
        trainings=[(run.strategy, run.trained_on) for run in runs],
        explainers=[each.name for each in tools],
        epochs=epochs,
        maps=np.stack(maps),
        logits=np.stack(logits),
        licence=prepared.about(paths.runs() / plan.name / data)["licence"],
    )


def html(shown: Shown, name: str = "viewer") -> str:
    """Return the viewer as a part of a page, which needs no network and no other file; ``name`` is its id.

    Without JavaScript it is a picture of the last epoch. It can be used by keyboard, on a phone, in light and dark, and
    every change is said in words. Raises ``ValueError`` if it is larger than :data:`LARGEST`.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rrr_utils"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    scores = _scores(shown)
    content = _content(shown, scores)
    page = environment.get_template("viewer.html").render(
        name=name,
        # "</" would end the script, and "<!--" begin a comment in it, whatever the data hold.
        content=json.dumps(content, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c"),
        licence=shown.licence,
        menus=[
            ("image", "Image", [f"{each['label']} {number + 1}" for number, each in enumerate(content["images"])]),
            ("explainer", "Explainer", [each["label"] for each in content["explainers"]]),
            ("strategy", "Trained layers", [each["label"] for each in content["strategies"]]),
            ("trained_on", "Trained on", [each["label"] for each in content["trained_on"]]),
        ],
        last=len(shown.epochs) - 1,
        still=_still(shown, scores),
        still_text=_still_text(shown, scores),
    )
    if len(page.encode()) > LARGEST:
        raise ValueError(
            f"The viewer must be below {LARGEST:,} bytes, but has {len(page.encode()):,}. Show fewer images."
        )
    return page


def _epochs(folders: Sequence[Path]) -> list[int]:
    there = [{int(file.stem.removeprefix("epoch-")) for file in folder.glob("epoch-*.npz")} for folder in folders]
    for folder, found in zip(folders, there, strict=True):
        if not found:
            raise FileNotFoundError(f"There are no weights in {folder}. Run `make study` for this study first.")
    return sorted(set.intersection(*there))


def _scores(shown: Shown) -> NDArray[np.float64]:
    """Return the score of each map, ``(T, E, P, N)``, from the maps at full size."""
    flat = shown.maps.reshape(-1, *shown.maps.shape[3:])
    return np.stack([metric.score(shown.masks, maps) for maps in flat]).reshape(shown.maps.shape[:4])


def _content(shown: Shown, scores: NDArray[np.float64]) -> dict[str, Any]:
    share = metric.chance(shown.masks)
    odds = softmax(shown.logits.astype(np.float64))
    strategies, kinds = (list(dict.fromkeys(pair[place] for pair in shown.trainings)) for place in (0, 1))
    colours = (colormaps[COLOURS](np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(int)
    return {
        "side": shown.masks.shape[-1],
        "epochs": list(shown.epochs),
        "classes": list(shown.classes),
        "strategies": [_named("strategy", each) for each in strategies],
        "trained_on": [_named("trained_on", each) for each in kinds],
        "explainers": [_named("explainer", each) for each in shown.explainers],
        # Which training is which strategy on which kind of images; -1 where a study has none.
        "trainings": [
            [shown.trainings.index((one, kind)) if (one, kind) in shown.trainings else -1 for kind in kinds]
            for one in strategies
        ],
        "colours": colours.tolist(),
        "images": [
            {
                "label": shown.classes[shown.labels[place]],
                "chance": round(float(share[place]), 4),
                "picture": _picture(shown.images[place]),
                "outline": report.outline_path(shown.masks[place]),
                "scores": [[[_rounded(value) for value in row] for row in part] for part in scores[..., place]],
                "said": odds[:, :, place].argmax(axis=-1).tolist(),
                "odds": odds[:, :, place].max(axis=-1).round(3).tolist(),
                "maps": [
                    [
                        _strip(shown.maps[training, number, :, place], name)
                        for number, name in enumerate(shown.explainers)
                    ]
                    for training in range(len(shown.trainings))
                ],
            }
            for place in range(len(shown.ids))
        ],
    }


def _named(column: str, value: str) -> dict[str, str]:
    return {"key": value, "label": STYLE[column][value].label if value in STYLE[column] else value}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _picture(image: NDArray) -> str:
    if len(image) <= report.SMALL:
        return report.address_of(image)
    side = min(_PICTURE, len(image))
    return report.address_of(np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)))


def _strip(maps: NDArray[np.float32], name: str) -> str:
    """Return the maps of all epochs ``(P, S, S)``, one below the other, as a lossless grey picture's address."""
    side = min(_SIDES.get(name, _SIDE), maps.shape[-1])
    small = [np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BOX)) for each in maps]
    levels = np.rint(np.clip(np.concatenate(small), 0, 1) * (LEVELS - 1)) * (256 // LEVELS)
    stream = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(stream, "webp", lossless=True, quality=100, method=6)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _still(shown: Shown, scores: NDArray[np.float64]) -> str:
    """Return a picture of the first images, with their maps after the last epoch of the first training."""
    number = slice(0, 3)
    last = {name: shown.maps[0, place, -1, number] for place, name in enumerate(shown.explainers)}
    figure = explanation_grid(
        shown.images[number],
        shown.masks[number],
        last,
        [shown.classes[label] for label in shown.labels[number]],
        scores={name: scores[0, place, -1, number] for place, name in enumerate(shown.explainers)},
    )
    stream = io.BytesIO()
    figure.savefig(stream, format="jpeg", pil_kwargs={"quality": 80})
    plt.close(figure)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _still_text(shown: Shown, scores: NDArray[np.float64]) -> str:
    share = metric.chance(shown.masks)
    told = [
        f"{shown.classes[shown.labels[place]]}: "
        + ", ".join(
            f"{_named('explainer', name)['label']} {report.percent(scores[0, number, -1, place])}"
            for number, name in enumerate(shown.explainers)
        )
        + f" of the relevance on the object, chance {share[place]:.0%}"
        for place in range(min(3, len(shown.ids)))
    ]
    return f"Maps of the first images after epoch {shown.epochs[-1]}. " + ". ".join(told) + "."


def write(path: Path, out: Path, data: str | None = None, network: str | None = None, images: int = 6) -> None:
    """Write the viewer of the run of the study in the file ``path`` to ``out``.

    By default it shows the study's first data set and the first network that is trained on it, on six test images.
    Raises as :func:`gather` and :func:`rrr_utils.study.load` do.
    """
    shown = gather(study_file.load(path), images, data, network)
    files.write_text(out, html(shown, out.stem))
