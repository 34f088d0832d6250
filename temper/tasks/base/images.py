"""The bytes of an image file → its pixels in RGB."""

import io
import struct
from typing import TYPE_CHECKING

import numpy as np

from temper.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error)  # of damaged files
WIDE = ("I", "F")
GRAY_16 = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow would clip their values at 255
BACKGROUND = "white"  # what shows through transparent pixels


def open_image(data: bytes) -> "Image":
    """Return an encoded image in RGB, rotated as its EXIF data asks.

    16-bit gray keeps its upper eight bits, transparent pixels show `BACKGROUND`, and of several
    frames the first is taken.

    Raises:
        InputError: it is truncated or damaged, or holds no colours.
    """
    from PIL import Image, ImageOps

    try:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        if image.mode in GRAY_16:
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in WIDE and not all(0 <= value <= 255 for value in image.getextrema()):
            raise ValueError("its 32-bit pixels exceed 0 to 255; save it with 8 or 16 bits")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
        return image.convert("RGB")
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise InputError(f"an image of {len(data)} bytes cannot be read: {error}") from None


def num_frames(data: bytes) -> int:
    """Count the frames of an animation or the pages of a TIFF; the views of an MPO photo are one.

    Raises:
        InputError: not an image, or its header is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except UnidentifiedImageError:
        raise InputError("not an image format that Pillow can read") from None
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise InputError(f"the image cannot be read: {error}") from None
