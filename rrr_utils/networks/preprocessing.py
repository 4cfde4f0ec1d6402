"""From raw RGB to what a network was trained on, as a layer inside the network."""

from typing import Any

import keras
import numpy as np

from rrr_utils.common.choices import one_of

MODES = ("caffe", "tf", "torch")

#: The mode of each module of ``keras.applications``; None where the model scales raw RGB itself.
KERAS = {
    **dict.fromkeys(("resnet", "resnet50", "vgg16", "vgg19"), "caffe"),
    **dict.fromkeys(("inception_resnet_v2", "inception_v3", "mobilenet", "mobilenet_v2", "nasnet"), "tf"),
    **dict.fromkeys(("resnet_v2", "xception"), "tf"),
    "densenet": "torch",
    **dict.fromkeys(("convnext", "efficientnet", "efficientnet_v2", "mobilenet_v3"), None),
}

_MEAN = np.array([123.68, 116.779, 103.939], np.float32)  # RGB mean of ImageNet in Caffe's models
_TORCH_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_TORCH_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

#: The raw RGB colour that each mode maps to 0.
NEUTRAL = {"caffe": _MEAN, "tf": np.full(3, 127.5, np.float32), "torch": 255 * _TORCH_MEAN}


def mode_of(name: str | None) -> str | None:
    """Return the mode called ``name``, or that of the module ``name`` of ``keras.applications`` (see ``KERAS``).

    None, and a module whose models scale raw RGB themselves, give None: nothing is to be done. Another name raises
    ``ValueError``.
    """
    if name is None or name in MODES:
        return name
    one_of("preprocess", name, [None, *MODES, *sorted(KERAS)])
    return KERAS[name]


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
