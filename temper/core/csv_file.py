"""Rows ↔ CSV that is read as it was written: bare carriage returns and long texts included."""

import csv
from typing import Any, TextIO

LONGEST = 2**31 - 1  # characters of a field; csv's own limit is 131,072


class _LineFeeds:
    """Ends each line that `csv.writer` writes in a line feed alone."""

    def __init__(self, file: TextIO):
        self.file = file

    def write(self, line: str) -> int:
        return self.file.write(line.removesuffix("\r\n") + "\n")


def writer(file: TextIO, delimiter: str = ",") -> Any:
    """Return a `csv.writer` that quotes fields with `\\r`, as it does if lines end in it.

    Args:
        file: opened with `newline=""`.
    """
    return csv.writer(_LineFeeds(file), delimiter=delimiter, lineterminator="\r\n")


def reader(file: TextIO) -> Any:
    """Return a `csv.reader` of fields of any length; the file is opened with `newline=""`."""
    csv.field_size_limit(LONGEST)
    return csv.reader(file)


def dict_reader(file: TextIO) -> csv.DictReader:
    """Return the rows by the names of the header; see `reader`."""
    csv.field_size_limit(LONGEST)
    return csv.DictReader(file)
