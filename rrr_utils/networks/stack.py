"""Several checkpoints of one network, asked together: what they have in common is computed once."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common.choices import one_of
from rrr_utils.common.names import PRECISIONS
from rrr_utils.engine import passes, weights
from rrr_utils.networks.network import Network

# Images at a time that cost the least, by the kind of pass; before the head alone more, because reading its weights is
# most of its work.
_NARROW, _WIDE = {"openvino": 16, "openvino-bfloat16": 16, "compiled": 32}, 128


class Stack:
    """Checkpoints of one network: takes images ``(n, H, W, 3)`` to logits ``(checkpoints, n, classes)``.

    Called with ``places`` as well, it asks these checkpoints alone.

    The blocks before the first weight that differs between the checkpoints are run once, and only the rest is run for
    each. Logits equal those of each checkpoint alone to rounding. The weights are held in memory, those that differ
    once a checkpoint, those that do not once; of activations, what one batch needs.

    Parameters
    ----------
    network
        A network of the checkpoints' architecture; its own weights do not count, and are changed.

    Attributes
    ----------
    starts
        For every checkpoint the place of the one from which its training started.
    precision
        Of the products in its passes: ``"float32"``, or ``"bfloat16"`` after :meth:`at`.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._states: list[dict[str, NDArray]] = []
        self.starts: list[int] = []
        self.precision = "float32"
        self._others: dict[str, Stack] = {}
        self._passes: tuple[passes.Pass | None, list[passes.Pass]] | None = None
        self._shared: Any = None

    def __len__(self) -> int:
        return len(self._states)

    def add(self, state: Mapping[str, NDArray], starts: bool = False) -> None:
        """Take the next checkpoint: all weights of a network, as ``rrr_utils.engine.weights.take`` returns them.

        With ``starts`` it is the first of a training, and those that are added after it are its later ones.
        """
        self.starts.append(len(self) if starts or not self.starts else self.starts[-1])
        kept = dict(state)
        for key, array in state.items() if self._states else ():
            for before in (self._states[0], self._states[-1]):
                if np.array_equal(array, before[key]):
                    kept[key] = before[key]
        self._states.append(kept)
        self._passes = self._shared = None
        self._others = {}

    def at(self, precision: str) -> "Stack":
        """Return the same checkpoints with passes of another ``precision``: one of ``names.PRECISIONS``.

        Its passes are compiled once, and kept with this stack; the weights are held once.
        """
        one_of("precision", precision, PRECISIONS)
        if precision == self.precision:
            return self
        if precision not in self._others:
            other = copy.copy(self)
            other.precision, other._passes, other._others = precision, None, {self.precision: self}
            self._others[precision] = other
        return self._others[precision]

    @property
    def nbytes(self) -> int:
        """Bytes of the weights that are held."""
        return sum({id(array): array.nbytes for state in self._states for array in state.values()}.values())

    def networks(self) -> Iterator[Network]:
        """Yield the network with each checkpoint's weights in turn: the same object, changed."""
        for state in self._states:
            names = [layer.name for layer in self.network.model.layers]
            weights.put(self.network.model, state, names, "the checkpoint")
            yield self.network

    @property
    def cut(self) -> str | None:
        """The block before which all checkpoints are the same; None where they share no whole block, or are one."""
        first = self._states[0]
        differing = {
            key.rsplit("/", 1)[0] for state in self._states for key, array in state.items() if array is not first[key]
        }
        touched = [block for block, names in self.network.blocks.items() if differing & set(names)]
        inside = {name for names in self.network.blocks.values() for name in names}
        return touched[0] if touched and touched[0] != next(iter(self.network.blocks)) and differing <= inside else None

    @property
    def batch(self) -> int:
        """How many images at a time cost the least."""
        return _WIDE if self.cut == "dense" else _NARROW[passes.fastest(self.network.model, self.precision)]

    def __call__(self, images: NDArray, places: Sequence[int] | None = None) -> NDArray[np.float32]:
        if self._passes is None:
            self._passes = self._compile()
        prefix, suffixes = self._passes
        if places is not None:
            suffixes = [suffixes[place] for place in places]
        logits = np.empty((len(suffixes), len(images), self.network.classes), np.float32)
        for start in range(0, len(images), self.batch):
            here = slice(start, start + self.batch)
            shared = images[here] if prefix is None else prefix(images[here])
            for place, suffix in enumerate(suffixes):
                logits[place, here] = suffix(shared)
        return logits

    def rest(self, activations: NDArray) -> NDArray[np.float32]:
        """Return the logits ``(checkpoints, n, classes)`` from what :attr:`shared` puts out, ``(n, ...)``."""
        if self._passes is None:
            self._passes = self._compile()
        return np.stack([suffix(activations) for suffix in self._passes[1]])

    @property
    def shared(self) -> Any:
        """The Keras model of the blocks that all checkpoints share; None without a :attr:`cut`."""
        if self._shared is None and self.cut is not None:
            next(self.networks())  # whichever: these weights are the same in all
            self._shared = self.network.split(self.cut)[0]
        return self._shared

    def _compile(self) -> tuple[passes.Pass | None, list[passes.Pass]]:
        if not self._states:
            raise ValueError("This stack holds no checkpoint: call add(state) once for each.")
        next(self.networks())
        prefix, rest = None, self.network.model
        if self.cut is not None:
            rest = self.network.split(self.cut)[1]
            kind = passes.fastest(self.shared, self.precision)
            prefix = passes.forward(self.shared, kind, _NARROW[kind])
        return prefix, passes.forward_each(rest, self._states, passes.fastest(rest, self.precision), self.batch)
