"""`temper predict` answers every row of its input, in order, under the input's columns."""

import datetime
import errno
import gzip
import json
import os
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from temper.cli import input_rows, predict, predicted_file
from temper.core.errors import InputError, RowError
from temper.tasks.base import audio
from tests.helpers.archives import columns_of, zipped
from tests.helpers.export import score

OUTPUTS = ("scored.csv", "scored.tsv", "scored.jsonl", "scored.parquet")
ONE, TWO = "id,text\n1,one\n", "text,note,id\ntwo,n2,2\n"  # in another order, with a column more


class Echo:
    """Answers every text with itself in capitals, and refuses some."""

    watch, num_cut, input_limit = None, 0, (8, "tokenize.max_length")

    def __init__(self, inputs):
        self.settings = self.task = self
        self.inputs = inputs

    def predict(self, columns):
        texts = next(iter(columns.values()))
        if "refuse" in texts:
            raise RowError(texts.index("refuse"), "refused")
        answers = [text.upper() for text in texts]
        return {"prediction": answers, "entities": [[] for _ in texts]}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function from an input file's name to what predict writes for it."""
    monkeypatch.chdir(tmp_path)

    def score_file(name, output="scored.jsonl", inputs=None, csv=None):
        echo = Echo(inputs or {"text": "text"})
        monkeypatch.setattr(predict, "open_export", lambda *_, **__: echo)
        predict.predict(Path("model"), Path(name), Path(output), num_threads=1, csv=csv)
        found = columns_of(Path(output))
        found.pop("entities", None)
        return {k: [None if v == "" else v for v in values] for k, values in found.items()}

    return score_file


def test_says_how_the_input_is_read_or_takes_it_from_an_option(run, capsys):
    """The rules and the keys are those of data.csv."""
    Path("new.csv").write_bytes("text;id\ncafé, two;1\n".encode("cp1252"))
    assert run("new.csv")["prediction"] == ["CAFÉ, TWO"]
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2].split(" (")[0] for line in said] == [
        "read as cp1252",
        "columns separated by semicolons",
        "",
    ]
    given = '{delimiter: ";", encoding: cp1250}'
    assert run("new.csv", csv=given)["prediction"] == ["CAFÉ, TWO"]
    assert capsys.readouterr().out == "wrote 1 row to scored.jsonl (UTF-8)\n"
    for output, written in (
        ("a.csv", " (comma, UTF-8)"),
        ("a.tsv", " (tab, UTF-8)"),
        ("a.parquet", ""),
    ):
        run("new.csv", output, csv=given)
        assert capsys.readouterr().out == f"wrote 1 row to {output}{written}\n"
    for wrong in ("{delimeter: x}", "x", "{", "{encoding: utf-9}"):
        with pytest.raises(InputError, match=r"--csv .*; expected keys of data\.csv, such as"):
            run("new.csv", csv=wrong)
    Path("new.jsonl").write_text(lines({"text": "a"}))
    with pytest.raises(InputError, match="--csv: there is no CSV or TSV file"):
        run("new.jsonl", csv=given)


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_reads_packed_files(run):
    """The readers of download are used, and the order is kept."""
    Path("new.csv.gz").write_bytes(gzip.compress(b"id,text\n1,one\n2,two\n"))
    zipped(Path("new.zip"), {"b.csv": "id,text\n2,two\n", "a.csv": "id,text\n1,one\n"})
    for name in ("new.csv.gz", "new.zip"):
        assert run(name) == {"id": ["1", "2"], "text": ["one", "two"], "prediction": ["ONE", "TWO"]}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_files_with_other_columns_share_an_output(run, kind, output):
    """Columns are matched by name, whatever their order and whichever file has them."""
    if kind == "archive":
        zipped(Path("new.zip"), {"1.csv": ONE, "2.csv": TWO})
    else:
        Path("new/inner").mkdir(parents=True)
        Path("new/1.csv").write_text(ONE)
        Path("new/inner/2.csv").write_text(TWO)
    found = run("new.zip" if kind == "archive" else "new", output)
    assert list(found) == ["id", "text", "note", "prediction"]
    assert found == {
        "id": ["1", "2"],
        "text": ["one", "two"],
        "note": [None, "n2"],
        "prediction": ["ONE", "TWO"],
    }


