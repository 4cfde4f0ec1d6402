"""What holds for all tests: those of TensorFlow, OpenVINO and tf-keras-vis are skipped on another Keras backend."""

import os

import pytest

BACKEND = os.environ.get("KERAS_BACKEND") or "tensorflow"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``tensorflow`` where Keras runs on another backend."""
    for item in items:
        if BACKEND != "tensorflow" and item.get_closest_marker("tensorflow"):
            item.add_marker(pytest.mark.skip(reason=f"is about TensorFlow or its converters; Keras runs on {BACKEND}"))
