"""Words and tags in the cells of a table."""

import json

import pytest

from temper.init import finders
from temper.init.profiles import profile
from temper.init.roles import Wishes

WORDS = [f"{i} Main St., {city}" for i in range(20) for city in ("Boston", "St. Paul")]
TAGS = ["B-NUM B-ROAD I-ROAD B-CITY" + " I-CITY" * ("Paul" in words) for words in WORDS]


def roles(words, tags, **wishes):
    columns = profile([{"sentence": words, "labels": tags}])
    return finders.find_roles(columns, Wishes(choose=lambda *_: "sentence", **wishes))


@pytest.mark.parametrize("wishes", [{}, {"label": "labels"}, {"task": "token_classification"}])
@pytest.mark.parametrize("write", [str, lambda cell: json.dumps(cell.split())])
def test_tags_in_a_cell_are_separated_by_spaces_or_a_list(write, wishes):
    """As data.md says that tables hold them; else each row of tags would be a class."""
    found = roles([*map(write, WORDS)], [*map(write, TAGS)], **wishes).task
    assert found == {
        "name": "token_classification",
        "words": "sentence",
        "tags": "labels",
        "scheme": "IOB2",
    }


def test_labels_that_are_no_tags_stay_labels():
    """A tag has a prefix or is O, and there is one for each word."""
    for cells in (["B-plan", "O"], ["B-NUM O", "O B-NUM"]):
        found = roles(WORDS, cells * 20, label="labels").task
        assert found["name"] == "sequence_classification"
