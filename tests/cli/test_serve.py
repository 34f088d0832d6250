"""`temper serve` answers until it is told to stop, or writes a folder for Docker."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from temper.cli import serve
from temper.core.artifacts import sha256_tree
from temper.core.errors import InputError
from temper.export import mlflow_model
from temper.serving import container
from tests.helpers import containers
from tests.helpers.export import score
from tests.helpers.workspace import ROOT, environment

ROWS = [{"sentence1": "It was new.", "sentence2": "It was old."}, {"sentence1": "", "sentence2": 5}]


@pytest.mark.slow
def test_serves_the_export_until_ctrl_c(exported):
    """What it answers is what `temper predict` writes; it ends with status 0."""
    code = "from temper.cli.main import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(PYTHONPATH=str(ROOT)), **pipes) as child:
        try:
            line = child.stdout.readline()
            assert line.startswith("data/export: http://127.0.0.1:"), child.stderr.read()
            found = containers.invoke(line.split()[1].removesuffix("/invocations"), ROWS)
            child.send_signal(signal.SIGINT)
            assert child.wait(60) == 0
        finally:
            child.kill()
    expected = score(exported, "".join(json.dumps(row) + "\n" for row in ROWS), "jsonl")
    for answer, row in zip(found, expected, strict=True):
        assert answer["prediction"] == row["prediction"]
        assert answer["score_equivalent"] == pytest.approx(float(row["score_equivalent"]), abs=1e-5)


@pytest.mark.slow
def test_writes_a_folder_that_docker_builds(exported, capsys):
    """Pinned requirements, a user of its own, one graph, no weights; the same bytes each time."""
    mask = os.umask(0o077)
    serve.serve(exported, docker=True, output=Path("My out"), engine="int8", port=9000)
    os.umask(mask)
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in Path("My out").rglob("*")}
    assert modes == {(True, 0o755), (False, 0o644)}  # its user reads what is copied
    assert "docker build -t my-out 'My out'" in capsys.readouterr().out
    steps = containers.read_steps(Path("My out/Dockerfile"))
    names = [name for name, _ in steps]
    assert names.index("USER") < names.index("CMD")
    assert dict(steps)["USER"] == "server"
    assert dict(steps)["EXPOSE"] == "9000"
    assert dict(steps)["ENV"].startswith("HOST=0.0.0.0 PORT=9000 ")
    pins = dict(line.split("==") for line in Path("My out/requirements.txt").read_text().split())
    assert {"numpy", "onnxruntime", "pydantic", "pyyaml", "tokenizers", "protobuf"} <= pins.keys()
    assert not {"torch", "transformers", "pandas", "mlflow", "scikit-learn"} & pins.keys()
    assert pins["onnxruntime"] == version("onnxruntime")
    graphs = {path.name for path in Path("My out").rglob("*.onnx")}
    assert graphs == {"model_int8.onnx"}
    assert not [*Path("My out").rglob("*.safetensors")]
    assert {path.name for path in Path("My out/temper").iterdir()} == {
        "__init__.py", "serving", *mlflow_model.PACKED,
    }  # fmt: skip
    assert "docker run --rm --read-only --cap-drop ALL -p 127.0.0.1:9000:9000 my-out\n" in (
        Path("My out/README.md").read_text()
    )
    body = re.search(r"-d '(.*)'\n", Path("My out/README.md").read_text())
    assert body is not None
    assert list(json.loads(body[1])["dataframe_records"][0]) == ["sentence1", "sentence2"]
    before = sha256_tree(Path("My out"))
    serve.serve(exported, docker=True, output=Path("My out"), engine="int8", port=9000)
    assert sha256_tree(Path("My out")) == before


@pytest.mark.slow
def test_a_folder_of_something_else_stays(exported):
    Path("out").mkdir()
    Path("out/mine").write_text("mine")
    with pytest.raises(InputError, match="--output out: exists, and is no folder that temper"):
        serve.serve(exported, docker=True, output=Path("out"))
    assert [*Path("out").iterdir()] == [Path("out/mine")]


@pytest.mark.parametrize("theirs", ["app.py", "model/config.json"])
def test_a_project_with_a_dockerfile_and_a_model_is_not_replaced(tmp_path, theirs):
    """Many have both; what `temper serve` wrote has a packed tokenizer and its server besides."""
    for name in ("Dockerfile", theirs, "model/weights.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="exists, and is no folder that temper serve wrote"):
        serve.check_target(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verified", "reason"),
    [
        ({"needs_transformers": "A is Python code"}, "A is Python code, use mlflow models serve"),
        ({}, "an earlier version exported it .run dvc repro."),
    ],
)
def test_an_export_that_needs_transformers_is_refused(exported, verified, reason):
    (exported / "onnx/packed.json").unlink()
    parity = json.loads((exported / "parity.json").read_text())
    (exported / "parity.json").write_text(json.dumps(parity | verified))
    with pytest.raises(InputError, match=f"--docker: data/export: {reason}"):
        serve.serve(exported, docker=True, output=Path("out"))
    assert not Path("out").exists()


@pytest.mark.slow
def test_an_edited_export_is_refused(exported):
    """Its container would need transformers to read what was edited."""
    config = json.loads((exported / "config.json").read_text())
    config["id2label"]["0"] = "another"
    (exported / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="--docker: data/export: its files were edited since"):
        serve.serve(exported, docker=True, output=Path("out"))
    assert not Path("out").exists()


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format, *arguments):
        pass


@pytest.mark.slow
def test_the_healthcheck_asks_the_port_that_is_set(tmp_path):
    """`docker run -e PORT=9000` moves the server."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(container.DOCKERFILE.format(python="3.11", port=8080))
    check = dict(containers.read_steps(dockerfile))["HEALTHCHECK"].removeprefix("CMD ")
    command = [sys.executable, *json.loads(check)[1:]]
    port = str(listening.server_address[1])
    assert subprocess.run(command, env=os.environ | {"PORT": port}, check=False).returncode == 0
    listening.shutdown()
    listening.server_close()
    done = subprocess.run(
        command, env=os.environ | {"PORT": port}, check=False, capture_output=True
    )
    assert done.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("port", "reason"), [("web", "PORT=web: expected a number"), ("0", "no config.json there")]
)
def test_what_keeps_the_container_from_serving_is_one_line(tmp_path, port, reason):
    shutil.copy(container.APP, tmp_path)
    variables = environment(PYTHONPATH=str(ROOT), PORT=port)
    command = [sys.executable, str(tmp_path / container.APP.name)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"output": Path("out")}, "--output is for --docker; it is not given"),
        ({"docker": True, "engine": "torch"}, "--engine torch: the container has no torch"),
        ({"docker": True, "host": "0.0.0.0"}, "--host is for serving here"),
        ({"docker": True, "prompt": "document"}, "--prompt: docker run -e PROMPT=document"),
        ({"docker": True, "trust_code": True}, "--trust-code: the container runs no code"),
        ({"docker": True, "port": 0}, "--port 0: a container's port is one of 1 to 65535"),
        ({"docker": True, "port": 65536}, "--port 65536: a container's port is one of 1 to 65535"),
        ({}, r"--model data/export: no config\.json there; run dvc"),
    ],
)
def test_options_without_an_effect_are_refused(tmp_path, monkeypatch, options, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=reason):
        serve.serve(Path("data/export"), **options)
    assert os.listdir() == []
