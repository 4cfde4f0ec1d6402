"""Training by cross-entropy and a penalty: a Keras model of a network's own layers, for `fit`."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import keras

from rrr_utils.engine.gradients import hold
from rrr_utils.networks.network import Network

# What a batch's targets may hold beside the label, see `rrr_utils.analyses.remedies.batches`.
Targets = Mapping[str, Any]


class Guided(keras.Model):
    r"""The layers of a network, trained by :math:`\mathrm{CE} + \lambda P`: cross-entropy and a penalty.

    A model of the network's own layers, not of copies: what ``fit`` learns, the network has learnt. Compile it with an
    optimizer and *without a loss*, and fit it to :class:`~rrr_utils.analyses.remedies.GuidedBatches`, whose
    targets are a mapping. This class has no penalty and trains as :func:`rrr_utils.training.train` does, to the
    bit.

    Cross-entropy is taken in training mode. Penalties look at the network in inference mode, as explainers do: where
    batch normalisation is trained, its statistics are moved by the cross-entropy's pass alone. Gradients flow to the
    layers that the network's strategy trains.

    Parameters
    ----------
    network
        The network. Its strategy is set before (``network.set_strategy``).
    strength
        The weight lambda of the penalty; :func:`calibrate` gives one that makes both terms alike at the start.

    Attributes
    ----------
    needs
        What the penalty reads from the targets beside ``label``.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    penalised: ClassVar[bool] = False

    def __init__(self, network: Network, strength: float = 1.0) -> None:
        super().__init__(network.model.input, network.model.outputs[0], name=f"guided_{network.model.name}")
        self.strength = float(strength)
        self._cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of a batch, a scalar; Keras calls this in every step of ``fit``."""
        loss = self.fit_term(x, y, y_pred)
        if not self.penalised:
            return loss
        hold(self.non_trainable_variables)
        return loss + self.strength * self.penalty(self.raw(x), y)

    def fit_term(self, x: Any, y: Targets, y_pred: Any) -> Any:
        """Return the cross-entropy of the labels, a mean over the batch."""
        return self._cross_entropy(y["label"], y_pred)

    def penalty(self, x: Any, y: Targets) -> Any:
        """Return the penalty of a batch, a scalar of at least 0, a mean over its images; ``x`` as :meth:`raw`."""
        raise NotImplementedError(f"{type(self).__name__} has no penalty.")

    def raw(self, x: Any) -> Any:
        """Return images ``(n, H, W, 3)`` in the type that the network computes in: they can be differentiated."""
        return keras.ops.cast(x, self.inputs[0].dtype)


def calibrate(model: Guided, batches: Iterable[tuple[Any, Targets]], factor: float = 1.0) -> float:
    """Return the strength that makes the penalty ``factor`` times the cross-entropy on ``batches``, as they are now.

    Ross, Hughes and Doshi-Velez (2017) choose lambda so that both terms have a similar size. Raises ``ValueError``
    where the penalty is 0 or not finite: then no strength makes it count.
    """
    entropy, penalty = 0.0, 0.0
    for x, y in batches:
        logits = model(x, training=False)
        entropy += float(model.fit_term(x, y, logits))
        penalty += float(model.penalty(model.raw(x), y))
    if not 0 < penalty < float("inf"):
        raise ValueError(
            f"The penalty of {type(model).__name__} is {penalty} on the first batches, so no strength makes it as "
            f"large as the cross-entropy, {entropy:.3g}. Are masks 1 everywhere, or is a dead layer in the way?"
        )
    return factor * entropy / penalty
