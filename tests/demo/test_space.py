"""A Space's folder starts as it is, and gives what `temper predict` gives."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from huggingface_hub import metadata_load

from temper.core import arrow
from temper.demo import examples, server, space
from temper.export import mlflow_model
from temper.prediction import stored
from tests.helpers.demos import ask
from tests.helpers.export import score
from tests.helpers.tables import read_csv
from tests.helpers.workspace import environment, without

EVALUATION = Path("data/evaluation")
VALUES = {"sentence1": "It was new.", "sentence2": "It was old."}


@pytest.mark.slow
def test_a_space_starts_from_its_folder(exported, tmp_path):
    """In another working directory, without the repository and transformers."""
    rows = examples.load(exported, EVALUATION, stored.read(exported)[1].task, 2)
    assert len(rows) == 2
    folder = tmp_path / "space"
    folder.mkdir()
    space.write(folder, exported, rows)
    missing = without(tmp_path / "missing", "transformers", "torch")
    kept = {k: v for k, v in environment(PORT="0", PYTHONPATH=missing).items() if k != "HOST"}
    command = [sys.executable, str(folder / "app.py")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd="/", env=kept, **pipes) as child:
        try:
            address = child.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), child.stderr.read()
            found = ask(address, VALUES)
        finally:
            child.kill()
    (row,) = score(exported, "sentence1,sentence2\nIt was new.,It was old.\n")
    assert found["headline"] == row["prediction"]
    assert {bar["label"]: bar["score"] for bar in found["bars"]} == pytest.approx(
        {label: float(row[f"score_{label}"]) for label in ("equivalent", "not_equivalent")}
    )
    assert [bar["chosen"] for bar in found["bars"]] == [True, False]
    assert json.loads((folder / "examples.json").read_text()) == rows


@pytest.mark.slow
def test_what_the_hub_reads(exported, tmp_path):
    """README.md, Dockerfile and requirements.txt agree with what app.py needs."""
    space.write(tmp_path, exported, [])
    card = metadata_load(tmp_path / "README.md")
    assert (card["sdk"], card["app_port"], card["title"]) == (
        "docker", server.PORT, "sample-paraphrase",
    )  # fmt: skip
    needed = dict(line.split("==") for line in (tmp_path / "requirements.txt").read_text().split())
    served = {line.split("==")[0] for line in mlflow_model.requirements(exported)}
    assert needed.keys() == served - {"mlflow", "pandas"} | {"huggingface_hub"}
    assert all(needed.values())
    text = (tmp_path / "Dockerfile").read_text()
    assert f"FROM python:{sys.version_info[0]}.{sys.version_info[1]}-slim\n" in text
    assert "HOST=0.0.0.0" in text
    assert {path.name for path in (tmp_path / "temper").iterdir()} == {
        "__init__.py", "demo", "serving", *mlflow_model.PACKED,
    }  # fmt: skip


@pytest.mark.slow
def test_an_edited_export_needs_transformers(exported):
    """Its tokenizer was packed before the edit."""
    assert not [n for n in mlflow_model.requirements(exported) if n.startswith("transformers")]
    with (exported / "tokenizer_config.json").open("a") as file:
        file.write("\n")
    assert [n for n in mlflow_model.requirements(exported) if n.startswith("transformers")]


@pytest.mark.slow
def test_examples_are_the_worst_rows_as_they_were(exported, capsys):
    """In the order of worst.csv, with the inputs of data/raw; none of other rows or weights."""
    task = stored.read(exported)[1].task
    found = examples.load(exported, EVALUATION, task, 3)
    worst = read_csv(EVALUATION / "worst.csv")[:3]
    rows = arrow.load(Path("data/raw"))["test"]
    assert found == [
        {
            "values": {name: rows[int(line["row"])][name] for name in VALUES},
            "split": "test",
            "reference": line["reference"],
            "prediction": line["prediction"],
        }
        for line in worst
    ]
    assert found[0]["values"]["sentence1"] == worst[0]["sentence1"]
    assert examples.load(exported, Path("data/nowhere"), task, 3) == []
    assert examples.load(exported, EVALUATION, task, 0) == []
    assert not capsys.readouterr().err
    others = rows.select([0, 0]).rename_column("sentence2", "other")
    for raw in (rows.select([]), others, rows.select(range(len(rows) - 1, -1, -1))):
        with tempfile.TemporaryDirectory() as folder:
            arrow.write_split(Path(folder), "test", raw.features, [raw[:]])
            arrow.write_index(Path(folder), ["test"])
            shutil.rmtree("data/raw")
            shutil.copytree(folder, "data/raw")
        assert examples.load(exported, EVALUATION, task, 3) == []
        assert "are others in data/raw" in capsys.readouterr().err
    (exported / "model.safetensors").write_bytes(b"others")
    assert examples.load(exported, EVALUATION, task, 3) == []
    assert "not known to be of the model data/export" in capsys.readouterr().err
