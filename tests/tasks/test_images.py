"""Image files of every kind of pixel → RGB."""

import io

import numpy as np
import pytest

from temper.core.errors import InputError
from temper.tasks.base import images

GRAY = np.random.default_rng(1).integers(0, 65535, (5, 7), dtype=np.uint16)
RGB = np.random.default_rng(2).integers(0, 255, (5, 7, 3), dtype=np.uint8)


def encoded(image, file_format="PNG", **options) -> bytes:
    from PIL import Image

    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(images.open_image(data))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bits_keep_the_upper_eight(file_format):
    """The pixels are those of the same picture in 8 bits."""
    eight = (GRAY >> 8).astype(np.uint8)
    np.testing.assert_array_equal(pixels(encoded(GRAY, file_format)), pixels(encoded(eight)))
    assert images.remarks(encoded(GRAY)) == ["of 16-bit gray: the upper 8 bits are used"]


def test_transparency_shows_white():
    """Whatever colour lies under it; half of it is halfway, opaque pixels stay as they are."""
    from PIL import Image

    alpha = np.full((5, 7, 1), 255, dtype=np.uint8)
    alpha[0], alpha[1] = 0, 128
    data = encoded(np.concatenate([RGB, alpha], 2))
    found = pixels(data)
    assert (found[0] == 255).all()
    np.testing.assert_allclose(found[1], (RGB[1].astype(int) + 255) / 2, atol=1.5)
    np.testing.assert_array_equal(found[2:], RGB[2:])
    assert images.remarks(data) == ["with transparency: shown on white"]
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "L").convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    for file_format in ("PNG", "GIF"):
        found = pixels(encoded(palette, file_format, transparency=0))
        assert found.tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_other_pixels_are_converted():
    """Palettes, black and white, and CMYK; none has anything to remark."""
    from PIL import Image

    image = Image.fromarray(RGB)
    for mode in ("P", "1", "L", "CMYK"):
        data = encoded(image.convert(mode), "TIFF")
        np.testing.assert_array_equal(pixels(data), np.asarray(image.convert(mode).convert("RGB")))
        assert images.remarks(data) == []


def test_exif_rotation_is_applied():
    """A camera held sideways writes the sensor's rows and how to turn them."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    found = pixels(encoded(RGB, exif=exif))
    np.testing.assert_array_equal(found, np.rot90(RGB, -1))


def test_the_first_of_several_frames_is_used():
    """And the others are mentioned; a still GIF has none."""
    from PIL import Image

    first, second = (Image.new("P", (3, 3), i) for i in (0, 1))
    for image in (first, second):
        image.putpalette([10, 20, 30, 40, 50, 60])
    moving = encoded(first, "GIF", save_all=True, append_images=[second])
    assert (pixels(moving) == (10, 20, 30)).all()
    assert images.remarks(moving) == ["with several frames or pages: the first is used"]
    assert images.remarks(encoded(first, "GIF")) == []


def test_32_bits_are_read_within_the_range_of_eight():
    """Beyond it nothing says which value is white."""
    for kind in (np.int32, np.float32):
        small = np.arange(6, dtype=kind).reshape(2, 3) * 51
        np.testing.assert_array_equal(pixels(encoded(small, "TIFF"))[:, :, 0], small)
        with pytest.raises(InputError, match="exceed 0 to 255; save it with 8 or 16 bits"):
            images.open_image(encoded(small * 51, "TIFF"))
    share = encoded(np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), "TIFF")
    for read in (images.open_image, images.remarks):
        with pytest.raises(InputError, match=r"pixels are from 0 to 1, .*; save it with 8 bits"):
            read(share)
    assert not pixels(encoded(np.zeros((2, 3), dtype=np.float32), "TIFF")).any()
