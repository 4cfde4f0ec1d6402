"""The forward pass: equal to the model's own, in batches of one size, in either engine; and a quiet start."""

import os
import subprocess
import sys
import threading

import keras
import numpy as np
import openvino
import pytest

from rrr_utils.engine import passes as engine
from rrr_utils.engine import weights
from rrr_utils.networks import network as networks

each_kind = pytest.mark.parametrize("kind", ["compiled", pytest.param("openvino", marks=pytest.mark.tensorflow)])


def pictures(n, size=32):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def direct(network, images):
    return np.array(network.model(images.astype(np.float32), training=False))


@each_kind
def test_logits_are_those_of_the_model(tiny_network, kind):
    """Whatever the number of images, with 4 at a time, the result is the model's in inference mode."""
    run = engine.forward(tiny_network, kind, batch=4)
    for n in (9, 1, 4):
        images = pictures(n)
        logits = run(images)
        assert (logits.shape, logits.dtype) == ((n, 3), np.float32)
        np.testing.assert_allclose(logits, direct(tiny_network, images), atol=1e-5)
    assert run(pictures(0)).shape == (0, 3)


@pytest.mark.tensorflow
def test_both_engines_agree_on_random_weights():
    """Compiled and OpenVINO passes differ by less than 1e-3 of the logits' scale: float32 in both, not bfloat16."""
    network = networks.build("mobilenet", classes=4, size=64, alpha=0.25, weights=None)
    images = pictures(8, 64)
    compiled, converted = (engine.forward(network, kind, batch=8)(images) for kind in ("compiled", "openvino"))
    assert np.ptp(compiled) > 0
    np.testing.assert_allclose(converted, compiled, atol=1e-3 * np.abs(compiled).max())
    # Inference mode: in training mode, batch normalisation would answer otherwise.
    np.testing.assert_allclose(compiled, direct(network, images), atol=1e-4 * np.abs(compiled).max())


def test_an_images_logits_do_not_depend_on_its_company(tiny_network):
    """Alone, first or last of many, an image gets the same bits."""
    images = pictures(9)
    run = engine.forward(tiny_network, batch=4)
    together = run(images)
    alone = np.concatenate([run(images[place : place + 1]) for place in range(9)])
    np.testing.assert_array_equal(together, alone)


def test_weights_restored_later_count_in_the_compiled_pass():
    """A pass made before a checkpoint is loaded gives the checkpoint's logits afterwards."""
    network = networks.build("convnet", classes=2, size=32, weights=None)
    run = engine.forward(network)
    images = pictures(3)
    before = run(images)
    other = weights.take(networks.build("convnet", classes=2, size=32, weights=None, seed=1).model)
    weights.put(network.model, other, network.trainable_layers("all"), "another seed")
    assert not np.allclose(run(images), before)
    np.testing.assert_allclose(run(images), direct(network, images), atol=1e-5)


def test_nothing_is_traced_twice():
    """Batches of every size go through one compiled function."""
    traced = []

    @keras.saving.register_keras_serializable("tests")
    class Counting(keras.layers.Layer):
        def call(self, x):
            traced.append(x.shape)
            return x

    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(Counting()(inputs)))
    run = engine.forward(model, batch=4)
    traced.clear()
    for n in (1, 4, 5, 11):
        run(pictures(n, 4))
    assert [tuple(shape) for shape in traced] == [(4, 4, 4, 3)]


def test_a_prefix_is_run_too(tiny_network):
    """Any model with one input and one output can be run; the result has that model's shape."""
    prefix, suffix = tiny_network.split("dense")
    images = pictures(5)
    features = engine.forward(prefix, batch=2)(images)
    assert features.shape == (5, 4, 4, 48)
    np.testing.assert_allclose(engine.forward(suffix, batch=2)(features), direct(tiny_network, images), atol=1e-5)


def test_images_of_another_size_are_refused(tiny_network):
    """A single image without its batch and images of another size get an error with both shapes and the remedy."""
    run = engine.forward(tiny_network)
    for wrong in (np.zeros((32, 32, 3)), np.zeros((1, 64, 64, 3))):
        with pytest.raises(ValueError, match=r"\('N', 32, 32, 3\), but .*images\.squash"):
            run(wrong)
    with pytest.raises(ValueError, match="`kind` must be one of"):
        engine.forward(tiny_network, "xla")
    with pytest.raises(ValueError, match="`batch` must be at least 1"):
        engine.forward(tiny_network, batch=0)


@pytest.mark.tensorflow
def test_openvino_is_told_to_stay_in_float32(tiny_network, monkeypatch):
    """The precision and the number of threads are set, not left to the processor that happens to be there."""
    seen = {}
    original = openvino.Core.compile_model

    def spy(core, model, device, settings):
        seen.update(settings)
        return original(core, model, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", spy)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    engine.forward(tiny_network, "openvino")
    assert seen["INFERENCE_PRECISION_HINT"] == "f32"
    assert seen["INFERENCE_NUM_THREADS"] == 1
    engine.forward(tiny_network, "openvino-bfloat16")
    assert seen["INFERENCE_PRECISION_HINT"] == "bf16"


@pytest.mark.tensorflow
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or os.cpu_count() == 1, reason="needs Linux and two cores")
def test_a_pass_stays_free_to_run_on_any_core(tiny_network):
    """Tied to the first core, as OpenVINO would have it, two processes at once would be as fast as one."""
    run = engine.forward(tiny_network, "openvino", batch=64)
    images, thread, seen, done = pictures(640), threading.get_native_id(), [], threading.Event()

    def watch():
        while not done.wait(1e-4):
            seen.append(os.sched_getaffinity(thread))

    before, watcher = os.sched_getaffinity(thread), threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(5):
            run(images)
    finally:
        done.set()
        watcher.join()
    assert len(seen) > 10
    assert set(map(frozenset, seen)) == {frozenset(before)}


