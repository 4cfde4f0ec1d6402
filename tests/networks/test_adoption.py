"""Other people's models made flat: the same outputs, as logits, with the layer that Grad-CAM reads."""

import keras
import numpy as np
import pytest

from rrr_utils import networks
from rrr_utils.networks import adoption
from rrr_utils.networks.output_layer import Linear, TwoLogits
from rrr_utils.networks.preprocessing import NEUTRAL

layers = keras.layers


def pictures(size, n=4):
    return np.random.default_rng(1).integers(0, 256, (n, size, size, 3)).astype(np.float32)


def body(x):
    x = layers.Conv2D(4, 3, strides=2)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU(name="last_features")(x)


def backbone():
    inputs = keras.Input((32, 32, 3))
    return keras.Model(inputs, body(inputs), name="backbone")


def nested(units=3, activation="softmax"):
    """A backbone called as one layer, and in it nothing that a user sees."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 50.0, offset=-1.0)(inputs)
    x = layers.GlobalAveragePooling2D()(backbone()(x, training=False))
    return keras.Model(inputs, layers.Dense(units, activation=activation, name="answer")(x))


def sequential(units=3, last=()):
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.Sequential([layers.RandomFlip(), layers.Rescaling(1 / 255.0)], name="augmentation"),
            keras.Sequential([backbone(), layers.MaxPooling2D()], name="features"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(units, name="answer"),
            *last,
        ]
    )


def residual():
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(3, 3, padding="same")(inputs)
    x = layers.Activation("relu", name="last_features")(layers.Add()([x, inputs]))
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Flatten()(layers.Dropout(0.1)(x))))


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (nested, softmax),
        (lambda: nested(activation=None), np.asarray),
        (lambda: sequential(last=[layers.Softmax()]), softmax),
        (lambda: sequential(last=[layers.Activation("softmax")]), softmax),
        (sequential, np.asarray),
        (residual, np.asarray),
    ],
)
def test_an_adopted_model_gives_the_same_answer_as_logits(make, expected):
    """Flat, logits last, the same weights objects; the logits are the model's own, or their softmax is its output."""
    model = make()
    images = pictures(32)
    before = np.array(model(images, training=False))
    network = networks.adopt(model)
    logits = np.array(network.model(images, training=False))
    np.testing.assert_allclose(expected(logits), before, atol=1e-6)
    np.testing.assert_array_equal(np.array(model(images, training=False)), before)
    assert network.model.layers[-1].name == "logits"
    assert not any(isinstance(layer, keras.Model) for layer in network.model.layers)
    assert network.grad_cam_layer == "last_features"
    assert (network.classes, network.size) == (3, 32)
    assert {id(weight) for weight in network.model.weights} == {id(weight) for weight in model.weights}


def test_one_sigmoid_becomes_two_logits():
    """A sigmoid of z becomes the logits (-z/2, z/2): the same probability of class 1, and both classes move."""
    for model in (nested(1, "sigmoid"), sequential(1, [layers.Activation("sigmoid")])):
        images = pictures(32)
        network = networks.adopt(model)
        logits = np.array(network.model(images, training=False))
        assert network.classes == 2
        np.testing.assert_array_equal(logits[:, 0], -logits[:, 1])
        assert np.ptp(logits[:, 0]) > 0
        np.testing.assert_allclose(softmax(logits)[:, 1:], np.array(model(images, training=False)), atol=1e-6)


def test_an_adopted_network_can_be_cut_and_frozen():
    """It has two blocks: behind the cut the suffix gives the same logits, and ``dense`` trains its layers alone."""
    network = networks.adopt(nested())
    images = pictures(32)
    prefix, suffix = network.split("dense")
    np.testing.assert_allclose(
        np.array(suffix(prefix(images))), np.array(network.model(images, training=False)), atol=1e-6
    )
    assert prefix.output.shape[1:] == (15, 15, 4)
    assert network.set_strategy("dense") == ("answer_linear",)
    assert [weight.path for weight in network.model.trainable_variables] == ["answer/kernel", "answer/bias"]
    with pytest.raises(ValueError, match=r"has only the blocks \['conv', 'dense'\]"):
        network.set_strategy("blocks4-5")


@pytest.mark.parametrize(
    ("application", "layer"),
    [("MobileNet", "conv_pw_13_relu"), ("VGG16", "block5_conv3"), ("ResNet50V2", "post_relu")],
)
def test_keras_applications_with_their_top_are_adopted(application, layer):
    """The layer for Grad-CAM is the last map of more than one cell: not MobileNet's conv_preds behind the pooling."""
    size = 64
    model = getattr(keras.applications, application)(weights=None, classes=3, input_shape=(size, size, 3))
    network = networks.adopt(model, preprocess="tf")
    assert network.grad_cam_layer == layer
    scaled = pictures(size) / 127.5 - 1
    expected = np.array(model(scaled, training=False))
    np.testing.assert_allclose(softmax(np.array(network.model(pictures(size), training=False))), expected, atol=1e-5)


