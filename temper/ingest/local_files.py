"""A local file, plain or compressed, or a folder → batches of columns.

`READERS` lists the formats; each may also be compressed with gzip or in a ZIP archive. An error
names the line of a broken row.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from temper.core.errors import InputError
from temper.ingest import archives, conll, delimited, dialect, json_files, tables, text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import ColumnBatch
from temper.ingest.file_names import AUDIO, FileBytes, located, read_bounded
from temper.ingest.text_files import Note
from temper.params.data import CsvParams

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def _read_text(member: ArchiveMember, note: Note) -> Iterator[ColumnBatch]:
    """Yield non-empty lines as the column `text`."""
    with text_files.open_lines(member, text_files.find_encoding(member, note)) as lines:
        for batch in text_files.batched((line.rstrip("\n") for line in lines if line.strip()), len):
            yield {"text": batch}


def _read_bytes(member: ArchiveMember, column: str) -> Iterator[ColumnBatch]:
    """Yield one row: the file's bytes in a column, and its folder's name as the label."""
    path = PurePosixPath(member.path.as_posix() if member.path else member.name.rpartition("!")[2])
    remedy = "; scale it down" if column == "image" else "; cut it"
    with member.open() as stream:
        data = read_bounded(stream.read, f"{member.name}: {column} of", remedy)
    data = FileBytes.of(data, member.name)
    yield {column: [data], "label": [path.parent.name], "file": [path.name]}


READERS: dict[str, Callable[[ArchiveMember, CsvParams | None, Note], Iterator[ColumnBatch]]] = {
    ".csv": delimited.read,
    ".tsv": delimited.read,
    ".txt": lambda member, _, note: _read_text(member, note),
    ".json": lambda member, _, note: json_files.read(member, note),
    ".jsonl": lambda member, _, note: json_files.read_lines(member, note),
    ".parquet": lambda member, *_: tables.read_parquet(member),
    ".arrow": lambda member, *_: tables.read_arrow(member),
    ".xlsx": lambda member, *_: tables.read_excel(member),
    ".conll": lambda member, _, note: conll.read(member, note),
    **dict.fromkeys(IMAGES, lambda member, *_: _read_bytes(member, "image")),
    **dict.fromkeys(AUDIO, lambda member, *_: _read_bytes(member, "audio")),
}


def find_files(name: str, split: str, pattern: str, key: str = "") -> list[Path]:
    """List the files of a split: the file itself, or those in a folder that match.

    Hidden files and those that systems add are left out, unless the pattern names hidden ones.

    Args:
        split: its name, for `{split}` in the pattern.
        key: names the path in errors. "": the split's key in params.yaml.

    Raises:
        InputError: the path does not exist, nothing matches, a pipe, a device, a broken link, a
            linked folder or a file of an unknown format does, or a plain-text file, perhaps a
            README, is among files of other formats.
    """
    path, fix = Path(name), "" if key else ", or set data.glob to match only those"
    key = key or f"data.files.{split}"
    if not path.exists():
        hint = ": a pattern goes into data.glob, beside a folder" if set(name) & set("*?[") else ""
        hint = f"; `dvc pull` fetches {name}.dvc" if Path(f"{name}.dvc").exists() else hint
        raise InputError(f"{key}: no such file or folder: {name}{hint}")
    files = [path]
    if path.is_dir():
        files = _matching(path, pattern.replace("{split}", split), key)
    if not files:
        inner = sorted(path.iterdir())
        hint = (
            "; */* are the files in its folders" if inner and all(p.is_dir() for p in inner) else ""
        )
        raise InputError(
            f"{key}: no file in {name} matches data.glob {pattern!r}; "
            f"it contains {', '.join(p.name for p in inner[:10]) or 'nothing'}{hint}"
        )
    texts = [file for file in files if _checked_suffix(file, key) == ".txt"]
    if texts and len(texts) < len(files):
        raise InputError(
            f"{key}: {texts[0]} is plain text among files of other formats; "
            f"keep only files with examples in {name}{fix}"
        )
    return files


def _matching(folder: Path, pattern: str, key: str) -> list[Path]:
    """Return the files in a folder, without hidden ones unless the pattern names these.

    Raises:
        InputError: one is behind a link to a folder. `**` leaves such files out, and DVC does not
            see them change.
    """
    with_hidden = "/." in f"/{pattern}"
    files = [file for file in folder.glob(pattern) if with_hidden or not _is_hidden(file, folder)]
    files = [file for file in files if not file.is_dir()]
    read = {file.parent for file in files} | set(_searched(folder, pattern, with_hidden))
    inner = {path for part in read for path in (part, *part.parents) if folder in path.parents}
    if links := sorted(path for path in inner if path.is_symlink()):
        raise InputError(
            f"{key}: {links[0]} is a link to a folder, which is not followed: name the folder that "
            "it leads to, or put its files here"
        )
    return sorted(files)


def _searched(folder: Path, pattern: str, with_hidden: bool) -> Iterator[Path]:
    """Yield the folders that `**` of a pattern stands for, and the links among them."""
    before, found, _ = pattern.partition("**")
    roots = (folder.glob(before) if before else [folder]) if found else []
    for root in roots:
        if root.is_dir() and (with_hidden or not _is_hidden(root, folder)):
            yield root
            for parent, names, _ in os.walk(root):  # which asks the system once per folder
                names[:] = [name for name in names if with_hidden or not archives.is_hidden(name)]
                yield from (Path(parent, name) for name in names)


def _is_hidden(path: Path, folder: Path) -> bool:
    return archives.is_hidden(str(path.relative_to(folder)))


def _checked_suffix(file: Path, key: str) -> str:
    """Return the suffix of a file's format; "" of a ZIP archive."""
    if not file.is_file():
        kind = "a pipe or a device" if file.exists() else "a link to a file that does not exist"
        raise InputError(f"{key}: {file} is {kind}; a file or folder is needed")
    suffix, compression = archives.suffixes(file.name)
    if suffix not in READERS and compression != ".zip":
        raise InputError(
            f"{file}: unknown format {suffix!r}; known formats: {', '.join(READERS)}, each "
            "also with .gz, and .zip archives of them"
        )
    return suffix


