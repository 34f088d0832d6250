"""Each training parameter changes weights or history as its definition says."""

import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.nn import functional

from stages import train
from temper.core import arrow
from temper.core.errors import InputError
from temper.params.train import EarlyStopping, SchedulerKwargs
from temper.tasks.base import registry
from temper.training import batching, checkpoint, losses, optimizer, setup
from temper.training.history import History
from temper.training.session import TrainingSession
from tests.helpers import workspace
from tests.helpers.workspace import ROOT

BASE = Path("data/base")


def fit(parameters, name="run", on_metrics=lambda *_: None):
    """Train in this process; return the engine."""
    data = arrow.load(Path("data/tokenized"))
    folder = Path("work", name)
    folder.mkdir(parents=True, exist_ok=True)
    return train.fine_tune(parameters, data, BASE, folder, on_metrics)


def weights(engine):
    return torch.cat([p.detach().flatten() for p in engine.model.parameters()])


def assert_same(one, other):
    """Weights and history agree to the bit."""
    assert torch.equal(weights(one), weights(other))
    assert one.history == other.history


def distance(one, other):
    """Return the relative distance of two whole weight vectors (FACTS 41)."""
    return float((weights(one) - weights(other)).norm() / weights(other).norm())


# -- batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("world", "accumulation"), [(1, 1), (2, 1), (1, 4), (2, 2)])
def test_every_row_is_trained_on_once_per_epoch(world, accumulation):
    """Whatever the layout, and when the rows do not divide."""
    lengths = np.random.default_rng(1).integers(3, 60, 101)
    samplers = [
        batching.BucketSampler(
            lengths,
            batch_size=16,
            accumulation=accumulation,
            window=3,
            seed=5,
            rank=rank,
            world_size=world,
        )
        for rank in range(world)
    ]
    seen = [
        row for sampler in samplers for micro_batch in sampler for row in micro_batch if row >= 0
    ]
    assert sorted(seen) == list(range(101))
    sizes = [[len(micro_batch) for micro_batch in sampler] for sampler in samplers]
    assert all(found == sizes[0] and len(found) == len(samplers[0]) for found in sizes)


def test_order_depends_on_seed_and_epoch_alone_and_buckets_save_padding():
    """The same again, another in the next epoch, and less padding than without buckets."""
    lengths = np.random.default_rng(1).integers(3, 60, 640)

    def sampler(window, seed=5):
        return batching.BucketSampler(
            lengths, batch_size=16, accumulation=1, window=window, seed=seed, rank=0, world_size=1
        )

    first, again = list(sampler(8)), list(sampler(8))
    later, other = sampler(8), list(sampler(8, seed=6))
    later.set_epoch(1)
    assert first == again
    assert first != list(later)
    assert first != other
    assert sampler(8).padding_share(lambda n: n) < 0.5 * sampler(0).padding_share(lambda n: n)


# -- losses ------------------------------------------------------------------------------------


def test_single_label_losses_are_torchs():
    """Smoothing, weights and focal factor against their formulas, filler rows ignored."""
    logits, labels = torch.randn(9, 4), torch.tensor([0, 1, 2, 3, 0, 1, -100, 3, -100])
    kept = labels >= 0
    plain = functional.cross_entropy(logits[kept], labels[kept], reduction="none")
    make = losses.build_loss
    kind = "cross_entropy"
    torch.testing.assert_close(make(kind)(logits, labels), plain.sum())
    smooth = functional.cross_entropy(
        logits[kept], labels[kept], label_smoothing=0.1, reduction="sum"
    )
    torch.testing.assert_close(make(kind, label_smoothing=0.1)(logits, labels), smooth)
    factor = torch.tensor([1.0, 2.0, 3.0, 4.0])
    found = make(kind, class_weights=[1.0, 2.0, 3.0, 4.0])(logits, labels)
    torch.testing.assert_close(found, (plain * factor[labels[kept]]).sum())
    chance = torch.exp(-plain)
    focal = make(kind, focal_gamma=2.0)(logits, labels)
    torch.testing.assert_close(focal, (plain * (1 - chance) ** 2).sum())


