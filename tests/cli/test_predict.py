"""`temper predict` answers every row of its input, in order."""

import gzip
from pathlib import Path
from typing import ClassVar

from tests.helpers.archives import columns_of, zipped


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
        assert columns_of(tmp_path / "scored.csv") == {
            "id": ["1", "2"],
            "text": ["one", "two"],
            "prediction": ["ONE", "TWO"],
        }
