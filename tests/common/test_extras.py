"""What the core does without: everything that scores arrays, and what to install is said where more is needed."""

import subprocess
import sys

import pytest

from rrr_utils.common.extras import EXTRA_OF, needed

# Nothing is found of these, as if they were not installed. (None in `sys.modules` would do, but SciPy looks there.)
BARE = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(EXTRA_OF)}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def without(code):
    """Run code in a Python that has none of the packages that extras bring, and return what it prints."""
    return subprocess.run([sys.executable, "-c", BARE + code], capture_output=True, text=True, check=True).stdout


def test_arrays_and_functions_are_scored_by_the_core_alone():
    """score, chance, avg_score; the maps of a plain function by Occlusion and LIME; averages with their intervals."""
    said = without("""
import numpy as np, pandas as pd
import rrr_utils as rrr
mask = np.zeros((2, 28, 28)); mask[:, 7:21, 7:21] = 1
print(rrr.score(mask, mask).tolist(), rrr.chance(mask).tolist(), rrr.avg_score([0.5, 1.0], [True, True]).mean)
def logits(images):
    inside = images[:, 7:21, 7:21].mean(axis=(1, 2, 3)) / 255
    return np.stack([inside, 1 - inside], axis=1)
images = np.full((2, 28, 28, 3), 255.0) * mask[..., None]
print(rrr.score(mask, rrr.explainers.Occlusion(patch=7, stride=7)(logits, images, [0, 0])).tolist())
print(rrr.explainers.LIME(samples=20)(logits, images, [0, 0]).shape)
shift = pd.DataFrame({"background": ["original", "other"], "accuracy": [0.9, 0.5], "n": 50, "seed": 0})
print(rrr.statistics.shift_table(shift, ["background"])["low"].round(3).tolist())
""")
    assert said.splitlines() == ["[1.0, 1.0] [0.25, 0.25] 0.75", "[1.0, 1.0]", "(2, 28, 28)", "[0.786, 0.366]"]


def test_what_examining_reads_and_writes_needs_no_extra():
    """Images, masks, tables, statistics, verdicts, the report and its drawings are imported without any."""
    names = ("masks.prepared", "own_model.images", "datasets", "masks", "tables", "statistics", "statistics.verdicts")
    names = (*names, "own_model.report", "common.progress")
    assert "fine" in without("".join(f"import rrr_utils.{name}\n" for name in names) + "print('fine')")


@pytest.mark.parametrize(
    ("code", "what", "package", "extra"),
    [
        ("import rrr_utils; rrr_utils.examine", "rrr_utils.examine", "keras", "keras"),
        ("import rrr_utils; rrr_utils.networks.build", "rrr_utils.networks.build", "keras", "keras"),
        ("from rrr_utils.training import Run", "rrr_utils.training.Run", "keras", "keras"),
        ("from rrr_utils.masks import openvino_model as m; m.load(None, (), ())", "DeepLab", "openvino", "masks"),
        ("from rrr_utils.masks import onnx_model as m; m._open(None)", "Mask R-CNN", "onnxruntime", "masks"),
        ("from rrr_utils.figures import style\nwith style.theme(): pass", "A figure", "seaborn", "study"),
        (
            "from rrr_utils.study import run_notebook as m; m.execute(None, None, {})",
            "Running a notebook",
            "nbformat",
            "study",
        ),
    ],
)
def test_what_to_install_is_said_in_one_sentence(code, what, package, extra):
    """What needs the package, the package, and the command; the name of the module stays with the error."""
    indented = "".join(f"    {line}\n" for line in code.splitlines())
    said = without(f"try:\n{indented}except ModuleNotFoundError as error:\n    print(error.name); print(error)")
    name, *sentence = said.splitlines()
    assert name.split(".")[0] == package
    assert sentence == [f'{what} needs {package}, which is not installed: pip install "rrr-utils[{extra}]"']


def test_other_errors_pass_unchanged():
    """A module that no extra brings, an error of another kind, and a sentence that has been said already."""
    for error in (ModuleNotFoundError("No module named 'x'", name="x"), ImportError("broken", name="keras")):
        with pytest.raises(type(error)) as caught, needed("This"):
            raise error
        assert caught.value is error
    with pytest.raises(ModuleNotFoundError, match=r"^DeepLab needs openvino"), needed("More"), needed("DeepLab"):
        raise ModuleNotFoundError("No module named 'openvino'", name="openvino")
