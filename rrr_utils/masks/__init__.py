"""Where the object is: one mask an image, from hand-made outlines, DeepLab or Mask R-CNN."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rrr_utils.common.choices import one_of
from rrr_utils.common.names import MASKERS
from rrr_utils.common.registry import member
from rrr_utils.masks.masker import Found, Masker

if TYPE_CHECKING:
    from rrr_utils.datasets import Dataset

__all__ = ["Found", "Masker", "open_masker"]


def open_masker(source: str, dataset: "Dataset", data_dir: Path | str | None = None, **options: Any) -> Masker:
    """Return the masker ``source``, ready for the records of ``dataset``.

    ``source`` is one of ``rrr_utils.common.names.MASKERS``, or ``package.module:Name``, a :class:`Masker` of one's
    own. Its options are what its constructor takes behind the data set and the folder of data.
    A network's file is looked for in ``data_dir / "masks"``, or where the option ``model`` says. Everything
    that can be known beforehand is checked here, so that no run stops half-way: an unknown source or option,
    a class of the data set that the network does not know, and a threshold out of range raise ``ValueError``;
    a missing file raises ``FileNotFoundError``; a file that is not the expected network raises
    ``model_files.BadModel``. Each message names the remedy.
    """
    # An engine is imported by the one masker that needs it: outlines need none.
    kind = member("masks", source, MASKERS, Masker)
    known = list(inspect.signature(kind).parameters)[2:]
    for name in options:
        one_of(f"option of {source}", name, known)
    return kind(dataset, data_dir, **options)
