"""Values of the data group that the schema refuses, at their line."""

import re

import pytest

from temper.core.errors import InputError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__filter": {"min_characters": 1}}, "data.filter.applies_to: missing"),
        ({"data__filter": {"applies_to": ["train"]}}, "data.filter: give min_characters, max_char"),
        (
            {"data__filter": {"min_characters": 9, "max_characters": 8, "applies_to": ["train"]}},
            "min_characters 9 is more than max_characters 8",
        ),
        (
            {
                "task__problem_type": "regression",
                "task__labels": None,
                "evaluate__positive_label": None,
                "data__filter": {"labels": ["1"], "applies_to": ["train"]},
            },
            "data.filter: remove labels here: only rows with exactly one label",
        ),
        ({"data__fold": {"k": 1, "index": 0}}, "data.fold.k: Input should be greater than or eq"),
        ({"data__fold": {"k": 3, "index": 3}}, "data.fold: index 3 is not one of 0 to 2 (k is 3)"),
        ({"data__fold": {"k": 3, "indx": 1}}, "unknown key (did you mean 'index'?)"),
        ({"data__subset": {"train": 0}}, "data.subset.train: Input should be greater than"),
        ({"data__subset": {"train": 1.5}}, "data.subset.train: Input should be"),
        ({"data__rename": {"a": "c", "b": "c"}}, "rename gives two columns the same name"),
    ],
)
def test_names_invalid_values_at_their_line(write_params, changes, message):
    """The data group's values are checked by the schema."""
    with pytest.raises(InputError, match=re.escape(message)):
        write_params(**changes)
