"""The one door through which relevance maps leave, half-pixel interpolation, and what goes into an explainer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from rrr_utils import explainers
from rrr_utils.common import seeds
from rrr_utils.explainers import LIME, RISE, SEDC, GradCAM, Occlusion, relevance

NAMES = ("cat.1", "cat.2")


def test_a_finished_map_is_its_positive_part_divided_by_its_maximum():
    """[-1, 0, 2, 4] becomes [0, 0, 1/2, 1], and with signs [-1/4, 0, 1/2, 1]."""
    raw = np.array([[[-1.0, 0.0], [2.0, 4.0]]])
    plain = relevance.finish(raw, ["a"])
    assert_array_equal(plain, [[[0, 0], [0.5, 1]]])
    assert plain.dtype == np.float32
    assert_array_equal(relevance.finish(raw, ["a"], signed=True), [[[-0.25, 0], [0.5, 1]]])
    assert_array_equal(relevance.finish(-raw, ["a"], signed=True), [[[0.25, 0], [-0.5, -1]]])


def test_a_map_without_positive_relevance_is_zero_and_not_nan():
    """Zeros stay zeros, a negative map becomes zeros, and the image beside them is untouched."""
    raw = np.stack([np.zeros((2, 2)), np.full((2, 2), -3.0), np.eye(2)])
    assert_array_equal(relevance.finish(raw, "abc"), [np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2)])
    assert_array_equal(relevance.finish(raw, "abc", signed=True)[0], np.zeros((2, 2)))


def test_the_zero_of_a_map_is_kept():
    """A map from 2 to 4 becomes one from 1/2 to 1: the minimum is not taken for zero."""
    assert_array_equal(relevance.finish([[[2.0, 4.0]]], ["a"]), [[[0.5, 1.0]]])


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e-8, 1.0, 1e30, 1e300])
def test_the_scale_of_a_map_does_not_matter(scale):
    """A map times any positive number finishes as the same map, in [0, 1] with a maximum of 1."""
    raw = seeds.generator("finish").normal(size=(3, 5, 4))
    finished = relevance.finish(raw * scale, "abc")
    assert_allclose(finished, relevance.finish(raw, "abc"), rtol=1e-6)
    assert finished.min() >= 0
    assert_array_equal(finished.max(axis=(1, 2)), 1)


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_a_broken_map_is_refused_by_image_and_explainer(value, word):
    """The error names the second image, which is the broken one, and the explainer."""
    raw = np.zeros((2, 2, 2), dtype=np.float32)
    raw[1, 0, 1] = value
    with pytest.raises(ValueError, match=f"lime, image 'cat.2': the relevance map holds {word} values"):
        relevance.finish(raw, NAMES, "lime")


def test_an_impulse_lands_in_the_middle_of_its_cell():
    """Of 7 cells on 224 pixels, cell i has its peak and its centre of mass at 15.5 + 32 i, not at 37.2 i."""
    for cell in range(1, 6):
        coarse = np.zeros((1, 7, 7))
        coarse[0, cell, 3] = 1
        fine = relevance.upsample(coarse, (224, 224))[0]
        centre = 15.5 + 32 * cell
        along, across = fine.sum(axis=1), fine.sum(axis=0)
        assert_allclose(along @ np.arange(224) / along.sum(), centre)
        assert_allclose(across @ np.arange(224) / across.sum(), 15.5 + 32 * 3)
        assert_array_equal(np.flatnonzero(along == along.max()), [int(centre - 0.5), int(centre + 0.5)])


def test_interpolation_of_two_cells_on_four_pixels():
    """The middles of two cells on four pixels lie at 0.5 and 2.5, so 0 and 4 become 0, 1, 3, 4."""
    assert_allclose(relevance.upsample([[[0.0, 4.0]]], (1, 4)), [[[0, 1, 3, 4]]])


def test_a_flat_map_stays_flat_and_a_positive_one_positive():
    """Interpolation neither bends a flat map nor undershoots, as cubic interpolation does."""
    assert_allclose(relevance.upsample(np.full((1, 7, 5), 0.3), (50, 31)), 0.3, rtol=1e-12)
    coarse = (seeds.generator("impulses").random((4, 7, 7)) > 0.8).astype(float)
    fine = relevance.upsample(coarse, (224, 224))
    assert fine.min() >= 0
    assert fine.max() <= 1
    assert relevance.zoom(coarse[0], (224, 224)).min() < -0.05, "the cubic zoom is expected to undershoot"


@pytest.mark.parametrize("size", [(224, 224), (48, 96), (96, 48), (7, 7), (30, 5)])
def test_interpolation_agrees_with_pil(size):
    """PIL's bilinear enlargement, which is half-pixel too, gives the same map, also where height is not width."""
    coarse = seeds.generator("pil").random((7, 5)).astype(np.float32)
    size = (max(size[0], 7), size[1])
    expected = np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BILINEAR))
    assert_allclose(relevance.upsample(coarse[None], size)[0], expected, atol=1e-6)


def test_one_cell_covers_everything():
    """A layer that is a single cell wide gives a constant map."""
    assert_array_equal(relevance.upsample([[[2.0]]], (3, 2)), np.full((1, 3, 2), 2.0))


