"""The cells of a table that a command prints."""

import re


def cells(text: str) -> list[list[str]]:
    """Return the cells of each line that has several, whatever the borders are drawn with."""
    lines = (re.split(r"[│┃|]", line) for line in text.splitlines())
    rows = ([cell.strip() for cell in line] for line in lines if len(line) > 1)
    return [row[1:-1] if not row[0] and not row[-1] else row for row in rows]
