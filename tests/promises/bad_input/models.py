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


def case(
    name: str,
    says: tuple[str, ...],
    *,
    files: Mapping[str, FileContent],
    changes: Mapping[str, Any] = TRAINED,
    recipe: str | None = None,
) -> BadInput:
    return BadInput(name=name, says=says, files=files, changes=changes, recipe=recipe)


def no_tokenizer(path: Path) -> None:
    for file in path.parent.glob("tokenizer*"):
        file.unlink()


SCRATCH: dict[str, Any] = {}
IMAGES = "data/sample/image_classification/model"
CAUSAL = "data/sample/causal_lm/model"
SEQ2SEQ = "data/sample/seq2seq_lm/model"
CASES = [
    case(
        "no_tokenizer",
        ("model sample:", "data/sample/model has no tokenizer", "every word is unknown"),
        files={TOKENIZER: no_tokenizer},
        changes=SCRATCH,
    ),
    case(
        "tokenizer_of_special_tokens",
        ("data/sample/model has no tokenizer", "tokenizer.json", "[UNK]"),
        files={"data/sample/model/tokenizer.json": without_words},
        changes=SCRATCH,
    ),
    case(
        "tokenizer_is_no_json",
        ("model sample: no tokenizer in data/sample/model",),
        files={"data/sample/model/tokenizer.json": '{"model": '},
        changes=SCRATCH,
    ),
    case(
        "tokenizer_is_a_pointer",
        ("data/sample/model/tokenizer.json: a git-lfs pointer of", "git lfs pull"),
        files={"data/sample/model/tokenizer.json": POINTER},
        changes=SCRATCH,
    ),
    case(
        "vocabulary_is_a_pointer",
        ("data/sample/model/vocab.txt: a git-lfs pointer of", "git lfs pull"),
        files={"data/sample/model/tokenizer.json": removed, "data/sample/model/vocab.txt": POINTER},
        changes=SCRATCH,
    ),
    case(
        "unknown_tokenizer_class",
        ("model sample: no tokenizer in data/sample/model", "tokenizer"),
        files={
            TOKENIZER: changed(tokenizer_class="NoTokenizer"),
            "data/sample/model/tokenizer.json": removed,
        },
        changes=SCRATCH,
    ),
    case(
        "no_image_processor",
        (f"model sample: no image processor in {IMAGES}", "preprocessor_config.json"),
        files={f"{IMAGES}/preprocessor_config.json": removed},
        changes=SCRATCH,
        recipe="sample-image_classification",
    ),
    case(
        "image_processor_is_no_json",
        (f"model sample: no image processor in {IMAGES}",),
        files={f"{IMAGES}/preprocessor_config.json": "size: 32"},
        changes=SCRATCH,
        recipe="sample-image_classification",
    ),
    case(
        "no_end_token",
        ("the tokenizer has no eos_token, which causal_lm needs", f"{CAUSAL}/tokenizer_config"),
        files={f"{CAUSAL}/tokenizer_config.json": changed(eos_token=None)},
        changes=SCRATCH,
        recipe="sample-causal_lm",
    ),
    case(
        "no_end_token_to_write",
        ("the tokenizer has no eos_token, which seq2seq_lm needs", f"{SEQ2SEQ}/tokenizer_config"),
        files={f"{SEQ2SEQ}/tokenizer_config.json": changed(eos_token=None)},
        changes=SCRATCH,
        recipe="sample-seq2seq_lm",
    ),
    case(
        "no_mask_token",
        ("the tokenizer has no mask_token, which masked_lm needs", TOKENIZER),
        files={TOKENIZER: changed(mask_token=None, tokenizer_class="TokenizersBackend")},
        changes=SCRATCH,
        recipe="sample-masked_lm",
    ),
    case(
        "no_pad_or_end_token",
        ("the tokenizer has no pad_token", "sequence_classification needs", TOKENIZER),
        files={TOKENIZER: changed(pad_token=None, tokenizer_class="TokenizersBackend")},
        changes=SCRATCH,
    ),
    case(
        "classified_by_an_end_token_that_is_not_there",
        ("t5 classifies a text by its end token, 1", "its tokenizer adds none"),
        files={
            CONFIG: json.dumps({"model_type": "t5", "vocab_size": 1606, "d_model": 8, "d_ff": 8})
        },
        changes=SCRATCH,
    ),
    case(
        "an_encoder_continues_texts",
        ("bert is an encoder, which sees the words", "model.config: {is_decoder: true}"),
        files={
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
        changes=SCRATCH,
        recipe="sample-causal_lm",
    ),
    case("no_config", ("data/sample/model has no config.json",), files={CONFIG: removed}),
    case(
        "config_is_a_list",
        (f"{CONFIG}: expected keys and values, found a list",),
        files={CONFIG: "[]"},
        changes=SCRATCH,
    ),
    case(
        "config_is_text",
        (f"{CONFIG}: expected keys and values, found one value",),
        files={CONFIG: '"bert"'},
        changes=SCRATCH,
    ),
    case(
        "config_is_cut",
        (f"{CONFIG} is no JSON: damaged, 15 bytes", "download it again"),
        files={CONFIG: '{"model_type": '},
        changes=SCRATCH,
    ),
    case(
        "config_is_binary",
        (f"{CONFIG} is no JSON: damaged, 2 bytes",),
        files={CONFIG: b"\xff\xfe"},
        changes=SCRATCH,
    ),
    case(
        "config_is_a_pointer",
        (f"{CONFIG}: a git-lfs pointer of", "git lfs pull"),
        files={CONFIG: POINTER},
        changes=SCRATCH,
    ),
    case(
        "config_is_deep", (f"{CONFIG} is no JSON",), files={CONFIG: "[" * 100_000}, changes=SCRATCH
    ),
    case(
        "vocab_size_is_text",
        (CONFIG, "'vocab_size' expected int, got str (value: 'big')"),
        files={CONFIG: changed(vocab_size="big")},
        changes=SCRATCH,
    ),
    case(
        "labels_are_a_list",
        (f"model sample: {CONFIG}: ",),
        files={CONFIG: changed(id2label=["a", "b"])},
        changes=SCRATCH,
    ),
    case(
        "unknown_model_type",
        (CONFIG, "model type `nix`"),
        files={CONFIG: changed(model_type="nix")},
        changes=SCRATCH,
    ),
    case(
        "no_model_type",
        (CONFIG, "`model_type`"),
        files={CONFIG: changed(model_type=None, architectures=None)},
        changes=SCRATCH,
    ),
    case(
        "heads_do_not_divide",
        ("transformers cannot build this bert", "multiple of the number of attention heads"),
        files={CONFIG: changed(num_attention_heads=3)},
        changes=SCRATCH,
    ),
    case(
        "unknown_activation",
        ("transformers cannot build this bert", "nix"),
        files={CONFIG: changed(hidden_act="nix")},
        changes=SCRATCH,
    ),
    case(
        "an_image_model_for_texts",
        ("convnext",),
        files={CONFIG: json.dumps({"model_type": "convnext"})},
        changes=SCRATCH,
    ),
    case("no_weights", ("model sample: weights must be safetensors, found none",), files={}),
    case(
        "pickled_weights",
        ("found only pytorch_model.bin, which can run code when loaded", "convert them"),
        files={"data/sample/model/pytorch_model.bin": b"x"},
    ),
    case(
        "empty_weights", (f"{WEIGHTS}: damaged, 0 bytes", "download it again"), files={WEIGHTS: b""}
    ),
    case("cut_weights", (f"{WEIGHTS}: damaged, 90 bytes",), files={WEIGHTS: cut(90)}),
    case("cut_header", (f"{WEIGHTS}: damaged, 20 bytes",), files={WEIGHTS: cut(20)}),
    case(
        "weights_are_a_pointer",
        (f"{WEIGHTS}: a git-lfs pointer of", "git lfs pull"),
        files={WEIGHTS: POINTER},
    ),
    case(
        "weights_are_a_page", (f"{WEIGHTS}: damaged, 15 bytes",), files={WEIGHTS: "<!doctype html>"}
    ),
    case(
        "shard_is_missing",
        (INDEX, "1 of 2 files are missing", "data/sample/model/model-2.safetensors"),
        files={
            "data/sample/model/model-1.safetensors": tensors("a"),
            INDEX: json.dumps(
                {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
            ),
        },
    ),
    case(
        "index_is_no_index",
        (f"{INDEX}: not an index of tensors",),
        files={WEIGHTS: tensors("a"), INDEX: "[]"},
    ),
    case(
        "weights_of_another_model",
        ("the checkpoint lacks bert.embeddings.word_embeddings.weight",),
        files={WEIGHTS: tensors("encoder.weight")},
    ),
    case(
        "code_in_the_repository",
        ("model sample needs the code in its repository", "model.trust_remote_code: true"),
        files={CONFIG: changed(auto_map={"AutoConfig": "x.X"})},
        changes=SCRATCH,
    ),
    case(
        "more_tokens_than_embeddings",
        ("the tokenizer has 1606 tokens, the model embeds 100", "model.config.vocab_size to 1606"),
        files={CONFIG: changed(vocab_size=100)},
        changes=SCRATCH,
    ),
]
