"""Rename, filter, subset, folds and groups: which rows data/raw gets, and what is refused."""

import re
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stages import download
from temper import params
from temper.cli import check
from temper.core.errors import InputError
from temper.ingest import row_selection, splits
from temper.ingest.split_stats import SplitStats
from temper.params.data import SplitParams
from tests.helpers.downloads import SINGLE, get, one_file
from tests.helpers.workspace import ROOT

NO_CUT = {"validation": 0.0, "test": 0.0, "seed": 1}
CUT = {"validation": 0.2, "test": 0.2, "seed": 1}
FOLD = {"k": 5, "index": 0}


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Write 100 rows, 70 of label a, of 2 to 101 characters, by 20 authors."""
    monkeypatch.chdir(tmp_path)
    lines = [
        f"{'x' * (i - 1)}{i:02},{'b' if i % 10 < 3 else 'a'},author{i // 5}" for i in range(100)
    ]
    return one_file("text,label,author\n" + "\n".join(lines) + "\n")


def texts(found):
    return {split: list(rows["text"]) for split, rows in found.items()}


def counts(found, split="train"):
    return dict(Counter(found[split].features["label"].int2str(found[split]["label"])))


def mistakes(write_params, **changes):
    """Return what `temper check` and the download stage say, both before data is written."""
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text("stages: {}\n")
    found, _ = check.examine(parameters)
    with pytest.raises(InputError) as caught:
        get(write_params, **changes)
    assert not list(Path("data/raw").iterdir())
    return found, str(caught.value)


# -- off ---------------------------------------------------------------------------------------


def test_null_is_the_same_as_absent(write_params, rows):
    """The summary has no key of an option that is off, and the rows are the same bytes."""
    off = dict.fromkeys(("data__rename", "data__filter", "data__fold", "data__subset"))
    cut = {"data__split": CUT}
    _, plain = get(write_params, **SINGLE, **rows | cut)
    _, null = get(write_params, **SINGLE, **rows | off | {"data__split": CUT | {"group": None}})
    assert plain == null
    assert not {"filtered", "fold", "subset"} & set(plain)


def test_the_imbalance_of_train_is_recorded(write_params, rows, capsys):
    """Largest count over smallest, for labels only."""
    _, summary = get(write_params, **SINGLE, **rows)
    assert summary["imbalance"] == round(70 / 30, 2)
    regression = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    _, summary = get(write_params, **regression, **one_file("text,label\na,1\nb,2.5\n"))
    assert "imbalance" not in summary


# -- rename ------------------------------------------------------------------------------------


def test_columns_are_renamed_before_all_else(write_params, tmp_path, monkeypatch):
    """Two names can change places; a split without labels needs no column for them."""
    monkeypatch.chdir(tmp_path)
    one_file("body,stars,text\none,a,old\ntwo,b,old\n")
    Path("test.csv").write_text("body,text\nthree,old\n")
    changes = {"data__files": {"train": "train.csv", "test": "test.csv"}, "data__split": NO_CUT}
    renames = {"data__rename": {"body": "text", "text": "body", "stars": "label"}}
    found, summary = get(write_params, **SINGLE, **changes, **renames, data__extra_columns=["body"])
    assert texts(found) == {"train": ["one", "two"], "test": ["three"]}
    assert list(found["train"]["body"]) == ["old", "old"]
    assert summary["splits"]["test"]["labelled"] is False


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {"txt": "sentence"},
            "data.rename: train has no column 'txt' (did you mean 'text'?); it has text, label",
        ),
        (
            {"author": "text"},
            "data.rename: train already has a column 'text'; give 'author' another name",
        ),
    ],
)
def test_names_that_cannot_be(write_params, rows, names, message):
    """Named by both the check and the stage."""
    found, said = mistakes(write_params, **SINGLE, **rows, data__rename=names)
    assert message in said
    assert any(re.match(r"params\.yaml:\d+: " + re.escape(message), one) for one in found)


# -- filter ------------------------------------------------------------------------------------


def test_rows_are_filtered_by_length(write_params, rows):
    """Characters of all texts of a row; counted by split; texts of the summary are those left."""
    only = {"min_characters": 10, "max_characters": 50, "applies_to": ["train"]}
    found, summary = get(write_params, **SINGLE, **rows, data__filter=only)
    lengths = [len(text) for text in found["train"]["text"]]
    assert (min(lengths), max(lengths)) == (10, 50)
    assert summary["filtered"] == {"train": 100 - len(lengths)}
    assert summary["mean_characters"] == round(float(np.mean(lengths)), 1)
    pair = SINGLE | {"task__text": ["text", "author"]}
    found, _ = get(write_params, **pair, **rows, data__filter=only | {"min_characters": 50})
    assert {len(r["text"] + r["author"]) for r in found["train"]} == {50}


def test_the_split_that_is_cut_is_not_filtered_unless_named(write_params, rows):
    """Test has the rows it has without the filter."""
    plain, _ = get(write_params, **SINGLE, **rows | {"data__split": CUT})
    only = {"min_characters": 60, "applies_to": ["train"]}
    found, summary = get(write_params, **SINGLE, **rows | {"data__split": CUT}, data__filter=only)
    assert texts(found)["test"] == texts(plain)["test"]
    assert texts(found)["train"] == [t for t in texts(plain)["train"] if len(t) >= 60]
    assert list(summary["filtered"]) == ["train"]
    both = only | {"applies_to": ["train", "test"]}
    found, summary = get(write_params, **SINGLE, **rows | {"data__split": CUT}, data__filter=both)
    assert texts(found)["test"] == [t for t in texts(plain)["test"] if len(t) >= 60]


def test_rows_are_filtered_by_label(write_params, tmp_path, monkeypatch):
    """What is left out is no label any more; ids stand for given names."""
    monkeypatch.chdir(tmp_path)
    changes = {"data__filter": {"labels": ["a", "c"], "applies_to": ["train"]}}
    changes |= one_file("text,label\none,a\ntwo,b\nthree,c\nfour,c\n")
    found, summary = get(write_params, **SINGLE | {"evaluate__positive_label": "a"}, **changes)
    assert texts(found)["train"] == ["one", "three", "four"]
    assert (summary["labels"], summary["filtered"]) == (["a", "c"], {"train": 1})
    assert list(found["train"]["label"]) == [0, 1, 1]
    given = {"task__text": ["text"], "task__labels": ["a", "b", "c"]}
    changes |= one_file("text,label\none,0\ntwo,1\nthree,2\nfour,2\n")
    found, _ = get(write_params, **given, evaluate__positive_label=None, **changes)
    assert list(found["train"]["label"]) == [0, 2, 2]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (
            {"labels": ["aa"], "applies_to": ["train"]},
            "data.filter.labels: no row has the label 'aa' (did you mean 'a'?); there are a, b",
        ),
        (
            {"min_characters": 1000, "applies_to": ["train"]},
            "data.filter: none of the 100 rows of train is left",
        ),
        (
            {"min_characters": 1, "applies_to": ["trian"]},
            "data.filter.applies_to: no split 'trian' (did you mean 'train'?); there are train",
        ),
    ],
)
def test_filters_that_cannot_be(write_params, rows, only, message):
    """Before anything is written."""
    found, said = mistakes(write_params, **SINGLE, **rows, data__filter=only)
    assert message in said
    assert any(message in one for one in found)


def test_a_label_left_out_of_train_only_is_an_error(write_params, rows):
    """Validation would hold what was never learned."""
    only = {"labels": ["a"], "applies_to": ["train", "test"]}
    changes = rows | {"data__split": CUT}
    _, said = mistakes(write_params, **SINGLE, **changes, data__filter=only)
    assert "validation still has 6 rows whose labels data.filter.labels leaves out (b)" in said
    assert said.endswith("add validation")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__filter": {"min_characters": 1}}, "data.filter.applies_to: missing"),
        ({"data__filter": {"applies_to": ["train"]}}, "data.filter: give min_characters, max_char"),
        (
            {"data__filter": {"min_characters": 9, "max_characters": 8, "applies_to": ["train"]}},
            "min_characters 9 is more than max_characters 8",
        ),
        (
            {
                "task__problem_type": "regression",
                "task__labels": None,
                "evaluate__positive_label": None,
                "data__filter": {"labels": ["1"], "applies_to": ["train"]},
            },
            "data.filter.labels must be null here: only rows with exactly one label",
        ),
        ({"data__fold": {"k": 1, "index": 0}}, "data.fold.k: Input should be greater than or eq"),
        ({"data__fold": {"k": 3, "index": 3}}, "data.fold: index 3 is none of 0 to 2 (k is 3)"),
        ({"data__fold": {"k": 3, "indx": 1}}, "unknown key (did you mean 'index'?)"),
        ({"data__subset": {"train": 0}}, "data.subset.train: Input should be greater than"),
        ({"data__subset": {"train": 1.5}}, "data.subset.train: Input should be"),
        ({"data__rename": {"a": "c", "b": "c"}}, "rename gives two columns the same name"),
    ],
)
def test_values_that_the_schema_refuses(write_params, changes, message):
    """At their line of params.yaml."""
    with pytest.raises(InputError, match=re.escape(message)):
        write_params(**changes)


def test_images_have_no_characters(tmp_path):
    """So none can be asked for."""
    tree = Path("recipes/sample-image_classification.yaml").read_text()
    only = "  filter: {max_characters: 3, applies_to: [train]}\n  extra_columns: "
    (tmp_path / "params.yaml").write_text(tree.replace("  extra_columns: ", only))
    with pytest.raises(InputError, match="must be null for image_classification: an image has no"):
        params.load(tmp_path / "params.yaml")


# -- subset ------------------------------------------------------------------------------------


def test_subsets_lie_in_each_other(write_params, rows):
    """In the source's order, labels in proportion; test and validation are those of all rows."""
    cut = rows | {"data__split": CUT}
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


