"""What the parameters promise, on one CUDA GPU; skipped where there is none."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from temper.core import artifacts
from temper.training import checkpoint, precision, recorded_steps
from tests.helpers import stage_runs
from tests.helpers.training import assert_same, distance, fit, resumed_and_whole, trained, weights
from tests.helpers.waiting import LIMIT_S
from tests.helpers.workspace import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU"),
    pytest.mark.filterwarnings("default"),
]
DROPOUT = {"model__config": {"hidden_dropout_prob": 0.1}}
LARGE = {"model__config": {"hidden_size": 256, "intermediate_size": 2048, "num_hidden_layers": 4}}
GRAPHS = {"train__engine": "loop", "train__precision": "bf16"}
TOKENS = GRAPHS | {"train__batch_size": None, "train__batch_tokens": 560}


@pytest.mark.parametrize("engine", ["trainer", "loop"])
@pytest.mark.parametrize(("half_precision", "limit"), [("bf16", 0.05), ("fp16", 0.02)])
def test_half_precision_trains_as_fp32_does(prepare, engine, half_precision, limit):
    """Losses of the first epoch and the whole weight vector are near those of fp32."""
    full = fit(prepare(train__engine=engine), "fp32")
    half = fit(prepare(train__engine=engine, train__precision=half_precision), half_precision)
    assert all(p.dtype == torch.float32 for p in half.model.parameters())
    for row, expected in zip(half.history.train[:6], full.history.train[:6], strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=limit)
    assert distance(half, full) < limit
    assert not torch.equal(weights(half), weights(full))


def test_auto_takes_bf16_where_the_card_has_units(prepare):
    """From compute capability 8 on."""
    has_units = torch.cuda.get_device_capability()[0] >= 8
    chosen, _ = precision.choose(prepare(train__precision="auto"))
    assert chosen == ("bf16" if has_units else "fp32")


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_8_bit_adamw(prepare, engine):
    """Its moments are uint8 where tensors are large enough, and it trains as AdamW does."""
    full = fit(prepare(train__engine=engine, **LARGE), "adamw")
    small = fit(prepare(train__engine=engine, train__optimizer="adamw_8bit", **LARGE), "8bit")
    for row, expected in zip(small.history.train[:6], full.history.train[:6], strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=0.1)
    assert 0 < distance(small, full) < 0.1
    newest = checkpoint.newest_complete(Path("work/8bit"))
    name = "optimizer.pt" if engine == "trainer" else "optimizer.bin"
    state = torch.load(newest / name, map_location="cpu", weights_only=False)["state"]
    assert torch.uint8 in set(dtypes(state))


def dtypes(tree):
    """Yield the dtype of each tensor in nested mappings."""
    for value in tree.values():
        if torch.is_tensor(value):
            yield value.dtype
        elif isinstance(value, dict):
            yield from dtypes(value)


@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_out_of_memory_halves_the_batch(prepare, engine, capfd):
    """Under a limit between the needs of 48 and 96 examples, it trains with 48 from the start."""
    changes = {"train__engine": engine, "train__batch_size": 96, "train__epochs": 3.0, **LARGE}
    torch.cuda.memory.reset_peak_memory_stats()
    fit(prepare(**changes), "whole")
    whole = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    torch.cuda.memory.reset_peak_memory_stats()
    halved = fit(prepare(**changes, train__per_device_batch_size=48), "half")
    half = torch.cuda.max_memory_reserved()
    expected = weights(halved).clone()
    del halved
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((half + 0.5 * (whole - half)) / total)
    try:
        fitted = fit(prepare(**changes), "fitted")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "restarting with 48 and 2 accumulation steps" in capfd.readouterr().err
    assert torch.equal(weights(fitted), expected)


@pytest.mark.parametrize(
    "changes", [{"train__engine": "trainer", "train__precision": "bf16"}, GRAPHS, TOKENS, {}]
)
def test_two_runs_are_equal_to_the_bit(prepare, changes):
    """With determinism.deterministic, on one card, with dropout."""
    parameters = prepare(**changes, **DROPOUT)
    assert_same(fit(parameters, "one"), fit(parameters, "two"))


@pytest.mark.parametrize(
    "changes",
    [
        {"train__engine": "trainer", "train__precision": "fp16"},
        {"train__engine": "loop", "train__precision": "fp16"},
        {"train__engine": "loop"},
        GRAPHS,
        TOKENS,
    ],
)
def test_resumes_to_the_bit(prepare, changes):
    """A training that was cut off after step 4 ends with the weights and history of the whole."""
    parameters = prepare(train__save_every=4, **changes, **DROPOUT)
    assert_same(*resumed_and_whole(parameters))


@pytest.mark.parametrize(
    "changes",
    [
        GRAPHS,
        TOKENS,
        GRAPHS | {"train__class_weights": [0.5, 2.0]},
        GRAPHS | {"train__r_drop_alpha": 1.0},
    ],
)
def test_recorded_steps_are_those_of_the_loop(prepare, capfd, monkeypatch, changes):
    """CUDA graphs are what runs, and they come near the plain steps."""
    recorded = fit(prepare(**changes), "recorded")
    assert "recorded as CUDA graphs" in capfd.readouterr().err
    monkeypatch.setattr(recorded_steps, "obstacle", lambda _: "a test")
    plain = fit(prepare(**changes), "plain")
    for row, expected in zip(recorded.history.train[:6], plain.history.train[:6], strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=0.02)
    assert distance(recorded, plain) < 0.05


def test_steps_that_cannot_be_recorded_say_so(mine, capfd):
    """This loss selects labelled rows, whose number a graph cannot know; training goes on."""
    session = fit(mine(**GRAPHS, train__loss="mine.loss"), "mine")
    assert "kernel by kernel, not as CUDA graphs" in capfd.readouterr().err
    assert len(session.history.train) == 12


def test_compiled_layers_make_the_same_steps(prepare):
    """With train.compile losses and weights are near those without it, in two runs the same."""
    plain = fit(prepare(**GRAPHS), "plain")
    parameters = prepare(**GRAPHS, train__compile=True)
    compiled = fit(parameters, "compiled")
    for row, expected in zip(compiled.history.train[:6], plain.history.train[:6], strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=0.02)
    assert 0 < distance(compiled, plain) < 0.05
    assert_same(fit(parameters, "again"), compiled)


def test_trains_without_a_compiler(prepare, capfd, monkeypatch):
    """Where AdamW cannot be compiled, it runs as it is."""
    compiled = fit(prepare(**GRAPHS), "compiled")

    def fail(function, **options):
        def call(*args):
            raise RuntimeError("Failed to find C compiler")

        return call

    monkeypatch.setattr(torch, "compile", fail)
    plain = fit(prepare(**GRAPHS), "plain")
    assert "AdamW is not compiled, which is slower: Failed to find C" in capfd.readouterr().err
    assert distance(plain, compiled) < 0.02


def test_killed_training_goes_on_to_the_same_bytes(prepare):
    """SIGKILL after the first checkpoint, then the same command again."""
    prepare(train__save_every=2, train__epochs=40.0, **GRAPHS, **DROPOUT)
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    stage = [sys.executable, "-m", "stages.train", "data/tokenized", "data/base"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "TEMPER_TRACKING": "off"}

    def run(name, kill_at=None):
        targets = [f"{name}/{target}" for target in ("model", "checkpoints", "history")]
        process = subprocess.Popen([*stage, *targets], env=environment)
        while kill_at is not None and process.poll() is None:
            if list(Path("checkpoints").glob(f"*/checkpoint-{kill_at}")):
                process.send_signal(signal.SIGKILL)
                break
        return process.wait(LIMIT_S)

    assert run("whole") == 0
    shutil.rmtree("checkpoints")
    assert run("killed", kill_at=20) == -signal.SIGKILL
    assert not Path("killed/model").exists()
    assert run("killed") == 0
    assert artifacts.sha256_tree(Path("killed")) == artifacts.sha256_tree(Path("whole"))


def test_export_of_a_gpu_training_matches_it(prepare):
    """ONNX agrees with torch within the export's own limits; MLflow has the GPU's metrics."""
    from mlflow import MlflowClient

    parameters = prepare(train__epochs=1.0, **GRAPHS)
    trained(parameters)
    stage_runs.evaluate()
    stage_runs.export()
    assert Path("data/export/onnx/model.onnx").exists()
    parity = json.loads(Path("data/export/parity.json").read_text())
    print(parity)
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    stage_runs.train()
    client = MlflowClient()
    (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    metrics = [r.data.metrics for r in client.search_runs([experiment.experiment_id])]
    assert any(m.get("system/peak_gpu_memory_gib", 0) > 0 for m in metrics)
