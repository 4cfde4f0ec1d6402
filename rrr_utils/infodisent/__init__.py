"""InfoDisent: a head of orthogonal channels, one pixel each, whose answer is a short sum (arXiv 2409.10329)."""

from rrr_utils.infodisent.heads import HEADS, attach
from rrr_utils.infodisent.layers import ExtremePooling, OrthogonalChannels
from rrr_utils.infodisent.maps import DESIGNS, InfoDisent

__all__ = ["DESIGNS", "HEADS", "ExtremePooling", "InfoDisent", "OrthogonalChannels", "attach"]
