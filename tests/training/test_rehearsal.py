"""What would fail after an epoch fails before the first step, and the training does not change."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset

from temper import inference
from temper.core.errors import InputError
from temper.training import console, memory, rehearsal, resume
from temper.training.history import History
from tests.helpers import samples
from tests.helpers.training import fit, weights

SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}

CODE = """
import os

import torch


def picky(predictions, references):
    return len(set(predictions)) / (len(references) - len(references))


class Forgetful(torch.nn.Module):
    \"\"\"Has a number that is neither a parameter nor a buffer.\"\"\"

    def __init__(self, config):
        super().__init__()
        self.embeddings = torch.nn.Embedding(config.vocab_size, 8)
        self.classifier = torch.nn.Linear(8, config.num_labels)
        self.shift = len(os.environ["MADE"])
        os.environ["MADE"] += "+"

    def forward(self, input_ids, attention_mask, **_):
        return self.classifier(self.embeddings(input_ids).mean(1)) + self.shift


class Late(Forgetful):
    \"\"\"Makes a layer when it is first called.\"\"\"

    def forward(self, input_ids, attention_mask, **_):
        if not hasattr(self, "late"):
            self.late = torch.nn.Linear(8, 8)
        return self.classifier(self.late(self.embeddings(input_ids).mean(1)))
"""
PADDED = """
import torch


