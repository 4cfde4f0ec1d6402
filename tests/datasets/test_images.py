"""Images are what their bytes say, whole or refused, and masks keep the geometry of their images."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from rrr_utils.datasets import images


def picture(height=12, width=20):
    """A picture in which no two pixels are alike."""
    numbers = np.arange(height * width * 3) % 251
    return numbers.reshape(height, width, 3).astype(np.uint8)


def jpeg_bytes():
    stream = io.BytesIO()
    Image.fromarray(picture(64, 64)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def png_header(width, height):
    """A PNG that claims a size and holds no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return start + struct.pack(">I", 100) + b"IDAT"


def test_a_png_comes_back_as_it_was_stored(tmp_path):
    """Lossless in, the same array out, without a note."""
    Image.fromarray(picture()).save(tmp_path / "a.png")
    decoded = images.decode(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded.array, picture())
    assert decoded.array.dtype == np.uint8
    assert decoded.note == ""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_the_format_is_known_by_content(tmp_path, kind):
    """Each format is read under the name .jpg; the note says so unless it is a JPEG."""
    path = tmp_path / "a.jpg"
    Image.fromarray(picture()).save(path, kind)
    decoded = images.decode(path)
    assert decoded.array.shape == (12, 20, 3)
    assert decoded.note == ("" if kind == "JPEG" else f"{kind} named .jpg")


def test_an_rgba_png_named_jpg_keeps_its_stored_colours(tmp_path):
    """Alpha is dropped: colours under transparent pixels are the stored ones, and the note says both oddities."""
    alpha = np.tile(np.arange(20, dtype=np.uint8), (12, 1))[..., np.newaxis]
    Image.fromarray(np.concatenate([picture(), alpha], axis=2)).save(tmp_path / "a.jpg", "PNG")
    decoded = images.decode(tmp_path / "a.jpg")
    np.testing.assert_array_equal(decoded.array, picture())
    assert decoded.note == "PNG named .jpg, RGBA, alpha dropped"


def test_of_a_moving_gif_the_first_frame_is_taken(tmp_path):
    """A GIF of a red and a green frame is red."""
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("#ff0000", "#00ff00")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    decoded = images.decode(tmp_path / "a.gif")
    assert decoded.array[0, 0].tolist() == [255, 0, 0]
    assert decoded.note == "first of 2 frames"


def test_grey_palette_and_16_bits_become_rgb(tmp_path):
    """Grey 7 is (7, 7, 7), palette entry 1 its colour, and 16-bit 0x1234 its upper byte 0x12."""
    Image.fromarray(np.full((4, 5), 7, np.uint8)).save(tmp_path / "grey.png")
    assert images.decode(tmp_path / "grey.png").array[0, 0].tolist() == [7, 7, 7]
    palette = Image.fromarray(np.ones((4, 5), np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "palette.png")
    assert images.decode(tmp_path / "palette.png").array[0, 0].tolist() == [10, 20, 30]
    Image.fromarray(np.full((4, 5), 0x1234, np.uint16)).save(tmp_path / "deep.png")
    assert images.decode(tmp_path / "deep.png").array[0, 0].tolist() == [0x12] * 3


def test_orientation_in_exif_is_not_applied(tmp_path):
    """A 12 x 20 picture marked as turned stays 12 x 20, because its outline was drawn on the stored pixels."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(tmp_path / "a.jpg", exif=exif)
    assert images.decode(tmp_path / "a.jpg").array.shape == (12, 20, 3)
    assert images.shape(tmp_path / "a.jpg") == (12, 20)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>not found</html>", "not an image that is read here"),
        (jpeg_bytes()[:700], "the image is damaged"),
        (png_header(8_000, 8_000), r"the header claims 8000 x 8000 pixels, more than the 50,000,000"),
        (png_header(200_000, 200_000), r"the header claims far too many pixels"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_remedy(tmp_path, content, reason):
    """Empty, foreign, truncated and oversized files: the message has file, reason and what to do."""
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(images.BadImage, match=reason) as caught:
        images.decode(path)
    assert str(path) in str(caught.value)
    assert "Replace the file" in str(caught.value)
    assert caught.value.path == path


def test_a_bomb_is_refused_before_any_pixel_is_decoded(tmp_path):
    """A file of 60 kB that would fill 192 MB is refused from its header: Pillow's decoder is never called."""
    path = tmp_path / "bomb.png"
    Image.new("L", (8_000, 8_000)).save(path)
    assert path.stat().st_size < 100_000
    decoded = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "convert", lambda *_: decoded.append("convert"))
        patch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: decoded.append("load"))
        with pytest.raises(images.BadImage, match="claims"):
            images.decode(path)
    assert decoded == []


