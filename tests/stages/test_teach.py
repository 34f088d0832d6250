"""A teacher scores each training row once: in order, with its own words and the data's labels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.training import distillation
from tests.helpers.augmentation import augment
from tests.helpers.checks import examine
from tests.helpers.teachers import TAUGHT, ask, write_teacher
from tests.helpers.workspace import ROOT

LABELS = ("not_equivalent", "equivalent")


def scored(name="big"):
    return arrow.load(Path("data/teacher_logits") / name)["train"]["logits"][:]


def logits_of(model, **inputs):
    with torch.no_grad():
        return model(**inputs).logits[0].numpy()


def test_rows_and_labels_are_in_the_datas_order(taught):
    """The logits are those of transformers, with the columns swapped; again, the same bytes."""
    from transformers import AutoTokenizer

    parameters = taught({"labels": LABELS[::-1]})
    model = write_teacher(Path("again"), LABELS[::-1])
    tokenizer, raw = AutoTokenizer.from_pretrained("big"), arrow.load(Path("data/raw"))["train"]
    pairs = [tokenizer(r["sentence1"], r["sentence2"], return_tensors="pt") for r in raw]
    expected = np.array([logits_of(model, **pair)[::-1] for pair in pairs])
    np.testing.assert_allclose(scored(), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 0.5
    before = artifacts.sha256_tree(Path("data/teacher_logits"))
    ask(parameters)
    assert artifacts.sha256_tree(Path("data/teacher_logits")) == before
    digest = artifacts.sha256_file(Path("big/model.safetensors"))
    summary = artifacts.read_json(Path("data/teacher_logits/big/summary.json"))
    assert summary == {
        "name": "big",
        "labels": list(LABELS),
        "sha256": {"model.safetensors": digest},
    }


def test_augmented_rows_are_scored_as_they_are_trained(taught):
    """One logit per row of data/tokenized, of that row's own text."""
    exchange = augment(exchange={"rate": 0.5}, delete={"rate": 1.0, "share": 0.3})
    taught(tokenize__augment=exchange)
    model = write_teacher(Path("again"))
    rows = arrow.load(Path("data/tokenized"))["train"]
    assert sum(rows["augmented"]) > 100
    names = ("input_ids", "token_type_ids")
    expected = [logits_of(model, **{n: torch.tensor([row[n]]) for n in names}) for row in rows]
    np.testing.assert_allclose(scored(), expected, atol=1e-4)


def test_a_teacher_has_a_tokenizer_of_its_own(taught, write_params):
    """It encodes the raw texts itself; the student's ids mean nothing to it."""
    from transformers import AutoConfig, AutoTokenizer, GPT2ForSequenceClassification

    write_params()
    shutil.copytree(ROOT / "data/sample/causal_lm/model", "big")
    config = AutoConfig.from_pretrained("big", n_layer=1, n_embd=16, n_head=2)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {name: i for i, name in enumerate(LABELS)}
    tokenizer = AutoTokenizer.from_pretrained("big")
    assert config.pad_token_id is None  # so transformers takes no batch of several rows
    torch.manual_seed(0)
    model = GPT2ForSequenceClassification(config).eval()
    model.save_pretrained("big")
    taught()
    raw = arrow.load(Path("data/raw"))["train"]
    pairs = [tokenizer(r["sentence1"], r["sentence2"], return_tensors="pt") for r in raw]
    expected = [logits_of(model, input_ids=pair["input_ids"]) for pair in pairs]
    np.testing.assert_allclose(scored(), expected, atol=1e-4)
    student_ids = arrow.load(Path("data/tokenized"))["train"][0]["input_ids"]
    assert pairs[0]["input_ids"][0].tolist() != student_ids


def test_a_teacher_that_reads_padding_is_refused_with_dynamic_padding(taught, write_params):
    """FNet takes no mask: what it says of a row would depend on the rows beside it."""
    from transformers import AutoConfig, FNetConfig, FNetForSequenceClassification

    write_params()
    shutil.copytree("data/sample/model", "big")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vocab_size = AutoConfig.from_pretrained("big").vocab_size
    config = FNetConfig(vocab_size=vocab_size, initializer_range=0.5, **sizes)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {name: i for i, name in enumerate(LABELS)}
    torch.manual_seed(0)
    FNetForSequenceClassification(config).save_pretrained("big")
    with pytest.raises(InputError, match=r"train\.teachers\.big reads padding as it reads text"):
        taught()
    taught(tokenize__padding="max_length")
    assert len(scored()) == 96


WORDS = [f"anna opened {n} boxes in oslo before summer".split() for n in range(8)]


