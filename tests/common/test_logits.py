"""Numbers made of logits, against SciPy's."""

import numpy as np
from numpy.testing import assert_allclose
from scipy import special

from rrr_utils.common import logits


def test_probabilities_and_losses_are_those_of_scipy() -> None:
    """Softmax, cross-entropy and log odds of random logits, and of some so large that a plain exponential overflows."""
    values = np.random.default_rng(0).normal(scale=[[1.0], [30.0], [1000.0]], size=(3, 5))
    labels = np.array([4, 0, 2])
    places = np.arange(3)
    assert_allclose(logits.softmax(values), special.softmax(values, axis=1), rtol=1e-12)
    assert_allclose(logits.cross_entropy(values, labels), -special.log_softmax(values, axis=1)[places, labels])
    share = special.softmax(values[:1], axis=1)[0, 4]
    assert_allclose(logits.log_odds(values[:1], labels[:1]), special.logit(share))
    assert_allclose(logits.cross_entropy([[0.0, 0.0], [np.log(3), 0.0]], np.array([1, 0])), np.log([2, 4 / 3]))
