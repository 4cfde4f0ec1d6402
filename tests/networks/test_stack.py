"""Several checkpoints together: the same logits and maps as each alone, with what they share computed once."""

import numpy as np
import pytest

from rrr_utils.analyses.zoo.crowds import Crowd
from rrr_utils.engine import gradients, weights
from rrr_utils.engine import passes as engine
from rrr_utils.explainers import LIME, GradCAM, GradCAMPlusPlus, Occlusion, explain
from rrr_utils.networks import network as networks
from rrr_utils.networks import stack

PLANS = {
    "convnet-all": ("convnet", {"size": 48}, "all", None),
    "mobilenet-dense": ("mobilenet", {"size": 64, "alpha": 0.25}, "dense", "dense"),
    "mobilenet-blocks4-5": ("mobilenet", {"size": 64, "alpha": 0.25}, "blocks4-5", "conv4"),
    "mobilenet-all": ("mobilenet", {"size": 64, "alpha": 0.25}, "all", None),
    "vgg16-dense": ("vgg16", {"size": 32}, "dense", "dense"),
    "vgg16-blocks1-3": ("vgg16", {"size": 32}, "blocks1-3", None),
}


def moved(network, strategy, seed):
    """Change every weight of the strategy's layers a little; return all weights."""
    rng = np.random.default_rng(seed)
    for name in network.trainable_layers(strategy):
        for variable in network.model.get_layer(name).weights:
            variable.assign(variable.numpy() + 0.02 * rng.random(variable.shape))
    return weights.take(network.model)


def made(plan, checkpoints=3):
    """Return a stack, the weights of its checkpoints, and five images."""
    architecture, options, strategy, _ = PLANS[plan]
    network = networks.build(architecture, classes=3, weights=None, **options)
    states = [weights.take(network.model)] + [moved(network, strategy, seed) for seed in range(1, checkpoints)]
    together = stack.Stack(network)
    for state in states:
        together.add(state)
    images = np.random.default_rng(9).integers(0, 256, (5, network.size, network.size, 3), np.uint8)
    return together, states, images


def alone(together, state):
    """Return a second network with one checkpoint's weights."""
    first = together.network
    alpha = 0.25 if first.name == "mobilenet" else 1.0
    network = networks.build(first.name, classes=3, size=first.size, alpha=alpha, weights=None, seed=5)
    weights.put(network.model, state, [layer.name for layer in network.model.layers], "the test")
    return network


@pytest.mark.parametrize("plan", PLANS)
def test_logits_are_those_of_each_checkpoint_alone(plan):
    """One architecture after the other, cut at the first block that was trained; more images than a batch too."""
    together, states, images = made(plan)
    assert together.cut == PLANS[plan][3]
    many = np.concatenate([images] * 8)
    found = together(many)
    assert (found.shape, found.dtype) == ((3, 40, 3), np.float32)
    scale = np.ptp(found)
    assert np.abs(found[0] - found[2]).max() > 1e-4 * scale
    for logits, state in zip(found, states, strict=True):
        np.testing.assert_allclose(logits, engine.forward(alone(together, state))(many), atol=1e-5 * scale)


@pytest.mark.parametrize("explainer", [LIME(samples=40), Occlusion(patch=12, stride=9), GradCAM(), GradCAMPlusPlus()])
@pytest.mark.parametrize("plan", ["convnet-all", "vgg16-dense"])
def test_maps_are_those_of_each_checkpoint_alone(plan, explainer):
    """Every explainer gives a checkpoint the map that it has without company."""
    together, states, images = made(plan)
    classes = np.array([0, 1, 2, 0, 1])
    maps = explainer.of_each(together, images, classes, ids=list("abcde"))
    assert maps.shape == (3, *images.shape[:3])
    assert maps.max(axis=(2, 3)).max() == 1
    for each, state in zip(maps, states, strict=True):
        own = explainer(alone(together, state), images, classes, ids=list("abcde"))
        np.testing.assert_allclose(each, own, atol=1e-3)


def test_one_pass_serves_all_that_read_it(monkeypatch):
    """Explainers asked together give the maps of each alone; those of one protocol read one backward pass."""
    asked = [GradCAM(), Occlusion(patch=12, stride=12), GradCAMPlusPlus(batch=2), GradCAM(protocol="authors")]
    together, _, images = made("convnet-all")
    classes = np.array([0, 1, 2, 0, 1])
    expected = [each.of_each(together, images, classes) for each in asked]
    passes = []
    original = gradients.activations_and_gradients

    def counted(network, layer, pictures, *rest):
        passes.append((len(pictures), rest[-1]))
        return original(network, layer, pictures, *rest)

    monkeypatch.setattr(gradients, "activations_and_gradients", counted)
    for found, maps in zip(explain(asked, together, images, classes), expected, strict=True):
        np.testing.assert_allclose(found, maps, atol=1e-6)
    # Five images at once for each of three checkpoints, once a target.
    assert sorted(passes) == sorted([(5, "logit"), (5, "probability")] * 3)


