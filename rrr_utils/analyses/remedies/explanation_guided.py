"""Explanation-guided training (Sun et al., arXiv 2007.08790, as we read the abstract): relevance weighs features."""

from typing import Any

from keras import ops

from rrr_utils.analyses.remedies.base import Guided, Targets
from rrr_utils.analyses.remedies.network_halves import cut
from rrr_utils.networks.network import Network


class ExplanationGuided(Guided):
    r"""Cross-entropy of the network, and of its head on features that are weighed by their relevance.

    .. math:: \mathrm{CE}(h(A)) + \lambda \, \mathrm{CE}(h(w \odot A)), \quad w = 1 + R / \max |R|, \quad
        R = A \odot \partial z_y / \partial A

    with A the output of ``network.grad_cam_layer``, h what follows it and y the label; w, from 0 to 2, is taken as
    given. The paper, about few-shot classifiers of whole new domains, is known to us by its abstract: it explains by
    layer-wise relevance propagation, of which gradient times input is the form for a head of linear layers with ReLU
    and without biases.
    """

    penalised = True

    def __init__(self, network: Network, strength: float = 1.0) -> None:
        super().__init__(network, strength)
        self._halves = cut(network)

    def penalty(self, x: Any, y: Targets) -> Any:
        activations, slopes = self._halves.slopes(x, y["label"])
        guided = self._halves.behind([x, relevance_weights(activations, slopes) * activations], training=False)
        return super().fit_term(x, y, guided)


def relevance_weights(activations: Any, slopes: Any) -> Any:
    """Return weights from 0 to 2 for activations ``(n, h, w, K)``, as constants: 1 where nothing is relevant."""
    relevance = activations * slopes
    largest = ops.max(ops.abs(relevance), axis=(1, 2, 3), keepdims=True)
    return ops.stop_gradient(1 + ops.divide_no_nan(relevance, largest))
