"""`temper demo` serves the exported model until it is told to stop."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from temper.cli import demo
from temper.core.errors import InputError
from tests.helpers.demos import ask
from tests.helpers.export import score
from tests.helpers.workspace import ROOT, environment


@pytest.mark.slow
def test_serves_the_model_and_its_worst_rows_until_ctrl_c(exported):
    """What it predicts is what `temper predict` predicts; it ends with status 0."""
    code = "from temper.cli.main import main; main()"
    command = [sys.executable, "-c", code, "demo", "--port", "0", "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(PYTHONPATH=str(ROOT)), **pipes) as child:
        try:
            line = child.stdout.readline()
            assert line.startswith("data/export: http://127.0.0.1:"), child.stderr.read()
            address = line.split()[1]
            with urllib.request.urlopen(f"{address}/form", timeout=60) as response:
                form = json.load(response)
            example = form["examples"][0]
            found = ask(address, example["values"])
            child.send_signal(signal.SIGINT)
            assert child.wait(60) == 0
        finally:
            child.kill()
    assert form["title"] == "sample-paraphrase"
    assert len(form["examples"]) == 5  # evaluate.num_worst_examples
    assert found["headline"] == example["prediction"]
    (row,) = score(exported, json.dumps(example["values"]) + "\n", "jsonl")
    assert found["headline"] == row["prediction"]


def test_without_an_export_it_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"--model data/export: no config\.json there; run dvc"):
        demo.demo(Path("data/export"))


@pytest.mark.slow
@pytest.mark.parametrize("has_display", [True, False])
def test_opens_the_page_where_there_is_a_desktop(exported, monkeypatch, has_display, capsys):
    """Over ssh it only prints the address."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if has_display:
        monkeypatch.setenv("DISPLAY", ":0")
    opened = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", lambda self: None)
    demo.demo(exported, port=0)
    address = capsys.readouterr().out.split()[1]
    assert opened == [address] * has_display
