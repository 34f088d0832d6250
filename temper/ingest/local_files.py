"""A local file, plain or compressed, or a folder → batches of columns.

`formats.READERS` lists the formats; each may also be compressed with gzip or in a ZIP archive.
"""

from collections.abc import Iterator
from pathlib import Path

from temper.core.errors import InputError
from temper.ingest import archives
from temper.ingest.formats import READERS, ColumnBatch


def find_files(name: str, split: str, pattern: str, key: str = "") -> list[Path]:
    """List the files of a split: the file itself, or those in a folder that match.

    Args:
        name: the path.
        split: its name, for `{split}` in the pattern.
        pattern: a glob.
        key: names the path in errors. "": the split's key in params.yaml.

    Raises:
        InputError: the path does not exist, nothing matches, a format is unknown, or a plain-text
            file, perhaps a README, is among files of other formats.
    """
    path, key = Path(name), key or f"data.files.{split}"
    glob = pattern.replace("{split}", split)
    files = sorted(p for p in path.glob(glob) if p.is_file()) if path.is_dir() else [path]
    if not path.exists():
        raise InputError(f"{key}: no such file or folder: {name}")
    if not files:
        raise InputError(
            f"{key}: no file in {name} matches data.glob {pattern!r}; "
            f"it contains {', '.join(sorted(p.name for p in path.iterdir())[:10]) or 'nothing'}"
        )
    for file in files:
        suffix, compression = archives.suffixes(file.name)
        if suffix not in READERS and compression != ".zip":
            raise InputError(
                f"{file}: unknown format {suffix!r}; known formats: {', '.join(READERS)}, each "
                "also with .gz, and .zip archives of them"
            )
    texts = [file for file in files if archives.suffixes(file.name)[0] == ".txt"]
    if texts and len(texts) < len(files):
        raise InputError(
            f"{key}: {texts[0]} is plain text among files of other formats; set "
            f"data.glob to match only the files of {name} that hold examples"
        )
    return files


def read(file: Path) -> Iterator[ColumnBatch]:
    """Yield a file's rows, up to `formats.ROWS` at a time; an archive's member by member.

    Raises:
        InputError: a row is broken; names its line.
    """
    for _, batches in read_members(file):
        yield from batches


def read_members(file: Path) -> Iterator[tuple[str, Iterator[ColumnBatch]]]:
    """Yield the name of each member, or of the plain file, with its batches; see `read`."""
    for member in archives.open_members(file, READERS):
        yield member.name, _read_member(member)


def _read_member(member: archives.ArchiveMember) -> Iterator[ColumnBatch]:
    with archives.explain_broken(member):
        yield from READERS[member.suffix](member)


def column_names(file: Path) -> list[str]:
    """Return a file's columns, from its first batch."""
    return list(next(read(file), {}))
