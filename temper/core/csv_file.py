"""Rows → CSV that is read as it was written: `csv.writer` may leave a carriage return bare."""

import csv
from collections.abc import Iterable
from typing import Any, TextIO


class Writer:
    """Write rows whose lines end in a line feed.

    Args:
        file: opened with `newline=""`.
        delimiter: between two fields.
    """

    def __init__(self, file: TextIO, delimiter: str = ","):
        options: Any = {"delimiter": delimiter, "lineterminator": "\n"}
        self.minimal = csv.writer(file, **options)
        self.quoted = csv.writer(file, quoting=csv.QUOTE_ALL, **options)
        self.quoted_anyway = {"\n", '"', delimiter}

    def writerow(self, row: Iterable[Any]) -> None:
        row = list(row)
        is_bare = any(isinstance(field, str) and self._is_bare(field) for field in row)
        (self.quoted if is_bare else self.minimal).writerow(row)

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        for row in rows:
            self.writerow(row)

    def _is_bare(self, field: str) -> bool:
        """Say whether Python 3.11 would leave a carriage return without quotes."""
        return "\r" in field and self.quoted_anyway.isdisjoint(field)
