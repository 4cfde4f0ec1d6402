"""The AvgScore callback of `fit`."""

import time
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rrr_utils import metric, networks
from rrr_utils.datasets import splits
from rrr_utils.explainers import Explainer
from rrr_utils.scoring.scores import _BATCH, score_images


class AvgScore(keras.callbacks.Callback):
    """Put ``avg_score_<explainer>`` beside accuracy in the logs and the history of ``model.fit``.

    AvgScore is the mean over the images that the model classifies correctly at that epoch (equation 2 of the paper);
    it is NaN when there are none, and in epochs that are left out. ``avg_score_seconds`` says what scoring cost in that
    epoch. Place it before ``CSVLogger`` and ``TensorBoard`` in the list of callbacks, so that they see the new columns.

    Parameters
    ----------
    pictures, masks, labels
        ``(N, S, S, 3)`` in the model's own input range, ``(N, S, S)`` in [0, 1], ``(N,)`` class numbers.
    explainers
        What to explain with, for example ``[GradCAM()]``.
    every
        Score after every so many epochs; the last epoch is always scored.
    ids
        Names of the images, from which perturbations follow; by default a hash of their pixels.
    network
        The :class:`~rrr_utils.networks.Network` that is being trained. By default the model is adopted
        (:func:`~rrr_utils.networks.adopt`), which shares its weights.
    images
        At most so many images, balanced by class, drawn by ``seed``: the same at every epoch.
    seconds
        What scoring may cost in an epoch. The first scored epoch measures the cost of an image, and from then on as
        many images are scored as fit, never fewer than one of each class, always the same. An epoch in which they would
        take longer is left out, unless it is the last. Both give a warning. Compiling in the first scored epoch is
        not counted.

    Attributes
    ----------
    rows
        The rows of every scored epoch, as a list of data frames.
    seconds
        What scoring cost, one number a scored epoch.
    """

    def __init__(
        self,
        pictures: ArrayLike,
        masks: ArrayLike,
        labels: ArrayLike,
        explainers: Sequence[Explainer],
        every: int = 1,
        ids: Sequence[str] | None = None,
        network: networks.Network | None = None,
        images: int | None = None,
        seconds: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.pictures, self.masks, self.labels = np.asarray(pictures), np.asarray(masks), np.asarray(labels)
        if self.labels.ndim != 1 or not len(self.pictures) == len(self.masks) == len(self.labels):
            raise ValueError(
                "`pictures`, `masks` and `labels` must have the same length and `labels` one dimension, but shapes "
                f"{self.pictures.shape}, {self.masks.shape} and {self.labels.shape} were passed."
            )
        if every < 1:
            raise ValueError(f"`every` must be at least 1, but {every} was passed.")
        if not explainers:
            raise ValueError("`explainers` must hold at least one explainer, but it is empty.")
        if images is not None and images < 1:
            raise ValueError(f"`images` must be at least 1, but {images} was passed.")
        if seconds is not None and not seconds > 0:
            raise ValueError(f"`seconds` must be above 0, but {seconds} was passed.")
        metric.chance(self.masks)  # refuses masks outside [0, 1] now and not after an epoch of training
        self.explainers, self.every = list(explainers), every
        self.ids = list(ids) if ids is not None else [f"image-{place}" for place in range(len(self.labels))]
        self.network, self.budget, self.seed = network, seconds, seed
        self._an_image: float | None = None  # seconds, where there is a budget
        if images is not None:
            self._keep(images)
        self.rows: list[pd.DataFrame] = []
        self.seconds: list[float] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.network is None:
            self.network = networks.adopt(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        last = epoch + 1 == self.params.get("epochs")
        averages = {each.name: float("nan") for each in self.explainers}
        took = 0.0
        if ((epoch + 1) % self.every == 0 or last) and self._fits(epoch, last):
            start = time.perf_counter()
            rows = self._score(len(self.labels))
            for name, part in rows.groupby("explainer"):
                averages[str(name)] = metric.avg_score(part["score"], part["correct"]).mean
            self.rows.append(rows.assign(epoch=epoch + 1))
            took = time.perf_counter() - start
            self.seconds.append(took)
            self._an_image = took / len(self.labels)
        if logs is not None:
            logs.update({f"avg_score_{name}": value for name, value in averages.items()})
            logs["avg_score_seconds"] = took

    def _score(self, n: int) -> pd.DataFrame:
        assert self.network is not None
        arrays = self.pictures[:n], self.masks[:n], self.labels[:n]
        return score_images(self.network, *arrays, self.ids[:n], self.explainers)

    def _keep(self, n: int) -> None:
        """Keep ``n`` images, balanced by class; fewer are a part of more."""
        places = splits.balanced(self.ids, self.labels, n, self.seed, "callback")
        self.pictures, self.masks, self.labels = self.pictures[places], self.masks[places], self.labels[places]
        self.ids = [self.ids[place] for place in places]

    def _fits(self, epoch: int, last: bool) -> bool:
        """Whether scoring keeps to the budget; the first time, make it so by scoring fewer images."""
        if self.budget is None:
            return True
        if self._an_image is None:
            pilot = min(len(self.labels), _BATCH)
            self._score(pilot)  # compiles
            start = time.perf_counter()
            self._score(pilot)
            self._an_image = (time.perf_counter() - start) / pilot
            n = max(int(self.budget / self._an_image), len(np.unique(self.labels)))
            if n < len(self.labels):
                said = f"AvgScore: {n} of {len(self.labels)} images are scored, at {self._an_image:.3g} s an image,"
                warnings.warn(f"{said} to keep to {self.budget:g} s an epoch.", stacklevel=2)
                self._keep(n)
        expected = self._an_image * len(self.labels)
        if expected <= self.budget or last:
            return True
        said = f"AvgScore: epoch {epoch + 1} is not scored: {len(self.labels)} images would take {expected:.3g} s"
        warnings.warn(f"{said}, more than {self.budget:g} s.", stacklevel=2)
        return False
