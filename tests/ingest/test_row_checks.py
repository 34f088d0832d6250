"""Tags are those of task.scheme, and what breaks it is counted."""

import pytest

from temper.core.errors import InputError
from temper.ingest.row_checks import check_tags
from temper.params.task import TokenClassification


def breaks(scheme, *rows, labels=None):
    task = TokenClassification(
        name="token_classification", words="words", tags="tags", labels=labels, scheme=scheme
    )
    tags = [row and row.split() for row in rows]
    batch = {"words": [row or [] for row in tags], "tags": tags}
    found = check_tags(batch, task, lambda i: f"row {i + 1}")
    return {kind.removeprefix(f"tags break task.scheme {scheme}: "): n for kind, n in found.items()}


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("IOB2", "B-A I-A O B-A B-A I-A", {}),
        ("IOB2", "I-A I-A O I-B", {"I- after the start": 1, "I- after O": 1}),
        ("IOB2", "B-A I-B", {"I- after B- of another type": 1}),
        ("IOB1", "I-A I-A B-A O I-B", {}),
        ("IOB1", "B-A O B-A", {"B- after the start": 1, "B- after O": 1}),
        ("BIOES", "B-A I-A E-A S-A O", {}),
        ("BIOES", "B-A O I-A", {"O after B-": 1, "I- after O": 1, "the end after I-": 1}),
        ("IOB2", "B I O", {}),
    ],
)
def test_counts_what_breaks_a_scheme(scheme, tags, expected):
    """By kind, over all rows."""
    assert breaks(scheme, tags) == expected
    assert breaks(scheme, tags, None, tags) == {kind: 2 * n for kind, n in expected.items()}


@pytest.mark.parametrize(
    ("scheme", "tags"), [("IOB2", "ORG"), ("IOB2", "S-A"), ("BIOES", "L-A"), ("IOB1", "B-")]
)
def test_names_the_row_of_what_is_no_tag(scheme, tags):
    """A type without a prefix would be an entity of nothing."""
    with pytest.raises(InputError, match=rf"row 2: '{tags}' is no tag of task\.scheme {scheme} "):
        breaks(scheme, "O O", f"O {tags}")


@pytest.mark.parametrize(
    ("scheme", "meaning"),
    [
        ("IOB1", "I- is a word of an entity, and B- begins one right after another of its type"),
        ("IOB2", "B- begins an entity, also of one word, and I- continues it"),
        ("BIOES", "B- begins an entity, I- continues and E- ends it; S- is one of one word"),
    ],
)
def test_a_type_without_prefix_is_told_those_of_its_scheme(scheme, meaning):
    """An entity of one word begins with S- in BIOES, and with I- in IOB1."""
    with pytest.raises(InputError, match=rf"'ORG' is no tag .*\); {meaning}$"):
        breaks(scheme, "ORG")


def test_positions_stand_for_the_names_in_the_parameters():
    """As they do where labels are encoded."""
    assert breaks("IOB2", "0 2 1", labels=("O", "B-A", "I-A")) == {"I- after O": 1}
