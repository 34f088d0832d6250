"""A subset of rows: drawn by the seed, labels in proportion."""

from pathlib import Path

import numpy as np

from temper import params
from temper.ingest import row_selection, splits
from temper.ingest.row_selection import SplitRows
from temper.ingest.split_stats import ROW, SplitStats
from tests.helpers.downloads import CUT, NO_CUT, SINGLE, counts, get, refused, texts


def test_smaller_subsets_lie_in_larger_ones(write_params, hundred_rows):
    """Rows keep their order and labels their proportion; test and validation stay whole."""
    cut = hundred_rows | {"data__split": CUT}
    plain, summary = get(write_params, **SINGLE, **cut)
    whole, before = texts(plain), None
    for size in (60, 41, 20, 0.1, 2):
        found, summary = get(write_params, **SINGLE, **cut, data__subset={"train": size})
        kept = texts(found)
        count = size if isinstance(size, int) else round(size * 60)
        assert summary["subset"] == {"train": {"rows": count, "of": 60}}
        assert kept["train"] == [text for text in whole["train"] if text in set(kept["train"])]
        assert before is None or set(kept["train"]) < set(before)
        assert [kept[name] for name in CUT if name in kept] == [
            whole[name] for name in CUT if name in whole
        ]
        assert abs(counts(found).get("b", 0) - 0.3 * count) <= 1
        before = kept["train"]
    assert counts(found) == {"a": 1, "b": 1}
    assert summary["labels"] == ["a", "b"]


def test_the_seed_of_the_cut_draws_the_subset(write_params, hundred_rows):
    """Another seed draws other rows, and validation can be reduced too."""
    found = [
        texts(get(write_params, **SINGLE, **hundred_rows | {"data__split": NO_CUT | {"seed": seed}},
                  data__subset={"train": 10})[0])["train"]
        for seed in (1, 1, 2)
    ]  # fmt: skip
    assert found[0] == found[1] != found[2]
    found, _ = get(
        write_params,
        **SINGLE,
        **hundred_rows | {"data__split": CUT},
        data__subset={"validation": 0.5},
    )
    assert [len(found[split]) for split in ("train", "validation", "test")] == [60, 10, 20]


def test_subset_is_drawn_after_overlaps_are_dropped(write_params, hundred_rows):
    """A dropped row is never drawn."""
    lines = Path("train.csv").read_text().splitlines()
    Path("test.csv").write_text("\n".join([lines[0], *lines[51:]]) + "\n")
    changes = hundred_rows | {"data__files": {"train": "train.csv", "test": "test.csv"}}
    found, summary = get(
        write_params, **SINGLE, **changes, data__overlap="drop_from_train",
        data__subset={"train": 50},
    )  # fmt: skip
    assert summary["dropped_from_train"] == 50
    assert texts(found)["train"] == [line.split(",")[0] for line in lines[1:51]]


def test_refuses_impossible_subsets(write_params, hundred_rows):
    """There are fewer rows, or no such split."""
    found, said = refused(write_params, **SINGLE, **hundred_rows, data__subset={"train": 101})
    assert said == "data.subset.train: 101 rows, but train has only 100"
    assert any("params.yaml:" in one and said in one for one in found)
    found, said = refused(write_params, **SINGLE, **hundred_rows, data__subset={"tset": 1})
    assert "data.subset: no split 'tset'; there are train" in said


def test_every_label_is_in_a_subset_that_has_room_for_it():
    """300 rows hold each of 300 power-law labels, and 3000 rows hold them in proportion."""
    sizes = np.maximum(1, (20_000 / np.arange(1, 301) ** 1.1).astype(int))
    strata = np.repeat(np.arange(300), sizes)
    order = splits.rank_rows(strata, 3)
    assert sorted(order.tolist()) == list(range(len(strata)))
    assert set(strata[order[:300]].tolist()) == set(range(300))
    shares = np.bincount(strata[order[:3000]], minlength=300) / 3000
    wanted = sizes / sizes.sum()
    assert np.abs(shares - np.maximum(wanted, 1 / 3000)).max() < 0.01


def test_whole_numbers_are_counts_and_fractions_are_shares(write_params, hundred_rows):
    """1 is one row and 1.0 is all of them, as YAML writes them."""
    for text, count in (("1", 1), ("1.0", 100), ("0.005", 1), ("1e-1", 10)):
        write_params(**SINGLE, **hundred_rows, data__subset={"train": 7777})
        file = Path("params.yaml")
        file.write_text(file.read_text().replace("7777", text))
        facts = {"train": SplitStats(buffer=bytearray(100 * ROW.itemsize))}
        taken, _ = row_selection.draw_subsets(
            facts, {"train": SplitRows("train", np.arange(100))}, params.load().data
        )
        assert len(taken["train"][1]) == count, text
