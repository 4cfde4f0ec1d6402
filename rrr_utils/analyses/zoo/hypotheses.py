"""What a study expects of its tables before they exist: hypotheses with a number, a margin and a direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from rrr_utils.common import ranges
from rrr_utils.common.choices import one_of
from rrr_utils.common.names import CHANGES
from rrr_utils.common.names import MEASURES as MAP_MEASURES
from rrr_utils.common.ranges import Range

# What is asked of a zoo of models: the rank correlation of a predictor with an outcome; the same given test accuracy;
# how much of the outcome is lost by picking the model that the predictor ranks first; the area under the ROC curve of
# an alarm; how well the outcome is foretold in a group that was not looked at.
STATISTICS = ("spearman", "partial", "regret", "alarm", "prediction")
# Over what it is computed: inside each group of models and averaged; inside each kind of training inside each group;
# over all models at once.
OVER = ("groups", "kinds", "pooled")
# On which side of the margin the whole interval has to lie; "nothing": zero lies inside the interval.
EXPECTED = ("above", "below", "nothing")

OUTCOMES = (*CHANGES, *(f"drop_{change}" for change in CHANGES))

# What tells one model from another without a map; then measures of a map, averaged over a cohort of images.
PLAIN = ("test_accuracy", "mean_probability", "entropy", "loss", "accuracy_removed")
MEASURES = ("score", "above", *MAP_MEASURES[1:])
COHORTS = ("own", "common", "all")
# Controls: what is known because the data were made so, and what cannot know anything.
KNOWN, SHUFFLED, RANDOMISED = "known_tie", "shuffled", "randomised"

SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "undecided"
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Hypothesis:
    """One expectation, written down before the table that answers it.

    ``predictor`` is one of ``PLAIN``, a control, or ``<explainer>/<measure>/<cohort>``; with ``against``, another
    predictor, the difference of the two statistics counts. ``outcome`` is one of ``OUTCOMES``. The hypothesis is
    supported where the whole interval lies on the ``expected`` side of ``margin``, refuted where it lies on the other.
    """

    key: str
    words: str
    statistic: str
    predictor: str
    outcome: str
    over: str = "groups"
    against: str = ""
    expected: str = "above"
    margin: Annotated[float, Range(-1_000, 1_000)] = 0.0

    def __post_init__(self) -> None:
        ranges.check(self)
        one_of("statistic", self.statistic, STATISTICS)
        one_of("outcome", self.outcome, OUTCOMES)
        one_of("over", self.over, OVER)
        one_of("expected", self.expected, EXPECTED)
        if self.statistic in ("alarm", "prediction") and self.over == "kinds":
            raise ValueError(f"{self.key}: `{self.statistic}` is asked of all models at once, not over `kinds`.")
        if self.statistic == "alarm" and (not self.outcome.startswith("drop_") or self.outcome == "drop_removed"):
            # Without the object a model that is right for the right reason drops: no reason for an alarm.
            raise ValueError(
                f"{self.key}: an alarm is for a drop of accuracy before another background, such as `drop_other`, but "
                f"the outcome {self.outcome!r} was passed."
            )
        for name in ("predictor", "against"):
            if value := getattr(self, name):
                check_predictor(name, value)

    def verdict(self, low: float, high: float, p: float) -> str:
        """Return the verdict on an interval and its p-value, which is corrected for all hypotheses of the study.

        The p-value takes support away and gives none. No interval (NaN) decides nothing.
        """
        if not low <= high:
            return UNDECIDED
        if self.expected == "nothing":
            return SUPPORTED if low <= 0 <= high else REFUTED
        over, under = low > self.margin, high < self.margin
        held, failed = (over, under) if self.expected == "above" else (under, over)
        if held:
            return SUPPORTED if p < SIGNIFICANT else UNDECIDED
        return REFUTED if failed else UNDECIDED


def check_predictor(name: str, value: str) -> None:
    """Raise ``ValueError``, with the nearest name, unless ``value`` is the name of a predictor."""
    parts = value.split("/")
    if parts[0] in (SHUFFLED, RANDOMISED):
        parts = parts[1:]
    if len(parts) != 3:
        one_of(name, "/".join(parts), (*PLAIN, KNOWN, "<explainer>/<measure>/<cohort>"))
        return
    one_of(name, parts[1], MEASURES)
    one_of(name, parts[2], COHORTS)


def check(entries: Sequence[Hypothesis]) -> None:
    """Raise ``ValueError`` if two hypotheses have one key."""
    keys = [entry.key for entry in entries]
    if len(set(keys)) < len(keys):
        raise ValueError(f"the keys of `hypotheses` must be unique, but they are {keys}.")
