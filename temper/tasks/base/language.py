"""Logits over a vocabulary → summed statistics of tokens, which perplexity is computed from.

The statistics of a row are `(-log p, hits, tokens)`: the summed negative log-likelihood of its
labels, how many of them were the likeliest token, and how many there are.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base.arrays import IGNORE_INDEX, Rows
from temper.tasks.base.windows import example_slices

if TYPE_CHECKING:
    import torch


def token_stats(logits: "torch.Tensor | np.ndarray", labels: np.ndarray) -> "torch.Tensor":
    """Return the statistics of each row of a batch, (rows, 3), float32.

    Args:
        logits: (rows, tokens, vocabulary).
        labels: (rows, tokens), `IGNORE_INDEX` where nothing is to be predicted.
    """
    import torch

    logits = torch.as_tensor(logits)
    targets = torch.as_tensor(labels).to(logits.device)
    row, token = (targets != IGNORE_INDEX).nonzero(as_tuple=True)
    counted, ids = logits[row, token].float(), targets[row, token]
    losses = torch.nn.functional.cross_entropy(counted, ids, reduction="none")
    columns = (losses, (counted.argmax(-1) == ids).float(), torch.ones_like(losses))
    stats = torch.zeros(len(logits), 3, device=logits.device)
    for column, values in enumerate(columns):
        stats[:, column].index_add_(0, row, values)
    return stats


def generate_arguments(settings: Settings) -> str:
    """Return what predictions are written with, as further arguments of `generate` in Python."""
    generation = settings.evaluate.generation
    options = {} if generation is None else generation.options()
    return "".join(f", {name}={value!r}" for name, value in options.items())


def scores(stats: Sequence[np.ndarray]) -> dict[str, float]:
    """Return loss, perplexity and accuracy of all tokens together."""
    nll, hits, count = np.asarray(stats, dtype=np.float64).sum(0)
    loss = nll / max(count, 1)
    return {
        "loss": loss,
        "perplexity": float(np.exp(min(loss, 700))),
        "accuracy": hits / max(count, 1),
    }


def sum_by_example(
    stats: Sequence[np.ndarray], features: Rows, num_examples: int
) -> list[np.ndarray]:
    """Return the summed statistics of each example's features, in order."""
    slices = example_slices(features["example_id"], num_examples)
    return [np.asarray(stats[part], dtype=np.float64).reshape(-1, 3).sum(0) for part in slices]


def format_stats(stats: Sequence[float] | np.ndarray | None) -> str:
    """Return the perplexity of an example, with the number of its tokens."""
    if stats is None or not stats[2]:
        return ""
    return f"perplexity {np.exp(stats[0] / stats[2]):.4g} of {int(stats[2])} tokens"


def token_counts(rows: Iterable[Sequence[int]]) -> np.ndarray:
    """Return the frequency of each token id in the rows, plus one.

    The array ends one past the largest id, which stands for every token that was not seen.
    """
    counts = np.bincount(np.concatenate([np.asarray(row, dtype=np.int64) for row in rows]))
    return np.append(counts, 0) + 1.0


def bigram_model(rows: Sequence[Sequence[int]]) -> Callable[[Sequence[int]], np.ndarray]:
    """Fit a bigram model with Witten-Bell smoothing.

    Returns:
        A function from token ids to their statistics (3,).
    """
    counts = token_counts(rows)
    probabilities = counts / counts.sum()
    successors: dict[int, Counter] = defaultdict(Counter)
    for ids in rows:
        for token, following in pairwise(ids):
            successors[token][following] += 1

    @cache
    def summary(token: int) -> tuple[int, int, int]:
        """Return a token's number of successors, of distinct ones, and the most frequent one."""
        counter = successors[token]
        return counter.total(), len(counter), counter.most_common(1)[0][0] if counter else -1

    def stats(ids: Sequence[int]) -> np.ndarray:
        total = np.zeros(3)
        for token, following in pairwise(ids):
            count, distinct, most_frequent = summary(token)
            # Witten-Bell: the unigram's share grows with the number of distinct successors
            share = distinct / (count + distinct) if distinct else 1.0
            unigram = probabilities[min(following, len(probabilities) - 1)]
            bigram = (1 - share) * successors[token][following] / max(count, 1)
            total += (-np.log(share * unigram + bigram), most_frequent == following, 1)
        return total

    return stats
