"""What frozen blocks make of the training images: computed once, and then trained on instead of the images."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import files, memory_limits
from rrr_utils.engine import passes, weights
from rrr_utils.networks.network import Network
from rrr_utils.training import augmentation, checkpoints, shared_arrays
from rrr_utils.training.batches import Batches, TrainingData

# Kept in memory up to here (bytes); beyond, in a file that the system holds in whatever memory is free.
_IN_MEMORY = 1024**3
# What draws and changes images: with other code they are others.
_DRAWING = ("datasets/images.py", "training/augmentation.py", "training/batches.py")

Pictures = Callable[[int, int], NDArray[np.uint8]]
Splits = Mapping[str, tuple[NDArray, NDArray]]
# Batches for one `fit` after another, each with the epoch that it ends before.
Streams = Iterator[tuple[int, keras.utils.PyDataset]]


@dataclass(frozen=True)
class Plan:
    """Whether the frozen blocks are computed once: before which block the network is cut, bytes, and a sentence.

    ``anew``: once an epoch, for images that change.
    """

    cut: str | None
    nbytes: int
    text: str
    anew: bool = False


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
    epoch by the run seed (``swapped``, ``both``, ``input-dropout``), where frozen layers draw at random (Dropout,
    augmentation), where several tensors cross the cut, and where the activations take more than the budget. With
    augmentation by the study seed the frozen blocks run once an image and epoch.

    Parameters
    ----------
    images
        How many images are kept at a time: those of an epoch's training, and those evaluated after every epoch.
    budget
        Bytes, in memory or on disk; 0 keeps nothing. Default: ``RRR_FROZEN_GB``, see
        :mod:`rrr_utils.common.memory_limits`.
    """
    first = next(block for block, names in network.blocks.items() if set(names) & set(layers))
    if first == next(iter(network.blocks)):
        return Plan(None, 0, f"No block before {first} is frozen: the whole network runs at every step.")
    anew = augment in augmentation.BY_STUDY
    if augment != "none" and not anew:
        return Plan(None, 0, f"Images are augmented anew every epoch ({augment}): the frozen blocks run at every step.")
    if trained_on in ("swapped", "both") and not anew:
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
    often = "image and epoch" if anew else "image"
    text = f"The frozen blocks before {first} run once an {often}; what they give takes {size}."
    return Plan(first, nbytes, text, anew)


