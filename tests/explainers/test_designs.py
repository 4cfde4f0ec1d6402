"""Designs of LIME's perturbations against hand-made rows and linear functions, and the first checkpoint as control."""

import hashlib
import importlib
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rrr_utils import metric
from rrr_utils.common import paths, seeds
from rrr_utils.common.names import DESIGNS
from rrr_utils.explainers import LIME, designs, explainer, lime
from rrr_utils.scoring import scores as scoring
from rrr_utils.study import study_file as study


def squares(count, size=24):
    """Return ``count`` superpixels, stripes of an image ``(size, size)``."""
    return np.tile(np.arange(size) * count // size, (size, 1))


def drawn(count, samples, name="a", seed=0, design="orthogonal"):
    return lime.perturbations(squares(count, 2 * count), (2 * count, 2 * count), samples, seed, name, design)[0]


def signs(rows):
    return np.where(rows, 1, -1)


class Checkpoints:
    """A stack of functions from images to the logit of class 1, which counts what each is asked."""

    classes, size, batch = 2, 24, 16

    def __init__(self, functions, starts=None):
        self.functions, self.starts = functions, starts or [0] * len(functions)
        self.asked = [0] * len(functions)

    def __len__(self):
        return len(self.functions)

    def network(self, images):  # what `of_each` checks images against
        raise AssertionError("the stack is asked, not its network")

    def networks(self):
        raise AssertionError("the stack is asked, not its networks")

    def __call__(self, images, places=None):
        places = range(len(self)) if places is None else places
        for place in places:
            self.asked[place] += len(images)
        logits = np.stack([self.functions[place](images) for place in places])
        return np.stack([-logits, logits], axis=-1)


def reads(weights, bend=0.0):
    """Return the function of 24 x 24 images of one bright pixel a stripe: weights of those shown, and their products.

    Six stripes; ``bend`` is the weight of every product of neighbours, which no linear model has.
    """

    def function(images):
        shown = (images[:, 5, 1::4, 0] == 255).astype(float)
        return shown @ np.asarray(weights) + bend * (shown[:, :-1] * shown[:, 1:]).sum(axis=1)

    return function


def bright():
    """Return one image whose stripes are dark but for the pixels that ``reads`` looks at."""
    image = np.zeros((1, 24, 24, 3), np.uint8)
    image[0, 5, 1::4] = 255
    return image


def weights_of(each, stack, name="a"):
    """Return the signed weights of the six stripes for each checkpoint, divided by the largest."""
    maps = each.of_each(stack, bright(), [1], ids=[name])
    return maps[:, 0, 0, ::4]


def test_two_superpixels_have_all_four_rows():
    """By hand: order 2, so a block is two rows and their complements, which are all subsets of two; then again."""
    rows = drawn(2, 9)
    every = [[False, False], [False, True], [True, False], [True, True]]
    assert rows[0].all()
    for block in (rows[1:5], rows[5:9]):
        assert sorted(block.tolist()) == every
        assert_array_equal(block[:2], ~block[2:])


@pytest.mark.parametrize(("count", "block"), [(1, 2), (3, 8), (8, 16), (9, 32), (35, 128), (64, 128), (65, 256)])
def test_a_block_is_orthogonal_and_balanced(count, block):
    """Every superpixel is shown by half of a block's rows, and any two of them together by a quarter."""
    assert designs.block(count) == block
    rows = drawn(count, 1 + 2 * block)
    for part in (rows[1 : 1 + block], rows[1 + block :]):
        assert_array_equal(part.sum(axis=0), block // 2)
        assert_array_equal(signs(part).T @ signs(part), block * np.eye(count, dtype=int))
    assert count < 8 or not np.array_equal(rows[1 : 1 + block], rows[1 + block :])


@pytest.mark.parametrize("samples", [2, 3, 64, 100, 129, 256, 1000])
def test_a_block_ends_with_the_complements_of_its_first_half(samples):
    """Behind the whole image come blocks of 128 rows for 35 superpixels; the last is cut off where samples run out."""
    rows = drawn(35, samples)
    assert rows.shape == (samples, 35)
    assert rows[0].all()
    for start in range(1, samples, 128):
        part = rows[start : start + 128]
        assert_array_equal(part[64:], ~part[: max(len(part) - 64, 0)])


@pytest.mark.parametrize("count", [9, 35, 64])
def test_half_a_block_is_orthogonal(count):
    """Any two superpixels agree in one half of the rows; none is shown by all of them or by none."""
    for name in range(20):
        half = signs(drawn(count, 1 + designs.block(count) // 2, name)[1:])
        assert_array_equal(half.T @ half, len(half) * np.eye(count, dtype=int))
        assert np.abs(half.sum(axis=0)).max() < len(half)


def test_products_of_two_superpixels_do_not_reach_a_weight():
    """Complements make every product of two superpixels orthogonal to each superpixel, which rows alone are not."""
    rows = signs(drawn(8, 17)[1:])
    for first, second in combinations(range(8), 2):
        assert_array_equal(rows.T @ (rows[:, first] * rows[:, second]), 0)
    half = rows[:8]
    assert any((half.T @ (half[:, a] * half[:, b])).any() for a, b in combinations(range(8), 2))


def test_rows_follow_from_seed_and_id_and_fewer_are_the_first_of_more():
    """The same rows for the same names, whatever the number; others for another image, seed or design."""
    rows = drawn(35, 1000)
    for samples in (2, 64, 129, 256):
        assert_array_equal(drawn(35, samples), rows[:samples])
    for other in (drawn(35, 1000, name="b"), drawn(35, 1000, seed=1), drawn(35, 1000, design="coin flips")):
        assert (other[1:] != rows[1:]).mean() > 0.4


def test_every_row_by_itself_is_a_toss_of_coins():
    """Over images each superpixel of each row is shown half of the time, and any two independently of each other."""
    rows = signs(np.stack([designs.orthogonal(5, 9, seeds.generator("row", name)) for name in range(4000)]))[:, 1:]
    assert np.abs(rows.mean(axis=0)).max() < 4.5 / np.sqrt(4000)
    for first, second in combinations(range(5), 2):
        assert np.abs((rows[:, :, first] * rows[:, :, second]).mean(axis=0)).max() < 4.5 / np.sqrt(4000)


def test_coin_flips_are_what_they_were():
    """The rows of version 0.1.0 to the bit, whose hashes stand here: published scores rest on them."""
    for count, shape, samples, seed, name, digest in (
        (4, (16, 16), 1000, 0, "a", "9dcff2505a45b7ad1af29d8c78027116f69ecbe6a9c5a06ee0287cd7d57aad5c"),
        (36, (6, 6), 333, 7, "cat.12", "744cb0f4fe6dce6dc5b645408f510b59515f77fe56e000b06e8be657fa4d11d0"),
    ):
        labels = np.kron(np.arange(4).reshape(2, 2), np.ones((8, 8), int)) if count == 4 else np.arange(36)
        rows, _ = lime.perturbations(labels.reshape(shape), (24, 24), samples, seed, name)
        assert hashlib.sha256(np.packbits(rows).tobytes()).hexdigest() == digest
    assert LIME().design == "coin flips"


@pytest.mark.parametrize("count", [8, 20, 35])
def test_a_linear_function_gets_its_weights_from_one_block(count):
    """With one block of rows the weights are right to a few percent up to a common factor; with coin flips far off.

    The ridge shrinks orthogonal columns alike, which no map shows; columns that are not, it mixes.
    """
    truth = seeds.generator("truth", count).normal(size=count)
    off = {}
    for design in DESIGNS:
        errors = []
        for name in range(10):
            rows = drawn(count, 1 + designs.block(count), name, design=design)
            found = lime.coefficients(rows, rows @ truth)
            errors.append(np.abs(found / (found @ truth / (truth @ truth)) - truth).max() / np.abs(truth).max())
        off[design] = np.median(errors)
    assert off["orthogonal"] < 0.04
    assert off["coin flips"] > 3 * off["orthogonal"]


def test_without_ridge_and_kernel_a_block_is_the_mean_of_signed_outputs():
    """A second route: for orthogonal columns a weight is twice the mean of output times sign, exactly."""
    truth = seeds.generator("truth").normal(size=20)
    rows = drawn(20, 65)[1:]
    outputs = rows @ truth + 3
    assert_allclose(2 * (signs(rows) * outputs[:, None]).mean(axis=0), truth, atol=1e-12)
    coins = drawn(20, 65, design="coin flips")[1:]
    assert np.abs(2 * (signs(coins) * (coins @ truth + 3)[:, None]).mean(axis=0) - truth).max() > 0.3


def test_the_explainer_uses_its_design():
    """A linear function of six stripes: their relevance is the weights over the largest, from 17 samples."""
    truth = np.array([4.0, 2.0, 1.0, -1.0, 0.0, 3.0])
    image = bright()
    maps = LIME(samples=17, design="orthogonal")(
        lambda images: np.stack([np.zeros(len(images)), reads(truth)(images)], axis=1),
        image,
        [1],
        segments=[squares(6)],
    )
    assert_allclose(maps[0, 0, ::4], np.maximum(truth, 0) / 4, atol=0.06)
    asked = explainer("lime", samples=256, design="orthogonal")
    assert (asked.design, asked.samples) == ("orthogonal", 256)


def test_a_wrong_design_is_refused_with_the_nearest_name(tmp_path):
    """In the constructor and in a study file, with the file and the line."""
    with pytest.raises(ValueError, match="Did you mean 'orthogonal'"):
        LIME(design="ortogonal")
    text = (paths.root() / "studies" / "smoke.yaml").read_text(encoding="utf-8")
    entry = "{name: lime, samples: 60}"
    assert text.count(entry) == 1
    file = tmp_path / "smoke.yaml"
    file.write_text(text.replace(entry, "{name: lime, samples: 60, design: orthogonal}"), encoding="utf-8")
    assert study.load(file).scoring.explainers[-1]["design"] == "orthogonal"
    file.write_text(text.replace(entry, "{name: lime, samples: 60, design: hadamard}"), encoding="utf-8")
    with pytest.raises(study.StudyError, match=r"smoke.yaml, line \d+: `design` must be one of .*'orthogonal'"):
        study.load(file)
    file.write_text(text.replace(entry, "{name: lime, samples: 60, precision: half}"), encoding="utf-8")
    with pytest.raises(study.StudyError, match=r"smoke.yaml, line \d+: `precision` must be one of .*'bfloat16'"):
        study.load(file)


@pytest.fixture(autouse=True)
def _stripes(monkeypatch):
    """Six stripes are the superpixels of every image, so that weights can be worked out by hand."""
    monkeypatch.setattr(lime, "superpixels", lambda image: squares(6))


@pytest.mark.parametrize("design", DESIGNS)
def test_equal_checkpoints_have_the_maps_of_the_larger_number(design):
    """Where training changed nothing, the control variate leaves what the first checkpoint's many samples say."""
    function = reads([4, 2, 1, -1, 0, 3], bend=0.7)
    stack = Checkpoints([function, function, function])
    found = LIME(samples=20, design=design, control=200).of_each(stack, bright(), [1], ids=["a"])
    plain = LIME(samples=200, design=design).of_each(Checkpoints([function]), bright(), [1], ids=["a"])
    for each in found:
        assert_array_equal(each, plain[0])


def test_later_checkpoints_are_asked_less():
    """The first of each training is asked `control` times, the others `samples` times, whoever is whose first."""
    functions = [reads(np.arange(6) + shift) for shift in range(5)]
    stack = Checkpoints(functions, starts=[0, 0, 2, 2, 2])
    LIME(samples=20, design="orthogonal", control=100).of_each(stack, bright(), [1])
    assert stack.asked == [100, 20, 100, 20, 20]


def test_each_training_leans_on_its_own_first():
    """Two trainings together have the maps that each has alone."""
    functions = [reads(seeds.generator("w", number).normal(size=6), bend=0.5) for number in range(5)]
    each = LIME(samples=20, control=100)
    together = each.of_each(Checkpoints(functions, starts=[0, 0, 2, 2, 2]), bright(), [1], ids=["a"])
    for part in (slice(0, 2), slice(2, 5)):
        alone = each.of_each(Checkpoints(functions[part]), bright(), [1], ids=["a"])
        assert_array_equal(together[part], alone)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_control_variate_is_unbiased_and_closer(design):
    """Over many draws its mean is the weight that very many samples give, and it scatters less than as few samples.

    The ridge shrinks what 64 samples find by a ninth. That is the step between the checkpoints here, and everything
    where 64 samples stand alone.
    """
    generator = seeds.generator("control")
    before, step = generator.normal(size=6), 0.2 * generator.normal(size=6)

    def values(rows, weights):
        shown = rows.astype(float)
        bend = 2 + np.abs(weights - before).sum() / 5
        return shown @ weights + bend * np.sin(3 * shown[:, 0] + shown[:, 1:4].sum(axis=1)) * shown[:, 5]

    def draw(samples, name, kind=design):
        return lime.perturbations(squares(6), (24, 24), samples, 0, name, kind)[0]

    many = draw(40_000, "reference", "coin flips")
    truth = lime.coefficients(many, values(many, before + step))
    found, plain = [], []
    for name in range(200):
        rows = draw(1000, name)
        outputs = np.stack([values(rows[:64], weights) for weights in (before, before + step)])
        found.append(lime.controlled(rows, outputs, values(rows[64:], before)[None], [0, 0])[1])
        plain.append(lime.coefficients(rows[:64], outputs[1]))
    found, plain = np.array(found), np.array(plain)
    shrunk = np.abs(step).max() / 9 + np.abs(truth).max() / 100
    assert np.abs(found.mean(axis=0) - truth).max() < 1.2 * shrunk < 0.5 * np.abs(plain.mean(axis=0) - truth).max()
    assert found.std(axis=0).max() < 0.6 * plain.std(axis=0).max()


def test_the_table_names_the_control():
    """The design's name says what was done; `samples` is what each later checkpoint was asked."""
    (each,) = scoring.explainers([{"name": "lime", "samples": 128, "design": "orthogonal", "control": 1000}], seed=0)
    assert (each.design, each.samples, each.control) == ("orthogonal, control 1,000", 128, 1000)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_network_by_itself_is_asked_as_a_first_checkpoint_is(design):
    """It has none to lean on, so its map is that of a training's first checkpoint."""
    stack = Checkpoints([reads([4, 2, 1, -1, 0, 3], bend=0.7)])
    each = LIME(samples=20, design=design, control=200)
    first = each.of_each(stack, bright(), [1], ids=["a"])[0]
    assert_array_equal(each(lambda images: stack(images)[0], bright(), [1], ids=["a"]), first)
    assert stack.asked == [400]


def test_a_control_smaller_than_the_rest_is_refused():
    """A first checkpoint that is asked less than the others controls nothing."""
    with pytest.raises(ValueError, match=r"`control` must be 0 or at least `samples` \(500\)"):
        LIME(samples=500, control=100)


@pytest.fixture(scope="module")
def measured():
    """The committed tables of the benchmark, and its module."""
    folder = paths.root() / "benchmarks"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        module = importlib.import_module("lime_designs")
    return module, *(pd.read_csv(folder / "results" / f"{name}.csv") for name in ("lime_designs", "lime_recommended"))


def test_the_recommended_designs_follow_from_the_measured_table(measured):
    """The table beside it is what the rule makes of it, and all that is recommended can be asked for."""
    module, found, recommended = measured
    pd.testing.assert_frame_equal(module.recommended(found), recommended, check_dtype=False, atol=1e-4)
    assert {name.removesuffix(", control 1,000") for name in recommended["design"]} <= set(DESIGNS)
    assert sorted(found["network"].unique()) == ["mobilenet-100", "mobilenet-25", "vgg16"]


def test_a_design_is_summed_up_by_hand(measured):
    """Two images, errors 3 and 1 with noise 1, and 2 without: squares (8 + 0) / 2 and 4, their mean 4, its root 2."""
    module, _, _ = measured
    table = pd.DataFrame(
        [("a", 0, 3.0, 1.0), ("a", 1, 1.0, 1.0), ("b", 0, 2.0, 0.0)], columns=["image", "draw", "error", "noise"]
    ).assign(design="d", samples=64, checkpoint="last", reference=0.5)
    (row,) = module.summary(table, module.lime_logits.SUBJECTS[0]).to_dict("records")
    assert (row["images"], row["draws"]) == (2, 2)
    assert (row["rms"], row["bias"], row["spread"]) == (2.0, 2.0, 0.0)
    assert row["reference_noise"] == pytest.approx(0.5**0.5)


def test_scores_without_maps_are_those_of_the_maps(measured):
    """Sums over superpixels give the score of the metric."""
    module, _, _ = measured
    draw = seeds.generator("scores")
    labels, mask = draw.integers(0, 7, (20, 20)), draw.integers(0, 2, (20, 20)).astype(np.uint8)
    weights = draw.normal(size=(3, 7))
    photograph = module.lime_logits.Photograph("a", labels, mask, {}, {})
    expected = metric.score(np.repeat(mask[None], 3, axis=0), np.maximum(weights, 0)[:, labels])
    assert_allclose(module.scores(photograph, weights), expected, rtol=1e-6)


def test_what_the_page_says_of_the_designs_is_in_the_table(measured):
    """Where most was measured orthogonal rows beat as many coin flips; without drawn signs they aim elsewhere."""
    _, found, _ = measured
    last = found[found["checkpoint"] == "last"].set_index(["network", "design", "samples"])["rms"]
    for samples in (64, 128, 256, 512, 1000):
        assert last["mobilenet-25", "orthogonal", samples] < last["mobilenet-25", "coin flips", samples], samples
    assert last["mobilenet-25", "orthogonal, fixed signs", 1000] > 2 * last["mobilenet-25", "orthogonal", 1000]