def test_multi_label_and_regression_losses_are_torchs():
    """NaN labels count nothing."""
    logits = torch.randn(3, 2)
    hot = torch.tensor([[1.0, 0.0], [0.0, 1.0], [torch.nan, torch.nan]])
    expected = functional.binary_cross_entropy_with_logits(logits[:2], hot[:2], reduction="sum")
    torch.testing.assert_close(losses.build_loss("binary_cross_entropy")(logits, hot), expected)
    numbers = torch.tensor([1.0, torch.nan, 3.0])
    found = losses.build_loss("squared_error")(logits[:, :1], numbers)
    torch.testing.assert_close(found, (logits[0, 0] - 1) ** 2 + (logits[2, 0] - 3) ** 2)


def test_weights_of_several_labels_are_on_the_positive_term():
    """torch's pos_weight, one per label."""
    logits, hot = torch.randn(4, 3), torch.randint(0, 2, (4, 3)).float()
    factor = [1.0, 5.0, 0.5]
    expected = functional.binary_cross_entropy_with_logits(
        logits, hot, pos_weight=torch.tensor(factor), reduction="sum"
    )
    found = losses.build_loss("binary_cross_entropy", class_weights=factor)(logits, hot)
    torch.testing.assert_close(found, expected)


def test_balanced_weights_are_scikit_learns():
    """n / (classes x count)."""
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(losses.balanced_weights(np.bincount(labels)), expected)
    with pytest.raises(InputError, match="label 1 has no row"):
        losses.balanced_weights(np.array([2, 0]))
    with pytest.raises(InputError, match="every row has label 0"):
        losses.balanced_weights(np.array([2, 1]), 2)


def test_balanced_weights_of_several_labels_are_negatives_over_positives(write_params):
    """So that a label of few rows is not drowned by its negatives, however rare the others are."""
    p = write_params(train__class_weights="balanced")
    dataset = Dataset.from_dict({"labels": [[0], [0, 1], [], [0], [1]]})
    task: Any = SimpleNamespace(names=["a", "b"], loss="binary_cross_entropy")
    loss = setup.build_training_loss(p, dataset, task, is_crf=False)
    plain = losses.build_loss("binary_cross_entropy", class_weights=[2 / 3, 3 / 2])
    logits, hot = torch.randn(5, 2), torch.tensor([[1.0, 0], [1, 1], [0, 0], [1, 0], [0, 1]])
    assert float(loss(logits, hot)) == pytest.approx(float(plain(logits, hot)))


# -- optimizer ---------------------------------------------------------------------------------


def tiny_bert(**config):
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=50, num_hidden_layers=3, max_position_embeddings=32, **sizes, **config
        )
    )


def test_decay_skips_biases_and_norms_and_rates_fall_towards_the_bottom(write_params):
    """Head full rate, layer i of n times decay^(n - i), embeddings least."""
    network = tiny_bert()
    parameters = write_params(train__layer_decay=0.5, train__weight_decay=0.1).train
    groups = optimizer.parameter_groups(network, parameters)
    found = {id(p): g for g in groups for p in g["params"]}
    assert len(found) == sum(1 for _ in network.parameters())
    for name, parameter in network.named_parameters():
        group = found[id(parameter)]
        assert group["weight_decay"] == (0.0 if "bias" in name or "LayerNorm" in name else 0.1)
        depth = 4
        if "embeddings" in name:
            depth = 0
        elif "encoder.layer." in name:
            depth = int(name.split("encoder.layer.")[1].split(".")[0]) + 1
        assert group["lr"] == pytest.approx(parameters.learning_rate * 0.5 ** (4 - depth)), name


def test_the_head_has_a_rate_of_its_own(write_params):
    """The classifier and nothing below it, whatever the layers' rates; a model without one."""
    network = tiny_bert()
    p = write_params(train__head_learning_rate=0.5, train__layer_decay=0.5).train
    rates = {id(p): g["lr"] for g in optimizer.parameter_groups(network, p) for p in g["params"]}
    fast = [name for name, found in network.named_parameters() if rates[id(found)] == 0.5]
    assert fast == ["classifier.weight", "classifier.bias"]
    assert max(rates[id(found)] for found in network.bert.parameters()) == p.learning_rate
    with pytest.raises(InputError, match="BertModel has no head of its own beside its backbone"):
        optimizer.parameter_groups(network.bert, p)


