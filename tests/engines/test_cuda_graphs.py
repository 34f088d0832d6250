"""Recorded steps compute what plain ones do; here each is run again in place of a replay."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from temper.core import arrow
from temper.core.errors import InputError
from temper.engines import loop
from temper.training import flat_weights, losses, recorded_steps, setup
from temper.training.optimizer import build_lr_scheduler, build_optimizer
from temper.training.row_table import NotRecordable, RowTable
from temper.training.session import TrainingSession
from tests.helpers.samples import prepare_sample
from tests.helpers.training import BASE, assert_same, distance, fit, resumed_and_whole

fastest_steps = loop.fastest_steps
UNRECORDABLE = {  # they wait for a value, or copy from memory that is not pinned
    "a mask as an index",
    "aten._local_scalar_dense",
    "aten.equal",
    "aten.is_nonzero",
    "aten.lift_fresh",
    "aten.masked_select",
    "aten.nonzero",
    "aten._unique2",
}
CHANGES = {"train__engine": "loop", "train__precision": "bf16"}


@pytest.fixture
def on_cpu(monkeypatch):
    """Let the CPU make the steps that a GPU would replay."""

    def recorded(engine, optimizer, scheduler):
        return recorded_steps.RecordedSteps(engine.session, optimizer, scheduler)

    def record(self, shape):
        def replay():
            self._step(shape)
            self.weights.drop_gradients()

        return replay, self.session.flops(self.table.batch_of_step(self.step_number, shape))

    monkeypatch.setattr(recorded_steps.RecordedSteps, "_record", record)
    monkeypatch.setattr(loop, "fastest_steps", recorded)
    monkeypatch.setattr(torch.cuda, "manual_seed", torch.manual_seed)
    monkeypatch.setattr(setup, "build_dropout", lambda *_: None)  # a GPU draws its own masks


@pytest.mark.parametrize("max_grad_norm", [0.0, 0.5])
def test_flat_adamw_makes_the_steps_of_adamw(max_grad_norm, write_params, monkeypatch):
    """Weights agree with torch's AdamW per tensor, with two rates, decay and clipping."""
    monkeypatch.setattr(flat_weights, "DTYPE", torch.float32)
    params = write_params(train__max_grad_norm=max_grad_norm).train
    torch.manual_seed(0)
    layers = torch.nn.Linear(5, 7), torch.nn.Linear(7, 3)
    reference = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1])
    model = copy.deepcopy(reference)
    rates, decays = torch.tensor([0.1, 0.01]), (0.3, 0.0)

    def groups(network):
        return [
            {"params": list(network[i].parameters()), "lr": float(rate), "weight_decay": decay}
            for i, rate, decay in zip((0, 2), rates, decays, strict=True)
        ]

    adamw = torch.optim.AdamW(groups(reference), betas=(0.9, 0.999), eps=1e-8)
    flat = flat_weights.FlatWeights(model, groups(model), params)
    corrections = flat_weights.bias_corrections(params, 5)
    for step in range(5):
        inputs = torch.randn(4, 5)
        for network in (reference, flat.compute_model):
            network(inputs).pow(2).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(reference.parameters(), max_grad_norm or torch.inf)
        adamw.step()
        adamw.zero_grad()
        torch.testing.assert_close(flat.update(rates, corrections[step]), norm)
        flat.drop_gradients()
        for p, master in zip(reference.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(master, p, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [{}, {"train__batch_size": None, "train__batch_tokens": 560}])
def test_they_are_the_steps_of_the_loop(prepare, on_cpu, monkeypatch, size):
    """In fp32 losses, rates, gradients, scores and weights agree step by step."""
    monkeypatch.setattr(flat_weights, "DTYPE", torch.float32)
    parameters = prepare(**CHANGES | size | {"train__precision": "fp32"})
    recorded = fit(parameters, "recorded")
    monkeypatch.setattr(loop, "fastest_steps", fastest_steps)
    plain = fit(parameters, "plain")
    assert len(recorded.history.train) == recorded.total_steps
    for name in ("train", "validation"):
        rows = getattr(recorded.history, name), getattr(plain.history, name)
        for row, expected in zip(*rows, strict=True):
            assert row == pytest.approx(expected, rel=1e-4)
    assert distance(recorded, plain) < 2e-5
    assert recorded.total_flos == pytest.approx(plain.total_flos, rel=0.3)


def test_they_resume_to_the_bit(prepare, on_cpu):
    """They continue from a checkpoint in mid-epoch, with dropout."""
    changes = {"train__save_every": 4, "model__config": {"hidden_dropout_prob": 0.1}}
    parameters = prepare(**changes, **CHANGES)
    assert_same(*resumed_and_whole(parameters))


@pytest.mark.parametrize(
    "recipe",
    [
        "sequence_classification",
        "token_classification",
        "multiple_choice",
        "question_answering",
        "causal_lm",
        "image_classification",
        "audio_classification",
    ],
)
def test_table_gives_the_batches_of_the_collator(recipe, tmp_path, monkeypatch):
    """Every batch of an epoch, in every task whose batches do not change, in bf16 or not."""
    session = sample_session(recipe, tmp_path, monkeypatch)
    table, sampler = RowTable(session, torch.device("cpu")), session.sampler
    sampler.set_epoch(3)
    for rows in sampler.global_batches(3):
        batch = table.batch(torch.from_numpy(rows), table.padded_length(rows))
        expected = session.rows.batch(rows.tolist())
        assert batch.keys() == expected.keys()
        for name, values in batch.items():
            torch.testing.assert_close(values, expected[name], rtol=0, atol=0, equal_nan=True)


def test_table_refuses_labels_as_wide_as_texts(tmp_path, monkeypatch):
    """It would cut them, even if the first batches are as long as the longest text."""
    session = sample_session("sequence_classification", tmp_path, monkeypatch)
    width = session.padded_length(int(session.sampler.lengths.max()))
    collate, lengths = session.rows.collator, session.sampler.lengths
    batches = sorted(session.sampler.global_batches(0), key=lambda rows: -lengths[rows].max())
    monkeypatch.setattr(session.sampler, "global_batches", lambda _: batches)

    def wide_labels(rows):
        return collate(rows) | {"labels": np.zeros((len(rows), width))}

    monkeypatch.setattr(session.rows, "collator", wide_labels)
    assert lengths[batches[-1]].max() < lengths.max()
    with pytest.raises(NotRecordable):
        RowTable(session, torch.device("cpu"))


@pytest.mark.parametrize("recipe", ["masked_lm", "seq2seq_lm"])
def test_table_refuses_batches_it_cannot_cut(recipe, tmp_path, monkeypatch):
    """Words are hidden anew in each epoch; sources and targets have lengths of their own."""
    session = sample_session(recipe, tmp_path, monkeypatch)
    with pytest.raises(NotRecordable, match="change from epoch to epoch, or have two lengths"):
        RowTable(session, torch.device("cpu"))


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("sequence_classification", {}),
        ("sequence_classification", {"train.focal_gamma": 2.0, "train.r_drop_alpha": 1.0}),
        ("sequence_classification", {"train.class_weights": "balanced"}),
        ("sequence_classification", {"train.batch_size": None, "train.batch_tokens": 560}),
        ("token_classification", {}),
        ("multiple_choice", {}),
        ("question_answering", {"train.label_smoothing": 0.1}),
        ("causal_lm", {}),
        ("image_classification", {}),
        ("audio_classification", {}),
    ],
)
def test_a_step_waits_for_nothing_and_takes_nothing_from_the_host(
    recipe, changes, tmp_path, monkeypatch, on_cpu
):
    """A GPU refuses to record such a step; the operators are those that it would launch."""
    session = sample_session(recipe, tmp_path, monkeypatch, changes)
    monkeypatch.setattr(losses, "is_cuda_stream_capturing", lambda: True)
    optimizer = build_optimizer(session.model, session.params, session.custom_optimizer)
    scheduler = build_lr_scheduler(optimizer, session.params, session.total_steps, None)
    steps = recorded_steps.RecordedSteps(session, optimizer, scheduler)
    shape = next(steps.batches(skip=0))
    steps._step(shape)  # what the first step alone does is not recorded
    steps.weights.drop_gradients()
    operators = Operators()
    network = steps.weights.compute_model  # transformers knows when it is recorded
    network.register_forward_pre_hook(operators.pause)
    network.register_forward_hook(operators.resume)
    with operators:
        steps._step(shape)
    assert {"aten.index_select", "aten._foreach_copy_"} <= operators.names
    assert not operators.names & UNRECORDABLE