def test_rows_of_small_files_are_predicted_together(run, monkeypatch):
    """So are those of an archive, up to a number of rows or of characters."""
    Path("new").mkdir()
    for i in range(5):
        Path(f"new/{i}.csv").write_text(f"text\nt{i}\n")
    Path("new/5.csv").write_text("text\n" + "t\n" * 2500)
    sizes = []
    answer = Echo.predict
    monkeypatch.setattr(
        Echo, "predict", lambda echo, x: sizes.append(len(x["text"])) or answer(echo, x)
    )
    expected = [f"T{i}" for i in range(5)] + ["T"] * 2500
    assert run("new")["prediction"] == expected
    assert sizes == [0, 1005, 1000, 500]  # no rows tell which columns are added
    monkeypatch.setattr(input_rows, "CHUNK_CHARACTERS", 4)
    assert run("new")["prediction"] == expected
    assert sizes[4:] == [0, 2, 2, 1001, 1000, 500]


@pytest.mark.parametrize("output", OUTPUTS)
def test_rows_with_other_keys_keep_their_values(run, output):
    """Keys that come first, last or never after the first batch of 1,000 rows stay apart."""
    rows = [{"id": i, "text": f"t{i}", **({"note": "n"} if i % 3 else {})} for i in range(1000)]
    rows += [{"text": f"t{i}", "late": "x", "id": i + 0.5} for i in range(1000, 1200)]
    Path("new.jsonl").write_text(lines(*rows))
    found = run("new.jsonl", output)
    assert list(found) == ["id", "text", "note", "late", "prediction"]
    assert [float(value) for value in found["id"]] == [row["id"] for row in rows]
    assert found["prediction"] == [row["text"].upper() for row in rows]
    for name in ("note", "late"):
        assert found[name] == [row.get(name) for row in rows]


def test_no_rows_still_have_columns(run):
    """A file with a header alone gives another one."""
    Path("new.csv").write_text("id,text\n")
    assert run("new.csv", "scored.tsv") == {"id": [], "text": [], "prediction": []}
    run("new.csv", "scored.parquet")
    assert pq.read_schema("scored.parquet").names == ["id", "text", "prediction", "entities"]
    assert run("new.csv", "scored.jsonl") == {}


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_a_header_alone_is_no_rows_of_files_too(run, kind):
    """There is no value to tell from whether the column holds names or bytes."""
    Path("new.csv").write_text(f"id,{kind}\n")
    found = run("new.csv", "scored.csv", {kind: kind})
    assert found == {"id": [], kind: [], "prediction": []}


def test_rows_without_a_column_are_refused(run):
    """A table of columns has no place for them: they would be left out."""
    Path("new.jsonl").write_text(lines({}, {}))
    with pytest.raises(InputError, match=r"new\.jsonl: 2 rows one after the other are empty"):
        run("new.jsonl")
    Path("new.json").write_text("[{}]")
    with pytest.raises(InputError, match=r"new\.json: 1 rows one after the other are empty"):
        run("new.json")
    Path("new.jsonl").write_text(lines({}, {"text": "a"}))
    assert run("new.jsonl")["prediction"] == [None, "A"]


@pytest.mark.parametrize(("num_cut", "are", "they"), [(1, "is", "it was"), (2, "are", "they were")])
def test_says_how_many_rows_were_cut(run, monkeypatch, capsys, num_cut, are, they):
    """The model has not read all of them."""
    Path("new.csv").write_text("text\na\nb\n")
    monkeypatch.setattr(Echo, "num_cut", num_cut)
    run("new.csv")
    said = f"{num_cut} of 2 rows {are} longer than tokenize.max_length: {they} cut\n"
    assert said in capsys.readouterr().out


def test_missing_text_is_empty(run):
    """A null and a key that is not there are the empty text, as in training."""
    Path("new.jsonl").write_text(lines({"text": None, "id": 1}, {"id": 2}, {"text": 3}))
    assert run("new.jsonl")["prediction"] == [None, None, "3"]


def test_values_that_text_formats_have_no_type_for(run):
    """Dates become text and bytes base64; images stay out, and Parquet keeps them all."""
    table = {"image": [b"\xff"], "day": [datetime.date(2024, 1, 2)], "raw": [b"\xff"]}
    pq.write_table(pa.table(table | {"text": ["a"]}), "new.parquet")
    inputs = {"text": "text"}
    for output in OUTPUTS[:3]:
        found = run("new.parquet", output, inputs)
        assert (found["day"], found["raw"]) == (["2024-01-02"], ["/w=="])
    assert run("new.parquet", "scored.parquet")["day"] == table["day"]
    with_image = {"text": "text", "image": "image"}
    with pytest.raises(InputError, match="row 1, column 'image'"):
        run("new.parquet", "scored.csv", with_image)


