"""Batches of columns → what each column holds: types, distinct values, lengths, first cells."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from temper.core.errors import InputError
from temper.ingest import file_names, literals
from temper.ingest.columns import ColumnBatch, is_empty
from temper.ingest.label_values import label_name
from temper.tasks.base import audio
from temper.tasks.base.messages import are_messages

MAX_DISTINCT = 1_000  # values of a column that are counted; a column with more has no labels
MAX_CELLS = 2_000  # cells of a column that are kept, to measure lengths in tokens
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")  # Thai, Lao, Japanese, Chinese
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( .*)?")
HOLLOW = re.compile(r"\s*(\[\s*\]|\{[^][]*\[\s*\][^][]*\[\s*\]\s*\})\s*")  # {"text": [], …: []}


@dataclass
class ColumnProfile:
    """What one column of train holds."""

    name: str
    num_rows: int = 0
    num_cells: int = 0  # not empty
    num_with_spaces: int = 0  # or that could have them, were they written in Latin letters
    num_characters: int = 0
    num_numbers: int = 0  # cells that can be read as numbers
    num_whole_numbers: int = 0
    num_dates: int = 0
    types: set[str] = field(default_factory=set)  # of Python: str, int, float, bool, list, dict
    counts: Counter[str] = field(default_factory=Counter)  # value → rows
    has_more: bool = False  # more than MAX_DISTINCT values: `counts` has the first ones
    cells: list[Any] = field(default_factory=list)  # the first ones that are not empty
    rows: list[int] = field(default_factory=list)  # of `cells`, from 1 on
    seconds: list[float] = field(default_factory=list)  # of WAV files
    num_hollow: int = 0  # lists and objects that hold nothing, such as no answers
    unread: str = ""  # why the first one that is no WAV file cannot be read

    def add(self, value: Any) -> None:
        """Count one cell."""
        self.num_rows += 1
        if is_empty(value):
            return
        self.num_cells += 1
        self.types.add("bytes" if isinstance(value, bytes) else type(value).__name__)
        if len(self.cells) < (1 if isinstance(value, bytes | dict) else MAX_CELLS):  # images
            self.cells.append(value)
            self.rows.append(self.num_rows)
        self.num_hollow += _is_hollow(value)
        if isinstance(value, bytes | list | dict):
            self._measure_clip(value)
            return
        name = label_name(value)
        inner = name.strip()
        self.num_characters += len(name)
        self.num_with_spaces += len(inner.split(None, 1)) > 1 or (
            len(inner) > 4 and UNSPACED.search(inner) is not None
        )
        if NUMBER.fullmatch(inner):
            self.num_numbers += 1
            self.num_whole_numbers += float(inner).is_integer()
        self.num_dates += DATE.fullmatch(inner) is not None
        if name in self.counts or len(self.counts) < MAX_DISTINCT:
            self.counts[name] += 1
        else:
            self.has_more = True

    def _measure_clip(self, value: Any) -> None:
        data = file_names.file_bytes(value)
        if not isinstance(data, bytes):
            return
        try:
            samples, rate = audio.read(data)
            self.seconds.append(len(samples) / rate)
        except InputError as error:  # no WAV file, or one that `temper check` refuses
            where = file_names.with_name(f"row {self.num_rows}", value)
            self.unread = self.unread or f"{where}: {error}"

    @property
    def num_distinct(self) -> int:
        return len(self.counts)

    @property
    def mean_characters(self) -> float:
        return self.num_characters / max(self.num_cells, 1)

    @property
    def holds_numbers(self) -> bool:
        return 0 < self.num_cells == self.num_numbers

    @property
    def holds_flags(self) -> bool:
        """Whether every cell is 0 or 1, or true or false."""
        return self.num_distinct == 2 and {*self.counts} in ({"0", "1"}, {"false", "true"})

    @property
    def holds_lists(self) -> bool:
        return self.types == {"list"}

    @property
    def holds_conversations(self) -> bool:
        """Whether cells are lists of objects, at least half of them with a role and its text."""
        return are_messages([x for cell in self.cells if isinstance(cell, list) for x in cell])

    @property
    def is_text(self) -> bool:
        """Whether the cells are texts to read rather than names, numbers or dates."""
        if not self.types or not self.types <= {"str"} or self.holds_numbers or self.is_date:
            return False
        repeats = self.num_cells / max(self.num_distinct, 1) > 5 and not self.has_more
        return not repeats and (self.num_with_spaces > self.num_cells / 2 or self.is_long)

    @property
    def is_long(self) -> bool:
        return self.mean_characters > 40

    @property
    def is_date(self) -> bool:
        return self.num_dates > 0.9 * self.num_cells

    @property
    def is_unique(self) -> bool:
        """Whether no value occurs twice, as far as they were counted."""
        return self.num_cells > 1 and max(self.counts.values(), default=2) == 1

    @property
    def is_categorical(self) -> bool:
        """Whether a few short values occur again and again."""
        return 2 <= self.num_distinct <= self.num_cells / 2 and not (
            self.has_more or self.is_text or self.is_date or self.is_long
        )


def profile(batches: Iterable[ColumnBatch]) -> dict[str, ColumnProfile]:
    """Read all rows and describe each column, in the order of the file.

    Raises:
        InputError: a file that a cell names cannot be read, or none of the WAV files can.
    """
    columns: dict[str, ColumnProfile] = {}
    named = {"audio"}  # columns of WAV files; a folder of them has this one
    for batch in batches:
        for name, values in batch.items():
            column = columns.setdefault(name, ColumnProfile(name))
            for value in values:
                if isinstance(value, file_names.FileName):
                    named.add(name)
                    value = _read(value, f"train row {column.num_rows + 1}, column {name!r}")
                column.add(value)
    for name in sorted(named & columns.keys()):
        column = columns[name]
        if column.unread and not column.seconds and column.types <= {"bytes", "dict"}:
            raise InputError(
                f"train, column {name!r}: none of {column.num_cells:,} files can be read as WAV; "
                f"{column.unread}"
            )
    return {name: _with_conversations(column) for name, column in columns.items()}


def _with_conversations(column: ColumnProfile) -> ColumnProfile:
    """Return a column of texts with their conversations as lists, where half of them are some."""
    if "str" not in column.types:
        return column
    cells = [
        literals.parse(cell) if isinstance(cell, str) and literals.OBJECTS.match(cell) else cell
        for cell in column.cells
    ]
    found = zip(column.rows, cells, strict=True)
    lists = {row: cell for row, cell in found if isinstance(cell, list)}
    read = replace(column, types={"list"}, counts=Counter(), rows=[*lists], cells=[*lists.values()])
    return read if 2 * len(lists) >= len(cells) and read.holds_conversations else column


def _is_hollow(value: Any) -> bool:
    if isinstance(value, str):  # as a table holds it
        return HOLLOW.fullmatch(value) is not None
    return not any(value.values()) if isinstance(value, dict) else value == []


def _read(name: file_names.FileName, where: str) -> bytes:
    try:
        return name.read()
    except ValueError as error:
        raise InputError(f"{where}: {error}; found {str(name)!r:.80}") from None
