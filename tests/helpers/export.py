"""Run the export stage, and ask the exported model."""

import csv
from pathlib import Path

from stages import export
from temper.cli import predict


def run_export(target):
    names = ("model", "evaluation", "tokenized", "raw/summary.json")
    export.main(*(Path("data") / name for name in names), target)


def score(exported, text, suffix="csv", **options):
    Path(f"new.{suffix}").write_text(text, encoding="utf-8")
    predict.predict(
        **{
            "model": exported,
            "input": Path(f"new.{suffix}"),
            "output": Path("scored.csv"),
            "engine": "onnx",
            "batch_size": 4,
            "num_threads": 1,
        }
        | options
    )
    with Path("scored.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
