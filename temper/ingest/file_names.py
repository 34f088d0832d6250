"""A table whose cells name WAV files → cells that know where those files are."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from temper.core.errors import InputError

AUDIO = (".wav",)
MAX_BYTES = 100_000_000  # a photograph of 50 megapixels without compression has 150 MB


class FileBytes(bytes):
    """The bytes of a file that is a row of its own.

    Attributes:
        name: of the file, for errors.
    """

    name: str

    @classmethod
    def of(cls, data: bytes, name: str) -> Self:
        self = cls(data)
        self.name = name
        return self


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

    @property
    def num_bytes(self) -> int:
        """The file's size; 0: `read` says why there is none."""
        try:
            return os.stat(self.folder / self).st_size
        except OSError:
            return 0

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
                return read_bounded(stream.read, f"{self.folder / self}:", "; cut it")
        except OSError as error:
            raise ValueError(f"{self.folder / self}: {error.strerror or error}") from None


def read_bounded(read: Callable[[int], bytes], what: str, remedy: str = "") -> bytes:
    """Return the bytes of an open file.

    Raises:
        InputError: there are more than `MAX_BYTES`; `what` says where, or which file has them.
    """
    data = read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"{what} more than {MAX_BYTES:,} bytes{remedy}")
    return data


def located(
    batch: dict[str, list[Any]], table: Path, reach: Path | None
) -> Iterator[dict[str, list[Any]]]:
    """Yield a batch's rows with the names of WAV files as `FileName`s.

    The files of the rows yielded together are in memory together; `arrow.spans` says how many.

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
    from temper.core import arrow  # here: a server without Arrow imports this module

    folder = table.parent
    marked = {
        name: [FileName.of(v, folder, reach) if isinstance(v, str) else v for v in batch[name]]
        for name in named
    }
    sizes = np.zeros(len(batch[named[0]]), np.int64)
    for values in marked.values():
        sizes += [value.num_bytes if isinstance(value, FileName) else 0 for value in values]
    for rows in arrow.spans(sizes):
        yield {n: v[rows.start : rows.stop] for n, v in (batch | marked).items()}


def file_name(value: Any) -> str | None:
    """Return the name of a file that a cell holds, if it is known and not what the cell says."""
    if not isinstance(value, dict):
        return getattr(value, "name", None)
    path = value.get("path") if "bytes" in value else None
    return path if isinstance(path, str) else None


def with_name(where: str, value: Any) -> str:
    """Return the place of a value, with the name of the file that it is, if it has one."""
    name = file_name(value)
    return where if name is None or name in where else f"{where} ({name})"


def file_bytes(value: Any) -> Any:
    """Return the bytes of a file that a cell holds, holds as `datasets` does, or names."""
    if isinstance(value, FileName):
        return value.read()
    return value.get("bytes") if isinstance(value, dict) else value