def test_the_shared_blocks_run_once(monkeypatch):
    """For four checkpoints of one head, an image passes the convolutions once."""
    seen = []
    original = engine.forward

    def counted(network, *rest):
        run = original(network, *rest)
        return lambda images: seen.append((network.name, len(images))) or run(images)

    monkeypatch.setattr(engine, "forward", counted)
    together, _, images = made("vgg16-dense", checkpoints=4)
    together(images)
    assert seen == [("vgg16_before_dense", 5)]


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", [stack.Stack, Crowd])
def test_bfloat16_is_another_pass_of_the_same_checkpoints(monkeypatch, kind):
    """Asked for, products are shorter in the shared blocks and in the rest; weights are held once, passes made once."""
    made_first, states, images = made("mobilenet-dense")
    together = kind(made_first.network)
    for state in states:
        together.add(state)
    asked = []
    original = engine._request
    monkeypatch.setattr(
        engine, "_request", lambda model, precision: asked.append(precision) or original(model, precision)
    )
    exact = together(images)
    assert set(asked) <= {"f32"}
    asked.clear()
    short = together.at("bfloat16")
    drift = np.abs(short(images) - exact).max()
    assert asked == ["bf16"] * (1 + len(states))
    assert drift < 0.05 * np.abs(exact).max()
    assert short is together.at("bfloat16")
    assert short.at("float32") is together is together.at("float32")
    assert short.nbytes == together.nbytes
    np.testing.assert_array_equal(together(images), exact)
    together.add(states[0])
    assert len(together.at("bfloat16")) == len(states) + 1
    with pytest.raises(ValueError, match="Did you mean 'bfloat16'"):
        together.at("float16")


@pytest.mark.tensorflow
def test_lime_asks_for_the_precision_that_it_was_given(monkeypatch):
    """Of a stack and of a network; the table's design says so, and plain functions stay as they are."""
    together, states, images = made("vgg16-dense")
    classes, ids = np.array([0, 1, 2, 0, 1]), list("abcde")
    exact = LIME(samples=40).of_each(together, images, classes, ids)
    kinds = []
    original = engine._openvino
    monkeypatch.setattr(engine, "_openvino", lambda *args: kinds.append(args[2]) or original(*args))
    short = LIME(samples=40, precision="bfloat16")
    assert short.design == "coin flips, bfloat16"
    assert LIME(design="orthogonal", control=1000, precision="bfloat16").design == "orthogonal, control 1,000, bfloat16"
    drift = np.abs(short.of_each(together, images, classes, ids) - exact).mean()
    assert set(kinds) == {"openvino-bfloat16"}
    assert drift < 0.1
    kinds.clear()
    own = short(alone(together, states[1]), images, classes, ids)
    assert set(kinds) == {"openvino-bfloat16"}
    assert np.abs(own - exact[1]).mean() < 0.1
    run = engine.forward(alone(together, states[1]))
    np.testing.assert_array_equal(short(run, images, classes, ids), LIME(samples=40)(run, images, classes, ids))
    with pytest.raises(ValueError, match="Did you mean 'bfloat16'"):
        LIME(precision="float16")


def test_weights_that_do_not_differ_are_held_once():
    """Four checkpoints of a head take one network and three heads more."""
    together, states, _ = made("mobilenet-dense", checkpoints=4)
    whole = sum(array.nbytes for array in states[0].values())
    head = sum(array.nbytes for key, array in states[0].items() if key.startswith(("dense_1/", "logits/")))
    assert together.nbytes == whole + 3 * head


def test_one_checkpoint_has_nothing_to_share():
    """A stack of one is the network itself; equal checkpoints are no reason for a cut either."""
    together, states, images = made("mobilenet-dense", checkpoints=1)
    expected = engine.forward(alone(together, states[0]))(images)
    np.testing.assert_allclose(together(images)[0], expected, atol=1e-5)
    together.add(states[0])
    assert together.cut is None
    np.testing.assert_array_equal(*together(images))


def test_an_empty_stack_says_what_to_do():
    """Without a checkpoint there is no answer."""
    network = networks.build("convnet", classes=2, size=32, weights=None)
    with pytest.raises(ValueError, match="holds no checkpoint: call add"):
        stack.Stack(network)(np.zeros((1, 32, 32, 3), np.uint8))
