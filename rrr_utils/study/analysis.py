"""What a study asks beyond the paper's protocol: each entry is one notebook on one trained run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rrr_utils.analyses.options import Options
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import ANALYSES
from rrr_utils.common.ranges import Epoch, Images, Seed
from rrr_utils.common.registry import member

KINDS: dict[str, type[Options]] = {kind: member("kind", kind, ANALYSES) for kind in ANALYSES}


@dataclass(frozen=True)
class Analysis:
    """One analysis of a run's checkpoint at ``epoch``, on ``images`` images of each of the ``splits``.

    ``options`` are those of its ``kind``: see the module ``options`` in each room of ``analyses``. More images than
    there are means all of them. ``seeds`` are some of the run's; empty means all of them.
    """

    kind: str
    data: str
    network: str
    strategy: str
    epoch: Epoch
    explainers: tuple[Mapping[str, Any], ...]
    options: Options
    trained_on: str = "original"
    images: Images = 50
    splits: tuple[str, ...] = ("test",)
    seeds: tuple[Seed, ...] = ()

    @classmethod
    def of(cls, kind: str, **values: Any) -> "Analysis":
        """Return the analysis of which a study file says this, its options beside all else.

        Raises ``ValueError`` for an unknown kind, an option of another kind, and an impossible value.
        """
        one_of("kind", kind, KINDS)
        names = {entry.name for entry in dataclasses.fields(cls)} | {"kind"}
        own = {name: values.pop(name) for name in list(values) if name not in names}
        for name in own:
            homes = [each for each, options in KINDS.items() if name in options.__dataclass_fields__]
            if kind not in homes:
                whose = f"belongs to analyses of kind {homes[0]!r}" if homes else "is no option of an analysis"
                raise ValueError(f"`{name}` {whose}, but this one is {kind!r}.")
        return cls(kind, options=KINDS[kind](**own), **values)

    @property
    def run(self) -> tuple[str, str, str, str]:
        """The data set, the network, the strategy and the kind of training images of its run."""
        return self.data, self.network, self.strategy, self.trained_on


class Known(NamedTuple):
    """A run of a study: its number of epochs, its seeds, and whether its head was trained before, in stage 1."""

    epochs: int
    seeds: tuple[int, ...]
    after_stage1: bool = False


def check(entries: tuple[Analysis, ...], known: Mapping[tuple[str, str, str, str], Known]) -> tuple[int, str] | None:
    """Return the place of the first entry that the study cannot answer and what is wrong with it, or None.

    ``known`` holds the runs of the study, as :attr:`Analysis.run` names them.
    """
    seen = set()
    for place, entry in enumerate(entries):
        try:
            for name, position in (("data", 0), ("network", 1), ("strategy", 2), ("trained_on", 3)):
                there = [run for run in known if run[:position] == entry.run[:position]]
                one_of(name, getattr(entry, name), dict.fromkeys(run[position] for run in there))
            epochs, seeds, after_stage1 = known[entry.run]
            for seed in entry.seeds:
                one_of("seeds", seed, seeds)
            if not 0 <= entry.epoch <= epochs:
                raise ValueError(f"`epoch` must be from 0 to {epochs}, but {entry.epoch} was passed.")
            entry.options.check(entry.epoch, epochs)
        except ValueError as error:
            return place, str(error)
        # A head that stage 1 has trained on all training images knows what these are meant to keep from it.
        if after_stage1 and entry.options.afresh:
            return place, (
                f"the analysis {entry.kind!r} trains on a part of the images or on changed ones alone, but "
                f"{entry.strategy!r} starts from a head that was trained on all of them. Ask it of strategy 'head', "
                "or of a network without `head`."
            )
        if (entry.kind, entry.run) in seen:
            return place, f"the analysis {entry.kind!r} of {'/'.join(entry.run)} stands twice."
        seen.add((entry.kind, entry.run))
    return None
