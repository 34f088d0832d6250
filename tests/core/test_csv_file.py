"""What is written as CSV is read as it was."""

import csv
import io

import pytest

from temper.core.csv_file import writer

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
