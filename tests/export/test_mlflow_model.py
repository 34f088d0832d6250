"""The MLflow model answers raw text, loaded from its folder or served."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from contextlib import suppress
from typing import ClassVar

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from tests.helpers.export import score
from tests.helpers.waiting import LIMIT_S
from tests.helpers.workspace import environment


class Echo:
    """Answers every text with itself in capitals."""

    class settings:
        class task:
            inputs: ClassVar = {"text": "text"}

    def predict(self, columns):
        return {"prediction": [text.upper() for text in columns["text"]]}


def answers(records):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow warns about its own type hints
        from temper.export import served
    model = served.ServedModel()
    model.predictor = Echo()
    return model.predict(None, pd.DataFrame(records))["prediction"].tolist()


def test_values_are_read_as_predict_reads_them():
    """Null is the empty text, and numbers beside a null stay whole; extra columns do nothing."""
    assert answers([{"text": "a", "id": 1}, {"text": None}]) == ["A", ""]
    assert answers([{"text": 5}, {"text": 6}]) == ["5", "6"]
    assert answers([{"text": 5}, {"text": None}, {}]) == ["5", "", ""]
    assert answers([{"text": 5}, {"text": "b"}, {"text": None}]) == ["5", "B", ""]
    assert answers([]) == []


def test_a_request_without_a_column_is_refused():
    """MLflow answers status 400 with the message."""
    with pytest.raises(MlflowException, match=r"request has no column 'text'.*txt"):
        answers([{"txt": "a"}])


@pytest.mark.slow
def test_saved_mlflow_model_answers_raw_text(exported, exported_workspace, tmp_path):
    """Loaded from its folder alone, it gives what predict gives."""
    code = (
        "import mlflow, json, sys; m = mlflow.pyfunc.load_model(sys.argv[1]);"
        "import pandas as pd;"
        "f = m.predict(pd.DataFrame({'sentence1': ['It was new.'], 'sentence2': ['It was old.']}));"
        "print(json.dumps(f.to_dict('records')))"
    )
    (folder,) = {path.parent for path in (exported_workspace / "mlruns").rglob("MLmodel")}
    shutil.copytree(folder, tmp_path / "served")
    command = [sys.executable, "-c", code, str(tmp_path / "served")]
    done = subprocess.run(command, cwd="/", check=True, capture_output=True, text=True)
    (answer,) = json.loads(done.stdout.splitlines()[-1])
    (row,) = score(exported, "sentence1,sentence2\nIt was new.,It was old.\n")
    assert answer["prediction"] == row["prediction"]
    assert answer["score_equivalent"] == pytest.approx(float(row["score_equivalent"]), abs=1e-3)


@pytest.mark.slow
def test_mlflow_serves_the_model_from_an_empty_directory(exported, exported_workspace, tmp_path):
    """A server on loopback, without the repository, answers raw text over HTTP."""
    (folder,) = {path.parent for path in (exported_workspace / "mlruns").rglob("MLmodel")}
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "empty").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", str(tmp_path / "model"), "--env-manager", "local"]
    kept = {k: v for k, v in environment().items() if k != "PYTHONPATH"}
    server = subprocess.Popen(
        [*command, "-h", "127.0.0.1", "-p", str(port)],
        cwd=tmp_path / "empty",
        env=kept,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    rows = [
        {"sentence1": "It was new.", "sentence2": "It was old."},
        {"sentence1": None, "sentence2": 5, "extra": 1},
    ]
    address = f"http://127.0.0.1:{port}/invocations"
    try:
        found = ask(address, {"dataframe_records": rows}, server)
        split = {"columns": ["sentence2", "sentence1"], "data": [["It was old.", "It was new."]]}
        assert ask(address, {"dataframe_split": split}, server) == found[:1]
        assert ask(address, {"dataframe_records": []}, server) == []
        example = json.loads((tmp_path / "model/serving_input_example.json").read_text())
        (answer,) = ask(address, example, server)  # the body that the model's page shows
        assert answer.keys() == found[0].keys()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    expected = score(exported, "".join(json.dumps(row) + "\n" for row in rows), "jsonl")
    for answer, row in zip(found, expected, strict=True):
        assert answer["prediction"] == row["prediction"]
        assert answer["score_equivalent"] == pytest.approx(float(row["score_equivalent"]), abs=1e-3)


def ask(url, body, server):
    """Post JSON until the server answers; return its predictions."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    deadline = time.monotonic() + LIMIT_S
    while server.poll() is None and time.monotonic() < deadline:
        with (
            suppress(urllib.error.URLError),
            urllib.request.urlopen(request, timeout=LIMIT_S) as found,
        ):
            return json.load(found)["predictions"]
        time.sleep(0.2)
    raise AssertionError("the server does not answer")
