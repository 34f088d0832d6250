"""Losses of embeddings are those of sentence-transformers, and copies are no negatives."""

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer import losses as reference
from torch.nn import functional

from temper.params.train import TrainParams
from temper.tasks.base.arrays import IGNORE_INDEX, as_rows
from temper.training import losses, memory, setup
from tests.helpers.samples import load

RECIPE = "recipes/sample-embeddings.yaml"


def vectors(num_rows: int, num_texts: int) -> torch.Tensor:
    """Return unit vectors, (rows, texts, size)."""
    random = torch.Generator().manual_seed(1)
    drawn = torch.randn(num_rows, num_texts, 8, generator=random, dtype=torch.float64)
    return functional.normalize(drawn, dim=-1)


@pytest.mark.parametrize("num_texts", [2, 3])
def test_ranking_loss_is_sentence_transformers(num_texts):
    """Of pairs and of triplets, also with another temperature."""
    rows = vectors(6, num_texts).float()
    labels = torch.arange(6 * num_texts).view(6, num_texts)
    for temperature in (0.05, 0.2):
        loss = losses.build_loss("multiple_negatives_ranking", temperature=temperature)
        found = loss(rows.flatten(0, 1), labels) / labels.numel()
        expected = reference.MultipleNegativesRankingLoss(None, scale=1 / temperature)
        expected = expected.compute_loss_from_embeddings(list(rows.unbind(1)), None)
        torch.testing.assert_close(found, expected)


def test_copies_of_a_positive_are_no_negatives():
    """By hand: two rows share a positive, two an anchor, and a row that pads is no candidate."""
    rows = vectors(5, 2).float()
    labels = torch.tensor([[0, 10], [1, 10], [2, 11], [2, 12], [IGNORE_INDEX] * 2])
    similar = (rows[:, 0] @ rows[:, 1].T / 0.1).exp()
    candidates = {0: (0, 2, 3), 1: (1, 2, 3), 2: (0, 1, 2), 3: (0, 1, 3)}
    expected = sum(
        -(similar[i, i] / similar[i, list(texts)].sum()).log() for i, texts in candidates.items()
    )
    loss = losses.build_loss("multiple_negatives_ranking", temperature=0.1)
    torch.testing.assert_close(loss(rows.flatten(0, 1), labels) / 2, expected)


def test_a_negative_that_is_a_positive_of_the_row_is_left_out():
    """Another row's negative may be what this row looks for."""
    rows, labels = vectors(2, 3).float(), torch.tensor([[0, 1, 2], [3, 4, 1]])
    similar = (rows[:, 0] @ rows[:, 1:].transpose(0, 1).flatten(0, 1).T / 0.1).exp()
    expected = -(similar[0, 0] / similar[0, [0, 1, 2]].sum()).log()
    expected = expected - (similar[1, 1] / similar[1].sum()).log()
    loss = losses.build_loss("multiple_negatives_ranking", temperature=0.1)
    torch.testing.assert_close(loss(rows.flatten(0, 1), labels) / 3, expected)


def test_cosent_is_sentence_transformers():
    """Equal scores are not compared, and rows without a score do not count."""
    rows, scores = vectors(7, 2).float(), torch.tensor([1.0, 0.2, 0.2, 3.0, 0.7, torch.nan, 1.0])
    loss = losses.build_loss("cosent", temperature=0.05)
    found = loss(rows.flatten(0, 1), scores) / 6
    known = ~scores.isnan()
    pairs = list(rows[known].unbind(1))
    expected = reference.CoSENTLoss(None).compute_loss_from_embeddings(pairs, scores[known])
    torch.testing.assert_close(found, expected)


def test_labels_number_the_distinct_texts_of_a_batch():
    """The collator gives equal texts one number, whatever their columns."""
    task, processor, config = load(RECIPE, task__negative=None)
    given = {"anchor": ["a", "b", "a"], "positive": ["c", "d", "b"]}
    columns = task.encode(given, processor, mode="train")
    rows = as_rows(columns)
    batch = task.collate(rows, processor, config)
    np.testing.assert_array_equal(batch["labels"], [[0, 1], [2, 3], [0, 2]])
    assert len(batch["input_ids"]) == 6


def test_a_batch_is_never_divided(monkeypatch, tmp_path):
    """Neither among processes nor when memory runs out: its rows are each other's negatives."""
    task, _, _ = load(RECIPE)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="starts 2 processes, and the loss of embeddings compares"):
        setup.training_arguments(task.settings, 0, tmp_path)
    train: TrainParams = task.settings.train
    with pytest.raises(ValueError, match="the batch cannot be divided, because its loss compares"):
        memory.refuse_smaller_batch(train, memory.OutOfMemory("no room"))