class Mean(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = torch.nn.Embedding(config.vocab_size, 8)
        self.classifier = torch.nn.Linear(8, config.num_labels)

    def forward(self, input_ids, attention_mask, **_):
        return self.classifier(self.embeddings(input_ids).mean(1))


class MaskedMean(Mean):
    def forward(self, input_ids, attention_mask, **_):
        hidden = self.embeddings(input_ids) * attention_mask[..., None]
        return self.classifier(hidden.sum(1) / attention_mask.sum(1, keepdim=True))
"""
CUSTOM_CLASS = {"model__from_scratch": True, "export__int8": False, "export__max_score_drop": None}


def fails(parameters, message):
    """Check that training ends with an error before its first step."""
    steps = []
    with pytest.raises(InputError, match=message):
        fit(parameters, on_metrics=lambda prefix, _, step: steps.append((prefix, step)))
    assert not [step for prefix, step in steps if prefix == "train"]


def test_a_metric_that_fails_is_named_by_its_key(prepare, tmp_path):
    """It would be called after an epoch."""
    (tmp_path / "own.py").write_text(CODE)
    changes = {"train__metric_for_best_model": "own.picky", "code": {"own": "own.py"}}
    fails(prepare(**changes), r"^train\.metric_for_best_model: picky fails: ZeroDivisionError")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Forgetful", r"^model\.custom_class: read back from a checkpoint, the model gives other"),
        ("Late", r"^model\.custom_class: what training saves cannot be read back: .*late"),
    ],
)
def test_a_model_that_a_checkpoint_does_not_hold_is_refused(
    prepare, tmp_path, monkeypatch, name, message
):
    """evaluate would score another model than was trained, or none."""
    monkeypatch.setenv("MADE", "")
    (tmp_path / "own.py").write_text(CODE)
    changes = {"model__custom_class": f"own.{name}", "code": {"own": "own.py"}}
    fails(prepare(**changes, **CUSTOM_CLASS), message)
    assert not Path("work/run/rehearsal").exists()


def test_a_model_that_reads_padding_is_refused_with_dynamic_padding(prepare, tmp_path):
    """A row would be predicted otherwise beside a longer one; with one length it is not."""
    (tmp_path / "own.py").write_text(PADDED)
    changes = {"code": {"own": "own.py"}, "train__epochs": 0.1, **CUSTOM_CLASS}
    message = (
        r"^tokenize\.padding: dynamic would .* for model\.custom_class reads padding as it reads "
        r"text: beside a row of 41 tokens, row \d+ of validation, of 2\d tokens, .* attention_mask"
    )
    fails(prepare(**changes, model__custom_class="own.Mean"), message)
    fit(prepare(**changes, model__custom_class="own.MaskedMean"), "masked")
    fit(prepare(**changes, model__custom_class="own.Mean", tokenize__padding="max_length"), "one")


@pytest.fixture
def session(tmp_path):
    """Return what read_back needs of a session whose memory has room for one model only."""
    model, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)

    def outputs(model, *_):
        if model is other:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [np.zeros(1)]

    validator = SimpleNamespace(dataset=Dataset.from_dict({"a": [0]}), batch_size=8)
    validator.outputs = outputs
    session = SimpleNamespace(folder=tmp_path, custom_class=None, eval_model=model)
    session.args, session.validator = SimpleNamespace(device=torch.device("cpu")), validator
    session.task, session.other = SimpleNamespace(auto_model=None), other
    session.checkpoints = SimpleNamespace(wait=lambda: None)
    session.save_weights = lambda name: (tmp_path / name).mkdir()
    return session


def test_no_memory_for_a_second_model_is_one_line(session, monkeypatch, capsys):
    """One model fits, as in training; the comparison is left out, with all batch sizes kept."""
    monkeypatch.setattr(rehearsal.loading, "load", lambda *_: session.other)
    rehearsal.read_back(session)
    assert capsys.readouterr().out == (
        "no memory for a second model: what is saved was not compared with the model\n"
    )
    assert session.validator.batch_size == 8
    assert not (session.folder / "rehearsal").exists()


@pytest.mark.parametrize("fails_here", [True, False])
def test_all_ranks_hear_of_one_without_memory(session, monkeypatch, fails_here):
    """Each asks the others before the next collective, also where the error has no text."""
    flags = []

    def any_rank(flag, _):
        flags.append(flag)
        return True

    def function():
        if fails_here:
            raise MemoryError

    monkeypatch.setattr(rehearsal.distributed, "any_rank", any_rank)
    with pytest.raises(memory.OutOfMemory, match="MemoryError" if fails_here else "another rank"):
        rehearsal._if_it_fits(session, function)
    assert flags == [fails_here]


@pytest.mark.slow
def test_the_training_is_the_same_and_a_resumed_one_repeats_nothing(prepare, monkeypatch):
    """Step 0 is the only trace, and it is among the rows of validation.csv."""
    parameters, seen = prepare(train__epochs=1.0), []
    rehearsed = fit(parameters, on_metrics=lambda *record: seen.append(record))
    untrained = rehearsed.history.untrained
    assert untrained is not None
    assert seen[0][0] == "validation"
    assert seen[0][2] == untrained["step"] == 0
    assert untrained["loss"] == pytest.approx(seen[0][1]["loss"], rel=1e-6)
    assert untrained.keys() == rehearsed.history.validation[0].keys()
    monkeypatch.setattr(resume, "rehearse", lambda _: None)
    plain = fit(parameters, "plain")
    assert torch.equal(weights(rehearsed), weights(plain))
    assert rehearsed.history.train == plain.history.train
    assert rehearsed.history.validation == plain.history.validation
    assert not Path("work/run/rehearsal").exists()
    monkeypatch.setattr(resume, "rehearse", lambda _: pytest.fail("rehearsed again"))
    again = fit(parameters, on_metrics=lambda *_: pytest.fail("trained again"))
    assert again.history == rehearsed.history


def test_buffers_and_random_states_are_restored():
    """A batch normalization counts the rows it sees, evaluation or not."""
    network, before = torch.nn.BatchNorm1d(3), torch.get_rng_state()
    counted = [buffer.clone() for buffer in network.buffers()]
    with rehearsal._restoring(network):
        network(torch.rand(5, 3))
        assert not all(map(torch.equal, network.buffers(), counted))
        network.double()  # makes other buffers, as a move to a GPU does
    for buffer, before_it in zip(network.buffers(), counted, strict=True):
        assert torch.equal(buffer, before_it.to(buffer.dtype))
    assert torch.equal(torch.get_rng_state(), before)


def test_step_0_is_never_the_best(write_params, tmp_path):
    """It is kept in checkpoints, and first in validation.csv."""
    history = History(write_params().train, greater_is_better=True)
    history.untrained = {"step": 0, "epoch": 0.0, "loss": 0.1, "accuracy": 1.0}
    history.validation = [{"step": 3, "epoch": 1.0, "loss": 0.5, "accuracy": 0.6}]
    assert history.best_step() == 3
    history.save(tmp_path)
    history.write_csv(tmp_path)
    lines = (tmp_path / "validation.csv").read_text().splitlines()
    assert lines == ["step,epoch,loss,accuracy", "0,0.0,0.1,1.0", "3,1.0,0.5,0.6"]
    loaded = History(history.params, greater_is_better=True)
    loaded.load(tmp_path)
    assert loaded == history


def test_scores_whole_examples_at_equal_distances():
    """Long texts are fewer, and all windows of one are there."""
    ids = [i // 3 for i in range(3000)]
    windows = Dataset.from_dict({"length": [64] * 3000, "example_id": ids})
    chosen = rehearsal.scored_rows(windows)["example_id"]
    assert len(chosen) <= rehearsal.MAX_ROWS
    assert all(list(chosen).count(i) == 3 for i in set(chosen))
    assert {0, 999} <= set(chosen)
    longer = Dataset.from_dict({"length": [1024] * 3000})
    assert len(rehearsal.scored_rows(longer)) == rehearsal.MAX_TOKENS // 1024
    assert len(rehearsal.scored_rows(windows.select(range(9)))) == 9


def test_the_table_has_a_line_without_what_training_measures(capsys):
    """Loss, learning rate and speed of training are not there yet."""
    with console.ProgressTable("accuracy") as table:
        table.total_steps, table.units_per_step = 10, 5.0
        table.on_metrics("validation", {"loss": 0.7, "accuracy": 0.5}, 0)
        table.on_metrics("train", {"loss": 0.6, "learning_rate": 0.1, "grad_norm": 1.0}, 1)
        assert table.bar is not None
        assert table.last_step == 0
    line = next(line for line in capsys.readouterr().err.splitlines() if "0.7000" in line)
    assert line.split()[-7:] == ["0.00", "-", "0.7000", "0.5000", "-", "-", "-"]


def test_the_table_gets_the_columns_of_metrics_that_were_undefined(capsys):
    """The untrained model may have none of them; a row that lacks one has a dash."""
    with console.ProgressTable("pearson") as table:
        table.total_steps = 10
        table.on_metrics("validation", {"loss": 0.7}, 0)
        table.on_metrics("validation", {"loss": 0.6, "pearson": 0.25}, 1)
        table.on_metrics("validation", {"loss": 0.6}, 2)
    lines = capsys.readouterr().err.splitlines()
    assert [("pearson" in line) for line in lines if "val loss" in line] == [False, True]
    assert next(line for line in lines if "0.2500" in line)
    column = next(line for line in lines if "pearson" in line).split().index("pearson") - 2
    assert lines[-1].split()[column] == "-"


@pytest.mark.parametrize(("family", "reads"), [("Bert", False), ("ConvBert", True)])
def test_a_convolution_over_padding_is_found(family, reads):
    """ConvBERT masks its attention alone; outputs change by some thousandths of the largest."""
    task, processor, _ = samples.load("recipes/sample-token_classification.yaml")
    config = getattr(transformers, f"{family}Config")(vocab_size=len(processor), **SIZES)
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForTokenClassification")(config)
    run_batch = inference.logits_runner(
        inference.torch_forward(model, task), task.collator(processor, config), task
    )
    row, longer = ({"input_ids": list(range(5, n)), "length": n - 5} for n in (12, 40))
    assert (inference.change_by_padding(run_batch, row, longer, task) > 0) == reads


@pytest.mark.parametrize(("alone", "beside", "change"), [(2e-4, 2.01e-4, 0), (0.2, 0.201, 1e-3)])
def test_rounding_of_an_output_near_zero_is_no_padding(alone, beside, change):
    """A number may be small by chance, of a regression or a new head."""
    outputs = [np.array([alone])], [np.array([beside]), np.array([1.0])]
    task = SimpleNamespace(is_language_model=False)
    found = inference.change_by_padding(lambda rows: outputs[len(rows) - 1], {}, {}, task)
    assert found == pytest.approx(change)
