"""The words of a study, each once: what data sets, networks, strategies and backgrounds are called."""

# Accuracy on changed images, and how far it falls below that on the images as they are.
BACKGROUNDS = ("random", "other", "mean", "free", "flipped", "removed")
