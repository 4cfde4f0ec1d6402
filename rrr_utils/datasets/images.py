"""Images: decoded by content and verified, brought to a size, and given other backgrounds."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from rrr_utils.common import seeds

FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
BYTE_LIMIT = 64 * 2**20
PIXEL_LIMIT = 50_000_000


class BadImage(ValueError):
    """A file that cannot be used as an image; ``path`` is the file and ``reason`` what is wrong with it."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path}: {reason}. Replace the file by a whole copy, or remove it from the data set.")


@dataclass(frozen=True)
class Decoded:
    """An image as stored, uint8 ``(H, W, 3)`` RGB 0 to 255, and a note on what was unusual, mostly empty."""

    array: NDArray[np.uint8]
    note: str = ""


def decode(path: Path | str) -> Decoded:
    """Return the image in a file, whatever its name says.

    JPEG, PNG, GIF (the first frame), BMP and WebP are known by content. Grey and palette images become RGB; an alpha
    channel is dropped, so that the stored colours stay as they are; 16-bit grey keeps its upper 8 bits. The
    orientation in EXIF is not applied, because outlines are drawn on the stored pixels. The note says what was
    unusual: ``"GIF named .jpg"``, ``"RGBA, alpha dropped"``.

    Raises
    ------
    BadImage
        If the file is missing, empty, larger than 64 MiB, truncated, damaged, none of these formats, or claims more
        than 50 million pixels; the last is read from the header, before anything is decoded.
    """
    path = Path(path)
    with _opened(path) as opened:
        notes = []
        known = "JPEG" if opened.format == "MPO" else str(opened.format)
        if path.suffix.lower() not in FORMATS[known]:
            notes.append(f"{known} named {path.suffix or 'without a suffix'}")
        if getattr(opened, "n_frames", 1) > 1 and known != "JPEG":
            notes.append(f"first of {opened.n_frames} frames")  # type: ignore[attr-defined]
            opened.seek(0)
        if opened.has_transparency_data:
            notes.append(f"{opened.mode}, alpha dropped")
        if opened.mode.startswith("I;16"):
            grey = (np.asarray(opened) >> 8).astype(np.uint8)
            array = np.repeat(grey[..., np.newaxis], 3, axis=2)
            notes.append("16 bits, upper 8 kept")
        else:
            array = np.array(opened.convert("RGB"), dtype=np.uint8)
    return Decoded(array, ", ".join(notes))


def shape(path: Path | str) -> tuple[int, int]:
    """Return (height, width) from an image file's header; raises ``BadImage`` as :func:`decode`."""
    with _opened(Path(path)) as opened:
        return opened.height, opened.width


def stored_values(path: Path | str) -> NDArray[np.uint8]:
    """Return the numbers stored in a one-channel image, uint8 ``(H, W)``: grey levels, or places in the palette.

    For label images such as trimaps, whose palette is decoration. Raises ``BadImage`` as :func:`decode`, and for a
    file with several channels or more than 8 bits.
    """
    with _opened(Path(path)) as opened:
        if opened.mode not in ("1", "L", "P"):
            raise BadImage(path, f"expected one channel of 8 bits, but its pixels are of kind {opened.mode}")
        return np.array(opened, dtype=np.uint8)


def mask_levels(path: Path | str) -> NDArray[np.int64]:
    """Return the levels of a black and white mask file, int64 ``(H, W)``: of several channels the highest.

    Nothing is divided: 16-bit grey goes up to 65,535. Raises ``BadImage`` as :func:`decode`, and ``ValueError`` for a
    file that is transparent anywhere: whether white or what is opaque is the object, only its maker knows.
    """
    with _opened(Path(path)) as opened:
        if opened.has_transparency_data and np.asarray(opened.convert("RGBA"))[..., 3].min() < 255:
            raise ValueError(
                f"The mask {path} is transparent in places ({opened.mode}). Save it without transparency, in one "
                "channel: white where the object is, black elsewhere."
            )
        if opened.mode.startswith("I"):
            return np.asarray(opened).astype(np.int64)
        return np.asarray(opened.convert("RGB")).max(axis=2).astype(np.int64)


