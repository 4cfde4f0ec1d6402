"""The rules of the paper's claims, as ``claims.yaml`` beside this module states them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rrr_utils.common.choices import one_of

FILE = Path(__file__).with_name("claims.yaml")
# What the two sides of a comparison are expected to be.
EXPECTED = ("above", "below", "alike", "together", "settled")
ACCURACY = "accuracy"
_SIDE = {"strategy", "trained_on", "epoch"}


class Asked(NamedTuple):
    """One comparison: ``outcome`` (an explainer, or "accuracy") of side ``a`` less that of side ``b``.

    A side names a ``strategy``, what it was ``trained_on`` and its ``epoch``, "first" or "last".
    """

    outcome: str
    a: Mapping[str, str]
    b: Mapping[str, str]


class Claim(NamedTuple):
    """A claim: its name, in words, its place in the paper; of which runs it is asked, and what it expects.

    ``primary`` comparisons decide it, those ``shown`` do not; ``pool`` names those whose seeds are taken together.
    """

    key: str
    words: str
    place: str
    of: str
    expected: str
    pool: str
    primary: tuple[Asked, ...]
    shown: tuple[Asked, ...]

    @property
    def anchor(self) -> str:
        """The name by which a link on the page finds the claim's figure."""
        return "claim-" + "".join(letter if letter.isalnum() else "-" for letter in self.key)


class Network(NamedTuple):
    """A network that claims are asked of: its ``runs`` by what they are for, and whose seeds it takes if it has one.

    A run is named by the columns ``network`` and ``data`` of the tables. ``counts`` says whether "decided" is said of
    it.
    """

    key: str
    title: str
    runs: Mapping[str, Mapping[str, str]]
    sister: str
    counts: bool


class Settled(NamedTuple):
    """So many ``draws`` of so many ``images``, out of ``scored`` or more; the claim needs this ``share`` of them."""

    images: int
    draws: int
    share: float
    scored: int


class Rules(NamedTuple):
    """All that a verdict hangs on; ``margins`` are those of a "score" and of an "accuracy"."""

    claims: tuple[Claim, ...]
    networks: tuple[Network, ...]
    margins: Mapping[str, float]
    level: float
    fewest: int
    untested_below: float
    settled: Settled

    def margin(self, outcome: str) -> float:
        """Return the difference of ``outcome``, an explainer or "accuracy", that counts as none."""
        return self.margins[ACCURACY if outcome == ACCURACY else "score"]


@cache
def load(file: Path = FILE) -> Rules:
    """Return the rules that ``file`` states.

    Raises ``ValueError``, which names the file and the place, where it lacks an entry or holds one that is not known.
    """
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
        networks = tuple(_network(key, entry) for key, entry in told["networks"].items())
        return Rules(
            tuple(_claim(key, entry) for key, entry in told["claims"].items()),
            networks,
            {name: float(told["margins"][name]) for name in ("score", ACCURACY)},
            float(told["level"]),
            int(told["fewest"]),
            float(told["untested_below"]),
            Settled(**told["settled"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{file} does not state the rules as the file of this package does: {error!r}.") from error


def _network(key: str, entry: dict[str, Any]) -> Network:
    about = {"title", "counts", "sister"}
    runs = {name: dict(run) for name, run in entry.items() if name not in about}
    for run in runs.values():
        if set(run) != {"network", "data"}:
            raise ValueError(f"A run of {key} needs `network` and `data`, but it is {run}")
    return Network(key, entry["title"], runs, entry.get("sister", ""), bool(entry.get("counts", False)))


def _claim(key: str, entry: dict[str, Any]) -> Claim:
    one_of(f"{key}: expected", entry["expected"], EXPECTED)
    primary = _asked(entry["primary"])
    shown = tuple(each for each in _asked(entry["shown"]) if each not in primary) if "shown" in entry else ()
    words, place, of = (entry[name] for name in ("words", "place", "of"))
    return Claim(key, words, place, of, entry["expected"], entry.get("pool", ""), primary, shown)


def _asked(told: dict[str, Any]) -> tuple[Asked, ...]:
    for side in (pair[name] for pair in told["compared"] for name in ("a", "b")):
        if set(side) != _SIDE or side["epoch"] not in ("first", "last"):
            raise ValueError(f"a side needs strategy, trained_on and an epoch, first or last, but it is {side}")
    return tuple(Asked(outcome, pair["a"], pair["b"]) for pair in told["compared"] for outcome in told["outcomes"])