def test_parquet_keeps_every_digit_of_numbers_and_times(run):
    """pandas writes nanoseconds, which Arrow would cut off, and ids may need all of 64 bits."""
    columns = {
        "time": pa.array([None, 1704164645678901234], pa.timestamp("ns", "Europe/Berlin")),
        "span": pa.array([None, 1], pa.duration("ns")),
        "id": pa.array([0, 2**64 - 1], pa.uint64()),
    }
    table = pa.table(columns | {"text": ["a", "b"]})
    pq.write_table(table, "new.parquet")
    run("new.parquet", "scored.parquet")
    assert pq.read_table("scored.parquet").select(table.column_names).equals(table)


def test_json_lines_have_null_for_nan(run):
    """NaN and Infinity are no values of JSON, and would be refused where the file is read again."""
    table = {"text": ["a"], "x": [float("nan")], "many": [[1.5, float("nan")]], "n": [7]}
    pq.write_table(pa.table(table), "new.parquet")
    found = run("new.parquet", "scored.jsonl")
    assert (found["x"], found["many"], found["n"]) == ([None], [[1.5, None]], [7])


@pytest.mark.parametrize("value", [float("inf"), [1.5, float("-inf")]])
def test_infinite_numbers_are_refused_before_predicting_where_json_would_hold_them(
    run, monkeypatch, value
):
    """CSV has a place for them, alone or in a list."""
    nothing = [1.0] if isinstance(value, list) else 1.0
    table = pa.table({"text": ["a", "b"], "x": [nothing, value]})
    pq.write_table(table, "new.parquet")
    for output in ("scored.csv", "scored.parquet"):
        assert run("new.parquet", output)["x"][1] in (value, "inf", "[1.5, -Infinity]")
    seen = []
    monkeypatch.setattr(
        Echo, "predict", lambda _, columns: seen.extend(columns["text"]) or {"prediction": []}
    )
    with pytest.raises(InputError, match=r"parquet row 2, column 'x': an infinite number is no"):
        run("new.parquet", "scored.jsonl")
    assert not seen


def test_images_are_left_out_of_text_formats(run, monkeypatch):
    """A folder of images gives a table of names and predictions."""
    from PIL import Image

    Path("new/cats").mkdir(parents=True)
    Image.new("RGB", (2, 2)).save("new/cats/a.png")
    monkeypatch.setattr(Echo, "predict", lambda _, columns: {"prediction": ["x"], "entities": [[]]})
    found = run("new", "scored.csv", {"image": "image"})
    assert found == {"label": ["cats"], "file": ["a.png"], "prediction": ["x"]}
    assert "image" in run("new", "scored.parquet", {"image": "image"})


@pytest.mark.parametrize("given", ["new", "new/a.png"])
def test_images_without_folders_of_their_own_have_no_label(run, monkeypatch, given):
    """The input's own name would look like a reference."""
    from PIL import Image

    Path("new").mkdir()
    Image.new("RGB", (2, 2)).save("new/a.png")
    monkeypatch.setattr(Echo, "predict", lambda _, columns: {"prediction": ["x"] * len(columns)})
    assert run(given, "scored.csv", {"image": "image"}) == {"file": ["a.png"], "prediction": ["x"]}


def test_clips_are_read_from_a_folder_or_by_their_names_in_a_table(run, monkeypatch):
    """Names are relative to the table and stay in the output; bytes have no place in text."""
    tone = audio.encode(np.sin(np.arange(1000) / 5), 4000)
    Path("new/cats").mkdir(parents=True)
    Path("new/cats/a.wav").write_bytes(tone)
    seen = []
    monkeypatch.setattr(
        Echo,
        "predict",
        lambda _, columns: (
            seen.extend(columns["audio"]) or {"prediction": ["x"] * len(columns["audio"])}
        ),
    )
    found = run("new", "scored.csv", {"audio": "audio"})
    assert found == {"label": ["cats"], "file": ["a.wav"], "prediction": ["x"]}
    Path("new/t.csv").write_text("audio,id\ncats/a.wav,1\n")
    for output in ("scored.csv", "scored.jsonl", "scored.parquet"):
        found = run("new/t.csv", output, {"audio": "audio"})
        assert {n: [str(v) for v in values] for n, values in found.items()} == {
            "audio": ["cats/a.wav"], "id": ["1"], "prediction": ["x"],
        }  # fmt: skip
    assert seen == [tone] * 4
    Path("new/t.csv").write_text("audio,id\ncats/b.wav,1\n")
    with pytest.raises(InputError, match=r"t.csv row 1, column 'audio': new/cats/b.wav: No such"):
        run("new/t.csv", "scored.csv", {"audio": "audio"})