def test_eight_bits_need_a_gpu(write_params, monkeypatch):
    """Said before a step; with a GPU, what to install, or bitsandbytes' own class."""
    p = write_params(train__optimizer="adamw_8bit").train
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="adamw_8bit needs a GPU, and none is here"):
        optimizer.build_optimizer(tiny_bert(), p)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match="pip install bitsandbytes"):
        optimizer.build_optimizer(tiny_bert(), p)


@pytest.mark.parametrize(
    ("model_type", "sizes", "count"),
    [
        ("t5", {"num_layers": 2, "num_decoder_layers": 3, "d_model": 8, "d_ff": 8}, 5),
        ("convnext", {"depths": [1, 1, 4, 1], "hidden_sizes": [4, 4, 4, 4]}, 4),
        ("gpt2", {"n_layer": 3, "n_embd": 12, "n_head": 2}, 3),
        ("albert", {"num_hidden_layers": 4}, 1),  # shared
        ("xlm", {"n_layers": 2, "emb_dim": 8, "n_heads": 2}, "4 lists of layers \\(attentions, "),
    ],
)
def test_layers_are_those_of_the_stack(model_type, sizes, count):
    """Encoder before decoder, stages of a vision model, no list within a layer."""
    from transformers import AutoConfig, AutoModel

    with torch.device("meta"):
        network = AutoModel.from_config(AutoConfig.for_model(model_type, **sizes))
    if isinstance(count, str):
        with pytest.raises(InputError, match=f"XLMModel has {count}"):
            optimizer.layers(network)
        return
    found = optimizer.layers(network)
    assert len(found) == count
    if model_type == "t5":
        assert found == [*network.encoder.block, *network.decoder.block]


def test_more_frozen_layers_than_there_are():
    """The two numbers."""
    with pytest.raises(InputError, match="layers is 9; the model has 3"):
        optimizer.freeze(tiny_bert(), embedding_table=False, num_layers=9)


# -- history -----------------------------------------------------------------------------------


def test_patience_p_stops_at_best_plus_p():
    """A gain below min_delta is none."""
    scores = [0.5, 0.7, 0.705, 0.69, 0.69]
    rule = EarlyStopping(patience=2, min_delta=0.01)
    stops = [
        History(validation=[{"f1": s} for s in scores[:n]]).is_stopped(
            "f1", greater=True, rule=rule
        )
        for n in range(1, 6)
    ]
    assert stops == [False, False, False, True, True]


# -- whole trainings ---------------------------------------------------------------------------


@pytest.mark.slow
def test_accumulation_is_the_batch_in_pieces(prepare):
    """8 x 2 rows give the weights of 16, with a row count that does not divide."""
    whole = fit(prepare(train__precision="fp32"), "whole")
    micro_batches = fit(prepare(train__per_device_batch_size=4), "micro_batches")
    assert micro_batches.args.gradient_accumulation_steps == 4
    assert 0 < distance(micro_batches, whole) < 1e-5


