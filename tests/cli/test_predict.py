"""`temper predict` answers every row of its input, in order."""

import gzip
import json
from pathlib import Path
from typing import ClassVar

import pytest

from temper.core.errors import InputError
from tests.helpers.archives import columns_of, zipped
from tests.helpers.export import score


class Echo:
    """Answers every text with itself in capitals."""

    class settings:
        class task:
            inputs: ClassVar = {"text": "text"}

    def predict(self, columns):
        return {"prediction": [text.upper() for text in columns["text"]]}


def test_reads_packed_files(tmp_path, monkeypatch):
    """`temper predict --input new.csv.gz` uses the readers of download and keeps the order."""
    from temper.cli import predict

    monkeypatch.setattr(predict, "open_export", lambda *_, **__: Echo())
    (tmp_path / "new.csv.gz").write_bytes(gzip.compress(b"id,text\n1,one\n2,two\n"))
    zipped(tmp_path / "new.zip", {"b.csv": "id,text\n2,two\n", "a.csv": "id,text\n1,one\n"})
    for name in ("new.csv.gz", "new.zip"):
        predict.predict(Path(), tmp_path / name, tmp_path / "scored.csv", num_threads=1)
        assert columns_of(tmp_path / "scored.csv") == {
            "id": ["1", "2"],
            "text": ["one", "two"],
            "prediction": ["ONE", "TWO"],
        }


@pytest.mark.slow
def test_keeps_columns_and_order_of_the_input(exported):
    """Empty texts, Chinese and quotes survive, and any batch size gives one answer."""
    text = 'id,sentence2,note,sentence1\n7,,"a, ""b""",\nx,中文,NA,He opened it.\n'
    rows = score(exported, text)
    assert list(rows[0])[:4] == ["id", "sentence2", "note", "sentence1"]
    assert [row["id"] for row in rows] == ["7", "x"]
    assert rows[0]["note"] == 'a, "b"'
    assert rows[1]["note"] == "NA"
    alone = score(exported, text, batch_size=1)
    for row, other in zip(rows, alone, strict=True):
        assert float(row["score"]) == pytest.approx(float(other["score"]), abs=1e-5)
    lines = [json.dumps({"sentence1": "a", "sentence2": "b", "n": 1})]
    (found,) = score(exported, "\n".join(lines), "jsonl")
    assert found["n"] == "1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("sentence1,sentense2\na,b\n", {}, "did you mean 'sentense2'"),
        ("sentence1,sentence2\na,b\nc\n", {}, r"new\.csv:3: 1 fields"),
        (
            "sentence1,sentence2,score\na,b,1\n",
            {},
            "predict would overwrite the column 'score'; rename it",
        ),
        (
            "sentence1,sentence2\na,b\n",
            {"output": Path("new.csv")},
            "--output and --input are the same file",
        ),
        ("sentence1,sentence2\na,b\n", {"output": Path("x.pdf")}, "unknown format"),
        ("sentence1,sentence2\na,b\n", {"engine": "fast"}, "allowed: onnx, int8, torch"),
        ("sentence1,sentence2\na,b\n", {"model": Path("data/model")}, "use data/export"),
    ],
)
def test_names_what_is_wrong_with_the_input(exported, text, options, message):
    """It is one error, and no half-written output is left."""
    Path("scored.csv").unlink(missing_ok=True)
    with pytest.raises(InputError, match=message):
        score(exported, text, **options)
    assert not Path("scored.csv").exists()
