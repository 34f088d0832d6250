"""R-Drop, Huber, averaging, resampling, limits, shapes and memory: the effect of each."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from stages import train
from temper.core import arrow
from temper.core.errors import InputError
from temper.training import averaging, batching, checkpoint, losses, memory
from temper.training.session import TrainingSession
from tests.helpers.training import TARGETS, assert_same, distance, fit, trained, weights

# -- losses ------------------------------------------------------------------------------------


def test_huber_is_torchs():
    """Errors above delta count linearly; NaN labels nothing."""
    logits, labels = torch.randn(5, 1) * 3, torch.tensor([0.0, 1.0, 2.0, torch.nan, -1.0])
    kept = ~labels.isnan()
    expected = functional.huber_loss(logits[kept, 0], labels[kept], reduction="sum", delta=0.5)
    found = losses.build_loss("squared_error", huber_delta=0.5)(logits, labels)
    torch.testing.assert_close(found, expected)


def test_divergences_are_torchs():
    """The mean of both directions of torch's own, 0 between equals, padding left out."""
    from torch.distributions import Bernoulli, Categorical, kl_divergence

    one, other = torch.randn(4, 3), torch.randn(4, 3)
    labels = torch.tensor([0, -100, 2, 1])
    kept = labels != -100
    p, q = Categorical(logits=one[kept]), Categorical(logits=other[kept])
    expected = (kl_divergence(p, q) + kl_divergence(q, p)).sum() / 2
    found = losses.divergence("cross_entropy")
    torch.testing.assert_close(found(one, other, labels), expected)
    assert float(found(one, one, labels)) == pytest.approx(0.0, abs=1e-6)
    p, q = Bernoulli(logits=one), Bernoulli(logits=other)
    expected = (kl_divergence(p, q) + kl_divergence(q, p)).sum() / 2
    hot = torch.zeros(4, 3)
    torch.testing.assert_close(losses.divergence("binary_cross_entropy")(one, other, hot), expected)
    gap = losses.divergence("squared_error")(one, other, torch.zeros(4))
    torch.testing.assert_close(gap, ((one[:, 0] - other[:, 0]) ** 2).sum())


@pytest.mark.slow
def test_r_drop_pulls_two_passes_together(prepare):
    """The mean of both losses and alpha times their divergence; without dropout, no effect."""
    dropout = {"model__config": {"hidden_dropout_prob": 0.2}, "train__epochs": 1.0}
    session = fit(prepare(**dropout, train__r_drop_alpha=3.0), "pulled")
    assert not torch.equal(weights(session), weights(fit(prepare(**dropout), "plain")))
    batch, network = next(iter(session.batches())), session.model.train()
    count = torch.tensor(len(batch["labels"]))
    torch.manual_seed(0)
    found = session.loss(network, batch, count)
    torch.manual_seed(0)
    labels = batch.pop("labels")
    logits = network(**{name: torch.cat([values] * 2) for name, values in batch.items()}).logits
    mean = functional.cross_entropy(logits, torch.cat([labels] * 2))
    one, other = (part.log_softmax(-1) for part in logits.chunk(2))
    gap = ((one.exp() - other.exp()) * (one - other)).sum(-1).mean() / 2
    torch.testing.assert_close(found, mean + 3 * gap)
    assert float(gap.detach()) > 0
    still = fit(prepare(train__epochs=1.0), "still")
    twice = fit(prepare(train__epochs=1.0, train__r_drop_alpha=5.0), "twice")
    assert distance(twice, still) < 1e-3  # rounding alone


@pytest.mark.slow
def test_a_loss_above_max_loss_stops_the_run_and_names_the_rows(prepare):
    """At its step, before it is saved; the checkpoint before stays."""
    rising = {"train__save_every": 1, "train__learning_rate": 0.3, "train__warmup_ratio": 0.5}
    session = fit(prepare(**rising), "whole")
    seen = [row["loss"] for row in session.history.train]
    step = next(i for i in range(1, 12) if seen[i] > max(seen[:i]))
    limit = (seen[step] + max(seen[:step])) / 2
    with pytest.raises(InputError) as caught:
        fit(prepare(**rising, train__max_loss=limit), "cut")
    text = str(caught.value)
    assert f"the loss of step {step + 1} is" in text
    rows = [int(n) for n in text.split("rows ")[1].split(" of ")[0].split(", ")]
    epoch, at = divmod(step, 6)
    assert rows == sorted(session.sampler.global_batches(epoch)[at].tolist())
    assert f"checkpoint-{step} is kept" in text
    assert checkpoint.step_of(checkpoint.newest(Path("work/cut"))) == step


