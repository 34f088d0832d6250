"""CSV and TSV files are read as they are written, or as `data.csv` says."""

import pytest

from temper.core.errors import InputError
from temper.ingest import local_files
from temper.params.data import CsvParams
from tests.helpers.archives import columns_of
from tests.helpers.downloads import SINGLE, get, one_file


def read(folder, text, name="x.csv", **csv):
    """Return the rows of a text as tuples, and the notes without the file's name."""
    file, notes = folder / name, []
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    batches = local_files.read([file], CsvParams(**csv) if csv else None, notes.append)
    rows = [row for batch in batches for row in zip(*batch.values(), strict=True)]
    return rows, [note.replace(f"{file}: ", "") for note in notes]


STRAY = 'id\ttext\tlabel\n1\t"good\tyes\n2\tbad"\tno\n3\tso "so"\tno\n'


def test_a_quote_in_tsv_is_a_character(tmp_path):
    """Rows between two stray quotes do not become one."""
    rows, notes = read(tmp_path, STRAY, "x.tsv")
    assert rows == [("1", '"good', "yes"), ("2", 'bad"', "no"), ("3", 'so "so"', "no")]
    assert notes == []
    assert read(tmp_path, "text\n\"a\n'b\n", "x.tsv") == ([('"a',), ("'b",)], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('a\tb\n"x\ty"\t1\n', "x\ty"),
        ('a\tb\n"x\ny"\t1\n', "x\ny"),
        ('a\tb\n"x ""y"""\t1\n', 'x "y"'),
        ('"a"\t"b"\n"x"\t"1"\n', "x"),
    ],
)
def test_quotes_in_tsv_enclose_fields_where_only_that_makes_sense(tmp_path, text, value):
    """Writers that quote double the quotes inside, or quote a whole column, header and all."""
    rows, notes = read(tmp_path, text, "x.tsv")
    assert rows == [(value, "1")]
    assert notes == ['quotes (") enclose fields']


def test_quotes_in_csv_are_characters_where_only_that_makes_sense(tmp_path):
    """Unless some fields are in quotes as they should be: then a broken one is an error."""
    rows, notes = read(tmp_path, 'a,b\n"x" or y,1\n')
    assert (rows, notes) == ([('"x" or y', "1")], ['quotes (") are ordinary characters'])
    with pytest.raises(InputError, match=r"x\.csv:3: .*a quote is written twice"):
        read(tmp_path, 'a,b\n"x",1\n"x" or y,1\n')
    with pytest.raises(InputError, match=r"x\.csv:3: unexpected end of data \(read up to line 4"):
        read(tmp_path, 'a,b\n"x",1\n"y,2\nz,3\n')


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ('a\tb\nx\t1\n"y"\t2\n', "x.tsv", 3),  # a title, or a quoted cell
        ('a\n"x\ny"\n', "x.tsv", 2),  # two rows, or a text of two lines
        ('a,b\n"x,1\ny",2\n', "x.csv", 2),  # two rows, or a text with comma and line break
    ],
)
def test_quotes_with_two_meanings_need_the_parameter(tmp_path, text, name, line):
    """The error has the line and the key; with the key it is read as it says."""
    with pytest.raises(InputError, match=rf"{name}:{line}: .* data\.csv\.quoting to double or non"):
        read(tmp_path, text, name)
    assert any('"' in row[0] for row in read(tmp_path, text, name, quoting="none")[0])
    assert not any('"' in row[0] for row in read(tmp_path, text, name, quoting="double")[0])


def test_warns_of_a_row_whose_lines_could_be_rows(tmp_path):
    """A stray quote at the beginning of a cell swallows all lines to the next one."""
    text = 'a,b,c\n1,"x",y\n2,"good,yes\n3,so,no\n4,bad",no\n"5, 6",x,y\n'
    rows, notes = read(tmp_path, text)
    assert len(rows) == 3
    (note,) = notes
    assert "x.csv:3: lines 3 to 5 are one row" in note
    assert "data.csv.quoting: none" in note
    assert read(tmp_path, 'a,b\n1,"two\nlines, or\nthree"\n')[1] == []


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical")])
def test_recognizes_the_delimiter(tmp_path, sign, name):
    """Commas in texts do not matter where the header has none."""
    text = f'a{sign}b\n"x, {sign}y"{sign}1\nz, z{sign}2\n'
    rows, (note,) = read(tmp_path, text)
    assert rows == [(f"x, {sign}y", "1"), ("z, z", "2")]
    assert note.startswith(f"columns separated by {name}")
    assert read(tmp_path, text, delimiter=sign) == (rows, [])


def test_two_possible_delimiters_need_the_parameter(tmp_path):
    """So does one that is none of the usual."""
    text = "a;b,c\n1;5,2\n2;7,3\n"
    with pytest.raises(InputError, match=r"x\.csv:1: .*commas or semicolons.*data\.csv\.delimiter"):
        read(tmp_path, text)
    assert read(tmp_path, text, delimiter=";")[0] == [("1", "5,2"), ("2", "7,3")]
    assert read(tmp_path, "a~b\n1~2\n", delimiter="~") == ([("1", "2")], [])
    assert read(tmp_path, "a,b\n1,2\n", "x.tsv")[1] == ["columns separated by commas"]
    with pytest.raises(InputError, match=r"x\.csv:2: 2 fields, but the header has 1 .* data\.csv"):
        read(tmp_path, "text\nYes, it is\nNo\n")


def test_columns_without_a_name_at_the_end_are_dropped(tmp_path):
    """Unless a cell has a value: then a text was cut at a comma."""
    assert read(tmp_path, "a,b,,\n1,2,,\n3,4,,\n")[0] == [("1", "2"), ("3", "4")]
    with pytest.raises(InputError, match=r"x\.csv:3: 'and 5' is in a column without a name"):
        read(tmp_path, "a,b,,\n1,2,,\n3,4,and 5,\n")
    (tmp_path / "x.csv").write_text(",a\n0,x\n")
    assert columns_of(tmp_path / "x.csv") == {"": ["0"], "a": ["x"]}


@pytest.mark.parametrize("text", ["", "\n", ",,\n1,2,3\n"])
def test_a_header_is_needed(tmp_path, text):
    """A file without one has no columns."""
    with pytest.raises(InputError, match=r"x\.csv:1: no header"):
        read(tmp_path, text)


def test_the_stage_says_how_files_are_read(write_params, tmp_path, monkeypatch, capsys):
    """Once, although each is read twice; with `data.csv` there is nothing to say."""
    monkeypatch.chdir(tmp_path)
    rows = one_file("text;label\none;a\ntwo;b\n")
    found, _ = get(write_params, **SINGLE, **rows)
    assert found["train"]["text"] == ["one", "two"]
    assert capsys.readouterr().out == "train.csv: columns separated by semicolons\n"
    get(write_params, **SINGLE, **rows, data__csv={"delimiter": ";"})
    assert capsys.readouterr().out == ""
    one_file('{"text": "a"}', "x.jsonl")
    with pytest.raises(InputError, match=r"data\.csv: there is no CSV or TSV file"):
        get(write_params, data__files={"train": "x.jsonl"}, data__csv={"quoting": "none"})
