"""Multilingual models learn and write the languages that `task` names, as transformers encodes."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from transformers import (
    AutoModelForSeq2SeqLM,
    M2M100Config,
    MBart50Tokenizer,
    MBartConfig,
    MBartTokenizer,
    NllbTokenizer,
)
from transformers.models.m2m_100.modeling_m2m_100 import shift_tokens_right as m2m_100
from transformers.models.mbart.modeling_mbart import shift_tokens_right as mbart

from temper import params
from temper.core import arrow, yaml_file
from temper.core.errors import InputError
from temper.models import loading
from temper.prediction.generation import torch_generate
from temper.tasks.base import registry
from temper.training import networks
from tests.helpers.samples import SEQ2SEQ, prepare_sample
from tests.helpers.training import BASE
from tests.helpers.workspace import change, load_data

VOCABULARY = ["<s>", "<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz0123456789:.,'-"]
ROWS = [(token, 0.0) for token in VOCABULARY]
CASES = {  # name → tokenizer, languages, shift of the decoder's inputs
    "nllb": (
        lambda: NllbTokenizer(
            vocab={token: i for i, token in enumerate(VOCABULARY)},
            merges=[],
            extra_special_tokens=["eng_Latn", "deu_Latn"],
        ),
        ("eng_Latn", "deu_Latn"),
        lambda labels: m2m_100(labels, 1, 2),
    ),
    "mbart50": (
        lambda: MBart50Tokenizer(vocab=ROWS),
        ("en_XX", "de_DE"),
        lambda labels: m2m_100(labels, 1, 2),
    ),
    "mbart": (lambda: MBartTokenizer(vocab=ROWS), ("en_XX", "de_DE"), lambda x: mbart(x, 1)),
}
SMALL = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 128,
    "decoder_start_token_id": 2,
}


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """Return a function that downloads and tokenizes the sample for a multilingual model."""
    monkeypatch.chdir(tmp_path)
    prepare_sample(
        tmp_path, SEQ2SEQ, {"tokenize.max_length": 128, "tokenize.max_target_length": 128}
    )

    def prepare(name, languages):
        folder = Path("data/sample/seq2seq_lm/model")
        if name is not None:
            shutil.rmtree(folder)
            tokenizer = CASES[name][0]()
            family = M2M100Config if name == "nllb" else MBartConfig
            config = family(vocab_size=len(tokenizer), **SMALL)
            AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        tree = yaml.load(Path("params.yaml").read_text(), Loader=yaml_file.Loader)
        keys = ("task.source_language", "task.target_language")
        change(tree, dict(zip(keys, languages, strict=True)))
        Path("params.yaml").write_text(yaml.safe_dump(tree))
        return load_data(params.load())

    return prepare


@pytest.mark.parametrize("name", CASES)
def test_batches_are_those_of_transformers(name, prepare):
    """Inputs, labels and the decoder's inputs, and what a model begins its text with."""
    build, languages, shift = CASES[name]
    parameters = prepare(name, languages)
    examples = arrow.load(Path("data/raw"))["train"][:4]
    features = arrow.load(Path("data/tokenized"))["train"].select(range(4))
    config = loading.open_config(BASE / "weights")
    task = registry.load(parameters)
    processor = registry.load_processor(BASE / "processor", task)
    batch = task.collator(processor, config)(list(features))

    reference = build()
    reference.src_lang, reference.tgt_lang = languages
    texts = (examples[column] for column in ("spoken", "written"))
    expected = [
        reference(next(texts))["input_ids"],
        reference(text_target=next(texts))["input_ids"],
    ]
    for key, rows in zip(("input_ids", "labels"), expected, strict=True):
        assert [[i for i in row if i not in (1, -100)] for row in batch[key].tolist()] == rows
    labels = torch.tensor(batch["labels"]).masked_fill(torch.tensor(batch["labels"]) < 0, 1)
    counted = torch.tensor(batch["labels"] >= 0)
    assert torch.equal(torch.tensor(batch["decoder_input_ids"])[counted], shift(labels)[counted])


@pytest.mark.parametrize("name", CASES)
def test_texts_begin_in_the_language(name, prepare):
    """By its token: the first that is written or, for mBART, that the decoder reads."""
    _, languages, _ = CASES[name]
    parameters = prepare(name, languages)
    features = arrow.load(Path("data/tokenized"))["train"].select(range(2))
    task = registry.load(parameters, features.features)
    processor = registry.load_processor(BASE / "processor", task)
    network = networks.build(BASE, task, features.features, parameters)
    generate = torch_generate(network, parameters.evaluate.generation, processor)
    language, read = processor.convert_tokens_to_ids(languages[1]), []
    network.get_decoder().register_forward_pre_hook(
        lambda _, args, kwargs: read.append(kwargs["input_ids"][0, 0].item()), with_kwargs=True
    )
    written = generate(task.prompts(list(features), processor))
    assert (read[0] if name == "mbart" else written[0][0]) == language


@pytest.mark.parametrize(
    ("name", "languages", "message"),
    [
        ("nllb", (None, None), r"several languages \(eng_Latn, deu_Latn …\): set task.source_lang"),
        ("nllb", ("eng_Latn", "deu_Lat"), r"task.target_language: .* \(did you mean 'deu_Latn'"),
        ("nllb", ("eng_Latn", None), "set together, or neither"),
        (None, ("en", "de"), "the tokenizer of sample has no languages; remove it"),
    ],
)
def test_refuses_languages_that_do_not_fit(name, languages, message, prepare):
    """None where the checkpoint needs them, unknown ones, one alone, and any of T5."""
    with pytest.raises(InputError, match=message):
        prepare(name, languages)
