"""Beside ONNX graphs lies the tokenizer, if it encodes as transformers does without it."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import pre_tokenizers

from temper.core.errors import InputError
from temper.export import packing
from temper.prediction import packed
from tests.helpers.samples import load
from tests.helpers.workspace import ROOT, environment

PREDICT = """
import sys
sys.modules["transformers"] = sys.modules["torch"] = None
from pathlib import Path
from temper.prediction.predictor import open_export
options = {"batch_tokens": 99, "num_threads": 1, "trust_code": False}
opened = open_export(Path("data/export"), sys.argv[1], **options)
print(opened.predict({"sentence1": ["a"], "sentence2": ["b"]})["prediction"])
"""


class Splitter:
    def pre_tokenize(self, text):
        text.split(lambda i, part: [part])


@pytest.fixture
def trained():
    """Return what predicts with the sample's model, and the parameters that its export stores."""
    task, processor, config = load("params.yaml")
    stored = task.settings.model_copy(update={"task": task.params.for_prediction()})
    return SimpleNamespace(task=task, processor=processor, config=config), stored


def test_what_the_files_encode_is_compared(trained, tmp_path, monkeypatch):
    """A class whose Python code does more than its data say leaves no file."""
    predictor, stored = trained
    graphs = tmp_path / "onnx"
    graphs.mkdir()
    assert packing.write(graphs, predictor, stored) == {}
    assert sorted(path.name for path in graphs.iterdir()) == ["packed.json", "tokenizer.json"]
    facts = json.loads((graphs / packed.FACTS).read_text())
    write = packed.write

    def with_other_side(target, config, tokenizer):
        write(target, config, tokenizer)
        facts["tokenizer"]["model_input_names"] = ["input_ids"]
        (target / packed.FACTS).write_text(json.dumps(facts))

    monkeypatch.setattr(packed, "write", with_other_side)
    reason = packing.write(graphs, predictor, stored)["needs_transformers"]
    assert reason.endswith("encodes other ids without transformers")
    assert [*graphs.iterdir()] == []


def test_texts_that_a_task_refuses_are_not_compared(tmp_path):
    """A pair's first text has to fit into every window of the second."""
    changes = {"overflow": "window", "stride": 8, "window_pooling": "mean", "max_length": 32}
    task, processor, config = load(
        "params.yaml", **{f"tokenize__{k}": v for k, v in changes.items()}
    )
    stored = task.settings.model_copy(update={"task": task.params.for_prediction()})
    (tmp_path / "onnx").mkdir()
    predictor = SimpleNamespace(task=task, processor=processor, config=config)
    assert packing.write(tmp_path / "onnx", predictor, stored) == {}
    *_, first, last = packing.odd_rows(stored.task.inputs)
    with pytest.raises(InputError, match=r"tokenize\.max_length"):
        task.encode(first, processor, mode="predict")
    assert len(task.encode(last, processor, mode="predict")["input_ids"]) > 2


def test_a_tokenizer_with_python_code_needs_transformers(trained, tmp_path):
    """What splits its texts is no data."""
    predictor, stored = trained
    backend = predictor.processor.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Splitter())
    reason = packing.write(tmp_path, predictor, stored)["needs_transformers"]
    assert "cannot be saved without transformers" in reason
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("task_name", "reason"),
    [
        ("causal_lm", "causal_lm needs transformers to make texts of tokens"),
        ("image_classification", "image_classification needs transformers to prepare its inputs"),
    ],
)
def test_tasks_that_need_transformers(task_name, reason, tmp_path):
    task, processor, config = load(f"recipes/sample-{task_name}.yaml")
    predictor = SimpleNamespace(task=task, processor=processor, config=config)
    assert packing.write(tmp_path, predictor, task.settings) == {"needs_transformers": reason}
    assert packing.write(tmp_path / "none", predictor, task.settings) == {}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnx", "int8"])
def test_an_export_predicts_without_transformers(exported, engine):
    command = [sys.executable, "-c", PREDICT, engine]
    variables = environment(PYTHONPATH=str(ROOT))
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "equivalent" in done.stdout
    assert (Path(exported) / "onnx/packed.json").exists()
