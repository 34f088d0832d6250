"""Exports agree with the trained model or fail; predict answers row by row; push shows first."""

import csv
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
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from stages import evaluate, export, train
from temper import inference
from temper.cli import predict, push
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.export import parity
from temper.tasks.base import registry
from tests.helpers.workspace import environment

TRAINED: dict[str, Path] = {}


@pytest.fixture
def exported(prepare, tmp_path, tmp_path_factory):
    """Go to a workspace with a trained, evaluated and exported model; built once, then copied."""
    if "folder" not in TRAINED:
        parameters = prepare(train__epochs=1.0)
        data, base = arrow.load(Path("data/tokenized")), Path("data/base")
        Path("work").mkdir()
        engine = train.fine_tune(parameters, data, base, Path("work"), lambda *_: None)
        targets = tuple(Path("data") / name for name in ("model", "checkpoints", "history"))
        train.write_outputs(engine, base, targets)
        names = ("model", "tokenized", "raw", "zero_shot", "evaluation")
        evaluate.main(*(Path("data") / name for name in names))
        run_export(Path("data/export"))
        TRAINED["folder"] = tmp_path_factory.mktemp("trained") / "workspace"
        shutil.copytree(tmp_path, TRAINED["folder"])
    else:
        prepare(train__epochs=1.0)
        shutil.copytree(TRAINED["folder"] / "data", "data", dirs_exist_ok=True)
    return Path("data/export")


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


@pytest.mark.slow
def test_pipeline_onnx_and_torch_give_one_answer(exported):
    """transformers' own pipeline, and predict with each engine, on the test texts."""
    from transformers import pipeline

    text = Path("tests/data/test.csv").read_text(encoding="utf-8")
    rows = score(exported, text)
    torch_rows = score(exported, text, engine="torch")
    classify = pipeline("text-classification", model=str(exported), top_k=None)
    for row, other in zip(rows, torch_rows, strict=True):
        answer = classify({"text": row["sentence1"], "text_pair": row["sentence2"]})
        expected = {f"score_{found['label']}": found["score"] for found in answer}
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(value, abs=1e-3)
            assert float(other[name]) == pytest.approx(value, abs=1e-4)
        assert row["prediction"] == max(expected, key=expected.__getitem__).removeprefix("score_")


@pytest.mark.slow
def test_the_parity_report_and_the_card_say_what_was_measured(exported):
    """Numbers of the card are those of metrics.json; the Hub's own parser reads it."""
    from huggingface_hub import ModelCard

    found = artifacts.read_json(exported / "parity.json")
    assert found["rows"] == 32
    assert 0 <= found["onnx_max_difference"] < parity.TOLERANCE
    card = ModelCard.load(exported / "README.md")
    metrics = artifacts.read_json(Path("data/evaluation/metrics.json"))
    (result,) = [
        r
        for r in card.data.eval_results
        if r.dataset_split == "test" and r.metric_type == "accuracy"
    ]
    assert result.metric_value == metrics["test"]["accuracy"]
    assert card.data.pipeline_tag == "text-classification"
    assert f"{metrics['test']['accuracy']:.3f}" in card.text
    facts = artifacts.read_json(Path("data/raw/summary.json"))
    assert facts["splits"]["train"]["sha256"] in card.text


