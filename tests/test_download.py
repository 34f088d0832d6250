"""Local files and model folders → data/raw and data/base, or one clear error."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from stages import download
from temper.core import arrow
from temper.core.errors import InputError
from temper.ingest import labels, readers, splits
from temper.models import loading
from temper.params.data import SplitParams

SINGLE = {"task__text": ["text"], "task__labels": None, "evaluate__positive_label": "b"}


def get(write_params, **changes):
    """Download a data set of local files; return its splits and summary."""
    parameters = write_params(**changes)
    target = Path("data/raw")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for split in parameters.data.files:
        manifest = Path(f"data/files/dataset/{split}.json")
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("{}")
    summary = download.download_dataset(parameters, Path("data/files/dataset"), target)
    return arrow.load(target), summary


def one_file(text, name="train.csv"):
    Path(name).write_text(text, encoding="utf-8")
    return {
        "data__files": {"train": name},
        "data__split": {"validation": 0.0, "test": 0.0, "seed": 1},
    }


def test_csv_is_text_first(write_params, tmp_path, monkeypatch):
    """NA, None, null, 1 and an empty text stay what they are."""
    monkeypatch.chdir(tmp_path)
    rows = one_file('text,label\nNA,a\nNone,b\nnull,a\n1,b\n"",a\n"a, ""b"" 中文",b\n')
    found, summary = get(write_params, **SINGLE, **rows)
    assert found["train"]["text"] == ["NA", "None", "null", "1", "", 'a, "b" 中文']
    assert summary["empty_texts"] == 1
    assert found["train"].features["label"].names == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\na,b\nc\n", r"train.csv:3: 1 fields, but the header has 2"),
        ("text,label\nx,a\n,\ny,b\n", "row 2, column 'label': no label"),
        ("txet,label\na,b\nc,d\n", r"did you mean 'txet'"),
        ("text,label\n", "train has no rows"),
        ("text,label\na,x\nb,x\n", "two are needed"),
    ],
)
def test_broken_files_are_named(write_params, tmp_path, monkeypatch, text, message):
    """The error has the file, the line or row, what was found and what is allowed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        get(write_params, **SINGLE, **one_file(text))


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path):
    """Latin-1 files are common."""
    (tmp_path / "x.csv").write_bytes("text,label\ngood,a\ncaf\xe9,b\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"x.csv:\d: not UTF-8"):
        list(readers.read(tmp_path / "x.csv"))


def test_all_formats_give_the_same_rows(tmp_path):
    """CSV, TSV, JSON, JSONL, Parquet and Arrow are one table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"text": ["a", "中"], "label": ["x", "y"]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    (tmp_path / "f.csv").write_text("text,label\na,x\n中,y\n")
    (tmp_path / "f.tsv").write_text("text\tlabel\na\tx\n中\ty\n")
    (tmp_path / "f.json").write_text(json.dumps(rows))
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "f.parquet")
    with (
        pa.OSFile(str(tmp_path / "f.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    for suffix in (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow"):
        batches = list(readers.read(tmp_path / f"f{suffix}"))
        assert [batch for batch in batches if batch["text"]] == [columns], suffix


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_files_of_any_length_are_read_whole(tmp_path, count, suffix):
    """Also where the last batch of rows is full; no batch lacks the columns."""
    file = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        file.write_text("a\n" + "".join(f"{i}\n" for i in range(count)))
    else:
        file.write_text("".join(f'{{"a": {i}}}\n' for i in range(count)))
    batches = list(readers.read(file))
    assert all(batch.keys() == {"a"} for batch in batches)
    assert [int(value) for batch in batches for value in batch["a"]] == list(range(count))


def test_a_folder_is_read_by_glob(tmp_path):
    """{split} in the pattern is the split's name."""
    for name in ("train-1.csv", "train-0.csv", "test-0.csv"):
        (tmp_path / name).write_text("text,label\n")
    found = readers.find_files(str(tmp_path), "train", "{split}-*.csv")
    assert [path.name for path in found] == ["train-0.csv", "train-1.csv"]
    with pytest.raises(InputError, match=r"matches data\.glob"):
        readers.find_files(str(tmp_path), "train", "*.parquet")


def test_numbers_as_labels_come_in_numeric_order():
    """ "2" before "10"; given names fix the order."""
    assert labels.order_names(["10", "2", "1"], None) == ["1", "2", "10"]
    assert labels.order_names(["b", "a"], ["b", "a"]) == ["b", "a"]


def test_integers_are_positions_in_given_names(write_params, tmp_path, monkeypatch):
    """0 and 1 with labels [no, yes] are ids, as in a Hub data set."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__labels": ["no", "yes"], "evaluate__positive_label": "yes"}
    found, summary = get(write_params, **changes, **one_file("text,label\na,0\nb,1\nc,1\n"))
    assert found["train"]["label"] == [0, 1, 1]
    assert summary["splits"]["train"]["label_counts"] == {"no": 1, "yes": 2}


def test_an_unknown_label_is_named_with_the_nearest(write_params, tmp_path, monkeypatch):
    """A typing mistake in task.labels shows itself."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__labels": ["good", "bad"], "evaluate__positive_label": "bad"}
    with pytest.raises(InputError, match=r"'goood', which task.labels lacks \(did you mean 'good'"):
        get(write_params, **changes, **one_file("text,label\na,goood\nb,bad\n"))


