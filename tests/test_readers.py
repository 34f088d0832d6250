"""Formats and packings → the same rows, or an error with the file, the member and the line."""

import gzip
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest

from temper.core.errors import InputError
from temper.ingest import archives, readers

ROWS = {"text": ["a", "中"], "label": ["x", "y"]}
TEXTS = {
    ".csv": "text,label\na,x\n中,y\n",
    ".tsv": "text\tlabel\na\tx\n中\ty\n",
    ".json": '[{"text": "a", "label": "x"}, {"text": "中", "label": "y"}]',
    ".jsonl": '{"text": "a", "label": "x"}\n{"text": "中", "label": "y"}\n',
}


def rows_of(file):
    """Return all rows of a file as columns."""
    found = {}
    for batch in readers.read(file):
        for name, values in batch.items():
            found.setdefault(name, []).extend(values)
    return found


def contents(suffix, folder):
    """Return the bytes of a file that holds `ROWS`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if suffix in TEXTS:
        return TEXTS[suffix].encode()
    file, table = folder / f"plain{suffix}", pa.table(ROWS)
    if suffix == ".parquet":
        pq.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return file.read_bytes()


def zipped(file, members):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file


@pytest.mark.parametrize("suffix", [*TEXTS, ".parquet", ".arrow"])
def test_packed_files_have_the_rows_of_plain_ones(tmp_path, suffix):
    """Every format, as gzip, as a ZIP of its name and as a ZIP of any name."""
    data = contents(suffix, tmp_path)
    (tmp_path / f"x{suffix}").write_bytes(data)
    (tmp_path / f"x{suffix}.gz").write_bytes(gzip.compress(data))
    zipped(tmp_path / f"x{suffix}.zip", {f"x{suffix}": data})
    zipped(tmp_path / "any.ZIP", {f"inner/x{suffix.upper()}": data})
    for name in (f"x{suffix}", f"x{suffix}.gz", f"x{suffix}.zip", "any.ZIP"):
        (file,) = readers.find_files(str(tmp_path / name), "train", "*")
        assert rows_of(file) == ROWS, name


def test_a_text_file_is_a_row_a_line(tmp_path):
    """Empty lines are no rows; commas, quotes and spaces at the sides stay; any line end."""
    file = tmp_path / "x.txt"
    file.write_bytes('\ufeffone, "two"\r\n\n   \n  three \nvier ü'.encode())
    assert rows_of(file) == {"text": ['one, "two"', "  three ", "vier ü"]}
    file.write_bytes(b"")
    assert rows_of(file) == {"text": []}
    file.write_bytes(b"".join(b"%d\n" % i for i in range(2001)))
    assert rows_of(file)["text"] == [str(i) for i in range(2001)]
    file.write_bytes("good\ncaf\xe9".encode("latin-1"))
    with pytest.raises(InputError, match=r"x\.txt:\d: not UTF-8"):
        rows_of(file)


def write_as_pandas(file, index):
    """Write Parquet with the metadata pandas adds: its index is a column, or a range."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict(ROWS)
    if isinstance(index, str):
        columns[index] = [3, 4]
    metadata = {b"pandas": json.dumps({"index_columns": [index], "columns": []}).encode()}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)


@pytest.mark.parametrize(
    "index", ["__index_level_0__", "id", {"kind": "range", "start": 0, "stop": 2, "step": 1}]
)
def test_the_index_of_pandas_is_no_column(tmp_path, index):
    """With a name, without one, and a range that has no column."""
    write_as_pandas(tmp_path / "x.parquet", index)
    assert rows_of(tmp_path / "x.parquet") == ROWS


def test_members_come_in_the_order_of_their_names(tmp_path):
    """Other formats mixed; what macOS adds and what no reader knows is passed by."""
    file = zipped(
        tmp_path / "x.zip",
        {
            "b.jsonl": '{"text": "three"}',
            "a.csv": "text\none\ntwo\n",
            "README.md": "about",
            "__MACOSX/._a.csv": b"\x00\x05\x16\x07",
            ".hidden.csv": "no",
        },
    )
    assert rows_of(file) == {"text": ["one", "two", "three"]}


def test_images_in_an_archive_have_their_folder_as_label(tmp_path):
    """As those in a folder."""
    file = zipped(tmp_path / "x.zip", {"cat/1.png": b"1", "dog/2.png": b"2"})
    found = {"image": [b"1", b"2"], "label": ["cat", "dog"], "file": ["1.png", "2.png"]}
    assert rows_of(file) == found


