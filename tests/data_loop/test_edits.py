"""A changed label changes its own characters of a file; all else is there byte for byte."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from temper.core.errors import InputError
from temper.data_loop import edits, records
from temper.data_loop.edits import Edit
from temper.params.data import CsvParams

ALL = tuple(range(1, 10))


def copied(tmp_path, name, content, label, rows=ALL, csv=None, number=2):
    """Return a copy's bytes, with the column label changed in one row."""
    source, target = tmp_path / name, tmp_path / f"copy-{name}"
    source.write_bytes(content)
    edits.copy(source, target, Edit(rows, {number: lambda cells: {"label": label}}), csv)
    return target.read_bytes()


@pytest.mark.parametrize(
    ("content", "label", "expected"),
    [
        ('a,label\r\n"x, y",no\r\n\r\n"say ""hi""\nto",no\r\nz,no\r\n', "yes",
         'a,label\r\n"x, y",no\r\n\r\n"say ""hi""\nto",yes\r\nz,no\r\n'),
        ('label;a\n"no";x\n"no";y\n', "yes", 'label;a\n"no";x\n"yes";y\n'),
        ("label,a\nno,x\nno,y", 'a "b", c', 'label,a\nno,x\n"a ""b"", c",y'),
        ("a,label\nx,no\n,\n", "yes", "a,label\nx,no\n,yes\n"),
        ("a,label\nx,no\ny\u2028\x85\x0cz,no\n", "yes", "a,label\nx,no\ny\u2028\x85\x0cz,yes\n"),
    ],
)  # fmt: skip
def test_quotes_line_ends_and_empty_lines_of_csv_stay(tmp_path, content, label, expected):
    assert copied(tmp_path, "x.csv", content.encode(), label) == expected.encode()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_stays(tmp_path, encoding):
    content = "a,label\ncafé größer,no\ncafé,no\n"
    found = copied(tmp_path, "x.csv", content.encode(encoding), "été")
    assert found == "a,label\ncafé größer,no\ncafé,été\n".encode(encoding)


def test_quotes_of_tsv_are_characters(tmp_path):
    """A label that would need them cannot be written."""
    content = b'a\tlabel\n"x\tno\ny"\tno\n'
    assert copied(tmp_path, "x.tsv", content, "a, b") == b'a\tlabel\n"x\tno\ny"\ta, b\n'
    with pytest.raises(InputError, match=r"x\.tsv:3: 'a\\tb' holds what separates columns"):
        copied(tmp_path, "x.tsv", content, "a\tb", csv=CsvParams(quoting="none"))


@pytest.mark.parametrize(
    "style", [{}, {"ensure_ascii": False}, {"separators": (",", ":"), "ensure_ascii": False}]
)
def test_json_lines_keep_order_spaces_and_escapes(tmp_path, style):
    rows = [{"label": "no", "text": "größer", "n": [1, 2.5]} for _ in range(3)]
    lines = [json.dumps(row, **style) for row in rows]
    expected = [*lines[:1], lines[1].replace('"no"', '"yes"'), *lines[2:]]
    content = "\n\n".join(lines).encode()
    assert copied(tmp_path, "x.jsonl", content, "yes") == "\n\n".join(expected).encode()


@pytest.mark.parametrize(
    ("line", "changes", "expected"),
    [
        ('{"meta": {"label": "no"}, "x": 0.10}\n', {"meta.label": "yes"},
         '{"meta": {"label": "yes"}, "x": 0.10}\n'),
        (' { "x" : 1E2,"label":"a" ,"label" : "n\\"o\\/" , "y":"\\/" } \r\n', {"label": "yes"},
         ' { "x" : 1E2,"label":"a" ,"label" : "yes" , "y":"\\/" } \r\n'),
        ('{"a":[1,{"label":0}],"label":["x","y"]}', {"label": ["y", "z"], "a": 1},
         '{"a":1,"label":["y","z"]}'),
        ('{"x": 1}', {"label": ["é"], "b": 2}, '{"b": 2, "label": ["é"], "x": 1}'),
        ('{}', {"label": 1}, '{"label": 1}'),
        ('{"m": {}, "x": "\\u00e9"}', {"m.l": "é"}, '{"m": {"l": "\\u00e9"}, "x": "\\u00e9"}'),
    ],
)  # fmt: skip
def test_of_a_line_of_json_only_the_value_changes(line, changes, expected):
    """Numbers, spaces and escapes stay as they are written, within objects too."""
    assert edits.changed_json(line, lambda cells: changes, "x.jsonl:1") == expected


def test_an_object_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"x\.jsonl:3: there is no object 'meta' to write 'label'"):
        edits.changed_json('{"x": 1}', lambda cells: {"meta.label": "yes"}, "x.jsonl:3")


