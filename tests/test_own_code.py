"""Your own functions and classes: each is called, changes the result, and is a dependency."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stages import evaluate
from temper.cli import predict
from temper.core.errors import InputError
from temper.export import mlflow_model
from temper.models import heads
from temper.models.config import ModelWithHeadConfig
from temper.params import user_code
from temper.training import optimizer
from tests.helpers.export import run_export
from tests.helpers.repository import clone, hashes, ran, run, set_params
from tests.helpers.training import MLP, distance, fit, trained

CODE = '''
import torch
from transformers import TrainerCallback

steps = []


def loss(logits, labels):
    """Twice the cross-entropy."""
    kept = labels >= 0
    return 2 * torch.nn.functional.cross_entropy(logits[kept], labels[kept], reduction="sum")


def optimizer(groups, params):
    return torch.optim.SGD(groups, lr=params.learning_rate)


def collator(rows, collate):
    """Hide every third token."""
    batch = collate(rows)
    batch["input_ids"][:, 3::3] = 4
    return batch


class Counter(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        steps.append(state.global_step)


class Quitter(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == 2


class Judge(TrainerCallback):
    def on_evaluate(self, args, state, control, **kwargs):
        control.should_training_stop = True


def misses(predictions, references):
    return sum(p != r for p, r in zip(predictions, references))


misses.greater_is_better = False


def shout(examples, processor, encode):
    """Encode texts without their last word."""
    cut = {n: [" ".join(v.split()[:-1]) for v in values] if n != "label" else values
           for n, values in examples.items()}
    return encode(cut)


class Bag(torch.nn.Module):
    """Mean of embeddings under a linear layer."""

    def __init__(self, config):
        super().__init__()
        self.embeddings = torch.nn.Embedding(config.vocab_size, 16)
        self.classifier = torch.nn.Linear(16, config.num_labels)

    def forward(self, input_ids, attention_mask, **_):
        mask = attention_mask[..., None].float()
        mean = (self.embeddings(input_ids) * mask).sum(1) / mask.sum(1)
        return self.classifier(mean)
'''


@pytest.fixture
def mine(prepare, tmp_path):
    """Return `prepare`, with the file above as module `mine`."""
    (tmp_path / "mine.py").write_text(CODE)
    return lambda **changes: prepare(code={"mine": "mine.py"}, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_each_of_yours_changes_the_weights(mine, engine):
    """Loss, optimizer, collator; twice the loss with clipping off is twice the gradient."""
    changes = {"train__epochs": 1.0, "train__engine": engine, "train__max_grad_norm": 0.0}
    plain = fit(mine(**changes), "plain")
    for key in ("loss", "optimizer", "collator"):
        session = fit(mine(**changes, **{f"train__{key}": f"mine.{key}"}), key)
        assert distance(session, plain) > 1e-5, key  # AdamW hardly sees a factor
        if key == "loss":
            first, its = session.history.train[0], plain.history.train[0]
            assert first["loss"] == pytest.approx(2 * its["loss"], rel=1e-5)
            assert first["grad_norm"] == pytest.approx(2 * its["grad_norm"], rel=1e-4)
    assert (
        user_code.resolve("mine.Counter", "train.callbacks", {"mine": "mine.py"}).__name__
        == "Counter"
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_a_callback_of_yours_sees_every_step(mine, engine, monkeypatch):
    """With either engine."""
    seen = []
    real = user_code.resolve

    def watched(name, key, code):
        found = real(name, key, code)
        if key == "train.callbacks":
            found.on_step_end = lambda self, args, state, *_, **__: seen.append(state.global_step)
        return found

    monkeypatch.setattr(user_code, "resolve", watched)
    fit(mine(train__callbacks=["mine.Counter"], train__engine=engine, train__epochs=1.0))
    assert seen == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
@pytest.mark.parametrize(("name", "steps"), [("Quitter", 2), ("Judge", 6)])
def test_a_callback_of_yours_may_end_the_training(mine, engine, name, steps):
    """data/model has the weights of that step; started again, it has ended already."""
    parameters = mine(
        train__callbacks=[f"mine.{name}"], train__engine=engine, train__keep_checkpoints="last"
    )
    session = trained(parameters)
    assert [row["step"] for row in session.history.train] == list(range(1, steps + 1))
    assert [row["step"] for row in session.history.validation] == [steps]
    for folder in ("model", "checkpoints/last"):
        kept = load_file(f"data/{folder}/model.safetensors")
        assert all(torch.equal(kept[name], p) for name, p in session.model.named_parameters())
    again = trained(parameters)
    assert again.history == session.history
    assert again.state.global_step == 0  # no further step


def test_what_a_class_of_yours_lacks_is_named():
    """A method that a parameter needs, and transformers' models have."""
    config = ModelWithHeadConfig(backbone={"model_type": "bert"}, own="mine.Bag")
    model = heads.ModelWithHead(config, torch.nn.Linear(3, 2))
    assert model.num_parameters(exclude_embeddings=True) == 8
    with pytest.raises(InputError, match=r"model\.new_tokens: Linear has no resize_token_emb"):
        model.resize_token_embeddings(9)
    with pytest.raises(InputError, match=r"train\.gradient_checkpointing: Linear has no activ"):
        model.activation_checkpointing_enable()
    with pytest.raises(InputError, match=r"freeze\.embeddings or layer_decay: Linear has no get_i"):
        optimizer.freeze(model, embedding_table=True, num_layers=0)


