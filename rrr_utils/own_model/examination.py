"""A model of one's own on images of one's own: everything is checked, then scored."""

import contextlib
import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from rrr_utils.common import files, paths, progress, registry
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import COMPOSED, EXPLAINERS
from rrr_utils.datasets import Dataset
from rrr_utils.explainers import Explainer, grad_cam
from rrr_utils.explainers.base import as_forward
from rrr_utils.masks import Masker, open_masker, prepared
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks import adoption, self_check
from rrr_utils.networks.network import Network
from rrr_utils.networks.preprocessing import KERAS, MODES
from rrr_utils.own_model import caveats, saved_models
from rrr_utils.own_model import images as own_images
from rrr_utils.own_model.triage import BATCH, Triage
from rrr_utils.scoring import scores as scoring
from rrr_utils.scoring import shift
from rrr_utils.tables import parquet

STUDY = "own"
CHECKED = 8  # images on which the model itself is asked what was made of it


@contextlib.contextmanager
def _random_untouched() -> Iterator[None]:
    """Put the state of Python's ``random`` back: Keras draws seeds from it for what it builds."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@_random_untouched()
def examine(
    model: keras.Model | Path | str,
    images: Path | str,
    masks: Path | str,
    *,
    preprocess: str | None = None,
    explainers: Sequence[str | Mapping[str, Any] | Explainer] = ("grad_cam", "occlusion"),
    backgrounds: Sequence[str] = COMPOSED,
    classes: Sequence[str] | None = None,
    objects: Mapping[str, str] | None = None,
    layer: str | None = None,
    size: int | None = None,
    outputs: str | None = None,
    most: int | None = None,
    seed: int = 0,
    out: Path | str = "triage",
    mask_options: Mapping[str, Any] | None = None,
) -> Triage:
    """Score a model of one's own on images of one's own, and return what was found.

    The images should be ones that the model was not trained on. Tables are written to ``out``; :meth:`Triage.report`
    writes the report beside them.

    Parameters
    ----------
    model
        A Keras classifier, or the path of one that ``model.save`` wrote (see
        :func:`rrr_utils.own_model.saved_models.load`). Nested backbones and ``Sequential`` models are flattened (see
        :func:`rrr_utils.networks.adopt`).
    images
        A folder with a subfolder of images for each class: ``images/cat/tom.jpg``.
    masks
        A folder with the masks under the same names, white on black, at their images' own size:
        ``masks/cat/tom.png``. Or ``"deeplab"`` or ``"mask_rcnn"``, which find the object by its class's name.
    preprocess
        None if the model itself scales raw RGB from 0 to 255; else a module of ``keras.applications`` whose
        ``preprocess_input`` it was trained with (``"mobilenet"``), or a mode of these: ``"caffe"``, ``"tf"``,
        ``"torch"``; ``"unit"`` if RGB was divided by 255. For another scaling put a layer in front of the model.
    explainers
        Names, names with parameters (``{"name": "lime", "samples": 500}``), or explainers.
    backgrounds
        What is put behind the objects, see :func:`rrr_utils.scoring.shift.accuracy_by_background`.
    classes
        The names of the model's outputs in their order. By default the subfolders in the order of their names, as
        ``keras.utils.image_dataset_from_directory`` has it. There may be classes without images.
    objects
        For ``deeplab`` and ``mask_rcnn``: the object's plain name where a class is called otherwise,
        ``{"Abyssinian": "cat"}``.
    layer
        What Grad-CAM reads; by default the last map of more than one cell at or behind a convolution.
    size
        Side of the input in pixels, where the model leaves it open.
    outputs
        ``"logits"`` or ``"probabilities"``, where what the model gives is not to be told by numbers.
    most
        At most so many images, drawn by ``seed``, balanced by class.
    mask_options
        Options of the masker: ``model``, the path of its file, and ``threshold`` for ``mask_rcnn``.

    Raises
    ------
    ValueError
        Before anything is computed: if the model cannot be used, with the remedy; if its outputs are not as many as
        the classes; for an unknown name or option.
    FileNotFoundError
        If the model or a folder is not there.
    RuntimeError
        If another process is examining into the same folder.
    """
    for background in backgrounds:
        one_of("background", background, COMPOSED)
    if not isinstance(model, keras.Model | str | Path):
        raise ValueError(
            f"`model` must be a Keras model or the path of one, but a {type(model).__name__} was passed. Models of "
            "other frameworks are not read; Occlusion and LIME explain any function from images to logits."
        )
    named = not isinstance(model, keras.Model)
    loaded = saved_models.load(model) if named else model
    network = _adopt(loaded, preprocess, size, outputs)
    network = dataclasses.replace(network, name=Path(model).stem) if named else network
    if layer is not None:
        one_of("layer", layer, [each.name for each in network.model.layers])
        network = dataclasses.replace(network, grad_cam_layer=layer)
    asked = _explainers(explainers, network, seed)
    dataset = own_images.open_dataset(images, masks, classes, objects, most, seed)
    if len(dataset.classes) != network.classes:
        raise ValueError(
            f"{network.name} tells {network.classes} classes apart, but there are {len(dataset.classes)} classes: "
            f"{list(dataset.classes)[:12]}. Name the outputs in their order with `classes`; those without images too."
        )
    masker = _masker(str(masks) if masks in own_images.NETWORKS else "outlines", dataset, mask_options or {})
    path = Path(out).expanduser()
    name = Path(images).expanduser().resolve().name
    # Two at once would fill the same arrays.
    with files.exclusive_lock(path / ".lock", f"Examining into {path}"):
        table = prepared.prepare(STUDY, name, dataset, masker, [network.size], path / "data", test_share=1, seed=seed)
        data = dataclasses.replace(prepared.load(path / "data", network.size), name=name)
        _check_objects(data, backgrounds)
        self_check.hold(network, loaded, data.images[:CHECKED], "the images")
        scores = _scores(network, data, asked)
        changed = shift.accuracy_by_background(
            as_forward(network, BATCH), data, backgrounds, epoch=0, seed=seed
        ).assign(**_label(network, data))
        parquet.write(scores, path / "scores.parquet", "scores")
        parquet.write(changed, path / "shift.parquet", "shift")
        found = Triage(network, data, asked, table, scores, changed, path)
        scaled = preprocess is not None or bool(adoption.scaling_layers(network.model))
        doubtful = caveats.of(found, lambda other: _adopt(loaded, other, network.size, network.outputs), scaled)
    return dataclasses.replace(found, notes=(*dataset.notes, *doubtful))


def _adopt(model: keras.Model, preprocess: str | None, size: int | None, outputs: str | None) -> Network:
    """Return :func:`rrr_utils.networks.adopt`'s flat network; raises ``ValueError`` for an unknown ``preprocess``."""
    if callable(preprocess):
        raise ValueError(
            f"`preprocess` must be a name, such as 'mobilenet' for keras.applications.mobilenet.preprocess_input, but "
            f"{preprocess!r} was passed. For a function of your own put a layer that does the same in front of the "
            f"model: keras.Sequential([keras.Input((size, size, 3)), layer, model])."
        )
    one_of("preprocess", preprocess, [None, "unit", *MODES, *sorted(KERAS)])
    return adoption.adopt(model, preprocess, size, outputs)


