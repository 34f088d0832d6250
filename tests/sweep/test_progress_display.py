"""The table of a running sweep."""

from temper.sweep import progress_display


def test_columns_are_headed_by_the_last_part_of_a_name():
    """The whole name is used where its last part is ambiguous."""
    names = ["train.learning_rate", "data.split.seed", "seed"]
    assert progress_display.column_names(names) == ["learning_rate", "data.split.seed", "seed"]
