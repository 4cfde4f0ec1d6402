"""Figures: what is drawn is what the table says."""

import io
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from plots import EXPLAINERS, chance_lines, columns_of, drawn, filled

from rrr_utils import figures
from rrr_utils.analyses.zoo.options import KINDS as KINDS_OF_MODELS
from rrr_utils.common import names

KINDS = ("original", "masked", "swapped")
BACKGROUNDS = ("original", "random", "other", "mean", "free")


@pytest.fixture(autouse=True)
def _close():
    mpl.use("Agg")
    yield
    plt.close("all")


def test_score_over_epochs_draws_the_table():
    """Each explainer has its axes, each kind of training its curve, with values, intervals and chance as given."""
    table = filled(explainer=EXPLAINERS, trained_on=KINDS, epoch=(0, 2, 10))
    figure = figures.score_over_epochs(table.sample(frac=1, random_state=0))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Grad-CAM", "Grad-CAM++", "LIME", "Occlusion"]
    for axes, explainer in zip(figure.axes, EXPLAINERS):
        curves = drawn(axes)
        for kind in KINDS:
            part = table[(table["explainer"] == explainer) & (table["trained_on"] == kind)].sort_values("epoch")
            assert_allclose(curves[figures.STYLE["trained_on"][kind].label], columns_of(part))
        chances = {tuple(np.round(line.get_ydata(), 9)) for line in chance_lines(axes)}
        expected = table[table["explainer"] == explainer].sort_values("epoch").groupby("trained_on")["chance"]
        assert chances == {tuple(np.round(values, 9)) for _, values in expected}
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "epoch", "epoch"]
    low, high = figure.axes[0].get_ylim()
    assert low == 0
    assert table["high"].max() < high <= 1.02


@pytest.mark.parametrize(("hue", "values"), [("trained_on", KINDS), ("strategy", names.STRATEGIES)])
def test_accuracy_over_epochs_draws_the_table(hue, values):
    """Training and test images have their axes, and guessing among four classes is drawn at a quarter."""
    table = filled(split=("test", "train"), epoch=(0, 1), **{hue: values})
    figure = figures.accuracy_over_epochs(table, classes=4, hue=hue)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["training images", "test images"]
    for axes, split in zip(figure.axes, ("train", "test")):
        for value in values:
            part = table[(table["split"] == split) & (table[hue] == value)]
            assert_allclose(drawn(axes)[figures.STYLE[hue][value].label], columns_of(part))
        assert_allclose(chance_lines(axes)[0].get_ydata(), 0.25)


def test_accuracy_by_background_draws_the_table():
    """Dots stand in the fixed order of backgrounds, with their intervals, and guessing is drawn."""
    table = filled(background=BACKGROUNDS[::-1], trained_on=KINDS)
    (axes,) = figures.accuracy_by_background(table, classes=2).axes
    for kind in KINDS:
        part = table[table["trained_on"] == kind].set_index("background").loc[list(BACKGROUNDS)]
        assert_allclose(drawn(axes)[figures.STYLE["trained_on"][kind].label], columns_of(part))
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        figures.BACKGROUND_LABELS[value] for value in BACKGROUNDS
    ]
    assert_allclose(chance_lines(axes)[0].get_ydata(), 0.5)


def test_error_by_samples_draws_the_table():
    """Each network has its axes, each design its line over the samples, with values and intervals as given."""
    table = filled(network=("a", "b"), design=list(figures.DESIGN_STYLE)[:2], samples=(64, 1000))
    figure = figures.error_by_samples(table, {"b": "Second", "a": "First"})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Second", "First"]
    for axes, network in zip(figure.axes, ("b", "a")):
        lines = drawn(axes)
        assert len(lines) == 2
        for design, look in list(figures.DESIGN_STYLE.items())[:2]:
            part = table[(table["network"] == network) & (table["design"] == design)]
            assert_allclose(lines[look.label], columns_of(part))
    with pytest.raises(ValueError, match="Did you mean 'orthogonal'"):
        figures.error_by_samples(table.replace({"coin flips": "ortogonal"}), {"a": "First", "b": "Second"})


