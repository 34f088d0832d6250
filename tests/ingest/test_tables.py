"""Excel, Parquet and Arrow files are tables, or an error names the file."""

import sys

import pytest

from temper.core.errors import InputError
from tests.helpers.archives import columns_of, contents, zipped

ROWS = {"text": ["a", None, "c"], "label": [1, 2.5, True]}


def workbook(file, *sheets):
    """Write lists of rows as the sheets of an Excel file."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(file)
    return file


def test_reads_the_sheet_of_a_workbook(tmp_path):
    """Empty rows, empty sheets and columns without name or value do not count."""
    rows = [[], ["text", "label", None], ["a", 1], [], [None, 2.5], ["c", True]]
    file = workbook(tmp_path / "x.xlsx", [], rows)
    assert columns_of(file) == ROWS
    assert columns_of(zipped(tmp_path / "x.zip", {"a.xlsx": file.read_bytes()})) == ROWS


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ([[["a"], ["1"]], [["b"]]], r"one sheet that is not empty; found 'Sheet', 'Sheet1'; save"),
        ([[]], "found none"),
        ([[["a"], ["1", "2"]]], r"x\.xlsx: row 2: '2' is in a column whose first row has no name"),
        ([[["a", "a"]]], "duplicate column name: a, a"),
    ],
)
def test_names_what_is_no_table_in_a_workbook(tmp_path, sheets, message):
    """Nothing is left out without a word."""
    with pytest.raises(InputError, match=message):
        columns_of(workbook(tmp_path / "x.xlsx", *sheets))


def test_excel_needs_an_extra(tmp_path, monkeypatch):
    """The error names it, and the way without."""
    (tmp_path / "x.xlsx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"x\.xlsx: \.xlsx needs openpyxl: .*\[excel\].* as CSV"):
        columns_of(tmp_path / "x.xlsx")


def test_names_a_file_that_is_no_workbook(tmp_path):
    """Such as one of an older Excel, or with a password."""
    pytest.importorskip("openpyxl")
    (tmp_path / "x.xlsx").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(InputError, match=r"x\.xlsx: not an Excel workbook \(\.xlsx\), encrypted"):
        columns_of(tmp_path / "x.xlsx")


@pytest.mark.parametrize(
    ("suffix", "position"), [(".parquet", 6), (".parquet", 30), (".parquet", -6), (".arrow", -30)]
)
def test_names_a_damaged_table(tmp_path, suffix, position):
    """A broken page as well as a broken end."""
    data = bytearray(contents(suffix, tmp_path))
    data[position] ^= 0xFF
    (tmp_path / f"x{suffix}").write_bytes(data)
    with pytest.raises(InputError, match=rf"x\{suffix}: not \w+, or damaged: .*\w"):
        columns_of(tmp_path / f"x{suffix}")


def test_refuses_two_columns_of_one_name(tmp_path):
    """One would hide the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table([["x"], ["y"]], names=["a", "a"]), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: duplicate column name: a, a"):
        columns_of(tmp_path / "x.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv", ".jsonl"])
@pytest.mark.parametrize("packed", ["", ".zip"])
def test_no_damage_is_more_than_an_error(tmp_path, suffix, packed):
    """Each byte is changed in turn; a text may still be one, but nothing else may happen."""
    data = contents(suffix, tmp_path)
    if packed:
        data = zipped(tmp_path / "whole.zip", {f"a{suffix}": data}).read_bytes()
    file, errors = tmp_path / f"x{packed or suffix}", []
    for position in range(0, len(data), 1 + len(data) // 150):
        file.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            columns_of(file)
        except InputError as error:
            errors.append(str(error))
    assert errors
    assert [text for text in errors if not text.startswith(str(file)) or "\n" in text] == []
