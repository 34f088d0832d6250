"""Words and tags in the cells of a table."""

import json

import pytest

from temper.core.errors import InputError
from temper.init import finders, tag_faults
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


def check(tags, words=WORDS, **wishes):
    columns = profile([{"sentence": words, "labels": tags}])
    tag_faults.check("x.csv", columns, Wishes(choose=lambda *_: "sentence", **wishes))


@pytest.mark.parametrize("write", [str, str.split])
@pytest.mark.parametrize("wishes", [{}, {"label": "labels"}, {"task": "token_classification"}])
def test_a_row_with_a_word_more_than_tags_is_refused(write, wishes):
    """Else all rows would be read for another task, without a word."""
    check([*map(write, TAGS)], **wishes)
    faulty = [*TAGS[:7], f"{TAGS[7]} O", *TAGS[8:]]
    message = r"x\.csv row 8: 5 in the column 'sentence' and 6 in 'labels'; expected a tag for each"
    with pytest.raises(InputError, match=message):
        check([*map(write, faulty)], [*map(write, WORDS)], **wishes)
    with pytest.raises(InputError, match=r"x\.csv row 3: 4 in .* and 0 in 'labels'"):
        check([*map(write, TAGS[:2]), None, *map(write, TAGS[3:])], **wishes)
    for other in ({"label": "sentence"}, {"task": "masked_lm"}):
        check(faulty, **other)


@pytest.mark.parametrize(
    "tags", [[*TAGS[:1], "O PER PER LOC CITY"], ["O NUM NUM O", "O O NUM NUM O"]]
)
def test_tags_without_a_prefix_are_refused(tags):
    """One of a row, or all of them."""
    tags = [*tags, *(TAGS if "B-" in tags[0] else tags * 20)[2:40]]
    with pytest.raises(InputError, match=r"x\.csv row \d, column 'labels': '(PER|NUM)' is no tag"):
        check(tags)


def test_labels_and_texts_are_no_faulty_tags():
    """Of other lengths than the texts, or of many words."""
    for cells in (["B-plan", "O"], ["B-NUM O", "O B-NUM"], ["O", "PER"]):
        check(cells * 20)
    check([f"{text} O" for text in WORDS])
    check(WORDS[::-1])