def read(
    files: Iterable[Path], csv: CsvParams | None = None, note: Note = str, reach: Path | None = None
) -> Iterator[ColumnBatch]:
    """Yield the rows of files, up to `text_files.ROWS` at a time; an archive's member by member.

    Args:
        note: is told how a file is read where that is not plain from its name.
        reach: the folder whose files may be read where a cell names them.

    Raises:
        InputError: a row is broken; names its line.
    """
    for file in files:
        for _, batches in read_members(file, csv, note, reach):
            yield from batches


def read_members(
    file: Path, csv: CsvParams | None, note: Note, reach: Path | None = None
) -> Iterator[tuple[str, Iterator[ColumnBatch]]]:
    """Yield the name of each member, or of the plain file, with its batches; see `read`."""
    for member in archives.open_members(file, READERS):
        batches = _read_member(member, csv, note)
        if member.suffix not in (*AUDIO, *IMAGES):  # whose column `file` is not to be read
            batches = itertools.chain.from_iterable(located(b, file, reach) for b in batches)
        yield member.name, batches


def _read_member(member: ArchiveMember, csv: CsvParams | None, note: Note) -> Iterator[ColumnBatch]:
    with archives.explain_broken(member):
        yield from READERS[member.suffix](member, csv, note)


def reach_of(name: str) -> Path | None:
    """Return the folder that `data.files` names, whose files cells may name; None: it is a file."""
    return Path(name) if Path(name).is_dir() else None


def check_csv(files: Iterable[Path], csv: CsvParams | None, key: str = "data.csv") -> None:
    """Refuse parameters of CSV where no file, or member of an archive, is CSV or TSV."""
    members = (member for file in files for member in archives.open_members(file, READERS))
    if csv is not None and not any(member.suffix in dialect.DEFAULTS for member in members):
        raise InputError(f"{key}: there is no CSV or TSV file to read; remove it")


def column_names(file: Path, csv: CsvParams | None) -> list[str]:
    """Return a file's columns, from its first batch."""
    return list(next(read([file], csv), {}))
