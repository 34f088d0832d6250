"""The cells of a table that a command prints, and the rows of one in a file."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def read_csv(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]], **style: Any) -> None:
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), **style)
        writer.writeheader()
        writer.writerows(rows)


def cells(text: str) -> list[list[str]]:
    """Return the cells of each line that has several, whatever the borders are drawn with."""
    lines = (re.split(r"[│┃|]", line) for line in text.splitlines())
    rows = ([cell.strip() for cell in line] for line in lines if len(line) > 1)
    return [row[1:-1] if not row[0] and not row[-1] else row for row in rows]
