"""Tables for the console and for Markdown, and scores as text."""

import re
from typing import Any, NamedTuple

from rich import box
from rich import table as rich_table
from rich.markup import escape

from temper.metrics import UNBOUNDED

NAME_WIDTH = 24  # columns of the console that a name has before it is wrapped


class Table(NamedTuple):
    title: str
    head: list[str]
    rows: list[list[str]]

    def to_rich(self) -> rich_table.Table:
        """Convert it for the console; names in the first column are wrapped last, numbers never."""
        layout: Any = {"box": box.MINIMAL, "show_edge": False, "pad_edge": False}
        table = rich_table.Table(title=escape(self.title), title_justify="left", **layout)
        longest = max((len(row[0]) for row in self.rows), default=0)
        for index, name in enumerate(self.head):
            width = 0 if index else min(longest, NAME_WIDTH)
            is_number = all(re.match(r"[-+\d]|$", row[index]) for row in self.rows)
            table.add_column(escape(name), overflow="fold", min_width=width, no_wrap=is_number)
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

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