def test_our_own_networks_can_be_adopted():
    """A network of this package, adopted from its Keras model, is what it was."""
    own = networks.build("convnet", classes=3, size=32, weights=None)
    network = networks.adopt(own.model)
    images = pictures(32)
    np.testing.assert_array_equal(np.array(network.model(images, training=False)), np.array(own.model(images)))
    assert network.grad_cam_layer == own.grad_cam_layer
    np.testing.assert_allclose(network.neutral, own.neutral)


@pytest.mark.parametrize(
    ("preprocess", "neutral"),
    [
        (None, [50, 50, 50]),
        ("tf", [127.5, 127.5, 127.5]),
        ("caffe", [123.68, 116.779, 103.939]),
        ("torch", [123.675, 116.28, 103.53]),
    ],
)
def test_the_neutral_colour_follows_the_scaling(preprocess, neutral):
    """x / 50 - 1 of the model's own Rescaling is 0 at 50; otherwise the mode says it."""
    np.testing.assert_allclose(networks.adopt(nested(), preprocess).neutral, neutral, rtol=1e-5)


@pytest.mark.parametrize(("module", "mode"), [("resnet50", "caffe"), ("mobilenet", "tf"), ("densenet", "torch")])
def test_preprocess_input_inside_the_model_is_its_scaling(module, mode):
    """Keras leaves it in the model as arithmetic; where channels are reversed they are taken apart and stacked."""
    inputs = keras.Input((16, 16, 3))
    x = getattr(keras.applications, module).preprocess_input(inputs)
    outputs = layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x)))
    network = networks.adopt(keras.Model(inputs, outputs))
    assert adoption.scaling_layers(network.model)
    np.testing.assert_allclose(network.neutral, NEUTRAL[mode], rtol=1e-4)


def test_a_single_channel_is_no_scaling():
    """A model that looks at one channel, or at a part of the image, has not scaled the image by that."""
    inputs = keras.Input((16, 16, 3))
    for part in (inputs[..., :1], inputs[:, 4:12, 4:12]):
        outputs = layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(part / 255.0)))
        network = networks.adopt(keras.Model(inputs, outputs))
        assert adoption.scaling_layers(network.model) == []
        np.testing.assert_array_equal(network.neutral, 0)


def test_a_model_without_convolutions_has_no_layer_for_grad_cam():
    """A perceptron on pixels is adopted, with a head alone."""
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)])
    network = networks.adopt(model)
    assert network.grad_cam_layer == ""
    assert list(network.blocks) == ["dense"]
    np.testing.assert_array_equal(network.neutral, 0)


def test_an_open_size_must_be_said():
    """A model for images of any size is adopted at the size that is passed."""
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalMaxPooling2D()(layers.Conv2D(3, 3)(inputs))))
    with pytest.raises(ValueError, match=r"open\. Say it: size=224"):
        networks.adopt(model)
    assert networks.adopt(model, size=16).model.input_shape == (None, 16, 16, 3)


def unbuilt():
    return keras.Sequential([layers.Flatten(), layers.Dense(2)])


def two_inputs():
    inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Add()(inputs))))


def many_labels():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(4, activation="sigmoid")])


def grey():
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2)])


def oblong():
    return keras.Sequential([keras.Input((8, 9, 3)), layers.Flatten(), layers.Dense(2)])


def a_map():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (unbuilt, "has no input yet"),
        (two_inputs, r"has 2 inputs.*model\(\[images, images\]\)"),
        (many_labels, r"4 outputs .* lie between 0 and 1.*model\.output\[:, :1\]"),
        (grey, r"grey images.*rgb_to_grayscale"),
        (oblong, r"8 x 9; expected a square\. Put layers in front .*Resizing"),
        (a_map, "Pool or flatten its output"),
    ],
)
def test_what_cannot_be_adopted_is_refused_with_the_remedy(make, message):
    """Each kind of model that cannot be flattened gets an error that says what to do."""
    with pytest.raises(ValueError, match=message):
        networks.adopt(make())


def test_an_adopted_network_survives_saving(tmp_path):
    """The layers that adoption adds can be saved and loaded."""
    for model in (nested(), nested(1, "sigmoid")):
        network = networks.adopt(model)
        network.model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        images = pictures(32)
        np.testing.assert_allclose(np.array(again(images)), np.array(network.model(images, training=False)), atol=1e-6)
        assert {type(layer) for layer in again.layers} & {Linear, TwoLogits}