# -- averaging ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_ema_is_what_is_scored_and_kept(prepare, engine):
    """By hand from the weights of every step; a resume goes on with it to the bit."""
    steps = []

    def on_metrics(prefix, numbers, step):
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
    for path in checkpoint.numbered(Path("work/cut"), "checkpoint")[1:]:
        shutil.rmtree(path)
    shutil.rmtree("work/cut/last")
    assert_same(fit(parameters, "cut"), whole)
    again = load_file("work/cut/last/model.safetensors")
    assert all(torch.equal(again[name], last[name]) for name in last)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["last", "best"])
def test_data_model_is_the_mean_of_k_checkpoints(prepare, kind):
    """Of the last two evaluated, or of the two with the lowest loss."""
    changes = {
        "train__weight_averaging": {"kind": kind, "count": 2},
        "train__metric_for_best_model": "loss",
    }
    session = trained(prepare(**changes, train__evaluate_every=3, train__learning_rate=3e-3))
    rows = session.history.validation
    chosen = sorted(rows, key=lambda r: r["loss"])[:2] if kind == "best" else rows[-2:]
    folders = [session.setup.folder / f"scored-{row['step']}" for row in chosen]
    assert {p.name for p in session.setup.folder.glob("scored-*")} == {p.name for p in folders}
    found = load_file("data/model/model.safetensors")
    parts = [load_file(folder / "model.safetensors") for folder in folders]
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, (parts[0][name] + parts[1][name]) / 2)
    assert (Path("data/model/config.json")).exists()


def rows_of(path):
    return Path(path).read_text().splitlines()[1:]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_a_soup_is_the_mean_of_trainings_from_one_start(prepare, engine, monkeypatch):
    """Two orders, one beginning; killed in the second, it goes on to the bit."""
    from temper.training import networks

    starts, told = [], []
    build = networks.build

    def remembered(*args):
        network = build(*args)
        starts.append({name: value.clone() for name, value in network.state_dict().items()})
        return network

    monkeypatch.setattr(networks, "build", remembered)
    parameters = prepare(train__model_soup_size=2, train__engine=engine, train__save_every=4)
    whole = fit(parameters, "whole", lambda prefix, _, step: told.append((prefix, step)))
    assert all(torch.equal(value, starts[1][name]) for name, value in starts[0].items())
    train.write_outputs(whole, Path("data/base"), TARGETS)
    one, other = (load_file(c.sources()[0] / "model.safetensors") for c in whole.members)
    found = load_file("data/model/model.safetensors")
    for name, tensor in found.items():
        assert not torch.equal(one[name], other[name]) or name.endswith("position_ids")
        torch.testing.assert_close(tensor, ((one[name].double() + other[name]) / 2).float())
    assert {path.name for path in Path("data/checkpoints").iterdir()} == {"member-1", "member-2"}
    steps = [int(row.split(",")[0]) for row in rows_of("data/history/train.csv")]
    assert steps == list(range(1, 25))
    assert [step for prefix, step in told if prefix == "train"] == steps
    *_, row = rows_of("data/history/validation.csv")
    assert row.startswith(f"25,{whole.history.train[-1]['epoch']},")
    assert whole.members[0].history != whole.members[1].history
    for number in (1, 2):
        shutil.copytree(f"work/whole/whole-{number}", f"work/cut/cut-{number}")
    for path in checkpoint.numbered(Path("work/cut/cut-2"), "checkpoint")[1:]:
        shutil.rmtree(path)
    assert_same(fit(parameters, "cut"), whole)