def test_parquet_keeps_its_types(tmp_path):
    table = pa.table({"label": pa.array([0, 1, 0], pa.int8()), "text": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "x.parquet")
    edit = Edit((1, 2), {2: lambda cells: {"label": 0}})
    edits.copy(tmp_path / "x.parquet", tmp_path / "y.parquet", edit, None)
    found = pq.read_table(tmp_path / "y.parquet")
    assert found.schema == table.schema
    assert found.to_pylist() == [{"label": 0, "text": "a"}, {"label": 0, "text": "b"}]


def test_a_field_of_a_parquet_column_is_changed(tmp_path):
    """The rest of its object stays."""
    rows = [{"label": "no", "n": i} for i in range(3)]
    table = pa.table({"meta": rows, "text": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "x.parquet")
    edit = Edit(ALL, {1: lambda cells: {"meta.label": "yes"}, 3: lambda cells: {"text": "d"}})
    edits.copy(tmp_path / "x.parquet", tmp_path / "y.parquet", edit, None)
    found = pq.read_table(tmp_path / "y.parquet")
    assert found.schema == table.schema
    changed = [{"label": "yes", "n": 0}, *rows[1:]]
    assert found.to_pydict() == {"meta": changed, "text": ["a", "b", "d"]}


def test_no_image_takes_the_place_of_another():
    """One that is moved to the folder of its label is called otherwise where the name is taken."""
    names = ["a/1.png", "a/2.png", "a/b-1.png", "b/1.png", "c/1.png", "c/3.png"]
    files = [Path("photos", name) for name in names]
    moved = {"photos/b/1.png": "a", "photos/c/1.png": "a", "photos/c/3.png": "a"}
    changes = {file: {1: lambda cells, to=to: {"label": to}} for file, to in moved.items()}
    places = edits.image_places(files, Path("photos"), changes)
    found = [str(places[file]) for file in files]
    assert found == [*names[:3], "a/b-1-2.png", "a/c-1.png", "a/3.png"]
    swapped = {"photos/a/1.png": "b", "photos/b/1.png": "a"}
    changes = {file: {1: lambda cells, to=to: {"label": to}} for file, to in swapped.items()}
    places = edits.image_places(files, Path("photos"), changes)
    assert [str(places[file]) for file in files[0:4:3]] == ["b/1.png", "a/1.png"]


def test_rows_that_are_not_kept_are_left_out(tmp_path):
    content = b"a,label\nx,no\ny,no\nz,no\n"
    assert copied(tmp_path, "x.csv", content, "yes", rows=(2, 3)) == b"a,label\ny,yes\nz,no\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.csv.gz", "no compressed files; unpack it"), ("x.xlsx", "writes .csv, .tsv, .jsonl")],
)
def test_other_formats_are_refused(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        edits.check(tmp_path / name)


def test_lines_are_those_where_rows_begin(tmp_path):
    """The header, empty lines and lines inside quotes are counted, not listed."""
    (tmp_path / "x.csv").write_text('a,label\n"x\ny",no\n\nz,no\n')
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert records.first_lines(str(tmp_path / "x.csv"), None) == [2, 5]
    assert records.first_lines(str(tmp_path / "x.jsonl"), None) == [1, 3]


@pytest.mark.parametrize(
    ("content", "kept", "expected"),
    [
        ("-DOCSTART- O\r\n\r\n# one\r\na B-X\r\nb  O \r\n\r\n# two\r\nc O\r\nd O", ALL,
         "-DOCSTART- O\r\n\r\n# one\r\na B-X\r\nb  O \r\n\r\n# two\r\nc B-Y\r\nd I-Y"),
        ("a b\tx\tO\n\nc\t\tO\nd\tx y\tB-X\n\n\n", ALL,
         "a b\tx\tO\n\nc\t\tB-Y\nd\tx y\tI-Y\n\n\n"),
        ("a O\nb O\n\n# two\nc O\nd O\n\n", (2,), "# two\nc B-Y\nd I-Y\n\n"),
        ("1\ta\tO\t_\n\n# x\n1-2\tcd\tO\t_\n1\tc\tO\t_\n2\td\tO\t_\n", ALL,
         "1\ta\tO\t_\n\n# x\n1-2\tcd\tO\t_\n1\tc\tB-Y\t_\n2\td\tI-Y\t_\n"),
    ],
)  # fmt: skip
def test_all_but_the_tags_of_a_sentence_stays(tmp_path, content, kept, expected):
    """Comments, columns, empty fields and lines, line ends, the ranges of CoNLL-U."""
    source, target = tmp_path / "x.conll", tmp_path / "y.conll"
    source.write_bytes(content.encode())
    edit = Edit(kept, {2: lambda _: {"tags": ["B-Y", "I-Y"]}})
    edits.copy(source, target, edit, None)
    assert target.read_bytes() == expected.encode()
    lines = content.splitlines()
    (_, line) = records.first_lines(str(source), None)
    assert lines[line - 1].split()[0] in ("c", "1")
