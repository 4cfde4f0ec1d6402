"""What frozen blocks make of the training images: computed once, and then trained on instead of the images."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import memory_limits
from rrr_utils.engine import passes
from rrr_utils.networks.network import Network
from rrr_utils.training.batches import Batches

# Kept in memory up to here (bytes); beyond, in a file that the system holds in whatever memory is free.
_IN_MEMORY = 1024**3

Pictures = Callable[[int, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Plan:
    """Whether the frozen blocks are computed once: before which block the network is cut, bytes, and a sentence."""

    cut: str | None
    nbytes: int
    text: str


def plan(
    network: Network,
    layers: tuple[str, ...],
    trained_on: str,
    images: int,
    budget: int | None = None,
    augment: str = "none",
) -> Plan:
    """Decide whether a network of which only ``layers`` are trained can be trained on kept activations.

    The answer is no, with the reason in ``text``, where the first block is trained, where images change from epoch to
    epoch (``swapped``, ``both``, ``augment``), where frozen layers draw at random (Dropout, augmentation), where
    several tensors cross the cut, and where the activations take more than the budget.

    Parameters
    ----------
    images
        How many images are kept: those of training, and those evaluated after every epoch.
    budget
        Bytes, in memory or on disk; 0 keeps nothing. Default: ``RRR_FROZEN_GB``, see
        :mod:`rrr_utils.common.memory_limits`.
    """
    first = next(block for block, names in network.blocks.items() if set(names) & set(layers))
    if first == next(iter(network.blocks)):
        return Plan(None, 0, f"No block before {first} is frozen: the whole network runs at every step.")
    if augment != "none":
        return Plan(None, 0, f"Images are augmented anew every epoch ({augment}): the frozen blocks run at every step.")
    if trained_on in ("swapped", "both"):
        return Plan(None, 0, f"Images change every epoch ({trained_on}): the frozen blocks run at every step.")
    try:
        prefix = network.split(first)[0]
    except ValueError as error:
        return Plan(None, 0, f"The frozen blocks run at every step. {error}")
    if any(variable.name == "seed_generator_state" for variable in prefix.variables):
        return Plan(None, 0, f"Layers before {first} draw at random: the frozen blocks run at every step.")
    nbytes = images * int(np.prod(prefix.output_shape[1:])) * 4
    allowed = memory_limits.nbytes("RRR_FROZEN_GB") if budget is None else budget
    size = f"{nbytes / 1e9:.2g} GB for {images} images"
    if nbytes > allowed:
        return Plan(
            None,
            nbytes,
            f"The activations before {first} would take {size}, more than the {allowed / 1e9:.2g} GB that are allowed: "
            f"the frozen blocks run at every step. Set RRR_FROZEN_GB higher if there is room.",
        )
    return Plan(first, nbytes, f"The frozen blocks before {first} run once an image; what they give takes {size}.")


class Activations:
    """What the blocks before ``cut`` give for images: computed once, ``suffix`` goes on from there.

    In memory up to a gigabyte in all, then in unnamed files in ``folder``, which are gone with this object. Computed by
    the backend that trains, 32 images at a time, so that a loss agrees with that of the whole network to rounding.
    """

    def __init__(self, network: Network, chosen: Plan, folder: Path) -> None:
        assert chosen.cut is not None
        self.prefix, self.suffix = network.split(chosen.cut)
        self.folder, self._in_file = folder, chosen.nbytes > _IN_MEMORY
        self._pass = passes.forward(self.prefix)

    def of(self, number: int, pictures: Pictures) -> NDArray[np.float32]:
        """Return float32 (number, ...) for the uint8 images ``pictures(start, stop)``, asked for piece by piece."""
        shape = (number, *self.prefix.output_shape[1:])
        kept: Any
        if self._in_file:
            kept = np.memmap(tempfile.TemporaryFile(dir=self.folder), np.float32, "w+", shape=shape)  # noqa: SIM115
        else:
            kept = np.empty(shape, np.float32)
        for start in range(0, number, 32):
            stop = min(start + 32, number)
            kept[start:stop] = self._pass(pictures(start, stop))
        return kept


class KeptBatches(keras.utils.PyDataset):
    """The batches of :class:`rrr_utils.training.batches.Batches` in the same order, with activations instead of
    images.
    """

    def __init__(self, batches: Batches, kept: NDArray[np.float32]) -> None:
        super().__init__()
        self.batches, self.kept = batches, kept

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        places = self.batches.places(index)
        return self.kept[places], np.asarray(self.batches.data.labels[places], np.int64)
