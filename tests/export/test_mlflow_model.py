"""The MLflow model answers raw text, loaded from its folder or served."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from types import SimpleNamespace
from typing import ClassVar

import pytest
from mlflow.exceptions import MlflowException

from temper.export.mlflow_model import mlflow_column, requirements
from tests.helpers import servers
from tests.helpers.export import score
from tests.helpers.waiting import LIMIT_S
from tests.helpers.workspace import environment, without


class Echo:
    """Answers every text with itself in capitals."""

    class settings:
        class task:
            inputs: ClassVar = {"text": "text"}
            texts: ClassVar = inputs

    def predict(self, columns):
        return {"prediction": [text.upper() for text in columns["text"]]}


def answers(body, texts=None):
    """Return the answers of MLflow's server to a request, after it has read and checked it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow warns about its own type hints
        from mlflow.models.utils import _enforce_schema
        from mlflow.pyfunc.scoring_server import infer_and_parse_data
        from mlflow.types import Schema

        from temper.export import served
    model = served.ServedModel()
    model.predictor = Echo()
    if texts is not None:
        model.predictor.settings = SimpleNamespace(
            task=SimpleNamespace(inputs={"text": "text"}, texts=texts)
        )
    schema = Schema([mlflow_column("text", "text")])
    frame = _enforce_schema(infer_and_parse_data(body, schema), schema)
    return model.predict(None, frame)["prediction"].tolist()


def records(*rows):
    return {"dataframe_records": list(rows)}


def test_values_are_read_as_predict_reads_them():
    """Numbers stay whole; other columns do nothing; a template's column may be null."""
    assert answers(records({"text": "a", "id": 1}, {"text": ""})) == ["A", ""]
    assert answers(records({"text": 5}, {"text": 6})) == ["5", "6"]
    assert answers({"dataframe_split": {"columns": ["text"], "data": []}}) == []
    filled = {"filled": "text"}
    assert answers(records({"text": 5}, {"text": None}, {}), filled) == ["5", "", ""]
    assert answers(records({"text": 5}, {"text": "b"}, {"text": None}), filled) == ["5", "B", ""]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            records({"txt": "a"}, {"txt": "b"}),
            r"missing inputs \['text'\].*extra inputs: \['txt'\]",
        ),
        ({"dataframe_split": {"columns": ["txt"], "data": [["a"]]}}, r"missing inputs \['text'\]"),
        ({"inputs": [{"txt": "a"}]}, r"missing inputs \['text'\]"),
        (records({}), r"missing inputs \['text'\]"),
        (records({"text": "a"}, {"txt": "b"}), "request row 2, column 'text': no value; \"\" is"),
        (records({"text": None}, {"text": "a"}), "request row 1, column 'text': no value"),
        ({"inputs": {"text": [5, None]}}, "request row 2, column 'text': no value"),
    ],
)
def test_a_request_without_a_text_is_refused(body, message):
    """MLflow answers status 400 with the message."""
    with pytest.raises(MlflowException, match=message):
        answers(body)


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
    port = servers.free_port()
    command = ["mlflow", "models", "serve", "-m", str(tmp_path / "model"), "--env-manager", "local"]
    assert not [n for n in requirements(exported) if n.startswith("transformers")]
    missing = without(tmp_path / "missing", "transformers", "torch")
    server = subprocess.Popen(
        [*command, "-h", "127.0.0.1", "-p", str(port)],
        cwd=tmp_path / "empty",
        env=environment(PYTHONPATH=missing),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    rows = [
        {"sentence1": "It was new.", "sentence2": "It was old."},
        {"sentence1": "", "sentence2": 5, "extra": 1},
    ]
    address = f"http://127.0.0.1:{port}/invocations"
    try:
        found = ask(address, {"dataframe_records": rows}, server)
        split = {"columns": ["sentence2", "sentence1"], "data": [["It was old.", "It was new."]]}
        assert ask(address, {"dataframe_split": split}, server) == found[:1]
        with pytest.raises(urllib.error.HTTPError, match="400"):
            ask(address, {"dataframe_records": [{"text": "It was new."}]}, server)
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
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as found:
                return json.load(found)["predictions"]
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError("the server does not answer")


def test_a_chat_template_is_rendered_by_jinja2(tmp_path):
    """Which transformers needs then, and does not require."""
    assert not [line for line in requirements(tmp_path) if line.startswith("jinja2")]
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    assert [line for line in requirements(tmp_path) if line.startswith("jinja2==")]
