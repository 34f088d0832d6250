"""The images of a split → what reading leaves out, and whether they differ at all."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from temper.core.errors import InputError
from temper.tasks.base import images


@dataclass
class ImageStats:
    """Statistics of the images seen so far; compares their pixels only until two differ."""

    first: tuple[tuple[int, int], bytes] | None = None  # size and pixels
    differ: bool = False

    def add(self, values: Sequence[bytes], where: Callable[[int], str]) -> Counter[str]:
        """Look at more images; return how many each remark is about.

        Args:
            values: encoded images.
            where: from a position in them to its split, row and column, for errors.

        Raises:
            InputError: an image cannot be decoded.
        """
        notes: Counter[str] = Counter()
        for i, data in enumerate(values):
            try:
                notes.update(f"images {remark}" for remark in images.remarks(data))
                if self.differ:
                    continue
                image = images.open_image(data)
            except InputError as error:
                raise InputError(f"{where(i)}: {error}") from None
            pixels = image.size, image.tobytes()
            self.differ = self.first not in (None, pixels)
            self.first = self.first or pixels
        return notes

    def check(self, split: str, num_rows: int) -> None:
        """Refuse a split of images that are all the same.

        Raises:
            InputError: they are.
        """
        if num_rows > 1 and not self.differ:
            raise InputError(
                f"{split}: all {num_rows:,} images have the same pixels, so there is nothing to "
                "tell them apart by; look at how they were saved"
            )