@pytest.mark.slow
def test_frozen_tensors_do_not_move(prepare):
    """Embeddings and layers as they were, the head not."""
    from temper.training import networks

    parameters = prepare(train__freeze={"embeddings": True, "layers": 1})
    engine = fit(parameters)
    torch.manual_seed(0)
    moved = {n for n, p in engine.model.named_parameters() if p.requires_grad}
    assert moved == {
        n for n, _ in engine.model.named_parameters() if "classifier" in n or "pooler" in n
    }
    data = arrow.load(Path("data/tokenized"))
    train.determinism.configure(parameters.determinism, parameters.seed)
    features = data["train"].features
    task = registry.load(parameters, features)
    start = networks.build(BASE, task, features, parameters.model)
    after = dict(engine.model.named_parameters())
    for name, before in start.named_parameters():
        assert torch.equal(before, after[name]) is (name not in moved), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"train__learning_rate": 2e-3},
        {"train__head_learning_rate": 2e-3},
        {"train__weight_decay": 0.5},
        {"train__layer_decay": 0.5},
        {"train__adam_beta1": 0.5},
        {"train__adam_beta2": 0.9},
        {"train__adam_epsilon": 1e-3},
        {"train__lr_scheduler_type": "cosine"},
        {"train__warmup_ratio": 0.5},
        {"train__max_grad_norm": 0.1},
        {"train__precision": "bf16"},
        {"train__label_smoothing": 0.1},
        {"train__class_weights": [1.0, 3.0]},
        {"train__class_weights": "balanced"},
        {"train__focal_gamma": 2.0},
        {"train__bucket_window": 0},
        {"train__batch_size": 32},
        {"model__config": {"hidden_dropout_prob": 0.1}},
        {"seed": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_parameter_changes_the_weights(prepare, plain_run, changes):
    """Nothing is accepted and ignored."""
    assert not torch.equal(weights(fit(prepare(**{"train__epochs": 1.0} | changes))), plain_run)


@pytest.fixture(scope="module")
def plain_run(request):
    """Weights after one epoch with the tests' parameters; filled in by the first test."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", folder)
        workspace.load_data(workspace.write_params(Path(folder), patch, train__epochs=1.0))
        return weights(fit(train.params.load()))


@pytest.mark.slow
def test_gradient_checkpointing_changes_nothing_but_memory(prepare, plain_run):
    """The same weights, and the layers really run under it."""
    engine = fit(prepare(train__epochs=1.0, train__gradient_checkpointing=True))
    assert engine.model.is_activation_checkpointing
    assert torch.allclose(weights(engine), plain_run, atol=1e-6)


@pytest.mark.slow
def test_evaluate_every_and_save_every_are_independent(prepare):
    """Validation rows at multiples of one, checkpoints at multiples of the other."""
    engine = fit(prepare(train__evaluate_every=4, train__save_every=5, train__epochs=2.0))
    assert [row["step"] for row in engine.history.validation] == [4, 8, 12]
    assert [
        checkpoint.step_of(p) for p in checkpoint.numbered(engine.setup.folder, "checkpoint")
    ] == [
        10,
        12,
    ]


@pytest.mark.slow
def test_early_stopping_stops_and_stays_stopped(prepare):
    """With a gain nobody reaches, after 1 + patience evaluations; a restart trains no further."""
    changes = {
        "train__early_stopping": {"patience": 2, "min_delta": 10.0},
        "train__evaluate_every": 2,
        "train__epochs": 3.0,
    }
    engine = fit(prepare(**changes))
    assert [row["step"] for row in engine.history.validation] == [2, 4, 6]
    again = fit(train.params.load())
    assert [row["step"] for row in again.history.validation] == [2, 4, 6]


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["best", "last", "all"])
def test_keep_names_the_checkpoints_that_stay(prepare, keep):
    """data/checkpoints holds what the parameter says, data/model the best weights."""
    parameters = prepare(train__keep_checkpoints=keep, train__metric_for_best_model="loss")
    engine = fit(parameters)
    targets = (Path("data/model"), Path("data/checkpoints"), Path("data/history"))
    train.write_outputs(engine, BASE, targets)
    expected = {"best": {"best"}, "last": {"last"}, "all": {"epoch-1", "epoch-2"}}[keep]
    assert {path.name for path in targets[1].iterdir()} == expected
    losses_seen = [row["loss"] for row in engine.history.validation]
    best = engine.history.validation[int(np.argmin(losses_seen))]["step"]
    assert (targets[0] / "model.safetensors").read_bytes() == (
        engine.setup.folder / f"best-{best}" / "model.safetensors"
    ).read_bytes()
    assert (targets[2] / "train.csv").read_text().count("\n") == 1 + 12


@pytest.mark.slow
def test_resumed_equals_uninterrupted(prepare):
    """From a checkpoint in mid-epoch, with dropout: the same weights and history to the bit."""
    parameters = prepare(train__save_every=4, model__config={"hidden_dropout_prob": 0.1})
    whole = fit(parameters, "whole")
    shutil.copytree("work/whole", "work/cut")
    for path in checkpoint.numbered(Path("work/cut"), "checkpoint")[1:]:
        shutil.rmtree(path)
    assert checkpoint.step_of(checkpoint.newest(Path("work/cut"))) == 8
    assert_same(fit(parameters, "cut"), whole)


@pytest.mark.slow
def test_a_fingerprint_covers_what_determines_the_result_and_no_more(prepare, monkeypatch):
    """A parameter, a row, a line of code, a version: afresh. What is shown or recorded: not."""
    parameters = prepare()
    for name in ("dvc.yaml", "stages", "temper"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, name)

    def found(given=parameters, world_size=1):
        folders = [Path("data/tokenized"), BASE]
        return checkpoint.fingerprint(given, folders, Path("launch/single.yaml"), world_size)

    def edited(path, text="\n# edited\n"):
        before = Path(path).read_text()
        Path(path).write_text(before + text)
        after = found()
        Path(path).write_text(before)
        return after

    first = found()
    monkeypatch.setenv("TEMPER_LOG_EVERY", "50")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    shown = parameters.evaluate.model_copy(update={"num_worst_examples": 1})
    same = [found(parameters.model_copy(update={"evaluate": shown}))]
    same += [edited(f"temper/{name}.py") for name in ("tracking/store", "training/console")]
    same += [edited(path) for path in ("stages/evaluate.py", "temper/export/card.py")]
    assert set(same) == {first}
    faster = parameters.train.model_copy(update={"learning_rate": 1.0})
    other = [found(parameters.model_copy(update={"train": faster})), found(world_size=2)]
    other += [edited(f"temper/{name}.py") for name in ("training/losses", "metrics/classification")]
    other += [edited("temper/tasks/sequence_classification.py"), edited("launch/single.yaml")]
    other += [edited("data/tokenized/report.json"), edited("data/base/weights/config.json")]
    monkeypatch.setattr(checkpoint.determinism, "environment", lambda: {"version.torch": "1"})
    other += [found()]
    assert len({first, *other}) == 1 + len(other)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt"])
def test_a_full_disk_leaves_the_checkpoint_before(prepare, file):
    """The system refuses a file of that size; the message says what is needed and what is left."""
    parameters = prepare(train__save_every=4)
    whole = fit(parameters, "whole")
    limit = (whole.setup.folder / "checkpoint-12" / file).stat().st_size // 2 + 2**18
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(prefix, numbers, step):
        if prefix == "train" and step == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))

    try:
        with pytest.raises(InputError, match="no room for checkpoint-8") as caught:
            fit(parameters, "cut", fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    size = sum(p.stat().st_size for p in whole.setup.folder.glob("checkpoint-12/*")) / 2**20
    needed = float(str(caught.value).split("it needs ")[1].split(" MiB")[0])
    assert needed == pytest.approx(size, abs=1)
    assert "checkpoint-4 is whole and serves the next start" in str(caught.value)
    assert checkpoint.step_of(checkpoint.newest(Path("work/cut"))) == 4
    assert not list(Path("work/cut/partial").iterdir())
    assert torch.equal(weights(fit(parameters, "cut")), weights(whole))


@pytest.mark.slow
def test_too_small_a_disk_is_said_before_any_step(prepare, monkeypatch):
    """Two numbers, and no step was made."""
    parameters, steps = prepare(), []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    with pytest.raises(InputError, match=r"it needs \d+ MiB, 1 MiB are free .before any step"):
        fit(parameters, on_metrics=lambda *_: steps.append(1))
    assert steps == []


@pytest.mark.slow
def test_sigterm_checkpoints_at_once_and_exits_with_143(prepare):
    """In the middle of an epoch; the next start ends with the uninterrupted weights."""
    parameters = prepare(train__save_every="epoch")
    whole = fit(parameters, "whole")
    before = signal.getsignal(signal.SIGTERM)

    def preempted(prefix, numbers, step):
        if prefix == "train" and step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        fit(parameters, "cut", preempted)
    assert stopped.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert checkpoint.step_of(checkpoint.newest(Path("work/cut"))) == 5
    assert_same(fit(parameters, "cut"), whole)


@pytest.mark.slow
def test_a_torn_checkpoint_is_passed_over(prepare, capsys):
    """A file cut short, a file missing, no manifest: the one before serves."""
    fit(prepare(train__save_every=4))
    folder = Path("work/run")
    newest = checkpoint.newest(folder)
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate(100)
    assert checkpoint.step_of(checkpoint.newest(folder)) == 8
    assert "is torn" in capsys.readouterr().err


@pytest.mark.slow
def test_every_validation_row_is_scored_once(prepare):
    """The accuracy in the history is that of the saved best weights, computed by hand."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    engine = fit(prepare(train__epochs=1.0))
    (best,) = checkpoint.numbered(engine.setup.folder, "best")
    network = AutoModelForSequenceClassification.from_pretrained(best).eval()
    tokenizer = AutoTokenizer.from_pretrained("data/base/processor")
    right = []
    for row in arrow.load(Path("data/raw"))["validation"]:
        inputs = tokenizer(row["sentence1"], row["sentence2"], return_tensors="pt")
        right.append(int(network(**inputs).logits.argmax()) == row["label"])
    assert engine.history.validation[-1]["accuracy"] == pytest.approx(np.mean(right), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
@pytest.mark.parametrize("what", ["loss", "gradient's norm"])
def test_a_loss_or_gradient_that_is_no_number_stops_the_run(prepare, monkeypatch, engine, what):
    """Within its step: which one, its rows, and the checkpoint that stays."""
    real = TrainingSession.loss

    def broken(self, network, micro_batch, num_labels):
        found = real(self, network, micro_batch, num_labels)
        if self.state.global_step == 6:
            first = next(network.parameters())
            found = found + (np.nan if what == "loss" else (0 * first).sum().sqrt())
        return found

    monkeypatch.setattr(TrainingSession, "loss", broken)
    with pytest.raises(InputError) as caught:
        fit(prepare(train__save_every=4, train__engine=engine))
    monkeypatch.setattr(TrainingSession, "loss", real)
    session = fit(train.params.load(), "whole")
    rows = ", ".join(map(str, sorted(session.sampler.global_batches(1)[0].tolist())))
    assert f"the {what} of step 7 is nan: lower train.learning_rate" in str(caught.value)
    assert f"rows {rows} of data/tokenized's train split" in str(caught.value)
    assert str(caught.value).endswith("checkpoint-4 is kept")
    assert checkpoint.step_of(checkpoint.newest(Path("work/run"))) == 4
    assert not Path("work/run/checkpoint-8").exists()


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({}, "3, 4"),
        (
            {"example_id": [0, 0, 1, 1, 2]},
            "3, 4 of data/tokenized's train split, made from rows 1, 2",
        ),
        ({"example_id": [0, 0, 1, 1, 2], "augmented": [False] * 5}, "3, 4 of data/tokenized's"),
    ],
)
def test_the_rows_of_a_batch_are_named_as_the_data_has_them(columns, text):
    """Windows by the row they were cut from."""
    rows = Dataset.from_dict({"length": [1] * 5} | columns)
    sampler = SimpleNamespace(global_batches=lambda epoch: [[0, 1, 2], [4, 3]])
    fake = SimpleNamespace(sampler=sampler, setup=SimpleNamespace(train=rows), steps_in=lambda _: 2)
    found = TrainingSession.rows_of(fake, 2)
    assert found.startswith(text)
    assert ("made from" in found) == ("made from" in text)


