"""A stored export opens and predicts; a damaged or a stranger's one gets one line."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from temper import inference
from temper.core.errors import InputError
from temper.prediction import predictor
from temper.tasks.base import label_predictions
from temper.tasks.base.decisions import DecisionRule
from tests.helpers.earlier_export import OF_AN_EARLIER_VERSION
from tests.helpers.workspace import ROOT

CODE = "from pathlib import Path\nPath('ran').touch()\n"
ENCODE = f"{CODE}def encode(examples, processor, encode):\n    return encode(examples)\n"


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """Return an export of an earlier version, of random weights."""
    folder, source = tmp_path_factory.mktemp("stored"), ROOT / "data/sample/model"
    config = AutoConfig.from_pretrained(source)
    config.id2label = {0: "not_equivalent", 1: "equivalent"}
    config.label2id = {"not_equivalent": 0, "equivalent": 1}
    torch.manual_seed(1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    change(folder, temper=OF_AN_EARLIER_VERSION)
    return folder


@pytest.fixture
def export(stored, tmp_path, monkeypatch) -> Path:
    """Return a copy that a test may change, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(stored, "export"))


def change(folder: Path, **values) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def with_encode(folder: Path, path: str) -> None:
    """Let the export's config name a function in a file."""
    temper = OF_AN_EARLIER_VERSION
    change(
        folder,
        temper=temper
        | {"code": {"mine": path}, "tokenize": temper["tokenize"] | {"encode": "mine.encode"}},
    )


def open_export(folder: Path, engine: str = "torch", *, trust_code: bool = False):
    return predictor.open_export(
        folder, engine, batch_tokens=64, num_threads=1, trust_code=trust_code
    )


def test_opens_an_export_of_an_earlier_version(export):
    """Renamed keys, and a threshold that is refused in params.yaml now."""
    opened = open_export(export)
    assert opened.settings.tokenize.overflow == "truncate"
    assert opened.settings.evaluate.num_worst_examples == 50
    columns = opened.predict({"sentence1": ["a b"], "sentence2": ["a c"]})
    assert columns["prediction"][0] in ("not_equivalent", "equivalent")
    assert opened.predict({"sentence1": [], "sentence2": []}) == {name: [] for name in columns}


def test_answers_keep_the_order_of_rows_of_any_length(export):
    """Batches are cut from sorted rows; the same rows always give the same answer."""
    texts = ["a b " * (7 * i % 12) for i in range(30)]
    columns = {"sentence1": texts, "sentence2": texts[::-1]}
    opened = open_export(export)
    found = opened.predict(columns)
    assert found == opened.predict(columns) == open_export(export).predict(columns)
    for i in range(30):
        alone = opened.predict({name: values[i : i + 1] for name, values in columns.items()})
        assert found["score_equivalent"][i] == pytest.approx(alone["score_equivalent"][0], abs=1e-5)
    assert len(set(found["score_equivalent"])) > 10


def test_rows_that_are_cut_are_counted(export):
    """One of exactly as many tokens as the model reads is whole."""
    opened, most = open_export(export), OF_AN_EARLIER_VERSION["tokenize"]["max_length"]
    texts = ["a " * (most - 4), "a " * (most - 3)]  # one more, and three special tokens
    opened.predict({"sentence1": texts, "sentence2": ["a", "a"]})
    assert opened.num_cut == 1
    opened.predict({"sentence1": texts, "sentence2": ["a", "a"]})
    assert opened.num_cut == 2


def test_code_runs_only_where_it_is_trusted(export):
    """The error names the file and the option."""
    (export / "code").mkdir()
    (export / "code/mine.py").write_text(ENCODE)
    with_encode(export, "code/mine.py")
    with pytest.raises(InputError, match=r"export/code/mine\.py; read it, then add --trust-code"):
        open_export(export)
    assert not Path("ran").exists()
    opened = open_export(export, trust_code=True)
    assert Path("ran").exists()
    assert opened.predict({"sentence1": ["a"], "sentence2": ["b"]})["prediction"]


@pytest.mark.parametrize("kind", ["absolute", "parent", "symlink", "folder_symlink"])
def test_no_code_from_outside_the_folder_runs(export, kind):
    """Not even where code is trusted, which means what is in the folder."""
    Path("outside").mkdir()
    Path("outside/mine.py").write_text(ENCODE)
    path = {"absolute": str(Path("outside/mine.py").resolve()), "parent": "../outside/mine.py"}
    if kind == "symlink":
        (export / "mine.py").symlink_to(Path("outside/mine.py").resolve())
    if kind == "folder_symlink":
        (export / "code").symlink_to(Path("outside").resolve())
    with_encode(export, path.get(kind, "mine.py" if kind == "symlink" else "code/mine.py"))
    with pytest.raises(InputError, match=r"mine\.py, outside the folder"):
        open_export(export, trust_code=True)
    assert not Path("ran").exists()


def test_code_that_predicting_does_not_need_is_not_asked_about(export):
    """An export carries the file of a training loss too."""
    change(export, temper=OF_AN_EARLIER_VERSION | {"code": {"mine": "/nowhere.py"}})
    assert open_export(export).settings.code == {}


