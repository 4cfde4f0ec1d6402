"""Rivals with clashing pins: they run in a process and an environment of their own, on the same arrays and weights."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from timing import Comparison, NotInstalled, Timed

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"


class Peer:
    """A process of `peer.py` that waits while our way is timed, and times its own when it is asked to."""

    def __init__(self, rival: str, arrays: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> None:
        if not PYTHON.exists():
            raise NotInstalled(f"{rival} needs the environment .venv-bench: `make bench-peers` makes it.")
        self._place = tempfile.TemporaryDirectory()
        self.folder = Path(self._place.name)
        for name, array in arrays.items():
            np.save(self.folder / f"{name}.npy", array, allow_pickle=False)
        (self.folder / "options.json").write_text(json.dumps(dict(options or {})), encoding="utf-8")
        self._rival = rival
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the process and wait until it is ready. Raises :class:`NotInstalled` with its last words."""
        self._process = subprocess.Popen(
            [str(PYTHON), str(HERE / "peer.py"), self._rival, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={"RRR_THREADS": "2", **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        try:
            self._answer()
        except RuntimeError as error:
            self.close()
            raise NotInstalled(f"{self._rival} does not start: {error}") from error

    def __call__(self) -> Timed:
        """Run the rival once; its seconds are its own, without the way there and back."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        seconds = float(self._answer()["seconds"])
        return Timed(seconds, np.load(self.folder / "result.npy", allow_pickle=False))

    def close(self) -> None:
        """End the process and delete its folder."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(timeout=60)
        self._place.cleanup()

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(self._log.read().strip()[-300:] or "it ended without a word")
        answer: dict[str, Any] = json.loads(line)
        return answer


def occlusion(name: str = "vgg16", size: int = 224, patch: int = 32, stride: int = 16) -> Comparison:
    """Compare Occlusion with Xplique's, of the same network, image, patch, stride and colour.

    Xplique is given the network behind its preprocessing, and the preprocessed image, in which the neutral colour is 0.
    """
    import keras

    from rrr_utils.explainers import Occlusion
    from rrr_utils.explainers.occlusion import covered

    network, image = inputs.network(name, size), inputs.images(1, size)
    prepared = network.model.get_layer("preprocess")
    targets = np.eye(network.classes, dtype=np.float32)[:1]
    peer = Peer(
        "xplique",
        {"images": np.asarray(prepared(image.astype(np.float32))), "targets": targets},
        {"patch": patch, "stride": stride},
    )
    keras.Model(prepared.output, network.model.output).save(peer.folder / "model.keras")
    peer.start()
    explainer, sides = Occlusion(patch, stride), covered(size, patch, stride).sum(axis=0)

    def check(ours: Any, theirs: Any) -> None:
        # Xplique adds the drops of all patches over a pixel; ours is their mean.
        mean = theirs.reshape(size, size) / np.outer(sides, sides)
        inputs.close(1e-3)(ours[0], mean / np.abs(mean).max())

    return Comparison(
        lambda: explainer(network, image, np.zeros(1, np.int64), signed=True), peer, check, close=peer.close
    )


def score(number: int = 1000, timed: int = 100, size: int = 224) -> Comparison:
    """Compare the score of many maps with Quantus' relevance mass accuracy of the same maps and masks.

    Quantus is given the first ``timed`` maps, and its seconds are taken as many times as there are more: it goes
    through them one by one.
    """
    from rrr_utils import metric

    maps, masks = np.random.default_rng(0).random((number, size, size), np.float32), inputs.disks(number, size)
    peer = Peer("quantus", {"maps": maps[:timed], "masks": masks[:timed].astype(bool)})
    peer.start()

    def plain() -> Timed:
        found = peer()
        return Timed(found.seconds * number / timed, found.result)

    def check(ours: Any, theirs: Any) -> None:
        np.testing.assert_allclose(ours[:timed], theirs, rtol=1e-4)  # it adds float32

    return Comparison(lambda: metric.score(masks, maps), plain, check, close=peer.close)