@pytest.mark.slow
def test_a_model_that_answers_no_number_is_not_trained(prepare, monkeypatch):
    """The first batch is tried before any step."""
    monkeypatch.setattr(
        TrainingSession, "loss", lambda *_: torch.tensor(np.nan, requires_grad=True)
    )
    with pytest.raises(InputError, match="the loss of the first batch is nan, before any training"):
        fit(prepare())


# -- engine loop -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("micro_batches", [None, 4])
def test_the_loop_makes_the_trainers_steps(prepare, micro_batches):
    """Losses, rates and gradients step by step, scores and weights, with dropout and micro_batches."""
    changes = {"model__config": {"hidden_dropout_prob": 0.1}}
    changes |= {"train__per_device_batch_size": micro_batches, "train__lr_scheduler_type": "cosine"}
    one = fit(prepare(**changes), "trainer")
    other = fit(prepare(**changes, train__engine="loop"), "loop")
    assert len(other.history.train) == 12
    for mine, its in zip(other.history.train, one.history.train, strict=True):
        assert mine == pytest.approx(its, rel=1e-5)
    assert other.history.validation == [pytest.approx(r, rel=1e-5) for r in one.history.validation]
    assert distance(other, one) < 1e-6
    assert other.state.total_flos == one.state.total_flos


