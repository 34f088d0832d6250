"""Splits that are cut from train: stratified, in folds, by group."""

import numpy as np
import pytest

from temper.ingest import splits
from temper.params.data import SplitParams


def test_splits_are_stratified_over_power_law_classes():
    """300 classes of very different size: each gets its share, singletons stay in train."""
    sizes = np.maximum(1, (2000 / np.arange(1, 301) ** 1.1).astype(int))
    strata = np.repeat(np.arange(300), sizes)
    found = splits.assign_splits(
        strata, SplitParams(validation=0.1, test=0.2, seed=3), ["validation", "test"]
    )
    everything = np.sort(np.concatenate(list(found.values())))
    assert (everything == np.arange(len(strata))).all()
    assert len(found["test"]) == pytest.approx(0.2 * len(strata), rel=0.02)
    for stratum, size in enumerate(sizes):
        counts = {name: (strata[rows] == stratum).sum() for name, rows in found.items()}
        assert counts["train"] >= 1
        assert abs(counts["test"] - 0.2 * size) <= 1.5
        if size == 1:
            assert counts["validation"] == counts["test"] == 0
    again = splits.assign_splits(
        strata, SplitParams(validation=0.1, test=0.2, seed=3), ["validation", "test"]
    )
    assert all((found[name] == again[name]).all() for name in found)
    other = splits.assign_splits(
        strata, SplitParams(validation=0.1, test=0.2, seed=4), ["validation", "test"]
    )
    assert not np.array_equal(found["test"], other["test"])


def test_labels_with_one_row_each_all_stay_in_train():
    """There is nothing to cut from."""
    params = SplitParams(validation=0.1, test=0.2, seed=3)
    found = splits.assign_splits(np.arange(9), params, ["validation", "test"])
    assert {name: rows.tolist() for name, rows in found.items()} == {"train": list(range(9))}
