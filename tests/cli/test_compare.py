"""`temper compare` shows names and values as they are."""

from rich.console import Console

from temper.cli import compare
from temper.compare import console_tables


def test_square_brackets_are_text():
    """Of a label or experiment, as in the title, head and cells of a table."""
    table = console_tables.Table(title="[/b] title", head=["", "[red]"], rows=[["[/x]", "[bold]a"]])
    console = Console(width=60, record=True)
    console.print(compare.to_rich(table))
    text = console.export_text()
    for part in ("[/b] title", "[red]", "[/x]", "[bold]a"):
        assert part in text
