"""What a model's last step is, told by numbers: an adopted network answers as the model itself does."""

import keras
import numpy as np
import pytest

from rrr_utils import networks
from rrr_utils.networks import output_layer, self_check

layers, ops = keras.layers, keras.ops
SIZE, CLASSES = 16, 3


class Cosine(layers.Dense):
    """A head that uses its kernel in its own way."""

    def call(self, x):
        return self.activation(10 * ops.matmul(ops.normalize(x), ops.normalize(self.kernel, axis=0)))


class Opaque(keras.Model):
    """A model of which nobody outside sees more than its call."""

    def __init__(self):
        super().__init__()
        self.inner = body()

    def call(self, images):
        return ops.softmax(self.inner(images))


class OwnCall(keras.Model):
    """A Functional model whose call does more than its graph."""

    def call(self, images, training=None, mask=None):
        return 0.5 * super().call(images) + 0.5 / CLASSES


class Drawing(layers.Layer):
    """Noise that does not stop in inference."""

    def call(self, x):
        return x + keras.random.normal(ops.shape(x))


def body(last=None, units=CLASSES, activation=None):
    """Logits far enough apart that a softmax of a softmax is told from one."""
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(layers.Rescaling(1 / 64, -1)(images))
    last = last or layers.Dense(units, activation=activation, name="head", kernel_initializer="random_normal")
    y = last(layers.Flatten(name="flat")(x))
    return keras.Model(images, y, name="body")


def behind(step, activation="softmax", units=CLASSES):
    images = keras.Input((SIZE, SIZE, 3))
    return keras.Model(images, step(body(units=units, activation=activation)(images)), name="whole")


def behind_layer(layer):
    model = body()
    return keras.Model(model.input, layer(model.output))


def mean_of_two(units=CLASSES, activation="softmax"):
    images = keras.Input((SIZE, SIZE, 3))
    members = [body(units=units, activation=activation) for _ in range(2)]
    members[1].name = "other"  # its layers are called as the first one's
    return keras.Model(images, layers.Average()([member(images) for member in members]))


def called_twice():
    images = keras.Input((SIZE, SIZE, 3))
    one = body(activation="softmax")
    return keras.Model(images, layers.Average()([one(images), one(ops.flip(images, axis=2))]))


def convolution_head():
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.GlobalMaxPooling2D(keepdims=True)(layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(images)))
    return keras.Model(images, layers.Flatten()(layers.Conv2D(CLASSES, 1, activation="softmax")(x)))


def quantised():
    model = body(activation="softmax")
    model.quantize("int8")
    return model


def own_call():
    inner = body(activation="softmax")
    return OwnCall(inner.input, inner.output)


def opaque():
    model = Opaque()
    model(np.zeros((1, SIZE, SIZE, 3), np.float32))
    return model


def inside(model):
    images = keras.Input((SIZE, SIZE, 3))
    return keras.Model(images, model(images))


def named(**names):
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, name=names["first"])(layers.Rescaling(1 / 255, name=names["before"])(images))
    z = layers.Dense(CLASSES, name=names["head"])(layers.Flatten()(x))
    return keras.Model(images, layers.Softmax()(layers.Rescaling(0.5)(z)))


def half(policy):
    keras.config.set_dtype_policy(policy)
    try:
        return body(activation="softmax")
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("make", "explained"),
    [
        (lambda: behind(ops.softmax, None), "logit"),
        (lambda: behind(keras.activations.softmax, None), "logit"),
        (lambda: behind(layers.Activation("linear", dtype="float32")), "logit"),
        (lambda: behind(layers.Dropout(0.1)), "logit"),
        (lambda: behind(lambda p: p / ops.sum(p, axis=-1, keepdims=True)), "logit"),
        (lambda: behind(lambda z: ops.sigmoid(2 * z), None, units=1), "logit"),
        (lambda: behind(lambda p: 0.9 * p + 0.1 / CLASSES), "log p"),
        (lambda: behind(lambda p: 0.8 * p + 0.1, "sigmoid", units=1), "log p"),
        (lambda: body(Cosine(CLASSES, activation="softmax")), "log p"),
        (lambda: body(layers.SpectralNormalization(layers.Dense(CLASSES, activation="softmax"))), "log p"),
        (lambda: behind(lambda p: {"label": p}), "logit"),
        (lambda: named(first="images", before="preprocess", head="logits"), "logit"),
        (lambda: body(layers.Dense(1, activation="sigmoid", name="logits")), "logit"),
        (lambda: body(Cosine(CLASSES, activation="softmax", name="logits")), "log p"),
        (lambda: half("float16"), "logit"),
        (lambda: half("mixed_float16"), "logit"),
        (lambda: inside(opaque()), "log p"),
        (mean_of_two, "log p"),
        (lambda: mean_of_two(1, "sigmoid"), "log p"),
        (called_twice, "log p"),
        (convolution_head, "log p"),
        (quantised, "log p"),
        (own_call, "log p"),
        (opaque, "log p"),
    ],
)
def test_an_adopted_network_has_the_models_own_probabilities(make, explained):
    """Whatever the last step is: their softmax is what the model itself says, and what is explained is told."""
    model = make()
    images = self_check.noise(SIZE)[:, ::-1]
    said = keras.tree.flatten(model(images, training=False))[0]
    own = np.asarray(ops.convert_to_numpy(said), np.float64)
    own = np.concatenate([1 - own, own], axis=1) if own.shape[1] == 1 else own
    assert own.std(axis=0).max() > 1e-3, "these images tell nothing"
    network = networks.adopt(model)
    logits = np.asarray(network.model(images, training=False), np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, own, atol=output_layer.tolerance(network.model))
    assert network.outputs == "probabilities"
    assert output_layer.explained(network.model) == explained
    if not isinstance(model, Opaque):
        np.testing.assert_array_equal(keras.tree.flatten(model(images, training=False))[0], said)


