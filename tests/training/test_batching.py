"""Batches: each row once per epoch, in an order of seed and epoch alone."""

import numpy as np
import pytest

from temper.training import batching


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