@pytest.mark.tensorflow
def test_bfloat16_is_asked_for_and_drifts_little(tiny_network):
    """No network gets it by itself; asked for, logits are off by at most eight bits' worth of their scale."""
    assert engine.fastest(tiny_network.model) != "openvino-bfloat16"
    images, state = pictures(5), [weights.take(tiny_network.model)]
    exact = direct(tiny_network, images)
    (each,) = engine.forward_each(tiny_network.model, state, "openvino-bfloat16", batch=2)
    for run in (engine.forward(tiny_network, "openvino-bfloat16", batch=4), each):
        drift = np.abs(run(images) - exact).max()
        assert drift < 0.05 * np.abs(exact).max()


STARTED = """
from rrr_utils.engine import passes as engine
assert engine.start() == 1
import keras, numpy as np, tensorflow as tf
from rrr_utils.networks import network as networks
assert tf.config.threading.get_intra_op_parallelism_threads() == 1
assert tf.config.threading.get_inter_op_parallelism_threads() == 1
engine.start(1)
network = networks.build("convnet", classes=2, size=32, weights=None)
network.model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
images = np.zeros((4, 32, 32, 3), np.uint8)
network.model.fit(images, np.array([0, 1, 0, 1]), verbose=0)
print(engine.forward(network)(images).shape)
try:
    engine.start(2)
except RuntimeError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_started_engine_is_quiet_and_keeps_its_threads(monkeypatch):
    """Nothing reaches file descriptor 2 from the import to training; the number of threads is fixed, then refused."""
    for name in ("TF_CPP_MIN_LOG_LEVEL", "RRR_THREADS"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, timeout=1800)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first == "(4, 2)"
    assert "another number of threads than 2" in second
    assert "Restart the kernel" in second


def test_the_number_of_threads_must_be_one(monkeypatch):
    """A number below one and a word are refused before anything is imported or set."""
    with pytest.raises(ValueError, match="at least 1, but 0 was passed"):
        engine.start(0)
    monkeypatch.setenv("RRR_THREADS", "two")
    with pytest.raises(ValueError, match="RRR_THREADS must be a number of threads, at least 1, but it is 'two'"):
        engine.start()


def test_an_error_behind_the_quiet_start_is_shown(capfd):
    """What was kept from descriptor 2 is written there if the block fails, and descriptor 2 works afterwards."""

    def fail():
        with engine._quiet():
            os.write(2, b"the reason")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    with engine._quiet():
        os.write(2, b"noise")
    os.write(2, b", and on")
    assert capfd.readouterr().err == "the reason, and on"


@each_kind
def test_one_pass_for_each_state_of_the_weights(kind):
    """Each pass answers with its own state, whatever weights the model has by then."""
    network = networks.build("convnet", classes=3, size=32, weights=None)
    images, states, expected = pictures(5), [], []
    for factor in (1.0, 0.5, 2.0):
        for variable in network.model.get_layer("logits").weights:
            variable.assign(variable * factor)
        states.append(weights.take(network.model))
        expected.append(direct(network, images))
    passes = engine.forward_each(network.model, states, kind, batch=2)
    for run, logits in zip(passes[::-1], expected[::-1], strict=True):
        np.testing.assert_allclose(run(images), logits, rtol=1e-5, atol=1e-4)


def test_a_state_that_lacks_a_weight_is_named(tiny_network):
    """The weight that is missing stands in the message."""
    state = weights.take(tiny_network.model)
    del state["conv2/bias"]
    with pytest.raises(ValueError, match="conv2/bias"):
        engine.forward_each(tiny_network.model, [state])


@pytest.mark.tensorflow
def test_the_fastest_pass_follows_the_layers():
    """OpenVINO where there is batch normalisation to fold, TensorFlow for plain convolutions and for a head."""
    mobile = networks.build("mobilenet", classes=2, size=32, alpha=0.25, weights=None)
    plain = networks.build("vgg16", classes=2, size=32, weights=None)
    assert engine.fastest(mobile.model) == "openvino"
    assert engine.fastest(mobile.split("dense")[1]) == "compiled"
    assert engine.fastest(plain.model) == "compiled"


def test_a_compiled_function_reads_variables_as_they_are_now():
    """What a variable is changed to after the function was compiled counts; arrays of other lengths go through too."""
    factor = keras.Variable(np.array([1, 2], np.float32))
    run = engine.compiled(lambda array: array * factor, (None, 2), [factor])
    np.testing.assert_array_equal(run(np.ones((3, 2), np.float32)), [[1, 2]] * 3)
    factor.assign(np.array([3, 4], np.float32))
    np.testing.assert_array_equal(run(np.ones((1, 2), np.float32)), [[3, 4]])
    np.testing.assert_array_equal(run(np.ones((3, 2), np.float32)), [[3, 4]] * 3)


TELLTALE = """
import multiprocessing.process, sys
def start(self):
    raise AssertionError("a process was started")
multiprocessing.process.BaseProcess.start = start
from rrr_utils.engine import passes as engine
from rrr_utils.networks import network as networks
network = networks.build("mobilenet", classes=2, size=32, alpha=0.25, weights=None)
engine.forward(network.model, "openvino", 4)
import openvino.tools.ovc.telemetry_utils as ovc
print(ovc.tm.__name__)
"""


@pytest.mark.tensorflow
def test_a_conversion_tells_nobody():
    """The converter's reports are switched off, also where no CI is named: no process is started for one."""
    quiet = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run([sys.executable, "-c", TELLTALE], env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == "openvino.tools.ovc.telemetry_stub"
