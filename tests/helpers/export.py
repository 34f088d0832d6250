"""An exported model, and what it says."""

from pathlib import Path

import pytest

from temper.cli import predict
from tests.helpers import stage_runs, workspace
from tests.helpers.tables import read_csv
from tests.helpers.training import trained


def make_exported(folder: Path) -> None:
    """Train, evaluate and export the tests' model in a folder."""
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        workspace.isolate(patch, folder)
        trained(workspace.load_data(workspace.write_params(folder, patch, train__epochs=1.0)))
        stage_runs.evaluate()
        stage_runs.export()


def score(exported, text, suffix="csv", **options):
    Path(f"new.{suffix}").write_text(text, encoding="utf-8")
    predict.predict(
        **{
            "model": exported,
            "input": Path(f"new.{suffix}"),
            "output": Path("scored.csv"),
            "engine": "onnx",
            "batch_tokens": 128,
            "num_threads": 1,
        }
        | options
    )
    return read_csv("scored.csv")
