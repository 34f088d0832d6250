"""A Parquet, Arrow or Excel file → batches of columns."""

import itertools
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa

from temper.core import arrow
from temper.core.errors import InputError
from temper.ingest import text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import ColumnBatch

UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # as pandas writes it
MAX_WORKBOOK = 2**30  # bytes, unpacked: a sheet of a million rows has about 200 MB


def read_parquet(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield the table's rows, without an index of pandas that has no name."""
    import pyarrow.parquet as pq

    with member.on_disk() as path:
        with _explain(member, "Parquet"):
            file = pq.ParquetFile(path, memory_map=True)
        with file, _explain(member, "Parquet"):
            metadata = file.schema_arrow.pandas_metadata or {}
            index = [name for name in metadata.get("index_columns", []) if isinstance(name, str)]
            unnamed = {name for name in index if UNNAMED_INDEX.fullmatch(name)}
            for batch in file.iter_batches(_rows_at_once(file.metadata)):
                for columns in _to_columns(batch, member.name):
                    yield {name: values for name, values in columns.items() if name not in unnamed}


def read_arrow(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield the record batches of an Arrow stream or file."""
    with member.on_disk() as path, _explain(member, "Arrow"), pa.memory_map(str(path)) as source:
        try:
            batches: Iterable[pa.RecordBatch] = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
        for batch in batches:
            batch.validate(full=True)  # a damaged offset would end the process
            yield from _to_columns(batch, member.name)


@contextmanager
def _explain(member: ArchiveMember, format_name: str) -> Iterator[None]:
    """Name the file whose bytes Arrow cannot read."""
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{member.name}: not {format_name}, or damaged: {reason:.200}") from None


def _rows_at_once(metadata: Any) -> int:
    """Return how many rows of a Parquet file are decoded together: by their mean size, at most."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0)
    return min(text_files.ROWS, max(1, int(arrow.MAX_BATCH_BYTES / max(largest, 1))))


def _to_columns(batch: pa.RecordBatch, name: str) -> Iterator[ColumnBatch]:
    """Yield a batch's rows, of large files a few at a time; without rows, the columns."""
    if len(set(batch.schema.names)) < len(batch.schema.names):
        raise InputError(f"{name}: duplicate column name: {', '.join(batch.schema.names)}")
    if not batch.num_rows:
        yield batch.to_pydict()
    for rows in arrow.spans(arrow.row_bytes(pa.Table.from_batches([batch]))):
        yield batch.slice(rows.start, len(rows)).to_pydict()


def read_excel(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield the rows of the only sheet that is not empty; its first row names the columns.

    Raises:
        InputError: openpyxl is missing, there are several sheets, or a column has no name.
    """
    with member.on_disk() as path, path.open("rb") as stream:
        sheet = _open_sheet(stream, member.name)
        rows = ((i, row) for i, row in enumerate(sheet, 1) if any(v is not None for v in row))
        _, header = next(rows)
        names = [None if name is None else str(name) for name in header]
        named = [name for name in names if name is not None]
        if len(set(named)) < len(named):
            raise InputError(f"{member.name}: duplicate column name: {', '.join(named)}")
        for batch in text_files.batched(rows, lambda row: 0):
            cells = [_named_cells(names, row, f"{member.name}: row {i}") for i, row in batch]
            yield {name: [row[i] for row in cells] for i, name in enumerate(named)}


def _named_cells(names: list[str | None], row: tuple[Any, ...], where: str) -> list[Any]:
    """Return the cells below the header's names; a row may be shorter or longer than the header."""
    cells = list(itertools.zip_longest(names, row))
    for name, value in cells:
        if name is None and value is not None:
            raise InputError(f"{where}: {value!r:.80} is in a column whose first row has no name")
    return [value for name, value in cells if name is not None]


def _open_sheet(stream: IO[bytes], name: str) -> Iterator[tuple[Any, ...]]:
    try:
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise InputError(
            f"{name}: .xlsx needs openpyxl: run pip install -c constraints.txt -e '.[excel]', or "
            "save the sheet as CSV"
        ) from None
    try:
        with zipfile.ZipFile(stream) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > MAX_WORKBOOK:
            raise InputError(f"{name}: {size:,} bytes unpacked; more than {MAX_WORKBOOK:,}")
        warnings.filterwarnings("ignore", module="openpyxl")  # of styles it does not know
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        sheets = [s for s in book.worksheets if any(map(any, s.iter_rows(values_only=True)))]
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{name}: not an Excel workbook (.xlsx), encrypted or damaged: {error}"
        ) from None
    if len(sheets) != 1:
        found = ", ".join(repr(sheet.title) for sheet in sheets) or "none"
        raise InputError(
            f"{name}: expected one sheet that is not empty; found {found}; save the one to read as "
            "a file of its own"
        )
    return sheets[0].iter_rows(values_only=True)