def test_multi_label_strings_and_lists_are_one(write_params, tmp_path, monkeypatch):
    """A delimited string and a JSON list give the same ids; none is an empty list."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {
        "task__problem_type": "multi_label_classification",
        "evaluate__positive_label": None,
        "task__label_separator": "|",
    }
    strings, _ = get(write_params, **changes, **one_file("text,label\na,joy|fear\nb,joy\n"))
    lists = [{"text": "a", "label": ["joy", "fear"]}, {"text": "b", "label": ["joy"]}]
    text = "".join(json.dumps(row) + "\n" for row in lists)
    other, _ = get(write_params, **changes, **one_file(text, "train.jsonl"))
    assert strings["train"]["label"] == other["train"]["label"] == [[0, 1], [1]]


def test_regression_labels_are_numbers(write_params, tmp_path, monkeypatch):
    """-1 is a number there; a word is an error with its row."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    found, _ = get(write_params, **changes, **one_file("text,label\na,-1\nb,2.5\n"))
    assert found["train"]["label"] == [-1.0, 2.5]
    with pytest.raises(InputError, match="train row 2, column 'label': 'many' is not a number"):
        get(write_params, **changes, **one_file("text,label\na,1\nb,many\n"))


def test_a_split_without_labels_is_kept_and_marked(write_params, tmp_path, monkeypatch):
    """All -1 or empty: predicted later, never scored."""
    monkeypatch.chdir(tmp_path)
    one_file("text,label\na,a\nb,b\nc,a\nd,b\n")
    Path("test.csv").write_text("text,label\ne,-1\nf,-1\n")
    changes = {"data__files": {"train": "train.csv", "test": "test.csv", "validation": "train.csv"}}
    found, summary = get(write_params, **SINGLE, **changes)
    assert found["test"]["label"] == [-1, -1]
    assert summary["splits"]["test"]["labelled"] is False


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


@pytest.mark.parametrize("rule", ["report", "drop_from_train", "error"])
def test_rows_in_two_splits(write_params, tmp_path, monkeypatch, rule):
    """Counted always; dropped from train or refused by parameter."""
    monkeypatch.chdir(tmp_path)
    one_file("text,label\na,a\nb,b\nc,a\nd,b\n")
    Path("test.csv").write_text("text,label\na,a\nz,b\n")
    changes = {
        "data__files": {"train": "train.csv", "test": "test.csv"},
        "data__overlap": rule,
        "data__split": {"validation": 0.0, "test": 0.0, "seed": 1},
    }
    if rule == "error":
        with pytest.raises(InputError, match="1 rows of train in test"):
            get(write_params, **SINGLE, **changes)
        return
    found, summary = get(write_params, **SINGLE, **changes)
    assert summary["overlap"]["train in test"] == 1
    assert found["train"]["text"] == (["a", "b", "c", "d"] if rule == "report" else ["b", "c", "d"])


def test_rows_have_the_same_bytes_wherever_and_whenever(tmp_path):
    """Batches of other sizes, another folder and time: the same Arrow file and fingerprint."""
    from datasets import Features, Value

    features = Features({"text": Value("string"), "n": Value("int64")})
    rows = {"text": [f"row {i}" for i in range(2500)], "n": list(range(2500))}
    for name, size in (("one", 7), ("other", 1999)):
        batches = ({k: v[i : i + size] for k, v in rows.items()} for i in range(0, 2500, size))
        assert arrow.write_split(tmp_path / name, "train", features, batches) == 2500
        arrow.write_index(tmp_path / name, ["train"])
    for file in (arrow.SHARD, "state.json", "dataset_info.json"):
        assert (tmp_path / "one/train" / file).read_bytes() == (
            tmp_path / "other/train" / file
        ).read_bytes()
    assert arrow.load(tmp_path / "one")["train"].to_dict() == rows