class Operators(TorchDispatchMode):
    """Collects the names of the operators that run within it."""

    def __init__(self):
        super().__init__()
        self.names: set[str] = set()
        self.is_paused = False

    def pause(self, *_):
        self.is_paused = True

    def resume(self, *_):
        self.is_paused = False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function.overloadpacket)
        indices = args[1] if name == "aten.index" else ()
        is_mask = any(i is not None and i.dtype == torch.bool for i in indices)
        if not self.is_paused:
            self.names.add("a mask as an index" if is_mask else name)
        return function(*args, **kwargs or {})


def sample_session(recipe, tmp_path, monkeypatch, changes=None):
    """Return a session of a sample recipe with a few rows, without an accelerator."""
    monkeypatch.chdir(tmp_path)
    changes = {"train.augmentation": None, "train.weight_averaging": None} | (changes or {})
    parameters = prepare_sample(tmp_path, f"recipes/sample-{recipe}.yaml", changes)
    data = arrow.load(Path("data/tokenized"))
    return TrainingSession(parameters, data, BASE, tmp_path, lambda *_: None, parameters.seed)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"train__precision": "fp32"}, "train.precision is fp32"),
        ({"train__per_device_batch_size": 4}, "gradient accumulation"),
        ({"train__gradient_checkpointing": True}, "train.gradient_checkpointing"),
        ({"train__weight_averaging": {"kind": "ema", "decay": 0.9}}, "weight_averaging is ema"),
        ({}, None),
    ],
)
def test_says_what_forbids_recorded_steps(prepare, tmp_path, changes, reason):
    """The name of the parameter, where a parameter is the reason."""
    parameters = prepare(**CHANGES | changes)
    data = arrow.load(Path("data/tokenized"))
    session = TrainingSession(parameters, data, BASE, tmp_path, lambda *_: None, 1)
    obstacle = recorded_steps.obstacle(session)
    assert obstacle is None if reason is None else reason in obstacle


def test_compile_needs_recorded_steps(prepare):
    """On a CPU `train.compile` is an error, not a parameter without effect."""
    with pytest.raises(InputError, match=r"train.compile: .* there is no GPU: remove it"):
        fit(prepare(**CHANGES, train__compile=True))