@pytest.mark.parametrize("long", ["truncate", "window"])
def test_words_get_the_logits_of_their_first_tokens(taught, write_params, long):
    """The batch has a teacher's logits where the labels are, whatever the windows.

    The folder, an output of teach, is read and not written.
    """
    from transformers import AutoTokenizer

    write_params()
    names = ("B-PER", "O")
    for split in ("train", "validation", "test"):
        rows = [{"words": w, "tags": ["B-PER", *["O"] * (len(w) - 1)]} for w in WORDS]
        Path(f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stride = {"tokenize__stride": 2} if long == "window" else {}
    parameters = taught(
        {"labels": names, "auto_class": "Token"},
        task={"name": "token_classification", "words": "words", "tags": "tags", "scheme": "IOB2"},
        data__files={s: f"{s}.jsonl" for s in ("train", "validation", "test")},
        evaluate__positive_label=None,
        evaluate__slices=[],
        train__metric_for_best_model="loss",
        tokenize__max_length=8 if long == "window" else 64,
        tokenize__overflow=long,
        **stride,
    )
    before = artifacts.sha256_tree(Path("data/teacher_logits"))
    data = distillation.with_logits(
        arrow.load(Path("data/tokenized")), Path("data/teacher_logits"), parameters
    )["train"]
    assert artifacts.sha256_tree(Path("data/teacher_logits")) == before
    from temper.tasks.base import registry

    task = registry.load(parameters, data.features)
    processor = registry.load_processor(Path("data/base/processor"), task)
    collate = distillation.collator(parameters, task.collator(processor, None), 2)
    batch = collate([data[i] for i in range(len(data))])
    found = batch["teacher_logits"][:, 0].swapaxes(1, 2)[batch["labels"] != -100]
    if long == "window":
        assert len(data) > len(WORDS)
        assert np.isfinite(found).all()
        return
    model, expected = write_teacher(Path("again"), names, "Token"), []
    tokenizer = AutoTokenizer.from_pretrained("big")
    for words in WORDS:
        encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
        logits, ids = logits_of(model, **encoded), encoded.word_ids(0)
        expected += [logits[ids.index(i)] for i in range(len(words))]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"labels": ("no", "yes")}, "big has the labels no, yes; the data's are not_equivalent, e"),
        ({"problem_type": "regression"}, "big was trained for regression, and task.problem_type"),
        ({"auto_class": "Token"}, None),
        (
            {"max_position_embeddings": 20},
            "big as a teacher: tokenize.max_length is 64, but the model has",
        ),
    ],
)
def test_a_teacher_of_something_else_is_refused(taught, write_params, teacher, message):
    """`temper check` says so in a line, and so do the stages."""
    write_params()
    if message is None:  # a backbone whose head would be new
        message = "big was not trained for sequence_classification: it lacks classifier.bias, clas"
        write_teacher(Path("big")).bert.save_pretrained("big")
    with pytest.raises(InputError, match=message[:40]):
        taught(teacher)
    mistakes, _ = examine(write_params, **TAUGHT)
    assert len(mistakes) == 1
    assert f"train.teachers.big: {message}" in mistakes[0]


def test_images_are_scored_in_order(write_params, prepare):
    """Each has the logits of transformers, for the pixels of its own processor."""
    from transformers import AutoConfig, AutoModelForImageClassification

    write_params()
    folder = "data/sample/image_classification"
    config = AutoConfig.from_pretrained(ROOT / folder / "model")
    shutil.copytree(ROOT / folder / "model", "big")
    names = sorted({*arrow_labels(ROOT / folder / "train.parquet")})
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}
    torch.manual_seed(0)
    model = AutoModelForImageClassification.from_config(config).eval()
    model.save_pretrained("big")
    parameters = prepare(
        task={"name": "image_classification", "image": "image", "label": "label"},
        data__files={"train": str(ROOT / folder / "train.parquet")},
        data__subset={"train": 40},
        model__name="big",
        model__files={"big": "big"},
        tokenize={"synonym_files": {}, "translators": {}},
        evaluate__positive_label=None,
        evaluate__slices=[],
        train__bucket_window=None,
        train__metric_for_best_model="loss",
        train__teachers={"big": {"name": "big"}},
        train__distillation={"weight": 0.5},
    )
    ask(parameters)
    rows = arrow.load(Path("data/tokenized"))["train"]
    from temper.tasks.base import registry

    task = registry.load(parameters, rows.features)
    processor = registry.load_processor(Path("big"), task)
    pixels = [task.collate([row], processor, config)["pixel_values"] for row in rows]
    expected = [logits_of(model, pixel_values=torch.from_numpy(values)) for values in pixels]
    np.testing.assert_allclose(scored(), expected, atol=1e-4)


def arrow_labels(file):
    import pyarrow.parquet

    return map(str, pyarrow.parquet.read_table(file)["label"].to_pylist())