def test_formulas_stay_as_they_are(run):
    """Values are data: what a spreadsheet makes of them is in docs/predict.md."""
    Path("new.csv").write_text("id,text\n=1+1,@a\n")
    assert run("new.csv", "scored.csv")["id"] == ["=1+1"]


MIXED = lines(*({"text": "a", "n": 1} for _ in range(1000)), {"text": "b", "n": "x"})
WRONG = {  # name → files, options of predict, what the error says
    "no_input": ({}, {"input": "nix.csv"}, ["--input", "no such file", "nix.csv"]),
    "empty_folder": ({"new/": ""}, {"input": "new"}, ["--input new", "without files"]),
    "format": ({"new/a.doc": ""}, {"input": "new"}, ["a.doc", "unknown format", ".jsonl"]),
    "readme": ({"new/R.txt": "", "new/a.csv": ONE}, {"input": "new"}, ["R.txt", "plain text"]),
    "no_output_folder": ({"new.csv": ONE}, {"output": "x/s.csv"}, ["--output x/s.csv", "create"]),
    "output_folder": ({"new.csv": ONE, "s.csv/": ""}, {"output": "s.csv"}, ["s.csv", "a folder"]),
    "output_format": ({"new.csv": ONE}, {"output": "s.pdf"}, ["s.pdf", "unknown", ".parquet"]),
    "output_is_input": ({"new.csv": ONE}, {"output": "new.csv"}, ["the same file"]),
    "output_in_input": (
        {"new/a.csv": ONE},
        {"input": "new", "output": "new/a.csv"},
        ["the same file", "new/a.csv"],
    ),
    "column": ({"new.csv": "txt\na\n"}, {}, ["new.csv", "no column 'text'", "did you mean 'txt'"]),
    "column_of_a_member": (
        {"new/1.csv": ONE, "new/2.csv": "id,txt\n1,a\n"},
        {"input": "new"},
        ["new/2.csv", "no column 'text'", "id, txt"],
    ),
    "overwritten": (
        {"new.csv": "text,prediction\na,1\n"},
        {},
        ["new.csv", "'prediction'", "rename"],
    ),
    "overwritten_later": (
        {"new/1.csv": ONE, "new/2.csv": "text,prediction\na,1\n"},
        {"input": "new"},
        ["new/2.csv", "'prediction'", "rename"],
    ),
    "broken_row": ({"new.csv": "text,id\na,1\nb\n"}, {}, ["new.csv:3", "1 fields"]),
    "two_types": (
        {"new.jsonl": MIXED},
        {"input": "new.jsonl", "output": "s.parquet"},
        ["new.jsonl row 1001, column 'n'", "int64", "'x'", ".jsonl or .csv"],
    ),
    "two_types_at_once": (
        {"new.jsonl": lines({"text": "a", "n": True}, {"text": "b", "n": 2})},
        {"input": "new.jsonl", "output": "s.parquet"},
        ["row 2, column 'n'", "bool", "found 2"],
    ),
    "huge_number": (
        {"new.jsonl": lines({"text": "a", "n": 2**70})},
        {"input": "new.jsonl", "output": "s.parquet"},
        ["row 1, column 'n'"],
    ),
    "inexact_number": (
        {"new.jsonl": lines({"text": "a", "n": 2**60 + 1}, {"text": "b", "n": 0.5})},
        {"input": "new.jsonl", "output": "s.parquet"},
        ["column 'n'", str(2**60 + 1), ".jsonl or .csv"],
    ),
    "not_words": (
        {"new.jsonl": lines({"text": ["a"]}, {"text": {"a": 1}})},
        {"input": "new.jsonl", "inputs": {"text": "texts"}},
        ["new.jsonl row 2, column 'text'", "list"],
    ),
    "lone_surrogate": ({"new.jsonl": '{"text": "\\ud800"}\n'}, {"input": "new.jsonl"}, ["jsonl:1"]),
    "in_prediction": ({"new.csv": "text\na\nrefuse\n"}, {}, ["refused"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_names_what_is_wrong(run, name):
    """It is one line, and neither an output nor a part of one is left."""
    files, options, says = WRONG[name]
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir() if path.endswith("/") else Path(path).write_text(text)
    before = sorted(Path().rglob("*"))
    with pytest.raises(InputError) as raised:
        run(
            **{"name": options.get("input", "new.csv"), "output": "s.csv"}
            | {key: value for key, value in options.items() if key != "input"}
        )
    message = str(raised.value)
    assert [part for part in says if part not in message] == [], message
    assert "\n" not in message
    assert sorted(Path().rglob("*")) == before


def test_a_full_disk_is_one_line(run, monkeypatch):
    """The file that was there stays, and nothing is left beside it."""

    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("new.csv").write_text(ONE)
    Path("scored.csv").write_text("earlier")
    monkeypatch.setattr(predicted_file, "_cell", fill)
    with pytest.raises(InputError, match=r"scored\.csv: the disk is full"):
        run("new.csv", "scored.csv")
    assert Path("scored.csv").read_text() == "earlier"
    assert sorted(os.listdir()) == ["new.csv", "scored.csv"]


def test_two_processes_do_not_write_one_file(run):
    """The rows of the one that ends last are found, all of them."""
    Path("new.csv").write_text(ONE)
    with predicted_file.open_output(Path("scored.csv"), {}) as write:
        write({"text": ["first"]})
        run("new.csv", "scored.csv")
    assert Path("scored.csv").read_text() == "text\nfirst\n"
    assert sorted(os.listdir()) == ["new.csv", "scored.csv"]


def test_the_file_of_a_link_is_replaced_with_its_permissions(run):
    """As every other command does; a name may be as long as the system allows."""
    Path("new.csv").write_text(ONE)
    target, link = Path("n" * 251 + ".csv"), Path("scored.csv")
    target.touch(mode=0o600)
    link.symlink_to(target)
    run("new.csv", str(link))
    assert link.is_symlink()
    assert target.read_text().startswith("id,text,prediction")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_rows_go_into_a_pipe(tmp_path):
    """Which has no position by which one could tell that the header is written."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with predicted_file.open_output(pipe, {}) as write:
        write({"text": ["one"]})
        write({"text": ["two"]})
    assert os.read(reader, 1000) == b"text\none\ntwo\n"

    def write_unread():
        with predicted_file.open_output(pipe, {}) as write:
            os.close(reader)
            write({"text": ["one"]})

    with pytest.raises(InputError, match=r"^--output .*pipe\.csv: Broken pipe$"):
        write_unread()
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(InputError, match="no regular file, which Parquet needs"):
        predicted_file.check_output(tmp_path / "pipe.parquet", [])


@pytest.mark.slow
def test_keeps_columns_and_order_of_the_input(exported):
    """Empty texts, Chinese and quotes survive, and any batch size gives one answer."""
    text = 'id,sentence2,note,sentence1\n7,,"a, ""b""",\nx,中文,NA,He opened it.\n'
    rows = score(exported, text)
    assert list(rows[0])[:4] == ["id", "sentence2", "note", "sentence1"]
    assert [row["id"] for row in rows] == ["7", "x"]
    assert rows[0]["note"] == 'a, "b"'
    assert rows[1]["note"] == "NA"
    alone = score(exported, text, batch_tokens=1)
    for row, other in zip(rows, alone, strict=True):
        assert float(row["score"]) == pytest.approx(float(other["score"]), abs=1e-5)
    lines = [json.dumps({"sentence1": "a", "sentence2": "b", "n": 1})]
    (found,) = score(exported, "\n".join(lines), "jsonl")
    assert found["n"] == "1"


def test_a_row_that_the_model_refuses_is_named(run, monkeypatch):
    """By its number in all of the input; nothing is written."""
    monkeypatch.setattr(predict, "CHUNK_ROWS", 2)
    Path("new.csv").write_text("text\na\nb\nc\nrefuse\n")
    with pytest.raises(InputError, match=r"^--input row 4: refused$"):
        run("new.csv")
    assert not Path("scored.jsonl").exists()
