"""Tables show names and values as they are."""

from rich.console import Console

from temper.evaluation.text_tables import Table


def test_square_brackets_are_text():
    """Of a label or experiment, as in the title, head and cells of a table."""
    table = Table("[/b] title", ["", "[red]"], [["[/x]", "[bold]a"]])
    console = Console(width=60, record=True)
    console.print(table.to_rich())
    text = console.export_text()
    for part in ("[/b] title", "[red]", "[/x]", "[bold]a"):
        assert part in text
