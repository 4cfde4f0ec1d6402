"""Triage: a model's right answers, the most doubtful first, and what its scores are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrr_utils import metric, statistics
from rrr_utils.common.choices import one_of
from rrr_utils.common.logits import softmax
from rrr_utils.engine.graph import node_of
from rrr_utils.explainers import Explainer
from rrr_utils.explainers.base import as_forward
from rrr_utils.masks.prepared import Prepared
from rrr_utils.networks import adoption, output_layer
from rrr_utils.networks.network import Network
from rrr_utils.own_model.cards import Card
from rrr_utils.statistics import verdicts

_EXPLAINED = {
    "logit": "the logit of the label",
    "log p": "the logarithm of the label's probability: the model shows no logits",
}
BATCH = 32  # images at a time in the passes, which are compiled once


@dataclass(frozen=True)
class Triage:
    """What :func:`rrr_utils.own_model.examine` found.

    Attributes
    ----------
    network
        The model, flat, with ``grad_cam_layer`` and ``size``.
    data
        The images that were examined, with their masks.
    explainers
        What explained them.
    masks
        The masks table: a row for each image of the folder, with the reason where it was left out.
    scores
        The scores table: a row for each image and explainer.
    shift
        The shift table: how often the model is right under each background.
    path
        The folder of these tables.
    notes
        What should be looked at before the numbers are believed, in words; mostly empty.
    """

    network: Network
    data: Prepared
    explainers: tuple[Explainer, ...]
    masks: pd.DataFrame
    scores: pd.DataFrame
    shift: pd.DataFrame
    path: Path
    notes: tuple[str, ...] = ()

    @cached_property
    def averages(self) -> pd.DataFrame:
        """AvgScore of each explainer with its 95% interval, beside chance, with a verdict.

        One row an explainer over the right answers (cohort ``own``, equation 2), then one over all images; columns as
        in :func:`rrr_utils.statistics.average`. The interval draws the images again; the model is taken as it is.
        """
        parts = [statistics.average(self.scores, ["explainer"], cohort=kind) for kind in ("own", "all")]
        table = pd.concat(parts, ignore_index=True)
        words = [verdicts.against_chance(*pair) for pair in zip(table["above_low"], table["above_high"])]
        first = ["explainer", "cohort", "mean", "low", "high", "chance", "verdict", "n", "zero_maps"]
        return table.assign(verdict=words)[[*first, "above", "above_low", "above_high"]]

    @cached_property
    def backgrounds(self) -> pd.DataFrame:
        """Accuracy on the images as they are and with other backgrounds, with 95% intervals and the drop."""
        table = statistics.shift_table(self.shift, ["background"])
        order = {name: place for place, name in enumerate(self.shift["background"])}
        table = table.sort_values("background", key=lambda names: names.map(order), ignore_index=True)
        return table[["background", "mean", "low", "high", "drop", "drop_low", "drop_high", "n"]]

    @property
    def accuracy(self) -> float:
        """The share of the images that the model gets right."""
        return float(self.shift.loc[self.shift["background"] == "original", "accuracy"].iloc[0])

    def worst(self, n: int | None = None, by: str | None = None) -> pd.DataFrame:
        """Return the right answers, those with the lowest score against chance first: the most doubtful ones.

        ``above`` is score minus chance, averaged over the explainers whose map has relevance, or that of the explainer
        ``by``; where it is below 0, less of the relevance lies on the object than chance would put there. It cannot
        fall further below 0 than chance itself, so answers about small objects do not come first. Images without any
        relevance have no score and are not listed. Ties go to the surer answer.

        Returns
        -------
        At most ``n`` rows with the columns image, label, predicted (names), probability, above, chance, and a column
        with the score of each explainer.
        """
        return (
            self._ranked(True, by)
            .sort_values(["above", "probability", "image"], ascending=[True, False, True])[slice(n)]
            .reset_index(drop=True)
        )

    def wrong(self, n: int | None = None) -> pd.DataFrame:
        """Return the wrong answers, the surest first; columns as in :meth:`worst`, scores those of the label."""
        table = self._ranked(False, None)
        return table.sort_values(["probability", "image"], ascending=[True, True])[slice(n)].reset_index(drop=True)

    def cards(self, ids: Sequence[str], explain: str = "label") -> list[Card]:
        """Return the images called ``ids`` with their maps, in that order, for the class ``label`` or ``predicted``."""
        one_of("explain", explain, ("label", "predicted"))
        places = [self.data.ids.index(name) for name in ids]
        cards: list[Card] = []
        for start in range(0, len(places), BATCH):
            cards += self._cards(np.array(places[start : start + BATCH]), explain)
        return cards

    def report(self, path: Path | str | None = None, worst: int = 20, wrong: int = 8) -> Path:
        """Write the report, one HTML file that needs nothing beside it, and return its path.

        By default ``report.html`` in :attr:`path`. It shows the ``worst`` right answers and the surest ``wrong`` ones.
        """
        from rrr_utils.own_model import report

        return report.write(self, Path(path) if path is not None else self.path / "report.html", worst, wrong)

    def __str__(self) -> str:
        return "\n".join([*(f"{name}: {value}" for name, value in self.about.items()), *self.notes])

    @property
    def about(self) -> dict[str, str]:
        """What was examined and how, in words: model, preprocessing, Grad-CAM's layer, images, masks, explainers."""
        scaling = adoption.scaling_layers(self.network.model)
        left = self.masks.loc[self.masks["status"] != "ok", "status"].value_counts()
        out = ", ".join(f"{count} {status}" for status, count in left.items())
        return {
            "model": f"{self.network.name}, {self.network.size} x {self.network.size} pixels, "
            f"{self.network.classes} classes",
            "preprocessing": f"raw RGB from 0 to 255, scaled by {', '.join(scaling)}"
            if scaling
            else "raw RGB from 0 to 255 goes in; no layer in front of the model was recognised as scaling it",
            "explained": _EXPLAINED[output_layer.explained(self.network.model)],
            "Grad-CAM reads": self._read(),
            "images": f"{len(self.data.ids)} of {len(self.masks)} used"
            + (f" (left out: {out}; `masks` of the result says which)" if out else ""),
            "masks": self.data.mask_source,
            "explainers": ", ".join(each.name for each in self.explainers),
        }

    def _read(self) -> str:
        name = self.network.grad_cam_layer
        if not name:
            return "nothing: the model has no convolution"
        shape = node_of(self.network.model, self.network.model.get_layer(name)).outputs[0].shape
        return f"{name}, {shape[1]} x {shape[2]} cells" if len(shape) == 4 else f"{name}, which is no map"

    def _ranked(self, right: bool, by: str | None) -> pd.DataFrame:
        names = [each.name for each in self.explainers]
        if by is not None:
            one_of("by", by, names)
        rows = self.scores[self.scores["correct"] == right]
        table = rows.pivot(index="image", columns="explainer", values="score").reindex(columns=names)
        facts = rows.drop_duplicates("image").set_index("image")
        against = table[[by] if by is not None else names].sub(facts["chance"], axis=0).mean(axis=1)
        classes = np.array(self.data.classes, dtype=object)
        table.insert(0, "chance", facts["chance"])
        table.insert(0, "above", against)
        table.insert(0, "probability", facts["probability"])
        table.insert(0, "predicted", classes[facts["predicted"].loc[table.index].to_numpy(int)])
        table.insert(0, "label", classes[facts["label"].loc[table.index].to_numpy(int)])
        table.columns.name = None
        return (table.dropna(subset=["above"]) if right else table).reset_index()

    def _cards(self, places: NDArray, explain: str) -> Iterator[Card]:
        pictures, outlines, labels = self.data.images[places], self.data.masks[places], self.data.labels[places]
        ids = [self.data.ids[place] for place in places]
        rows = self.scores.drop_duplicates("image").set_index("image").loc[ids]
        shares = softmax(as_forward(self.network, BATCH)(pictures).astype(np.float64))
        predicted = rows["predicted"].to_numpy(int)
        asked = labels if explain == "label" else predicted
        maps = {each.name: each(self.network, pictures, asked, ids=ids) for each in self.explainers}
        scores = {name: metric.score(outlines, values) for name, values in maps.items()}
        for place, name in enumerate(ids):
            yield Card(
                image=name,
                picture=np.asarray(pictures[place]),
                mask=np.asarray(outlines[place]),
                label=self.data.classes[labels[place]],
                predicted=self.data.classes[predicted[place]],
                probability=float(shares[place, predicted[place]]),
                explained=self.data.classes[asked[place]],
                chance=float(rows["chance"].iloc[place]),
                maps={key: values[place] for key, values in maps.items()},
                scores={key: float(values[place]) for key, values in scores.items()},
            )
