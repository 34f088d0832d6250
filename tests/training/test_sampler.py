"""Batches: each row once per epoch, in an order that depends on seed and epoch alone."""

import numpy as np
import pytest

from temper.training.sampler import MIN_WINDOW, PADDING_ROW, BucketSampler


@pytest.mark.parametrize("in_tokens", [False, True])
@pytest.mark.parametrize(("world", "accumulation"), [(1, 1), (2, 1), (1, 4), (2, 2)])
def test_every_row_is_trained_on_once_per_epoch(world, accumulation, in_tokens):
    """The layout does not matter, nor a remainder."""
    lengths = np.random.default_rng(1).integers(3, 60, 101)
    samplers = [
        BucketSampler(
            lengths,
            batch_size=400 if in_tokens else 16,
            in_tokens=in_tokens,
            accumulation_steps=accumulation,
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
    assert all(size == sizes[0] and len(size) == len(samplers[0]) for size in sizes)


def test_order_depends_on_seed_and_epoch_alone_and_buckets_save_padding():
    """Another epoch has another order, and buckets pad less."""
    lengths = np.random.default_rng(1).integers(3, 60, 640)

    def sampler(window, seed=5):
        return BucketSampler(
            lengths,
            batch_size=16,
            accumulation_steps=1,
            window=window,
            seed=seed,
            rank=0,
            world_size=1,
        )

    first, again = list(sampler(8)), list(sampler(8))
    later, other = sampler(8), list(sampler(8, seed=6))
    later.set_epoch(1)
    assert first == again
    assert first != list(later)
    assert first != other
    assert sampler(8).padding_share(lambda n: n) < 0.5 * sampler(0).padding_share(lambda n: n)


@pytest.mark.parametrize("window", [0, 3, None])
def test_batches_by_tokens_have_about_equal_tokens_in_every_epoch(window):
    """Their number is fixed; without a window padding is no part of the count."""
    lengths = np.random.default_rng(1).integers(3, 60, 1000)
    sampler = BucketSampler(
        lengths, batch_size=500, in_tokens=True, accumulation_steps=1, window=window, seed=5,
        rank=0, world_size=1,
    )  # fmt: skip
    assert sampler.num_batches == -(-lengths.sum() // 500)
    for epoch in range(3):
        batches = sampler.global_batches(epoch)
        assert len(batches) == sampler.num_batches
        assert sorted(np.concatenate(batches)) == list(range(1000))
        tokens = np.array([lengths[batch].sum() for batch in batches])
        assert tokens.min() > 500 - 2 * 60
        assert tokens.max() < 500 + 60
    if window is None:
        assert max(len(b) * lengths[b].max() for b in batches) < 2 * 500
        assert max(map(len, batches)) > 5 * min(map(len, batches))


def test_batches_by_tokens_are_never_empty():
    """Not even where a row is longer than a batch, nor with rows that are drawn anew."""
    lengths = np.array([50] * 10 + [2] * 90)
    labels = np.array([1] * 10 + [0] * 90)
    for resampling in (None, "over", "under"):
        for size in (1, 20, 60, 10**6):
            sampler = BucketSampler(
                lengths, batch_size=size, in_tokens=True, accumulation_steps=1, window=8, seed=5,
                rank=0, world_size=1, resampling=resampling, labels=labels,
            )  # fmt: skip
            batches = sampler.global_batches(0)
            assert len(batches) == sampler.num_batches
            assert min(map(len, batches)) > 0
            assert sum(map(len, batches)) == sampler.num_rows


def test_an_absent_window_is_the_smallest_that_leaves_little_padding():
    """Rows of one length need none, and short trainings are sorted as a whole."""

    def sampler(lengths, window, seed=0, **more):
        return BucketSampler(
            lengths, batch_size=16, accumulation_steps=1, window=window, seed=seed, rank=0,
            world_size=1, **more,
        )  # fmt: skip

    lengths = np.random.default_rng(1).integers(3, 60, 16000)
    chosen = sampler(lengths, None)
    assert chosen.window in (16, 32, 64)
    assert chosen.padding_share(int) <= 0.03
    assert sampler(lengths, chosen.window // 2).padding_share(int) > 0.03
    short = np.random.default_rng(1).integers(3, 60, 850)
    assert len({sampler(short, None, seed).window for seed in range(20)}) == 1
    assert sampler(np.full(1000, 64), None).window == 0
    assert sampler(lengths, None, static_shapes=True).window == 0
    assert sampler(lengths[:64], None).window == MIN_WINDOW


def test_the_longest_micro_batch_is_as_large_as_any():
    """In rows, filled up where there are too few; in tokens, at least one row."""
    lengths = np.array([10, 64, 20, 30])

    def longest(size, **more):
        return BucketSampler(
            lengths, batch_size=size, accumulation_steps=2, window=0, seed=5, rank=0,
            world_size=1, **more,
        ).longest_micro_batch()  # fmt: skip

    assert longest(4) == [1, 3]
    assert longest(12) == [1, 3, 2, 0, PADDING_ROW, PADDING_ROW]
    assert longest(256, in_tokens=True) == [1, 3]
    assert longest(2, in_tokens=True) == [1]


@pytest.mark.parametrize(("how", "each"), [("over", 70), ("under", 20)])
def test_resampling_gives_every_label_the_same_share(how, each):
    """Every row of the rarer label is used, with others in the next epoch."""
    labels = np.array([0] * 70 + [1] * 20)
    sampler = BucketSampler(
        np.ones(90, dtype=int), batch_size=16, accumulation_steps=1, window=4, seed=3, rank=0,
        world_size=1, resampling=how, labels=labels,
    )  # fmt: skip
    rows = [r for batch in sampler for r in batch if r >= 0]
    assert np.bincount(labels[rows]).tolist() == [each, each]
    assert len(list(sampler)) == len(sampler) == -(-2 * each // 16)
    assert set(rows) >= set(range(70, 90))
    assert how == "under" or set(rows) == set(range(90))
    sampler.set_epoch(1)
    assert sorted(r for batch in sampler for r in batch if r >= 0) != sorted(rows)
