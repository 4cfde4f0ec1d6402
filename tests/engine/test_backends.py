"""Another Keras backend than TensorFlow: the same maps and losses from the same weights, and a start of its own."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tiny_study

from rrr_utils.study import stamps

BACKEND = stamps.backend()
REFERENCE = tiny_study.PROJECT / ".venv" / "bin" / "python"
other = pytest.mark.skipif(
    BACKEND == "tensorflow", reason="compares another backend with TensorFlow: make test-backends"
)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The sample as TensorFlow has it, and as this backend has it from the weights that TensorFlow wrote."""
    import backend_sample

    folder = tmp_path_factory.mktemp("sample")
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    script = [str(REFERENCE), str(tiny_study.PROJECT / "tests" / "helpers" / "backend_sample.py"), str(folder)]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "sample.npz") as kept:
        reference = dict(kept)
    return reference, backend_sample.sample(folder)


@other
def test_maps_and_logits_agree_with_tensorflows(both):
    """Grad-CAM, also behind a shortcut, Grad-CAM++, LIME and Occlusion: within 1e-3 of a map's maximum of 1."""
    reference, found = both
    names = [name for name in reference if not name.endswith("losses")]
    assert len(names) == 16
    for name in names:
        assert np.ptp(reference[name]) > 0, f"{name} would prove nothing"
        scale = np.abs(reference[name]).max()
        np.testing.assert_allclose(found[name], reference[name], atol=1e-3 * scale, err_msg=name)


@other
def test_losses_agree_with_tensorflows(both):
    """Three epochs from the same weights with the same batches, the whole network and a head on kept activations."""
    reference, found = both
    names = [name for name in reference if name.endswith("losses")]
    assert len(names) == 4
    for name in names:
        assert np.ptp(reference[name]) > 1e-3, f"{name} has not moved"
        np.testing.assert_allclose(found[name], reference[name], rtol=1e-3, err_msg=name)


STARTED = """
from rrr_utils.engine import passes as engine
assert engine.start(1) == engine.start(1) == 1
import sys
import keras, numpy as np
from rrr_utils.networks import network as networks
assert keras.backend.backend() == "{backend}"
assert "tensorflow" not in sys.modules
network = networks.build("convnet", classes=2, size=32, weights=None)
images = np.zeros((4, 32, 32, 3), np.uint8)
print(engine.forward(network)(images).shape)
for refused in (lambda: engine.start(2), lambda: engine.forward(network, "openvino")):
    try:
        refused()
    except (RuntimeError, ValueError) as error:
        print(error)
"""

LATE = """
import keras
keras.ops.zeros(1) + 1
from rrr_utils.engine import passes as engine
engine.start(1)
"""


@other
def test_a_started_engine_is_quiet_and_says_what_it_cannot_do():
    """Nothing on stderr; the number of threads stays; OpenVINO, which converts from TensorFlow, is refused."""
    script = [sys.executable, "-c", STARTED.format(backend=BACKEND)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=1800)
    assert (done.stderr, done.returncode) == ("", 0)
    shape, threads, converted = done.stdout.splitlines()
    assert shape == "(4, 2)"
    assert f"{BACKEND} already runs with another number of threads than 2" in threads
    assert f"converts from TensorFlow, but Keras runs on {BACKEND}. Set KERAS_BACKEND=tensorflow" in converted


@pytest.mark.skipif(BACKEND != "jax", reason="is about JAX, whose number of threads is fixed when it first computes")
def test_a_late_start_is_refused():
    """Where JAX has computed something already, its number of threads is what it is, and the error says what to do."""
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=1800)
    assert "Restart the kernel and call engine.start() first" in done.stderr


def test_versions_name_the_backend_that_computes(monkeypatch):
    """A stamp holds the version of the backend that Keras runs on, and of no other that the code could import."""
    imported = {"keras", "tensorflow", "jax", "torch", "numpy"}
    for backend in ("tensorflow", "jax"):
        monkeypatch.setenv("KERAS_BACKEND", backend)
        found = stamps.versions(imported)
        assert {"tensorflow", "jax", "torch"} & set(found) == ({backend} if backend == BACKEND else set())
    monkeypatch.delenv("KERAS_BACKEND")
    assert stamps.backend() == "tensorflow"
    assert set(stamps.versions({"numpy"})) == {"python", "numpy"}
