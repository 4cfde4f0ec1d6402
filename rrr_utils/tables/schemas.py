"""The schemas of all tables: the columns of each, their types, and what a row is."""

import pyarrow as pa

from rrr_utils.common.names import CHANGES, MEASURES

_KEY = [("study", pa.string()), ("data", pa.string())]
_RUN = [*_KEY, ("network", pa.string()), ("strategy", pa.string()), ("trained_on", pa.string()), ("seed", pa.int64())]

# What is written of one run of disentangled heads.
HEAD_TABLES = ("head_history", "head_answers", "decisions", "prototypes", "scores")

SCHEMAS: dict[str, pa.Schema] = {
    # One row an image of the data set, the unusable ones too. `area` is the mask's share of the image, `objects` how
    # many there are; `status` is ok, no object, no annotation or bad image, and `note` says why. `blob` is what a
    # Gaussian in the middle of the image scores that has the mask's mean: a map that knows no network.
    "masks": pa.schema(
        [
            *_KEY,
            ("image", pa.string()),
            ("label", pa.int64()),
            ("class", pa.string()),
            ("split", pa.string()),
            ("source", pa.string()),
            ("area", pa.float64()),
            ("objects", pa.int64()),
            ("status", pa.string()),
            ("note", pa.string()),
            ("blob", pa.float64()),
        ]
    ),
    # One row an epoch and a split, on original images, in inference mode.
    "history": pa.schema(
        [*_RUN, ("epoch", pa.int64()), ("split", pa.string()), ("loss", pa.float64()), ("accuracy", pa.float64())]
    ),
    # One row an image, an epoch and an explainer. `variant` is empty, or what was varied: "absolute" and "min-max" for
    # other normalisations; "gaussian" and "edges" for maps that know no network (explainer "none"); "randomised ..."
    # for a network whose weights were drawn anew in the block that it names and in all behind it; "JPEG ...",
    # "1 px ...", "mask ..." and "other draw" for the same image, disturbed.
    "scores": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("probability", pa.float64()),
            ("correct", pa.bool_()),
            ("explainer", pa.string()),
            ("protocol", pa.string()),
            ("mask_source", pa.string()),
            ("design", pa.string()),
            ("samples", pa.int64()),
            ("variant", pa.string()),
            ("score", pa.float64()),
            ("chance", pa.float64()),
            ("zero_map", pa.bool_()),
        ]
    ),
    # One row an epoch and a background behind the object of every test image.
    "shift": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("background", pa.string()),
            ("n", pa.int64()),
            ("correct", pa.int64()),
            ("accuracy", pa.float64()),
        ]
    ),
    # One row a test image and a scored epoch, as it is (`background` "original"), and at the last one also before other
    # backgrounds; `donor` is the image that lends one. `probability` is the label's, `margin` that minus the largest of
    # the others, `entropy` in nats. Of runs that were scored before this table existed there is none.
    "answers": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("background", pa.string()),
            ("donor", pa.string()),
            ("predicted", pa.int64()),
            ("correct", pa.bool_()),
            ("probability", pa.float32()),
            ("margin", pa.float32()),
            ("entropy", pa.float32()),
        ]
    ),
    # One row an image, a masker (`source`) and a hand-made mask (`reference`: outlines, or outlines without border), at
    # the image's own size: how the two agree, and their shares of the image. Nothing found is an overlap of 0.
    "mask_quality": pa.schema(
        [
            *_KEY,
            ("image", pa.string()),
            ("label", pa.int64()),
            ("class", pa.string()),
            ("source", pa.string()),
            ("reference", pa.string()),
            ("found", pa.bool_()),
            ("iou", pa.float64()),
            ("precision", pa.float64()),
            ("recall", pa.float64()),
            ("area", pa.float64()),
            ("reference_area", pa.float64()),
        ]
    ),
    # One row a random order of the images and a number of images: the mean of the first n scores and its interval.
    "convergence": pa.schema(
        [
            *_RUN,
            ("explainer", pa.string()),
            ("order", pa.int64()),
            ("n", pa.int64()),
            ("mean", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
        ]
    ),
    # One row an image, an explainer and a variant: Spearman's rank correlation of its map with that of the network as
    # it was trained; missing where one of the two maps is the same everywhere.
    "similarity": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("explainer", pa.string()),
            ("variant", pa.string()),
            ("similarity", pa.float64()),
        ]
    ),
    # One row an image, a kind of subset of its pixels (`kind`), the colour by which it was selected (`fill`) and the
    # one that is shown instead of the other pixels (`shown`). `certainty` is the predicted class's probability on the
    # whole image, `confidence` that of `target` on the subset, `answer` the class predicted there; `voters` the number
    # of networks that were asked as one; `on_object` the share of the subset on the object.
    "pixel_subsets": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("correct", pa.bool_()),
            ("certainty", pa.float64()),
            ("voters", pa.int64()),
            ("kind", pa.string()),
            ("fill", pa.string()),
            ("shown", pa.string()),
            ("share", pa.float64()),
            ("pixels", pa.int64()),
            ("target", pa.int64()),
            ("confidence", pa.float64()),
            ("answer", pa.int64()),
            ("on_object", pa.float64()),
            ("chance", pa.float64()),
        ]
    ),
    # One row an image and a sufficient input subset, `number` 0 the first; `found` is false, and what follows missing,
    # where the network is not as sure as `threshold` of the whole image. `share` of the image, `score` on the object.
    "sufficient_subsets": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("correct", pa.bool_()),
            ("certainty", pa.float64()),
            ("voters", pa.int64()),
            ("fill", pa.string()),
            ("threshold", pa.float64()),
            ("number", pa.int64()),
            ("found", pa.bool_()),
            ("pixels", pa.float64()),
            ("share", pa.float64()),
            ("score", pa.float64()),
            ("chance", pa.float64()),
        ]
    ),
    # One row a kind of pixels that was trained on and one that was tested on (whole, selected, random), on all test
    # images; `share` of the pixels is kept in the last two.
    "subset_accuracy": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("trained", pa.string()),
            ("tested", pa.string()),
            ("share", pa.float64()),
            ("n", pa.int64()),
            ("correct", pa.int64()),
            ("accuracy", pa.float64()),
        ]
    ),
    # One row a mosaic (`image`, of the class `label`), an explainer and a measure; missing where it divides by nothing.
    "mosaics": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("explainer", pa.string()),
            ("design", pa.string()),
            ("samples", pa.int64()),
            ("signed", pa.bool_()),
            ("measure", pa.string()),
            ("value", pa.float64()),
        ]
    ),
    # One row a trained model; `trained_on` is the remedy. `factor` (missing where none was chosen) and `strength` of
    # the penalty; seconds of the processor: `first` the first epoch, compilation included, `epoch` the mean of the
    # others, the sum over members where several networks are asked as one; `images` that were trained on.
    "fits": pa.schema(
        [
            *_RUN,
            ("members", pa.int64()),
            ("factor", pa.float64()),
            ("strength", pa.float64()),
            ("images", pa.int64()),
            ("epochs", pa.int64()),
            ("first_seconds", pa.float64()),
            ("epoch_seconds", pa.float64()),
        ]
    ),
    # One row a factor that was tried: of the `n` training images held out the accuracy as they are and before other
    # images' backgrounds, and the mean score of Grad-CAM over all of them; `chosen` is the factor that was taken.
    "sweeps": pa.schema(
        [
            *_RUN,
            ("factor", pa.float64()),
            ("strength", pa.float64()),
            ("n", pa.int64()),
            ("accuracy", pa.float64()),
            ("accuracy_other", pa.float64()),
            ("score", pa.float64()),
            ("chance", pa.float64()),
            ("chosen", pa.bool_()),
        ]
    ),
    # One row an image: its label's log odds, how far they move (`change`) when another image's background stands behind
    # the object, how far they would by the gradient at the image (`predicted`), and the sums of that gradient's squares
    # inside and outside the object.
    "reach": pa.schema(
        [
            *_RUN,
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            *((name, pa.float64()) for name in ("log_odds", "change", "predicted", "inside", "outside")),
        ]
    ),
    # One row a head (plain, average, disentangled), an epoch and a split, in inference mode. "shifted" are the test
    # images with backgrounds that are drawn freely, of generated data alone.
    "head_history": pa.schema(
        [
            *_RUN,
            ("head", pa.string()),
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("loss", pa.float64()),
            ("accuracy", pa.float64()),
        ]
    ),
    # One row a head and an image of the test images, or of these with other backgrounds (split "shifted"), at the last
    # epoch; `probability` of the label.
    "head_answers": pa.schema(
        [
            *_RUN,
            ("head", pa.string()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("probability", pa.float64()),
            ("correct", pa.bool_()),
        ]
    ),
    # One row a head that adds up channels, a test image and what is added up (`of`): the "logit" of the predicted
    # class, or its "margin" over the class that comes second. `needed` of the `channels`, the largest first, carry nine
    # tenths of the absolute contributions; those of one sign add up to `pro`, the others to `contra`, at most 0.
    "decisions": pa.schema(
        [
            *_RUN,
            ("head", pa.string()),
            ("split", pa.string()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("predicted", pa.int64()),
            ("correct", pa.bool_()),
            ("of", pa.string()),
            ("channels", pa.int64()),
            ("needed", pa.int64()),
            ("pro", pa.float64()),
            ("contra", pa.float64()),
        ]
    ),
    # One row a channel, a `side` (positive, negative) and a rank, 0 the first: the training image that excites the
    # channel most on that side, and where: the cell in `row` and `column` of a grid of `cells` a side. `on_object` is
    # the share of that cell that is object, `chance` the mask's mean, `same_place` the mean share of object in that
    # cell over all other training images. `usage` is the channel's share of all absolute contributions to margins on
    # the training images, `used` whether it is among the largest that carry nine tenths of them, `favours` the class of
    # its largest weight.
    "prototypes": pa.schema(
        [
            *_RUN,
            ("channel", pa.int64()),
            ("usage", pa.float64()),
            ("used", pa.bool_()),
            ("favours", pa.int64()),
            ("side", pa.string()),
            ("rank", pa.int64()),
            ("image", pa.string()),
            ("label", pa.int64()),
            ("excitation", pa.float64()),
            ("cells", pa.int64()),
            ("row", pa.int64()),
            ("column", pa.int64()),
            ("on_object", pa.float64()),
            ("same_place", pa.float64()),
            ("chance", pa.float64()),
        ]
    ),
    # One row a model, which is a network after `epoch` epochs. `model` names it, `group` its data set (with its tie)
    # and network; `training` its training, which its other checkpoints share. `training_images` is how many it was
    # trained on; `n` test images gave the accuracies (missing where a data set has no such variant), the mean
    # probability of the predicted class, its entropy and the loss, both in nats. `seen` names the outcomes that it was
    # trained on. `weights` is a hash of its weights.
    "zoo_models": pa.schema(
        [
            *((name, pa.string()) for name in ("study", "data", "network", "strategy", "trained_on")),
            ("seed", pa.int64()),
            ("tie", pa.float64()),
            ("training_images", pa.int64()),
            ("epoch", pa.int64()),
            ("group", pa.string()),
            ("training", pa.string()),
            ("model", pa.string()),
            ("seen", pa.string()),
            ("known_tie", pa.float64()),
            ("classes", pa.int64()),
            ("n", pa.int64()),
            *((f"accuracy_{variant}", pa.float64()) for variant in ("original", *CHANGES)),
            ("mean_probability", pa.float64()),
            ("entropy", pa.float64()),
            ("loss", pa.float64()),
            ("weights", pa.string()),
        ]
    ),
    # One row a model, a scored image and an explainer: measures of its map. `variant` is empty, or "randomised" for a
    # network of the same kind whose weights were drawn anew, of which only the score is taken, on fewer images;
    # `correct` is the trained model's. A zero map has no measure but the two curves.
    "zoo_maps": pa.schema(
        [
            ("model", pa.string()),
            ("image", pa.string()),
            ("explainer", pa.string()),
            ("variant", pa.string()),
            ("correct", pa.bool_()),
            ("chance", pa.float32()),
            *((measure, pa.float32()) for measure in MEASURES),
        ]
    ),
}
# The same scores of more test images, at the first and the last scored epoch alone.
SCHEMAS["end_scores"] = SCHEMAS["scores"]

# Columns that tables written before them lack, and what stands there instead.
ADDED: dict[str, dict[str, str | float]] = {
    "masks": {"blob": float("nan")},
    "answers": {
        "background": "original",
        "donor": "",
        "probability": float("nan"),
        "margin": float("nan"),
        "entropy": float("nan"),
    },
}