@pytest.mark.slow
def test_a_metric_of_yours_chooses_the_best_and_stands_in_the_report(mine):
    """Validation accuracy and misses tell the same; the direction is the function's."""
    session = trained(
        mine(train__metric_for_best_model="mine.misses", evaluate__metrics=["mine.misses"])
    )
    for row in session.history.validation:
        assert row["misses"] == pytest.approx(32 * (1 - row["accuracy"]))
    fewest = min(row["misses"] for row in session.history.validation)
    (best,) = [r for r in session.history.validation if r["step"] == session.best_step()]
    assert best["misses"] == fewest
    names = ("model", "tokenized", "raw", "zero_shot", "evaluation")
    evaluate.main(*(Path("data") / name for name in names))
    found = json.loads(Path("data/evaluation/metrics.json").read_text())
    for split, rows in (("validation", 32), ("test", 24)):
        assert found[split]["misses"] == pytest.approx(
            rows * (1 - found[split]["accuracy"]), abs=1e-3
        )
    assert "misses" in Path("data/evaluation/report.html").read_text()


def exported(parameters):
    """Train, evaluate and export; return the rows that predict adds to the test file."""
    trained(parameters)
    names = ("model", "tokenized", "raw", "zero_shot", "evaluation")
    evaluate.main(*(Path("data") / name for name in names))
    run_export(Path("data/export"))
    return {engine: predicted(engine) for engine in ("onnx", "torch")}