def test_mixed_packed_files_of_a_folder_are_one_split(tmp_path):
    """In name order, by the pattern."""
    (tmp_path / "train-0.csv.gz").write_bytes(gzip.compress(b"text\none\n"))
    zipped(tmp_path / "train-1.zip", {"a.csv": "text\ntwo\n", "b.txt": "three\n"})
    (tmp_path / "train-2.jsonl").write_text('{"text": "four"}\n')
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(b"text\nother\n"))
    files = readers.find_files(str(tmp_path), "train", "{split}-*")
    assert [text for file in files for text in rows_of(file)["text"]] == [
        "one",
        "two",
        "three",
        "four",
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.csv.gz", gzip.compress(b"a,b\n1,2\n3\n"), r"x\.csv\.gz:3: 1 fields"),
        ("x.csv.gz", b"text\none\n", r"x\.csv\.gz: broken archive: Not a gzipped file"),
        ("x.csv.gz", gzip.compress(b"text\n" * 99)[:-9], r"x\.csv\.gz: broken archive: Compressed"),
        ("x.zip", b"text\none\n", r"x\.zip: broken ZIP archive: File is not a zip file; pack it"),
        ("x.parquet.gz", gzip.compress(b"no table"), r"x\.parquet\.gz: not Parquet"),
    ],
    # Not pytest's own: gzip's bytes hold the time, and test processes must agree on names.
    ids=["ragged", "not gzip", "cut short", "not zip", "not Parquet"],
)
def test_broken_packed_files_are_named(tmp_path, name, data, message):
    """The line is that of the unpacked text."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        rows_of(tmp_path / name)


def test_errors_in_a_member_name_archive_member_and_line(tmp_path):
    """`x.zip!member:line`."""
    file = zipped(tmp_path / "x.zip", {"sub/a.csv": "a,b\n1,2\n3\n"})
    with pytest.raises(InputError, match=r"x\.zip!sub/a\.csv:3: 1 fields, but the header has 2"):
        rows_of(file)
    file = zipped(tmp_path / "y.zip", {"a.jsonl": "{}\n{\n"})
    with pytest.raises(InputError, match=r"y\.zip!a\.jsonl:2: not JSON"):
        rows_of(file)


def test_empty_and_encrypted_archives_are_refused(tmp_path):
    """Before a row is read, with what the archive holds."""
    with pytest.raises(InputError, match=r"x\.zip: no file of a known format in it; it holds noth"):
        rows_of(zipped(tmp_path / "x.zip", {}))
    with pytest.raises(InputError, match=r"it holds a\.md, b\.csv\.gz; known are \.csv"):
        rows_of(zipped(tmp_path / "x.zip", {"a.md": "", "b.csv.gz": ""}))
    data = bytearray(zipped(tmp_path / "x.zip", {"a.csv": "text\n"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= archives.ENCRYPTED
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.zip!a\.csv: encrypted; pack it without a password"):
        rows_of(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["x.yaml", "x.gz", "x.yaml.gz", "x"])
def test_unknown_formats_are_refused(tmp_path, name):
    """With the formats there are."""
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=r"unknown format '.*'; known are \.csv, .* with \.gz"):
        readers.find_files(str(tmp_path / name), "train", "*")


def test_packed_files_are_read_as_a_stream(tmp_path):
    """The first rows come before the rest is unpacked."""
    data = b"text\n" + b"".join(b"row %d\n" % i for i in range(200_000))
    zipped(tmp_path / "x.csv.zip", {"x.csv": data})
    whole = gzip.compress(data)
    (tmp_path / "x.csv.gz").write_bytes(whole[: len(whole) // 2])
    for name in ("x.csv.gz", "x.csv.zip"):
        first = next(readers.read(Path(tmp_path / name)))
        assert first["text"][:2] == ["row 0", "row 1"]
        assert len(first["text"]) == readers.ROWS


class Echo:
    """Answers every text with itself in capitals."""

    class settings:
        class task:
            inputs: ClassVar = {"text": "text"}

    def predict(self, columns):
        return {"prediction": [text.upper() for text in columns["text"]]}


def test_predict_reads_packed_files(tmp_path, monkeypatch):
    """`temper predict --input new.csv.gz` by the same readers, rows in their order."""
    from temper.cli import predict
    from temper.prediction import predictor

    monkeypatch.setattr(predictor, "open_export", lambda *_, **__: Echo())
    (tmp_path / "new.csv.gz").write_bytes(gzip.compress(b"id,text\n1,one\n2,two\n"))
    zipped(tmp_path / "new.zip", {"b.csv": "id,text\n2,two\n", "a.csv": "id,text\n1,one\n"})
    for name in ("new.csv.gz", "new.zip"):
        predict.predict(Path(), tmp_path / name, tmp_path / "scored.csv", num_threads=1)
        assert rows_of(tmp_path / "scored.csv") == {
            "id": ["1", "2"],
            "text": ["one", "two"],
            "prediction": ["ONE", "TWO"],
        }


def test_a_readme_among_tables_is_no_data(tmp_path):
    """Text files are a split of their own, or are left out by the pattern."""
    for name in ("train.csv", "README.txt", "notes.txt.gz"):
        (tmp_path / name).write_text("text\n")
    with pytest.raises(InputError, match=r"README\.txt is plain text among files .* data\.glob"):
        readers.find_files(str(tmp_path), "train", "*")
    assert len(readers.find_files(str(tmp_path), "train", "*.txt*")) == 2
    assert len(readers.find_files(str(tmp_path), "train", "*.csv")) == 1
