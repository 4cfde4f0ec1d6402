"""Pictures and outlines as text that stands inside a page."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import measure

SMALL = 128  # pixels; below, an image is kept to the bit, because its pixels are seen

_QUALITY = 82


def outline_path(mask: NDArray) -> str:
    """Return the mask's edge as the path of an SVG drawing, in pixels of the image."""
    padded = np.pad(mask.astype(float), 1)
    parts = []
    for contour in measure.find_contours(padded, 0.5):
        # Pixel centres lie at half numbers in a drawing; the frame of zeros moved everything by one.
        points = measure.approximate_polygon(contour, 0.3) - 0.5
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for y, x in points) + "Z")
    return "".join(parts)


def address_of(picture: NDArray) -> str:
    """Return a picture, ``(H, W, 3)`` uint8 or float in [0, 1], as the address of an image that holds it."""
    array = picture if picture.dtype == np.uint8 else np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    stream = io.BytesIO()
    kind = "png" if len(array) < SMALL else "jpeg"
    Image.fromarray(array).save(stream, kind, **({"optimize": True} if kind == "png" else {"quality": _QUALITY}))
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