class Activations:
    """What the blocks before ``cut`` give for images: computed once, ``suffix`` goes on from there.

    In memory up to a gigabyte in all, then in unnamed files in ``folder``, which are gone with this object; what has a
    name lies in the folder ``shared``, if there is one and room in it. Computed by the backend that trains, 32 images
    at a time, so that a loss agrees with that of the whole network to rounding, and is the same to the bit wherever
    activations are kept.
    """

    def __init__(self, network: Network, chosen: Plan, folder: Path, shared: Path | None = None) -> None:
        assert chosen.cut is not None
        self.prefix, self.suffix = network.split(chosen.cut)
        # Images that are the same in every epoch are not shared.
        self.anew, self.shared = chosen.anew, shared if chosen.anew else None
        self.folder, self._in_file = folder, chosen.nbytes > _IN_MEMORY
        self._pass = passes.forward(self.prefix)
        if self.shared:
            # Weights, and what the layers do with them on this backend and machine: their answer to noise, to the bit.
            noise = np.random.default_rng(0).integers(0, 256, (1, *self.prefix.input_shape[1:])).astype(np.float32)
            answer = keras.ops.convert_to_numpy(self.prefix(noise, training=False))
            self._blocks = checkpoints.digest([*weights.take(self.prefix).values(), answer])

    def of(
        self, number: int, pictures: Pictures, group: Mapping[str, Any] | None = None, name: str = ""
    ) -> NDArray[np.float32]:
        """Return float32 (number, ...) for the uint8 images ``pictures(start, stop)``, asked for piece by piece.

        ``group`` and ``name`` say all that decides the images; without them nothing is shared.
        """
        shape = (number, *self.prefix.output_shape[1:])

        def parts() -> Iterator[NDArray[np.float32]]:
            for start in range(0, number, 32):
                yield self._pass(pictures(start, min(start + 32, number)))

        if self.shared and group:
            found = shared_arrays.shared(self.shared, {**group, "blocks": self._blocks}, name, shape, parts)
            if found is not None:
                return found
        kept: Any
        if self._in_file:
            kept = np.memmap(tempfile.TemporaryFile(dir=self.folder), np.float32, "w+", shape=shape)  # noqa: SIM115
        else:
            kept = np.empty(shape, np.float32)
        for place, part in enumerate(parts()):
            kept[place * 32 : place * 32 + len(part)] = part
        return kept

    def stand_in(
        self, batches: Batches, evaluate: Splits, data: str
    ) -> tuple[keras.Model, Streams, dict[str, tuple[NDArray, NDArray]]]:
        """Return the layers behind the frozen blocks, and batches and splits as what the frozen blocks make of them.

        ``data`` is the digest of the training data.
        """
        kept, splits = None, {}
        if not self.anew:
            kept = self.of(len(batches.data.ids), lambda start, stop: batches.still(np.arange(start, stop)))
        for split, (pictures, labels) in evaluate.items():
            if kept is not None and same(pictures, batches.data, batches.trained_on, batches.augment):
                splits[split] = kept, labels
            else:
                group = {"images": checkpoints.digest([pictures])} if self.shared else {}
                splits[split] = self.of(len(labels), _between(pictures), group, "evaluated"), labels

        def streams() -> Streams:
            while batches.first < batches.epochs:
                end = batches.first + 1 if kept is None else batches.epochs
                stream = KeptBatches(batches, self._epoch(batches, data) if kept is None else kept, end)
                yield end, stream
                stream.kept = np.empty(0, np.float32)  # lets go of them before those of the next epoch are made

        return self.suffix, streams(), splits

    def _epoch(self, batches: Batches, data: str) -> NDArray[np.float32]:
        """Return the activations of all training images, in their order, as the first epoch of ``batches`` has them."""
        package, epoch = Path(__file__).parents[1], batches.first
        group = {
            "data": data,
            "trained_on": batches.trained_on,
            "augmentation": batches.augment,
            "study_seed": batches.study_seed,
            "code": [files.sha256(package / name) for name in _DRAWING],
        }

        def pictures(start: int, stop: int) -> NDArray[np.uint8]:
            return batches.of(np.arange(start, stop), epoch)

        return self.of(len(batches.data.ids), pictures, group, f"epoch-{batches.before + epoch:03d}")


class KeptBatches(keras.utils.PyDataset):
    """The batches of :class:`rrr_utils.training.batches.Batches` in the same order, from its ``first`` epoch until
    before ``end``, with activations instead of images.
    """

    def __init__(self, batches: Batches, kept: NDArray[np.float32], end: int) -> None:
        super().__init__()
        self.batches, self.kept, self.end = batches, kept, end

    def __len__(self) -> int:
        return (self.end - self.batches.first) * self.batches.steps

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        places = self.batches.places(index)
        return self.kept[places], np.asarray(self.batches.data.labels[places], np.int64)


def whole(batches: Batches) -> Streams:
    """Yield what is left of all epochs as one stream, with the epoch that ends it."""
    if batches.first < batches.epochs:
        yield batches.epochs, batches


def same(pictures: NDArray, data: TrainingData, trained_on: str, augment: str) -> bool:
    """Return whether the images of a split are those of training as they are trained on."""
    return (trained_on, augment) == ("original", "none") and np.array_equal(pictures, data.images)


def _between(pictures: NDArray) -> Pictures:
    return lambda start, stop: pictures[start:stop]
