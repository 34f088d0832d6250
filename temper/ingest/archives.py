"""A file, or what is packed in it → the parts that a reader reads, as streams or on the disk.

`x.csv.gz` is one part; a ZIP archive is one part per member of a known format, in name order.
"""

import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from temper.core.errors import InputError

PACKINGS = (".gz", ".zip")
ENCRYPTED = 0x1  # the flag of a ZIP member


@dataclass(frozen=True, kw_only=True)
class ArchiveMember:
    """Rows of one format: a file, or a member of an archive."""

    name: str  # as errors name it: x.csv, or x.zip!member.csv
    suffix: str  # of the format
    open: Callable[[], IO[bytes]]
    path: Path | None = None  # where it lies, unless it is packed

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Yield a path to read it from; a packed part is unpacked to a temporary file."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.NamedTemporaryFile(suffix=self.suffix) as file, self.open() as packed:
            shutil.copyfileobj(packed, file)
            file.flush()
            yield Path(file.name)


def suffixes(name: str) -> tuple[str, str]:
    """Return a file name's format and packing: `.csv` and `.gz`; either may be empty."""
    *_, inner, last = ["", "", *(suffix.lower() for suffix in PurePosixPath(name).suffixes)]
    if last == ".zip":
        return "", last
    return (inner, last) if last in PACKINGS else (last, "")


def parts(file: Path, known: Collection[str]) -> Iterator[ArchiveMember]:
    """Yield the parts of a file.

    Args:
        file: plain, gzip or ZIP.
        known: suffixes of the formats that can be read; other members of an archive are passed by.

    Raises:
        InputError: a broken, encrypted or empty archive.
    """
    suffix, packing = suffixes(file.name)
    try:
        if packing == ".zip":
            with zipfile.ZipFile(file) as archive:
                yield from _members(archive, file, known)
        elif packing == ".gz":
            yield ArchiveMember(name=str(file), suffix=suffix, open=lambda: _unzipped(file))
        else:
            yield ArchiveMember(
                name=str(file), suffix=suffix, open=lambda: file.open("rb"), path=file
            )
    except zipfile.BadZipFile as error:
        raise InputError(f"{file}: broken ZIP archive: {error}; pack it again") from None


@contextmanager
def named(part: ArchiveMember) -> Iterator[None]:
    """Say in which part unpacking failed.

    Raises:
        InputError: the packed bytes are broken.
    """
    try:
        yield
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"{part.name}: broken archive: {error}; pack it again") from None


def _members(
    archive: zipfile.ZipFile, file: Path, known: Collection[str]
) -> Iterator[ArchiveMember]:
    members = {
        member.filename: member
        for member in archive.infolist()
        if not member.is_dir() and not _is_hidden(member.filename)
    }
    chosen = {name: suffixes(name)[0] for name in sorted(members) if suffixes(name)[1] == ""}
    chosen = {name: suffix for name, suffix in chosen.items() if suffix in known}
    if not chosen:
        raise InputError(
            f"{file}: no file of a known format in it; it holds "
            f"{', '.join(list(members)[:10]) or 'nothing'}; known are {', '.join(known)}"
        )
    for name in chosen:
        if members[name].flag_bits & ENCRYPTED:
            raise InputError(f"{file}!{name}: encrypted; pack it without a password")
    for name, suffix in chosen.items():
        yield ArchiveMember(
            name=f"{file}!{name}", suffix=suffix, open=lambda name=name: archive.open(name)
        )


def _unzipped(file: Path) -> IO[bytes]:
    return gzip.open(file)  # type: ignore[return-value]


def _is_hidden(name: str) -> bool:
    """Tell what an operating system added: `__MACOSX/._x.csv`, `.DS_Store`."""
    return any(part == "__MACOSX" or part.startswith(".") for part in PurePosixPath(name).parts)
