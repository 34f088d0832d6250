"""Averages of weights: EMA and the mean of checkpoints."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from temper.training import averaging, batch_norm, checkpoint, networks
from temper.training.session import TrainingSession
from tests.helpers.training import assert_same, fit, trained

WEIGHTS = "model.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_ema_weights_are_scored_and_saved(prepare, engine):
    """They match a hand-made average of every step, and a resume continues it to the bit."""
    steps = []

    def on_metrics(prefix, metrics, step):
        if prefix == "train":
            steps.append({n: p.detach().clone() for n, p in sessions[0].model.named_parameters()})

    sessions = []
    original = TrainingSession.__init__

    def remembered(self, *args, **kwargs):
        original(self, *args, **kwargs)
        sessions.insert(0, self)

    changes = {"train__weight_averaging": {"kind": "ema", "decay": 0.7}, "train__engine": engine}
    parameters = prepare(**changes, train__save_every=4, train__keep_checkpoints="last")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingSession, "__init__", remembered)
        whole = fit(parameters, "whole", on_metrics)
    expected = steps[0]
    for after in steps[1:]:
        expected = {n: 0.7 * expected[n] + 0.3 * after[n] for n in expected}
    last = load_file("work/whole/last/model.safetensors")
    for name, tensor in expected.items():
        assert torch.allclose(last[name], tensor, atol=1e-6), name
    assert not torch.equal(last["classifier.weight"], steps[-1]["classifier.weight"])
    shutil.copytree("work/whole", "work/cut")
    for path in checkpoint.numbered_folders(Path("work/cut"), "checkpoint")[1:]:
        shutil.rmtree(path)
    shutil.rmtree("work/cut/last")
    assert_same(fit(parameters, "cut"), whole)
    again = load_file("work/cut/last/model.safetensors")
    assert all(torch.equal(again[name], last[name]) for name in last)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["last", "best"])
def test_data_model_is_the_mean_of_k_checkpoints(prepare, kind):
    """They are the last two evaluated, or the two with the lowest loss."""
    changes = {
        "train__weight_averaging": {"kind": kind, "count": 2},
        "train__metric_for_best_model": "loss",
    }
    session = trained(prepare(**changes, train__evaluate_every=3, train__learning_rate=3e-3))
    rows = session.history.validation
    selected = sorted(rows, key=lambda r: r["loss"])[:2] if kind == "best" else rows[-2:]
    folders = [session.folder / f"scored-{row['step']}" for row in selected]
    assert {p.name for p in session.folder.glob("scored-*")} == {p.name for p in folders}
    averaged = load_file("data/model/model.safetensors")
    parts = [load_file(folder / "model.safetensors") for folder in folders]
    for name, tensor in averaged.items():
        torch.testing.assert_close(tensor, (parts[0][name] + parts[1][name]) / 2)
    assert (Path("data/model/config.json")).exists()


def test_refuses_impossible_averages():
    """A key is missing, or belongs to another kind."""
    from temper.params.train import WeightAveraging

    with pytest.raises(ValueError, match=r"averaging.decay is needed for ema"):
        WeightAveraging(kind="ema")
    with pytest.raises(ValueError, match=r"averaging.decay has no effect with best"):
        WeightAveraging(kind="best", count=2, decay=0.9)
    assert averaging.build_ema(torch.nn.Linear(1, 1), None) is None


def save_weights(folder, **tensors):
    """Write weights and a config as a checkpoint has them; return the folder."""
    partial = folder.with_suffix(".partial")
    partial.mkdir()
    save_file({name: torch.tensor(value) for name, value in tensors.items()}, partial / WEIGHTS)
    (partial / "config.json").write_text("{}")
    checkpoint.publish(partial, folder)
    return folder


def test_every_training_weighs_the_same(tmp_path):
    """Early stopping may leave one of a soup's members fewer evaluations than the others."""
    folders = [
        save_weights(tmp_path / name, a=[x], b=[1.0])
        for name, x in zip("abc", (1.0, 3.0, 8.0), strict=True)
    ]
    changed = averaging.average_weights([folders[:2], folders[2:]], tmp_path / "mean")
    assert load_file(tmp_path / "mean" / WEIGHTS)["a"].item() == 5.0
    assert changed == {"a"}


def test_averaged_weights_get_statistics_of_their_own(tmp_path, monkeypatch):
    """Means over the batches; a frozen batch normalization keeps the checkpoint's."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(embedding_size=4, hidden_sizes=[4], depths=[1])
    pixels = torch.randn(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batches = [pixels[[3, 1, 4]], pixels[[0, 5]], pixels[[9, 2, 6]]]  # then there are enough rows
    frozen, folders = "resnet.embedder.embedder.normalization", []
    for seed in range(2):
        torch.manual_seed(seed)
        network = ResNetForImageClassification(config)
        network.train()(pixel_values=pixels + seed)
        norm = network.get_submodule(frozen)
        norm.running_mean.fill_(7)
        norm.running_var.fill_(7)
        networks.save(network, tmp_path / f"{seed}.partial")
        checkpoint.publish(tmp_path / f"{seed}.partial", tmp_path / str(seed))
        folders.append(tmp_path / str(seed))
    target = tmp_path / "mean"
    changed = averaging.average_weights([folders], target)
    expected = ResNetForImageClassification.from_pretrained(target)
    session = SimpleNamespace(
        task=SimpleNamespace(auto_model="AutoModelForImageClassification"),
        custom_class=None,
        args=SimpleNamespace(device=torch.device("cpu"), gradient_accumulation_steps=2),
        sampler=SimpleNamespace(
            set_epoch=lambda _: None,
            global_batches=lambda _: np.split(np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7]), [5, 8]),
        ),
        rows=SimpleNamespace(batch=lambda rows: {"pixel_values": pixels[rows], "labels": None}),
        autocast=nullcontext,
    )
    before = (target / "config.json").read_bytes()
    monkeypatch.setattr(batch_norm, "MAX_ROWS", 8)
    batch_norm.recompute_statistics(target, changed, session)
    found = ResNetForImageClassification.from_pretrained(target)
    assert (target / "config.json").read_bytes() == before
    expected.eval()
    for name, module in expected.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d) and name != frozen:
            module.train().reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        for batch in batches:
            expected(pixel_values=batch)
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, msg=name)
    assert (found.get_submodule(frozen).running_mean == 7).all()