def squash(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return ``image``, uint8 ``(H, W, 3)``, as uint8 ``(size, size, 3)``; the aspect is not kept.

    Each pixel is the mean of the pixels whose centres lie in it (PIL's box filter). An image that has the size
    already is returned unchanged.
    """
    return np.array(Image.fromarray(np.ascontiguousarray(image)).resize((size, size), Image.Resampling.BOX))


def squash_mask(mask: ArrayLike, size: int) -> NDArray[np.float32]:
    """Return a mask ``(H, W)`` in [0, 1] as float32 ``(size, size)``, 0 or 1, with the geometry of :func:`squash`.

    A pixel is 1 if at least half of it is: a hard mask stays hard and is never dilated. A small object may vanish.
    Raises ``ValueError`` for values outside [0, 1].
    """
    mask = np.asarray(mask, dtype=np.float32)
    if mask.ndim != 2 or not mask.size or mask.min() < 0 or mask.max() > 1:
        raise ValueError(
            f"A mask must have shape (height, width) and values from 0 to 1, but shape {mask.shape} with values from "
            f"{mask.min(initial=0):g} to {mask.max(initial=0):g} was passed. Divide a mask of 0 and 255 by 255."
        )
    share = np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.BOX))
    # A half that was summed in float32 may end just below a half.
    return (share >= 0.5 - 1e-6).astype(np.float32)


def random_pixels(images: NDArray[np.uint8], masks: ArrayLike, ids: Sequence[str], seed: int) -> NDArray[np.uint8]:
    """Return ``images`` with random pixels behind the object, uint8 ``(N, H, W, 3)``.

    Every background pixel and channel is uniform from 0 to 255, from (``seed``, image id) alone: whichever images are
    passed together and in whatever order. The object's pixels are unchanged.
    """
    objects = _objects(images, masks)
    made = np.empty(images.shape, np.uint8)
    for place, image_id in enumerate(ids):
        noise = seeds.generator(seed, "random background", image_id).integers(0, 256, images.shape[1:], np.uint8)
        made[place] = np.where(objects[place], images[place], noise)
    return made


def mean_colour(images: NDArray[np.uint8], masks: ArrayLike, colour: ArrayLike) -> NDArray[np.uint8]:
    """Return ``images`` with one ``colour``, ``(3,)`` RGB 0 to 255, rounded, behind the object; objects unchanged."""
    flat = np.clip(np.rint(np.asarray(colour, dtype=np.float64)), 0, 255).astype(np.uint8)
    return np.where(_objects(images, masks), images, flat)


def fill_holes(images: NDArray[np.uint8], masks: ArrayLike) -> NDArray[np.uint8]:
    """Return ``images`` without their objects, uint8 ``(N, H, W, 3)``.

    Every object pixel becomes its nearest background pixel by Euclidean distance (SciPy's distance transform, which
    also settles ties, always in the same way). Background pixels are unchanged. A mask that is 1
    everywhere leaves nothing to fill with and raises ``ValueError``.
    """
    objects = _objects(images, masks)[..., 0]
    filled = np.array(images)
    for place, inside in enumerate(objects):
        if inside.all():
            raise ValueError(
                f"The mask at position {place} covers its whole image: there is no background to fill the hole with. "
                "Leave the image out of the donors."
            )
        if inside.any():
            rows, columns = ndimage.distance_transform_edt(inside, return_distances=False, return_indices=True)
            filled[place] = images[place][rows, columns]
    return filled


def swap_backgrounds(
    images: NDArray[np.uint8], masks: ArrayLike, donors_filled: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return ``images`` with the pixels of ``donors_filled``, of the same shape, behind the unchanged objects."""
    if donors_filled.shape != images.shape:
        raise ValueError(
            f"Each image needs one donor of its size: expected shape {images.shape}, but the donors have "
            f"{donors_filled.shape}. Pass fill_holes(...)[draw_donors(...)]."
        )
    return np.where(_objects(images, masks), images, donors_filled)


def draw_donors(ids: Sequence[str], donor_ids: Sequence[str], *names: object) -> NDArray[np.int64]:
    """Return for each of ``ids`` the position in ``donor_ids`` of the image that lends its background.

    Uniform over all donors but the image itself, from (``names``, image id) and the set of donors alone: the order of
    either list changes nothing. Raises ``ValueError`` if an image is the only donor, or if donors repeat.
    """
    by_name = sorted(range(len(donor_ids)), key=donor_ids.__getitem__)
    ranks = {donor_ids[place]: rank for rank, place in enumerate(by_name)}
    if len(ranks) < len(donor_ids):
        raise ValueError(f"Donors must be different images, but {len(donor_ids) - len(ranks)} of the ids are repeated.")
    chosen = np.empty(len(ids), dtype=np.int64)
    for place, image_id in enumerate(ids):
        own = ranks.get(image_id)
        choices = len(donor_ids) - (own is not None)
        if not choices:
            raise ValueError(f"Image {image_id} has no donor but itself. At least two images are needed.")
        rank = int(seeds.generator(*names, image_id).integers(choices))
        chosen[place] = by_name[rank + (own is not None and rank >= own)]
    return chosen


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Yield a verified image with its header read; whatever goes wrong in the block becomes ``BadImage``."""
    try:
        size = path.stat().st_size
        if size == 0:
            raise BadImage(path, "the file is empty")
        if size > BYTE_LIMIT:
            raise BadImage(path, f"the file has {size:,} bytes, more than the {BYTE_LIMIT:,} that are read")
        with warnings.catch_warnings():
            # Pillow warns of large images and odd metadata; our own limit is lower, and metadata is not used.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=tuple(FORMATS)) as opened:
                if opened.width * opened.height > PIXEL_LIMIT:
                    raise BadImage(path, _bomb(f"{opened.width} x {opened.height}"))
                yield opened
    except (BadImage, MemoryError):
        raise
    except FileNotFoundError as error:
        raise BadImage(path, "there is no such file") from error
    except Image.DecompressionBombError as error:
        raise BadImage(path, _bomb("far too many")) from error
    except UnidentifiedImageError as error:
        raise BadImage(path, f"not an image that is read here ({', '.join(FORMATS)})") from error
    except Exception as error:  # decoders meet damaged bytes with errors of every kind
        raise BadImage(path, f"the image is damaged ({error})") from error


def _bomb(claim: str) -> str:
    return f"the header claims {claim} pixels, more than the {PIXEL_LIMIT:,} that are decoded"


def _objects(images: NDArray[np.uint8], masks: ArrayLike) -> NDArray[np.bool_]:
    """Return where the objects are as bool ``(N, H, W, 1)``; a mask of another size than its image is refused."""
    masks = np.asarray(masks)
    masks = masks[..., 0] if masks.ndim == 4 and masks.shape[-1] == 1 else masks
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(
            f"Images must be uint8 of shape (N, height, width, 3), but {images.dtype} of shape {images.shape} was "
            "passed."
        )
    if masks.shape != images.shape[:3]:
        raise ValueError(
            f"Masks must have the shape of their images, {images.shape[:3]}, but {masks.shape} was passed. "
            "Resize both with `squash` and `squash_mask`."
        )
    return (masks >= 0.5)[..., np.newaxis]