def test_a_huge_file_is_refused_unread(tmp_path):
    """65 MiB are not opened at all."""
    path = tmp_path / "huge.jpg"
    with path.open("wb") as stream:
        stream.truncate(65 * 2**20)
    with pytest.raises(images.BadImage, match=r"68,157,440 bytes, more than the 67,108,864"):
        images.decode(path)


def test_a_missing_file_is_a_bad_image(tmp_path):
    """A file that vanished is listed like any other bad image."""
    with pytest.raises(images.BadImage, match=r"there is no such file"):
        images.decode(tmp_path / "gone.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path, kind):
    """Whatever the length of the rest, nothing but ``BadImage`` escapes and no half picture is returned."""
    stream = io.BytesIO()
    Image.fromarray(picture(32, 32)).save(stream, kind)
    whole = stream.getvalue()
    path = tmp_path / "cut.jpg"
    path.write_bytes(whole)
    expected = images.decode(path).array
    for length in range(1, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        try:
            got = images.decode(path).array
        except images.BadImage:
            continue
        np.testing.assert_array_equal(got, expected)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"RIFF\x10\0\0\0WEBPVP8 "])
)
def test_random_bytes_raise_nothing_but_bad_image(tmp_path_factory, body, start):
    """A decoder's own errors never escape."""
    path = tmp_path_factory.mktemp("bytes") / "a.jpg"
    path.write_bytes(start + body)
    with pytest.raises(images.BadImage):
        images.decode(path)


def test_stored_values_ignore_the_palette(tmp_path):
    """A trimap of 1, 2 and 3 with a colourful palette is 1, 2 and 3; several channels are refused."""
    values = np.array([[1, 2], [3, 2]], np.uint8)
    label = Image.fromarray(values, mode="P")
    label.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    label.save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.stored_values(tmp_path / "a.png"), values)
    Image.fromarray(picture()).save(tmp_path / "b.png")
    with pytest.raises(images.BadImage, match="one channel of 8 bits"):
        images.stored_values(tmp_path / "b.png")


def test_squash_by_hand():
    """Of a 2 x 4 image two columns go into one pixel: (0 + 10) / 2 = 5, (20 + 40) / 2 = 30, and so below."""
    row = np.array([[0, 10, 20, 40], [100, 100, 200, 0]], np.uint8)
    small = images.squash(np.repeat(row[..., np.newaxis], 3, axis=2), 2)
    assert small.shape == (2, 2, 3)
    assert small[..., 0].tolist() == [[5, 30], [100, 100]]


def test_squash_leaves_an_image_of_the_size_as_it_is():
    """No resampling where there is nothing to resample."""
    np.testing.assert_array_equal(images.squash(picture(16, 16), 16), picture(16, 16))


def test_squash_mask_by_hand():
    """Of four pixels two are half and count, one is a quarter and does not."""
    mask = [[1, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]]
    assert images.squash_mask(mask, 2).tolist() == [[1, 0], [1, 1]]


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=40), elements=st.integers(0, 1))
)
def test_a_mask_has_the_geometry_of_its_image(mask):
    """The mask drawn as a black and white picture and squashed is above half exactly where the squashed mask is 1."""
    drawn = images.squash(np.repeat(mask[..., np.newaxis] * np.uint8(255), 3, axis=2), 8)[..., 0].astype(float)
    squashed = images.squash_mask(mask, 8)
    assert set(np.unique(squashed)) <= {0.0, 1.0}
    assert squashed.dtype == np.float32
    assert (squashed[drawn > 128] == 1).all()
    assert (squashed[drawn < 127] == 0).all()


@pytest.mark.parametrize("size", [5, 7, 9, 24, 64])
def test_a_mask_is_not_dilated(size):
    """A disk's share of the picture stays within one ring of half pixels of the true one."""
    down, across = np.mgrid[:100, :160] - np.array([50, 80])[:, np.newaxis, np.newaxis]
    disk = (down**2 + across**2 <= 40**2).astype(np.float32)
    perimeter = 2 * np.pi * 40 * size / 100
    assert abs(images.squash_mask(disk, size).sum() - disk.mean() * size**2) <= 0.5 * perimeter


@pytest.mark.parametrize("mask", [np.full((4, 4), 255), np.full((4, 4), -1), np.ones((4, 4, 1)), np.zeros((0, 4))])
def test_a_mask_out_of_range_is_refused(mask):
    """0 and 255, negative values, another axis and nothing at all: the message has shape, range and remedy."""
    with pytest.raises(ValueError, match=r"values from 0 to 1.*was passed. Divide"):
        images.squash_mask(mask, 2)