def predicted(engine):
    predict.predict(
        model=Path("data/export"), input=Path("tests/data/test.csv"), output=Path("scored.csv"),
        engine=engine, batch_size=4, num_threads=1,
    )  # fmt: skip
    with Path("scored.csv").open(newline="") as file:
        return [(row["prediction"], float(row["score"])) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_class_of_yours_is_trained_exported_and_served(mine):
    """temper owns the loss; ONNX and torch agree; the card says what does not load."""
    parameters = mine(model__custom_class="mine.Bag", train__learning_rate=0.05)
    rows = exported(parameters)
    assert [p for p, _ in rows["onnx"]] == [p for p, _ in rows["torch"]]
    assert [s for _, s in rows["onnx"]] == pytest.approx([s for _, s in rows["torch"]], abs=1e-4)
    assert load_file("data/model/model.safetensors")["backbone.embeddings.weight"].shape[1] == 16
    card = Path("data/export/README.md").read_text()
    assert "transformers does not know this model's head" in card
    assert "library_name: temper" in card
    assert Path("data/export/code/mine.py").read_text() == CODE


@pytest.mark.slow
def test_a_head_of_ours_is_exported_and_served(prepare):
    """As above and by MLflow, with fused attention; transformers refuses the export too."""
    import mlflow
    import onnx
    import pandas as pd
    from transformers import pipeline

    parameters = prepare(model__head=MLP)
    rows = exported(parameters)
    mlflow_model.save(Path("data/export"), Path("served"), parameters.task)
    frame = pd.read_csv("tests/data/test.csv")[["sentence1", "sentence2"]]
    assert "torch==" not in Path("served/requirements.txt").read_text()
    found = mlflow.pyfunc.load_model("served").predict(frame)
    assert found["prediction"].tolist() == [p for p, _ in rows["onnx"]]
    assert found["score"].tolist() == pytest.approx([s for _, s in rows["onnx"]], abs=1e-5)
    assert [s for _, s in rows["onnx"]] == pytest.approx([s for _, s in rows["torch"]], abs=1e-4)
    graph = onnx.load("data/export/onnx/model.onnx")
    assert any(node.op_type == "Attention" for node in graph.graph.node)
    with pytest.raises(ValueError, match="temper"):
        pipeline("text-classification", model="data/export")


@pytest.mark.slow
def test_an_encoding_of_yours_is_used_in_training_and_in_predict(mine, monkeypatch, tmp_path):
    """A changed last word changes no answer of a model that never sees it; nor of a served one."""
    import mlflow
    import pandas as pd

    parameters = mine(tokenize__encode="mine.shout", train__epochs=1.0)
    rows = exported(parameters)
    mlflow_model.save(Path("data/export"), Path("served"), parameters.task)
    requirements = Path("served/requirements.txt").read_text()
    assert f"\ntorch=={torch.__version__.partition('+')[0]}\n" in requirements  # mine.py has it
    assert "+" not in requirements
    with Path("tests/data/test.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        changed = [
            row | {n: row[n].rsplit(" ", 1)[0] + " zzz" for n in ("sentence1", "sentence2")}
            for row in reader
        ]
    with Path("tests/data/test.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, reader.fieldnames)
        writer.writeheader()
        writer.writerows(changed)
    assert predicted("onnx") == rows["onnx"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    frame = pd.DataFrame(changed)[["sentence1", "sentence2"]]
    found = mlflow.pyfunc.load_model("../served").predict(frame)
    assert found["prediction"].tolist() == [p for p, _ in rows["onnx"]]


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_an_edited_module_of_yours_runs_its_stages_again(origin, tmp_path):
    """DVC sees the file: data and model are not fetched again, training is done again."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    (folder / "mine.py").write_text(CODE)
    set_params(folder, code={"mine": "mine.py"}, train__loss="mine.loss", train__epochs=1.0)
    run(folder, "dvc repro train")
    before = (folder / "data/history/train.csv").read_text()
    (folder / "mine.py").write_text(CODE.replace("2 * torch", "3 * torch"))
    again = ran(run(folder, "dvc repro train"))
    assert [name for name in again if not name.startswith("code_files")] == ["tokenize", "train"]
    assert (folder / "data/history/train.csv").read_text() != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__loss": "mime.loss"}, r"not module.name of a file .*did you mean 'mine'"),
        ({"train__loss": "loss"}, r"it holds mine: add my_code: path/to/file.py there"),
        ({"train__loss": "mine.los"}, r"no function or class 'los' .did you mean 'loss'"),
        ({"code": {"mine": "gone.py"}, "train__loss": "mine.loss"}, "is gone.py, and there is no"),
        (
            {"code": {"mine": "broken.py"}, "model__custom_class": "mine.X"},
            "when it is imported: Name",
        ),
        (
            {"train__metric_for_best_model": "mine.f"},
            "train.metric_for_best_model.*no function or class 'f'",
        ),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere(write_params, tmp_path, changes, message):
    """By temper check, before anything runs."""
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("undefined\n")
    parameters = write_params(**{"code": {"mine": "mine.py"}} | changes)
    found = user_code.check(parameters)
    assert len(found) == 1
    import re

    assert re.search(message, ": ".join(found[0]))


def test_a_metric_that_fails_is_named():
    """And what it raised."""
    with pytest.raises(InputError, match=r"evaluate.metrics: bad fails: ZeroDivisionError"):
        user_code.scores({"bad": lambda p, r: 1 / 0}, [1], [1])


NARROW = (
    CODE
    + '''

import os


def narrow(logits, labels):
    """No room for more than 4 rows, in one of two processes."""
    if len(labels) > 4 and os.environ["RANK"] == "1":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    return loss(logits, labels)
'''
)


LATER = (
    NARROW
    + '''

calls = []


def later(logits, labels):
    """No room in one of two processes, some steps on."""
    calls.append(len(labels))
    if len(labels) > 4 and len(calls) > 5 and os.environ["RANK"] == "1":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    return loss(logits, labels)
'''
)


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_a_process_that_runs_out_alone_writes_it_down(origin, tmp_path):
    """The others wait in mid-step, so the run ends; started again, it takes the smaller batch."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    (folder / "mine.py").write_text(LATER)
    changes = {"code": {"mine": "mine.py"}, "train__launch": "cpu_2", "train__save_every": 3}
    set_params(folder, **changes, train__loss="mine.later")
    done = run(folder, "dvc repro train", check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "out of memory with 8 examples at once: starting over with 4" in said
    assert "run the same command again" in said
    run(folder, "dvc repro train")
    assert (folder / "data/history/train.csv").read_text().count("\n") == 1 + 12


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_all_processes_agree_on_a_smaller_batch(origin, tmp_path):
    """Though one alone runs out; the bytes of a run that was started so, also once resumed."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    (folder / "mine.py").write_text(NARROW)
    changes = {"code": {"mine": "mine.py"}, "train__launch": "cpu_2", "train__save_every": 3}
    set_params(folder, **changes, train__loss="mine.narrow", train__per_device_batch_size=4)
    run(folder, "dvc repro train")
    expected = hashes(folder)["data/model"]
    set_params(folder, train__per_device_batch_size=None)
    done = run(folder, "dvc repro train")
    said = done.stdout + done.stderr
    assert "out of memory with 8 examples at once: starting over with 4, 2 pieces" in said
    assert hashes(folder)["data/model"] == expected
    newest = max(folder.glob("checkpoints/*/memory.json")).parent
    for path in sorted(newest.glob("checkpoint-*"))[1:]:
        shutil.rmtree(path)
    again = run(folder, "dvc repro --no-run-cache --force --single-item train")
    assert "resuming from step" in again.stdout + again.stderr
    assert "out of memory" not in again.stdout + again.stderr
    assert hashes(folder)["data/model"] == expected
