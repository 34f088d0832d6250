"""Rows → CSV that is read as it was written: `csv.writer` may leave a carriage return bare."""

import csv
from typing import Any, TextIO


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
