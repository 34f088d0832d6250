"""A table whose cells name WAV files → cells that know where those files are."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

AUDIO = (".wav",)
MAX_BYTES = 100_000_000  # a photograph of 50 megapixels without compression has 150 MB
ROWS = 50  # of a batch with names: the files are in memory together


class FileName(str):
    """The name of a file in a cell, relative to the `folder` of its table.

    Attributes:
        reach: the folder whose files may be read; None: none may, for DVC watches the table alone.
    """

    folder: Path
    reach: Path | None

    @classmethod
    def of(cls, name: str, folder: Path, reach: Path | None) -> Self:
        self = cls(name)
        self.folder, self.reach = folder, reach
        return self

    def read(self) -> bytes:
        """Return the file's bytes.

        Raises:
            ValueError: it may not be read, or cannot.
        """
        if self.reach is None:
            raise ValueError(
                "names a file, which DVC would not watch: set data.files to the folder that holds "
                "table and files, and data.glob to the table's name"
            )
        path = Path(os.path.abspath(self.folder / self))  # not resolved: a link may lead to a cache
        if not path.is_relative_to(os.path.abspath(self.reach)):
            raise ValueError(f"a file outside of {self.reach}, which DVC watches; move it there")
        try:
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ValueError(f"{self.folder / self}: {error.strerror or error}") from None
        if len(data) > MAX_BYTES:
            raise ValueError(f"{self.folder / self}: more than {MAX_BYTES:,} bytes; cut it")
        return data


def located(
    batch: dict[str, list[Any]], table: Path, reach: Path | None
) -> Iterator[dict[str, list[Any]]]:
    """Yield a batch's rows with the names of WAV files as `FileName`s, a few at a time.

    A column has names if its first value ends as one.

    Args:
        table: names are relative to its folder.
        reach: the folder whose files may be read; None: none may.
    """
    named = [
        name
        for name, values in batch.items()
        if values and isinstance(values[0], str) and values[0].lower().endswith(AUDIO)
    ]
    if not named:
        yield batch
        return
    folder = table.parent
    marked = {
        name: [FileName.of(v, folder, reach) if isinstance(v, str) else v for v in batch[name]]
        for name in named
    }
    for start in range(0, len(batch[named[0]]), ROWS):
        yield {n: v[start : start + ROWS] for n, v in (batch | marked).items()}


def file_bytes(value: Any) -> Any:
    """Return the bytes of a file that a cell holds, holds as `datasets` does, or names."""
    if isinstance(value, FileName):
        return value.read()
    return value.get("bytes") if isinstance(value, dict) else value