def test_the_class_of_a_model_is_code_for_torch_alone(export):
    """ONNX Runtime does not import it."""
    code = {"mine": "code/mine.py"}
    change(export, model_type="temper", custom_class="mine.Net")
    change(export, temper=OF_AN_EARLIER_VERSION | {"code": code})
    with pytest.raises(InputError, match="add --trust-code"):
        open_export(export)
    with pytest.raises(InputError, match=r"model\.onnx does not exist"):
        open_export(export, "onnx")


def test_code_in_a_model_repository_never_runs(export):
    """Nor does transformers ask about it at a terminal."""
    (export / "conf.py").write_text(CODE)
    change(export, model_type="strange", auto_map={"AutoConfig": "conf.Config"})
    with pytest.raises(InputError, match=r"code of its own \(auto_map\)"):
        open_export(export, trust_code=True)
    assert not Path("ran").exists()


def cut(name: str, size: int = 300):
    return lambda folder: os.truncate(folder / name, size)


def write(name: str, content: bytes):
    def write_file(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return write_file


DAMAGE = {  # name → what is done to the folder, the engine, what the error says
    "no_folder": (shutil.rmtree, "torch", ["--model export", "no config.json", "dvc repro"]),
    "no_config": (lambda f: (f / "config.json").unlink(), "torch", ["no config.json"]),
    "cut_config": (cut("config.json"), "torch", ["export/config.json", "JSON", "copy it again"]),
    "list": (write("config.json", b"[1]"), "torch", ["export/config.json", "JSON object"]),
    "not_utf8": (write("config.json", b"\xff\xfe"), "torch", ["export/config.json", "JSON"]),
    "deep": (write("config.json", b"[" * 100_000), "torch", ["export/config.json", "JSON"]),
    "not_exported": (lambda f: change(f, temper=None), "torch", ["use data/export"]),
    "parameters": (lambda f: change(f, temper={"task": 1}), "torch", ["export it again"]),
    "parameters_list": (lambda f: change(f, temper=["x"]), "torch", ["export it again"]),
    "model_type": (lambda f: change(f, model_type="nix"), "torch", ["--model export", "`nix`"]),
    "no_labels": (lambda f: change(f, id2label={}), "torch", ["export/config.json", "id2label"]),
    "label_ids": (
        lambda f: change(f, id2label={"0": "a", "7": "b"}, label2id={"a": 0, "b": 7}),
        "torch",
        ["--model export", "cannot be loaded"],
    ),
    "tokenizer": (cut("tokenizer.json"), "torch", ["--model export", "copy it again"]),
    "no_weights": (lambda f: (f / "model.safetensors").unlink(), "torch", ["model.safetensors"]),
    "pickled": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "torch",
        ["model.safetensors"],
    ),
    "cut_weights": (cut("model.safetensors", 5000), "torch", ["--model export", "copy it again"]),
    "no_graph": (lambda _: None, "onnx", ["--engine onnx", "export/onnx/model.onnx"]),
    "cut_graph": (write("onnx/model.onnx", b"\x08\x08"), "onnx", ["export/onnx/model.onnx"]),
    "other_file": (write("onnx/model.onnx", b"version"), "onnx", ["export/onnx/model.onnx"]),
    "engine": (lambda _: None, "fast", ["--engine fast", "onnx, int8, torch"]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_names_what_is_damaged(export, name):
    """It is one line with the folder or file."""
    damage, engine, says = DAMAGE[name]
    damage(export)
    with pytest.raises(InputError) as raised:
        open_export(export, engine)
    message = str(raised.value)
    assert [part for part in says if part not in message] == [], message
    assert "\n" not in message


def test_predicts_with_torch_where_the_export_says_why_it_has_no_onnx(export, capsys):
    """An export that merely lacks the file is damaged."""
    message = r"export/onnx/model\.onnx does not exist; use --engine torch$"
    with pytest.raises(InputError, match=message):
        open_export(export, "auto")
    (export / "parity.json").write_text('{"no_onnx": "no operator x"}')
    found = open_export(export, "auto").predict({"sentence1": ["a"], "sentence2": ["b"]})
    assert found == open_export(export).predict({"sentence1": ["a"], "sentence2": ["b"]})
    assert capsys.readouterr().err == "no ONNX: no operator x; predicting with torch\n"
    with pytest.raises(InputError, match=r"no ONNX: no operator x\); use --engine torch"):
        open_export(export, "int8")


def test_a_tokenizer_that_lacks_an_input_of_the_graph_is_named():
    """Files of two models in one folder."""

    class Session:
        def get_inputs(self):
            return [SimpleNamespace(name=name) for name in ("input_ids", "token_type_ids")]

    forward = inference.onnx_forward(Session(), None)
    with pytest.raises(InputError, match="takes token_type_ids, which the tokenizer does not"):
        forward({"input_ids": None, "attention_mask": None})


def test_labels_of_another_model_are_named():
    """config.json and weights of two models in one folder."""
    rule = DecisionRule(several=False)
    with pytest.raises(InputError, match=r"2 outputs and its config\.json 1 labels \(a\)"):
        label_predictions.prediction_columns([np.zeros(2)], ["a"], "class", rule)
