"""The two sides of one decision: the channels that speak for it and against it, each with its place."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rrr_utils.analyses.infodisent import contributions
from rrr_utils.networks.network import Network


class Reason(NamedTuple):
    """One channel's part in a decision.

    ``added`` to the margin of the class over the other, ``side`` "positive" or "negative": which of the channel's
    extremes spoke the louder; ``heat``, the channel's map on that side, ``(h, w)`` in [0, 1]; and the ``row`` and
    ``column`` of its peak.
    """

    channel: int
    added: float
    side: str
    heat: NDArray[np.float32]
    row: int
    column: int


def two_sided(
    network: Network, features: NDArray, label: int, other: int, count: int
) -> tuple[list[Reason], list[Reason]]:
    """Return the ``count`` channels that speak most for class ``label`` and against ``other``, and the reverse.

    ``features`` are the backbone's of one image, ``(h, w, K)``. The parts of all channels add up to the difference of
    the two logits. A channel speaks for a class by what is there (its positive extreme is the larger) or by what is
    not (its negative one). Fewer reasons come back where fewer channels speak on a side.
    """
    maps = contributions.channel_maps(network, features[None])[0]
    found = contributions.extremes(network, features[None])
    added = contributions.margins(found.pooled, contributions.class_weights(network), [label], [other])[0]
    order = np.argsort(-added, kind="stable")
    pro = [int(channel) for channel in order[:count] if added[channel] > 0]
    contra = [int(channel) for channel in order[::-1][:count] if added[channel] < 0]

    def reason(channel: int) -> Reason:
        above = bool(found.pooled[0, channel] > 0)
        heat = np.maximum(maps[..., channel] if above else -maps[..., channel], 0)
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        side = "positive" if above else "negative"
        return Reason(channel, float(added[channel]), side, heat / heat.max(), int(row), int(column))

    return [reason(channel) for channel in pro], [reason(channel) for channel in contra]