def _masker(source: str, dataset: Dataset, options: Mapping[str, Any]) -> Masker:
    if source not in own_images.NETWORKS:
        return open_masker(source, dataset, None, **options)
    try:
        return open_masker(source, dataset, paths.data_dir(), **options)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} Here that is mask_options={{'model': 'PATH'}}.") from error
    except ValueError as error:
        raise ValueError(
            f"{error} Here the plain name of a class's object is said with objects={{'Abyssinian': 'cat'}}, and masks "
            "of your own are given as a folder."
        ) from error


def _explainers(asked: Sequence[Any], network: Network, seed: int) -> tuple[Explainer, ...]:
    if isinstance(asked, str) or not asked:
        raise ValueError(f"`explainers` must be a list such as ['grad_cam'], but {asked!r} was passed.")
    made = []
    for each in asked:
        if isinstance(each, Explainer):
            made.append(each)
            continue
        settings = {"name": each} if isinstance(each, str) else dict(each)
        registry.check("explainers", settings.get("name"), EXPLAINERS)
        if settings["name"] == "occlusion":  # the patch in proportion to the image, as in the study: 32 of 224
            small = {"patch": max(network.size // 7, 2), "stride": max(network.size // 14, 1)}
            settings = small | settings
        made += scoring.explainers([settings], seed)
    names = [each.name for each in made]
    if len(set(names)) < len(names):
        raise ValueError(f"`explainers` must differ, but {names} were passed. Examine the model twice.")
    for each in made:
        if each.reads_layer:
            grad_cam.check_reads(network, each.name)
    return tuple(made)


def _check_objects(data: Prepared, backgrounds: Sequence[str]) -> None:
    """Raise ``ValueError`` where no image shows anything but its object, or none could lend another its background."""
    if data.masks.all():
        raise ValueError(
            f"All {len(data.ids)} masks cover their whole image, so that nothing could lie beside the object. Expected "
            "white objects on black: are the masks all white, or of another kind?"
        )
    if "other" in backgrounds and len(data.ids) < 2:
        raise ValueError(
            "The background 'other' is that of another image, and there is one image with a mask. Give more images, or "
            "leave it out: backgrounds=['random', 'mean']."
        )


def _label(network: Network, data: Prepared) -> dict[str, Any]:
    run = {"study": STUDY, "data": data.name, "network": network.name}
    return {**run, "strategy": "", "trained_on": "", "seed": 0}


def _scores(network: Network, data: Prepared, asked: Sequence[Explainer]) -> pd.DataFrame:
    parts = []
    for start in progress.track(range(0, len(data.ids), BATCH), f"scores of {network.name}"):
        here = slice(start, start + BATCH)
        parts.append(
            scoring.score_images(network, data.images[here], data.masks[here], data.labels[here], data.ids[here], asked)
        )
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(**_label(network, data), epoch=0, split="test", mask_source=data.mask_source)
