"""Texts go there and back through two translators, or one for both ways."""

import shutil
from pathlib import Path

import pytest

from stages import download
from temper.augmentation import back_translation
from temper.core import artifacts
from temper.core.errors import InputError
from temper.params.tokenize import BackTranslation
from tests.helpers.augmentation import BACK, augment
from tests.helpers.workspace import ROOT, load_data

LANGUAGES = {"there": "both", "back": "both", "source_lang": "eng_Latn", "target_lang": "deu_Latn"}


def seq2seq(name: str, seed: int):
    """Write a T5 of random weights to a folder."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    shutil.copytree(ROOT / "data/sample/seq2seq_lm/model", name)
    torch.manual_seed(seed)
    vocabulary = artifacts.read_json(Path(name) / "config.json")["vocab_size"]
    small = {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    config = T5Config(vocab_size=vocabulary, decoder_start_token_id=0, **small)
    T5ForConditionalGeneration(config).save_pretrained(name)


def by_hand(text: str, *ways) -> str:
    """Translate a text alone, greedily, by each way's folder and prefix."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    for folder, prefix in ways:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        processor = AutoTokenizer.from_pretrained(folder)
        ids = model.generate(
            **{
                name: value
                for name, value in processor(prefix + text, return_tensors="pt").items()
                if name != "token_type_ids"
            },
            max_new_tokens=8,
            do_sample=False,
        )
        text = processor.decode(ids[0], skip_special_tokens=True).strip()
    return text


def test_translates_there_and_back(write_params):
    """Batches give what translating each text alone gives, with both models and their prefixes."""
    write_params()
    seq2seq("one", 1), seq2seq("two", 2)
    named = {"sample": "data/sample/model", "one": "one", "two": "two"}
    mine = {"there_prefix": "we meet ", "back_prefix": "day "}
    parameters = write_params(
        model__files=named,
        tokenize__translators={
            n: {"name": m, "revision": None} for n, m in (("there", "one"), ("back", "two"))
        },
        tokenize__augment=augment(back_translation=BACK | mine | {"rate": 0.1}),
    )
    for name in ("there", "back"):
        target = Path("data/translators") / name
        download.main("translator", Path("data/files/model"), target)
        assert (target / "model.safetensors").exists()
    load_data(parameters)
    report = artifacts.read_json(Path("data/tokenized/report.json"))["augmented"]
    assert report["back_translation"]["made"] > 2
    texts = ["we meet at ten", "a ticket for day two of June", "", "the shop closes at nine"]
    p = BackTranslation.model_validate(BACK | mine | {"batch_size": 3})
    found = back_translation.build_back_translation(p, Path("data/translators"))(texts, [])
    assert found == [by_hand(text, ("one", "we meet "), ("two", "day ")) for text in texts]
    assert found != texts
    swapped = BackTranslation.model_validate(p.model_dump() | {"there": "back", "back": "there"})
    assert (
        back_translation.build_back_translation(swapped, Path("data/translators"))(texts, [])
        != found
    )


@pytest.fixture
def multilingual():
    """A model for several languages, with random weights and an NLLB tokenizer."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁we", "▁meet", "w", "e", "m", "t"]
    processor = NllbTokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=[],
        extra_special_tokens=["eng_Latn", "deu_Latn"],
    )
    torch.manual_seed(2)
    config = M2M100Config(
        vocab_size=len(processor),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=32,
        decoder_start_token_id=2,
    )
    model = M2M100ForConditionalGeneration(config)
    folder = Path("translators/both")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_multilingual_model_gets_the_language_codes(multilingual):
    """The source's code is part of the input, the target's is the first token of the output."""
    model, processor = back_translation.open_model(multilingual)
    calls = []

    def generate(**options):
        calls.append(options)
        return type(model).generate(model, **options)

    p = BackTranslation.model_validate(BACK | LANGUAGES)
    codes = {c: processor.convert_tokens_to_ids(c) for c in ("eng_Latn", "deu_Latn")}
    for source, target in (("eng_Latn", "deu_Latn"), ("deu_Latn", "eng_Latn")):
        write = back_translation.build_translator(model, processor, "", (source, target), p)
        model.generate = generate
        write(["we meet"])
        assert codes[source] in calls[-1]["input_ids"]
        assert codes[target] not in calls[-1]["input_ids"]
        assert calls[-1]["forced_bos_token_id"] == codes[target]
    both = back_translation.build_back_translation(p, multilingual.parent)
    assert both(["we meet", "we"], []) == both(["we meet", "we"], [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_lang": "deu_Lat"}, "has no language 'deu_Lat' (did you mean 'deu_Latn'?)"),
        ({"max_new_tokens": 32}, "max_new_tokens is 32, but the model has positions for 32"),
        ({"there": "absent"}, "absent does not exist; run dvc repro"),
        ({"there": "plain"}, "needs a sequence-to-sequence model with its tokenizer"),
        ({"there": "t5", "back": "t5"}, "has no language codes; set source_lang and target_lang"),
    ],
)
def test_refuses_unsuitable_translators(multilingual, change, message):
    """Unknown languages, too few positions and folders without a model are refused."""
    shutil.copytree(ROOT / "data/sample/model", "translators/plain")
    seq2seq("translators/t5", 1)
    with pytest.raises(InputError) as caught:
        back_translation.build_back_translation(
            BackTranslation.model_validate(BACK | LANGUAGES | change), Path("translators")
        )
    assert message in str(caught.value)