def test_the_seed_of_the_cut_draws_the_subset(write_params, rows):
    """Another seed, other rows; validation can be cut down too."""
    found = [
        texts(get(write_params, **SINGLE, **rows | {"data__split": NO_CUT | {"seed": seed}},
                  data__subset={"train": 10})[0])["train"]
        for seed in (1, 1, 2)
    ]  # fmt: skip
    assert found[0] == found[1] != found[2]
    found, _ = get(
        write_params, **SINGLE, **rows | {"data__split": CUT}, data__subset={"validation": 0.5}
    )
    assert [len(found[split]) for split in ("train", "validation", "test")] == [60, 10, 20]


def test_a_subset_is_taken_after_the_overlap_was_settled(write_params, rows):
    """A row that was dropped is not drawn."""
    lines = Path("train.csv").read_text().splitlines()
    Path("test.csv").write_text("\n".join([lines[0], *lines[51:]]) + "\n")
    changes = rows | {"data__files": {"train": "train.csv", "test": "test.csv"}}
    found, summary = get(
        write_params, **SINGLE, **changes, data__overlap="drop_from_train",
        data__subset={"train": 50},
    )  # fmt: skip
    assert summary["dropped_from_train"] == 50
    assert texts(found)["train"] == [line.split(",")[0] for line in lines[1:51]]


