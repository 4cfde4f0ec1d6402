"""The training batches with what remedies need beside images and labels."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.analyses.remedies.cgc import draw_crops
from rrr_utils.common.choices import one_of
from rrr_utils.training.batches import Batches

NEEDS = ("mask", "place", "other", "crops")


class GuidedBatches(keras.utils.PyDataset):
    """The batches of :class:`rrr_utils.training.batches.Batches`, in the same order, with a mapping for the label.

    The mapping holds ``label`` int64 ``(n,)`` and, of what ``needs`` names: ``mask`` float32 ``(n, H, W)``; ``place``
    int64 ``(n,)``, which training image it is; ``other`` uint8 ``(n, H, W, 3)``, the image as ``others`` gives it, for
    example with another background; ``crops``, see :func:`rrr_utils.analyses.remedies.cgc.draw_crops`. A batch follows
    from its number and the seeds alone. Masks of images that augmentation moves would no longer lie on their objects,
    and are refused with a ``ValueError``.
    """

    def __init__(self, batches: Batches, needs: Sequence[str] = (), others: Batches | None = None) -> None:
        super().__init__()
        for need in needs:
            one_of("needs", need, NEEDS)
        if batches.augment == "authors" and {"mask", "place", "other"} & set(needs):
            raise ValueError(
                "Augmentation 'authors' moves objects away from under their masks, so a remedy that reads masks cannot "
                "be trained with it. Use augmentation 'none' or 'input-dropout'."
            )
        if ("other" in needs) != (others is not None):
            raise ValueError(f"`others` goes with the need 'other' and only with it, but `needs` is {list(needs)}.")
        self.batches, self.needs, self.others = batches, tuple(needs), others

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        pictures, labels = self.batches[index]
        places, epoch = self.batches.places(index), self.batches.first + index // self.batches.steps
        data = self.batches.data
        targets: dict[str, Any] = {"label": labels}
        if "mask" in self.needs:
            targets["mask"] = np.asarray(data.masks[places], np.float32)
        if "place" in self.needs:
            targets["place"] = np.asarray(places, np.int64)
        if self.others is not None:
            targets["other"] = self.others[index][0]
        if "crops" in self.needs:
            targets["crops"] = draw_crops([data.ids[place] for place in places], self.batches.seed, epoch)
        return pictures, targets
