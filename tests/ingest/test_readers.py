"""Files of every format become the same rows, or an error that names the line."""

import json

import pytest

from temper.core.errors import InputError
from temper.ingest import readers
from tests.helpers.downloads import SINGLE, get, one_file


def test_csv_is_text_first(write_params, tmp_path, monkeypatch):
    """NA, None, null, 1 and an empty text stay what they are."""
    monkeypatch.chdir(tmp_path)
    rows = one_file('text,label\nNA,a\nNone,b\nnull,a\n1,b\n"",a\n"a, ""b"" 中文",b\n')
    found, summary = get(write_params, **SINGLE, **rows)
    assert found["train"]["text"] == ["NA", "None", "null", "1", "", 'a, "b" 中文']
    assert summary["empty_texts"] == 1
    assert found["train"].features["label"].names == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\na,b\nc\n", r"train.csv:3: 1 fields, but the header has 2"),
        ("text,label\nx,a\n,\ny,b\n", "row 2, column 'label': no label"),
        ("txet,label\na,b\nc,d\n", r"did you mean 'txet'"),
        ("text,label\n", "train has no rows"),
        ("text,label\na,x\nb,x\n", "two are needed"),
    ],
)
def test_broken_files_are_named(write_params, tmp_path, monkeypatch, text, message):
    """The error has the file, the line or row, what was found and what is allowed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        get(write_params, **SINGLE, **one_file(text))


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path):
    """Latin-1 files are common."""
    (tmp_path / "x.csv").write_bytes("text,label\ngood,a\ncaf\xe9,b\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"x.csv:\d: not UTF-8"):
        list(readers.read(tmp_path / "x.csv"))


def test_all_formats_give_the_same_rows(tmp_path):
    """CSV, TSV, JSON, JSONL, Parquet and Arrow are one table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"text": ["a", "中"], "label": ["x", "y"]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    (tmp_path / "f.csv").write_text("text,label\na,x\n中,y\n")
    (tmp_path / "f.tsv").write_text("text\tlabel\na\tx\n中\ty\n")
    (tmp_path / "f.json").write_text(json.dumps(rows))
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "f.parquet")
    with (
        pa.OSFile(str(tmp_path / "f.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    for suffix in (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow"):
        batches = list(readers.read(tmp_path / f"f{suffix}"))
        assert [batch for batch in batches if batch["text"]] == [columns], suffix


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_files_of_any_length_are_read_whole(tmp_path, count, suffix):
    """Also where the last batch of rows is full; no batch lacks the columns."""
    file = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        file.write_text("a\n" + "".join(f"{i}\n" for i in range(count)))
    else:
        file.write_text("".join(f'{{"a": {i}}}\n' for i in range(count)))
    batches = list(readers.read(file))
    assert all(batch.keys() == {"a"} for batch in batches)
    assert [int(value) for batch in batches for value in batch["a"]] == list(range(count))


def test_a_folder_is_read_by_glob(tmp_path):
    """{split} in the pattern is the split's name."""
    for name in ("train-1.csv", "train-0.csv", "test-0.csv"):
        (tmp_path / name).write_text("text,label\n")
    found = readers.find_files(str(tmp_path), "train", "{split}-*.csv")
    assert [path.name for path in found] == ["train-0.csv", "train-1.csv"]
    with pytest.raises(InputError, match=r"matches data\.glob"):
        readers.find_files(str(tmp_path), "train", "*.parquet")
