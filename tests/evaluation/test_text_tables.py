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


def test_a_column_of_texts_is_as_wide_as_its_name():
    """As of the parameters of six experiments, whose values are shorter than their names."""
    names = ["HEAD", "base-seed-12", "gelid-head", "puffy-dhal", "lanky-nags", "high-rate-x"]
    values = ["null", "null", "null", "null", "true", "glue"]
    console = Console(width=80, record=True)
    rows = [["train.learning_rate", *["0.001"] * 6], ["train.freeze_of", *values]]
    Table("parameters that differ", ["parameter", *names], rows).print(console)
    lines = [line.rstrip().split(" │ ") for line in console.export_text().splitlines()]
    cells = [[cell.strip() for cell in line[1:]] for line in lines]
    assert [cells[i] for i in (1, 5)] == [names[:4], names[4:]]
    assert [cells[i] for i in (4, 8)] == [values[:4], values[4:]]
