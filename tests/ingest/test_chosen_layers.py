"""`model.layers` keeps those layers of a checkpoint, in their order, and nothing else changes."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stages import download
from temper.core.errors import InputError

SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
CONFIGS = {
    "BertConfig": SMALL | {"num_hidden_layers": 4},
    "DistilBertConfig": {"dim": 16, "hidden_dim": 32, "n_heads": 2, "n_layers": 4},
    "GPT2Config": {"n_embd": 16, "n_head": 2, "n_layer": 4},
    "ModernBertConfig": SMALL | {"num_hidden_layers": 4, "cls_token_id": 0, "sep_token_id": 1},
    "SmolLM3Config": SMALL | {"num_hidden_layers": 4, "num_key_value_heads": 2},
    "Qwen2Config": SMALL | {"num_hidden_layers": 4, "num_key_value_heads": 2},
}


@pytest.fixture
def checkpoint(write_params):
    """Return a function that writes a checkpoint of four layers to `m`, with the sample's words."""
    import transformers

    write_params()

    def write(config_class, auto_class="AutoModelForSequenceClassification", **config):
        shutil.copytree("data/sample/model", "m")
        config = getattr(transformers, config_class)(
            vocab_size=1606, pad_token_id=0, **CONFIGS.get(config_class, {}), **config
        )
        torch.manual_seed(0)
        model = getattr(transformers, auto_class).from_config(config)
        model.save_pretrained("m")
        return model.eval()

    return write


def fetch(write_params, **changes):
    changes = {"model__name": "m", "model__files": {"m": "m"}, **changes}
    parameters = write_params(**{"model__from_scratch": False, **changes})
    shutil.rmtree("data/base", ignore_errors=True)
    Path("data/base").mkdir(parents=True)
    return download.download_model(parameters, Path("data/base"))


def test_the_chosen_layers_compute_what_they_did(checkpoint, write_params):
    """The short model equals the long one's embeddings and layers 1 and 3, called one by one."""
    from transformers import AutoModel

    long = checkpoint("BertConfig").bert
    summary = fetch(write_params, model__layers=[1, 3])
    short = AutoModel.from_pretrained("data/base/weights").eval()
    assert short.config.num_hidden_layers == 2
    assert summary["layers"] == [1, 3]
    assert summary["tensors"] == {"new": [], "unused": []}
    ids = torch.arange(5, 17)[None]
    with torch.no_grad():
        hidden = long.embeddings(ids)
        for i in (1, 3):
            output = long.encoder.layer[i](hidden)
            hidden = output[0] if isinstance(output, tuple) else output
        torch.testing.assert_close(short(ids).last_hidden_state, hidden)


@pytest.mark.parametrize(
    ("config_class", "prefix"),
    [("DistilBertConfig", "distilbert.transformer.layer"), ("GPT2Config", "transformer.h")],
)
def test_layers_have_other_names_elsewhere(checkpoint, write_params, config_class, prefix):
    """Every tensor of the chosen layers is renumbered; all others keep their name and value."""
    long = checkpoint(config_class).state_dict()
    fetch(write_params, model__layers=[0, 3])
    short = load_file("data/base/weights/model.safetensors")
    renamed = {
        name.replace(f"{prefix}.3.", f"{prefix}.1."): value
        for name, value in long.items()
        if not name.startswith((f"{prefix}.1.", f"{prefix}.2."))
    }
    assert renamed.keys() == short.keys()
    assert all(torch.equal(renamed[name], short[name]) for name in short)


def test_several_files_become_one(checkpoint, write_params):
    """A checkpoint in shards, whose index names layers that are gone, is read whole."""
    checkpoint("BertConfig").save_pretrained("m", max_shard_size="20KB")
    Path("m/model.safetensors").unlink()
    fetch(write_params, model__layers=[2])
    assert [p.name for p in Path("data/base/weights").glob("*safetensors*")] == [
        "model.safetensors"
    ]


def test_lists_of_the_config_are_shortened(checkpoint, write_params):
    """A list with a value per layer keeps those of the chosen layers."""
    checkpoint("BertConfig", attention_window=[2, 4, 6, 8])
    fetch(write_params, model__layers=[1, 3])
    config = json.loads(Path("data/base/weights/config.json").read_text())
    assert config["attention_window"] == [4, 8]


def test_layers_without_positions_stay_so(checkpoint, write_params):
    """SmolLM3 says of each layer whether it has rotary positions."""
    checkpoint("SmolLM3Config", no_rope_layers=[1, 1, 1, 0])
    fetch(write_params, model__layers=[1, 3])
    config = json.loads(Path("data/base/weights/config.json").read_text())
    assert config["no_rope_layers"] == [1, 0]


@pytest.mark.parametrize(
    ("config_class", "config", "message"),
    [
        ("ModernBertConfig", {}, "layer 1 of m would be another as layer 0: attn_norm"),
        (
            "GPT2Config",
            {"scale_attn_by_inverse_layer_idx": True},
            r"layer 1 of m would be another as layer 0: attn.scaling is .* there and .* here; keep",
        ),
        ("BertConfig", {"of_something": [1, 2, 3, 4]}, "4 layers and 4 values in of_something"),
    ],
)
def test_layers_that_would_compute_something_else_are_refused(
    checkpoint, write_params, config_class, config, message
):
    """Where their number, or a list of the config, says what they do."""
    checkpoint(config_class, **config)
    with pytest.raises(InputError, match=rf"^model\.layers: .*{message}"):
        fetch(write_params, model__layers=[1, 3])


@pytest.mark.parametrize("name", ["dinov2", "beit"])
def test_stages_of_images_are_those_of_the_layers(name):
    """A backbone names a stage per layer and returns the last; the config can be read again."""
    from transformers import AutoConfig

    from temper.ingest import chosen_layers

    config = AutoConfig.for_model(name, num_hidden_layers=6)
    params: Any = SimpleNamespace(name="m", layers=(1, 3))
    chosen_layers.shorten_config(config, params)
    again = AutoConfig.for_model(**config.to_dict())
    assert (again.num_hidden_layers, again.out_features) == (2, ["stage2"])
    assert again.stage_names == ["stem", "stage1", "stage2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [1, 4]}, "model.layers: m has the layers 0 to 3; found 4"),
        ({"config": {"num_hidden_layers": 2}}, "num_hidden_layers: model.layers says how many"),
        ({"layers": [2, 1]}, r"layers must rise, each once; found \[2, 1\]"),
        ({"layers": []}, "layers"),
        ({"from_scratch": True}, "layers has no effect with from_scratch"),
    ],
)
def test_refuses_layers_that_are_not_there(checkpoint, write_params, changes, message):
    """The error says which there are."""
    checkpoint("BertConfig")
    changes = {"layers": [0], **changes}
    with pytest.raises(InputError, match=message):
        fetch(write_params, **{f"model__{key}": value for key, value in changes.items()})


def test_refuses_models_without_one_list_of_layers(checkpoint, write_params):
    """Two stacks of layers, or a head of temper's, are named."""
    checkpoint("BertConfig")
    config = json.loads(Path("m/config.json").read_text())
    for change, what in (
        ({"num_hidden_layers": 3}, "0 lists of 3 layers"),
        ({"model_type": "temper"}, "a custom class or a head of temper's"),
    ):
        Path("m/config.json").write_text(json.dumps(config | change))
        with pytest.raises(InputError, match=rf"model\.layers: m \(\w+\) has {what}"):
            fetch(write_params, model__layers=[0])
