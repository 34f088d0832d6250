"""CoNLL files and their tags; tests/ingest has what else their reader refuses."""

from tests.promises.bad_input import BadInput

GOOD = "Anna B-PER\nleft O\n\n"


def train(case: str, content: str, *says: str) -> BadInput:
    """Return a case of one file for train."""
    return BadInput(
        name=case,
        recipe="sample-token_classification",
        changes={"data.files": {"train": "x.conll"}},
        files={"x.conll": content},
        says=says,
    )


CASES = [
    train("tag_missing", GOOD + "Oslo\n", "x.conll:4: 1 column, but", "'Oslo'"),
    train("no_tags_at_all", "Anna\nleft\n", "no column 'tags'", "train has words"),
    train(
        "tag_of_another_scheme",
        GOOD + "Oslo S-LOC\n",
        "train row 2, column 'tags': 'S-LOC' is no tag of task.scheme IOB2 (O, B-…, I-…)",
    ),
]
