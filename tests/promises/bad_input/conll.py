"""CoNLL files whose lines are no words with a tag, and tags that task.scheme does not have."""

import json

from tests.promises.bad_input import BadInput

GOOD = "Anna B-PER\nleft O\n\n"
GOOD_TABS = GOOD.replace(" ", "\t")


def train(case: str, content: str, *says: str, file: str = "x.conll") -> BadInput:
    """Return a case of one file for train."""
    return BadInput(
        name=case,
        recipe="sample-token_classification",
        changes={"data.files": {"train": file}},
        files={file: content},
        says=says,
    )


def json_line(*tags: str) -> str:
    return json.dumps({"words": ["a"] * len(tags), "tags": tags}) + "\n"


CASES = [
    train("tag_missing", GOOD + "Oslo\n", "x.conll:4: 1 column, but", "'Oslo'"),
    train("tag_missing_after_tabs", GOOD_TABS + "Oslo\t\n", "x.conll:4: '' in the la"),
    train("word_missing", GOOD_TABS + "\tO\n", "x.conll:4: no word before the tag"),
    train("no_tags_at_all", "Anna\nleft\n", "no column 'tags'", "train has words"),
    train("spaces_among_tabs", GOOD_TABS + "Oslo O\n", "x.conll:4: 1 column", "tabs"),
    train("comment_inside_a_sentence", "a O\n# id 7\n", "x.conll:2: 3 columns", "comments stand"),
    train("type_without_prefix", GOOD + "UNO ORG\n", "x.conll:4: 'ORG'", "no tag", "B-PER"),
    train("numbers_for_tags", "Anna B-PER 0\nleft O 1\n", "x.conll:1: '0' in the last column"),
    train("parts_of_speech", "Anna NNP\nleft VBD\n", "x.conll:1: 'NNP' in the last column"),
    train("number_missing", "1 a x O\n2 b x O\n\nc x y O\n", "x.conll:4: 'c' is no number"),
    train("numbered_without_tags", "1 a NN\n2 b VB\n", "x.conll:1: 'NN' in column 3 is no tag"),
    train(
        "tag_of_another_scheme",
        GOOD + "Oslo S-LOC\n",
        "train row 2, column 'tags': 'S-LOC' is no tag of task.scheme IOB2 (O, B-…, I-…)",
    ),
    train(
        "type_without_prefix_in_json",
        json_line("B-PER", "O") + json_line("O", "ORG"),
        "'ORG' is no tag of task.scheme IOB2 (O, B-…, I-…); B- begins an entity",
        file="x.jsonl",
    ),
]
