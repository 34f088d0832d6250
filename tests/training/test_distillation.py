"""A student learns from its teachers' probabilities as the formula says, in both engines."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from stages import train
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.params.teachers import Distillation
from temper.training import distillation, losses
from temper.training.distillation_loss import with_teachers
from tests.helpers.training import BASE, TARGETS, distance


def fit(parameters, name="run"):
    """Train in this process on what the teachers say."""
    data = arrow.load(Path("data/tokenized"))
    data = distillation.with_logits(data, Path("data/teacher_logits"), parameters)
    Path("work", name).mkdir(parents=True, exist_ok=True)
    return train.fine_tune(parameters, data, BASE, Path("work", name), lambda *_: None)


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


@pytest.mark.parametrize("num_teachers", [1, 2])
def test_the_loss_is_hintons(num_teachers):
    """(1 - w) CE + w T² KL, summed over rows with a label, computed by hand with numpy."""
    random = np.random.default_rng(0)
    logits, teachers = random.normal(size=(4, 3)), random.normal(size=(4, num_teachers, 3))
    labels, counted = np.array([0, 2, -100, 1]), [0, 1, 3]
    wanted = softmax(teachers / 2.5).mean(1)
    divergence = (wanted * (np.log(wanted) - np.log(softmax(logits / 2.5)))).sum(-1)
    likelihood = -np.log(softmax(logits)[counted, labels[counted]])
    expected = 0.3 * likelihood.sum() + 0.7 * 2.5**2 * divergence[counted].sum()
    plain = losses.build_loss("cross_entropy")
    loss = with_teachers(plain, "cross_entropy", Distillation(weight=0.7, temperature=2.5))
    found = loss(torch.tensor(logits), torch.tensor(labels), teacher_logits=torch.tensor(teachers))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_several_labels_and_numbers_have_their_own_divergence():
    """Bernoulli variables per label, and the squared distance from the teachers' mean."""
    random = np.random.default_rng(0)
    logits, teachers = random.normal(size=(2, 3)), random.normal(size=(2, 1, 3))
    labels = np.array([[1.0, 0.0, 1.0], [np.nan] * 3])
    p, q = (1 / (1 + np.exp(-x[0] / 2)) for x in (teachers[:, 0], logits))
    divergence = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum()
    name = "binary_cross_entropy"
    loss = with_teachers(losses.build_loss(name), name, Distillation(weight=1.0, temperature=2.0))
    found = loss(*map(torch.tensor, (logits, labels)), teacher_logits=torch.tensor(teachers))
    assert float(found) == pytest.approx(4 * divergence, rel=1e-5)

    name = "squared_error"
    loss = with_teachers(losses.build_loss(name), name, Distillation(weight=0.25))
    taught = torch.tensor([[[4.0], [8.0]]])
    found = loss(torch.tensor([[3.0]]), torch.tensor([1.0]), teacher_logits=taught)
    assert float(found) == 0.75 * (3 - 1) ** 2 + 0.25 * (3 - 6) ** 2


def test_each_pass_of_r_drop_learns_from_the_teacher():
    """The mean of both passes' losses, plus what pulls them together."""
    random = torch.Generator().manual_seed(0)
    passes, teachers = (torch.randn(n, 3, generator=random) for n in (4, 2))
    labels = torch.tensor([0, 2])
    name, params = "cross_entropy", Distillation(weight=0.5, temperature=2.0)
    loss = with_teachers(losses.build_loss(name), name, params)
    taught = {"teacher_logits": teachers[:, None]}
    first, second = (loss(logits, labels, **taught) for logits in passes.chunk(2))
    pulled = losses.with_r_drop(loss, name, 0.7)(passes, labels, **taught)
    alone = losses.with_r_drop(lambda *_, **__: torch.zeros(()), name, 0.7)(passes, labels)
    assert float(alone) > 0.01
    torch.testing.assert_close(pulled, (first + second) / 2 + alone)


def test_words_that_the_teacher_has_no_token_of_count_in_the_labels_part_only():
    """NaN in the teacher's logits leaves no trace, in the gradient neither."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 3, 2, generator=random, requires_grad=True)
    teachers = torch.randn(1, 1, 2, 3, generator=random)
    teachers[..., 1] = torch.nan
    labels = torch.tensor([[0, 1, -100]])
    plain = losses.build_loss("cross_entropy")
    loss = with_teachers(plain, "cross_entropy", Distillation(weight=0.5))
    found = loss(logits, labels, teacher_logits=teachers)
    wanted = teachers[0, 0, :, 0].softmax(0)
    first = functional.kl_div(logits[0, 0].log_softmax(0), wanted, reduction="sum")
    torch.testing.assert_close(found, 0.5 * plain(logits, labels) + 0.5 * first)
    found.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_both_engines_learn_the_same_from_a_teacher(taught):
    """Both add the term: without it, the weights differ 10 times as much."""
    parameters = taught()
    one = fit(parameters)
    loop = fit(taught(train__engine="loop"), "loop")
    assert distance(loop, one) < 1e-4
    alone = taught(train__teachers={}, train__distillation=None)
    assert distance(fit(alone, "alone"), one) > 1e-3


def test_accumulation_changes_nothing(taught):
    """Two halves of a batch have the gradient of the batch, without dropout."""
    config = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    whole = fit(taught(model__config=config))
    halves = fit(taught(model__config=config, train__per_device_batch_size=8), "halves")
    assert distance(halves, whole) < 1e-4


def test_weight_one_learns_the_teachers_answers(taught):
    """Without a share of the labels, the student's probabilities approach the teacher's."""
    parameters = taught(train__epochs=12.0, train__distillation={"weight": 1.0})
    session = fit(parameters)
    rows = session.rows.batch(list(range(len(session.rows))))
    teacher = rows.pop("teacher_logits")[:, 0].softmax(-1)
    rows.pop("labels")
    with torch.no_grad():
        student = session.model.eval()(**rows).logits.softmax(-1)
    error, spread = (student - teacher).abs().mean(), (teacher - teacher.mean(0)).abs().mean()
    assert error < spread / 2


def test_the_model_says_who_taught_it(taught, monkeypatch):
    """teachers.json is in data/model only with a teacher; logits of earlier ones are deleted."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    read = (Path("data/tokenized"), BASE, *TARGETS, Path("data/teacher_logits"))
    taught()
    Path("dvc.yaml").write_text("stages: {train: {deps: []}}\n")
    train.main(*read)
    record = artifacts.read_json(Path("data/model/teachers.json"))
    digest = artifacts.sha256_file(Path("big/model.safetensors"))
    teacher = record.pop("teachers")["big"]
    assert record == {"weight": 0.5, "temperature": 2.0}
    assert (teacher["name"], teacher["sha256"]) == ("big", {"model.safetensors": digest})
    assert distillation.tags({"teachers": {"big": teacher}}) == {"teacher.big": f"big {digest}"}
    taught(train__teachers={}, train__distillation=None)
    train.main(*read)
    assert not Path("data/model/teachers.json").exists()
    assert list(Path("data/teacher_logits").glob("*/")) == []


def test_rows_of_another_split_are_refused(taught):
    """Logits that were made from other rows are not learned."""
    parameters = taught()
    data = arrow.load(Path("data/tokenized"))
    data["train"] = data["train"].select(range(90))
    with pytest.raises(InputError, match=r"big has 96 rows, and data/tokenized has 90: run dvc"):
        distillation.with_logits(data, Path("data/teacher_logits"), parameters)
