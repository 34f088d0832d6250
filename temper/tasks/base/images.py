"""The bytes of an image file → its pixels in RGB."""

import io
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

GRAY_16 = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow would clip their values at 255
GRAY_32 = ("I", "F")
BACKGROUND = "white"  # of transparent pixels


def open_image(data: bytes) -> "Image":
    """Return an encoded image in RGB, rotated as its EXIF data asks.

    16-bit gray keeps its upper eight bits, transparent pixels show `BACKGROUND`, and of several
    frames or pages the first is taken.

    Raises:
        InputError: it is truncated or damaged, or has 32-bit pixels that are not of 0 to 255.
    """
    from PIL import Image, ImageOps

    with _explain_unreadable(data):
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        if image.mode in (*GRAY_16, *GRAY_32):
            image = _narrow(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
        return image.convert("RGB")


def pixels_of(row: Mapping[str, Any]) -> np.ndarray:
    """Return the pixels of a feature, (channels, height, width) uint8."""
    return np.frombuffer(row["pixel_values"], dtype=np.uint8).reshape(row["shape"])


def remarks(data: bytes) -> list[str]:
    """Say what of an image `open_image` leaves out; JPEGs are decoded at an eighth of their size.

    Raises:
        InputError: not an image, or `open_image` would refuse it.
    """
    from PIL import Image

    with _explain_unreadable(data), Image.open(io.BytesIO(data)) as image:
        # the frames of an MPO are views of one photo
        has_frames = image.format != "MPO" and getattr(image, "n_frames", 1) > 1
        found = {
            "with several frames or pages: the first is used": has_frames,
            "of 16-bit gray: the upper 8 bits are used": image.mode in GRAY_16,
            f"with transparency: shown on {BACKGROUND}": image.has_transparency_data,
        }
        image.draft(None, (1, 1))
        image.load()
        if image.mode in GRAY_32:
            _narrow(image)
    return [text for text, applies in found.items() if applies]


def _narrow(image: "Image") -> "Image":
    from PIL import Image

    pixels = np.asarray(image)
    if image.mode in GRAY_16:
        return Image.fromarray((pixels >> 8).astype(np.uint8))
    if not (pixels.min() >= 0 and pixels.max() <= 255):
        raise ValueError("its 32-bit pixels exceed 0 to 255; save it with 8 or 16 bits")
    if image.mode == "F" and 0 < pixels.max() <= 1:
        raise ValueError("its pixels are from 0 to 1, almost black of 255; save it with 8 bits")
    return image


@contextmanager
def _explain_unreadable(data: bytes) -> Iterator[None]:
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError:
        what = "not an image format that Pillow can read" if data else "an empty file"
        raise InputError(what) from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise InputError(f"an image of {len(data)} bytes cannot be read: {error}") from None