def test_score_by_explainer_draws_the_table_and_chance_beside_it():
    """Every dot has a tick at its own chance; a missing cell and a missing interval are simply not drawn."""
    table = filled(explainer=EXPLAINERS, trained_on=KINDS).iloc[:-1]
    table.loc[0, ["low", "high"]] = np.nan
    (axes,) = figures.score_by_explainer(table).axes
    for kind in KINDS:
        part = table[table["trained_on"] == kind].set_index("explainer").reindex(EXPLAINERS)
        values, lows, highs = drawn(axes)[figures.STYLE["trained_on"][kind].label]
        assert_allclose(values, part["mean"])
        known = part["low"].notna().to_numpy()
        assert_allclose([lows[known], highs[known]], [part["low"][known], part["high"][known]])
    segments = [line for group in axes.collections for line in group.get_segments() if np.size(line)]
    ticks = {round(line[0, 1], 9) for line in segments if line[0, 1] == line[1, 1]}
    assert set(np.round(table["chance"], 9)) <= ticks


def test_story_draws_both_tables():
    """Left: accuracy on original and changed backgrounds; right: the score of each explainer against chance."""
    shift, scores = filled(background=BACKGROUNDS, trained_on=KINDS), filled(explainer=EXPLAINERS, trained_on=KINDS)
    shuffled = [table.sample(frac=1, random_state=1) for table in (shift, scores)]
    left, right = figures.story(*shuffled, classes=2).axes
    for label, background in (("background as in the data", "original"), ("background changed", "other")):
        part = shift[shift["background"] == background].set_index("trained_on").loc[list(KINDS)]
        assert_allclose(drawn(left, "x")[label], columns_of(part))
    for explainer in EXPLAINERS:
        part = scores[scores["explainer"] == explainer].set_index("trained_on").loc[list(KINDS)]
        assert_allclose(drawn(right, "x")[figures.STYLE["explainer"][explainer].label], columns_of(part))
    ticks = {round(segment[0, 0], 9) for group in right.collections for segment in group.get_segments()}
    assert set(np.round(scores["chance"], 9)) <= ticks
    assert_allclose(chance_lines(left)[0].get_xdata(), 0.5)
    labels = [text.get_text().split()[0] for text in left.get_yticklabels()]
    assert labels == ["images"] * 3
    assert left.get_ylim()[0] > left.get_ylim()[1], "the first kind of training stands on top"


def test_story_in_words_says_the_numbers_of_the_table():
    """One sentence a kind of training, with its accuracies, its scores and chance in per cent."""
    shift = pd.DataFrame({"trained_on": "original", "background": ["original", "other"], "mean": [0.98, 0.496]})
    scores = pd.DataFrame({"trained_on": "original", "explainer": ["lime"], "mean": [0.071], "chance": [0.136]})
    assert figures.story_in_words(shift, scores) == (
        "Trained on images as they are, the network is right on 98% of the test images, and on 50% when the "
        "background changes; of its relevance lie on the object: LIME 7% (chance 14%)."
    )


def test_story_needs_the_changed_background():
    """A table without the background that is asked for is refused with those it has."""
    shift, scores = (
        filled(background=("original", "mean"), trained_on=KINDS),
        filled(explainer=EXPLAINERS, trained_on=KINDS),
    )
    with pytest.raises(ValueError, match=r"'other'.*\['mean', 'original'\]"):
        figures.story(shift, scores, classes=2)
    figures.story(shift, scores, classes=2, changed="mean")


def test_rows_that_would_cover_each_other_are_refused():
    """Two splits in one place, a missing column, an unknown value and an empty table are each named."""
    table = filled(explainer=EXPLAINERS, trained_on=KINDS, split=("train", "test"))
    with pytest.raises(ValueError, match=r"they differ in \['split'"):
        figures.score_by_explainer(table)
    one = table[table["split"] == "test"]
    with pytest.raises(ValueError, match=r"needs the column\(s\) \['chance'\]"):
        figures.score_by_explainer(one.drop(columns="chance"))
    with pytest.raises(ValueError, match="`trained_on` must be one of"):
        figures.score_by_explainer(one.replace("masked", "maskd"))
    with pytest.raises(ValueError, match="no rows"):
        figures.score_by_explainer(one.iloc[:0])
    with pytest.raises(ValueError, match="`hue` must be one of"):
        figures.score_by_explainer(one, hue="colour")


