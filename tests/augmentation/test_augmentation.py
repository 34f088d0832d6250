"""Augmented rows follow the originals, each from its own row and seed alone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import tokenize
from temper import augmentation, params
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.params import rules
from tests.helpers import stage_runs
from tests.helpers.augmentation import HALF, augment, columns, made_of, tokenized
from tests.helpers.evaluation import untrained
from tests.helpers.workspace import ROOT, TOKENIZED


def test_augmented_rows_follow_the_originals_and_change_one_text():
    """An augmented row keeps everything but one text, and a mark tells it from an original."""
    found, one = made_of(columns(50), swap=1, delete=1)
    assert [row["augmented"] for row in found] == [False] * 50 + [True] * 100
    assert found[:50] == [row | {"augmented": False} for row in columns(50)]
    for row in found[50:]:
        origin = columns(50)[row["id"]]
        assert (row["a"] == origin["a"]) != (row["b"] == origin["b"])
    assert {row["a"] == f"row {row['id']} has some words" for row in found[50:]} == {True, False}
    assert one.report() == {m: {"wanted": 50, "made": 50} for m in ("swap", "delete")}


def test_augmented_row_does_not_depend_on_other_rows():
    """Fewer rows or a second method give the same augmented rows."""
    few, _ = made_of(columns(30), swap=0.5)
    many, _ = made_of(columns(1500), delete=1, swap=0.5)
    kept = [row for row in many[3000:] if row["id"] < 30]
    assert few[30:] == kept
    assert 5 < len(kept) < 25


def test_rate_is_the_share_of_augmented_rows():
    """A rate of 0.5 augments half of the rows, 2.3 gives each two and some a third."""
    for rate in (0.5, 2.5):
        _, one = made_of(columns(1000), delete=rate)
        assert one.report()["delete"]["wanted"] == pytest.approx(1000 * rate, abs=50)


def test_drops_augmented_rows_that_equal_their_original():
    """One word cannot be swapped, two have one other order, an empty text gives nothing."""
    rows = [{"a": "alone", "b": ""}] * 20 + [{"a": "two words", "b": "two words"}] * 20
    found, one = made_of([{"id": i} | row for i, row in enumerate(rows)], swap=5)
    assert one.report()["swap"]["wanted"] == 200
    made = [(row["id"], row["a"]) for row in found[40:]]
    assert len(made) == len(set(made)) == one.report()["swap"]["made"]
    assert {row["id"] for row in found[40:]} == set(range(20, 40))


def test_without_augmentation_every_byte_stays(prepare):
    """Absent and null give the same bytes; with it only train gets longer."""
    tokenized(prepare)
    plain = artifacts.sha256_tree(Path("data/tokenized"))
    assert "augmented" not in arrow.load(Path("data/tokenized"))["train"].features
    shutil.copytree("data/tokenized", "plain")
    tokenized(prepare, tokenize__augment=None)
    assert artifacts.sha256_tree(Path("data/tokenized")) == plain
    data, report = tokenized(prepare, tokenize__augment=augment(swap=HALF))
    for name, digest in artifacts.sha256_tree(Path("data/tokenized")).items():
        assert (digest == plain[name]) == name.startswith(("validation", "test", "dataset_dict"))
    before = arrow.load(Path("plain"))["train"]
    rows = list(before)
    assert [{k: row[k] for k in before.features} for row in data["train"]][: len(rows)] == rows
    made = report["augmented"]["swap"]["made"]
    assert 0 < made == sum(data["train"]["augmented"]) == len(data["train"]) - len(rows)
    assert report["train"]["rows"] == len(data["train"])


def test_two_runs_give_the_same_bytes_and_another_seed_does_not(prepare, capsys):
    """Equal seeds give equal bytes, and the console counts the augmented rows."""
    both = {"swap": HALF, "characters": {"rate": 1.5, "share": 0.1}, "delete": HALF}
    digests = []
    for seed in (5, 5, 6):
        _, report = tokenized(prepare, tokenize__augment=augment(**both) | {"seed": seed})
        digests.append(artifacts.sha256_tree(Path("data/tokenized")))
        counts = report["augmented"]["characters"]
        line = f"augmentation by characters: added {counts['made']} of {counts['wanted']} rows"
        assert line in capsys.readouterr().out
    assert digests[0] == digests[1] != digests[2]


def test_synonyms_come_from_the_list(prepare):
    """Augmented texts hold a synonym of the list and keep their labels."""
    Path("words.tsv").write_text("the\tthy\na\tone\n")
    data, report = tokenized(
        prepare,
        tokenize__synonym_files={"mine": "words.tsv"},
        tokenize__augment=augment(synonyms={"rate": 1.0, "share": 0.1, "file": "mine"}),
    )
    assert Path("data/files/tokenize/mine.json").exists()
    assert report["augmented"]["synonyms"]["made"] > 10
    raw = arrow.load(Path("data/raw"))["train"]
    found, one = list(data["train"])[len(raw) :], params.load()
    made_by = augmentation.build_augmentation(
        one.tokenize, ("sentence1", "sentence2"), Path("none")
    )
    assert made_by is not None
    batches = list(augmentation.batches(raw, made_by))[1:]
    rows = [row for b in batches for row in zip(*b.values(), strict=True)]
    labels = list(batches[0]).index("label")
    assert [row[labels] for row in rows] == [row["labels"] for row in found]
    assert all({"thy", "one", "Thy", "One"} & set(" ".join(map(str, row)).split()) for row in rows)


def test_windows_of_augmented_rows_have_new_example_ids(prepare):
    """`example_id` continues after the originals, and each window carries the mark."""
    long = {
        "tokenize__overflow": "window",
        "tokenize__stride": 4,
        "tokenize__window_pooling": "mean",
    }
    data, _ = tokenized(
        prepare, **long, tokenize__max_length=32, tokenize__augment=augment(swap=HALF)
    )
    train, rows = data["train"], len(arrow.load(Path("data/raw"))["train"])
    ids, marks = np.array(train["example_id"]), np.array(train["augmented"])
    assert (np.diff(ids) >= 0).all()
    np.testing.assert_array_equal(ids >= rows, marks)
    assert len(ids) > ids.max() + 1


def test_removes_stale_hashes_of_word_lists(prepare):
    """A hash of a word list that params.yaml no longer names would change the folder's hash."""
    prepare()
    Path("data/files/tokenize").mkdir()
    Path("data/files/tokenize/old.json").write_text("{}")
    tokenize.main(*(Path("data") / name for name in TOKENIZED))
    assert not Path("data/files/tokenize/old.json").exists()


