"""CoNLL files become sentences of words and tags, whatever separates their columns."""

import pytest

from temper.core.errors import InputError
from temper.ingest import local_files
from tests.helpers.archives import columns_of

CONLL = """-DOCSTART- -X- -X- O

Anna NNP I-NP B-PER
left VBD I-VP O

Oslo NNP I-NP B-LOC
-DOCSTART- -X- -X- O
Yes UH I-INTJ O
"""


def write(folder, text):
    file = folder / "x.conll"
    file.write_bytes(text.encode())
    return file


def test_reads_sentences(tmp_path):
    """Empty lines and document marks separate them, the last column is the tag."""
    found = columns_of(write(tmp_path, CONLL))
    assert found == {
        "words": [["Anna", "left"], ["Oslo"], ["Yes"]],
        "tags": [["B-PER", "O"], ["B-LOC"], ["O"]],
    }


def test_fields_between_tabs_may_have_spaces(tmp_path):
    """With tabs in any line, a space is part of a word; without, one or more separate columns."""
    file = write(tmp_path, "10\xa0000\tO\r\nNew York\tB-LOC\r\n")
    assert columns_of(file)["words"] == [["10\xa0000", "New York"]]
    file = write(tmp_path, "\ufeff10\xa0000  O \nYork B-LOC\n \nof O\n")
    assert columns_of(file)["words"] == [["10\xa0000", "York"], ["of"]]


def test_comments_are_no_words(tmp_path):
    """A line that begins with # is one unless it has the columns and the tag of a word's."""
    lines = [
        "# id 1\tdomain=en",
        "# text = No 1",
        "#1 _ B-PER",
        "# _ O",
        "",
        "# x",
        "#b _ O",
        "c _ O",
    ]
    assert columns_of(write(tmp_path, "\n".join(lines)))["words"] == [["#1", "#"], ["#b", "c"]]
    assert columns_of(write(tmp_path, "# one two\n#\n#tag\nword\n")) == {
        "words": [["#", "#tag", "word"]]
    }


def test_numbered_lines_have_their_word_second(tmp_path):
    """Tags are the first column of tags alone, and CoNLL-U's ranges and empty nodes are skipped."""
    text = (
        "#\t1\t[x]\n1\tin\tADP\tO\tO\n2-3\tim\t_\t_\t_\n2\tOslo\tPROPN\tB-LOC\tO\n2.1\t_\t_\t_\t_\n"
    )
    file, notes = write(tmp_path, text + "\n1\tPär\tPROPN\tB-PER\tO\n"), []
    (found,) = local_files.read([file], None, notes.append)
    assert found == {"words": [["in", "Oslo"], ["Pär"]], "tags": [["O", "B-LOC"], ["B-PER"]]}
    assert notes == [
        f"{file}: numbered lines; words from column 2, tags from column 4",
        f"{file}: comment lines (#): 1",
    ]
    assert columns_of(write(tmp_path, "1 O\n2 O\n"))["words"] == [["1", "2"]]
    assert columns_of(write(tmp_path, "1 in\n2 Oslo\n")) == {"words": [["in", "Oslo"]]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a O\nb\n",
            r"x\.conll:2: 1 column, but the first word has 2 \(separated by spaces\): 'b'",
        ),
        ("a\tO\n\nb O\n", r"x\.conll:3: 1 column, but .* \(separated by tabs\)"),
        ("a\nb O\n", r"x\.conll:2: 2 columns, but the first word has 1"),
        ("a O\n# c\n", r"x\.conll:2: '# c'|x\.conll:2: 'c' in the last column is no tag"),
        ("a O\n# id 7\n", r"x\.conll:2: 3 columns, .*comments stand"),
        ("a\tO\nb\t\n", r"x\.conll:2: '' in the last column is no tag"),
        ("a O\nb ORG\n", r"x\.conll:2: 'ORG' in the last column is no tag; a tag is O, or B-"),
        ("a O 1\nb B-X 2\n", r"x\.conll:1: '1' in the last column is no tag"),
        ("a\tO\n\tO\n", r"x\.conll:2: no word before the tag 'O'"),
        ("1 a x O\n2 b x O\n\nc x x O\n", r"x\.conll:4: 'c' is no number, but other lines begin"),
        ("1 a NN\n2 b VB\n", r"x\.conll:1: 'NN' in column 3 is no tag"),
    ],
)
def test_names_the_line_that_is_no_word_with_a_tag(tmp_path, text, message):
    """A missing tag is not taken from the word, and numbers are no tags."""
    with pytest.raises(InputError, match=message):
        columns_of(write(tmp_path, text))