def test_an_explainer_of_ones_own_is_drawn_last_under_its_name():
    """It needs no entry among the styles, and looks the same in every figure."""
    table = filled(explainer=("mine", *EXPLAINERS), trained_on=KINDS)
    (axes,) = figures.score_by_explainer(table).axes
    assert axes.get_xticklabels()[-1].get_text() == "mine"
    assert figures.STYLE["explainer"]["mine"] == figures.STYLE["explainer"]["mine"]
    assert "mine" not in figures.STYLE["explainer"]


def test_styles_cover_what_a_study_can_hold_and_can_be_told_apart():
    """Every value has a label, and within a column no two share a marker, a line or a lightness."""
    assert tuple(figures.STYLE["explainer"]) == tuple(names.EXPLAINERS)
    assert tuple(figures.STYLE["strategy"]) == (*names.STRATEGIES, "head")
    assert tuple(figures.STYLE["trained_on"]) == KINDS_OF_MODELS
    assert set(figures.BACKGROUND_LABELS) == {"original", *names.BACKGROUNDS}
    assert set(figures.DESIGN_STYLE) >= set(names.DESIGNS)
    for styles in (*figures.STYLE.values(), figures.DESIGN_STYLE):
        for one, two in combinations(styles.values(), 2):
            assert one.marker != two.marker
            assert one.line != two.line
            assert abs(lightness(one.colour) - lightness(two.colour)) > 7


def lightness(colour):
    """Return the CIE lightness, 0 to 100, of an sRGB colour."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in mpl.colors.to_rgb(colour)]
    y = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def picture_bytes(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="png", bbox_inches="tight")
    return stream.getvalue()


def test_figures_are_small_deterministic_and_white():
    """The same table gives the same bytes, below 150 kB, on white, and the caller's settings stay as they were."""
    before = dict(mpl.rcParams)
    shift, scores = filled(background=BACKGROUNDS, trained_on=KINDS), filled(explainer=EXPLAINERS, trained_on=KINDS)
    first, second = (picture_bytes(figures.story(shift, scores, classes=2)) for _ in range(2))
    assert first == second
    assert len(first) < 150_000
    assert figures.story(shift, scores, classes=2).get_facecolor() == (1, 1, 1, 1)
    assert dict(mpl.rcParams) == before


