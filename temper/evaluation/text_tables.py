"""Tables for the console and for Markdown, and scores as text."""

import re
from typing import Any, NamedTuple

from rich import box
from rich import table as rich_table
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape

from temper.metrics import UNBOUNDED

RULE = 3  # columns between two columns of a table
NAME_WIDTH = 24  # columns of the console that a name has before it is wrapped


class Table(NamedTuple):
    title: str
    head: list[str]
    rows: list[list[str]]

    def print(self, console: Console) -> None:
        """Print it; one wider than the console in blocks of columns, each with the first one."""
        for block in self._blocks(console.width):
            console.print(block._to_rich(), soft_wrap=False)

    def _blocks(self, width: int) -> list["Table"]:
        first, *others = map(self._min_width, range(len(self.head)))
        blocks: list[list[int]] = []
        room = 0
        for index, needed in enumerate(others, start=1):
            if room < needed + RULE:
                blocks.append([0])
                room = width - first
            blocks[-1].append(index)
            room -= needed + RULE
        if len(blocks) < 2:
            return [self]
        cut = [[[line[i] for i in block] for line in (self.head, *self.rows)] for block in blocks]
        return [Table("" if i else self.title, lines[0], lines[1:]) for i, lines in enumerate(cut)]

    def _to_rich(self) -> rich_table.Table:
        """Convert it; names in the first column are wrapped last, numbers never."""
        layout: Any = {"box": box.MINIMAL, "show_edge": False, "pad_edge": False}
        table = rich_table.Table(title=escape(self.title), title_justify="left", **layout)
        for index, name in enumerate(self.head):
            width, is_number = self._min_width(index), self._is_number(index)
            table.add_column(escape(name), overflow="fold", min_width=width, no_wrap=is_number)
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def _is_number(self, index: int) -> bool:
        return all(re.match(r"[-+\d]|< \d|$", row[index]) for row in self.rows)

    def _min_width(self, index: int) -> int:
        """Return how narrow a column may be: numbers whole, of texts a word or `NAME_WIDTH`."""
        cells = [self.head[index], *(row[index] for row in self.rows)]
        if index and self._is_number(index):
            return max(map(cell_len, cells))
        parts = [word for cell in cells for word in cell.split()] if index else cells
        return min(max(map(cell_len, parts), default=0), NAME_WIDTH)

    def to_markdown(self) -> str:
        """Convert it to a section of Markdown."""
        rows = [self.head, ["---"] * len(self.head), *self.rows]
        lines = ("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)
        return "\n".join([f"## {self.title[0].upper()}{self.title[1:]}", "", *lines])


def truncate(text: str, max_characters: int) -> str:
    return text if len(text) <= max_characters else f"{text[: max_characters - 1]}…"


def format_number(value: float, metric: str, *, sign: bool = False) -> str:
    """Format a score: three decimals where it is between 0 and 1, else four digits."""
    plus = "+" if sign else ""
    return format(value, f"{plus}.4g" if metric in UNBOUNDED else f"{plus}.3f")


def format_score(scores: dict[str, float], metric: str) -> str:
    """Format a score and its interval as `0.912 (0.880 to 0.940)`; '' where there is none."""
    if metric not in scores:
        return ""
    value, *bounds = (
        format_number(scores[key], metric)
        for key in (metric, f"{metric}_low", f"{metric}_high")
        if key in scores
    )
    return value if len(bounds) < 2 else f"{value} ({bounds[0]} to {bounds[1]})"
