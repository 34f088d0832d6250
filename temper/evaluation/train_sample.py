"""Training rows → a sample of them: scored like a split, or what baselines learn from."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

NAME = "train_sample"
MAX_SCORED = 1000  # rows scored to measure overfitting


def select(
    features: "Dataset", examples: "Dataset", max_rows: int, seed: int
) -> tuple[Any, "Dataset"]:
    """Return the features and examples of a seeded sample, in order, and numbered from 0."""
    num_rows = len(examples)
    rows = np.random.default_rng(seed).choice(num_rows, min(num_rows, max_rows), replace=False)
    rows = np.sort(rows)
    if "example_id" not in features.features:
        return features.select(rows), examples.select(rows)
    ids = np.asarray(features["example_id"][:])
    selected = features.select(np.flatnonzero(np.isin(ids, rows)))
    renumbered = np.searchsorted(rows, np.asarray(selected["example_id"][:]))
    without_ids: Any = selected.remove_columns("example_id").flatten_indices(keep_in_memory=True)
    return without_ids.add_column("example_id", renumbered.tolist()), examples.select(rows)