@pytest.fixture
def pictures():
    """Two noise images of 64 px with a square object each, and maps that are highest in one corner."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    masks = np.zeros((2, 64, 64))
    masks[0, 10:30, 20:40] = masks[1, 30:60, 5:25] = 1
    relevance = np.linspace(0, 1, 64)[None, :, None] * np.linspace(0, 1, 64)[None, None] * np.ones((2, 1, 1))
    return images, masks, relevance


def outline_of(axes):
    (contour,) = [item for item in axes.collections if hasattr(item, "levels")]
    return np.concatenate([path.vertices for path in contour.get_paths()])


def test_explanation_grid_shows_images_outlines_maps_and_scores(pictures):
    """A row an image, a column an explainer; outlines run half-way between object and background pixels."""
    images, masks, relevance = pictures
    scores = {"grad_cam": [0.074, np.nan], "lime": [0.5, 0.25]}
    figure = figures.explanation_grid(
        images, masks, {"grad_cam": relevance, "lime": relevance}, ["disk", "cross"], scores=scores
    )
    grid = np.array(figure.axes[:6]).reshape(2, 3)
    assert [axes.get_title() for axes in grid[0]] == ["image", "Grad-CAM", "LIME"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["disk", "cross"]
    assert [axes.get_xlabel() for axes in grid[:, 1]] == ["score 7%", "no relevance"]
    for row in range(2):
        assert_allclose(grid[row, 0].images[0].get_array(), images[row])
        ys, xs = np.nonzero(masks[row])
        for axes in grid[row]:
            outline = outline_of(axes)
            assert_allclose(outline.min(0), [xs.min() - 0.5, ys.min() - 0.5])
            assert_allclose(outline.max(0), [xs.max() + 0.5, ys.max() + 0.5])
    shown = grid[0, 1].images[0].get_array()
    assert shown[-1, -1].sum() > shown[0, 0].sum() + 1, "the relevant corner is the brighter one"
    assert len(picture_bytes(figure)) < 150_000


def test_without_photographs_no_pixel_of_the_image_is_drawn(pictures):
    """Where pictures may not be shown, the figure is the same whatever the images are."""
    images, masks, relevance = pictures
    shown = [
        picture_bytes(figures.explanation_grid(data, masks, {"lime": relevance}, ["a", "b"], photographs=False))
        for data in (images, 255 - images)
    ]
    assert shown[0] == shown[1]
    masks_only = [
        picture_bytes(figures.mask_grid(d, masks, ["a", "b"], photographs=False)) for d in (images, 255 - images)
    ]
    assert masks_only[0] == masks_only[1]


def test_mask_grid_has_a_place_for_each_image(pictures):
    """Seven images in rows of three: seven titles, and the two places left are empty."""
    images, masks, _ = pictures
    many = np.resize(images, (7, 64, 64, 3)), np.resize(masks, (7, 64, 64))
    axes = figures.mask_grid(*many, [str(n) for n in range(7)], columns=3).axes
    assert [a.get_title() for a in axes if a.get_visible()] == [str(n) for n in range(7)]
    assert len(axes) == 9


def test_picture_row_and_background_strip_show_the_pictures_as_they_are(pictures):
    """Every picture under its title, float pictures too; another number of titles is refused."""
    images, _, _ = pictures
    for axes, image, title in zip(figures.picture_row(images.astype(float), ["a", "b"]).axes, images, "ab"):
        assert_allclose(axes.images[0].get_array(), image)
        assert axes.get_title() == title
    strip = figures.background_strip({"original": images[0], "free": images[1]})
    assert [axes.get_title() for axes in strip.axes] == ["as in the\ndata set", "drawn\nfreely"]
    with pytest.raises(ValueError, match="2 and 1 were passed"):
        figures.picture_row(images, ["a"])


@pytest.mark.parametrize("classes", [2, 20])
def test_area_histogram_marks_the_mean(classes):
    """Few classes are drawn one by one, many as one; the line stands at the mean, which is chance."""
    area = np.random.default_rng(0).uniform(0.02, 0.6, 200)
    table = pd.DataFrame({"image": range(200), "area": area, "class": [f"c{n % classes}" for n in range(200)]})
    (axes,) = figures.area_histogram(table).axes
    assert_allclose(chance_lines(axes)[0].get_xdata(), area.mean())
    outlines = [item.get_paths()[0].vertices for item in axes.collections]
    counted = sum(np.unique(outline, axis=0)[:, 1].max() > 0 for outline in outlines)
    assert counted == (2 if classes == 2 else 1)
    assert axes.get_ylabel() == "images"
    with pytest.raises(ValueError, match="no rows"):
        figures.area_histogram(table.iloc[:0])


def test_a_mask_without_a_border_is_drawn_without_an_outline(pictures):
    """A mask that covers everything has no outline, and that is no error."""
    images, masks, relevance = pictures
    figure = figures.explanation_grid(images, np.ones_like(masks), {"lime": relevance}, ["a", "b"])
    assert not any(hasattr(item, "levels") for axes in figure.axes for item in axes.collections)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": np.ones((2, 32, 32))}, r"`images` must have the shape \(2, 32, 32, 3\)"),
        ({"masks": np.ones((64, 64))}, r"`masks` must have the shape \(N, H, W\)"),
        ({"maps": {"lime": np.ones((2, 7, 7))}}, r"maps of 'lime' must have the shape \(2, 64, 64\)"),
        ({"maps": {"lime": np.full((2, 64, 64), -0.1)}}, r"maps of 'lime' must lie in \[0, 1\]"),
        ({"titles": ["one"]}, "1 for 2 were passed"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(pictures, change, message):
    """Shapes that do not agree and maps outside [0, 1] are named."""
    images, masks, relevance = pictures
    arguments = {"images": images, "masks": masks, "maps": {"lime": relevance}, "titles": ["a", "b"]} | change
    with pytest.raises(ValueError, match=message):
        figures.explanation_grid(**arguments)
