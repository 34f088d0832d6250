"""Pooling leaves padding out, and the CRF is brute force."""

import itertools

import numpy as np
import pytest
import torch

from temper.models import pooling
from temper.tasks.base import tags
from temper.training import losses


@pytest.mark.parametrize("how", ["first", "mean", "max"])
def test_pooling_ignores_padding(how):
    """The vector is the same whatever the padding holds, on either side."""
    hidden = torch.randn(2, 5, 3)
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]])
    found = pooling.pool_tokens(hidden, mask, how)
    for row, kept in ((0, hidden[0, :3]), (1, hidden[1, 2:])):
        expected = {"first": kept[0], "mean": kept.mean(0), "max": kept.max(0).values}[how]
        torch.testing.assert_close(found[row], expected)


def test_pair_pooling_pools_each_text():
    """It joins both means, scaled to length √hidden, with their distance and product."""
    hidden = torch.randn(2, 6, 3)
    types = torch.tensor([[0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]])
    found = pooling.pool_pair(hidden, mask, types)
    for row, first, second in ((0, slice(0, 2), slice(2, 4)), (1, slice(2, 4), slice(4, 6))):
        u, v = (hidden[row, part].mean(0) for part in (first, second))
        u, v = (3**0.5 * vector / (vector**2).sum() ** 0.5 for vector in (u, v))
        torch.testing.assert_close(found[row], torch.cat([u, v, abs(u - v), u * v]))


def brute(scores, transitions):
    """Return every path's score (labels^words,), in the order of itertools.product."""
    words, num_labels = scores.shape
    found = []
    for path in itertools.product(range(num_labels), repeat=words):
        total = transitions[num_labels, path[0]] + transitions[num_labels + 1, path[-1]]
        total += sum(scores[i, tag] for i, tag in enumerate(path))
        total += sum(transitions[a, b] for a, b in itertools.pairwise(path))
        found.append(float(total))
    return np.array(found)


def test_crf_matches_brute_force():
    """Loss and best path are those of all paths, for rows of any length."""
    random = np.random.default_rng(0)
    logits, transitions = random.normal(size=(3, 6, 3)), random.normal(size=(5, 3))
    labels = np.array([[-100, 0, -100, 2, 1, -100], [-100, 1, -100, -100, -100, -100], [-100] * 6])
    expected, paths = 0.0, list(itertools.product(range(3), repeat=3))
    for row, ids in zip(logits, labels, strict=True):
        at = ids != -100
        if not at.any():
            continue
        all_paths = brute(row[at], transitions)
        chosen = list(itertools.product(range(3), repeat=int(at.sum()))).index(tuple(ids[at]))
        loss = np.logaddexp.reduce(all_paths) - all_paths[chosen]
        assert tags.crf_loss(row[at], ids[at], transitions) == pytest.approx(loss)
        expected += loss
    found = losses.crf(
        torch.tensor(logits), torch.tensor(labels), transitions=torch.tensor(transitions)
    )
    assert float(found) == pytest.approx(expected, rel=1e-5)
    free = tags.viterbi_path(logits[0, :3], ["O", "X", "Y"], "IOB1", transitions)
    assert tuple(free) == paths[int(brute(logits[0, :3], transitions).argmax())]


def test_crf_gradient_reaches_the_transitions():
    """A batch without labels gives a gradient of 0."""
    transitions = torch.zeros(5, 3, requires_grad=True)
    for labels, moves in ((torch.tensor([[0, 1]]), True), (torch.full((1, 2), -100), False)):
        loss = losses.crf(torch.randn(1, 2, 3), labels, transitions=transitions)
        (grad,) = torch.autograd.grad(loss, transitions)
        assert bool(grad.any()) is moves
