"""The words of a study, each once; where one stands for something that is made, also where that is."""

from rrr_utils.common.registry import Registry

# The last part of each reference opens the data set: (data_dir, options) -> Dataset.
SOURCES: Registry[str] = {
    "confounded": "rrr_utils.datasets.confounded:open_dataset",
    "dogs_vs_cats": "rrr_utils.datasets.dogs_vs_cats:open_dataset",
    "caltech101": "rrr_utils.datasets.caltech101:open_dataset",
    "oxford_pets": "rrr_utils.datasets.oxford_pets:open_dataset",
    "cifar10": "rrr_utils.datasets.cifar10:open_dataset",
    "folder": "rrr_utils.datasets.folder:open_dataset",
}
MASKERS: Registry[str] = {
    "outlines": "rrr_utils.masks.outlines:Outlines",
    "deeplab": "rrr_utils.masks.deeplab:DeepLab",
    "mask_rcnn": "rrr_utils.masks.mask_rcnn:MaskRCNN",
}
NETWORKS: Registry[str] = {
    "vgg16": "rrr_utils.networks.network:VGG16",
    "resnet50": "rrr_utils.networks.network:RESNET50",
    "mobilenet": "rrr_utils.networks.network:MOBILENET",
    "convnet": "rrr_utils.networks.network:CONVNET",
}
EXPLAINERS: Registry[str] = {
    # The paper's.
    "grad_cam": "rrr_utils.explainers.grad_cam:GradCAM",
    "grad_cam_plus_plus": "rrr_utils.explainers.grad_cam:GradCAMPlusPlus",
    "lime": "rrr_utils.explainers.lime:LIME",
    "occlusion": "rrr_utils.explainers.occlusion:Occlusion",
    # Others.
    "integrated_gradients": "rrr_utils.explainers.integrated_gradients:IntegratedGradients",
    "smooth_grad": "rrr_utils.explainers.smooth_grad:SmoothGrad",
    "rise": "rrr_utils.explainers.rise:RISE",
    "score_cam": "rrr_utils.explainers.score_cam:ScoreCAM",
    "layer_cam": "rrr_utils.explainers.layer_cam:LayerCAM",
    "sise": "rrr_utils.explainers.sise:SISE",
    "sedc": "rrr_utils.explainers.sedc:SEDC",
}
# Of LIME's perturbations.
DESIGNS: Registry[str] = {
    "coin flips": "rrr_utils.explainers.designs:coin_flips",
    "orthogonal": "rrr_utils.explainers.designs:orthogonal",
}
PRECISIONS = ("float32", "bfloat16")

# What stage 2 trains; stage 1 is called ``head``.
STRATEGIES = ("dense", "blocks4-5", "blocks1-3", "all")
TRAINED_ON = ("original", "masked", "swapped", "both")
AUGMENTATIONS = ("none", "authors", "input-dropout")
OPTIMIZERS: Registry[str] = {"rmsprop": "keras.optimizers:RMSprop", "adam": "keras.optimizers:Adam"}
# Ways to train that analyses/remedies/catalogue.py has.
REMEDIES = (
    "plain",
    "masked",
    "swapped",
    "right-reasons",
    "cam-energy",
    "cgc",
    "explanation-guided",
    "input-dropout",
    "ensemble",
    "counterexamples",
)

# What is put behind an object that is cut out by its mask; what a data set that is drawn can change as well; and what
# shows a model besides.
COMPOSED = ("random", "other", "mean")
BACKGROUNDS = (*COMPOSED, "free")
CHANGES = (*BACKGROUNDS, "flipped", "removed")
# What analyses/zoo/rival_scores.py has of a mask and a map beside the score; and all that a zoo measures of a map.
RIVALS = ("pointing", "top", "iou")
MEASURES = ("score", "signed", *RIVALS, "box", "insertion", "deletion")
# What is put in a masked pixel's place: the network's neutral colour, black, white, or the image's own mean colour.
FILLS = ("neutral", "black", "white", "mean")

# Each kind of analysis, and its options.
ANALYSES: Registry[str] = {
    "mask-quality": "rrr_utils.analyses.mask_quality.options:Options",
    "convergence": "rrr_utils.analyses.convergence.options:Options",
    "controls": "rrr_utils.analyses.controls.options:Options",
    "overinterpretation": "rrr_utils.analyses.overinterpretation.options:Options",
    "reliability": "rrr_utils.analyses.reliability.options:Options",
    "zoo": "rrr_utils.analyses.zoo.options:Options",
    "remedies": "rrr_utils.analyses.remedies.options:Options",
    "infodisent": "rrr_utils.analyses.infodisent.options:Options",
}
