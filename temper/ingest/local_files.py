"""A local file, plain or compressed, or a folder → batches of columns.

`formats.READERS` lists the formats; each may also be compressed with gzip or in a ZIP archive.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from temper.core.errors import InputError
from temper.ingest import archives, dialect, text_files
from temper.ingest.columns import ColumnBatch
from temper.ingest.formats import READERS
from temper.ingest.text_files import Note
from temper.params.data import CsvParams


def find_files(name: str, split: str, pattern: str, key: str = "") -> list[Path]:
    """List the files of a split: the file itself, or those in a folder that match.

    Args:
        name: the path.
        split: its name, for `{split}` in the pattern.
        pattern: a glob.
        key: names the path in errors. "": the split's key in params.yaml.

    Raises:
        InputError: the path does not exist, nothing matches, a pipe, a device, a broken link or a
            file of an unknown format does, or a plain-text file, perhaps a README, is among files
            of other formats.
    """
    path, fix = Path(name), "" if key else ", or set data.glob to match only those"
    key = key or f"data.files.{split}"
    glob = pattern.replace("{split}", split)
    found = sorted(p for p in path.glob(glob) if not p.is_dir()) if path.is_dir() else [path]
    if not path.exists():
        hint = ": a pattern goes into data.glob, beside a folder" if set(name) & set("*?[") else ""
        hint = f"; `dvc pull` fetches {name}.dvc" if Path(f"{name}.dvc").exists() else hint
        raise InputError(f"{key}: no such file or folder: {name}{hint}")
    for file in found:
        if not file.is_file():
            kind = "a pipe or a device" if file.exists() else "a link to a file that does not exist"
            raise InputError(f"{key}: {file} is {kind}; a file or folder is needed")
    if not found:
        inner = sorted(path.iterdir())
        hint = (
            "; */* are the files in its folders" if inner and all(p.is_dir() for p in inner) else ""
        )
        raise InputError(
            f"{key}: no file in {name} matches data.glob {pattern!r}; "
            f"it contains {', '.join(p.name for p in inner[:10]) or 'nothing'}{hint}"
        )
    for file in found:
        suffix, compression = archives.suffixes(file.name)
        if suffix not in READERS and compression != ".zip":
            raise InputError(
                f"{file}: unknown format {suffix!r}; known formats: {', '.join(READERS)}, each "
                "also with .gz, and .zip archives of them"
            )
    texts = [file for file in found if archives.suffixes(file.name)[0] == ".txt"]
    if texts and len(texts) < len(found):
        raise InputError(
            f"{key}: {texts[0]} is plain text among files of other formats; "
            f"keep only files with examples in {name}{fix}"
        )
    return found


def read(
    file: Path, csv: CsvParams | None = None, note: Note = text_files.ignore
) -> Iterator[ColumnBatch]:
    """Yield a file's rows, up to `text_files.ROWS` at a time; an archive's member by member.

    Args:
        file: one that `find_files` lists.
        csv: `data.csv`.
        note: is told how a file is read where that is not plain from its name.

    Raises:
        InputError: a row is broken; names its line.
    """
    for _, batches in read_members(file, csv, note):
        yield from batches


def read_all(
    files: Iterable[Path], csv: CsvParams | None, note: Note = text_files.ignore
) -> Iterator[ColumnBatch]:
    """Yield the rows of files, one after the other; see `read`."""
    for file in files:
        yield from read(file, csv, note)


def read_members(
    file: Path, csv: CsvParams | None = None, note: Note = text_files.ignore
) -> Iterator[tuple[str, Iterator[ColumnBatch]]]:
    """Yield the name of each member, or of the plain file, with its batches; see `read`."""
    for member in archives.open_members(file, READERS):
        yield member.name, _read_member(member, csv, note)


def _read_member(
    member: archives.ArchiveMember, csv: CsvParams | None, note: Note
) -> Iterator[ColumnBatch]:
    with archives.explain_broken(member):
        yield from READERS[member.suffix](member, csv, note)


def check_csv(files: Iterable[Path], csv: CsvParams | None, key: str = "data.csv") -> None:
    """Refuse parameters of CSV where no file, or member of an archive, is CSV or TSV."""
    members = (member for file in files for member in archives.open_members(file, READERS))
    if csv is not None and not any(member.suffix in dialect.DEFAULTS for member in members):
        raise InputError(f"{key}: there is no CSV or TSV file to read; remove it")


def column_names(file: Path, csv: CsvParams | None = None) -> list[str]:
    """Return a file's columns, from its first batch."""
    return list(next(read(file, csv), {}))
