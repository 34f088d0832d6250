"""Model folders that lack a file, or hold one that is damaged or does not fit."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.promises.bad_input import BadInput, FileContent

CONFIG, WEIGHTS = "data/sample/model/config.json", "data/sample/model/model.safetensors"
TOKENIZER = "data/sample/model/tokenizer_config.json"
INDEX = f"{WEIGHTS}.index.json"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 90000\n"
TRAINED = {"model.from_scratch": False}


ENDS_TEXTS = {
    "type": "TemplateProcessing",
    "single": [
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
    "special_tokens": {"[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}},
}


def changed(**values: Any) -> Callable[[Path], object]:
    """Return a function that sets keys of a JSON file; None removes one."""

    def change(path: Path) -> None:
        content = json.loads(path.read_text()) | values
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))

    return change


def removed(path: Path) -> None:
    path.unlink()


def tensors(*names: str) -> Callable[[Path], object]:
    """Return a function that writes safetensors of one number each."""

    def write(path: Path) -> None:
        from safetensors.numpy import save_file

        save_file({name: np.zeros(1, np.float32) for name in names}, path)

    return write


def cut(size: int) -> Callable[[Path], object]:
    """Return a function that writes the first bytes of safetensors."""

    def write(path: Path) -> None:
        tensors("a", "b")(path)
        path.write_bytes(path.read_bytes()[:size])

    return write


def without_words(path: Path) -> None:
    """Leave a tokenizer its special tokens alone."""
    content = json.loads(path.read_text())
    content["model"]["vocab"] = dict(list(content["model"]["vocab"].items())[:5])
    path.write_text(json.dumps(content))


def case(name: str, files: Mapping[str, FileContent], *says: str, **fields: Any) -> BadInput:
    """Return a case of a model's files; its weights are read with `changes=TRAINED` alone."""
    return BadInput(name=name, files=files, says=says, **fields)


def no_tokenizer(path: Path) -> None:
    for file in path.parent.glob("tokenizer*"):
        file.unlink()


