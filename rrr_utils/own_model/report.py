"""The report on a model of one's own: one HTML file with its images inside, that asks for nothing else."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import jinja2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils.common import files
from rrr_utils.figures.embedded import SMALL, address_of, outline_path
from rrr_utils.figures.grids import overlay
from rrr_utils.figures.style import BACKGROUND_LABELS, STYLE
from rrr_utils.own_model.cards import Card

if TYPE_CHECKING:
    from rrr_utils.masks.prepared import Prepared
    from rrr_utils.networks.network import Network

_THIRDS = (("upper left", "top", "upper right"), ("left", "middle", "right"), ("lower left", "bottom", "lower right"))


class Findings(Protocol):
    """What the report reads of a :class:`~rrr_utils.own_model.Triage`, which in its turn calls the report."""

    @property
    def network(self) -> "Network": ...

    @property
    def data(self) -> "Prepared": ...

    @property
    def masks(self) -> pd.DataFrame: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def about(self) -> dict[str, str]: ...

    @property
    def accuracy(self) -> float: ...

    @property
    def averages(self) -> pd.DataFrame: ...

    @property
    def backgrounds(self) -> pd.DataFrame: ...

    def worst(self) -> pd.DataFrame: ...

    def wrong(self) -> pd.DataFrame: ...

    def cards(self, ids: Sequence[str], explain: str = ...) -> list[Card]: ...


def write(found: Findings, path: Path, worst: int = 20, wrong: int = 8) -> Path:
    """Write the report on ``found`` to ``path``, whole or not at all, and return ``path``.

    Parameters
    ----------
    worst, wrong
        How many right answers, those with the lowest score against chance first, and how many wrong answers, the
        surest first, are shown with their maps.
    """
    files.write_text(path, html(found, worst, wrong))
    return path


def html(found: Findings, worst: int = 20, wrong: int = 8) -> str:
    """Return the report as a page that needs no network, no script and no other file.

    Names of files and classes are text, whatever they contain. It can be read on a phone, in light and dark, and by a
    screen reader: each picture has a text, and no finding is told by colour alone.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rrr_utils"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": _points, "label": _label}
    ranked, mistaken = found.worst(), found.wrong()
    averages = found.averages
    scale = max(0.2, float(np.nanmax(averages[["mean", "high", "chance"]].to_numpy(float), initial=0.2)))
    return environment.get_template("report.html").render(
        found=found,
        about=found.about,
        averages=averages.to_dict("records"),
        backgrounds=found.backgrounds.to_dict("records"),
        scale=scale,
        right=[_shown(card) for card in found.cards(list(ranked["image"][:worst]))],
        n_right=len(ranked),
        below=int((ranked["above"] < 0).sum()),
        wrong=[
            (_shown(card), _shown(other))
            for card, other in zip(
                found.cards(list(mistaken["image"][:wrong])),
                found.cards(list(mistaken["image"][:wrong]), "predicted"),
                strict=True,
            )
        ],
        n_wrong=len(mistaken),
        left_out=found.masks[found.masks["status"] != "ok"][["image", "status", "note"]].head(50).to_dict("records"),
        n_left_out=int((found.masks["status"] != "ok").sum()),
        versions=[f"{name} {metadata.version(name)}" for name in ("keras", "numpy")],
    )


def _shown(card: Card) -> dict[str, Any]:
    """Return a card with its pictures as data and in words."""
    side = len(card.mask)
    maps = [
        {
            "name": _label(name),
            "score": card.scores[name],
            "data": address_of(overlay(values, card.picture)),
            "alt": f"{_label(name)} map of {card.image} for the class {card.explained}: {_where(values, card, name)}",
        }
        for name, values in card.maps.items()
    ]
    return {
        "card": card,
        "side": side,
        "small": side < SMALL,
        "data": address_of(card.picture),
        "alt": f"Image {card.image}, a {card.label}, with the outline of the object: it lies "
        f"{_place(card.mask.astype(float))} and fills {percent(card.chance)} of the image.",
        "outline": outline_path(card.mask),
        "maps": maps,
    }


def _where(values: NDArray, card: Card, name: str) -> str:
    if not values.any():
        return "it shows no relevance."
    return (
        f"{percent(card.scores[name])} of the relevance lies on the object, chance is {percent(card.chance)}; "
        f"its centre is {_place(values.astype(float))}."
    )


def _place(values: NDArray[np.float64]) -> str:
    """Return in words in which ninth of the image the centre of ``values`` lies."""
    total = values.sum() or 1.0
    rows, columns = np.indices(values.shape)
    down, across = (int(3 * (index * values).sum() / total / len(values)) for index in (rows, columns))
    words = _THIRDS[min(down, 2)][min(across, 2)]
    return (
        f"in the {words}"
        if words in ("middle", "upper left", "upper right", "lower left", "lower right")
        else (f"at the {words}")
    )


def percent(share: float) -> str:
    """Return a share as whole per cent, or "no relevance" for NaN."""
    return "no relevance" if pd.isna(share) else f"{share:.0%}"


def _points(difference: float) -> str:
    """Return a difference of two shares in percentage points, with a true minus sign."""
    return "not measured" if pd.isna(difference) else f"{100 * difference:.0f}".replace("-", "−")


def _label(name: str) -> str:
    known = STYLE["explainer"][name].label if name in STYLE["explainer"] else BACKGROUND_LABELS.get(name, name)
    return known.replace("\n", " ")
