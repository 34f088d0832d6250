"""Text in every usual encoding is read as what it is, or an error names the line."""

import codecs
import zipfile

import pytest

from temper.core.errors import InputError
from temper.ingest import columns, local_files
from temper.params.data import CsvParams
from tests.helpers.archives import columns_of, contents

ROWS = {"text": ["a", "中"], "label": ["x", "y"]}


def read(file, data, **csv):
    file.write_bytes(data)
    notes = []
    batches = list(local_files.read([file], CsvParams(**csv) if csv else None, notes.append))
    return batches[0], [note.replace(f"{file}: ", "") for note in notes]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-32", b"")],
)
def test_a_byte_order_mark_names_the_encoding(tmp_path, suffix, encoding, mark):
    """It is no part of the first value; any other encoding than UTF-8 is said."""
    text = contents(suffix, tmp_path).decode()
    found, notes = read(tmp_path / f"x{suffix}", mark + text.encode(encoding))
    assert found == ROWS
    name = encoding.upper().removesuffix("-LE")
    assert notes == ([] if name == "UTF-8" else [f"read as {name}, by its byte order mark"])


@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.jsonl", "x.conll"])
def test_what_is_not_utf8_is_read_as_cp1252(tmp_path, name):
    """Latin-1 files are common, and it is said."""
    text = {"x.jsonl": '{"text": "caf\xe9"}', "x.conll": "caf\xe9 O"}.get(name, "text\ncaf\xe9")
    (column, *_), notes = read(tmp_path / name, f"{text}\n".encode("cp1252"))
    assert "caf\xe9" in str(columns_of(tmp_path / name)[column])
    assert notes == ["read as cp1252 (Windows, Western Europe), as it is not UTF-8"]


def test_names_the_line_that_cannot_be_decoded(tmp_path):
    """However many lines a buffer holds, and whatever ends a line."""
    lines = ["text"] + ["über"] * 5000
    data = "\r\n".join(lines).encode() + b"\r\ncaf\xe9 noir\r\n"
    with pytest.raises(InputError, match=r"x\.csv:5002: not UTF-8, though .* after 'caf'; save"):
        read(tmp_path / "x.csv", data)
    with pytest.raises(InputError, match=r"x\.txt:2: not UTF-8, and no cp1252 .* save the file as"):
        read(tmp_path / "x.txt", "Hello\nПривет, мир\n".encode("cp1251"))
    with pytest.raises(InputError, match=r"x\.csv:2: not ASCII, after 'caf'"):
        read(tmp_path / "x.csv", "text\ncafé\n".encode(), encoding="ascii")
    with pytest.raises(InputError, match=r"x\.csv:2: not UTF-16, which its first bytes announce"):
        read(tmp_path / "x.csv", "text\nab".encode("utf-16")[:-1])


def test_the_parameter_names_any_encoding(tmp_path):
    """Of CSV and TSV files."""
    found, notes = read(tmp_path / "x.csv", "text\nПривет\n".encode("cp1251"), encoding="cp1251")
    assert (found, notes) == ({"text": ["Привет"]}, [])
    found, _ = read(tmp_path / "x.csv", codecs.BOM_UTF8 + b"text\na\n", encoding="utf8")
    assert found == {"text": ["a"]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("text\nab\n".encode("utf-16-le"), "not text: it holds NUL bytes; is it UTF-16 without"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_refuses_what_is_no_text(tmp_path, data, message):
    """A pointer of Git LFS would be a column of that name."""
    with pytest.raises(InputError, match=message):
        read(tmp_path / "x.csv", data)


def test_names_the_line_of_nul_bytes_after_text(tmp_path, monkeypatch):
    """A crash may leave some at the end of a file, which is no UTF-16 for that."""
    monkeypatch.setattr("temper.ingest.text_files.CHUNK", 100)
    data = b"text,label\n" + b"abcd,x\n" * 100 + b"\0" * 300
    with pytest.raises(InputError, match=r"x\.csv:102: 1 fields"):
        read(tmp_path / "x.csv", data)


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.txt", "x.conll", "x.tsv"])
def test_a_cell_that_no_text_has_is_refused_while_reading(tmp_path, monkeypatch, name):
    """A ZIP of some kilobytes may hold gigabytes in one line."""
    for module in ("columns", "text_files", "dialect"):
        monkeypatch.setattr(f"temper.ingest.{module}.MAX_CHARACTERS", 1000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, "text\n" * (name != "x.jsonl") + "a" * 1001 + "\n")
    with pytest.raises(InputError, match=rf"x\.zip!{name}:[12]: a line of more than 1,000 char"):
        columns_of(tmp_path / "x.zip")
    (tmp_path / "x.csv").write_text('a,b\n"' + "text\n" * 300)
    with pytest.raises(InputError, match=r"x\.csv:2: .*limit.* \(read up to line 20\d\)"):
        columns_of(tmp_path / "x.csv")
    with pytest.raises(InputError, match="a text of 1,001 characters; at most 1,000 fit"):
        columns.convert(["a" * 1001], "text", str)


def test_long_rows_come_in_smaller_batches(tmp_path, monkeypatch):
    """A thousand of them need not fit into memory."""
    monkeypatch.setattr("temper.ingest.text_files.BATCH_CHARACTERS", 10)
    (tmp_path / "x.csv").write_text("text\n" + "abcdef\n" * 5)
    assert [len(batch["text"]) for batch in local_files.read([tmp_path / "x.csv"])] == [2, 2, 1]
