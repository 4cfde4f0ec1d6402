"""InfoDisent: a head of orthogonal channels, one pixel each, whose answer is a short sum (arXiv 2409.10329)."""

from typing import TYPE_CHECKING

from rrr_utils.common import lazy

if TYPE_CHECKING:
    from rrr_utils.analyses.infodisent.checks import Exactness, exactness
    from rrr_utils.analyses.infodisent.decisions import Reason, two_sided
    from rrr_utils.analyses.infodisent.explainer import DESIGNS, InfoDisent
    from rrr_utils.analyses.infodisent.heads import HEADS, attach
    from rrr_utils.analyses.infodisent.layers import ExtremePooling, OrthogonalChannels
    from rrr_utils.analyses.infodisent.measure import TABLES, examine_run, heads_of

# Where each name lives. Keras takes ten seconds to import, and a page that reads tables does without.
_HOMES = {
    "DESIGNS": "explainer",
    "HEADS": "heads",
    "TABLES": "measure",
    "Exactness": "checks",
    "ExtremePooling": "layers",
    "InfoDisent": "explainer",
    "OrthogonalChannels": "layers",
    "Reason": "decisions",
    "attach": "heads",
    "examine_run": "measure",
    "exactness": "checks",
    "heads_of": "measure",
    "two_sided": "decisions",
}

__all__ = [
    "DESIGNS",
    "HEADS",
    "TABLES",
    "Exactness",
    "ExtremePooling",
    "InfoDisent",
    "OrthogonalChannels",
    "Reason",
    "attach",
    "exactness",
    "examine_run",
    "heads_of",
    "two_sided",
]


__getattr__, __dir__ = lazy.face(__name__, _HOMES)