def test_subsets_that_cannot_be(write_params, rows):
    """More rows than there are, or a split that is not."""
    found, said = mistakes(write_params, **SINGLE, **rows, data__subset={"train": 101})
    assert said == "data.subset.train: 101, but train has 100 rows"
    assert any("params.yaml:" in one and said in one for one in found)
    found, said = mistakes(write_params, **SINGLE, **rows, data__subset={"tset": 1})
    assert "data.subset: no split 'tset'; there are train" in said


def test_every_label_is_in_a_subset_that_has_room_for_it():
    """300 labels by a power law: 300 rows hold each, and 3000 hold them in proportion."""
    sizes = np.maximum(1, (20_000 / np.arange(1, 301) ** 1.1).astype(int))
    strata = np.repeat(np.arange(300), sizes)
    order = splits.rank_rows(strata, 3)
    assert sorted(order.tolist()) == list(range(len(strata)))
    assert set(strata[order[:300]].tolist()) == set(range(300))
    shares = np.bincount(strata[order[:3000]], minlength=300) / 3000
    wanted = sizes / sizes.sum()
    assert np.abs(shares - np.maximum(wanted, 1 / 3000)).max() < 0.01


# -- folds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", [0.0, 0.2])
def test_each_row_is_validation_in_one_fold(write_params, rows, test):
    """Sizes and labels differ by one at most; test is the same in all, and that without folds."""
    split = {"validation": 0.1, "test": test, "seed": 1}
    plain = texts(get(write_params, **SINGLE, **rows | {"data__split": split})[0])
    seen = []
    for index in range(5):
        fold = {"k": 5, "index": index}
        found, summary = get(
            write_params, **SINGLE, **rows | {"data__split": split}, data__fold=fold
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


def test_a_fold_goes_with_a_subset_and_a_given_test(write_params, rows):
    """The subset is of the k - 1 other folds."""
    Path("test.csv").write_text("text,label\nz,a\n")
    changes = rows | {"data__files": {"train": "train.csv", "test": "test.csv"}}
    found, _ = get(write_params, **SINGLE, **changes, data__fold=FOLD, data__subset={"train": 0.5})
    assert {name: len(part) for name, part in found.items()} == {
        "train": 40,
        "validation": 20,
        "test": 1,
    }


def test_folds_that_cannot_be(write_params, rows):
    """A validation split is there already, or there are too few rows."""
    files = {"train": "train.csv", "validation": "train.csv"}
    found, said = mistakes(write_params, **SINGLE, **rows | {"data__files": files}, data__fold=FOLD)
    message = (
        "data.fold: validation is made from train, but the data has a validation split; remove it "
        "from data.files (or data.hub.splits), or set data.fold to null"
    )
    assert said == message
    assert any(re.match(rf"params\.yaml:\d+: {re.escape(message)}", one) for one in found)
    found, said = mistakes(write_params, **SINGLE, **rows, data__fold={"k": 101, "index": 0})
    assert said == "data.fold.k: 101 folds of 100 rows of train; take fewer"
    grouped = rows | {"data__split": NO_CUT | {"group": "author"}}
    found, said = mistakes(write_params, **SINGLE, **grouped, data__fold={"k": 21, "index": 0})
    assert said == "data.fold.k: 21 folds of 20 values of 'author'; take fewer"
    assert any(said in one for one in found)


# -- groups ------------------------------------------------------------------------------------


def test_a_group_is_in_one_split(write_params, rows):
    """The column need not be carried along; labels and shares are near what was asked."""
    split = {"validation": 0.2, "test": 0.2, "seed": 1, "group": "author"}
    found, _ = get(write_params, **SINGLE, **rows | {"data__split": split})
    authors = {name: {int(text[-2:]) // 5 for text in part["text"]} for name, part in found.items()}
    assert sorted(a for part in authors.values() for a in part) == list(range(20))
    assert {name: len(part) for name, part in found.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    assert "author" not in found["train"].features
    assert 3 <= counts(found, "validation")["b"] <= 9


def test_a_group_in_train_and_a_given_split_is_refused(write_params, rows):
    """Where that split has the column; else nothing can be said."""
    split = {"validation": 0.2, "test": 0.2, "seed": 1, "group": "author"}
    lines = Path("train.csv").read_text().splitlines(True)
    Path("test.csv").write_text("".join([lines[0], *lines[-12:]]))
    files = {"train": "train.csv", "test": "test.csv"}
    changes = rows | {"data__split": split, "data__files": files}
    found, said = mistakes(write_params, **SINGLE, **changes)
    assert said.startswith("data.split.group: 3 values of 'author' are in train and in test, which")
    assert any(said in one for one in found)
    Path("train.csv").write_text("".join(lines[:-15]))
    found, _ = get(write_params, **SINGLE, **changes)
    assert len(found["test"]) == 12
    bare = [",".join(line.split(",")[:2]).strip() + "\n" for line in (lines[0], *lines[-12:])]
    Path("test.csv").write_text("".join(bare))
    Path("train.csv").write_text("".join(lines))
    found, _ = get(write_params, **SINGLE, **changes)
    assert len(found["test"]) == 12


def test_a_group_is_in_one_fold(write_params, rows):
    """And test's groups are in none."""
    split = {"validation": 0.0, "test": 0.2, "seed": 1, "group": "author"}
    seen, tests = [], set()
    for index in range(4):
        fold = {"k": 4, "index": index}
        found, _ = get(write_params, **SINGLE, **rows | {"data__split": split}, data__fold=fold)
        authors = {
            name: {int(text[-2:]) // 5 for text in part["text"]} for name, part in found.items()
        }
        assert not authors["train"] & authors["validation"]
        seen += authors["validation"]
        tests |= authors["test"]
    assert sorted([*seen, *tests]) == list(range(20))


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_any_size_are_dealt_near_their_shares(seed):
    """Power-law groups: none is divided, shares are met, labels near theirs, by the seed."""
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
    """As many groups as folds: one each."""
    groups = np.repeat(np.arange(4), [50, 30, 5, 1])
    folds = splits.assign_folds(np.zeros(86, dtype=int), 4, 1, groups)
    assert len({int(folds[groups == group][0]) for group in range(4)}) == 4


def test_groups_that_cannot_be(write_params, rows):
    """No such column, or a row without a value."""
    changes = rows | {"data__split": CUT | {"group": "auther"}}
    found, said = mistakes(write_params, **SINGLE, **changes)
    assert "train has no column 'auther' (did you mean 'author'?)" in said
    assert any("data.split.group: no column 'auther' in train" in one for one in found)
    lines = Path("train.csv").read_text().splitlines()
    lines[7] = lines[7].rpartition(",")[0] + ","
    Path("train.csv").write_text("\n".join(lines) + "\n")
    changes = rows | {"data__split": CUT | {"group": "author"}}
    found, said = mistakes(write_params, **SINGLE, **changes)
    assert said.startswith("train row 7, column 'author': no value; data.split.group needs one")
    assert any(said in one for one in found)


def test_the_check_counts_what_the_stage_writes(write_params, rows):
    """Rows by split, after every option."""
    changes = SINGLE | rows | {"data__split": CUT | {"validation": 0.0}, "data__fold": FOLD}
    changes |= {"data__subset": {"train": 30}, "data__filter": {"min_characters": 3}}
    changes["data__filter"] |= {"applies_to": ["train", "validation", "test"]}
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text("stages: {}\n")
    found, facts = check.examine(parameters)
    assert found == []
    written, summary = get(write_params, **changes)
    for name, part in written.items():
        assert f"{name} {len(part)} rows" in facts["data"]
    dropped = summary["filtered"]
    assert sum(dropped.values()) == 2
    assert facts["filter"] == "drops " + ", ".join(f"{n} of {s}" for s, n in dropped.items())


def test_a_wrong_number_is_named_by_its_row_in_a_split_that_is_cut(write_params, rows):
    """The row of the file, not of the split."""
    task = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    text = "text,label\n" + "".join(f"row {i},{i}\n" for i in range(20)) + "last,many\n"
    with pytest.raises(InputError, match="train row 21, column 'label': 'many' is not a number"):
        get(write_params, **task, **one_file(text) | {"data__split": CUT})


def test_one_is_a_row_and_one_point_nought_is_all(write_params, rows):
    """A whole number counts, a fraction is a share; both as YAML writes them."""
    for text, count in (("1", 1), ("1.0", 100), ("0.005", 1), ("1e-1", 10)):
        write_params(**SINGLE, **rows, data__subset={"train": 7777})
        file = Path("params.yaml")
        file.write_text(file.read_text().replace("7777", text))
        facts = {"train": SplitStats(row_keys=bytearray(1600))}
        taken, _ = row_selection.draw_subsets(
            facts, {"train": ("train", np.arange(100))}, params.load().data
        )
        assert len(taken["train"][1]) == count, text


def test_the_commands_of_the_page_are_dvcs(write_params, rows):
    """Each `-S` of docs/data.md is an override that DVC takes and the schema knows."""
    from dvc.utils.hydra import apply_overrides, get_hydra_sweeps

    text, sizes = (ROOT / "docs/data.md").read_text(), []
    for line in re.findall(r"dvc exp run --queue (.*)", text):
        overrides = shlex.split(line.replace("-S ", ""))
        sweeps = get_hydra_sweeps({"params.yaml": overrides})
        sizes.append(len(sweeps))
        for sweep in sweeps:
            write_params(**SINGLE, **rows, data__fold=None, data__subset=None)
            apply_overrides("params.yaml", sweep["params.yaml"])
            data = params.load().data
            assert data.fold is not None or data.subset
    assert sizes == [5, 12]


def test_the_stage_says_what_the_options_did(write_params, rows, capsys):
    """One line each; none for what is off."""
    changes = {"data__filter": {"min_characters": 3, "applies_to": ["train"]}}
    changes |= {"data__fold": FOLD, "data__subset": {"train": 40}}
    _, summary = get(write_params, **SINGLE, **rows, **changes)
    download.print_options(summary)
    assert capsys.readouterr().out.splitlines() == [
        "filter: 2 rows of train left out",
        "subset: 40 of 78 rows of train",
        "fold 0 of 5 is validation",
        f"imbalance: the most frequent label comes {summary['imbalance']} x as often as the rarest",
    ]
    _, summary = get(write_params, **SINGLE, **rows)
    download.print_options(summary)
    assert capsys.readouterr().out.count("\n") == 1


def test_a_split_that_came_to_nothing_is_named(write_params, tmp_path, monkeypatch):
    """Two rows have no tenth."""
    monkeypatch.chdir(tmp_path)
    changes = one_file("text,label\none,a\ntwo,b\n") | {"data__split": CUT | {"validation": 0.0}}
    _, said = mistakes(write_params, **SINGLE, **changes, data__subset={"test": 1})
    assert said == "data.subset.test: test could not be cut from train"
    only = {"min_characters": 1, "applies_to": ["test"]}
    _, said = mistakes(write_params, **SINGLE, **changes, data__filter=only)
    assert said == "data.filter.applies_to: test could not be cut from train"
