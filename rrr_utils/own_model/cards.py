"""What the gallery of a model's answers shows of an image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Card:
    """One image of the gallery: what it shows, what the model said, and where the model looked.

    ``picture`` is uint8 ``(S, S, 3)``, ``mask`` uint8 ``(S, S)``; ``label`` and ``predicted`` are class names and
    ``probability`` is that of ``predicted``; ``maps``, ``scores`` by the name of an explainer are those of the class
    ``explained``, ``(S, S)`` float32 in [0, 1] and a share (NaN for a map without relevance).
    """

    image: str
    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    label: str
    predicted: str
    probability: float
    explained: str
    chance: float
    maps: Mapping[str, NDArray[np.float32]]
    scores: Mapping[str, float]
