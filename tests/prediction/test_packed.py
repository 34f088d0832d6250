"""A tokenizer that is read without transformers is that of transformers."""

import itertools
import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, PreTrainedTokenizerFast

from temper.prediction import packed
from tests.helpers.samples import ODD, load, rows_of
from tests.helpers.workspace import ROOT

TEXTS = [*ODD, "one two three four five six seven eight", "It's 12.5 %, isn't it?"]
WORDS = [text.split() or ["a"] for text in TEXTS]
RECIPES = {
    "sequence_classification": "sample-sequence_classification",
    "token_classification": "sample-token_classification",
    "question_answering": "sample-question_answering",
    "multiple_choice": "sample-multiple_choice",
    "embeddings": "sample-embeddings",
}


def byte_level() -> PreTrainedTokenizerFast:
    """Return a tokenizer like RoBERTa's: pairs of bytes, a space before words, <s> a </s></s> b."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    backend.train_from_iterator(TEXTS, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=9, truncation_side="left", padding_side="left",
        model_input_names=["input_ids", "attention_mask"], **names,
    )  # fmt: skip


def unigram() -> PreTrainedTokenizerFast:
    """Return a tokenizer like T5's, without a maximum; types of tokens are returned."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    backend.train_from_iterator(TEXTS, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def reopened(tokenizer, config, folder):
    """Return what `packed.read` makes of a model's tokenizer and config."""
    graphs = folder / "onnx"
    graphs.mkdir(parents=True)
    assert packed.read(folder) is None
    packed.write(graphs, config, tokenizer)
    parts = packed.read(folder)
    assert parts is not None
    return parts


@pytest.mark.parametrize("make", [byte_level, unigram])
def test_every_call_of_a_task_gives_the_same(make, tmp_path):
    """Truncated or in windows, texts or words, pairs or not: ids, offsets and words."""
    ours = make()
    _, theirs = reopened(ours, None, tmp_path)
    options = [
        {"truncation": False},
        {"truncation": True},
        {"truncation": True, "max_length": 6},
        {"add_special_tokens": False, "return_offsets_mapping": True},
    ]
    calls = [(texts, o) for texts in ((TEXTS,), (TEXTS, TEXTS[::-1])) for o in options]
    windows = {"max_length": 8, "stride": 1, "return_overflowing_tokens": True}
    calls.append(((TEXTS,), {"truncation": True, **windows}))
    calls.append(((WORDS,), {"truncation": True, "is_split_into_words": True, **windows}))
    second: dict = {"truncation": "only_second", "return_offsets_mapping": True, **windows}
    calls.append(((["a"] * len(TEXTS), TEXTS), second))
    num_windows = 0
    for (texts, given), again in itertools.product(calls, (1, 2)):
        expected = ours(*texts, padding=False, verbose=False, **given)
        found = theirs(*texts, padding=False, verbose=False, **given)
        for name in expected.keys() - {"attention_mask"}:
            assert found[name] == expected[name], (given, again)
        assert ("token_type_ids" in found) == (make is unigram)
        num_windows = len(found["input_ids"])
        for i in range(num_windows):
            assert found.word_ids(i) == expected.word_ids(i)
            assert found.sequence_ids(i) == expected.sequence_ids(i)
    assert num_windows > len(TEXTS)
    for pair in (False, True):
        assert theirs.num_special_tokens_to_add(pair) == ours.num_special_tokens_to_add(pair)
    for name in ("pad_token_id", "padding_side", "model_max_length", "is_fast"):
        assert getattr(theirs, name) == getattr(ours, name)


@pytest.mark.parametrize("task_name", RECIPES)
def test_a_task_encodes_the_same(task_name, tmp_path):
    """The rows of its sample, as `temper predict` encodes them."""
    recipe = f"recipes/{RECIPES[task_name]}.yaml"
    length = 64 if task_name == "question_answering" else 24
    task, processor, config = load(recipe, tokenize__max_length=length)
    _, theirs = reopened(processor, config, tmp_path)
    rows = rows_of(ROOT / task.settings.data.files["test"], 20)
    inputs = {name: [row[name] for row in rows] for name in task.params.inputs}
    if task_name == "token_classification":
        (name,) = inputs
        inputs[name] = [[*words, *WORDS[i % len(WORDS)]] for i, words in enumerate(inputs[name])]
    expected = task.encode(dict(inputs), processor, mode="predict")
    assert task.encode(dict(inputs), theirs, mode="predict") == expected
    assert max(expected["length"]) <= length


def test_label_names_and_transitions_survive(tmp_path):
    """JSON makes texts of the labels' numbers."""
    config = AutoConfig.from_pretrained(ROOT / "data/sample/model")
    config.id2label = {i: f"l{i}" for i in range(12)}
    config.transitions = [[0.1, 1e-9], [-3.0, 2.0]]
    found, _ = reopened(unigram(), config, tmp_path)
    assert found.id2label == config.id2label
    assert (found.transitions, found.sentence_pooling) == (config.transitions, None)


def test_the_files_are_the_same_every_time(tmp_path):
    config = AutoConfig.from_pretrained(ROOT / "data/sample/model")
    tokenizer, written = unigram(), []
    for name in ("a", "b"):
        reopened(tokenizer, config, tmp_path / name)
        tokenizer(TEXTS, truncation=True, max_length=5)  # leaves a truncation in the backend
        folder = tmp_path / name / "onnx"
        written.append((folder / packed.FACTS).read_bytes())
        assert json.loads((folder / packed.TOKENIZER).read_text())["truncation"] is None
    assert written[0] == written[1]


def test_an_edited_export_is_read_by_transformers(tmp_path):
    """Its labels or its tokenizer may be others than when the files were written."""
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text("{}")
    reopened(unigram(), None, tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()  # as in a container
    assert packed.read(tmp_path) is not None
    (tmp_path / "config.json").write_text('{"id2label": {"0": "another"}}')
    assert packed.read(tmp_path) is None