def test_the_mean_of_crfs_decodes_with_its_own_transitions(tmp_path):
    """config.json holds the mean's, for decoding without torch."""
    from safetensors.torch import save_file

    for name, value in (("a", 1.0), ("b", 2.0)):
        (tmp_path / name).mkdir()
        save_file({"transitions": torch.full((4, 2), value)}, tmp_path / name / "model.safetensors")
    (tmp_path / "mean").mkdir()
    (tmp_path / "mean/config.json").write_text('{"transitions": [[2.0, 2.0]]}')
    averaging.mean([tmp_path / "a", tmp_path / "b"], tmp_path / "mean")
    assert json.loads((tmp_path / "mean/config.json").read_text())["transitions"] == [[1.5] * 2] * 4


def test_an_average_that_cannot_be():
    """Its own key is missing, or one of the other kind is there."""
    from temper.params.train import WeightAveraging

    with pytest.raises(ValueError, match=r"averaging.decay is needed for ema"):
        WeightAveraging(kind="ema")
    with pytest.raises(ValueError, match=r"averaging.decay has no effect with best"):
        WeightAveraging(kind="best", count=2, decay=0.9)
    assert averaging.shadow(torch.nn.Linear(1, 1), None) is None


# -- resampling --------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "each"), [("over", 70), ("under", 20)])
def test_resampling_gives_every_label_the_same_share(how, each):
    """Every row of the rarer label, others in the next epoch; nothing else changes."""
    labels = np.array([0] * 70 + [1] * 20)
    sampler = batching.BucketSampler(
        np.ones(90, dtype=int), batch_size=16, accumulation=1, window=4, seed=3, rank=0,
        world_size=1, resampling=how, labels=labels,
    )  # fmt: skip
    rows = [r for batch in sampler for r in batch if r >= 0]
    assert np.bincount(labels[rows]).tolist() == [each, each]
    assert len(list(sampler)) == len(sampler) == -(-2 * each // 16)
    assert set(rows) >= set(range(70, 90))
    assert how == "under" or set(rows) == set(range(90))
    sampler.set_epoch(1)
    assert sorted(r for batch in sampler for r in batch if r >= 0) != sorted(rows)


@pytest.mark.slow
def test_resampling_makes_the_epoch_longer_and_needs_one_label_per_row(prepare):
    """Steps follow the rows of an epoch."""
    session = fit(prepare(train__resampling="over", train__epochs=1.0))
    counts = np.bincount(arrow.load(Path("data/tokenized"))["train"]["labels"])
    assert len(session.history.train) == -(-2 * counts.max() // 16)
    with pytest.raises(InputError, match="exactly one label per training row"):
        batching.label_ids({"labels": [[0, 1]]}, "over")


# -- one shape (TPU) ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_with_padding_max_length_every_batch_has_one_shape(prepare, tmp_path, engine, monkeypatch):
    """In training and evaluation, the last batch among them, and the same scores and losses."""
    from temper.training import session as module

    shapes = {"train": set(), "validation": set()}
    forward = module.inference.torch_forward

    def watched(network, *args, **kwargs):
        run = forward(network, *args, **kwargs)
        return lambda batch: shapes["validation"].add(batch["input_ids"].shape) or run(batch)

    loss = TrainingSession.loss

    def observed(self, network, micro_batch, num_labels):
        shapes["train"].add(tuple(micro_batch["input_ids"].shape))
        return loss(self, network, micro_batch, num_labels)

    lines = (ROOT / "tests/data/train.csv").read_text().splitlines(True)
    (tmp_path / "short.csv").write_text("".join(lines[:-5]))
    changes = {
        "train__engine": engine,
        "train__epochs": 1.0,
        "train__per_device_eval_batch_size": 20,
    }
    changes |= {"data__files.train": "short.csv"}
    plain = fit(prepare(**changes), "plain")
    monkeypatch.setattr(module.inference, "torch_forward", watched)
    monkeypatch.setattr(TrainingSession, "loss", observed)
    fixed = fit(prepare(**changes, tokenize__padding="max_length"), "fixed")
    assert len(plain.setup.train) % 16
    assert shapes == {"train": {(16, 64)}, "validation": {(20, 64)}}
    for mine, its in zip(fixed.history.validation, plain.history.validation, strict=True):
        assert mine == pytest.approx(its, rel=1e-4)


# -- out of memory -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_a_batch_that_does_not_fit_is_halved(prepare, engine, monkeypatch, capsys):
    """Weights, history and steps are those of a run that was started with half the examples."""
    loss, refused = TrainingSession.loss, []

    def narrow(self, network, micro_batch, num_labels):
        if len(micro_batch["input_ids"]) > 4:
            refused.append(len(micro_batch["input_ids"]))
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to …")
        return loss(self, network, micro_batch, num_labels)

    changes = {"train__engine": engine, "model__config": {"hidden_dropout_prob": 0.1}}
    started = fit(prepare(**changes, train__per_device_batch_size=4), "started")
    monkeypatch.setattr(TrainingSession, "loss", narrow)
    parameters = prepare(**changes)
    halve_batch_size = fit(parameters, "halved")
    assert refused == [16, 8]
    assert_same(halve_batch_size, started)
    said = capsys.readouterr().err
    assert "out of memory with 16 examples at once: starting over with 8, 2 pieces" in said
    assert "train.batch_size stays 16" in said
    refused.clear()
    for path in checkpoint.numbered(Path("work/halved"), "checkpoint"):
        shutil.rmtree(path)
    assert_same(fit(parameters, "halved"), started)
    assert refused == []  # the decision was kept


@pytest.mark.slow
def test_a_soups_members_learn_from_the_first_what_fits(prepare, monkeypatch, capsys):
    """It alone starts over."""
    loss = TrainingSession.loss

    def narrow(self, network, micro_batch, num_labels):
        if len(micro_batch["input_ids"]) > 8:
            raise MemoryError
        return loss(self, network, micro_batch, num_labels)

    monkeypatch.setattr(TrainingSession, "loss", narrow)
    soup = fit(prepare(train__model_soup_size=2, train__epochs=1.0))
    assert [session.setup.params.per_device_batch_size for session in soup.members] == [8, 8]
    assert capsys.readouterr().err.count("starting over with 8") == 1


def test_one_example_that_does_not_fit_ends_the_run(tmp_path, write_params):
    """What to change."""
    p = write_params(train__per_device_batch_size=1).train
    with pytest.raises(InputError, match=r"one example at once .no room.: lower tokenize.max"):
        memory.halve_batch_size(p, tmp_path, 1, "no room", first=True)
    assert memory.with_fitted_batch_size(p, tmp_path) is p


@pytest.mark.slow
def test_memory_that_the_system_refuses(prepare, tmp_path):
    """A real limit of address space: training halves the batch and ends."""
    import subprocess
    import sys

    prepare(train__batch_size=96, train__epochs=1.0, tokenize__padding="max_length",
            train__engine="loop", model__config={"intermediate_size": 32768})  # fmt: skip
    script = """
import json, resource, sys
from pathlib import Path
from stages import train
from temper import params
from temper.core import arrow
import torch, transformers, accelerate
torch.set_num_threads(2)
torch.nn.functional.linear(torch.ones(64, 64), torch.ones(64, 64))
import temper.engines.loop, temper.training.memory
from transformers import BertForSequenceClassification
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]) * 2**20,) * 2)
parameters = params.load()
Path("work/limit").mkdir(parents=True, exist_ok=True)
data = arrow.load(Path("data/tokenized"))
course = train.fine_tune(parameters, data, Path("data/base"), Path("work/limit"), lambda *_: None)
print(json.dumps([course.args.per_device_train_batch_size, len(course.history.train)]))
"""
    from tests.helpers.workspace import ROOT, environment

    done = subprocess.run(
        [sys.executable, "-c", script, "2600"],
        capture_output=True, text=True, env=environment(PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    size, steps = json.loads(done.stdout.splitlines()[-1])
    assert "out of memory with 96 examples at once" in done.stderr
    assert size < 96
    assert steps == 1
    assert json.loads(Path("work/limit/memory.json").read_text()) == {"per_device_batch_size": size}