@pytest.mark.slow
def test_the_loop_resumes_to_the_bit(prepare):
    """From a checkpoint in mid-epoch, with dropout."""
    changes = {"train__save_every": 4, "model__config": {"hidden_dropout_prob": 0.1}}
    parameters = prepare(**changes, train__engine="loop")
    whole = fit(parameters, "whole")
    shutil.copytree("work/whole", "work/cut")
    for path in checkpoint.numbered(Path("work/cut"), "checkpoint")[1:]:
        shutil.rmtree(path)
    assert_same(fit(parameters, "cut"), whole)


SCHEDULES = [
    ("linear", None),
    ("cosine", None),
    ("cosine", {"num_cycles": 1.5}),
    ("cosine_with_restarts", {"num_cycles": 2}),
    ("polynomial", {"power": 2.0, "lr_end": 1e-5}),
    ("constant", None),
    ("constant_with_warmup", None),
    ("inverse_sqrt", None),
    ("inverse_sqrt", {"timescale": 9}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
    ("cosine_with_min_lr", {"min_lr": 5e-4}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1, "warmup_lr_rate": 0.3}),
    ("warmup_stable_decay", {"num_decay_steps": 4}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "min_lr_ratio": 0.2, "decay_type": "1-sqrt"}),
]


def rates(schedule, steps=12):
    """Return the learning rate of each step."""
    found = []
    for _ in range(steps):
        found.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    return found


