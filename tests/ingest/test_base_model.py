"""A checkpoint becomes data/base as it is, or an error before anything runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from stages import download
from temper.core.errors import InputError
from temper.models import loading


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


def test_copies_a_checkpoint_unchanged(checkpoint, write_params):
    """The weights are the folder's bytes, the config has the overrides, and the head is known."""
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


def test_lists_new_and_unused_tensors(checkpoint, write_params):
    """The checkpoint is a backbone without a head and with one tensor more."""
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
def test_refuses_configs_that_do_not_fit(checkpoint, write_params, changes, message):
    """The error has the nearest name or the two numbers."""
    with pytest.raises(InputError, match=message):
        fetch(write_params, model__from_scratch=False, **changes)


def test_pair_head_needs_token_types(checkpoint, write_params):
    """Tokenizers like RoBERTa's and DistilBERT's give none."""
    settings = json.loads(Path("m/tokenizer_config.json").read_text())
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    Path("m/tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"pair needs to know .* returns no token_type_ids"):
        fetch(write_params, model__head={"kind": "linear", "pooling": "pair", "dropout": 0.1})


def test_a_missing_backbone_tensor_is_an_error(checkpoint, write_params):
    """Random weights are never loaded silently."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file("m/model.safetensors")
    tensors.pop("bert.encoder.layer.0.output.dense.weight")
    save_file(tensors, "m/model.safetensors")
    with pytest.raises(InputError, match=r"lacks bert\.encoder\.layer\.0\.output\.dense\.weight"):
        fetch(write_params, model__from_scratch=False)


def test_refuses_pickles_and_foreign_code(checkpoint, write_params):
    """Nothing is loaded that could run code."""
    Path("m/model.safetensors").rename("m/pytorch_model.bin")
    with pytest.raises(InputError, match=r"only pytorch_model\.bin, which can run code"):
        fetch(write_params, model__from_scratch=False)
    config = json.loads(Path("m/config.json").read_text()) | {"auto_map": {"AutoConfig": "x.X"}}
    Path("m/config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="trust_remote_code: true"):
        fetch(write_params)


def test_tells_head_tensors_from_backbone_tensors():
    """A pooler may be new, a layer may not."""
    assert loading.is_head_tensor("bert.pooler.dense.weight", "bert.")
    assert loading.is_head_tensor("classifier.bias", "bert.")
    assert not loading.is_head_tensor("bert.encoder.layer.0.output.dense.weight", "bert.")
