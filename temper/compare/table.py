"""A table for the console, Markdown and pages."""

from typing import NamedTuple

from rich import table as rich_table
from rich.markup import escape

NAME_WIDTH = 24  # columns of the console that a name has before it is wrapped


class Table(NamedTuple):
    title: str
    head: list[str]
    rows: list[list[str]]

    def to_rich(self) -> rich_table.Table:
        """Convert it for the console; names in the first column are wrapped last."""
        table = rich_table.Table(title=escape(self.title), title_justify="left")
        longest = max((len(row[0]) for row in self.rows), default=0)
        for index, name in enumerate(self.head):
            width = 0 if index else min(longest, NAME_WIDTH)
            table.add_column(escape(name), overflow="fold", min_width=width)
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def to_markdown(self) -> str:
        """Convert it to a section of Markdown."""
        rows = [self.head, ["---"] * len(self.head), *self.rows]
        lines = ("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)
        return "\n".join([f"## {self.title[0].upper()}{self.title[1:]}", "", *lines])
