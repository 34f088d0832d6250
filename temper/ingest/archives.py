"""A file or archive → members to read, as streams or as files on disk.

`x.csv.gz` is one member; a ZIP archive has one per file of a known format, in name order.
"""

import errno
import gzip
import lzma
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

ADDED = ("thumbs.db", "desktop.ini")  # by Windows
ENCRYPTED = 0x1  # flag bit of a ZIP member
BROKEN = (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


@dataclass(frozen=True, kw_only=True)
class ArchiveMember:
    """Rows of one format: a plain file, or a member of an archive."""

    name: str  # for errors: x.csv, or x.zip!member.csv
    suffix: str  # of the format
    open: Callable[[], IO[bytes] | gzip.GzipFile]
    path: Path | None = None  # None: compressed

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Yield a path to read from; a compressed member is extracted to a temporary file."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.NamedTemporaryFile(suffix=self.suffix) as file, self.open() as stream:
            shutil.copyfileobj(stream, file)
            file.flush()
            yield Path(file.name)


def suffixes(name: str) -> tuple[str, str]:
    """Split a file name's suffixes into format and compression: `.csv`, `.gz`; either may be ""."""
    *_, inner, last = ["", "", *(suffix.lower() for suffix in PurePosixPath(name).suffixes)]
    if last == ".zip":
        return "", last
    return (inner, last) if last == ".gz" else (last, "")


def open_members(file: Path, known_suffixes: Collection[str]) -> Iterator[ArchiveMember]:
    """Yield the members of a file.

    Args:
        known_suffixes: of the formats that can be read; other members of an archive are skipped.

    Raises:
        InputError: the archive is broken or encrypted, or has no member of a known format.
    """
    suffix, compression = suffixes(file.name)
    if compression == ".gz":
        yield ArchiveMember(name=str(file), suffix=suffix, open=lambda: gzip.GzipFile(file))
    elif compression != ".zip":
        yield ArchiveMember(name=str(file), suffix=suffix, open=lambda: file.open("rb"), path=file)
    else:
        try:
            with zipfile.ZipFile(file) as archive:
                yield from _zip_members(archive, file, known_suffixes)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise InputError(f"{file}: broken ZIP archive: {error}; pack it again") from None


@contextmanager
def explain_broken(member: ArchiveMember) -> Iterator[None]:
    """Name the member whose compressed bytes cannot be read.

    Raises:
        InputError: they are corrupt, cut short or compressed in a way that Python cannot undo.
    """
    try:
        yield
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # of the disk; a broken archive gives no number, or a position that is none
        raise InputError(f"{member.name}: broken archive: {error}; pack it again") from None
    except NotImplementedError as error:
        raise InputError(
            f"{member.name}: {error}; pack it again, compressed as ZIP usually is (Deflate)"
        ) from None


def _zip_members(
    archive: zipfile.ZipFile, file: Path, known_suffixes: Collection[str]
) -> Iterator[ArchiveMember]:
    members = {
        m.filename: m for m in archive.infolist() if not m.is_dir() and not is_hidden(m.filename)
    }
    known = [(suffix, "") for suffix in known_suffixes]
    readable = [name for name in sorted(members) if suffixes(name) in known]
    if not readable:
        raise InputError(
            f"{file}: contains no file of a known format; it contains "
            f"{', '.join(list(members)[:10]) or 'nothing'}; known formats: "
            f"{', '.join(known_suffixes)}"
        )
    for name in readable:
        if members[name].flag_bits & ENCRYPTED:
            raise InputError(f"{file}!{name}: encrypted; pack it without a password")
    for name in readable:
        yield ArchiveMember(
            name=f"{file}!{name}",
            suffix=suffixes(name)[0],
            open=lambda name=name: archive.open(name),
        )


def is_hidden(name: str) -> bool:
    """Recognize files that systems add: `__MACOSX/._x.csv`, `.DS_Store`, `cats/Thumbs.db`."""
    parts = PurePosixPath(name).parts
    return any(
        part == "__MACOSX" or part.startswith(".") or part.lower() in ADDED for part in parts
    )
