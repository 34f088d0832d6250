"""What is written as CSV is read as it was."""

import csv
import io

import pytest

from temper.core.csv_file import dict_reader, reader, writer

BARE = [["x\ry", 1], ["\r", ""]]
OTHERS = [["a", "b"], ["x\r\ny", 'q"'], ["x,y\r\n", "\t\n"], ["", None], [1.5, "é"]]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_rows_survive(delimiter):
    """A carriage return alone, which some readers take for the end of a row, included."""
    file = io.StringIO(newline="")
    writer(file, delimiter).writerows(BARE + OTHERS)
    text = file.getvalue()
    found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert found == [
        ["" if field is None else str(field) for field in row] for row in BARE + OTHERS
    ]


def test_other_rows_have_the_bytes_of_csv():
    """Quotes stand where they are needed."""
    mine, theirs = io.StringIO(newline=""), io.StringIO(newline="")
    writer(mine).writerows(OTHERS)
    csv.writer(theirs, lineterminator="\n").writerows(OTHERS)
    assert mine.getvalue() == theirs.getvalue()


def test_a_field_may_be_of_any_length():
    """Also longer than the 131,072 characters that the csv module reads."""
    text = "a long novel, " * 20_000
    file = io.StringIO(newline="")
    writer(file).writerows([["text"], [text]])
    for read, expected in ((reader, ["text"]), (dict_reader, {"text": text})):
        csv.field_size_limit(131_072)
        file.seek(0)
        with pytest.raises(csv.Error, match="field larger"):
            list(csv.reader(file))
        file.seek(0)
        assert next(iter(read(file))) == expected
