"""Some layers of a checkpoint, bottom first → the weights and the config of a smaller model.

A student that starts from every other layer of a larger model learns faster than one with new
layers (Sanh et al. 2019, DistilBERT).
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError, summary
from temper.ingest import weights
from temper.ingest.model_files import checkpoint_shapes
from temper.models.config import MODEL_TYPE
from temper.params.model import ModelParams

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

COUNT = "num_hidden_layers"  # in transformers' configs, some of which also call it n_layer
ONE_PER_LAYER = (  # lists in a config
    "attention_window",
    "layer_rope_theta",
    "layer_types",
    "layers_block_type",
    "mlp_layer_types",
    "no_rope_layers",
    "num_attention_heads_per_layer",
    "num_key_value_heads_per_layer",
)
NUMBERED = re.compile(r"^(.*?)\.(\d+)\.")  # the first number in a tensor's name


def check(folder: Path, config: "PretrainedConfig", params: ModelParams) -> None:
    """Check `model.layers` against a checkpoint; `config` is its own, without overrides.

    Raises:
        InputError: the model has fewer layers or no list of them, or an override of their number.
    """
    list_of_layers(folder, config, params)
    names, count = type(config).attribute_map, getattr(config, COUNT)
    for i in params.layers or ():
        if i >= count:
            raise InputError(
                f"model.layers: {params.name} has the layers 0 to {count - 1}; found {i}"
            )
    for key in params.config:
        if names.get(key, key) == names.get(COUNT, COUNT):
            raise InputError(f"model.config.{key}: model.layers says how many; remove one of them")


def list_of_layers(folder: Path, config: "PretrainedConfig", params: ModelParams) -> str:
    """Return what comes before the number of a layer in the names of a checkpoint's tensors.

    Raises:
        InputError: the model has no list of layers, or several.
    """
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for name in checkpoint_shapes(folder):
        if found := NUMBERED.match(name):
            numbers[found[1]].add(int(found[2]))
    count = getattr(config, COUNT, 0)
    lists = [name for name, found in numbers.items() if found == set(range(count))]
    if config.model_type == MODEL_TYPE or config.is_encoder_decoder or len(lists) != 1:
        what = "a custom class or a head of temper's" if config.model_type == MODEL_TYPE else None
        what = what or (f"{len(lists)} lists of {count} layers" if count else "no list of layers")
        what = "an encoder and a decoder" if config.is_encoder_decoder else what
        raise InputError(
            f"model.layers: {params.name} ({config.model_type}) has {what}, and layers can be "
            "chosen from one list of a plain model: remove it"
        )
    return lists[0]


def shorten_config(config: "PretrainedConfig", params: ModelParams) -> None:
    """Make a config that of the chosen layers alone.

    Raises:
        InputError: it has a list that may be about layers, or transformers would refuse it.
    """
    count, chosen = getattr(config, COUNT), params.layers or ()
    for key, value in config.to_dict().items():
        if not isinstance(value, list) or len(value) != count or count == 1:
            continue
        if key not in ONE_PER_LAYER:
            raise InputError(
                f"model.layers: the config of {params.name} has {count} layers and {count} values "
                f"in {key}, of which it is not known whether they are one per layer: remove it"
            )
        setattr(config, key, [value[i] for i in chosen])
    setattr(config, COUNT, len(chosen))
    backbone: Any = config
    if len(getattr(config, "stage_names", None) or ()) == count + 1:
        backbone.stage_names = backbone.stage_names[: len(chosen) + 1]
        backbone.out_features = None  # the last
    try:
        type(config).from_dict(config.to_dict())
    except Exception as error:  # transformers' config classes raise anything
        raise InputError(
            f"model.layers: {params.name} has no config of {len(chosen)} layers: {summary(error)}"
        ) from error


def check_networks(
    folder: Path,
    whole: "PretrainedConfig",
    short: "PretrainedConfig",
    params: ModelParams,
    auto_model: str,
) -> None:
    """Check that each chosen layer is the same network under its new number.

    In some models a layer's number says what it computes: ModernBERT's first has no norm.

    Raises:
        InputError: names what differs.
    """
    prefix, chosen = list_of_layers(folder, whole, params), params.layers or ()
    layers, kept = (
        _layers(weights.build_meta_model(config, auto_model), prefix, getattr(config, COUNT))
        for config in (whole, short)
    )
    for new, old in enumerate(chosen):
        before, after = _facts(layers[old], old), _facts(kept[new], new)
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                raise InputError(
                    f"model.layers: layer {old} of {params.name} would be another as layer {new}: "
                    f"{key} is {before.get(key)} there and {after.get(key)} here; keep it in its "
                    "place, or remove model.layers"
                )


def _layers(network: "nn.Module", prefix: str, count: int) -> "list[nn.Module]":
    """Return a network's layers; the checkpoint's names may lack, or have, an outer prefix."""
    lists = {
        name: list(module.children())
        for name, module in network.named_modules()
        if f".{name}".endswith(f".{prefix}") or f".{prefix}".endswith(f".{name}")
    }
    (found,) = (modules for modules in lists.values() if len(modules) == count)
    return found


def _facts(layer: "nn.Module", number: int) -> dict[str, Any]:
    """Return the class and the settings of each module of a layer, without its number.

    Rates of dropout are left out, which often rise from layer to layer.
    """
    found: dict[str, Any] = {}
    for path, module in layer.named_modules():
        if "drop" in path:
            continue
        name = path or "layer"
        found[name] = type(module).__name__
        for key, value in vars(module).items():
            is_setting = isinstance(value, bool | int | float | str) or value is None
            is_number = value == number and not isinstance(value, bool) and "layer" in key
            if is_setting and not is_number and not key.startswith("_") and "drop" not in key:
                found[f"{name}.{key}"] = value
    return found


def write_weights(
    folder: Path, whole: "PretrainedConfig", params: ModelParams, target: Path
) -> None:
    """Write a checkpoint's tensors without the other layers, numbered from 0, as one file."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    prefix = list_of_layers(folder, whole, params)
    number_of = {str(old): str(new) for new, old in enumerate(params.layers or ())}
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (not a mapping)
                new_name = name
                if name.startswith(f"{prefix}."):
                    number, dot, rest = name.removeprefix(f"{prefix}.").partition(".")
                    if dot and number not in number_of:
                        continue
                    new_name = f"{prefix}.{number_of.get(number, number)}{dot}{rest}"
                tensors[new_name] = stored.get_tensor(name)
    target.mkdir()
    save_file(tensors, str(target / "model.safetensors"), metadata={"format": "pt"})
