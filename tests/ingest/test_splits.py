"""Splits that are cut from train: stratified, in folds, by group."""

import re
from pathlib import Path

import numpy as np
import pytest

from temper.ingest import splits
from temper.params.data import SplitParams
from tests.helpers.downloads import CUT, FOLD, NO_CUT, SINGLE, counts, get, one_file, refused, texts


@pytest.mark.parametrize(
    ("text", "other", "is_same"),
    [
        ("Good  film\n", "good\u00a0FILM", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("x²", "x2", False),
        ("①", "1", False),
        ("ﬁt", "fit", True),  # the upper case of both is FIT
    ],
)
def test_texts_are_the_same_but_for_case_and_white_space(text, other, is_same):
    """And for the two ways in which Unicode writes an accented letter."""
    assert (splits.text_key([text]) == splits.text_key([other])) is is_same


def test_splits_are_stratified_over_power_law_classes():
    """Each of 300 classes of very different size gets its share, and singletons stay in train."""
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
    """No split can take the only row of a label."""
    params = SplitParams(validation=0.1, test=0.2, seed=3)
    found = splits.assign_splits(np.arange(9), params, ["validation", "test"])
    assert {name: rows.tolist() for name, rows in found.items()} == {"train": list(range(9))}


@pytest.mark.parametrize("test", [0.0, 0.2])
def test_each_row_is_validation_in_one_fold(write_params, hundred_rows, test):
    """Sizes and labels of folds differ by at most one; test is the same without folds."""
    split = {"validation": 0.1, "test": test, "seed": 1}
    plain = texts(get(write_params, **SINGLE, **hundred_rows | {"data__split": split})[0])
    seen = []
    for index in range(5):
        fold = {"k": 5, "index": index}
        found, summary = get(
            write_params, **SINGLE, **hundred_rows | {"data__split": split}, data__fold=fold
        )
        now = texts(found)
        assert now.get("test") == plain.get("test")
        assert summary["fold"] == fold
        assert summary["splits"]["validation"]["cut_from"] == "train"
        assert len(now["validation"]) == (16 if test else 20)
        assert counts(found, "validation")["b"] in ((4, 5) if test else (6,))
        assert not set(now["train"]) & set(now["validation"])
        assert sorted(now["train"] + now["validation"]) == sorted(
            plain["train"] + plain["validation"]
        )
        seen += now["validation"]
    assert len(seen) == len(set(seen)) == (80 if test else 100)


def test_fold_combines_with_subset_and_given_test(write_params, hundred_rows):
    """The subset is taken from the k - 1 other folds."""
    Path("test.csv").write_text("text,label\nz,a\n")
    changes = hundred_rows | {"data__files": {"train": "train.csv", "test": "test.csv"}}
    found, _ = get(write_params, **SINGLE, **changes, data__fold=FOLD, data__subset={"train": 0.5})
    assert {name: len(part) for name, part in found.items()} == {
        "train": 40,
        "validation": 20,
        "test": 1,
    }


def test_refuses_impossible_folds(write_params, hundred_rows):
    """A validation split is given already, or there are too few rows."""
    files = {"train": "train.csv", "validation": "train.csv"}
    found, said = refused(
        write_params, **SINGLE, **hundred_rows | {"data__files": files}, data__fold=FOLD
    )
    message = (
        "data.fold: validation is made from train, but the data has a validation split; remove it "
        "from data.files (or data.hub.splits), or set data.fold to null"
    )
    assert said == message
    assert any(re.match(rf"params\.yaml:\d+: {re.escape(message)}", one) for one in found)
    found, said = refused(write_params, **SINGLE, **hundred_rows, data__fold={"k": 101, "index": 0})
    assert said == "data.fold.k: 101 folds, but train has 100 rows; use fewer folds"
    grouped = hundred_rows | {"data__split": NO_CUT | {"group": "author"}}
    found, said = refused(write_params, **SINGLE, **grouped, data__fold={"k": 21, "index": 0})
    assert said == "data.fold.k: 21 folds, but train has 20 values of 'author'; use fewer folds"
    assert any(said in one for one in found)


def test_a_group_is_in_one_split(write_params, hundred_rows):
    """Labels and shares stay near what was asked, and the column need not be carried along."""
    split = {"validation": 0.2, "test": 0.2, "seed": 1, "group": "author"}
    found, _ = get(write_params, **SINGLE, **hundred_rows | {"data__split": split})
    authors = {name: {int(text[-2:]) // 5 for text in part["text"]} for name, part in found.items()}
    assert sorted(a for part in authors.values() for a in part) == list(range(20))
    assert {name: len(part) for name, part in found.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    assert "author" not in found["train"].features
    assert 3 <= counts(found, "validation")["b"] <= 9


def test_refuses_a_group_in_train_and_a_given_split(write_params, hundred_rows):
    """A given split without the column cannot be checked."""
    split = {"validation": 0.2, "test": 0.2, "seed": 1, "group": "author"}
    lines = Path("train.csv").read_text().splitlines(True)
    Path("test.csv").write_text("".join([lines[0], *lines[-12:]]))
    files = {"train": "train.csv", "test": "test.csv"}
    changes = hundred_rows | {"data__split": split, "data__files": files}
    found, said = refused(write_params, **SINGLE, **changes)
    assert said.startswith(
        "data.split.group: 3 values of 'author' are in both train and test, which"
    )
    assert any(said in one for one in found)
    Path("train.csv").write_text("".join(lines[:-15]))
    found, _ = get(write_params, **SINGLE, **changes)
    assert len(found["test"]) == 12
    bare = [",".join(line.split(",")[:2]).strip() + "\n" for line in (lines[0], *lines[-12:])]
    Path("test.csv").write_text("".join(bare))
    Path("train.csv").write_text("".join(lines))
    found, _ = get(write_params, **SINGLE, **changes)
    assert len(found["test"]) == 12


def test_a_group_is_in_one_fold(write_params, hundred_rows):
    """The groups of test are in no fold."""
    split = {"validation": 0.0, "test": 0.2, "seed": 1, "group": "author"}
    seen, tests = [], set()
    for index in range(4):
        fold = {"k": 4, "index": index}
        found, _ = get(
            write_params, **SINGLE, **hundred_rows | {"data__split": split}, data__fold=fold
        )
        authors = {
            name: {int(text[-2:]) // 5 for text in part["text"]} for name, part in found.items()
        }
        assert not authors["train"] & authors["validation"]
        seen += authors["validation"]
        tests |= authors["test"]
    assert sorted([*seen, *tests]) == list(range(20))


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_any_size_are_dealt_near_their_shares(seed):
    """Power-law groups stay whole while shares and labels are met, by the seed."""
    random = np.random.default_rng(seed)
    sizes = np.maximum(1, (300 / np.arange(1, 401) ** 0.8).astype(int))
    groups = random.permutation(np.repeat(np.arange(400), sizes))
    strata = (random.random(len(groups)) < 0.2 + 0.4 * (groups % 2)).astype(int)
    given = SplitParams(validation=0.1, test=0.2, seed=seed)
    found = splits.assign_splits(strata, given, ["validation", "test"], groups)
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(groups)))
    for name, share in (("validation", 0.1), ("test", 0.2)):
        assert len(found[name]) == pytest.approx(share * len(groups), rel=0.1)
        assert strata[found[name]].mean() == pytest.approx(strata.mean(), abs=0.05)
        assert not set(groups[found[name]]) & set(groups[found["train"]])
    again = splits.assign_splits(strata, given, ["validation", "test"], groups)
    assert all((again[name] == found[name]).all() for name in found)
    folds = splits.assign_folds(strata, 5, seed, groups)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in range(400))
    assert np.bincount(folds).max() - np.bincount(folds).min() <= 0.1 * len(groups) / 5


def test_few_large_groups_fill_every_fold():
    """Five groups and five folds give one group to each."""
    groups = np.repeat(np.arange(4), [50, 30, 5, 1])
    folds = splits.assign_folds(np.zeros(86, dtype=int), 4, 1, groups)
    assert len({int(folds[groups == group][0]) for group in range(4)}) == 4


def test_refuses_impossible_groups(write_params, hundred_rows):
    """The column is missing, or a row has no value."""
    changes = hundred_rows | {"data__split": CUT | {"group": "auther"}}
    found, said = refused(write_params, **SINGLE, **changes)
    assert "train has no column 'auther' (did you mean 'author'?)" in said
    assert any("data.split.group: no column 'auther' in train" in one for one in found)
    lines = Path("train.csv").read_text().splitlines()
    lines[7] = lines[7].rpartition(",")[0] + ","
    Path("train.csv").write_text("\n".join(lines) + "\n")
    changes = hundred_rows | {"data__split": CUT | {"group": "author"}}
    found, said = refused(write_params, **SINGLE, **changes)
    assert said.startswith("train row 7, column 'author': no value; data.split.group needs one")
    assert any(said in one for one in found)


def test_names_a_split_without_rows(write_params, tmp_path, monkeypatch):
    """Two rows have no tenth."""
    monkeypatch.chdir(tmp_path)
    changes = one_file("text,label\none,a\ntwo,b\n") | {"data__split": CUT | {"validation": 0.0}}
    _, said = refused(write_params, **SINGLE, **changes, data__subset={"test": 1})
    assert said == "data.subset.test: train has too few rows to create a test split"
    only = {"min_characters": 1, "applies_to": ["test"]}
    _, said = refused(write_params, **SINGLE, **changes, data__filter=only)
    assert said == "data.filter.applies_to: train has too few rows to create a test split"