def transformers_own(name, options):
    """Return the rates of transformers' schedule, a quarter of the steps warm-up, peak 1e-3."""
    from transformers import get_scheduler

    one = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    return rates(get_scheduler(name, one, 3, 12, scheduler_specific_kwargs=options))


def test_every_schedule_is_transformers_own_and_each_option_changes_it(write_params):
    """Whatever rate the optimizer was made with, as a user's may be."""
    seen = []
    for name, options in SCHEDULES:
        changes = {"train__lr_scheduler_type": name, "train__lr_scheduler_kwargs": options}
        changes |= {"train__warmup_ratio": 0.0 if name == "constant" else 0.25}
        p = write_params(**changes, train__learning_rate=1e-3).train
        one = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1e-3}], lr=9)
        found = rates(optimizer.schedule(one, p, 12))
        assert found == pytest.approx(transformers_own(name, options), rel=1e-5, abs=1e-9), name
        assert found not in seen
        seen.append(found)
    p = p.model_copy(update={"lr_scheduler_kwargs": SchedulerKwargs(num_decay_steps=10)})
    with pytest.raises(InputError, match="3 steps of warm-up and 10 of decay are more than the 12"):
        optimizer.schedule(one, p, 12)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_the_schedules_rates_are_those_of_the_steps(prepare, engine):
    """In the history of either engine."""
    options = {"num_cycles": 2}
    changes = {
        "train__lr_scheduler_type": "cosine_with_restarts",
        "train__lr_scheduler_kwargs": options,
    }
    changes |= {"train__warmup_ratio": 0.25, "train__learning_rate": 1e-3, "train__engine": engine}
    found = [row["learning_rate"] for row in fit(prepare(**changes)).history.train]
    expected = transformers_own("cosine_with_restarts", options)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)
