"""From raw RGB to what a network was trained on, as a layer inside the network."""

from typing import Any

import keras
import numpy as np

from rrr_utils.choices import one_of

MODES = ("caffe", "tf", "torch")

_MEAN = np.array([123.68, 116.779, 103.939], np.float32)  # RGB mean of ImageNet in Caffe's models
_TORCH_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_TORCH_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

#: The raw RGB colour that each mode maps to 0.
NEUTRAL = {"caffe": _MEAN, "tf": np.full(3, 127.5, np.float32), "torch": 255 * _TORCH_MEAN}


@keras.saving.register_keras_serializable("rrr_utils")
class Preprocess(keras.layers.Layer):
    """Scale raw RGB 0 to 255 as ``keras.applications`` does in the mode of the same name.

    ``caffe``: channels reversed to BGR, ImageNet's mean subtracted (VGG16, ResNet50). ``tf``: to [-1, 1] (MobileNet,
    the ConvNet). ``torch``: to [0, 1], then standardised per channel. Shape in and out: (N, H, W, 3) float32.
    """

    def __init__(self, mode: str, **options: Any) -> None:
        super().__init__(**options)
        one_of("mode", mode, MODES)
        self.mode = mode

    def call(self, images: Any) -> Any:
        if self.mode == "caffe":
            return keras.ops.flip(images - _MEAN, axis=-1)
        if self.mode == "tf":
            return images / 127.5 - 1.0
        return (images / 255.0 - _TORCH_MEAN) / _TORCH_DEVIATION

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}