# -- the base model ----------------------------------------------------------------------------


def small_model(folder, **config):
    """Write a checkpoint of a tiny BERT with the sample's tokenizer."""
    from transformers import AutoConfig, BertForSequenceClassification

    shutil.copytree("data/sample/model", folder)
    loaded = AutoConfig.from_pretrained(folder, **config)
    BertForSequenceClassification(loaded).save_pretrained(folder)


def fetch(write_params, **changes):
    parameters = write_params(model__name="m", model__files={"m": "m"}, **changes)
    shutil.rmtree("data/base", ignore_errors=True)
    Path("data/base").mkdir(parents=True)
    return download.download_model(parameters, Path("data/base"))


@pytest.fixture
def checkpoint(write_params):
    write_params()
    small_model(Path("m"))


def test_a_checkpoint_is_copied_as_it_is(checkpoint, write_params):
    """The weights' bytes are the folder's, the config has the overrides, the head is known."""
    summary = fetch(
        write_params, model__from_scratch=False, model__config={"hidden_dropout_prob": 0.3}
    )
    assert (
        Path("m/model.safetensors").read_bytes()
        == Path("data/base/weights/model.safetensors").read_bytes()
    )
    assert (
        json.loads(Path("data/base/weights/config.json").read_text())["hidden_dropout_prob"] == 0.3
    )
    assert summary["tensors"] == {"new": [], "unused": []}


def test_new_and_unused_tensors_are_listed(checkpoint, write_params):
    """A backbone without a head, with something more."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file("m/model.safetensors")
    tensors.pop("classifier.weight")
    save_file(tensors | {"bert.extra": np.zeros(2, np.float32)}, "m/model.safetensors")
    found = fetch(write_params, model__from_scratch=False)["tensors"]
    assert found == {"new": ["classifier.weight"], "unused": ["bert.extra"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__config": {"hidden_droput_prob": 0.1}}, "did you mean 'hidden_dropout_prob'"),
        ({"model__config": {"hidden_size": "big"}}, "expected int such as 128"),
        ({"model__config": {"intermediate_size": 64}}, r"\(256, 128\) in the checkpoint and \(64,"),
        ({"model__config": {"vocab_size": 100}}, r"1606 tokens, the model embeds 100"),
    ],
)
def test_configs_that_do_not_fit(checkpoint, write_params, changes, message):
    """The nearest name, or the two numbers."""
    with pytest.raises(InputError, match=message):
        fetch(write_params, model__from_scratch=False, **changes)


def test_a_head_for_pairs_needs_a_tokenizer_that_tells_them_apart(checkpoint, write_params):
    """RoBERTa's and DistilBERT's kinds give no token types."""
    settings = json.loads(Path("m/tokenizer_config.json").read_text())
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    Path("m/tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"pair needs to know .* gives no token_type_ids"):
        fetch(write_params, model__head={"kind": "linear", "pooling": "pair", "dropout": 0.1})


def test_a_missing_backbone_tensor_is_an_error(checkpoint, write_params):
    """Never a silent load of random weights."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file("m/model.safetensors")
    tensors.pop("bert.encoder.layer.0.output.dense.weight")
    save_file(tensors, "m/model.safetensors")
    with pytest.raises(InputError, match=r"lacks bert\.encoder\.layer\.0\.output\.dense\.weight"):
        fetch(write_params, model__from_scratch=False)


def test_pickles_and_foreign_code_are_refused(checkpoint, write_params):
    """Nothing that runs code when loaded."""
    Path("m/model.safetensors").rename("m/pytorch_model.bin")
    with pytest.raises(InputError, match=r"only pytorch_model\.bin, which can run code"):
        fetch(write_params, model__from_scratch=False)
    config = json.loads(Path("m/config.json").read_text()) | {"auto_map": {"AutoConfig": "x.X"}}
    Path("m/config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="trust_remote_code: true"):
        fetch(write_params)


def test_is_head_knows_the_backbone():
    """A pooler may be new, a layer may not."""
    assert loading.is_head_tensor("bert.pooler.dense.weight", "bert.")
    assert loading.is_head_tensor("classifier.bias", "bert.")
    assert not loading.is_head_tensor("bert.encoder.layer.0.output.dense.weight", "bert.")
