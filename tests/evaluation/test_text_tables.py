"""Tables show names and values as they are."""

from rich.console import Console

from temper.evaluation.text_tables import Table


def test_square_brackets_are_text():
    """Of a label or experiment, as in the title, head and cells of a table."""
    table = Table("[/b] title", ["", "[red]"], [["[/x]", "[bold]a"]])
    console = Console(width=60, record=True)
    table.print(console)
    text = console.export_text()
    for part in ("[/b] title", "[red]", "[/x]", "[bold]a"):
        assert part in text


def test_a_table_wider_than_the_terminal_is_printed_in_blocks():
    """No number is cut: each block has the first column, and all others are in one of them."""
    scores = [f"0.8{i}0 (0.683 to 0.883)" for i in range(5)]
    names = [f"model-{i}" for i in range(5)]
    console = Console(width=80, record=True)
    Table("scores", ["", *names], [["accuracy", *scores], ["f1", *scores]]).print(console)
    lines = console.export_text().splitlines()
    assert [line.split("│")[1:] for line in lines if "model" in line] == [
        [f" {name:23}" for name in pair[:-1]] + [f" {pair[-1]:22}"]
        for pair in (names[:2], names[2:4], names[4:])
    ]
    assert all(sum(score in line for line in lines) == 2 for score in scores)
    assert sum(line.startswith("accuracy") for line in lines) == 3
