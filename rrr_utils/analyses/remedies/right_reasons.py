"""Right for the right reasons (Ross, Hughes and Doshi-Velez 2017): gradients outside the object are penalised."""

from typing import Any

import keras

from rrr_utils.analyses.remedies.base import Guided, Targets
from rrr_utils.engine.gradients import with_slope


class RightReasons(Guided):
    r"""Cross-entropy and the squared gradient of the images outside the object.

    .. math:: P = \frac{1}{N} \sum_{n,d} \Big( A_{nd} \frac{\partial}{\partial x_{nd}} \sum_k \log p_{nk} \Big)^2,
        \quad A = 1 - \text{mask},

    the paper's first equation with its sum over images turned into a mean, so that lambda does not depend on the size
    of a batch, and without its decay of weights. x are raw pixels, 0 to 255. A network without a slope in the
    background cannot answer by it, to first order.
    """

    needs = ("mask",)
    penalised = True

    def penalty(self, x: Any, y: Targets) -> Any:
        _, slopes = with_slope(lambda x: keras.ops.log_softmax(self(x, training=False)), x)
        outside = (1 - keras.ops.cast(y["mask"], x.dtype))[..., None]
        return keras.ops.mean(keras.ops.sum(keras.ops.square(slopes * outside), axis=(1, 2, 3)))
