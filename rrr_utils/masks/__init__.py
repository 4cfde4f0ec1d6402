"""Where the object is: one mask an image, from hand-made outlines, DeepLab or Mask R-CNN."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rrr_utils.common.choices import one_of
from rrr_utils.masks.masker import Found, Masker

if TYPE_CHECKING:
    from rrr_utils.datasets import Dataset

MASKERS = ("outlines", "deeplab", "mask_rcnn")
OPTIONS = {"outlines": (), "deeplab": ("model",), "mask_rcnn": ("model", "threshold")}

__all__ = ["MASKERS", "OPTIONS", "Found", "Masker", "open_masker"]


def open_masker(source: str, dataset: "Dataset", data_dir: Path | str | None = None, **options: Any) -> Masker:
    """Return the masker ``source``, one of ``MASKERS``, ready for the records of ``dataset``.

    A network's file is looked for in ``data_dir / "masks"``, or where the option ``model`` says. Everything
    that can be known beforehand is checked here, so that no run stops half-way: an unknown source or option,
    a class of the data set that the network does not know, and a threshold out of range raise ``ValueError``;
    a missing file raises ``FileNotFoundError``; a file that is not the expected network raises
    ``model_files.BadModel``. Each message names the remedy.
    """
    one_of("masks", source, MASKERS)
    for name in options:
        one_of(f"option of {source}", name, OPTIONS[source])
    # An engine is imported by the one masker that needs it: outlines need none.
    if source == "outlines":
        from rrr_utils.masks.outlines import Outlines

        return Outlines(dataset)
    if source == "deeplab":
        from rrr_utils.masks.deeplab import DeepLab

        return DeepLab(dataset, data_dir, **options)
    from rrr_utils.masks.mask_rcnn import MaskRCNN

    return MaskRCNN(dataset, data_dir, **options)
