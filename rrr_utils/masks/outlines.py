"""Masks from a data set's own outlines, drawn by hand or known exactly."""

from typing import TYPE_CHECKING

import numpy as np

from rrr_utils.masks.masker import Found, Masker

if TYPE_CHECKING:
    from rrr_utils.datasets import Record


class Outlines(Masker):
    """The outline that the data set pairs with each image by name.

    ``objects`` is 1: these outlines do not say how many objects they enclose. An outline that encloses
    nothing gives a zero mask, ``objects`` 0 and a note. A record without an outline raises the data set's
    ``NoOutline``, because a missing annotation is another finding than an image without an object.
    """

    source = "outlines"

    def _find(self, record: "Record", image: np.ndarray) -> Found:
        outline = np.asarray(self.dataset.outline(record))
        return Found(outline, 1, "" if (outline >= 0.5).any() else "the outline encloses nothing")