@pytest.mark.parametrize("units", [1, CLASSES])
@pytest.mark.parametrize("start", ["zeros", "glorot_uniform"])
def test_an_untrained_head_is_told_as_a_trained_one(units, start):
    """Logits that are 0, or by chance all positive, are logits; probabilities that are all the same are none."""
    for activation, outputs in ((None, "logits"), ("sigmoid" if units == 1 else "softmax", "probabilities")):
        head = layers.Dense(units, activation=activation, kernel_initializer=start, name="logits")
        network = networks.adopt(body(head))
        assert network.outputs == outputs
        assert output_layer.explained(network.model) == "logit"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: body(units=1, activation="softmax"), r"always 1: a softmax over one unit"),
        (lambda: body(activation="log_softmax"), r"log_softmax.*outputs='logits'"),
        (lambda: body(activation="relu"), r"never below 0.*model\.layers\[-1\]\.activation = None"),
        (lambda: behind_layer(layers.ReLU()), r"never below 0.*keras\.Model\(model\.input, model\.layers\[-1\]\.input"),
        (lambda: body(activation="sigmoid"), r"independent sigmoids.*keras\.Model\(model\.input, model\.output"),
        (lambda: behind(lambda p: [p, p]), r"has 2 outputs.*keras\.Model\(model\.inputs, model\.outputs\[0\]\)"),
    ],
)
def test_what_is_no_classifier_of_exclusive_classes_is_refused_by_name(make, message):
    """The refusal says what the numbers are, with a line that works."""
    model = make()
    with pytest.raises(ValueError, match=message) as refusal:
        networks.adopt(model)
    for line in (
        "keras.Model(model.input, model.output[:, :1])",
        "keras.Model(model.inputs, model.outputs[0])",
        "keras.Model(model.input, model.layers[-1].input)",
    ):
        if line in str(refusal.value):
            networks.adopt(eval(line, {"keras": keras, "model": model}))
    if "activation = None" in str(refusal.value):
        model.layers[-1].activation = None
        assert networks.adopt(model).outputs == "logits"


def test_what_the_outputs_are_can_be_said():
    """Logarithms of probabilities are logits if one says so; logits are no probabilities, whatever one says."""
    model = body(activation="log_softmax")
    network = networks.adopt(model, outputs="logits")
    np.testing.assert_allclose(network.model(self_check.noise(SIZE)), model(self_check.noise(SIZE)), atol=1e-5)
    with pytest.raises(ValueError, match="expected probabilities of exclusive classes"):
        networks.adopt(body(), outputs="probabilities")


def test_a_network_that_answers_otherwise_is_refused_with_the_difference():
    """A model that draws random numbers, and one whose weights were changed meanwhile."""
    images = keras.Input((SIZE, SIZE, 3))
    x = Drawing()(layers.Flatten()(layers.Rescaling(1 / 64)(images)))
    with pytest.raises(ValueError, match=r"differs from its own by 0\.\d+.*draws random numbers.*Occlusion\(\)"):
        networks.adopt(keras.Model(images, layers.Dense(CLASSES, activation="softmax")(x)))
    one, other = body(activation="softmax"), body(activation="softmax")
    with pytest.raises(ValueError, match=r"on the images .* differs from its own by 0\.\d+.*does more"):
        self_check.hold(networks.adopt(one), other, self_check.noise(SIZE), "the images")