@pytest.mark.parametrize("task", sorted(set(params.TASKS) - set(rules.AUGMENTED)))
def test_refuses_tasks_whose_labels_belong_to_words(task):
    """Text augmentation is refused for word labels and for images, which have their own."""
    tree = yaml.safe_load((ROOT / f"recipes/sample-{task}.yaml").read_text())
    tree["tokenize"] |= {"augment": augment(swap=HALF), "synonym_files": {"mine": "words.tsv"}}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError) as caught:
        params.load()
    text = str(caught.value)
    assert (
        f"tokenize.augment: has no effect here with {task} (only with sequence_classification and "
        "seq2seq_lm; images: train.augmentation); remove it"
    ) in text
    assert f"tokenize.synonym_files: has no effect here with {task}; remove it" in text


def test_augments_only_the_source_of_a_generation_task(tmp_path):
    """The target text stays."""
    from tests.helpers.samples import prepare_sample as prepare

    changes = {"tokenize.augment": augment(delete={"rate": 1.0, "share": 0.3})}
    prepare(tmp_path, "recipes/sample-seq2seq_lm.yaml", changes)
    data, rows = arrow.load(Path("data/tokenized"))["train"], 200
    assert len(data) > 1.9 * rows
    labels = [tuple(ids) for ids in data["labels"]]
    assert set(labels[rows:]) <= set(labels[:rows])
    sources = [tuple(ids) for ids in data["input_ids"]]
    assert not set(sources[rows:]) & set(sources[:rows])


def test_augmented_rows_are_not_scored(prepare, monkeypatch):
    """The train scores, the gap and the thresholds come from the original rows alone."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    scores = []
    for one in (None, augment(delete={"rate": 2.0, "share": 0.3})):
        untrained(prepare(tokenize__augment=one, evaluate__bootstrap_samples=20))
        stage_runs.evaluate()
        scores.append(artifacts.read_json(Path("data/evaluation/metrics.json")))
    assert scores[0] == scores[1]
    assert "train_accuracy" in scores[0]["gap"]


def test_collators_ignore_the_mark(prepare):
    """A batch of augmented rows has the columns of any other."""
    parameters = prepare(tokenize__augment=augment(swap=HALF))
    from temper.tasks.base import registry
    from tests.helpers.samples import Config

    task = registry.load(parameters)
    collate = task.collator(registry.load_processor(Path("data/base/processor"), task), Config())
    rows = arrow.load(Path("data/tokenized"))["train"]
    assert set(collate([rows[0], rows[len(rows) - 1]])) == {
        "input_ids",
        "token_type_ids",
        "attention_mask",
        "labels",
    }


def test_original_rows_are_found_below_the_appended_ones():
    """Thresholds that are tuned on train need the features of its original rows."""
    from datasets import Dataset

    marked = Dataset.from_dict({"length": [1, 2, 3], "augmented": [False, False, True]})
    assert arrow.drop_augmented(marked)["length"] == [1, 2]
    plain = Dataset.from_dict({"length": [1]})
    assert arrow.drop_augmented(plain) is plain


def test_swaps_the_texts_of_a_pair(write_params):
    """Half of the rows are swapped, equal texts give no row, and single texts are refused."""
    from datasets import Dataset

    parameters = write_params(tokenize__augment=augment(exchange={"rate": 1.0}))
    rows = {"sentence1": ["a b", "same"], "sentence2": ["c", "same"], "label": [1, 0]}
    made_by = augmentation.build_augmentation(
        parameters.tokenize, ["sentence1", "sentence2"], Path()
    )
    assert made_by is not None
    (made,) = list(augmentation.batches(Dataset.from_dict(rows), made_by))[1:]
    assert made == {"sentence1": ["c"], "sentence2": ["a b"], "label": [1], "augmented": [True]}
    assert made_by.report() == {"exchange": {"wanted": 2, "made": 1}}
    with pytest.raises(InputError, match=r"tokenize\.augment: exchange is for pairs"):
        write_params(task__text=["sentence1"], tokenize__augment=augment(exchange={"rate": 1.0}))