@pytest.mark.slow
def test_two_exports_have_the_same_bytes(exported):
    """Whatever the folder."""
    run_export(Path("elsewhere/deep/export"))
    assert artifacts.sha256_tree(Path("elsewhere/deep/export")) == artifacts.sha256_tree(exported)
    for path in exported.rglob("*"):
        if path.is_file():
            assert str(Path.cwd()).encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_a_perturbed_graph_fails(exported):
    """One tensor a little off: the stage says by how much and where."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(exported / "onnx/model.onnx"))
    (tensor,) = [t for t in graph.graph.initializer if t.name.endswith("classifier.bias")]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 0.01, tensor.name))
    onnx.save(graph, "off.onnx")
    data, parameters = arrow.load(Path("data/tokenized"))["validation"], train.params.load()
    model = export.load(Path("data/model"), parameters, "torch")
    task, predictor = model.task, inference.torch_forward(model.model, model.task, reduce=False)
    whole, off = (
        inference.onnx_forward(inference.onnx_session(str(file), 2), task, reduce=False)
        for file in (exported / "onnx/model.onnx", "off.onnx")
    )
    assert parity.check_onnx(predictor, whole, data, model.collate, task) < 1e-3
    with pytest.raises(InputError, match=r"differ by 0\.01 in row \d+, allowed are 0\.001"):
        parity.check_onnx(predictor, off, data, model.collate, task)


def test_int8_may_lose_so_much_and_no_more():
    """Both scores and the parameter are in the message."""
    assert parity.check_int8(0.9, 0.89, 0.02) == pytest.approx(0.01)
    with pytest.raises(InputError, match=r"it loses 0\.0500, export\.max_score_drop allows 0\.02"):
        parity.check_int8(0.9, 0.85, 0.02)


@pytest.mark.slow
def test_predict_keeps_what_it_was_given(exported):
    """Columns, their order, empty texts, Chinese, quotes; and any batch size gives one answer."""
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
        ("sentence1,sentence2,score\na,b,1\n", {}, "predict adds; rename it"),
        ("sentence1,sentence2\na,b\n", {"output": Path("new.csv")}, "--output is --input"),
        ("sentence1,sentence2\na,b\n", {"output": Path("x.pdf")}, "unknown format"),
        ("sentence1,sentence2\na,b\n", {"engine": "fast"}, "allowed: onnx, int8, torch"),
        ("sentence1,sentence2\na,b\n", {"model": Path("data/model")}, "use data/export"),
    ],
)
def test_predict_names_what_is_wrong(exported, text, options, message):
    """One error, and no half-written output under the output's name."""
    Path("scored.csv").unlink(missing_ok=True)
    with pytest.raises(InputError, match=message):
        score(exported, text, **options)
    assert not Path("scored.csv").exists()


@pytest.mark.slow
def test_the_saved_mlflow_model_answers_raw_text(exported, tmp_path):
    """Loaded from its folder alone, it gives what predict gives."""
    code = (
        "import mlflow, json, sys; m = mlflow.pyfunc.load_model(sys.argv[1]);"
        "import pandas as pd;"
        "f = m.predict(pd.DataFrame({'sentence1': ['It was new.'], 'sentence2': ['It was old.']}));"
        "print(json.dumps(f.to_dict('records')))"
    )
    (folder,) = {path.parent for path in (TRAINED["folder"] / "mlruns").rglob("MLmodel")}
    shutil.copytree(folder, tmp_path / "served")
    command = [sys.executable, "-c", code, str(tmp_path / "served")]
    done = subprocess.run(command, cwd="/", check=True, capture_output=True, text=True)
    (answer,) = json.loads(done.stdout.splitlines()[-1])
    (row,) = score(exported, "sentence1,sentence2\nIt was new.,It was old.\n")
    assert answer["prediction"] == row["prediction"]
    assert answer["score_equivalent"] == pytest.approx(float(row["score_equivalent"]), abs=1e-3)


@pytest.mark.slow
def test_mlflow_serves_it_from_an_empty_directory(exported, tmp_path):
    """A real server on loopback, without the repository, answers raw text over HTTP."""
    (folder,) = {path.parent for path in (TRAINED["folder"] / "mlruns").rglob("MLmodel")}
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
    rows = [{"sentence1": "It was new.", "sentence2": "It was old."}]
    try:
        (answer,) = ask(f"http://127.0.0.1:{port}/invocations", {"dataframe_records": rows}, server)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    (row,) = score(exported, "sentence1,sentence2\nIt was new.,It was old.\n")
    assert answer["prediction"] == row["prediction"]
    assert answer["score_equivalent"] == pytest.approx(float(row["score_equivalent"]), abs=1e-3)


def ask(url, body, server):
    """Post JSON until the server answers; return its predictions."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(urllib.error.URLError), urllib.request.urlopen(request, timeout=10) as found:
            return json.load(found)["predictions"]
        time.sleep(0.2)
    raise AssertionError("the server does not answer")


@pytest.mark.slow
def test_push_shows_before_it_sends(exported, capsys, monkeypatch):
    """A dry run lists the files; without a token it stops."""
    push.push("me/model", exported, dry_run=True)
    assert "onnx/model.onnx" in capsys.readouterr().out
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="set HF_TOKEN"):
        push.push("me/model", exported)
    with pytest.raises(InputError, match="expected user/name"):
        push.push("model", exported)


def test_agreement_by_hand(write_params):
    """One of four answers differs."""
    task = registry.load(write_params())
    one = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert parity.agreement(task, list(one[[0, 1, 2, 0]]), list(one), [{}] * 4) == 0.75
