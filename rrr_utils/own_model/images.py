"""Images and masks of one's own as a data set: their folders are looked through before anything is computed."""

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from rrr_utils import datasets
from rrr_utils.common.choices import nearest, one_of
from rrr_utils.datasets import folder, images

NETWORKS = ("deeplab", "mask_rcnn")


def open_dataset(
    pictures: Path | str,
    masks: Path | str,
    classes: Sequence[str] | None = None,
    objects: Mapping[str, str] | None = None,
    most: int | None = None,
    seed: int = 0,
) -> datasets.Dataset:
    """Return the data set of :func:`rrr_utils.own_model.examine`, labelled by the order of the model's
    outputs.

    Only names and headers of files are read: damaged images and masks are found later, one by one.

    Raises
    ------
    FileNotFoundError
        If a folder is not there.
    ValueError
        If there are no images in subfolders; if no image of a class has a mask, with the place where one is looked
        for; if masks have another size than their images, with how many; for a class or object that is unknown.
    """
    root = _folder("images", pictures, "a folder with a subfolder of images for each class (images/cat/tom.jpg)")
    options: dict[str, Any] = {"images": str(root), "pictures": True}
    if not (isinstance(masks, str) and masks in NETWORKS):
        expected = "a folder of masks under their images' names (masks/cat/tom.png), or 'deeplab' or 'mask_rcnn'"
        options["masks"] = str(_folder("masks", masks, expected, NETWORKS))
    dataset = folder.open_dataset(None, options)
    if not dataset.records:
        raise ValueError(
            f"{root} holds no images in subfolders. Expected a subfolder for each class, and in it files that end in "
            f"{', '.join(images.SUFFIXES)}; there are {_listed(root)}."
        )
    if "masks" in options:
        _check_masks(dataset, Path(options["masks"]))
    if isinstance(classes, str) or not (classes is None or isinstance(classes, Sequence)):
        raise ValueError(f"`classes` must be a list in the order of the model's outputs, but {classes!r} was passed.")
    outputs = tuple(map(_composed, classes)) if classes is not None else dataset.classes
    twice = [name for name, count in Counter(outputs).items() if count > 1]
    if twice:
        raise ValueError(f"`classes` names {twice[0]!r} more than once; expected the model's outputs, each once.")
    for name in dataset.classes:
        if name not in outputs:
            raise ValueError(
                f"The folder {name!r} of {root} is none of `classes`, {list(outputs)[:12]}. Name the outputs as the "
                f"folders are named, or the folders as the outputs.{nearest(name, outputs)}"
            )
    objects = {_composed(name): plain for name, plain in (objects or {}).items()}
    for name in objects:
        one_of("objects", name, outputs)
    records = tuple(
        dataclasses.replace(record, label=outputs.index(dataset.classes[record.label])) for record in dataset.records
    )
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise ValueError(f"`most` must be a whole number of images, at least 1, or None, but {most!r} was passed.")
    if most is not None and most < len(records):
        records = datasets.dataset.draw(records, most, seed, "folder")
    # A masker has to know the objects of classes that have images, and of no others.
    shown = {record.label for record in records}
    one = objects.get(outputs[records[0].label], outputs[records[0].label])
    plain = tuple(objects.get(name, name) if label in shown else one for label, name in enumerate(outputs))
    return dataclasses.replace(dataset, classes=outputs, records=records, objects=plain)


def _composed(name: Any) -> Any:
    """Return a name as the data set writes those of its folders; what is no name, as it is."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


def _folder(option: str, path: Path | str, expected: str, others: Sequence[str] = ()) -> Path:
    if not isinstance(path, str | Path):
        raise ValueError(f"`{option}` must be the path of a folder, but {path!r} was passed. Expected {expected}.")
    whole = Path(path).expanduser().resolve()
    if not whole.is_dir():
        raise FileNotFoundError(
            f"`{option}` names {whole}, which is not a folder. Expected {expected}.{nearest(path, others)}"
        )
    return whole


def _check_masks(dataset: datasets.Dataset, masks: Path) -> None:
    """Raise ``ValueError`` for a class without any mask, and for masks of another size than their images."""
    for label, name in enumerate(dataset.classes):
        records = [record for record in dataset.records if record.label == label]
        if not any(record.outline for record in records):
            raise ValueError(
                f"None of the {len(records)} images of {name!r} has a mask. That of {records[0].path} is looked for at "
                f"{masks / records[0].id}.png (or another of {', '.join(images.SUFFIXES)}), to the letter; below "
                f"{masks} there are {_listed(masks)}. Name the masks as their images."
            )
    other = list(_of_another_size(dataset))
    if other:
        record, mask, image = other[0]
        raise ValueError(
            f"{len(other)} of {sum(record.outline is not None for record in dataset.records)} masks have another size "
            f"than their images. The first: {record.outline} has {mask[0]} x {mask[1]} pixels (height x width), "
            f"{record.path} has {image[0]} x {image[1]}. {_remedy(record, mask, image)}"
        )


def _of_another_size(dataset: datasets.Dataset) -> Iterator[tuple[datasets.Record, tuple[int, int], tuple[int, int]]]:
    for record in dataset.records:
        if record.outline is None:
            continue
        try:
            image, mask = (images.shape(path) for path in datasets.dataset.files_of(record))
        except images.BadImage:
            continue
        if mask != image:
            yield record, mask, image


def _remedy(record: datasets.Record, mask: tuple[int, int], image: tuple[int, int]) -> str:
    path, outline = datasets.dataset.files_of(record)
    with Image.open(path) as opened:
        orientation = opened.getexif().get(ExifTags.Base.Orientation)
    turned = isinstance(orientation, int) and orientation > 4
    if turned and mask == image[::-1]:
        return (
            "The image lies on its side, and its EXIF tells viewers to turn it; neither Keras nor this study does. "
            "Write the images turned, as the masks are: PIL.ImageOps.exif_transpose(Image.open(path)).save(path)."
        )
    return (
        "If a mask shows the whole image at another scale, bring it to the image's size without smoothing: "
        f"Image.open({outline.name!r}).resize(({image[1]}, {image[0]}), Image.Resampling.NEAREST). Otherwise draw it "
        "on the image as it is stored."
    )


def _listed(root: Path) -> str:
    """Return in words which files lie below a folder: how many of each suffix, and the first of them."""
    found = sorted(path for path in root.rglob("*") if path.is_file())
    if not found:
        return "no files"
    kinds = Counter(path.suffix or "no suffix" for path in found)
    counts = ", ".join(f"{count} {suffix}" for suffix, count in kinds.most_common(3))
    return f"{len(found)} files ({counts}), such as {found[0].relative_to(root)}"