def test_ids_are_the_pixels_whatever_their_type():
    """The same pixels as uint8 and float32 have the same id, one changed pixel another."""
    image = seeds.generator("ids").integers(0, 256, (1, 4, 4, 3), dtype=np.uint8)
    changed = image.copy()
    changed[0, 0, 0, 0] ^= 1
    assert relevance.identify(image) == relevance.identify(image.astype(np.float32))
    assert relevance.identify(image) != relevance.identify(changed)


@pytest.mark.parametrize(
    ("images", "classes", "ids", "message"),
    [
        (np.zeros((4, 4, 3)), [0], None, r"\(N, H, W, 3\), but \(4, 4, 3\).*images\[None\]"),
        (np.zeros((2, 4, 4, 1)), [0, 0], None, r"\(2, 4, 4, 1\)"),
        (np.zeros((2, 4, 4, 3), np.int64), [0, 0], None, "uint8 or float, but int64"),
        (np.zeros((2, 4, 4, 3)), [0], None, r"\(1,\).*\(2, 4, 4, 3\)"),
        (np.zeros((2, 4, 4, 3)), 0, None, r"\(\).*\(2, 4, 4, 3\)"),
        (np.zeros((2, 4, 4, 3)), [0.0, 1.0], None, "integers, but an array of float64"),
        (np.zeros((2, 4, 4, 3)), [0, -1], NAMES, "image 'cat.2' must be at least 0, but -1"),
        (np.zeros((2, 4, 4, 3)), [0, 2], NAMES, "image 'cat.2' must be from 0 to 1.*but 2"),
        (np.zeros((2, 4, 4, 3)), [0, 0], ("one",), r"1 names.*\(2, 4, 4, 3\)"),
        (np.stack([np.zeros((4, 4, 3)), np.full((4, 4, 3), np.nan)]), [0, 0], NAMES, "'cat.2' has NaN"),
    ],
)
def test_what_does_not_fit_is_refused(images, classes, ids, message):
    """Every error says what was expected, what came, and of which image."""
    with pytest.raises(ValueError, match=message):
        Occlusion(patch=2, stride=2)(lambda batch: np.zeros((len(batch), 2)), images, classes, ids=ids)


def test_outputs_of_a_wrong_shape_are_refused_with_both_shapes():
    """A function that returns one number an image is no classifier."""
    with pytest.raises(ValueError, match=r"\(5, classes\) for images of shape \(5, 4, 4, 3\), but returned \(5,\)"):
        Occlusion(patch=2, stride=2, batch=5)(lambda batch: np.zeros(len(batch)), np.zeros((1, 4, 4, 3)), [0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "each", [Occlusion(patch=2, stride=2), LIME(samples=8), RISE(samples=8), SEDC()], ids=lambda each: each.name
)
def test_nan_and_infinite_logits_stop_with_the_images_name(each, value):
    """A broken network is an error that names image and explainer, not a map of zeros."""
    with pytest.raises(ValueError, match=f"{each.name}, image 'cat.1': the network's output holds"):
        each(lambda batch: np.full((len(batch), 2), value), np.zeros((1, 4, 4, 3)), [0], ids=["cat.1"])


def test_a_keras_model_or_no_network_is_refused_with_the_remedy():
    """What is neither a Network nor a function is told of `adopt`."""
    with pytest.raises(TypeError, match=r"networks\.adopt"):
        Occlusion(patch=2, stride=2)("mobilenet", np.zeros((1, 4, 4, 3)), [0])


def test_no_images_give_no_maps():
    """An empty batch is answered with an empty one, without a forward pass."""
    assert Occlusion(patch=2, stride=2)(pytest.fail, np.zeros((0, 6, 4, 3)), np.zeros(0, int)).shape == (0, 6, 4)


def test_explainers_by_name():
    """The factory knows every explainer, passes parameters on, and helps with misspelt ones."""
    papers = ("grad_cam", "grad_cam_plus_plus", "lime", "occlusion")
    others = ("integrated_gradients", "smooth_grad", "rise", "score_cam", "layer_cam", "sise", "sedc")
    assert [*papers, *others] == list(explainers.EXPLAINERS)
    made = [explainers.explainer(name) for name in explainers.EXPLAINERS]
    assert [each.name for each in made] == list(explainers.EXPLAINERS)
    assert {each.protocol for each in made} == {"ours"}
    lime = explainers.explainer("lime", samples=200, seed=3, protocol="authors")
    assert (lime.samples, lime.protocol, lime.design) == (200, "authors", "coin flips")
    assert explainers.explainer("occlusion", patch=12, stride=6).design == "patch 12, stride 6"
    with pytest.raises(ValueError, match=r"no parameter 'pach'.*'patch'"):
        explainers.explainer("occlusion", pach=3)
    with pytest.raises(ValueError, match="Did you mean 'lime'"):
        explainers.explainer("limes")
    with pytest.raises(ValueError, match="`protocol` must be one of"):
        GradCAM(protocol="theirs")
    with pytest.raises(ValueError, match="`batch` must be a whole number from 1 to 1,000,000, but 0"):
        GradCAM(batch=0)


@pytest.mark.parametrize("name", ["lime", "occlusion"])
def test_signed_maps_of_the_authors_protocol_are_refused(name):
    """The authors' maps have no sign to return."""
    with pytest.raises(ValueError, match="no signed maps"):
        explainers.explainer(name, protocol="authors")(
            lambda batch: np.zeros((len(batch), 2)), np.zeros((1, 32, 32, 3)), [0], signed=True
        )