IMAGES = "data/sample/image_classification/model"
CAUSAL = "data/sample/causal_lm/model"
SEQ2SEQ = "data/sample/seq2seq_lm/model"
CASES = [
    case(
        "no_tokenizer",
        {TOKENIZER: no_tokenizer},
        "model sample:",
        "data/sample/model has no tokenizer",
        "every word is unknown",
    ),
    case(
        "tokenizer_of_special_tokens",
        {"data/sample/model/tokenizer.json": without_words},
        "data/sample/model has no tokenizer",
        "tokenizer.json",
        "[UNK]",
    ),
    case(
        "tokenizer_is_no_json",
        {"data/sample/model/tokenizer.json": '{"model": '},
        "model sample: no tokenizer in data/sample/model",
    ),
    case(
        "tokenizer_is_a_pointer",
        {"data/sample/model/tokenizer.json": POINTER},
        "data/sample/model/tokenizer.json: a git-lfs pointer of",
        "git lfs pull",
    ),
    case(
        "vocabulary_is_a_pointer",
        {"data/sample/model/tokenizer.json": removed, "data/sample/model/vocab.txt": POINTER},
        "data/sample/model/vocab.txt: a git-lfs pointer of",
        "git lfs pull",
    ),
    case(
        "unknown_tokenizer_class",
        {
            TOKENIZER: changed(tokenizer_class="NoTokenizer"),
            "data/sample/model/tokenizer.json": removed,
        },
        "model sample: no tokenizer in data/sample/model",
        "tokenizer",
    ),
    case(
        "no_image_processor",
        {f"{IMAGES}/preprocessor_config.json": removed},
        f"model sample: no image processor in {IMAGES}",
        "preprocessor_config.json",
        recipe="sample-image_classification",
    ),
    case(
        "image_processor_is_no_json",
        {f"{IMAGES}/preprocessor_config.json": "size: 32"},
        f"model sample: no image processor in {IMAGES}",
        recipe="sample-image_classification",
    ),
    case(
        "no_end_token",
        {f"{CAUSAL}/tokenizer_config.json": changed(eos_token=None)},
        "the tokenizer has no eos_token, which causal_lm needs",
        f"{CAUSAL}/tokenizer_config",
        recipe="sample-causal_lm",
    ),
    case(
        "no_end_token_to_write",
        {f"{SEQ2SEQ}/tokenizer_config.json": changed(eos_token=None)},
        "the tokenizer has no eos_token, which seq2seq_lm needs",
        f"{SEQ2SEQ}/tokenizer_config",
        recipe="sample-seq2seq_lm",
    ),
    case(
        "adapter_without_its_model",
        {CONFIG: removed, "data/sample/model/adapter_config.json": "{}"},
        "data/sample/model has no config.json; it is an adapter: merge it into its base model",
    ),
    case(
        "quantized_weights",
        {
            CONFIG: changed(
                quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}
            )
        },
        "model sample: its weights are quantized (bitsandbytes)",
        "take the checkpoint that it was made from",
    ),
    case(
        "tokenizer_ends_texts",
        {f"{CAUSAL}/tokenizer.json": changed(post_processor=ENDS_TEXTS)},
        "its tokenizer ends every text with '[SEP]', after which a model writes nothing more",
        f"from the post_processor of {CAUSAL}/tokenizer.json",
        recipe="sample-causal_lm",
    ),
    case(
        "tokenizer_does_not_end_targets",
        {f"{SEQ2SEQ}/tokenizer.json": changed(post_processor=None)},
        "its tokenizer does not end targets with '</s>', so that a model would not learn to end",
        f"to the post_processor of {SEQ2SEQ}/tokenizer.json",
        recipe="sample-seq2seq_lm",
    ),
    case(
        "no_mask_token",
        {TOKENIZER: changed(mask_token=None, tokenizer_class="TokenizersBackend")},
        "the tokenizer has no mask_token, which masked_lm needs",
        TOKENIZER,
        recipe="sample-masked_lm",
    ),
    case(
        "no_pad_or_end_token",
        {TOKENIZER: changed(pad_token=None, tokenizer_class="TokenizersBackend")},
        "the tokenizer has no pad_token",
        "sequence_classification needs",
        TOKENIZER,
    ),
    case(
        "classified_by_an_end_token_that_is_not_there",
        {CONFIG: json.dumps({"model_type": "t5", "vocab_size": 1606, "d_model": 8, "d_ff": 8})},
        "t5 classifies a text by its end token, 1",
        "its tokenizer adds none",
    ),
    case(
        "an_encoder_continues_texts",
        {
            f"{CAUSAL}/config.json": json.dumps(
                {
                    "model_type": "bert",
                    "vocab_size": 1606,
                    "hidden_size": 8,
                    "num_attention_heads": 2,
                    "num_hidden_layers": 1,
                }
            )
        },
        "bert is an encoder, which sees the words",
        "model.config: {is_decoder: true}",
        recipe="sample-causal_lm",
    ),
    case("config_is_a_list", {CONFIG: "[]"}, f"{CONFIG}: expected keys and values, found a list"),
    case(
        "config_is_text", {CONFIG: '"bert"'}, f"{CONFIG}: expected keys and values, found one value"
    ),
    case(
        "config_is_cut",
        {CONFIG: '{"model_type": '},
        f"{CONFIG} is no JSON: damaged, 15 bytes",
        "download it again",
    ),
    case("config_is_binary", {CONFIG: b"\xff\xfe"}, f"{CONFIG} is no JSON: damaged, 2 bytes"),
    case(
        "config_is_a_pointer", {CONFIG: POINTER}, f"{CONFIG}: a git-lfs pointer of", "git lfs pull"
    ),
    case("config_is_deep", {CONFIG: "[" * 100_000}, f"{CONFIG} is no JSON"),
    case(
        "vocab_size_is_text",
        {CONFIG: changed(vocab_size="big")},
        CONFIG,
        "'vocab_size' expected int, got str (value: 'big')",
    ),
    case("labels_are_a_list", {CONFIG: changed(id2label=["a", "b"])}, f"model sample: {CONFIG}: "),
    case("unknown_model_type", {CONFIG: changed(model_type="nix")}, CONFIG, "model type `nix`"),
    case(
        "no_model_type",
        {CONFIG: changed(model_type=None, architectures=None)},
        CONFIG,
        "`model_type`",
    ),
    case("an_image_model_for_texts", {CONFIG: json.dumps({"model_type": "convnext"})}, "convnext"),
    case(
        "pickled_weights",
        {"data/sample/model/pytorch_model.bin": b"x"},
        "found only pytorch_model.bin, which can run code when loaded",
        "convert them",
        changes=TRAINED,
    ),
    case(
        "empty_weights",
        {WEIGHTS: b""},
        f"{WEIGHTS}: damaged, 0 bytes",
        "download it again",
        changes=TRAINED,
    ),
    case("cut_weights", {WEIGHTS: cut(90)}, f"{WEIGHTS}: damaged, 90 bytes", changes=TRAINED),
    case("cut_header", {WEIGHTS: cut(20)}, f"{WEIGHTS}: damaged, 20 bytes", changes=TRAINED),
    case(
        "weights_are_a_pointer",
        {WEIGHTS: POINTER},
        f"{WEIGHTS}: a git-lfs pointer of",
        "git lfs pull",
        changes=TRAINED,
    ),
    case(
        "weights_are_a_page",
        {WEIGHTS: "<!doctype html>"},
        f"{WEIGHTS}: damaged, 15 bytes",
        changes=TRAINED,
    ),
    case(
        "shard_is_missing",
        {
            "data/sample/model/model-1.safetensors": tensors("a"),
            INDEX: json.dumps(
                {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
            ),
        },
        INDEX,
        "1 of 2 files are missing",
        "data/sample/model/model-2.safetensors",
        changes=TRAINED,
    ),
    case(
        "index_is_no_index",
        {WEIGHTS: tensors("a"), INDEX: "[]"},
        f"{INDEX}: not an index of tensors",
        changes=TRAINED,
    ),
    case(
        "weights_of_another_model",
        {WEIGHTS: tensors("encoder.weight")},
        "the checkpoint lacks bert.embeddings.word_embeddings.weight",
        changes=TRAINED,
    ),
    case(
        "code_in_the_repository",
        {CONFIG: changed(auto_map={"AutoConfig": "x.X"})},
        "model sample needs the code in its repository",
        "model.trust_remote_code: true",
    ),
]
